//! Preparing ahead: while a range of final blocks is being committed, the node lists the next one, which is decoded and
//! folded over the rows under way.
//!
//! Invariant: what was prepared is used by the very next step, on the checkpoint it was prepared for, with the contracts
//! watched then, and under the same view of the chain. The blocks around a range are asked for with those of the range before,
//! when that was decoded, and again when its own logs are. Whatever does not fit is read anew, and whatever went wrong is met
//! then.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::Address;
use futures_util::future::try_join;
use tracing::Instrument;

use super::apart::apart;
use super::assemble::Found;
use super::finality::Look;
use super::pending::Pending;
use super::plan::{Step, plan_above};
use super::{Assembled, Proving, Sync, SyncError, stage, write};
use crate::block::{BlockId, BlockRange, Header, RawLog};
use crate::mutant::{Mutant, is};
use crate::source::{Source, SourceError};
use crate::store::{Checkpoint, Commit, Evidence, Store};
use crate::table::fold::Changes;

/// So many ranges are read under one view of the chain: the node is asked less, and another provider may have its turn
/// after them.
const RANGES_OF_A_VIEW: u32 = 16;

/// So many ranges are not prepared ahead once the database could not be read beside a commit: each would be read twice.
const RANGES_ALONE: u32 = 16;

/// A range of final blocks as a node lists it.
#[derive(Debug)]
pub(super) struct Read {
    /// What was asked for, or the beginning of it where that is as much as a step should hold.
    pub(super) range: BlockRange,
    /// What the node had before the logs were read: the checkpoint below the range, its end, and blocks above it: where it was
    /// to end, and the one that the node called final.
    pub(super) held: Vec<BlockId>,
    pub(super) logs: Vec<RawLog>,
    pub(super) evidence: Vec<Evidence>,
}

/// A range of final blocks, read and folded: what is left is to commit it.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) range: BlockRange,
    /// Its last block.
    pub(super) end: Header,
    /// How many logs it has.
    pub(super) events: usize,
    /// The contracts that it brought in.
    pub(super) found: BTreeMap<Address, Found>,
    pub(super) changes: Changes,
    pub(super) evidence: Vec<Evidence>,
    /// How many blocks the next range should have.
    pub(super) range_blocks: u64,
    /// That range, if it is to be prepared while this one is committed, with the block at which it is to end.
    pub(super) above: Option<(BlockRange, BlockId)>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ahead {
    look: Look,
    /// Ranges under the same view, it with them.
    ranges: u32,
    below: BlockId,
    /// What was planned; what was prepared may be the beginning of it.
    range: BlockRange,
    watched: Vec<Address>,
    prepared: Prepared,
}

impl<S: Source, D: Store> Sync<S, D> {
    /// The view under which the step from this checkpoint was prepared, if it was.
    pub(super) fn look_ahead(&mut self, checkpoint: &Checkpoint, until: Option<u64>) -> Option<Look> {
        let fits = |ahead: &Ahead| ahead.below == checkpoint.block.id && ahead.look.asked == until;
        if !self.ahead.as_ref().is_some_and(fits) {
            self.ahead = None;
        }
        self.ahead.as_ref().map(|ahead| ahead.look)
    }

    /// What was prepared of a range, and how many ranges were read under the same view, it with them.
    pub(super) fn take_ahead(&mut self, below: BlockId, range: BlockRange) -> Option<(Prepared, u32)> {
        let ahead = self.ahead.take()?;
        let fits = ahead.below == below && ahead.range == range && ahead.watched == self.watched();
        fits.then_some((ahead.prepared, ahead.ranges))
    }

    /// The range to be prepared while that which ends at `at` is committed; `ranges` were read under this view, it with them.
    /// None where another step comes between the two.
    fn range_ahead(&self, at: u64, look: &Look, ranges: u32, range_blocks: u64) -> Option<BlockRange> {
        let step = plan_above(at, &look.view, look.until, range_blocks);
        let catches_up = self.known.as_ref().is_some_and(|known| !known.catching_up.is_empty());
        let builds = !self.indexes.are_built && !step.leaves_final_blocks(&look.view, look.until);
        let may = self.config.reads_ahead && self.ranges_alone == 0;
        let goes_on = may && ranges < RANGES_OF_A_VIEW && !catches_up && !builds;
        match step {
            Step::Backfill(range) if goes_on => Some(range),
            _ => None,
        }
    }

