//! Many runs: seeds in memory on some threads, each on its own; what failed, with the command that replays it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::backend::InMemory;
use crate::coverage::Coverage;
use crate::driver::{self, Failure, Options, Report};
use crate::executor::{block_on, on_threads};
use crate::faults::Hits;
use crate::scenario::Scenario;

/// A scenario that failed.
#[derive(Debug, Clone)]
pub struct Failed {
    /// The scenario.
    pub scenario: Scenario,
    /// What does not hold.
    pub failure: Failure,
}

impl Failed {
    /// What happened and how to see it again.
    pub fn text(&self, on_postgres: bool) -> String {
        let seed = self.scenario.seed;
        let place = if on_postgres { " --postgres" } else { "" };
        let name =
            if self.scenario.name.is_empty() { String::new() } else { format!(" ({})", self.scenario.name) };
        format!(
            "seed {seed}{name}, {:?}, event {} of {}: {}\nreplay: make replay ARGS='--seed {seed}{place}'",
            self.scenario.kind,
            self.failure.event,
            self.scenario.events.len(),
            self.failure.what
        )
    }
}

/// Sums over many runs.
#[derive(Debug, Default)]
pub struct Summary {
    /// Scenarios run.
    pub runs: u64,
    /// Steps, awaits, writes and the like, summed.
    pub total: Report,
    /// Hits by fault and phase.
    pub coverage: Coverage,
    /// What failed.
    pub failed: Vec<Failed>,
}

impl Summary {
    /// Adds a run; tells what failed of it.
    pub fn add(
        &mut self,
        scenario: &Scenario,
        outcome: Result<Report, Failure>,
        hits: &Hits,
    ) -> Option<&Failed> {
        self.runs += 1;
        self.coverage.add(scenario.seed, hits.take());
        match outcome {
            Ok(report) => {
                let total = &mut self.total;
                total.steps += report.steps;
                total.awaits += report.awaits;
                total.writes += report.writes;
                total.blocks += report.blocks;
                total.halts += report.halts;
                total.compared += report.compared;
                total.repaired += report.repaired;
                None
            }
            Err(failure) => {
                self.failed.push(Failed { scenario: scenario.clone(), failure });
                self.failed.last()
            }
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: Self) {
        let (a, b) = (&mut self.total, other.total);
        self.runs += other.runs;
        a.steps += b.steps;
        a.awaits += b.awaits;
        a.writes += b.writes;
        a.blocks += b.blocks;
        a.halts += b.halts;
        a.compared += b.compared;
        a.repaired += b.repaired;
        self.coverage.merge(other.coverage);
        self.failed.extend(other.failed);
    }
}

/// Carries a scenario out in memory.
///
/// # Errors
/// What does not hold; a panic of the product counts.
pub fn in_memory(scenario: &Scenario, hits: &Hits, options: &Options) -> Result<Report, Failure> {
    let run = || block_on(driver::run(scenario, &InMemory::default(), hits, options));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = format!("it panicked: {}", text.unwrap_or_default());
        Err(Failure { what, event: scenario.events.len() })
    })
}

/// Tells of a long run while it goes on: a failure at once, and how far it is from time to time.
#[derive(Debug, Default)]
pub struct Progress {
    runs: AtomicU64,
    failed: AtomicU64,
}

impl Progress {
    /// The fewest runs between two lines.
    const FEWEST: u64 = 500;

    /// A run is over; what failed of it, if anything.
    pub fn tell(&self, failed: Option<&Failed>, of: u64, on_postgres: bool) {
        if let Some(failed) = failed {
            self.failed.fetch_add(1, Ordering::Relaxed);
            eprintln!("{}\n", failed.text(on_postgres));
        }
        let runs = 1 + self.runs.fetch_add(1, Ordering::Relaxed);
        if runs.is_multiple_of(Self::FEWEST.max(of / 40)) {
            eprintln!("{runs} of {of} runs, {} failed", self.failed.load(Ordering::Relaxed));
        }
    }
}

/// Carries out the scenarios of some seeds in memory, on some threads; stops after `most_failures`.
pub fn seeds_in_memory(seeds: std::ops::Range<u64>, threads: usize, most_failures: usize) -> Summary {
    let next = AtomicU64::new(seeds.start);
    let (summary, progress) = (Mutex::new(Summary::default()), Progress::default());
    let of = seeds.end.saturating_sub(seeds.start);
    on_threads(threads, || {
        let mut mine = Summary::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end || mine.failed.len() >= most_failures {
                break;
            }
            let scenario = Scenario::of(seed);
            let hits = Hits::default();
            let outcome = in_memory(&scenario, &hits, &Options::default());
            let failed = mine.add(&scenario, outcome, &hits);
            progress.tell(failed, of, false);
        }
        summary.lock().expect("no thread panics with it").merge(mine);
    });
    summary.into_inner().expect("all threads are done")
}
