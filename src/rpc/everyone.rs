//! Whether to list everyone's logs and pick ours, instead of naming our contracts a thousand at a time: of an honest node the
//! same list comes out, and of a hundred thousand identities on a chain of their own it takes a hundredth of the requests.
//!
//! What others log may change from block to block, so it is asked anew for each window of a range, and a window is at most
//! four times as long as the one before. Where anything goes wrong with such a list, contracts are named instead.
//!
//! Pure apart from a lock; one per provider.

use std::sync::{Mutex, PoisonError};

use crate::block::BlockRange;

/// So many filters, or fewer, are asked without a thought.
const FILTERS_FEW: usize = 3;
/// Logs of others that cost about as much as one more request.
const LOGS_OF_A_REQUEST: f64 = 1_000.0;
/// Blocks of the first window, which shows how many logs there are.
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
    /// Everyone's logs of a block, by the last page; unknown before the first, without end after a failure.
    density: Option<f64>,
    /// Blocks of the last window.
    width: u64,
    /// Lists of many contracts that named them since.
    named: u32,
}

impl Everyones {
    /// The next window of `rest` of which everyone's logs are to be listed; `None` where contracts are to be named, by so
    /// many filters for every `page` blocks.
    pub fn window(&self, rest: BlockRange, filters: usize, page: u64) -> Option<BlockRange> {
        if filters <= FILTERS_FEW {
            return None;
        }
        self.with(|state| {
            let requests = filters as f64 * rest.len().div_ceil(page.max(1)) as f64;
            let width = match state.density {
                None => BLOCKS_TRIED,
                Some(density) if density * rest.len() as f64 <= requests * LOGS_OF_A_REQUEST => {
                    state.width.saturating_mul(4).max(BLOCKS_TRIED)
                }
                // Of this range; what is dear for a search in the past may be cheap for the next blocks.
                Some(_) => return None,
            };
            let to = rest.to.min(rest.from.saturating_add(width.min(page.max(1)) - 1));
            let window = BlockRange { to, ..rest };
            state.width = window.len();
            Some(window)
        })
    }

    /// Contracts were named, by so many filters.
    pub fn named(&self, filters: usize) {
        if filters > FILTERS_FEW {
            self.with(|state| {
                state.named += 1;
                if state.named >= LISTS_UNTIL_TRIED {
                    (state.named, state.density) = (0, None);
                }
            });
        }
    }

    /// So many blocks had so many logs.
    pub fn listed(&self, blocks: u64, logs: usize) {
        self.with(|state| (state.named, state.density) = (0, Some(logs as f64 / blocks.max(1) as f64)));
    }

    /// The list could not be had, or not be used.
    pub fn failed(&self) {
        self.with(|state| *state = State { density: Some(f64::INFINITY), ..State::default() });
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
    const PAGE: u64 = 10_000;

    #[test]
    fn everyones_logs_are_listed_in_growing_windows_while_they_cost_less() {
        let everyones = Everyones::default();
        assert_eq!(everyones.window(RANGE, 3, PAGE), None, "few contracts are named");
        assert_eq!(everyones.window(RANGE, 4, PAGE), Some(BlockRange { from: 100, to: 115 }));
        let short = BlockRange { from: 100, to: 101 };
        assert_eq!(everyones.window(short, 4, PAGE), Some(short), "never beyond the range");
        // A chain of its own: 3 logs a block.
        everyones.listed(2, 6);
        assert_eq!(everyones.window(RANGE, 4, PAGE).map(|window| window.len()), Some(16));
        assert_eq!(everyones.window(RANGE, 4, PAGE).map(|window| window.len()), Some(64));
        assert_eq!(everyones.window(RANGE, 4, 100).map(|window| window.len()), Some(100), "a page at most");
        // Too dear for a search in the past, and the next blocks' are listed all the same.
        assert_eq!(everyones.window(BlockRange { from: 0, to: 9_999 }, 4, PAGE), None);
        assert!(everyones.window(RANGE, 4, PAGE).is_some());
        // It becomes a public one.
        everyones.listed(100, 30_000);
        for _ in 0..LISTS_UNTIL_TRIED {
            assert_eq!(everyones.window(RANGE, 4, PAGE), None);
            everyones.named(4);
        }
        assert!(everyones.window(RANGE, 4, PAGE).is_some(), "seen anew after a while");
    }

    #[test]
    fn silence_at_the_beginning_of_a_long_range_does_not_speak_for_all_of_it() {
        let everyones = Everyones::default();
        let history = BlockRange { from: 0, to: 17_000_000 };
        let (mut rest, mut listed) = (history, 0);
        while let Some(window) = everyones.window(rest, 4, PAGE) {
            let dense = window.to.saturating_sub(50_000);
            everyones.listed(window.len(), 300 * dense as usize);
            listed += window.len();
            rest.from = window.to + 1;
        }
        assert!(listed < 70_000, "{listed} blocks were listed before it was noticed");
    }

    #[test]
    fn it_is_tried_again_after_a_while() {
        let everyones = Everyones::default();
        everyones.failed();
        for _ in 0..LISTS_UNTIL_TRIED {
            assert_eq!(everyones.window(RANGE, 4, PAGE), None);
            everyones.named(4);
            everyones.named(1);
        }
        assert!(everyones.window(RANGE, 4, PAGE).is_some());
    }
}
