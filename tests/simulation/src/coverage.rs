//! The table of faults by phases: how often each was hit, and which cells make no sense.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::faults::{Fault, Hit, Phase};

/// Sums over many runs.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    counts: BTreeMap<(Hit, Phase), u64>,
    /// The lowest seed that hit a cell.
    first: BTreeMap<(Hit, Phase), u64>,
}

/// A cell that is hit no more often than this is named with its first seed.
const RARE: u64 = 20;

/// Whether a cell can be hit, and where not, why.
pub fn why_empty(hit: Hit, phase: Phase) -> Option<&'static str> {
    use Phase::{Backfill, CatchUp, Follow, Rollback, Start, Sweep};
    let reason = |phases: &[Phase], why: &'static str| phases.contains(&phase).then_some(why);
    match hit {
        Hit::Source(Fault::Pruned) => reason(
            &[Start, Rollback],
            "no range of logs is read: the contracts are configured without a start block",
        ),
        Hit::Source(Fault::RefusedReceipts | Fault::OmittedReceipt | Fault::ShiftedReceipts) => {
            reason(&[Start, Rollback], "no receipts are read")
        }
        Hit::Source(Fault::StateUnavailable) => reason(&[Rollback], "no state is asked for"),
        Hit::Source(Fault::WrongChain) => reason(
            &[Backfill, Follow, Rollback, CatchUp, Sweep],
            "the chain's id is asked once, when a process starts",
        ),
        Hit::Source(
            Fault::Disordered
            | Fault::OmittedLog
            | Fault::OmittedLogs
            | Fault::ForgedLog
            | Fault::AlteredAmount
            | Fault::AlteredAddress,
        ) => reason(&[Start, Rollback], "no logs are read"),
        Hit::Source(Fault::FinalizedBack | Fault::FinalizedAhead) => {
            reason(&[Backfill, Follow, Rollback, CatchUp, Sweep], "what is final is asked when a step starts")
        }
        Hit::Source(Fault::CallsAtLatest) => reason(&[Start, Rollback], "no call is made"),
        Hit::Source(Fault::OtherFork) => reason(&[Start], "the first block is below every fork"),
        Hit::AcrossFinality => reason(
            &[CatchUp],
            "no contract is added where final blocks may go: its own start would go with them",
        ),
        _ => None,
    }
}

impl Coverage {
    /// Adds the counts of a seed's run.
    pub fn add(&mut self, seed: u64, counts: BTreeMap<(Hit, Phase), u64>) {
        for (cell, count) in counts {
            *self.counts.entry(cell).or_default() += count;
            self.note(cell, seed);
        }
    }

    fn note(&mut self, cell: (Hit, Phase), seed: u64) {
        let first = self.first.entry(cell).or_insert(seed);
        *first = seed.min(*first);
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: Self) {
        for (cell, count) in other.counts {
            *self.counts.entry(cell).or_default() += count;
        }
        other.first.into_iter().for_each(|(cell, seed)| self.note(cell, seed));
    }

    /// The cells that are seldom hit, how often, and the first seed that does.
    pub fn rare(&self) -> Vec<(Hit, Phase, u64, u64)> {
        let seldom = self.counts.iter().filter(|(_, count)| **count <= RARE);
        seldom.map(|(cell, count)| (cell.0, cell.1, *count, self.first[cell])).collect()
    }

    fn count(&self, hit: Hit, phase: Phase) -> u64 {
        self.counts.get(&(hit, phase)).copied().unwrap_or(0)
    }

    /// Cells that make sense and were never hit.
    pub fn empty(&self) -> Vec<(Hit, Phase)> {
        let cells = Hit::all().into_iter().flat_map(|hit| Phase::ALL.map(|phase| (hit, phase)));
        cells
            .filter(|(hit, phase)| self.count(*hit, *phase) == 0 && why_empty(*hit, *phase).is_none())
            .collect()
    }

    /// As a table for people; a dash where a cell makes no sense.
    pub fn table(&self) -> String {
        let mut text = format!("{:<28}", "fault");
        for phase in Phase::ALL {
            let _ = write!(text, "{:>12}", format!("{phase:?}"));
        }
        for hit in Hit::all() {
            let _ = write!(text, "\n{:<28}", hit.name());
            for phase in Phase::ALL {
                let cell = match (self.count(hit, phase), why_empty(hit, phase)) {
                    (0, Some(_)) => "-".to_owned(),
                    (count, _) => count.to_string(),
                };
                let _ = write!(text, "{cell:>12}");
            }
        }
        text.push('\n');
        text
    }
}
