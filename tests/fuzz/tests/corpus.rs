//! Every file of every corpus, and many inputs made from them, through their targets.
//!
//! `FUZZ_INPUTS` sets how many mutated inputs each target gets, `FUZZ_SEED` the seed of the mutations. A failing input
//! is written where the message says; put it into the target's corpus once its reason is known. Where the process
//! itself ends (a stack overflow, memory), the file `<target>.at` beside it holds the number of the input.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fuzz::{TARGETS, Target, mutate, seeds};

/// Most bytes that reading one input may hold at once, however large a length it claims: a constant for tables and
/// caches that are built once, and so much for each byte of the input.
const BYTES_MAX: usize = 48 << 20;
const BYTES_PER_BYTE: usize = 2_000;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, with a count of what this thread holds.
struct Counting;

fn count(change: impl FnOnce(usize) -> usize) {
    // Without a thread's storage (at its end) nothing is counted.
    let _ = HELD.try_with(|held| {
        held.set(change(held.get()));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(|held| held.saturating_add(layout.size()));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(|held| held.saturating_sub(layout.size()));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// Runs one input; the reason if it fails.
fn run(target: &Target, bytes: &[u8]) -> Result<(), String> {
    let before = HELD.get();
    PEAK.set(before);
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    let peak = PEAK.get().saturating_sub(before);
    outcome.map_err(|reason| {
        let text = reason.downcast_ref::<String>().cloned();
        text.or_else(|| reason.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })?;
    if peak > BYTES_MAX + BYTES_PER_BYTE * bytes.len() {
        return Err(format!("{} bytes of input took {peak} bytes of memory", bytes.len()));
    }
    Ok(())
}

fn kept() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    std::fs::create_dir_all(&folder).expect("a folder for what fails");
    folder
}

fn fail(target: &Target, name: &str, bytes: &[u8], reason: &str) -> ! {
    let path = kept().join(format!("{}-{name}", target.name));
    std::fs::write(&path, bytes).expect("the failing input can be kept");
    panic!("{} fails on {name}, kept as {}: {reason}", target.name, path.display());
}

fn exercise(name: &str) {
    let target = fuzz::target(name).expect("a target");
    let corpus = mutate::corpus(&target).expect("a corpus");
    assert!(corpus.len() >= 5, "{name} has hardly a corpus");
    for (file, bytes) in &corpus {
        if let Err(reason) = run(&target, bytes) {
            fail(&target, file, bytes, &reason);
        }
    }
    let seed = number("FUZZ_SEED").unwrap_or(1);
    let inputs = number("FUZZ_INPUTS").unwrap_or(target.inputs);
    let at = kept().join(format!("{name}.at"));
    let began = std::time::Instant::now();
    for place in number("FUZZ_FROM").unwrap_or(0)..inputs {
        let bytes = mutate::input(&target, &corpus, seed, place);
        std::fs::write(&at, format!("FUZZ_SEED={seed} FUZZ_FROM={place}\n")).expect("a note");
        if let Err(reason) = run(&target, &bytes) {
            fail(&target, &format!("seed-{seed}-input-{place}"), &bytes, &reason);
        }
    }
    println!("{name}: {} files, {inputs} mutated inputs in {:.1?}", corpus.len(), began.elapsed());
}

macro_rules! targets {
    ($($name:ident)+) => {
        $(#[test] fn $name() { exercise(stringify!($name)); })+

        #[test]
        fn every_target_is_run_and_has_its_binary() {
            let run = [$(stringify!($name)),+];
            for target in TARGETS {
                assert!(run.contains(&target.name), "{} is not run", target.name);
                let binary = format!("targets/fuzz_targets/{}.rs", target.name);
                let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&binary));
                assert!(text.expect("a binary").contains(&format!("fuzz::{}(", target.name)), "{binary}");
            }
        }
    };
}

targets! { decode fold rpc_answer rpc_error_text config environment abi_file }

/// `FUZZ_WRITE=1` writes the files of the seeds anew.
#[test]
fn binary_files_are_their_seeds() {
    for target in TARGETS {
        for (name, bytes) in seeds::seeds(target.name) {
            let path = mutate::folder(&target).join(&name);
            if std::env::var_os("FUZZ_WRITE").is_some() {
                std::fs::create_dir_all(mutate::folder(&target)).expect("a folder");
                std::fs::write(&path, &bytes).expect("a file");
            }
            let file = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(file == bytes, "{} is not its seed; FUZZ_WRITE=1 writes it", path.display());
        }
    }
}
