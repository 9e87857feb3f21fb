//! Finds the block that our chain and the node's share, and takes back what is above it.
//!
//! A reorg that would cross finality is never followed: the chain halts until an operator rewinds it.

use alloy::primitives::B256;

use super::{Outcome, Sync, SyncError};
use crate::block::{BlockId, Header};
use crate::source::Source;
use crate::store::{Checkpoint, Rollback, Store};

impl<S: Source, D: Store> Sync<S, D> {
    /// The node's chain no longer holds our checkpoint.
    pub(super) async fn roll_back(&mut self, checkpoint: &Checkpoint) -> Result<Outcome, SyncError> {
        let mut ours = self.store.headers().await?;
        let mut replaced_by = B256::ZERO;
        while let Some(header) = ours.pop() {
            let theirs = self.source.header(header.id.number).await?;
            match theirs {
                Some(theirs) if theirs.id == header.id => {
                    if header.id == checkpoint.block.id {
                        return Ok(Outcome::Idle); // the chain came back to us between two questions
                    }
                    return self.take_back(checkpoint, header, replaced_by).await;
                }
                Some(theirs) => replaced_by = theirs.id.hash,
                None => {}
            }
            if header.id.number <= checkpoint.finalized.number {
                return self.contradicted(header, theirs).await;
            }
        }
        Err(SyncError::Contradiction(format!(
            "no header is stored at or below the finalized block {}: the table of headers was changed by hand",
            checkpoint.finalized.number
        )))
    }

    async fn take_back(
        &mut self,
        checkpoint: &Checkpoint,
        ancestor: Header,
        replaced_by: B256,
    ) -> Result<Outcome, SyncError> {
        let replaced_by = if replaced_by.is_zero() { ancestor.id.hash } else { replaced_by };
        let rollback =
            Rollback { expected: checkpoint.block.id, ancestor, replaced_by, reason: "reorg".to_owned() };
        self.store.rollback(&rollback).await?;
        self.known = None;
        self.configured = false;
        Ok(Outcome::RolledBack { from: checkpoint.block.id, ancestor: ancestor.id })
    }

    async fn contradicted(&mut self, ours: Header, theirs: Option<Header>) -> Result<Outcome, SyncError> {
        let BlockId { number, hash } = ours.id;
        let Some(theirs) = theirs else {
            // A node that does not have the block yet says nothing about it.
            return Ok(Outcome::Idle);
        };
        let reason = format!(
            "final block {number} is {hash} in the tables and {} on the node: a reorg crossed finality, or the node \
             is on another chain; check the node, and if the chain really changed, run \
             `asset-indexer rewind --to {} --reason \"…\"`",
            theirs.id.hash,
            number.saturating_sub(1)
        );
        self.store.halt(&reason).await?;
        Ok(Outcome::Halted { reason })
    }
}
