//! What can go wrong, in which phase of the daemon it was hit, and how often.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};

/// What a provider does that a good one does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Fault {
    /// It does not answer.
    Unavailable,
    /// It answers after many polls.
    Slow,
    /// It says that a block is not there.
    BlockGone,
    /// It says that it no longer has the history.
    Pruned,
    /// It gives no receipts.
    RefusedReceipts,
    /// It is some blocks behind.
    LaggingHead,
    /// It sees nothing new from now on.
    StuckHead,
    /// It keeps no old state.
    StateUnavailable,
    /// Its lists are out of order and say things twice.
    Disordered,
    /// It serves another chain.
    WrongChain,
    /// It follows blocks that nobody else has, with true hashes.
    PrivateFork,
    /// It leaves out one log.
    OmittedLog,
    /// It answers with an empty list.
    OmittedLogs,
    /// It leaves out one receipt.
    OmittedReceipt,
    /// It gives the receipts of the block below.
    ShiftedReceipts,
    /// It adds a log, under the right block's hash.
    ForgedLog,
    /// It alters an amount.
    AlteredAmount,
    /// It alters who emitted a log.
    AlteredAddress,
    /// It says another time of a block.
    WrongTime,
    /// At a height it gives the header of a branch that left the chain.
    OtherFork,
    /// What it calls final goes back.
    FinalizedBack,
    /// What it calls final is not final yet.
    FinalizedAhead,
    /// It answers calls at its newest block, whatever block was asked for.
    CallsAtLatest,
}

/// What the database does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StoreFault {
    /// A call fails and nothing was done.
    FailsBefore,
    /// A call fails and all was done: a COMMIT whose answer is lost.
    FailsAfter,
    /// Writes fail because the disk is full.
    DiskFull,
    /// It refuses, which ends the process.
    Refuses,
    /// It answers after many polls.
    Hangs,
}

/// What was hit: by name, in the table of coverage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hit {
    /// A provider's fault.
    Source(Fault),
    /// The database's.
    Store(StoreFault),
    /// A failover to an older snapshot.
    Failover,
    /// The writer's connection was cut between two calls; on PostgreSQL alone.
    Poisoned,
    /// The process died before a call was made.
    CrashBefore,
    /// The process died after a call was carried out and before it saw the answer.
    CrashAfter,
    /// Another writer took over.
    TakenOver,
    /// The process came back with another configuration.
    Reconfigured,
    /// The chain replaced blocks by others while the daemon was there.
    Reorg,
    /// A branch that had left the chain became the chain again.
    Returned,
    /// The newest block was replaced by another of the same height and parent.
    Sibling,
    /// The chain became shorter.
    Shorter,
    /// A transaction moved to another block.
    Moved,
    /// Finality stood still.
    Stalled,
    /// A block without a transaction.
    EmptyBlock,
    /// The chain replaced a final block.
    AcrossFinality,
}

impl Hit {
    /// Every line of the table.
    pub fn all() -> Vec<Self> {
        let mut all: Vec<Self> = Fault::ALL.into_iter().map(Self::Source).collect();
        all.extend(StoreFault::ALL.into_iter().map(Self::Store));
        all.extend([
            Self::Failover,
            Self::Poisoned,
            Self::CrashBefore,
            Self::CrashAfter,
            Self::TakenOver,
            Self::Reconfigured,
            Self::Reorg,
            Self::Returned,
            Self::Sibling,
            Self::Shorter,
            Self::Moved,
            Self::Stalled,
            Self::EmptyBlock,
            Self::AcrossFinality,
        ]);
        all
    }

    /// Its name in the table.
    pub fn name(self) -> String {
        match self {
            Self::Source(fault) => format!("source: {fault:?}"),
            Self::Store(fault) => format!("store: {fault:?}"),
            Self::Failover | Self::Poisoned => format!("store: {self:?}"),
            Self::CrashBefore | Self::CrashAfter | Self::TakenOver | Self::Reconfigured => {
                format!("process: {self:?}")
            }
            _ => format!("chain: {self:?}"),
        }
    }
}

impl StoreFault {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::FailsBefore, Self::FailsAfter, Self::DiskFull, Self::Refuses, Self::Hangs];
}

impl Fault {
    /// All of them: first what honest nodes do.
    pub const ALL: [Self; 23] = [
        Self::Unavailable,
        Self::Slow,
        Self::BlockGone,
        Self::Pruned,
        Self::RefusedReceipts,
        Self::LaggingHead,
        Self::StuckHead,
        Self::StateUnavailable,
        Self::Disordered,
        Self::FinalizedBack,
        Self::WrongChain,
        Self::PrivateFork,
        Self::OmittedLog,
        Self::OmittedLogs,
        Self::OmittedReceipt,
        Self::ShiftedReceipts,
        Self::ForgedLog,
        Self::AlteredAmount,
        Self::AlteredAddress,
        Self::WrongTime,
        Self::OtherFork,
        Self::FinalizedAhead,
        Self::CallsAtLatest,
    ];

    /// How many of [`Fault::ALL`] are failures and no lies.
    pub const FAILURES: usize = 10;
}

/// What the daemon was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Finding out where it stands: chain, configuration, checkpoint, view.
    Start,
    /// Reading a range of final blocks.
    Backfill,
    /// Reading one block above finality, or looking whether there is one.
    Follow,
    /// Looking for the ancestor, and taking back.
    Rollback,
    /// Reading the history of a contract that was added later.
    CatchUp,
    /// Proving what is behind the checkpoint, and mending it.
    Sweep,
}

impl Phase {
    /// The columns of the table.
    pub const ALL: [Self; 6] =
        [Self::Start, Self::Backfill, Self::Follow, Self::Rollback, Self::CatchUp, Self::Sweep];
}

/// Counts of hits, by fault and phase; shared by all parts of one run.
#[derive(Debug, Clone, Default)]
pub struct Hits(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    phase: Option<Phase>,
    counts: BTreeMap<(Hit, Phase), u64>,
}

impl Hits {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().expect("nobody panics while it counts")
    }

    /// The daemon is in this phase now.
    pub fn enter(&self, phase: Phase) {
        self.counts().phase = Some(phase);
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        self.counts().phase.unwrap_or(Phase::Start)
    }

    /// A fault was hit, in the phase that the daemon is in.
    pub fn hit(&self, hit: Hit) {
        let mut counts = self.counts();
        let phase = counts.phase.unwrap_or(Phase::Start);
        *counts.counts.entry((hit, phase)).or_default() += 1;
    }

    /// How often, in any phase.
    pub fn total(&self, hit: Hit) -> u64 {
        self.counts().counts.iter().filter(|((of, _), _)| *of == hit).map(|(_, count)| count).sum()
    }

    /// All counts.
    pub fn take(&self) -> BTreeMap<(Hit, Phase), u64> {
        std::mem::take(&mut self.counts().counts)
    }
}
