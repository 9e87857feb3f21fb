//! Mistakes in a file.

use std::time::Duration;

use super::{Directory, load, said, sound};
use crate::config::{Config, LogFormat, Overrides};
use crate::rpc::Finality;

#[test]
fn an_empty_file_means_the_defaults() {
    let config = sound("");
    assert_eq!(config.chain.id, None);
    assert_eq!(config.chain.finality, Finality::Tag { fallback_depth: None });
    assert_eq!((config.chain.floor_block, config.chain.range_blocks_max), (0, 10_000));
    assert_eq!((config.chain.range_logs_target, config.chain.deferred_indexes_from_blocks), (27_000, 1_000));
    assert!(config.rpc.is_none() && config.database.url.is_none() && config.contracts.is_empty());
    assert_eq!(config.http.listen.map(|listen| listen.to_string()).as_deref(), Some("127.0.0.1:9464"));
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Auto, "info"));
}

#[test]
fn every_key_arrives() {
    let config = sound(
        "[chain]\nid = 137\nname = \"Polygon (main)\"\nfinality = \"depth\"\nfinality_depth_blocks = 0x10\n\
         floor_block = 7\nrange_blocks_max = 500\nrange_logs_target = 900\ndeferred_indexes_from_blocks = 0\n\
         [rpc]\nurl = \"wss://node.example:8443/key\"\ntimeout_ms = 5_000\npoll_interval_ms = 20\n\
         requests_in_flight = 3\nbatch_size_max = 1\nresponse_bytes_max = 65536\n\
         [database]\nurl = \"postgres://u:p@db/x\"\nadmin_url = \"postgresql://o:p@db2/x\"\n\
         state_dir = \"state\"\npg_bin = \"/opt/pg\"\n\
         [http]\nlisten = \"off\"\n[log]\nformat = \"json\"\nlevel = \"info,sqlx=warn\"\n",
    );
    assert_eq!((config.chain.id, config.chain.name.as_deref()), (Some(137), Some("Polygon (main)")));
    assert_eq!(config.chain.floor_block, 7);
    assert_eq!((config.chain.range_logs_target, config.chain.deferred_indexes_from_blocks), (900, 0));
    let rpc = config.rpc.expect("a node");
    assert_eq!(
        (rpc.url.to_string().as_str(), rpc.alias.as_str()),
        ("wss://node.example:8443", "node.example:8443")
    );
    assert_eq!((rpc.timeout, rpc.poll_interval), (Duration::from_secs(5), Duration::from_millis(20)));
    assert_eq!((rpc.finality, rpc.range_blocks_max), (Finality::Depth(16), 500));
    assert_eq!((rpc.requests_in_flight, rpc.batch_size_max, rpc.response_bytes_max), (3, 1, 65_536));
    assert_eq!(config.database.url.expect("a URL").to_string(), "postgres://db");
    assert_eq!(config.database.admin_url.expect("a URL").to_string(), "postgresql://db2");
    assert_eq!(config.database.state_dir.expect("a directory").to_str(), Some("state"));
    assert_eq!(config.database.pg_bin.expect("a directory").to_str(), Some("/opt/pg"));
    assert_eq!(config.http.listen, None);
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Json, "info,sqlx=warn"));
    let fallback = sound("[chain]\nfinality_depth_blocks = 64").chain.finality;
    assert_eq!(fallback, Finality::Tag { fallback_depth: Some(64) });
}

