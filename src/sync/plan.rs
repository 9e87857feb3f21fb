//! Decides the next step. Pure: no clock, no network, no database.
//!
//! Invariant: a step never skips a block, never repeats one, never crosses finality.
//! Invariant: a backfill ends at or below `finalized`; above it, one block per step.
//!
//! # Why one block per step above finality
//! A rollback can only stop where a transaction ended.

use crate::block::BlockRange;
use crate::mutant::{Mutant, is};
use crate::source::View;
use crate::store::Checkpoint;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Read a range of final blocks.
    Backfill(BlockRange),
    /// Read one block above finality.
    Follow(u64),
    /// There is nothing new: compare what we hold at this height with the node.
    Check(u64),
}

impl Step {
    /// Whether more final blocks are there to be read when this step is done.
    pub(super) fn leaves_final_blocks(self, view: &View, until: Option<u64>) -> bool {
        let Self::Backfill(range) = self else { return false };
        range.to < view.finalized.number.min(top(view, until))
    }
}

/// No step goes above this block.
fn top(view: &View, until: Option<u64>) -> u64 {
    until.map_or(view.head.id.number, |until| until.min(view.head.id.number))
}

/// The next step from a checkpoint, given what a node says, up to `until` where a bound is set.
pub fn plan(checkpoint: &Checkpoint, view: &View, until: Option<u64>, range_blocks: u64) -> Step {
    plan_above(checkpoint.block.id.number, view, until, range_blocks)
}

/// The same from the height of a checkpoint.
pub(super) fn plan_above(at: u64, view: &View, until: Option<u64>, range_blocks: u64) -> Step {
    let top = top(view, until);
    let next = at + 1;
    if next > top {
        return Step::Check(at.min(view.head.id.number));
    }
    let beyond = u64::from(is(Mutant::BackfillAboveFinality));
    let final_top = (view.finalized.number + beyond).min(top);
    if next <= final_top {
        let to = final_top.min(next.saturating_add(range_blocks.max(1) - 1));
        return Step::Backfill(BlockRange { from: next, to });
    }
    Step::Follow(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{BlockId, Header};
    use crate::store::Status;
    use alloy::primitives::B256;

    fn id(number: u64) -> BlockId {
        BlockId { number, hash: B256::with_last_byte(number as u8) }
    }

    fn step(at: u64, finalized: u64, head: u64, until: Option<u64>) -> Step {
        let header =
            |number| Header { id: id(number), parent: id(number.saturating_sub(1)).hash, timestamp: 0 };
        let checkpoint = Checkpoint {
            block: header(at),
            finalized: id(finalized),
            verified: id(0),
            status: Status::Running,
        };
        plan(&checkpoint, &View { head: header(head), finalized: id(finalized) }, until, 10)
    }

    #[test]
    fn ranges_end_at_finality_and_single_blocks_begin_there() {
        assert_eq!(step(0, 25, 40, None), Step::Backfill(BlockRange { from: 1, to: 10 }));
        assert_eq!(step(20, 25, 40, None), Step::Backfill(BlockRange { from: 21, to: 25 }));
        assert_eq!(step(25, 25, 40, None), Step::Follow(26));
        assert_eq!(step(40, 25, 40, None), Step::Check(40));
    }

    #[test]
    fn a_bound_is_never_crossed_and_a_shorter_chain_is_looked_at() {
        assert_eq!(step(0, 25, 40, Some(4)), Step::Backfill(BlockRange { from: 1, to: 4 }));
        assert_eq!(step(30, 25, 40, Some(30)), Step::Check(30));
        assert_eq!(step(40, 25, 38, None), Step::Check(38));
    }

    #[test]
    fn every_block_is_read_exactly_once_on_the_way_up() {
        let (mut at, mut read) = (0, Vec::new());
        while at < 40 {
            let (from, to) = match step(at, 25, 40, None) {
                Step::Backfill(range) => (range.from, range.to),
                Step::Follow(number) => (number, number),
                Step::Check(_) => break,
            };
            assert!(to <= 25 || from == to);
            read.extend(from..=to);
            at = to;
        }
        assert_eq!(read, (1..=40).collect::<Vec<_>>());
    }
}
