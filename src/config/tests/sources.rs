//! The environment, the command line, and who wins.

use std::path::PathBuf;

use super::{Directory, environment, in_environment};
use crate::config::{Config, LogFormat, Overrides, key};

const ONE: &str = "0x1111111111111111111111111111111111111111";
const TWO: &str = "0x2222222222222222222222222222222222222222";

fn said_of(variables: &[(&str, &str)]) -> String {
    in_environment(variables).expect_err("a mistake").to_string()
}

#[test]
fn a_later_source_wins() {
    let directory = Directory::new();
    let file =
        directory.write("config.toml", "[rpc]\nurl = \"http://file\"\ntimeout_ms = 1000\nalias = \"file\"");
    let mut variables = Vec::new();
    let mut overrides = Overrides::default();
    let url = |variables: &[(&str, &str)], overrides: &Overrides| {
        let config = Config::load_with(Some(&file), &environment(variables), overrides)
            .expect("a sound configuration");
        let rpc = config.rpc.expect("a node");
        assert_eq!((rpc.timeout.as_secs(), rpc.alias.as_str()), (1, "file"), "what nobody replaced stays");
        rpc.url.to_string()
    };
    assert_eq!(url(&variables, &overrides), "http://file");
    let secret = directory.write("rpc_url", "http://secret-file/key\n");
    let secret = secret.to_str().expect("a readable name").to_owned();
    variables.push(("ASSET_INDEXER__RPC__URL_FILE", &secret));
    assert_eq!(url(&variables, &overrides), "http://secret-file");
    variables.push(("RPC_URL", "http://environment"));
    assert_eq!(url(&variables, &overrides), "http://environment");
    overrides.rpc = Some("http://flag".to_owned());
    assert_eq!(url(&variables, &overrides), "http://flag");
}

#[test]
fn every_key_has_a_variable() {
    let config = in_environment(&[
        ("ASSET_INDEXER__CHAIN__ID", "137"),
        ("ASSET_INDEXER__CHAIN__RANGE_BLOCKS_MAX", "1_000"),
        ("ASSET_INDEXER__HTTP__LISTEN", "0.0.0.0:9464"),
        ("ASSET_INDEXER__LOG__FORMAT", "text"),
        ("ASSET_INDEXER_REVISION", "not ours: one underscore"),
        ("PATH", "/bin"),
    ])
    .expect("a sound environment");
    assert_eq!((config.chain.id, config.chain.range_blocks_max), (Some(137), 1_000));
    assert_eq!(config.http.listen.map(|listen| listen.to_string()).as_deref(), Some("0.0.0.0:9464"));
    assert_eq!(config.log.format, LogFormat::Text);
    for known in key::ALL {
        // A value that no key takes: the variable must be read, under the key's own name.
        let variable = known.variable();
        let said = said_of(&[(&variable, " ")]);
        assert_eq!(
            said,
            format!(
                "environment {variable}: {}: is set but empty: give it a value, or unset it",
                known.path()
            )
        );
    }
}

#[test]
fn programs_share_some_variables() {
    let directory = Directory::new();
    let secret = directory.write("database_url", "  postgres://u:p@from-file/db \n\n");
    let config = in_environment(&[
        ("DATABASE_URL_FILE", secret.to_str().expect("a readable name")),
        ("ADMIN_DATABASE_URL", "postgres://o:p@admin/db"),
        ("RPC_URL", "http://node"),
        ("LOG_FORMAT", "json"),
        ("RUST_LOG", "debug"),
    ])
    .expect("a sound environment");
    assert_eq!(config.database.url.expect("a URL").to_string(), "postgres://from-file");
    assert_eq!(config.database.admin_url.expect("a URL").to_string(), "postgres://admin");
    assert_eq!(config.rpc.expect("a node").alias, "node");
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Json, "debug"));
    let config =
        in_environment(&[("LOG_LEVEL", "warn"), ("RUST_LOG", "debug")]).expect("a sound environment");
    assert_eq!(config.log.level, "warn");
}

#[test]
fn unknown_variables_are_refused() {
    for (name, rule) in [
        ("ASSET_INDEXER__RPC__TIMEOUT", "unknown variable; did you mean \"ASSET_INDEXER__RPC__TIMEOUT_MS\"?"),
        ("ASSET_INDEXER__HTTP__LISTN", "unknown variable; did you mean \"ASSET_INDEXER__HTTP__LISTEN\"?"),
        (
            "ASSET_INDEXER__CONTRACT__0__ROLE",
            "unknown variable: lists are written in the file (contracts also with --contract)",
        ),
        (
            "ASSET_INDEXER__X",
            "unknown variable: they are ASSET_INDEXER__SECTION__KEY, such as ASSET_INDEXER__RPC__TIMEOUT_MS",
        ),
    ] {
        assert_eq!(said_of(&[(name, "canary")]), format!("environment {name}: {rule}"));
    }
}

