//! Is the simulation sharp? Every bug that is planted in our own code is switched on in turn, and must be found.
//! A class of fault counts as covered when a planted bug in it was caught.
#![cfg(feature = "mutants")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use asset_indexer::mutant::Mutant;
use simulation::mutants::{hunt_all, table};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Most seeds for one planted bug, after the cases of the catalogue and the short scenarios.
const SEEDS: u64 = 2_000;

#[test]
fn every_planted_bug_is_found() {
    // A planted bug may end in a panic, which counts as found; its backtrace is of no interest.
    std::panic::set_hook(Box::new(|_| {}));
    let verdicts = hunt_all(None, SEEDS, 2);
    drop(std::panic::take_hook());
    let table = table(&verdicts);
    println!("{table}");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants.txt");
    std::fs::write(&place, &table).expect("the target directory can be written to");
    assert!(verdicts.len() >= 30, "{} planted bugs", verdicts.len());
    let alive: Vec<&str> =
        verdicts.iter().filter(|verdict| verdict.killer.is_none()).map(|verdict| verdict.name).collect();
    assert!(alive.is_empty(), "not found: {alive:?}");
}

/// The control of the test that looks for these words in the daemon: a program with planted bugs holds them.
#[test]
fn a_program_with_planted_bugs_can_be_told_from_one_without() {
    let words: Vec<&str> = Mutant::ALL.iter().map(|(_, _, what)| *what).collect();
    let program = std::env::current_exe().expect("we run");
    let found =
        Command::new("grep").arg("-aoF").arg(words.join("\n")).arg(program).output().expect("grep runs");
    let text = String::from_utf8(found.stdout).expect("the words");
    let found: BTreeSet<&str> = text.lines().collect();
    assert_eq!(found, words.into_iter().collect());
}