    /// Decodes and folds what was read, over the rows of a commit under way where there is one, and sees that the chain
    /// did not move meanwhile. `ranges` were read under this view, it with them.
    pub(super) async fn prepare(
        &self,
        read: Read,
        look: &Look,
        ranges: u32,
        pending: Option<&Pending<'_>>,
    ) -> Result<Prepared, SyncError> {
        let decoding = self.assemble_step(read);
        let (read, assembled) = Box::pin(decoding).instrument(stage::decode()).await?;
        let end = read.held[1];
        let mut blocks = assembled.entries.iter().map(|entry| entry.log.block);
        if let Some(other) = blocks.find(|block| block.number == end.number && *block != end) {
            return Err(self.moved(end, other));
        }
        let (range, events) = (read.range, assembled.entries.len());
        let range_blocks = self.blocks_after(range, events);
        // Whoever is behind after this range has its turn.
        let above = match assembled.leaves_behind() {
            true => None,
            false => self.range_ahead(range.to, look, ranges, range_blocks),
        };
        let seen = self.headers_unless_moved(&read.held, above.map(|above| above.to));
        let seen = seen.instrument(stage::fetch()).await?;
        let header = |number: u64| {
            let found = seen.iter().find(|header| header.id.number == number).copied();
            found.ok_or(SourceError::BlockGone { number, hash: None })
        };
        let above = above.map(|above| header(above.to).map(|end| (above, end.id))).transpose()?;
        let changes = self.fold_over(&assembled, pending).await?;
        let (end, found, evidence) = (header(range.to)?, assembled.found, read.evidence);
        Ok(Prepared { range, end, events, found, changes, evidence, range_blocks, above })
    }

    /// The logs that were read, with those of every contract that they lead to; of the beginning of the range alone where they
    /// came to be more than a step should hold.
    async fn assemble_step(&self, mut read: Read) -> Result<(Read, Assembled), SyncError> {
        loop {
            let logs = std::mem::take(&mut read.logs);
            let assembled = self.assemble_unchecked(read.range, logs, &read.held).await?;
            let end = self.end_of_a_step(&assembled).filter(|end| read.may_end_at(*end));
            let Some(end) = end else { return Ok((read, assembled)) };
            read.logs = assembled.listed().cloned().collect();
            self.cut(&mut read, end).await?;
        }
    }

    /// Where more than a step should hold was led to: the block up to which about as much is, if what was listed leads to
    /// as much everywhere.
    pub(super) fn end_of_a_step(&self, assembled: &Assembled) -> Option<u64> {
        let (logs, target) = (assembled.entries.len(), self.config.range_logs_target);
        let is_overfull = is_overfull(logs, target);
        if !is_overfull && !assembled.is_crowded {
            return None;
        }
        let listed: Vec<u64> = assembled.listed().map(|log| log.block.number).collect();
        let kept =
            if assembled.is_crowded { listed.len() / 2 } else { listed.len().saturating_mul(target) / logs };
        listed.get(kept.max(1) - 1).copied()
    }

    /// Leaves of a range what is up to this block.
    async fn cut(&self, read: &mut Read, end: u64) -> Result<(), SyncError> {
        let header = self.source.headers(&[end]).instrument(stage::fetch()).await?;
        let header = header.first().ok_or(SourceError::BlockGone { number: end, hash: None })?;
        // The end that was asked for before the logs stays: it tells whether the chain moved meanwhile.
        read.held.insert(1, header.id);
        read.logs.truncate(read.logs.partition_point(|log| log.block.number <= end));
        read.range.to = end;
        Ok(())
    }

