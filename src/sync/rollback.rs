//! Finds the block that our chain and the node's share, and takes back what is above it.
//!
//! A reorg that would cross finality is never followed: the chain halts until an operator rewinds it.

use alloy::primitives::B256;

use super::{Outcome, Proving, Sync, SyncError};
use crate::block::{BlockId, Header};
use crate::mutant::{Mutant, is};
use crate::source::{Source, SourceError};
use crate::store::{Checkpoint, Rollback, Store, StoreError};

/// Why blocks are taken back that are the chain's no more.
const REORG: &str = "reorg";

/// How often a provider that is alone must tell the same of a deep reorg.
const LOOKS: u32 = 3;

impl<S: Source, D: Store> Sync<S, D> {
    /// The node's chain no longer holds our checkpoint.
    pub(super) async fn roll_back(&mut self, checkpoint: &Checkpoint) -> Result<Outcome, SyncError> {
        let mut ours = self.store.headers().await?;
        if ours.last().map(|header| header.id) != Some(checkpoint.block.id) {
            // Between two questions the tables moved: somebody else writes them.
            return Err(StoreError::NotTheWriter.into());
        }
        let mut replaced_by = B256::ZERO;
        let mut above = None;
        while let Some(header) = ours.pop() {
            let theirs = self.source.header(header.id.number).await?;
            match theirs {
                Some(theirs) if theirs.id == header.id => {
                    if header.id == checkpoint.block.id {
                        return Ok(Outcome::Idle); // the chain came back to us between two questions
                    }
                    if let Some(outcome) = self.dispute(checkpoint, header, replaced_by).await? {
                        return Ok(outcome);
                    }
                    let ancestor = if is(Mutant::AncestorTooHigh) { above.unwrap_or(header) } else { header };
                    return self.take_back(checkpoint, ancestor, replaced_by, REORG).await;
                }
                Some(theirs) => replaced_by = theirs.id.hash,
                // One of several behind a URL may lag: what it does not have yet did not leave the chain.
                None if self.view.is_some_and(|view| header.id.number <= view.head.id.number) => {
                    let BlockId { number, hash } = header.id;
                    return Err(SourceError::BlockGone { number, hash: Some(hash) }.into());
                }
                None => {}
            }
            above = Some(header);
            if header.id.number <= checkpoint.finalized.number && !is(Mutant::FinalityCrossed) {
                return self.contradicted(checkpoint, header.id, theirs).await;
            }
        }
        Err(no_final_header(checkpoint.finalized.number))
    }

    /// A deep reorg is followed when an independent provider tells of it too; with one provider alone, when it says the
    /// same at [`LOOKS`] looks. `None` to follow it.
    async fn dispute(
        &mut self,
        checkpoint: &Checkpoint,
        ancestor: Header,
        replaced_by: B256,
    ) -> Result<Option<Outcome>, SyncError> {
        let depth = checkpoint.block.id.number - ancestor.id.number;
        if depth <= self.config.reorg_depth_trusted || is(Mutant::DeepReorgTrusted) || replaced_by.is_zero() {
            self.disputed = None;
            return Ok(None);
        }
        let replacing = BlockId { number: ancestor.id.number + 1, hash: replaced_by };
        let witnesses = self.source.witnesses(replacing).await?;
        if witnesses.agree > 0 {
            self.disputed = None;
            return Ok(None);
        }
        if witnesses.disagree > 0 {
            self.source.blame("no other provider knows its deep reorg");
            return Err(SyncError::Contradiction(format!(
                "{} tells of a reorg of {depth} blocks down to {}, and {} other providers do not: it is not followed",
                self.source.alias(),
                ancestor.id.number,
                witnesses.disagree
            )));
        }
        let looks = match self.disputed {
            Some((seen, looks)) if seen == replaced_by => looks + 1,
            _ => 1,
        };
        self.disputed = Some((replaced_by, looks));
        if witnesses.others == 0 && looks >= LOOKS {
            self.disputed = None;
            return Ok(None);
        }
        let reason = match witnesses.others {
            0 => format!("a reorg of {depth} blocks was seen {looks} times of {LOOKS}"),
            others => {
                format!("a reorg of {depth} blocks waits for the word of one of {others} other providers")
            }
        };
        Ok(Some(Outcome::Disputed { reason }))
    }

