//! Moves one chain towards its head, one small idempotent step at a time.
//!
//! Knows how to fetch, decode, fold and commit; knows no SQL text, no HTTP, no environment, no clock.
//!
//! Invariant: a step keeps nothing but what its commit wrote, so it may be killed at any `await`. The one memory, the
//! set of watched contracts, is valid for exactly one checkpoint.

mod assemble;
mod catch_up;
mod configure;
mod fold;
mod plan;
mod preview;
mod rebuild;
mod reread;
mod rollback;
mod start;
mod tally;

use std::collections::HashMap;
use std::sync::Arc;

use alloy::primitives::Address;

use crate::block::{BlockId, BlockRange, Header};
use crate::decode::Decoder;
use crate::fact::Role;
use crate::source::{Source, SourceError, View};
use crate::store::{Checkpoint, Commit, Section, Status, Store, StoreError};
use crate::table::fold::{Changes, Settings};

pub use assemble::Assembled;
pub use plan::{Step, plan};
pub use preview::Preview;
pub use rebuild::Ground;
pub use reread::{Comparison, Difference};
pub use start::{Contract, StartError};
pub use tally::Tally;

/// Blocks of the first transaction of a backfill: how dense the logs are is not known yet.
const FIRST_RANGE_BLOCKS: u64 = 100;

/// What the worker must know beside the chain and the store.
#[derive(Debug, Clone)]
pub struct Config {
    /// The chain (EIP-155 id).
    pub chain_id: u64,
    /// Where following starts.
    pub contracts: Vec<Contract>,
    /// Claim topics whose data says when the claim ends: topic to word.
    pub claim_expiry: std::collections::BTreeMap<alloy::primitives::U256, usize>,
    /// No contract of the platform logged anything below this block: where the search for a late contract's logs begins.
    pub floor_block: u64,
    /// Most blocks of one backfill transaction.
    pub range_blocks_max: u64,
    /// About how many logs one backfill transaction should hold.
    pub range_logs_target: usize,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The first checkpoint was set.
    Started(BlockId),
    /// A range of final blocks was read.
    Backfilled {
        /// The blocks.
        range: BlockRange,
        /// Logs of watched contracts in them, and older ones of contracts found.
        events: usize,
    },
    /// One block above finality was read.
    Followed {
        /// The block.
        block: BlockId,
        /// Logs written.
        events: usize,
    },
    /// Blocks that left the chain were taken back.
    RolledBack {
        /// The block that was the checkpoint.
        from: BlockId,
        /// The block that both chains share.
        ancestor: BlockId,
    },
    /// A contract that was added later was read up to a block.
    CaughtUp {
        /// The last block read.
        through: u64,
        /// Whether the checkpoint speaks for it now.
        joined: bool,
        /// Logs written.
        events: usize,
    },
    /// Nothing to do until the chain grows.
    Idle,
    /// Stopped; only an operator goes on from here.
    Halted {
        /// What was found.
        reason: String,
    },
}

/// Why a step could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The node's part.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The database's part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The configuration cannot be followed.
    #[error(transparent)]
    Start(#[from] StartError),
    /// An answer of the node contradicts what is stored.
    #[error("the node's answer contradicts the tables: {0}")]
    Contradiction(String),
}

/// What the supervisor does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Ask again after a delay: it may pass.
    Retry,
    /// End the process: another writer is at work, or the set-up is wrong and only people can mend it.
    Stop,
}

impl SyncError {
    /// See [`Remedy`].
    pub fn remedy(&self) -> Remedy {
        match self {
            SyncError::Source(
                SourceError::Unavailable { .. }
                | SourceError::BlockGone { .. }
                | SourceError::Inconsistent { .. }
                | SourceError::Refused { .. },
            )
            | SyncError::Store(StoreError::Unavailable { .. })
            | SyncError::Contradiction(_) => Remedy::Retry,
            SyncError::Source(SourceError::Pruned { .. })
            | SyncError::Store(
                StoreError::Refused { .. }
                | StoreError::NotTheWriter
                | StoreError::OtherChain { .. }
                | StoreError::OtherSchema { .. }
                | StoreError::Corrupt { .. },
            )
            | SyncError::Start(_) => Remedy::Stop,
        }
    }
}

