//! How many blocks and addresses to ask for at once: grows slowly while it goes well, shrinks at once when
//! it doesn't. Too many results are a limit of results and not of blocks: with the logs of a block by the last page of the
//! same list, the next one stays below it, and a list of few logs may still have large pages. What such a limit leaves of a
//! list is asked for in pages alike, so that none is asked for a few blocks at its end.
//!
//! Pure apart from locks; one per provider, shared by all its pages.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::block::BlockRange;

use super::classify::{RpcFault, Suggestion};

/// Most addresses in one filter, whatever the provider allows: what geth takes where nothing else is set
/// (`--rpc.logquerylimit`).
pub(super) const ADDRESSES_MAX: usize = 1_000;

/// Pages in a row that must go well before the range grows, by a quarter.
const GOOD_PAGES: u32 = 5;

/// Pages in a row after which a limit of results that was learned is tried anew, by an eighth.
const GOOD_PAGES_AT_THE_LIMIT: u32 = 64;

/// Of a limit of results that is known, so much is used.
const KEPT_OF_A_LIMIT: f64 = 0.9;

/// A limit of fewer results than this is not taken at the provider's word: what it refuses and gives teaches it.
const NAMED_RESULTS_MIN: u64 = 100;

/// So much beyond what is used of a limit a page may be planned, where that saves one: half of what is left of it.
const STRETCHED: f64 = 1.05;

/// So many ends of lists are remembered.
const ENDED_MAX: usize = 4;

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

#[derive(Debug)]
struct State {
    blocks: u64,
    /// A limit that the provider itself named; never grown past.
    ceiling: u64,
    addresses: usize,
    good: u32,
    /// Results that one page should not go beyond, once a page was too much.
    results_max: Option<f64>,
    /// Pages since that was learned.
    good_at_limit: u32,
    /// The most results of a page that went well.
    results_most: f64,
    /// Where lists ended that may be gone on with, the last one last, and how many results their blocks had.
    ended: VecDeque<(Whose, u64, f64)>,
}

/// Whose logs are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of contracts that the filter names.
    Named,
    /// Everyone's.
    Everyones,
}

/// One list of logs, in as many pages as it takes: results of a block are much alike in it, and where the next list of the
/// same logs begins.
#[derive(Debug)]
pub(super) struct Course {
    whose: Whose,
    range: BlockRange,
    /// Whoever asked has no use for more.
    most: usize,
    seen: Mutex<Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Results of a block, by the last page.
    density: Option<f64>,
    /// The fewest blocks that had too many results before anything was known of them.
    refused: Option<u64>,
    /// Logs found that are of use.
    found: usize,
}

impl State {
    /// Blocks that stay below the limit of results.
    fn within_results(&self, density: Option<f64>) -> u64 {
        match (self.results_max, density) {
            // A fraction of a block is the block; a float beyond u64 is its largest.
            (Some(most), Some(density)) if density > 0.0 => ((most / density) as u64).max(1),
            _ => u64::MAX,
        }
    }

    /// So many results were too many, about, or are the most by the provider's word. What went well once is no limit, and to
    /// come as close again would be too much every second time: no two pages have the same.
    fn refused(&mut self, results: f64) {
        let kept = KEPT_OF_A_LIMIT * results.max(self.results_most);
        self.results_max = Some(self.results_max.map_or(kept, |most| most.min(kept)));
        self.good_at_limit = 0;
    }
}

