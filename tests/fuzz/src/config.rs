//! Any configuration file.

use std::path::Path;

use asset_indexer::config::{Config, Environment, Overrides};
use toml::{Table, Value};

use crate::secrets::{Folder, assert_errors_help, assert_hidden, folder, names_devices, secrets};

pub(crate) const WORDS: &[&str] = &[
    "[chain]\n",
    "[rpc]\n",
    "[database]\n",
    "[http]\n",
    "[log]\n",
    "[[contract]]\n",
    "[[abi]]\n",
    "[[claim_topic]]\n",
    "id = ",
    "finality = \"depth\"\n",
    "finality_depth_blocks = 0\n",
    "url = \"https://node.example/canarykey9\"\n",
    "url = \"postgres://u:canarypw9@db/n\"\n",
    "url_file = \"node_url\"\n",
    "admin_url_file = \"database_url\"\n",
    "role = \"erc20\"\n",
    "address = \"0x1111111111111111111111111111111111111111\"\n",
    "file = \"events.json\"\n",
    "topic = \"KYC\"\n",
    "expires_at_word = 0\n",
    "start_block = ",
    "level = \"info,sqlx=warn\"\n",
    "level = \"[a]\"\n",
    "state_dir = \"a/../b\"\n",
    "name = \"\\u0000\"\n",
    "9223372036854775807",
    "-1",
    "0x",
    "1e3",
    "\"\"\"",
    "'''",
    "\\u202e",
    "://",
    "canaryx1",
    " = ",
    ".",
    "\u{feff}",
    "listen = \"off\"\n",
    "listen = \"[::1]:0\"\n",
    "{a={a={a=",
    "[[[[",
];

/// Reads it: every mistake says where and what, nothing shows a secret, and what is in effect, written down, is read
/// as the same.
pub fn config(bytes: &[u8]) {
    if !names_devices(bytes) {
        folder(|folder| check(folder, bytes));
    }
}

fn check(folder: &Folder, bytes: &[u8]) {
    let file = folder.write("config.toml", bytes);
    let text = String::from_utf8_lossy(bytes);
    let loaded = load(&file);
    let parsed = text.parse::<Table>();
    let secrets = match &parsed {
        Ok(table) => secrets(&text, &hidden(table)),
        // Of what is no TOML nothing is shown.
        Err(_) => secrets(&text, &[text.clone().into_owned()]),
    };
    match loaded {
        Err(errors) => {
            assert_errors_help(&errors);
            let is_syntax = errors.iter().all(|error| error.rule.starts_with("not TOML"));
            if parsed.is_ok() || is_syntax {
                assert_hidden(&format!("{errors}{errors:?}"), &secrets);
            }
        }
        Ok(config) => {
            assert_hidden(&format!("{config:?}{}", config.effective()), &secrets);
            assert_comes_back(folder, &config);
        }
    }
}

fn load(file: &Path) -> Result<Config, asset_indexer::config::ConfigErrors> {
    Config::load_with(Some(file), &Environment::default(), &Overrides::default())
}

/// What is in effect is TOML that means the same, secrets apart.
pub(crate) fn assert_comes_back(folder: &Folder, config: &Config) {
    let shown = config.effective();
    let again = load(&folder.write("effective.toml", shown.as_bytes()))
        .unwrap_or_else(|errors| panic!("what is in effect cannot be read: {errors}\n{shown}"));
    assert_eq!(again.chain, config.chain, "{shown}");
    assert_eq!(again.http, config.http, "{shown}");
    assert_eq!(again.log, config.log, "{shown}");
    assert_eq!(again.contracts, config.contracts, "{shown}");
    assert_eq!(again.claim_expiry, config.claim_expiry, "{shown}");
    assert_eq!(again.abis, config.abis, "{shown}");
    assert_eq!(again.database.state_dir, config.database.state_dir, "{shown}");
    assert_eq!(again.database.pg_bin, config.database.pg_bin, "{shown}");
    let urls = |config: &Config| {
        let database = &config.database;
        [database.url.is_some(), database.admin_url.is_some(), config.rpc.is_some()]
    };
    assert_eq!(urls(&again), urls(config), "{shown}");
    assert_eq!(values(&again.effective()), values(&shown));
}

/// The document without its comments.
fn values(shown: &str) -> Table {
    shown.parse().expect("what is in effect is TOML")
}

/// The texts of which nothing may be shown.
fn hidden(table: &Table) -> Vec<String> {
    let mut found = Vec::new();
    collect(&Value::Table(table.clone()), false, &mut found);
    for (section, key) in [("rpc", "url"), ("database", "url"), ("database", "admin_url")] {
        if let Some(value) = table.get(section).and_then(|section| section.get(key)) {
            // The texts with `://` are there already.
            collect(value, true, &mut found);
        }
    }
    found
}

fn collect(value: &Value, secret: bool, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains("://") != secret => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, secret, found)),
        Value::Table(table) => {
            for (name, value) in table {
                if name.contains("://") != secret {
                    found.push(name.clone());
                }
                collect(value, secret, found);
            }
        }
        _ => {}
    }
}
