//! Is the simulation sharp? Each bug that is planted in our own code is switched on in turn, and seeds run until one of
//! them finds it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use asset_indexer::mutant::{Mutant, set};

use crate::driver::Options;
use crate::executor::on_threads;
use crate::faults::Hits;
use crate::runs::{self, Failed};
use crate::scenario::Scenario;
use crate::{named, sweep};

/// What became of a planted bug.
#[derive(Debug)]
pub struct Verdict {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Runs until it was found, the finding one included.
    pub runs: u64,
    /// What found it; nothing where it lived.
    pub killer: Option<Failed>,
}

/// Scenarios in the order in which they are tried: the named cases, the short ones of the sweep, then seeds.
fn scenarios(seeds: u64) -> impl Iterator<Item = Scenario> {
    let short = named::scenarios().into_iter().chain(sweep::scenarios());
    short.chain((0..seeds).map(Scenario::of))
}

/// Runs until a planted bug is found, at most so many seeds.
pub fn hunt(mutant: Mutant, name: &'static str, what: &'static str, seeds: u64) -> Verdict {
    set(Some(mutant));
    let mut runs = 0;
    let killer = scenarios(seeds).find_map(|scenario| {
        runs += 1;
        let outcome = runs::in_memory(&scenario, &Hits::default(), &Options::default());
        outcome.err().map(|failure| Failed { scenario, failure })
    });
    set(None);
    Verdict { name, what, runs, killer }
}

/// Every planted bug, or the one of that name, on some threads; in the order in which they are declared.
pub fn hunt_all(only: Option<&str>, seeds: u64, threads: usize) -> Vec<Verdict> {
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let planted: Vec<_> = Mutant::ALL.iter().filter(|(_, name, _)| wanted(name)).collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    on_threads(threads, || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some((mutant, name, what)) = planted.get(place) else { break };
            let verdict = hunt(*mutant, name, what, seeds);
            found.lock().unwrap_or_else(PoisonError::into_inner).insert(place, verdict);
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// A table of all, the ones that lived last.
pub fn table(verdicts: &[Verdict]) -> String {
    let mut lines =
        vec![format!("{:<26} {:>6}  {:<44} {}", "planted bug", "runs", "what it does", "found as")];
    let (killed, alive): (Vec<_>, Vec<_>) = verdicts.iter().partition(|verdict| verdict.killer.is_some());
    for verdict in killed.iter().chain(&alive) {
        let found = verdict.killer.as_ref().map_or("NOT FOUND".to_owned(), |killer| {
            let place = match killer.scenario.name.as_str() {
                "" => format!("seed {}", killer.scenario.seed),
                name => format!("{name:?}"),
            };
            let line = killer.failure.what.lines().next().unwrap_or_default();
            format!("{place}: {}", line.chars().take(90).collect::<String>())
        });
        lines.push(format!("{:<26} {:>6}  {:<44} {found}", verdict.name, verdict.runs, verdict.what));
    }
    let mut runs: Vec<u64> = killed.iter().map(|verdict| verdict.runs).collect();
    runs.sort_unstable();
    let median = runs.get(runs.len() / 2).copied().unwrap_or_default();
    lines.push(format!("{} of {} found, median {median} runs", killed.len(), verdicts.len()));
    lines.join("\n")
}
