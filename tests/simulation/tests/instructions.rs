//! Decoding and folding must not become dearer unnoticed: the instructions that callgrind counts for a fixed batch are
//! compared with a figure that is kept. They don't depend on what else a machine does; they do depend on the compiler,
//! so the figure is one toolchain's, and on another one nothing is compared.
//!
//! After a change that is meant, the new figure is in the failure's message: it goes into `instructions.txt`.

use std::process::Command;

const KEPT: &str = include_str!("../instructions.txt");
/// In percent; hash maps are seeded anew in each process.
const TOLERANCE: f64 = 5.0;

fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The number behind "Collected :", which is what was counted of the batch.
fn counted() -> Option<f64> {
    let text = said(
        Command::new("valgrind")
            .args([
                "--tool=callgrind",
                "--toggle-collect=*decode_and_fold*",
                "--callgrind-out-file=/dev/null",
            ])
            .arg(env!("CARGO_BIN_EXE_instructions")),
    )?;
    assert!(text.contains("rows: "), "{text}");
    let line = text.lines().find_map(|line| line.split("Collected :").nth(1))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(target_arch = "x86_64")]
fn has_the_processor() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_the_processor() -> bool {
    true
}

#[test]
fn decoding_and_folding_a_batch_takes_the_instructions_that_are_kept() {
    let version = said(Command::new("rustc").arg("--version")).unwrap_or_default();
    let toolchain = version.split_whitespace().nth(1).unwrap_or("unknown").to_owned();
    let toolchain = format!("{toolchain} {}", std::env::consts::ARCH);
    let mut kept = KEPT.lines().filter_map(|line| line.rsplit_once(' '));
    let Some((_, kept)) = kept.find(|(of, _)| *of == toolchain) else {
        eprintln!("skipped: no figure is kept for Rust {toolchain}");
        return;
    };
    if !has_the_processor() {
        eprintln!(
            "skipped: the figure is of a processor with AVX2, for which libraries have code of its own"
        );
        return;
    }
    if said(Command::new("valgrind").arg("--version")).is_none() {
        eprintln!("skipped: valgrind is not installed (make lint installs it)");
        return;
    }
    let kept: f64 = kept.parse().expect("a number is kept");
    let counted = counted().expect("callgrind counts");
    let more = (counted / kept - 1.0) * 100.0;
    println!("{counted} instructions, {more:+.2} % of the {kept} that are kept for Rust {toolchain}");
    assert!(
        more.abs() <= TOLERANCE,
        "{counted} instructions for the batch, {more:+.2} % of the {kept} kept for Rust {toolchain}: where that is meant, \
         keep the new figure in tests/simulation/instructions.txt"
    );
}
