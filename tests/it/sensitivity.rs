//! Planted bugs are for the simulation alone: the daemon holds none, and no release can be built with them.

use std::path::Path;
use std::process::{Command, Output};

const SOURCE: &str = "src/mutant.rs";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the bugs do, in the words of their declaration.
fn words() -> Vec<String> {
    let source = std::fs::read_to_string(root().join(SOURCE)).expect("readable");
    let declared =
        source.split("mutants! {").nth(1).expect("the declaration").split('}').next().expect("its end");
    declared.lines().filter_map(|line| Some(line.split('"').nth(1)?.to_owned())).collect()
}

/// The simulation's own test looks for the same words in a program that has them.
#[test]
fn the_daemon_holds_no_planted_bug() {
    let words = words();
    assert!(words.len() >= 30, "{} planted bugs", words.len());
    let daemon = env!("CARGO_BIN_EXE_asset-indexer");
    let found =
        Command::new("grep").arg("-aoF").arg(words.join("\n")).arg(daemon).output().expect("grep runs");
    assert_eq!(found.status.code(), Some(1), "{}", String::from_utf8_lossy(&found.stdout));
}

/// Compiles the module alone, which uses nothing else.
fn compiled(debug_assertions: &str, feature: bool) -> Output {
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "--crate-type", "lib", "-O", "--emit", "metadata"]);
    rustc.arg("-C").arg(format!("debug-assertions={debug_assertions}"));
    if feature {
        rustc.args(["--cfg", "feature=\"mutants\""]);
    }
    rustc
        .arg("--out-dir")
        .arg(env!("CARGO_TARGET_TMPDIR"))
        .arg(root().join(SOURCE))
        .output()
        .expect("rustc runs")
}

#[test]
fn no_release_can_be_built_with_planted_bugs() {
    let refused = compiled("no", true);
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && text.contains("it cannot be built without debug assertions"),
        "{text}"
    );
    for (debug_assertions, feature) in [("yes", true), ("no", false)] {
        let built = compiled(debug_assertions, feature);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }
}