/// The watched contracts as of one checkpoint.
#[derive(Debug, Clone)]
struct Known {
    at: BlockId,
    roles: HashMap<Address, Role>,
    /// Contracts that were added later, with the last block read of each: not followed yet.
    catching_up: HashMap<Address, u64>,
}

/// One chain's worker.
#[derive(Debug)]
pub struct Sync<S, D> {
    source: Arc<S>,
    store: Arc<D>,
    decoder: Arc<Decoder>,
    config: Config,
    settings: Option<Settings>,
    known: Option<Known>,
    range_blocks: u64,
    configured: bool,
    caught_up_last: bool,
    view: Option<View>,
    position: Option<Header>,
    tally: Tally,
}

impl<S: Source, D: Store> Sync<S, D> {
    /// A worker that has done nothing yet.
    pub fn new(source: Arc<S>, store: Arc<D>, decoder: Arc<Decoder>, config: Config) -> Self {
        let range_blocks = config.range_blocks_max.min(FIRST_RANGE_BLOCKS);
        Self {
            source,
            store,
            decoder,
            config,
            settings: None,
            known: None,
            range_blocks,
            configured: false,
            caught_up_last: false,
            view: None,
            position: None,
            tally: Tally::default(),
        }
    }

    /// The node.
    pub fn source(&self) -> &Arc<S> {
        &self.source
    }

    /// The store.
    pub fn store(&self) -> &Arc<D> {
        &self.store
    }

    /// What the node said at the last step.
    pub fn view(&self) -> Option<View> {
        self.view
    }

    /// The checkpoint after the last step.
    pub fn position(&self) -> Option<Header> {
        self.position
    }

    /// What was written since it was last asked.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Forgets what was known about the tables: somebody else changed them.
    pub fn forget(&mut self) {
        self.known = None;
        self.configured = false;
    }

    /// Moves the chain at most one step, never above `until`.
    ///
    /// # Errors
    /// See [`SyncError::remedy`]. After an error nothing but the store is trusted.
    pub async fn step(&mut self, until: Option<u64>) -> Result<Outcome, SyncError> {
        let outcome = self.try_step(until).await;
        if outcome.is_err() {
            self.known = None;
        }
        outcome
    }

    async fn try_step(&mut self, until: Option<u64>) -> Result<Outcome, SyncError> {
        let Some(checkpoint) = self.store.checkpoint().await? else {
            return self.start().await;
        };
        self.position = Some(checkpoint.block);
        if let Status::Halted { reason } = checkpoint.status {
            return Ok(Outcome::Halted { reason });
        }
        if !self.configured {
            self.configure(&checkpoint).await?;
        }
        let mut view = self.source.view().await?;
        if view.finalized.number < checkpoint.finalized.number {
            view.finalized = checkpoint.finalized;
        }
        self.view = Some(view);
        self.learn(&checkpoint).await?;
        let late = self.known.as_ref().is_some_and(|known| !known.catching_up.is_empty());
        if late && !self.caught_up_last {
            self.caught_up_last = true;
            return self.catch_up(&checkpoint, &view).await;
        }
        self.caught_up_last = false;
        match plan(&checkpoint, &view, until, self.range_blocks) {
            Step::Backfill(range) => self.backfill(&checkpoint, &view, range).await,
            Step::Follow(number) => self.follow(&checkpoint, &view, number).await,
            Step::Check(number) => match self.check(&checkpoint, number).await? {
                Outcome::Idle if late => self.catch_up(&checkpoint, &view).await,
                checked => Ok(checked),
            },
        }
    }

