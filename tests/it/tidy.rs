//! What a module may not know, how long a file may be, and what a repository may not say: read from the files themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may use of the others; a newcomer's map of the house.
const MAY_USE: &[(&str, &[&str])] = &[
    ("amount", &[]),
    ("block", &[]),
    ("cipher", &[]),
    ("id", &[]),
    ("mutant", &[]),
    ("pace", &[]),
    ("retry", &[]),
    ("embedded", &[]),
    ("json", &[]),
    ("row", &["amount", "block", "json"]),
    ("fact", &["block", "json", "row"]),
    ("source", &["block"]),
    ("proof", &["block"]),
    ("reconcile", &["amount", "block", "decode", "source"]),
    ("derivation", &["decode"]),
    ("discovery", &["fact"]),
    ("decode", &["block", "fact", "json"]),
    ("table", &["amount", "block", "decode", "discovery", "fact", "id", "json", "row", "source"]),
    ("rpc", &["block", "pace", "retry", "source"]),
    ("providers", &["block", "pace", "proof", "source"]),
    ("store", &["amount", "block", "derivation", "json", "proof", "reconcile", "retry", "row", "table"]),
    (
        "sync",
        &[
            "block",
            "decode",
            "derivation",
            "discovery",
            "fact",
            "id",
            "proof",
            "reconcile",
            "row",
            "source",
            "store",
            "table",
        ],
    ),
    (
        "verify",
        &[
            "amount",
            "block",
            "decode",
            "fact",
            "id",
            "proof",
            "reconcile",
            "row",
            "source",
            "store",
            "sync",
            "table",
        ],
    ),
    ("maintain", &["store"]),
    ("report", &["amount", "id", "store", "verify"]),
    ("execute", &["block", "decode", "derivation", "source", "store", "sync", "table"]),
    ("observe", &["fact", "providers", "rpc", "table"]),
    ("daemon", &["decode", "derivation", "execute", "observe", "retry", "source", "store", "sync"]),
    ("config", &["decode", "fact", "providers", "rpc", "sync"]),
    (
        "cli",
        &[
            "block",
            "cipher",
            "config",
            "daemon",
            "decode",
            "derivation",
            "embedded",
            "execute",
            "fact",
            "id",
            "maintain",
            "observe",
            "providers",
            "report",
            "retry",
            "row",
            "rpc",
            "source",
            "store",
            "sync",
            "verify",
        ],
    ),
];

/// Words that only some modules, or files of one, may contain.
const WORDS: &[(&str, &[&str])] = &[
    ("sqlx::", &["store", "embedded", "config", "cli", "daemon", "maintain", "verify", "report"]),
    (
        "tokio::",
        &["sync", "rpc", "providers", "store", "embedded", "observe", "daemon", "cli", "maintain", "report"],
    ),
    ("SystemTime::now", &["observe", "cli", "rpc", "embedded"]),
    ("std::env", &["config", "embedded", "cli"]),
];

fn files(under: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(under)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("readable").path();
            if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("target") {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn module(path: &Path) -> String {
    let inner = path.strip_prefix("src").expect("under src");
    let first = inner.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The file's code without its tests and comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("readable");
    let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn modules_know_only_what_they_may() {
    let may: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in files("src", ".rs") {
        let module = module(&path);
        if matches!(module.as_str(), "lib" | "main") || path.to_string_lossy().contains("tests") {
            continue;
        }
        let allowed = may.get(module.as_str()).unwrap_or_else(|| panic!("{module} has no line in the map"));
        let code = code(&path);
        for used in code.split("crate::").skip(1) {
            let rest = used;
            let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let is_macro = rest.starts_with("table!") || rest.starts_with("table;");
            // Planted bugs stand where they bite; without their feature they are nothing.
            let is_known = may.contains_key(used.as_str()) && used != "mutant";
            if is_known && used != module && !is_macro && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{} uses crate::{used}", path.display()));
            }
        }
        for (word, modules) in WORDS {
            let is_in = |module: &&str| {
                let place = PathBuf::from(format!("src/{module}"));
                path.starts_with(&place) || path.with_extension("") == place
            };
            if code.contains(word) && !modules.iter().any(is_in) {
                wrong.push(format!("{} says {word}", path.display()));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_stay_short_enough_to_be_read() {
    let long: Vec<_> = files("src", ".rs")
        .into_iter()
        .map(|path| (fs::read_to_string(&path).expect("readable").lines().count(), path))
        .filter(|(lines, _)| *lines > 420)
        .collect();
    assert!(long.is_empty(), "split by meaning: {long:#?}");
}

#[test]
fn every_abi_file_is_read_and_every_example_exists() {
    let source = fs::read_to_string("src/decode/mod.rs").expect("readable");
    for path in files("abi", ".json") {
        let name = path.strip_prefix("abi").expect("under abi").to_string_lossy().into_owned();
        assert!(source.contains(&format!("\"{name}\"")), "abi/{name} is not loaded by decode");
    }
}

#[test]
fn the_repository_names_no_machine() {
    let endings = [".rs", ".md", ".sql", ".sh", ".toml", ".yaml", ".json", "Makefile", "Dockerfile"];
    let mut wrong = Vec::new();
    let machine = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat()];
    for folder in ["src", "tests", "migrations", "config", "deploy", "abi", "benches"] {
        for ending in endings {
            for path in files(folder, ending) {
                let text = fs::read_to_string(&path).expect("readable");
                wrong.extend(
                    machine
                        .iter()
                        .filter(|word| text.contains(word.as_str()))
                        .map(|word| format!("{}: {word}", path.display())),
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
