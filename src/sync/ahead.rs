//! Reading ahead: while a range of final blocks is being committed, the node lists the next one.
//!
//! Invariant: what was read ahead is used on the very checkpoint it was read for, with the contracts watched then, and
//! under the same view of the chain. The blocks around it are asked for with those of the range before, when that was decoded,
//! and again when its own logs are. Whatever does not fit is read anew, and whatever went wrong is met then.

use alloy::primitives::Address;
use futures_util::future::try_join;
use tracing::Instrument;

use super::finality::Look;
use super::plan::{Step, plan_above};
use super::{Assembled, Proving, Sync, SyncError, stage};
use crate::block::{BlockId, BlockRange, Header, RawLog};
use crate::mutant::{Mutant, is};
use crate::source::{Source, SourceError};
use crate::store::{Checkpoint, Commit, Evidence, Store};

/// So many ranges are read under one view of the chain: the node is asked less, and another provider may have its turn
/// after them.
const RANGES_OF_A_VIEW: u32 = 16;

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

/// See the module.
#[derive(Debug)]
pub(super) struct Ahead {
    look: Look,
    /// Ranges before it under the same view.
    ranges: u32,
    below: BlockId,
    range: BlockRange,
    watched: Vec<Address>,
    read: Read,
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

    /// What was read ahead of a range, and how many ranges under the same view were read before it.
    pub(super) fn take_ahead(&mut self, below: BlockId, range: BlockRange) -> Option<(Read, u32)> {
        let ahead = self.ahead.take()?;
        let fits = ahead.below == below && ahead.range == range && ahead.watched == self.watched();
        fits.then_some((ahead.read, ahead.ranges))
    }

    /// The range to be read while that which ends at `at` is committed; `ranges` were read under this view, it with them.
    pub(super) fn range_ahead(&self, at: u64, look: &Look, ranges: u32) -> Option<BlockRange> {
        match plan_above(at, &look.view, look.until, self.range_blocks) {
            Step::Backfill(range) if self.config.reads_ahead && ranges < RANGES_OF_A_VIEW => Some(range),
            _ => None,
        }
    }

    /// Writes a commit, and meanwhile reads the range above it, whose end is known.
    pub(super) async fn commit_and_read_ahead(
        &mut self,
        commit: Commit,
        assembled: &Assembled,
        look: Look,
        ranges: u32,
        (range, end): (BlockRange, BlockId),
    ) -> Result<(), SyncError> {
        let mut watched = self.watched();
        watched.extend(assembled.found.keys());
        watched.sort_unstable();
        let below = commit.next.id;
        let mut held = vec![below, end];
        held.extend((look.told.number > range.to).then_some(look.told));
        let reading = self.read_range(range, held, watched.clone());
        // A commit that failed is not waited with. On the heap: both at once are more than a thread's stack should hold.
        let reading = async { Ok::<_, SyncError>(Box::pin(reading).await) };
        let ((), read) = try_join(Box::pin(self.write(&commit)), reading).await?;
        self.count(&commit);
        match read {
            Ok(read) => {
                self.ahead = Some(Ahead { look, ranges, below, range, watched, read });
            }
            Err(error) => tracing::debug!(%error, from = range.from, "not read ahead"),
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
        let (logs, evidence) =
            self.logs_to_backfill(range, &held, watched).instrument(stage::fetch()).await?;
        let mut read = Read { range, held, logs, evidence };
        // What is proved is proved to the end.
        if read.evidence.is_empty()
            && let Some(end) = end_of_a_step(&read.logs, self.config.range_logs_target)
            && end < range.to
        {
            let header = self.source.headers(&[end]).await?;
            let header = header.first().ok_or(SourceError::BlockGone { number: end, hash: None })?;
            // The end that was asked for before the logs stays: it tells whether the chain moved meanwhile.
            read.held.insert(1, header.id);
            read.logs.truncate(read.logs.partition_point(|log| log.block.number <= end));
            read.range.to = end;
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

/// Where logs are clearly more than a step should hold: the block in which they reach that. A range that follows ranges of few
/// logs may hold any number of them, and each costs memory until it is committed.
fn end_of_a_step(logs: &[RawLog], target: usize) -> Option<u64> {
    let last = logs.get(target.max(1) - 1).filter(|_| logs.len() > target.saturating_add(target / 2))?;
    Some(last.block.number)
}