#[test]
fn numbers_have_bounds() {
    for (section, key, units, least, most) in [
        ("chain", "id", "", 1, i64::MAX),
        ("chain", "finality_depth_blocks", " of blocks", 0, 100_000),
        ("chain", "floor_block", "", 0, i64::MAX),
        ("chain", "range_blocks_max", " of blocks", 1, 1_000_000),
        ("chain", "range_logs_target", " of logs", 1, 1_000_000),
        ("chain", "deferred_indexes_from_blocks", " of blocks", 0, i64::MAX),
        ("rpc", "timeout_ms", " of milliseconds", 100, 600_000),
        ("rpc", "poll_interval_ms", " of milliseconds", 10, 600_000),
        ("rpc", "requests_in_flight", " of requests", 1, 256),
        ("rpc", "batch_size_max", " of requests", 1, 1_000),
        ("rpc", "response_bytes_max", " of bytes", 65_536, 1_073_741_824),
    ] {
        let (below, above) = ((i128::from(least) - 1).to_string(), (i128::from(most) + 1).to_string());
        let huge = "9".repeat(60);
        for (written, shown) in [
            (below.as_str(), below.as_str()),
            (&above, &above),
            (&huge, &huge),
            ("\"5\"", "\"5\""),
            ("1.5", "(a float)"),
            ("true", "true"),
            ("[1]", "(an array)"),
            ("{ a = 1 }", "(a table)"),
            ("1979-05-27", "(a date)"),
        ] {
            let rule = format!("must be a whole number{units} from {least} to {most}");
            let text = format!("\n[{section}]\n{key} = {written}");
            assert_eq!(said(&text), format!("config.toml:3: {section}.{key} = {shown}: {rule}"));
        }
        for bound in [least, most] {
            let depth = if key == "finality_depth_blocks" { "finality = \"depth\"\n" } else { "" };
            sound(&format!("[{section}]\n{depth}{key} = {bound}"));
        }
    }
}

#[test]
fn words_and_names_have_rules() {
    for (text, message) in [
        (
            "[chain]\nfinality = \"tags\"",
            "chain.finality = \"tags\": must be \"tag\" or \"depth\"; did you mean \"tag\"?",
        ),
        ("[chain]\nfinality = 3", "chain.finality = 3: must be a text in quotes"),
        (
            "[chain]\nfinality = \"depth\"",
            "chain.finality = \"depth\": needs finality_depth_blocks (0 where every block is final at once)",
        ),
        (
            "[chain]\nfinality_depth_blocks = 0",
            "chain.finality_depth_blocks = 0: must be at least 1 where it stands in for the tag; where every block is \
             final at once, set finality = \"depth\"",
        ),
        ("[chain]\nname = \"\"", "chain.name = \"\": must not be empty"),
        (
            "[chain]\nname = \"a/b\"",
            "chain.name = \"a/b\": must be 1 to 64 letters, digits, spaces and any of . _ - ( )",
        ),
        (
            "[rpc]\nalias = \"a b\"",
            "rpc.alias = \"a b\": must be 1 to 64 letters, digits and any of . _ - : [ ]",
        ),
        ("[database]\nstate_dir = \" \"", "database.state_dir = \" \": must not be empty"),
        ("[database]\npg_bin = false", "database.pg_bin = false: must be a text in quotes"),
        (
            "[http]\nlisten = \"localhost\"",
            "http.listen = \"localhost\": must be ADDRESS:PORT, such as 127.0.0.1:9464 or [::]:9464, or \"off\"",
        ),
        ("[log]\nformat = \"jsno\"", "log.format = \"jsno\": must be \"auto\" or \"json\" or \"text\""),
        (
            "[log]\nlevel = \"inf\"",
            "log.level = \"inf\": must be off, error, warn, info, debug, trace, or a filter such as info,sqlx=warn; did \
             you mean \"info\"?",
        ),
        (
            "[log]\nlevel = \"info,sqlx=loud\"",
            "log.level = \"info,sqlx=loud\": is no filter such as info,sqlx=warn: error parsing level filter: \
             expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5",
        ),
    ] {
        assert_eq!(said(text), format!("config.toml:2: {message}"));
    }
    let long = "x".repeat(200);
    let shown = format!("{}…", "x".repeat(80));
    let rule = "must be 1 to 64 letters, digits, spaces and any of . _ - ( )";
    assert_eq!(
        said(&format!("[chain]\nname = \"{long}\"")),
        format!("config.toml:2: chain.name = \"{shown}\": {rule}")
    );
}

