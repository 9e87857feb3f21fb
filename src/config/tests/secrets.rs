//! URLs and the files that hold them: what is refused, and that nothing shows a secret.

use super::{Directory, environment, in_environment, load, said, sound};
use crate::config::{Config, Environment, Overrides};

const NODE: &str = "https://canaryuser:canarypw@node.example:8443/v2/canarykey?key=canaryquery";
const DATABASE: &str = "postgres://canaryuser:canarypw@db.example:5433/canarydb?application_name=canaryapp";

#[test]
fn urls_have_rules_and_are_not_quoted() {
    let form = "; write it as https://host/path or wss://host/path";
    let database_form = "; write it as postgres://user:password@host:5432/database, special characters of the password \
                         percent-encoded";
    for (section, key, url, rule) in [
        (
            "rpc",
            "url",
            "ftp://canary",
            "the node's URL has a scheme that is not http, https, ws or wss".to_owned(),
        ),
        (
            "rpc",
            "url",
            "canary",
            format!("the node's URL cannot be parsed (relative URL without a base){form}"),
        ),
        ("rpc", "url", "http://a canary", "must be one URL, without spaces or line breaks".to_owned()),
        ("rpc", "url", "", "must not be empty".to_owned()),
        (
            "database",
            "url",
            "http://canary",
            "the database's URL has a scheme that is not postgres or postgresql".to_owned(),
        ),
        (
            "database",
            "admin_url",
            "postgres://canary:canary@h:canary/db",
            format!("the database's URL cannot be parsed (invalid port number){database_form}"),
        ),
    ] {
        let text = format!("[{section}]\n{key} = \"{url}\"");
        assert_eq!(said(&text), format!("config.toml:2: {section}.{key} = [redacted]: {rule}"));
    }
    assert_eq!(said("[rpc]\nurl = 31337"), "config.toml:2: rpc.url = [redacted]: must be a text in quotes");
}

/// What the exceptions are for is refused without them, whatever the source of the URL.
#[test]
fn other_machines_are_verified_and_metadata_addresses_refused() {
    let unverified = "postgres://canaryuser:canarypw@db.example/canarydb?sslmode=disable";
    for key in ["url", "admin_url"] {
        let text = format!("[database]\n{key} = \"{unverified}\"\n");
        let said = said(&text);
        assert!(said.starts_with(&format!("config.toml:2: database.{key} = [redacted]: ")), "{said}");
        assert!(said.contains("sslmode=verify-full") && said.contains("allow_unverified"), "{said}");
        sound(&format!("{text}allow_unverified = true"));
    }
    let secret = ("DATABASE_URL", unverified);
    let refused = in_environment(&[secret]).expect_err("a weak mode").to_string();
    assert!(refused.contains("DATABASE_URL") && !refused.contains("canary"), "{refused}");
    in_environment(&[secret, ("ASSET_INDEXER__DATABASE__ALLOW_UNVERIFIED", "true")]).expect("allowed");

    let text = "[rpc]\nurl = \"http://169.254.169.254/latest/canary\"\n";
    let said = said(text);
    assert!(said.starts_with("config.toml:2: rpc.url = [redacted]: must not lead to a link-local"), "{said}");
    sound(&format!("{text}allow_link_local = true"));
}

#[test]
fn a_secret_is_given_once_in_a_source() {
    for (section, url, file) in [
        ("rpc", "url", "url_file"),
        ("database", "url", "url_file"),
        ("database", "admin_url", "admin_url_file"),
    ] {
        let text = format!("[{section}]\n{url} = \"http://canary\"\n{file} = \"f\"");
        let rule = format!("{section}.{url} is given too (config.toml:2): give one of them");
        assert_eq!(said(&text), format!("config.toml:3: {section}.{file} = \"f\": {rule}"));
    }
    let both = in_environment(&[("DATABASE_URL", DATABASE), ("DATABASE_URL_FILE", "f")]).expect_err("both");
    assert_eq!(
        both.to_string(),
        "environment DATABASE_URL_FILE: database.url_file = \"f\": database.url is given too (environment DATABASE_URL): \
         give one of them"
    );
}

#[test]
fn a_file_with_a_secret_is_read_from_where_the_configuration_stands() {
    let directory = Directory::new();
    directory.write("good", format!("\n{NODE}\r\n"));
    directory.write("two", format!("{NODE}\n{NODE}\n"));
    directory.write("blank", "\n");
    directory.write("other", "ftp://canary");
    directory.write("binary", [0xff]);
    let load = |name: &str| {
        let file = directory.write("config.toml", format!("[rpc]\nurl_file = \"{name}\""));
        Config::load_with(Some(&file), &Environment::default(), &Overrides::default())
            .map_err(|errors| directory.relative(errors))
    };
    let config = load("good").expect("a sound file");
    assert_eq!(config.rpc.as_ref().expect("a node").url.to_string(), "https://node.example:8443");
    for (name, rule) in [
        ("none", "cannot be read: No such file or directory (os error 2)"),
        ("two", "the file's content: must be one URL, without spaces or line breaks"),
        ("blank", "the file's content: must not be empty"),
        ("other", "the file's content: the node's URL has a scheme that is not http, https, ws or wss"),
        ("binary", "is not UTF-8 text"),
    ] {
        let said = load(name).expect_err("a mistake");
        assert_eq!(said, format!("config.toml:2: rpc.url_file = {name:?}: {rule}"));
    }
    let said = load(NODE).expect_err("a URL is no file");
    assert_eq!(said, "config.toml:2: rpc.url_file = [redacted]: must be a path, and this is a URL");
}

