//! What a daemon no longer tells once another one writes, and tells again.

use metrics::gauge;

use super::series::*;
use super::{Board, Status};

/// What only the writer knows, and what is zero with a daemon that never wrote: no alert is about a zero.
pub(super) const OF_THE_WRITER: [&str; 12] = [
    HEAD_BLOCK,
    CHECKPOINT_BLOCK,
    CHECKPOINT_TIMESTAMP,
    FINALIZED_BLOCK,
    LAG_BLOCKS,
    LAG_SECONDS,
    CONTRACTS,
    CATCHING_UP,
    DEFERRED_INDEXES,
    FLAGGED_ASSETS,
    SUSPECT_ASSETS,
    DISPUTED,
];

/// The same where an alert is about a zero: no comparison with NaN holds, and a maximum or minimum passes over it.
const UNKNOWN: [&str; 3] = [HEAD_TIMESTAMP, PARTITIONS_AHEAD, VERIFIED_BLOCK];

impl Board {
    /// This process writes from now on: one that comes to know no head is told of.
    pub fn writes(&self) {
        if self.inner().head_timestamp == 0 {
            gauge!(HEAD_TIMESTAMP, "chain" => self.chain.clone()).set(0);
        }
    }

    /// Another process writes: what this one knew as the writer is taken back, in the metrics and in the status. Rules take
    /// the largest value of all replicas, so that an alert about an old one would never end. What this process did, counters
    /// and its last commit, stays.
    pub fn superseded(&self) {
        let mut inner = self.inner();
        inner.status = Status {
            head: None,
            finalized: None,
            checkpoint: None,
            verified: None,
            lag_blocks: None,
            lag_seconds: None,
            ..inner.status.clone()
        };
        (inner.head_timestamp, inner.checkpoint_timestamp) = (0, 0);
        for name in OF_THE_WRITER {
            gauge!(name, "chain" => self.chain.clone()).set(0);
        }
        for name in UNKNOWN {
            gauge!(name, "chain" => self.chain.clone()).set(f64::NAN);
        }
        for kind in &inner.finding_kinds {
            gauge!(SECURITY_FINDINGS, "chain" => self.chain.clone(), "kind" => kind.clone()).set(0);
        }
    }
}
