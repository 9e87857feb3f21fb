//! Any environment, and any arguments.
//!
//! Input, as text: lines of `NAME=VALUE`. A name that begins with `--` is an argument.

use asset_indexer::config::{Config, Environment, Overrides};

use crate::config::assert_comes_back;
use crate::secrets::{Folder, assert_errors_help, assert_hidden, folder, names_devices, secrets};

pub(crate) const WORDS: &[&str] = &[
    "RPC_URL=",
    "RPC_URL_FILE=",
    "DATABASE_URL=",
    "DATABASE_URL_FILE=",
    "ADMIN_DATABASE_URL=",
    "LOG_LEVEL=",
    "RUST_LOG=",
    "LOG_FORMAT=",
    "ASSET_INDEXER__RPC__TIMEOUT_MS=",
    "ASSET_INDEXER__RPC__URL=",
    "ASSET_INDEXER__CHAIN__ID=",
    "ASSET_INDEXER__CHAIN__FINALITY=depth",
    "ASSET_INDEXER__CONTRACT__ROLE=",
    "ASSET_INDEXER__",
    "ASSET_INDEXER_CONFIG=",
    "--rpc=",
    "--contract=erc20=0x",
    "--database-url=",
    "--listen=",
    "--partial=",
    "--log-format=",
    "https://node.example/canarykey9",
    "postgres://u:canarypw9@db/n",
    "://",
    "@",
    "=",
    "\n",
    "_",
    "18446744073709551616",
    "1_000",
    "-0",
    "+5",
    "tag",
    "depth",
    "off",
    "\u{202e}",
    "\0",
    "\u{1b}[0m",
];

/// Reads it as [`crate::config()`] does.
pub fn environment(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // A file that is named by the environment is the other target's.
    if !names_devices(bytes) && !text.contains("ASSET_INDEXER_CONFIG=") {
        folder(|folder| check(folder, &text));
    }
}

fn check(folder: &Folder, text: &str) {
    let (mut variables, mut hidden) = (Vec::new(), Vec::new());
    let mut overrides = Overrides::default();
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=') else { continue };
        // A file is named from the working directory; the folder's files are meant.
        let value = match value {
            "node_url" | "database_url" => folder.path().join(value).display().to_string(),
            value => value.to_owned(),
        };
        if value.contains("://") || matches!(name, "RPC_URL" | "DATABASE_URL" | "--rpc" | "--database-url") {
            hidden.push(value.clone());
        }
        match name {
            "--rpc" => overrides.rpc = Some(value),
            "--database-url" => overrides.database_url = Some(value),
            "--listen" => overrides.listen = Some(value),
            "--log-format" => overrides.log_format = Some(value),
            "--partial" => overrides.partial = true,
            "--contract" => overrides.contracts.push(value),
            _ => variables.push((name.to_owned(), value)),
        }
    }
    let secrets = secrets(text, &hidden);
    let environment: Environment = variables.into_iter().collect();
    assert_hidden(&format!("{environment:?}"), &secrets);
    match Config::load_with(None, &environment, &overrides) {
        Err(errors) => {
            assert_errors_help(&errors);
            assert_hidden(&format!("{errors}{errors:?}"), &secrets);
        }
        Ok(config) => {
            assert_hidden(&format!("{config:?}{}", config.effective()), &secrets);
            // Relative paths of the environment start elsewhere than those of a file.
            let is_relative =
                |path: &Option<std::path::PathBuf>| path.as_ref().is_some_and(|path| path.is_relative());
            if !is_relative(&config.database.state_dir) && !is_relative(&config.database.pg_bin) {
                assert_comes_back(folder, &config);
            }
        }
    }
}