    /// Writes a commit, and meanwhile prepares the range above it, whose end is known. `ranges` were read under this view, that
    /// of the commit with them.
    pub(super) async fn commit_and_prepare(
        &mut self,
        commit: Commit,
        look: Look,
        ranges: u32,
        (range, end): (BlockRange, BlockId),
    ) -> Result<(), SyncError> {
        let (watched, below, ranges) = (self.watched(), commit.next.id, ranges + 1);
        let commit = Arc::new(commit);
        let writing = {
            let (store, commit) = (self.store.clone(), commit.clone());
            apart(async move { write(&*store, &commit).await })
        };
        let mut held = vec![below, end];
        held.extend((look.told.number > range.to).then_some(look.told));
        let preparing = async {
            let read = self.read_range(range, held, watched.clone()).await?;
            self.prepare(read, &look, ranges, Some(&Pending::of(&commit))).await
        };
        // A commit that failed is not waited with. On the heap: both at once are more than a thread's stack should hold.
        let preparing = async { Ok::<_, SyncError>(Box::pin(preparing).await) };
        let ((), prepared) = try_join(Box::pin(writing), preparing).await?;
        self.count(&commit);
        match prepared {
            Ok(prepared) => {
                self.ahead = Some(Ahead { look, ranges, below, range, watched, prepared });
            }
            Err(error @ SyncError::Store(_)) => {
                self.ranges_alone = RANGES_ALONE;
                tracing::warn!(%error, "nothing could be read beside a commit: some ranges wait for the one below them");
            }
            Err(error) => tracing::debug!(%error, from = range.from, "not prepared ahead"),
        }
        Ok(())
    }

    /// The range above a block that is, or will be, the checkpoint: the first one `held`.
    pub(super) async fn read_range(
        &self,
        range: BlockRange,
        held: Vec<BlockId>,
        watched: Vec<Address>,
    ) -> Result<Read, SyncError> {
        let (mut logs, evidence) =
            self.logs_to_backfill(range, &held, watched).instrument(stage::fetch()).await?;
        // Where they are too many they are cut, which a list in another order would not bear.
        logs.sort_by_key(RawLog::position);
        let mut read = Read { range, held, logs, evidence };
        let end = overfull_at(&read.logs, self.config.range_logs_target);
        if let Some(end) = end.filter(|end| read.may_end_at(*end)) {
            self.cut(&mut read, end).await?;
        }
        Ok(read)
    }

    /// The headers at the checkpoint, at the end of a range, and of the block above it that the node called final: what is
    /// between the first and the last is of that chain, also where a part of the answers comes from another.
    pub(super) async fn ends(
        &self,
        below: BlockId,
        told: BlockId,
        range: BlockRange,
    ) -> Result<Vec<Header>, SyncError> {
        let mut numbers = vec![below.number, range.to];
        numbers.extend((told.number > range.to).then_some(told.number));
        let headers = self.source.headers(&numbers).await?;
        if let Some(other) =
            headers.iter().find(|header| header.id.number == told.number && header.id != told)
        {
            return Err(self.moved(told, other.id));
        }
        if headers.len() == numbers.len() {
            Ok(headers)
        } else {
            Err(SourceError::BlockGone { number: range.to, hash: None }.into())
        }
    }

    async fn logs_to_backfill(
        &self,
        range: BlockRange,
        held: &[BlockId],
        watched: Vec<Address>,
    ) -> Result<(Vec<RawLog>, Vec<Evidence>), SyncError> {
        if self.config.proving != Proving::BeforeCommit || is(Mutant::BackfillUnproved) {
            return Ok((self.source.logs_in_range(range, &watched).await?, Vec::new()));
        }
        let proved = self.prove_range(range, &watched.into_iter().collect()).await?;
        let (first, last) = (proved.evidence.first(), proved.evidence.last());
        let leads = |first: &Evidence| held.first().is_some_and(|below| below.hash == first.parent);
        if !first.is_some_and(leads) || last.map(Evidence::last).as_ref() != held.get(1) {
            return Err(SyncError::Contradiction(format!(
                "the headers of blocks {} to {} do not lead from the checkpoint to the block above",
                range.from, range.to
            )));
        }
        Ok((proved.logs, proved.evidence))
    }
}

impl Read {
    /// Whether it can be cut at this block. What is proved is proved to the end.
    fn may_end_at(&self, end: u64) -> bool {
        self.evidence.is_empty() && (self.range.from..self.range.to).contains(&end)
    }
}

/// Where logs are clearly more than a step should hold: the block up to which they are about as many.
pub(super) fn overfull_at(logs: &[RawLog], target: usize) -> Option<u64> {
    let end = logs.get(target.max(1) - 1).map(|log| log.block.number);
    end.filter(|_| is_overfull(logs.len(), target))
}

/// Whether logs are clearly more than a step should hold. A range that follows ranges of few logs may hold any number of
/// them, and each costs memory until it is committed.
fn is_overfull(logs: usize, target: usize) -> bool {
    logs > target.saturating_add(target / 2)
}
