//! The chain and the play on it: carries out what a scenario says that the chain does.

use std::sync::{Arc, Mutex};

use crate::chain::{NewTransaction, SimChain};
use crate::faults::{Hit, Hits};
use crate::play::{Cast, Play};
use crate::scenario::{How, Move};

/// See the module.
#[derive(Debug)]
pub struct Stage {
    chain: Arc<SimChain>,
    play: Mutex<Play>,
    hits: Hits,
}

impl Stage {
    /// A chain on which nothing but the configured contracts has happened.
    pub fn new(seed: u64, cast: Cast, finality_depth: u64, hits: Hits) -> Self {
        let chain = Play::chain(finality_depth);
        chain.ragged_clock();
        Self { chain: Arc::new(chain), play: Mutex::new(Play::of(seed, cast)), hits }
    }

    /// The chain.
    pub fn chain(&self) -> &Arc<SimChain> {
        &self.chain
    }

    fn blocks(&self, seed: u64, count: usize) -> Vec<Vec<NewTransaction>> {
        let mut play = self.play.lock().expect("nobody panics on the stage");
        play.reseed(seed);
        play.blocks(count)
    }

    /// Lets the chain do something.
    pub fn play(&self, moves: &Move) {
        match *moves {
            Move::Mine { seed, blocks } => {
                for block in self.blocks(seed, usize::from(blocks)) {
                    if block.is_empty() {
                        self.hits.hit(Hit::EmptyBlock);
                    }
                    self.chain.mine(block);
                }
            }
            Move::MineEmpty { blocks } => {
                for _ in 0..blocks {
                    self.hits.hit(Hit::EmptyBlock);
                    self.chain.mine(Vec::new());
                }
            }
            Move::Fork { seed, depth, grow, how } => self.fork(seed, depth, grow, how),
            Move::ForkAcrossFinality { seed, below } => self.fork_across_finality(seed, below),
            Move::Return => {
                if self.chain.return_to_parked() {
                    self.hits.hit(Hit::Returned);
                }
            }
            Move::Stall(stalled) => {
                if stalled {
                    self.hits.hit(Hit::Stalled);
                }
                self.chain.stall(stalled);
            }
        }
    }

    fn fork(&self, seed: u64, depth: u8, grow: i8, how: How) {
        // The block that makes the configured contracts always stays.
        let room = self.chain.head().number.saturating_sub(self.chain.finalized().max(1)) as usize;
        let depth = usize::from(depth).min(room);
        if depth == 0 {
            for block in self.blocks(seed, 1) {
                self.chain.mine(block);
            }
            return;
        }
        let mut blocks = match how {
            How::New => self.blocks(seed, depth),
            How::Empty => vec![Vec::new(); depth],
            How::Moved | How::Failing | How::Sibling => self.chain.newest(depth),
        };
        let count = (depth as i64 + i64::from(grow)).max(0) as usize;
        let has_transactions = blocks.iter().any(|block| !block.is_empty());
        match how {
            How::Moved => {
                blocks.rotate_left(1);
                if depth > 1 && has_transactions {
                    self.hits.hit(Hit::Moved);
                }
            }
            How::Failing => {
                let all = blocks.iter_mut().flatten();
                all.enumerate().filter(|(at, _)| at % 2 == 0).for_each(|(_, failing)| failing.fails = true);
            }
            How::Sibling if depth == 1 && count == 1 => self.hits.hit(Hit::Sibling),
            _ => {}
        }
        blocks.truncate(count);
        if blocks.len() < count {
            blocks.extend(self.blocks(seed ^ 1, count - blocks.len()));
        }
        if count < depth {
            self.hits.hit(Hit::Shorter);
        }
        self.hits.hit(Hit::Reorg);
        self.chain.reorg(depth, blocks);
    }

    /// Never so deep that the configured contracts are not there any more.
    fn fork_across_finality(&self, seed: u64, below: u8) {
        let (head, finalized) = (self.chain.head().number, self.chain.finalized());
        let below = u64::from(below).min(finalized.saturating_sub(2));
        if below == 0 {
            return;
        }
        let depth = (head - finalized + below) as usize;
        self.hits.hit(Hit::AcrossFinality);
        self.chain.reorg(depth, self.blocks(seed, depth + 1));
    }
}