#[test]
fn nothing_shows_a_secret() {
    let directory = Directory::new();
    let file = directory.write("admin", DATABASE);
    let environment = environment(&[
        ("RPC_URL", NODE),
        ("DATABASE_URL", DATABASE),
        ("ADMIN_DATABASE_URL_FILE", file.to_str().expect("a readable name")),
    ]);
    let overrides =
        Overrides { rpc: Some(NODE.into()), database_url: Some(DATABASE.into()), ..Overrides::default() };
    let config = Config::load_with(None, &environment, &overrides).expect("a sound configuration");
    let several =
        sound(&format!("[rpc]\nurl = \"{NODE}\"\n[[provider]]\nalias = \"other\"\nurl = \"{NODE}\""));
    assert_eq!(several.providers.len(), 2);
    for shown in [
        format!("{several:?}"),
        format!("{several:#?}"),
        several.effective(),
        format!("{config:?}"),
        format!("{config:#?}"),
        config.effective(),
        format!("{environment:?}"),
        format!("{overrides:?}"),
        config.rpc.expect("a node").alias,
    ] {
        assert!(!shown.contains("canary"), "{shown}");
    }
    assert_eq!(format!("{environment:?}"), "{\"ADMIN_DATABASE_URL_FILE\", \"DATABASE_URL\", \"RPC_URL\"}");
}

/// A URL lands in the wrong place more easily than elsewhere: no key that can be written shows one.
#[test]
fn a_secret_in_the_wrong_place_is_not_shown_either() {
    for known in crate::config::key::ALL {
        for url in [NODE, DATABASE] {
            let text = format!("[{}]\n{} = \"{url}\"", known.section, known.name);
            let shown = match load(&text) {
                Ok(config) => format!("{config:?}{}", config.effective()),
                Err(errors) => format!("{errors}{errors:?}"),
            };
            assert!(!shown.contains("canary"), "{}: {shown}", known.path());
        }
    }
    for text in [
        format!("[rpc]\nulr = \"{NODE}\""),
        format!("[rpc]\n\"{NODE}\" = 1"),
        format!("\"{NODE}\" = 1"),
        format!("[rpc]\nurl = [\"{NODE}\"]"),
        format!("[rpc]\nurl = {NODE}"),
        format!("[rpc]\nurl = \"{NODE}"),
        format!("[rpc]\n{NODE}"),
        format!("[[provider]]\nurl = \"{NODE}\"\nurl_file = \"{NODE}\""),
        format!("[[provider]]\nurl = \"{NODE}\"\n\n[[provider]]\nurl = \"{NODE}\""),
        format!("[[provider]]\nurl = \"{NODE}\"\nalias = \"{NODE}\""),
        format!("[[provider]]\nurl = \"{NODE}\"\nrequests_per_day = \"{NODE}\""),
        format!("[[provider]]\nurl_file = \"{NODE}\""),
        format!("[[provider]]\nurl = [\"{NODE}\"]"),
        "[[provider]]\nurl = \"canary\"".to_owned(),
        "[[provider]]\nurl = \"ftp://canary\"".to_owned(),
        "[[provider]]\nurl = \"http://a canary\"".to_owned(),
        "[[provider]]\nurl = \"http://user:ca/nary@canary.example\"".to_owned(),
        format!("[[contract]]\nrole = \"{NODE}\"\naddress = \"{NODE}\""),
        format!("[[claim_topic]]\ntopic = \"0{NODE}\"\nexpires_at_word = \"{NODE}\""),
        format!("[[abi]]\nrole = \"{NODE}\"\nfile = \"{NODE}\""),
    ] {
        let errors = load(&text).expect_err("a mistake");
        let shown = format!("{errors}{errors:?}");
        assert!(!shown.contains("canary"), "{text}: {shown}");
    }
    let overrides = Overrides { contracts: vec![NODE.into()], ..Overrides::default() };
    let errors = Config::load_with(None, &Environment::default(), &overrides).expect_err("a mistake");
    assert!(!errors.to_string().contains("canary"), "{errors}");
    assert!(sound("").effective().contains("# url: no node"), "a missing URL is said to be missing");
}
