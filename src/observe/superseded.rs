//! What a daemon no longer tells once another one writes.

use metrics::gauge;

use super::Board;
use super::series::*;

/// What only the writer knows, and what is zero with a daemon that never wrote: no alert is about a zero.
pub(super) const OF_THE_WRITER: [&str; 13] = [
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
    EXECUTING,
];

/// The same where an alert is about a zero: no comparison with NaN holds, and a maximum or minimum passes over it.
const UNKNOWN: [&str; 4] = [HEAD_TIMESTAMP, LAST_STEP, PARTITIONS_AHEAD, VERIFIED_BLOCK];

impl Board {
    /// Another process writes: what this one knew as the writer is taken back, in the metrics and in the status. Rules take
    /// the largest value of all replicas, so that an alert about an old one would never end. What this process did, counters
    /// and its last commit, stays.
    pub fn superseded(&self) {
        let mut inner = self.inner();
        let status = &mut inner.status;
        (status.head, status.finalized, status.checkpoint, status.verified) = (None, None, None, None);
        (status.lag_blocks, status.lag_seconds) = (None, None);
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
        self.begin_looks_at_the_application();
    }
}
