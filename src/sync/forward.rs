//! The steps that move the checkpoint up: a range of final blocks, or one block above finality; and the look at what is
//! held when there is nothing above.

use std::collections::{BTreeMap, HashSet};

use alloy::primitives::Address;
use tracing::Instrument;

use super::ahead::Prepared;
use super::finality::Look;
use super::{Assembled, Outcome, Proving, Sync, SyncError, stage};
use crate::block::{BlockId, BlockRange, Header, RawLog};
use crate::mutant::{Mutant, is};
use crate::proof::{Method, Watched};
use crate::source::{Source, View};
use crate::store::{Checkpoint, Commit, Evidence, Section, Store};
use crate::table::fold::Changes;

impl<S: Source, D: Store> Sync<S, D> {
    /// Nothing is above the checkpoint: is what is below still the chain's?
    pub(super) async fn check(&mut self, checkpoint: &Checkpoint, number: u64) -> Result<Outcome, SyncError> {
        let ours = if number == checkpoint.block.id.number {
            Some(checkpoint.block)
        } else {
            self.store.headers().await?.into_iter().find(|header| header.id.number == number)
        };
        let theirs = self.source.header(number).await?;
        match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours.id != theirs.id && !is(Mutant::SameHeightIgnored) => {
                self.roll_back(checkpoint).await
            }
            _ => Ok(Outcome::Idle),
        }
    }

    pub(super) async fn backfill(
        &mut self,
        checkpoint: &Checkpoint,
        look: Look,
        range: BlockRange,
    ) -> Result<Outcome, SyncError> {
        let below = checkpoint.block.id;
        let (prepared, ranges) = match self.take_ahead(below, range) {
            Some((prepared, ranges)) => {
                // The same block that the node called final was seen with the ends of the range.
                let is_seen = look.told == checkpoint.finalized;
                if !is_seen && let Some(contradicted) = self.refuse_other_finality(checkpoint).await? {
                    return Ok(contradicted);
                }
                (prepared, ranges)
            }
            None => {
                let headers = self.ends(below, look.told, range).await?;
                if headers[0].id != below {
                    return self.roll_back(checkpoint).await;
                }
                if let Some(contradicted) = self.refuse_other_finality(checkpoint).await? {
                    return Ok(contradicted);
                }
                let held = headers.iter().map(|header| header.id).collect();
                let read = self.read_range(range, held, self.watched()).await?;
                (self.prepare(read, &look, 1, None).await?, 1)
            }
        };
        let Prepared { range, end, events, found, mut changes, evidence, range_blocks, above } = prepared;
        self.range_blocks = range_blocks;
        self.ranges_alone = self.ranges_alone.saturating_sub(1);
        self.note_late_history(&mut changes, &found, checkpoint).await?;
        let commit = Commit {
            expected: below,
            next: end,
            finalized: look.view.finalized,
            sections: vec![Section { undo_block: None, changes }],
            evidence,
        };
        self.adopt(end.id, &found);
        self.tell_of_behind(&found);
        match above {
            Some(above) => self.commit_and_prepare(commit, look, ranges, above).await?,
            None => self.commit(commit).await?,
        }
        Ok(Outcome::Backfilled { range, events })
    }

    pub(super) async fn follow(
        &mut self,
        checkpoint: &Checkpoint,
        view: &View,
        number: u64,
    ) -> Result<Outcome, SyncError> {
        let Some(block) = self.source.header(number).await? else { return Ok(Outcome::Idle) };
        if block.parent != checkpoint.block.id.hash && !is(Mutant::ParentUnchecked) {
            return self.roll_back(checkpoint).await;
        }
        let watched: HashSet<Address> = self.watched().into_iter().collect();
        let (assembled, evidence) = self.assemble_proved(block, view.finalized, watched).await?;
        let events = assembled.entries.len();
        let changes = self.fold(&assembled).await?;
        let mut late = Changes::default();
        self.note_late_history(&mut late, &assembled.found, checkpoint).await?;
        let spared = u64::from(is(Mutant::UndoOffByOne));
        let undo_block =
            (number > view.finalized.number + spared && !is(Mutant::UndoSkipped)).then_some(number);
        self.commit(Commit {
            expected: checkpoint.block.id,
            next: block,
            finalized: view.finalized,
            sections: vec![Section { undo_block: None, changes: late }, Section { undo_block, changes }],
            evidence,
        })
        .await?;
        self.adopt(block.id, &assembled.found);
        self.tell_of_behind(&assembled.found);
        Ok(Outcome::Followed { block: block.id, events })
    }

    /// One block's entries, with the proof of its logs where there is one.
    async fn assemble_proved(
        &self,
        block: Header,
        finalized: BlockId,
        watched: HashSet<Address>,
    ) -> Result<(Assembled, Vec<Evidence>), SyncError> {
        let mut compared = watched.clone();
        loop {
            let (logs, evidence) = self.block_logs(block.id, &compared).instrument(stage::fetch()).await?;
            let decoding = self.assemble_block(
                block,
                finalized,
                &logs,
                watched.clone(),
                self.assembly(BTreeMap::new()),
                std::slice::from_ref(&block.id),
            );
            let assembled = Box::pin(decoding).instrument(stage::decode()).await?;
            // Receipts hold every contract's logs; two providers were compared on some contracts only.
            let is_quorum = evidence.iter().any(|stretch| stretch.method == Method::Quorum);
            if !is_quorum || assembled.found.keys().all(|found| compared.contains(found)) {
                return Ok((assembled, evidence));
            }
            compared.extend(assembled.found.keys());
        }
    }

    /// The logs of one block above finality: proved, or as the node lists them where nothing can prove them and nothing
    /// must.
    pub(super) async fn block_logs(
        &self,
        block: BlockId,
        watched: &HashSet<Address>,
    ) -> Result<(Vec<RawLog>, Vec<Evidence>), SyncError> {
        if self.config.proving == Proving::Off || is(Mutant::HeadUnproved) {
            return Ok((self.source.logs_of_block(block).await?, Vec::new()));
        }
        let watched: Watched = watched.iter().copied().collect();
        match self.prove_block(block, &watched).await {
            Ok(proved) => Ok((proved.logs, proved.evidence)),
            Err(SyncError::Unprovable { .. }) if self.config.proving == Proving::Background => {
                Ok((self.source.logs_of_block(block).await?, Vec::new()))
            }
            Err(error) => Err(error),
        }
    }

    /// The logs of some contracts in final blocks; proved where nothing unproved may be seen, and to be of the chain of
    /// the blocks `held`.
    pub(super) async fn range_logs(
        &self,
        range: BlockRange,
        addresses: &[Address],
        held: &[BlockId],
    ) -> Result<Vec<RawLog>, SyncError> {
        if self.config.proving == Proving::BeforeCommit && !addresses.is_empty() {
            let proved = self.prove_range(range, &addresses.iter().copied().collect()).await?;
            self.refuse_strange(&proved, held).await?;
            return Ok(proved.logs);
        }
        Ok(self.source.logs_in_range(range, addresses).await?)
    }
}
