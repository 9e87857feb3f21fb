//! Indexes that a first load does without: dropped with the first checkpoint, built before the step that reaches the
//! newest final block.
//!
//! Invariant: whoever follows the head does so with every index, unless somebody's long query keeps one from being built.

use tracing::Instrument;

use super::plan::Step;
use super::{Outcome, Sync, SyncError, stage};
use crate::source::{Source, View};
use crate::store::{Built, Store};

/// Steps until one is tried again that could not be built.
const STEPS_BETWEEN_TRIES: u32 = 8;

impl<S: Source, D: Store> Sync<S, D> {
    /// Whether a load that begins above `below` is long enough.
    pub(super) fn defers_indexes(&self, below: u64, finalized: u64) -> bool {
        let least = self.config.deferred_indexes_from_blocks;
        least > 0 && finalized.saturating_sub(below) >= least
    }

    /// Builds the next index, one a step, so that a process that is stopped loses one at most; nothing while final blocks
    /// are left above those that the step reads.
    pub(super) async fn build_index(
        &mut self,
        step: Step,
        view: &View,
        until: Option<u64>,
    ) -> Result<Option<Outcome>, SyncError> {
        if self.indexes_are_built || step.leaves_final_blocks(view, until) {
            return Ok(None);
        }
        if self.steps_without_index > 0 {
            self.steps_without_index -= 1;
            return Ok(None);
        }
        match self.store.build_index().instrument(stage::index()).await? {
            Built::Index(name) => {
                return Ok(Some(Outcome::IndexBuilt { name }));
            }
            // Whoever is in the way may be for long: the chain comes first.
            Built::Hindered(index) => {
                self.steps_without_index = STEPS_BETWEEN_TRIES;
                tracing::warn!(index, "no index could be built now; tried again");
            }
            Built::Nothing => self.indexes_are_built = true,
        }
        Ok(None)
    }
}
