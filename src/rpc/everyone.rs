//! Whether to list everyone's logs and pick ours, instead of naming our contracts a few hundred at a time: which list comes
//! out is the same, and of a hundred thousand identities on a chain of their own it takes a hundredth of the requests.
//!
//! Pure apart from a lock; one per provider.

use std::sync::{Mutex, PoisonError};

use crate::block::BlockRange;

/// So many filters, or fewer, are asked without a thought.
const FILTERS_FEW: usize = 3;
/// Logs of others that cost about as much as one more request.
const LOGS_OF_A_REQUEST: f64 = 1_000.0;
/// Blocks of which everyone's logs are listed to see how many there are.
const BLOCKS_TRIED: u64 = 16;
/// After so many lists that named contracts it is tried again.
const LISTS_UNTIL_TRIED: u32 = 256;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Everyones {
    state: Mutex<State>,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    /// Everyone's logs of a block, by the last list.
    density: Option<f64>,
    /// Lists that named contracts since.
    named: u32,
    /// The provider wants contracts to be named.
    refused: bool,
}

impl Everyones {
    /// The blocks at the beginning of a range of which everyone's logs are to be listed first, to see how many there are;
    /// `filters` would name the contracts.
    pub fn tried(&self, range: BlockRange, filters: usize) -> Option<BlockRange> {
        if filters <= FILTERS_FEW {
            return None;
        }
        self.with(|state| {
            let is_old = state.named >= LISTS_UNTIL_TRIED;
            let is_due = !state.refused && (state.density.is_none() || is_old);
            is_due.then(|| BlockRange {
                to: range.to.min(range.from.saturating_add(BLOCKS_TRIED - 1)),
                ..range
            })
        })
    }

    /// Whether everyone's logs of a range cost less than filters that name the contracts, each in a page at the least.
    pub fn are_cheaper(&self, range: BlockRange, filters: usize) -> bool {
        self.with(|state| {
            let density = state.density.filter(|_| !state.refused && filters > FILTERS_FEW);
            let cheaper = density
                .is_some_and(|density| density * range.len() as f64 <= filters as f64 * LOGS_OF_A_REQUEST);
            state.named = if cheaper { 0 } else { state.named.saturating_add(1) };
            cheaper
        })
    }

    /// So many blocks had so many logs.
    pub fn listed(&self, blocks: u64, logs: usize) {
        self.with(|state| {
            state.density = Some(logs as f64 / blocks.max(1) as f64);
            state.named = 0;
        });
    }

    /// The provider wants contracts to be named.
    pub fn refused(&self) {
        self.with(|state| state.refused = true);
    }

    fn with<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        // The state is valid after every statement, so a panic elsewhere cannot have broken it.
        read(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: BlockRange = BlockRange { from: 100, to: 1_099 };

    #[test]
    fn everyones_logs_are_tried_and_then_listed_where_they_cost_less() {
        let everyones = Everyones::default();
        assert_eq!(everyones.tried(RANGE, 3), None, "few contracts are named");
        assert!(!everyones.are_cheaper(RANGE, 200), "nothing is known yet");
        assert_eq!(everyones.tried(RANGE, 4), Some(BlockRange { from: 100, to: 115 }));
        let short = BlockRange { from: 100, to: 101 };
        assert_eq!(everyones.tried(short, 4), Some(short), "never beyond the range");
        // A chain of its own: 20 logs a block. A public one: 300.
        everyones.listed(16, 320);
        assert_eq!(everyones.tried(RANGE, 4), None, "it is known");
        assert!(everyones.are_cheaper(RANGE, 20) && !everyones.are_cheaper(RANGE, 19));
        assert!(!everyones.are_cheaper(RANGE, 3));
        everyones.listed(16, 4_800);
        assert!(!everyones.are_cheaper(RANGE, 200));
    }

    #[test]
    fn it_is_tried_again_after_a_while_and_never_after_a_refusal() {
        let everyones = Everyones::default();
        everyones.listed(16, 16_000);
        for _ in 0..LISTS_UNTIL_TRIED {
            assert_eq!(everyones.tried(RANGE, 4), None);
            assert!(!everyones.are_cheaper(RANGE, 4));
        }
        assert!(everyones.tried(RANGE, 4).is_some());
        everyones.listed(16, 16);
        assert!(everyones.are_cheaper(RANGE, 4));
        everyones.refused();
        assert!(!everyones.are_cheaper(RANGE, 4));
        assert_eq!(everyones.tried(RANGE, 4), None);
    }
}