#[test]
fn unknown_keys_are_refused_with_what_was_meant() {
    for (text, message) in [
        ("[rpc]\ntime_out_ms = 1", "rpc.time_out_ms: unknown key; did you mean \"timeout_ms\"?"),
        ("[rpc]\nfinality = 1", "rpc.finality: unknown key; finality belongs to [chain]"),
        ("[chain]\nurl = 1", "chain.url: unknown key; url belongs to [rpc] and [database] and [[provider]]"),
        ("[http]\nlevel = 1", "http.level: unknown key; level belongs to [log]"),
        ("[http]\ncolour = 1", "http.colour: unknown key; [http] has listen"),
        ("[[contract]]\nadress = \"0x\"", "contract.adress: unknown key; did you mean \"address\"?"),
        ("\n[chains]", "chains: unknown section; did you mean \"chain\"?"),
        ("\n[contracts]", "contracts: unknown section; did you mean \"contract\"?"),
        ("\nlisten = 1", "listen: unknown section; listen belongs to [http]"),
        (
            "\nzebra = 1",
            "zebra: unknown section; there are chain, rpc, database, proof, reconcile, http, log, provider, contract, abi, claim_topic",
        ),
        ("\nchain = 1", "chain: is a section: write [chain] and its keys below"),
        ("\n[contract]\nrole = 1", "contract: is a list: write [[contract]] with double brackets"),
        ("\nabi = [1]", "abi: is a list: write [[abi]] with double brackets"),
    ] {
        let errors = load(text).expect_err("an unknown key");
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(told.contains(&format!("config.toml:2: {message}")), "{message}\n{told:?}");
    }
}

#[test]
fn every_mistake_is_told_at_once_in_the_order_of_the_file() {
    let text = "[rpc]\ntimeout_ms = 1\nretries = 3\n\n[chain]\nid = 0\n\n[[contract]]\nrole = \"erc20\"\n\n[log]\nlevel = 1\n";
    assert_eq!(
        said(text),
        "5 mistakes in the configuration:\
         \n  config.toml:2: rpc.timeout_ms = 1: must be a whole number of milliseconds from 100 to 600000\
         \n  config.toml:3: rpc.retries: unknown key; [rpc] has url, url_file, allow_link_local, alias, timeout_ms, poll_interval_ms, \
         requests_in_flight, batch_size_max, response_bytes_max, requests_per_second, requests_per_day, quorum, \
         lag_blocks_max, lag_seconds_max\
         \n  config.toml:6: chain.id = 0: must be a whole number from 1 to 9223372036854775807\
         \n  config.toml:8: contract.address: is missing\
         \n  config.toml:12: log.level = 1: must be a text in quotes"
    );
}

#[test]
fn what_is_no_toml_is_told_by_line_and_not_quoted() {
    let text = "[chain]\nid = = 1\n\n[rpc]\nurl = https://canary\nurl = \"https://canary";
    let said = said(text);
    assert!(said.starts_with("3 mistakes in the configuration:\n  config.toml:2: not TOML: "), "{said}");
    assert!(
        said.contains("\n  config.toml:5: not TOML: ") && said.contains("\n  config.toml:6: not TOML: "),
        "{said}"
    );
    assert!(!said.contains("canary"), "{said}");
    assert_eq!(super::said("[chain]\nid = 1\nid = 2"), "config.toml:3: not TOML: duplicate key");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let directory = Directory::new();
    let load = |path: &std::path::Path| {
        let errors = Config::load_with(Some(path), &Default::default(), &Overrides::default());
        directory.relative(errors.expect_err("no configuration"))
    };
    assert_eq!(
        load(&directory.0.join("none.toml")),
        "none.toml: the configuration file cannot be read: No such file or directory (os error 2)"
    );
    let binary = directory.write("binary.toml", [0xff, 0xfe]);
    assert_eq!(load(&binary), "binary.toml: the configuration file is not UTF-8 text");
    let large = directory.write("large.toml", " ".repeat((1 << 20) + 1));
    assert_eq!(load(&large), "large.toml: the configuration file is larger than 1048576 bytes");
    directory.write("largest.toml", " ".repeat(1 << 20));
    Config::load_with(Some(&directory.0.join("largest.toml")), &Default::default(), &Overrides::default())
        .expect("a file of the largest size");
}