#[test]
fn values_of_the_environment_have_the_same_rules() {
    assert_eq!(
        said_of(&[("ASSET_INDEXER__CHAIN__ID", "main"), ("DATABASE_URL", ""), ("LOG_FORMAT", "xml")]),
        "3 mistakes in the configuration:\
         \n  environment ASSET_INDEXER__CHAIN__ID: chain.id = \"main\": must be a whole number from 1 to \
         9223372036854775807\
         \n  environment DATABASE_URL: database.url: is set but empty: give it a value, or unset it\
         \n  environment LOG_FORMAT: log.format = \"xml\": must be \"auto\" or \"json\" or \"text\""
    );
}

#[test]
#[cfg(unix)]
fn a_variable_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let value = std::ffi::OsString::from_vec(vec![0xff]);
    let environment = [("RPC_URL", value)].into_iter().collect();
    let errors = Config::load_with(None, &environment, &Overrides::default()).expect_err("a mistake");
    assert_eq!(errors.to_string(), "environment RPC_URL: rpc.url: is not UTF-8 text");
}

#[test]
fn the_environment_names_the_file_where_the_command_line_does_not() {
    let directory = Directory::new();
    let named = directory.write("named.toml", "[chain]\nid = 1");
    let given: PathBuf = directory.write("given.toml", "[chain]\nid = 2");
    let environment = environment(&[("ASSET_INDEXER_CONFIG", named.to_str().expect("a readable name"))]);
    let id =
        |file| Config::load_with(file, &environment, &Overrides::default()).expect("a sound file").chain.id;
    assert_eq!((id(None), id(Some(given.as_path()))), (Some(1), Some(2)));
}

#[test]
fn arguments_add_contracts_and_replace_those_of_the_same_address() {
    let directory = Directory::new();
    let file = directory.write(
        "config.toml",
        format!("[[contract]]\nrole = \"erc20\"\naddress = \"{ONE}\"\nstart_block = 5"),
    );
    let load = |contracts: &[String], partial| {
        let overrides = Overrides { contracts: contracts.to_vec(), partial, ..Overrides::default() };
        Config::load_with(Some(&file), &Default::default(), &overrides)
    };
    let read = |contracts: &[String], partial| -> Vec<_> {
        let config = load(contracts, partial).expect("sound contracts");
        let shown = |contract: crate::sync::Contract| {
            let role = contract.role.name();
            (role, contract.address.to_string(), contract.start_block, contract.partial)
        };
        config.contracts.into_iter().map(shown).collect()
    };
    let own = ("erc20", ONE.to_owned(), Some(5), false);
    let added = ("trex_factory", TWO.to_owned(), Some(18_000_000), false);
    assert_eq!(read(&[format!("trex_factory={TWO}@18000000")], false), [own.clone(), added]);
    assert_eq!(read(&[format!("trex_token={ONE}")], false), [("trex_token", ONE.to_owned(), None, false)]);
    assert_eq!(read(&[], true), [(own.0, own.1, own.2, true)]);
    let errors =
        load(&["erc20".into(), "erc2=0x1@x".into(), format!("erc20={TWO}"), format!("erc20={TWO}")], false);
    let said = errors.expect_err("mistakes").to_string();
    let lines: Vec<&str> =
        said.lines().map(|line| line.split(" (roles: ").next().unwrap_or_default()).collect();
    assert_eq!(
        lines,
        [
            "5 mistakes in the configuration:",
            "  --contract: contract = \"erc20\": must be ROLE=ADDRESS or ROLE=ADDRESS@START_BLOCK, such as \
             trex_factory=0x…@18000000",
            "  --contract: contract.role = \"erc2\": unknown role; did you mean \"erc20\"?",
            "  --contract: contract.address = \"0x1\": must be an address: 0x and 40 hexadecimal digits",
            "  --contract: contract.start_block = \"x\": must be a whole number from 0 to 9223372036854775807",
            &format!("  --contract: contract.address = \"{TWO}\": is configured already (--contract)"),
        ]
    );
}

#[test]
fn every_argument_arrives_and_has_the_same_rules() {
    let overrides = Overrides {
        rpc: Some("ws://node:8546".to_owned()),
        database_url: Some("postgres://db".to_owned()),
        listen: Some("off".to_owned()),
        log_format: Some("json".to_owned()),
        ..Overrides::default()
    };
    let config = Config::load_with(None, &Default::default(), &overrides).expect("sound arguments");
    assert_eq!(config.rpc.expect("a node").url.to_string(), "ws://node:8546");
    assert_eq!(config.database.url.expect("a URL").to_string(), "postgres://db");
    assert_eq!((config.http.listen, config.log.format), (None, LogFormat::Json));
    let overrides =
        Overrides { listen: Some(String::new()), log_format: Some("xml".into()), ..Overrides::default() };
    let errors = Config::load_with(None, &Default::default(), &overrides).expect_err("mistakes");
    assert_eq!(
        errors.to_string(),
        "2 mistakes in the configuration:\n  --listen: http.listen = \"\": must not be empty\
         \n  --log-format: log.format = \"xml\": must be \"auto\" or \"json\" or \"text\""
    );
}
