//! How many blocks and addresses to ask for at once: grows slowly while it goes well, shrinks at once when
//! it doesn't.
//!
//! Pure apart from a lock; one per provider, shared by all its pages.

use std::sync::{Mutex, PoisonError};

use crate::block::BlockRange;

use super::classify::{RpcFault, Suggestion};

/// Most addresses in one filter, whatever the provider allows.
pub(super) const ADDRESSES_MAX: usize = 500;

/// Pages in a row that must go well before the range grows, by a quarter.
const GOOD_PAGES: u32 = 5;

/// Numbers of results at which providers are known to cut a list in silence.
const SUSPICIOUS_COUNTS: [usize; 7] = [1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000];

/// Whether a list of this length may have been cut in silence.
pub(super) fn is_suspicious(results: usize) -> bool {
    SUSPICIOUS_COUNTS.contains(&results)
}

/// The current limits of one provider.
pub(super) struct PageSize {
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    blocks: u64,
    /// A limit that the provider itself named; never grown past.
    ceiling: u64,
    addresses: usize,
    good: u32,
}

impl PageSize {
    /// Begins with `blocks_max` blocks, which is never exceeded.
    pub fn new(blocks_max: u64) -> Self {
        let blocks = blocks_max.max(1);
        let state = State { blocks, ceiling: blocks, addresses: ADDRESSES_MAX, good: 0 };
        Self { state: Mutex::new(state) }
    }

    /// Blocks to ask for at once.
    pub fn blocks(&self) -> u64 {
        self.with(|state| state.blocks)
    }

    /// Addresses to name in one filter.
    pub fn addresses(&self) -> usize {
        self.with(|state| state.addresses)
    }

    /// A page of `blocks` blocks went well. Short pages at a range's end prove nothing about the limit.
    pub fn went_well(&self, blocks: u64) {
        self.with(|state| {
            if blocks < state.blocks {
                return;
            }
            state.good += 1;
            if state.good >= GOOD_PAGES {
                state.good = 0;
                state.blocks = (state.blocks + (state.blocks / 4).max(1)).min(state.ceiling);
            }
        });
    }

    /// No more than `blocks` from now on, until it grows again.
    pub fn at_most(&self, blocks: u64) {
        self.with(|state| {
            state.blocks = state.blocks.min(blocks.max(1));
            state.good = 0;
        });
    }

    /// Half the addresses of a filter that had `addresses`, for good.
    pub fn fewer_addresses(&self, addresses: usize) {
        self.with(|state| state.addresses = state.addresses.min((addresses / 2).max(1)));
    }

    /// How many blocks to ask for after `failed` was too much; always fewer than it has, which must be two
    /// or more.
    ///
    /// A suggestion is used only if it shrinks; a number of blocks that the provider names becomes the
    /// ceiling.
    pub fn after(&self, failed: BlockRange, fault: &RpcFault) -> u64 {
        let suggestion = match fault {
            RpcFault::Range { suggested } | RpcFault::Size { suggested } => *suggested,
            _ => None,
        };
        let usable = suggestion.and_then(|suggestion| suggestion.blocks_within(failed));
        if let (RpcFault::Range { .. }, Some(Suggestion::Blocks(_)), Some(blocks)) =
            (fault, suggestion, usable)
        {
            self.with(|state| state.ceiling = state.ceiling.min(blocks));
            self.at_most(blocks);
        }
        usable.unwrap_or(failed.len() / 2).max(1)
    }

    fn with<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        // The state is valid after every statement, so a panic elsewhere cannot have broken it.
        read(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: BlockRange = BlockRange { from: 1_000, to: 1_999 };

    #[test]
    fn grows_by_a_quarter_after_five_good_pages_and_not_past_the_maximum() {
        let size = PageSize::new(1_000);
        size.at_most(400);
        for _ in 0..4 {
            size.went_well(400);
        }
        assert_eq!(size.blocks(), 400);
        size.went_well(399);
        assert_eq!(size.blocks(), 400, "a short page does not count");
        size.went_well(400);
        assert_eq!(size.blocks(), 500);
        for _ in 0..100 {
            size.went_well(1_000);
        }
        assert_eq!(size.blocks(), 1_000);
    }

    #[test]
    fn grows_from_one() {
        let size = PageSize::new(10);
        size.at_most(0);
        assert_eq!(size.blocks(), 1);
        for _ in 0..5 {
            size.went_well(1);
        }
        assert_eq!(size.blocks(), 2);
    }

    #[test]
    fn a_named_limit_is_a_ceiling_and_an_odd_one_halves() {
        let size = PageSize::new(1_000);
        let fault = |suggested| RpcFault::Range { suggested: Some(suggested) };
        assert_eq!(size.after(FAILED, &fault(Suggestion::Blocks(5_000))), 500, "too large to help");
        assert_eq!(size.after(FAILED, &fault(Suggestion::Range(1_500, 1_000))), 500, "inverted");
        assert_eq!(size.after(FAILED, &RpcFault::Unknown), 500);
        assert_eq!(size.blocks(), 1_000, "only a success shrinks the shared size");
        assert_eq!(size.after(FAILED, &fault(Suggestion::Range(1_000, 1_009))), 10);
        assert_eq!(size.blocks(), 1_000, "a range depends on what is in it");
        assert_eq!(size.after(FAILED, &fault(Suggestion::Blocks(100))), 100);
        for _ in 0..100 {
            size.went_well(1_000);
        }
        assert_eq!(size.blocks(), 100, "never past what the provider named");
        assert_eq!(size.after(BlockRange { from: 5, to: 6 }, &RpcFault::Timeout), 1);
    }

    #[test]
    fn round_numbers_of_results_are_suspicious() {
        // 10,000 is where mevblocker cuts (row 65 of the collection of providers' errors).
        assert!(is_suspicious(10_000) && is_suspicious(1_000));
        assert!(!is_suspicious(0) && !is_suspicious(9_999));
    }
}
