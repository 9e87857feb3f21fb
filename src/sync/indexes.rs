//! Indexes that a first load does without: dropped with the first checkpoint, built before the step that reaches the
//! newest final block.
//!
//! Invariant: whoever follows the head does so with every index, unless somebody's long query keeps one from being built.

use std::time::{Duration, Instant};

use tracing::Instrument;

use super::plan::Step;
use super::{Outcome, Sync, SyncError, stage};
use crate::source::{Source, View};
use crate::store::{Built, Store};

/// After one that took so long the node is looked at before the next, so that how far the chain is stays known.
const LOOK_AFTER: Duration = Duration::from_secs(10);
/// Steps until one is tried again that could not be built.
const STEPS_BETWEEN_TRIES: u32 = 8;

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    /// The database said that none waits for the end of a first load.
    pub(super) are_built: bool,
    /// The step before built one, and not for long: the next one follows, whatever the node has to tell.
    is_building: bool,
    /// Steps before the next try to build one.
    steps_without: u32,
}

impl Indexes {
    /// Somebody else changed the tables.
    pub(super) fn forget(&mut self) {
        (self.are_built, self.is_building) = (false, false);
    }
}

impl<S: Source, D: Store> Sync<S, D> {
    /// Whether a load that begins above `below` is long enough.
    pub(super) fn defers_indexes(&self, below: u64, finalized: u64) -> bool {
        let least = self.config.deferred_indexes_from_blocks;
        least > 0 && finalized.saturating_sub(below) >= least
    }

    /// Builds the first index; nothing while final blocks are left above those that the step reads.
    pub(super) async fn build_indexes(
        &mut self,
        step: Step,
        view: &View,
        until: Option<u64>,
    ) -> Result<Option<Outcome>, SyncError> {
        if self.indexes.are_built || step.leaves_final_blocks(view, until) {
            return Ok(None);
        }
        if self.indexes.steps_without > 0 {
            self.indexes.steps_without -= 1;
            return Ok(None);
        }
        self.indexes.is_building = true;
        self.build_next_index().await
    }

    /// Builds the next index, one a step, so that a process that is stopped loses one at most; nothing where none was
    /// built by the step before.
    pub(super) async fn build_next_index(&mut self) -> Result<Option<Outcome>, SyncError> {
        if !self.indexes.is_building {
            return Ok(None);
        }
        let began = Instant::now();
        match self.store.build_index().instrument(stage::index()).await? {
            Built::Index(name) => {
                self.indexes.is_building = began.elapsed() < LOOK_AFTER;
                return Ok(Some(Outcome::IndexBuilt { name }));
            }
            // Whoever is in the way may be for long: the chain comes first.
            Built::Hindered(index) => {
                self.indexes.steps_without = STEPS_BETWEEN_TRIES;
                tracing::warn!(index, "no index could be built now; tried again");
            }
            Built::Nothing => self.indexes.are_built = true,
        }
        self.indexes.is_building = false;
        Ok(None)
    }
}
