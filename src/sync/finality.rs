//! What is final: for the node, and for the tables, which never take a final block back by themselves.

use super::{Sync, SyncError};
use crate::block::BlockId;
use crate::source::{Source, View};
use crate::store::{Checkpoint, Store};

/// A node's view, with the tables' finality where that is higher.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub view: View,
    /// The block of the node's chain that is final: for the node itself, or for the tables where the node has theirs.
    pub told: BlockId,
    /// No step goes above.
    pub until: Option<u64>,
    /// What the caller said of that.
    pub asked: Option<u64>,
}

impl<S: Source, D: Store> Sync<S, D> {
    /// Asks the node where its chain is.
    pub(super) async fn look(&self, checkpoint: &Checkpoint, until: Option<u64>) -> Result<Look, SyncError> {
        let mut view = self.source.view().await?;
        let (mut told, at, ours) = (view.finalized, checkpoint.block.id.number, checkpoint.finalized);
        let asked = until;
        let mut until = until;
        if told.number < ours.number {
            view.finalized = ours;
            if at < ours.number {
                match self.source.header(ours.number).await? {
                    Some(theirs) if theirs.id == ours => told = ours,
                    // A contradiction, which whoever reads the next range will meet.
                    Some(_) => {}
                    // A node that is behind: what it does not call final yet it may still take back.
                    None => {
                        until = Some(until.map_or(told.number, |until| until.min(told.number)).max(at));
                    }
                }
            }
        }
        if !self.is_of_our_chain(checkpoint, view.finalized).await? {
            view.finalized = ours;
        }
        Ok(Look { view, told, until, asked })
    }

    /// Whether a block that the node calls final now is one of ours, where ours reach that high: on its word the undo of
    /// older blocks is thrown away.
    async fn is_of_our_chain(&self, checkpoint: &Checkpoint, finalized: BlockId) -> Result<bool, SyncError> {
        let (number, at) = (finalized.number, checkpoint.block.id);
        if number <= checkpoint.finalized.number || number > at.number {
            return Ok(true);
        }
        if number == at.number {
            return Ok(finalized == at);
        }
        let ours = self.store.headers().await?;
        Ok(ours.iter().any(|header| header.id == finalized))
    }
}