    /// Nothing is above the checkpoint: is what is below still the chain's?
    async fn check(&mut self, checkpoint: &Checkpoint, number: u64) -> Result<Outcome, SyncError> {
        let ours = if number == checkpoint.block.id.number {
            Some(checkpoint.block)
        } else {
            self.store.headers().await?.into_iter().find(|header| header.id.number == number)
        };
        let theirs = self.source.header(number).await?;
        match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours.id != theirs.id => self.roll_back(checkpoint).await,
            _ => Ok(Outcome::Idle),
        }
    }

    async fn backfill(
        &mut self,
        checkpoint: &Checkpoint,
        view: &View,
        range: BlockRange,
    ) -> Result<Outcome, SyncError> {
        let below = self.source.header(checkpoint.block.id.number).await?;
        if below.map(|header| header.id) != Some(checkpoint.block.id) {
            return self.roll_back(checkpoint).await;
        }
        let end = self.header_at(range.to).await?;
        let watched = self.watched();
        let logs = self.source.logs_in_range(range, &watched).await?;
        let assembled = self.assemble_range(range, logs).await?;
        let events = assembled.entries.len();
        self.adapt_range(range, events);
        let changes = self.fold(&assembled).await?;
        self.commit(Commit {
            expected: checkpoint.block.id,
            next: end,
            finalized: view.finalized,
            sections: vec![Section { undo_block: None, changes }],
        })
        .await?;
        self.adopt(end.id, &assembled);
        Ok(Outcome::Backfilled { range, events })
    }

    async fn follow(
        &mut self,
        checkpoint: &Checkpoint,
        view: &View,
        number: u64,
    ) -> Result<Outcome, SyncError> {
        let Some(block) = self.source.header(number).await? else { return Ok(Outcome::Idle) };
        if block.parent != checkpoint.block.id.hash {
            return self.roll_back(checkpoint).await;
        }
        let logs = self.source.logs_of_block(block.id).await?;
        let watched = self.watched().into_iter().collect();
        let assembled =
            self.assemble_block(block, view.finalized, &logs, watched, Default::default()).await?;
        let events = assembled.entries.len();
        let changes = self.fold(&assembled).await?;
        let undo_block = (number > view.finalized.number).then_some(number);
        self.commit(Commit {
            expected: checkpoint.block.id,
            next: block,
            finalized: view.finalized,
            sections: vec![Section { undo_block, changes }],
        })
        .await?;
        self.adopt(block.id, &assembled);
        Ok(Outcome::Followed { block: block.id, events })
    }

    async fn commit(&mut self, commit: Commit) -> Result<(), SyncError> {
        self.store.commit(&commit).await?;
        self.tally.count(&commit);
        self.position = Some(commit.next);
        Ok(())
    }

    async fn header_at(&self, number: u64) -> Result<Header, SyncError> {
        let header = self.source.header(number).await?;
        header.ok_or_else(|| SourceError::BlockGone { number, hash: None }.into())
    }

    /// The contracts that the checkpoint speaks for.
    fn watched(&self) -> Vec<Address> {
        let Some(known) = &self.known else { return Vec::new() };
        let mut watched: Vec<Address> =
            known.roles.keys().filter(|address| !known.catching_up.contains_key(*address)).copied().collect();
        watched.sort_unstable();
        watched
    }

    /// Keeps the size of a backfill transaction about constant: long ranges where little happens, short ones elsewhere.
    fn adapt_range(&mut self, range: BlockRange, events: usize) {
        let most = range.len().saturating_mul(4);
        let wanted = match events as u64 {
            0 => most,
            events => range.len().saturating_mul(self.config.range_logs_target as u64) / events,
        };
        self.range_blocks = wanted.clamp(1, most).min(self.config.range_blocks_max);
    }

    /// After a commit: the contracts it found are watched from now on.
    fn adopt(&mut self, at: BlockId, assembled: &Assembled) {
        if let Some(known) = &mut self.known {
            known.at = at;
            known.roles.extend(assembled.found.iter().map(|(address, found)| (*address, found.role)));
        }
    }

    fn settings(&self) -> Settings {
        self.settings.clone().unwrap_or_else(|| self.settings_of(std::iter::empty()))
    }
}

/// Rows of one kind more.
fn push_rows<T: crate::row::Table>(changes: &mut Changes, insert: bool, rows: impl IntoIterator<Item = T>) {
    let rows: Vec<_> = rows.into_iter().map(|row| row.to_row()).collect();
    if rows.is_empty() {
        return;
    }
    let list = if insert { &mut changes.inserts } else { &mut changes.upserts };
    list.push((T::DEF, rows));
}