    pub(super) async fn take_back(
        &mut self,
        checkpoint: &Checkpoint,
        ancestor: Header,
        replaced_by: B256,
        reason: &str,
    ) -> Result<Outcome, SyncError> {
        let replaced_by = if replaced_by.is_zero() { ancestor.id.hash } else { replaced_by };
        let rollback =
            Rollback { expected: checkpoint.block.id, ancestor, replaced_by, reason: reason.to_owned() };
        self.store.rollback(&rollback).await?;
        self.position = Some(ancestor);
        match &mut self.known {
            Some(known) if is(Mutant::CacheOverRollback) => known.at = ancestor.id,
            _ => self.forget(),
        }
        let is_reorg = reason == REORG;
        Ok(Outcome::RolledBack { from: checkpoint.block.id, ancestor: ancestor.id, is_reorg })
    }

    /// Takes back what is above finality, to be read again, with its proof: it was read without, and a log of it stands
    /// where another belongs. Once for a checkpoint; `None` where that is no remedy.
    pub(super) async fn read_again(&mut self, checkpoint: &Checkpoint) -> Result<Option<Outcome>, SyncError> {
        let at = checkpoint.block.id;
        if self.config.proving == Proving::Off || self.read_again_at == Some(at) {
            return Ok(None);
        }
        let headers = self.store.headers().await?;
        let lowest = headers.into_iter().find(|header| header.id.number >= checkpoint.finalized.number);
        let Some(ancestor) = lowest.filter(|header| header.id.number < at.number) else { return Ok(None) };
        self.read_again_at = Some(at);
        let reason = "a log stands where another belongs: the blocks above finality are read again";
        self.take_back(checkpoint, ancestor, ancestor.id.hash, reason).await.map(Some)
    }

    /// Below what the tables call final a backfill reads by number: it must lead to that very block.
    pub(super) async fn refuse_other_finality(
        &mut self,
        checkpoint: &Checkpoint,
    ) -> Result<Option<Outcome>, SyncError> {
        let ours = checkpoint.finalized;
        if ours.number <= checkpoint.block.id.number {
            return Ok(None);
        }
        match self.source.header(ours.number).await? {
            Some(theirs) if theirs.id != ours => {
                self.contradicted(checkpoint, ours, Some(theirs)).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn contradicted(
        &mut self,
        checkpoint: &Checkpoint,
        ours: BlockId,
        theirs: Option<Header>,
    ) -> Result<Outcome, SyncError> {
        let BlockId { number, hash } = ours;
        let Some(theirs) = theirs else {
            // A node that does not have the block yet says nothing about it.
            return Ok(Outcome::Idle);
        };
        let witnesses = self.source.witnesses(ours).await?;
        if witnesses.agree > 0 {
            self.source.blame("it contradicts a final block that other providers have");
            return Err(SyncError::Contradiction(format!(
                "{} has another final block {number} than the tables and other providers",
                self.source.alias()
            )));
        }
        if witnesses.others > 0 && witnesses.disagree == 0 {
            return Err(SyncError::Contradiction(format!(
                "{} has another final block {number} than the tables, and no other provider can be asked about it now",
                self.source.alias()
            )));
        }
        let at = checkpoint.block.id.number;
        let way_out = if number > at {
            format!("nothing above block {at} is in the tables: `asset-indexer resume --reason \"…\"`")
        } else {
            format!(
                "if the chain really changed, run `asset-indexer rewind --to {} --reason \"…\"`, which goes further down where \
                 it must; if the node was wrong, `asset-indexer resume --reason \"…\"`",
                number.saturating_sub(1)
            )
        };
        let reason = format!(
            "final block {number} is {hash} in the tables and {} on the node: a reorg crossed finality, or the node \
             is on another chain; check the node, then {way_out}",
            theirs.id.hash
        );
        self.store.halt(&reason).await?;
        Ok(Outcome::Halted { reason })
    }
}

/// The block that the tables call final is one whose header they keep.
pub(super) fn no_final_header(finalized: u64) -> SyncError {
    SyncError::Contradiction(format!(
        "no header is stored at or below the finalized block {finalized}: the table of headers was changed by hand"
    ))
}
