//! The files of `config/` are configurations, and the documented one documents every key with its default.

use std::path::{Path, PathBuf};

use super::{sound, value_of};
use crate::config::key::{self, LISTS};
use crate::config::{Config, Environment, Overrides};
use crate::rpc::Finality;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn example(name: &str) -> Config {
    Config::load_with(Some(&directory().join(name)), &Environment::default(), &Overrides::default())
        .unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn every_file_is_a_configuration() {
    let mut names: Vec<String> = std::fs::read_dir(directory())
        .expect("the directory of examples")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a readable name"))
        .collect();
    names.sort();
    let expected = [
        "anvil.toml",
        "asset-indexer.toml",
        "besu.toml",
        "erc20.toml",
        "several-providers.toml",
        "trex.toml",
    ];
    assert_eq!(names, expected);
    for name in names {
        let text = example(&name).effective();
        toml::from_str::<toml::Table>(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
    }
}

#[test]
fn examples_mean_what_they_say() {
    let besu = example("besu.toml");
    let rpc = besu.rpc.expect("a node");
    assert_eq!(rpc.finality, Finality::Depth(0), "QBFT is final at once");
    assert!(rpc.url.is_websocket() && rpc.poll_interval.as_millis() <= 500);
    assert_eq!(example("anvil.toml").chain.id, Some(31337));
    assert_eq!(example("erc20.toml").contracts[0].role.name(), "erc20");
    let several = example("several-providers.toml");
    let aliases: Vec<&str> = several.providers.iter().map(|one| one.rpc.alias.as_str()).collect();
    assert_eq!(aliases, ["own", "first-spare", "second-spare"]);
    assert_eq!((several.rules.quorum, several.proof.mode), (2, crate::sync::Proving::BeforeCommit));
    assert_eq!(several.providers[2].budget.requests_per_day, Some(100_000));
    let roles: Vec<&str> =
        example("trex.toml").contracts.iter().map(|contract| contract.role.name()).collect();
    assert_eq!(roles, ["trex_factory", "id_factory", "identity"]);
}

#[test]
fn the_documented_file_has_every_key_and_shows_the_defaults() {
    let text =
        std::fs::read_to_string(directory().join("asset-indexer.toml")).expect("the documented example");
    let defaults = sound("").effective();
    for known in key::ALL {
        let section = text.split(&format!("\n[{}]\n", known.section)).nth(1).expect("every section");
        let section = section.split("\n[").next().unwrap_or_default();
        let named = |line: &&str| line.trim_start_matches("# ").starts_with(&format!("{} = ", known.name));
        let line = section.lines().find(named).unwrap_or_else(|| panic!("{} is missing", known.path()));
        let default = value_of(&defaults, known.section, known.name);
        match default {
            None => assert!(line.starts_with("# "), "{}: has no default, and is set", known.path()),
            Some(default) => {
                assert_eq!(line.replace('_', ""), format!("{} = {default}", known.name).replace('_', ""))
            }
        }
    }
    for list in LISTS {
        let entry = text.split(&format!("[[{}]]\n", list.name)).nth(1).expect("every list");
        for name in list.keys {
            let lines: Vec<&str> =
                entry.lines().take(list.keys.len()).map(|line| line.trim_start_matches("# ")).collect();
            assert!(lines.iter().any(|line| line.starts_with(&format!("{name} = "))), "{}.{name}", list.name);
        }
    }
    for role in crate::fact::Role::ALL {
        assert!(text.contains(role.name()), "the role {} is missing", role.name());
    }
}

/// What is commented out is right, too: each line by itself, for some exclude each other.
#[test]
fn the_documented_file_stays_sound_with_every_line_that_is_commented_out() {
    let text =
        std::fs::read_to_string(directory().join("asset-indexer.toml")).expect("the documented example");
    let lines: Vec<&str> = text.lines().collect();
    let mut tried = 0;
    let list = lines.iter().position(|line| *line == "# [[provider]]").expect("the list of providers");
    for (number, line) in lines.iter().enumerate().take(list) {
        let Some((name, _)) = line.strip_prefix("# ").and_then(|line| line.split_once(" = ")) else {
            continue;
        };
        let is_key = key::ALL.iter().any(|key| key.name == name);
        // The examples of files that hold something name files that are not there.
        if !is_key || name.ends_with("_file") {
            continue;
        }
        let mut with = lines.clone();
        with[number] = line.trim_start_matches("# ");
        sound(&with.join("\n"));
        tried += 1;
    }
    assert_eq!(tried, 11, "each key without a default, except the files with secrets");
    let provider = lines[list..].iter().take_while(|line| !line.is_empty());
    let provider: Vec<&str> = provider
        .map(|line| line.trim_start_matches("# "))
        .filter(|line| !line.starts_with("url_file"))
        .collect();
    let providers = sound(&provider.join("\n")).providers;
    assert_eq!((providers.len(), providers[0].rpc.alias.as_str()), (1, "spare"));
    assert_eq!(providers[0].budget.requests_per_day, Some(100_000));
    let (_, topic) = text.rsplit_once("# [[claim_topic]]\n").expect("the list at the end");
    let topic: Vec<&str> = topic.lines().map(|line| line.trim_start_matches("# ")).collect();
    let read = sound(&format!("[[claim_topic]]\n{}", topic.join("\n")));
    assert_eq!((read.claim_expiry.len(), read.claim_data.topics.len()), (1, 1));
}