impl Course {
    /// The same for whoever has no use for more than `most` logs.
    pub fn up_to(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// So many logs more were found.
    pub fn found(&self, logs: usize) {
        self.with(|seen| seen.found = seen.found.saturating_add(logs));
    }

    /// Whether there are more than are of use.
    pub fn is_enough(&self) -> bool {
        self.with(|seen| seen.found > self.most)
    }

    /// Whose logs are asked for.
    pub fn whose(&self) -> Whose {
        self.whose
    }

    /// Whether the last page had any.
    pub fn has_results(&self) -> bool {
        self.with(|seen| seen.density.is_some_and(|density| density > 0.0))
    }

    fn with<T>(&self, read: impl FnOnce(&mut Seen) -> T) -> T {
        // The same holds as for the state of PageSize.
        read(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl PageSize {
    /// Begins with `blocks_max` blocks, which is never exceeded.
    pub fn new(blocks_max: u64) -> Self {
        let blocks = blocks_max.max(1);
        let state = State {
            blocks,
            ceiling: blocks,
            addresses: ADDRESSES_MAX,
            good: 0,
            results_max: None,
            good_at_limit: 0,
            results_most: 0.0,
            ended: VecDeque::new(),
        };
        Self { state: Mutex::new(state) }
    }

    /// Begins a list; one that goes on where another ended knows what that one knew.
    pub fn course(&self, range: BlockRange, whose: Whose) -> Course {
        let goes_on =
            |ended: &&(Whose, u64, f64)| ended.0 == whose && ended.1.checked_add(1) == Some(range.from);
        let density = self.with(|state| state.ended.iter().rev().find(goes_on).map(|ended| ended.2));
        let seen = Seen { density, refused: None, found: 0 };
        Course { whose, range, most: usize::MAX, seen: Mutex::new(seen) }
    }

    /// Ends a list.
    pub fn end(&self, course: &Course) {
        let Some(density) = course.with(|seen| seen.density) else { return };
        self.with(|state| {
            state.ended.push_back((course.whose, course.range.to, density));
            if state.ended.len() > ENDED_MAX {
                state.ended.pop_front();
            }
        });
    }

    /// Blocks to ask for at once.
    pub fn blocks(&self, course: &Course) -> u64 {
        let density = course.with(|seen| seen.density);
        self.with(|state| state.blocks.min(state.within_results(density)))
    }

    /// The same where so many blocks are left of the list: as many pages as these take, about alike where a limit of results
    /// makes them.
    pub fn blocks_of(&self, course: &Course, left: u64) -> u64 {
        let density = course.with(|seen| seen.density);
        self.with(|state| {
            let within = state.within_results(density);
            if within >= state.blocks {
                return state.blocks;
            }
            let stretched = ((within as f64 * STRETCHED) as u64).max(1);
            left.div_ceil(left.div_ceil(stretched).max(1)).clamp(1, state.blocks)
        })
    }

    /// The most blocks of a page, whatever is in them.
    pub fn page_blocks(&self) -> u64 {
        self.with(|state| state.blocks)
    }

    /// Addresses to name in one filter.
    pub fn addresses(&self) -> usize {
        self.with(|state| state.addresses)
    }

    /// A page of `blocks` blocks went well, and had so many results. Short pages at a range's end prove nothing about the
    /// limit of blocks.
    pub fn went_well(&self, course: &Course, blocks: u64, results: usize) {
        let density = results as f64 / blocks.max(1) as f64;
        let refused = course.with(|seen| {
            seen.density = Some(density);
            if density > 0.0 { seen.refused.take() } else { None }
        });
        self.with(|state| {
            state.results_most = state.results_most.max(results as f64);
            if let Some(refused) = refused {
                state.refused(density * refused as f64);
            }
            if let Some(most) = &mut state.results_max {
                state.good_at_limit += 1;
                if state.good_at_limit >= GOOD_PAGES_AT_THE_LIMIT {
                    state.good_at_limit = 0;
                    *most *= 1.125;
                }
                *most = most.max(KEPT_OF_A_LIMIT * state.results_most);
            }
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
    pub fn after(&self, course: &Course, failed: BlockRange, fault: &RpcFault) -> u64 {
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
        if let Some(Suggestion::Results(results)) = suggestion
            && results >= NAMED_RESULTS_MIN
        {
            self.with(|state| state.refused(results as f64));
        }
        let within = match fault {
            RpcFault::Size { .. } => self.within_after(course, failed.len()),
            _ => None,
        };
        usable.or(within).unwrap_or(failed.len() / 2).max(1)
    }

    /// So many blocks had too many results: how many would not, where that can be told.
    fn within_after(&self, course: &Course, failed: u64) -> Option<u64> {
        let density = course.with(|seen| match seen.density {
            Some(density) if density > 0.0 => Some(density),
            _ => {
                seen.refused = Some(seen.refused.map_or(failed, |refused| refused.min(failed)));
                None
            }
        })?;
        let within = self.with(|state| {
            state.refused(density * failed as f64);
            state.within_results(Some(density))
        });
        Some(within).filter(|within| *within < failed)
    }

    fn with<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        // The state is valid after every statement, so a panic elsewhere cannot have broken it.
        read(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
