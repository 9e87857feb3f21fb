//! Moves one chain towards its head, one small idempotent step at a time.
//!
//! Knows how to fetch, decode, fold and commit; knows no SQL text, no HTTP, no environment, no clock.
//!
//! Invariant: a step keeps nothing but what its commit wrote, so it may be killed at any `await`. What is
//! remembered, the set of watched contracts and the range prepared ahead, is valid for exactly one checkpoint.

mod ahead;
mod apart;
mod assemble;
mod audit;
mod catch_up;
mod configure;
mod contested;
mod error;
mod finality;
mod fold;
mod forward;
mod ground;
mod indexes;
mod older;
mod outcome;
mod pending;
mod plan;
mod preview;
mod prove;
mod rebuild;
mod reconcile;
mod reread;
mod rollback;
mod stage;
mod start;
mod sweep;
mod tally;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use alloy::primitives::{Address, B256};
use tracing::Instrument;

use crate::block::{BlockId, BlockRange, Header};
use crate::decode::Decoder;
use crate::decode::withhold::ClaimData;
use crate::derivation::Derivation;
use crate::fact::Role;
use crate::mutant::{Mutant, is};
use crate::source::{Source, SourceError, View};
use crate::store::{Commit, Status, Store};
use crate::table::fold::{Changes, Settings};

pub use assemble::Assembled;
use assemble::Found;
pub use audit::Audited;
pub use error::{Remedy, SyncError};
use finality::Look;
pub use ground::Ground;
pub use outcome::Outcome;
pub use plan::{Step, plan};
pub use preview::Preview;
pub use rebuild::fold_ground;
pub use reconcile::Looking;
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
    /// What of claims is kept from the tables.
    pub claim_data: ClaimData,
    /// No contract of the platform logged anything below this block: where the search for a late contract's logs begins.
    pub floor_block: u64,
    /// Most blocks of one backfill transaction.
    pub range_blocks_max: u64,
    /// About how many logs one backfill transaction should hold.
    pub range_logs_target: usize,
    /// How many logs contracts that a step finds may have had before it, to be read within it; with more they catch up.
    pub older_logs_max: usize,
    /// Final blocks that a first load must have before it, for most indexes to be built at its end; zero for never.
    pub deferred_indexes_from_blocks: u64,
    /// Whether the next range is read and folded while one is committed.
    pub reads_ahead: bool,
    /// When logs are proved complete.
    pub proving: Proving,
    /// Most blocks of one step of the sweep behind the checkpoint.
    pub sweep_blocks_max: u64,
    /// Reorgs up to this depth, in blocks, are followed on one provider's word.
    pub reorg_depth_trusted: u64,
}

impl Config {
    /// What rows are derived with, where logs are read so.
    pub fn derivation(&self, decoder: &Decoder) -> Derivation {
        Derivation::new(decoder, &self.claim_expiry, &self.claim_data, self.floor_block)
    }
}

/// When logs are proved complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proving {
    /// Never: what a node says is taken.
    Off,
    /// At the head with each block where the chain allows it; of older blocks behind the checkpoint.
    Background,
    /// Before anything is visible.
    BeforeCommit,
}

impl Proving {
    /// The mode as the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            Proving::Off => "off",
            Proving::Background => "background",
            Proving::BeforeCommit => "before-commit",
        }
    }
}

/// The watched contracts as of one checkpoint.
#[derive(Debug, Clone)]
struct Known {
    at: BlockId,
    roles: HashMap<Address, Role>,
    /// Contracts that were added later, or have a large past, with the last block read of each: not followed yet.
    catching_up: HashMap<Address, u64>,
    /// The blocks that announced them, where any did.
    announced: HashMap<Address, u64>,
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
    /// Blocks of the next stretch of contracts that are behind.
    behind_blocks: u64,
    configured: bool,
    caught_up_last: bool,
    /// The next range, read and folded while the one before was committed.
    ahead: Option<ahead::Ahead>,
    /// Ranges before another is prepared ahead.
    ranges_alone: u32,
    indexes: indexes::Indexes,
    view: Option<View>,
    position: Option<Header>,
    verified: Option<u64>,
    tally: Tally,
    /// What the chain's headers were seen to be good for.
    seen: prove::Seen,
    unproved: Option<sweep::Unproved>,
    /// Whether the sweep behind the checkpoint is left out: its requests of the last steps have to be paid for.
    sweep_rests: bool,
    /// Blocks of the next step of the sweep.
    sweep_blocks: u64,
    /// The checkpoint from which blocks above finality were taken back because a log stood in another's place.
    read_again_at: Option<BlockId>,
    /// A deep reorg, by the block that it puts in place of ours, and how often it was seen.
    disputed: Option<(B256, u32)>,
    looks: reconcile::Looks,
}

impl<S: Source, D: Store> Sync<S, D> {
    /// A worker that has done nothing yet.
    pub fn new(source: Arc<S>, store: Arc<D>, decoder: Arc<Decoder>, config: Config) -> Self {
        let range_blocks = config.range_blocks_max.min(FIRST_RANGE_BLOCKS);
        let sweep_blocks = config.sweep_blocks_max.max(1);
        Self {
            source,
            store,
            decoder,
            config,
            settings: None,
            known: None,
            range_blocks,
            behind_blocks: range_blocks,
            configured: false,
            caught_up_last: false,
            ahead: None,
            ranges_alone: 0,
            indexes: indexes::Indexes::default(),
            view: None,
            position: None,
            verified: None,
            tally: Tally::default(),
            seen: prove::Seen::default(),
            unproved: None,
            sweep_rests: false,
            sweep_blocks,
            read_again_at: None,
            disputed: None,
            looks: reconcile::Looks::new(Looking::NEVER),
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

    /// Up to which block everything was proved before the last step.
    pub fn verified(&self) -> Option<u64> {
        self.verified
    }

    /// What was written since it was last asked.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Forgets what was known about the tables: somebody else changed them.
    pub fn forget(&mut self) {
        self.known = None;
        self.configured = false;
        self.indexes.forget();
        self.ahead = None;
        self.unproved = None;
    }

    /// Whether steps from now on leave the sweep behind the checkpoint out. Following the head and asking contracts go on;
    /// what must be proved before anything else can be written is proved all the same.
    pub fn rest_from_sweeping(&mut self, rests: bool) {
        self.sweep_rests = rests;
    }

    /// Moves the chain at most one step, never above `until`.
    ///
    /// # Errors
    /// See [`SyncError::remedy`]. After an error nothing but the store is trusted.
    pub async fn step(&mut self, until: Option<u64>) -> Result<Outcome, SyncError> {
        let outcome = self.try_step(until).await;
        if outcome.is_err() && !is(Mutant::CacheOverError) {
            // What was written may be lost with the database's last commits: the configuration is compared again too.
            self.forget();
        }
        if !matches!(outcome, Ok(Outcome::Backfilled { .. })) {
            // It was folded over the tables as they were.
            self.ahead = None;
        }
        outcome
    }

    async fn try_step(&mut self, until: Option<u64>) -> Result<Outcome, SyncError> {
        let Some(checkpoint) = self.store.checkpoint().await? else {
            return self.start().await;
        };
        self.position = Some(checkpoint.block);
        self.verified = Some(checkpoint.verified.number);
        if let Status::Halted { reason } = checkpoint.status.clone() {
            if is(Mutant::HaltForgotten) {
                self.store.resume("").await?;
                return Ok(Outcome::Idle);
            }
            return Ok(Outcome::Halted { reason });
        }
        if !self.configured {
            self.configure(&checkpoint).await?;
        }
        if let Some(built) = self.build_next_index().await? {
            return Ok(built);
        }
        let look = match self.look_ahead(&checkpoint, until) {
            Some(look) => look,
            None => self.look(&checkpoint, until).await?,
        };
        let Look { view, until, .. } = look;
        self.view = Some(view);
        self.learn(&checkpoint).await?;
        let late = self.known.as_ref().is_some_and(|known| !known.catching_up.is_empty());
        if late && !self.caught_up_last {
            self.caught_up_last = true;
            match Box::pin(self.catch_up(&checkpoint, &view)).await? {
                Outcome::Idle => {}
                caught_up => return Ok(caught_up),
            }
        }
        self.caught_up_last = false;
        let step = plan(&checkpoint, &view, until, self.range_blocks);
        if let Some(built) = self.build_indexes(step, &view, until).await? {
            return Ok(built);
        }
        match step {
            Step::Backfill(range) => {
                let read = Box::pin(self.backfill(&checkpoint, look, range)).await;
                self.sweep_if_double(&checkpoint, read).await
            }
            Step::Follow(number) => {
                let read = Box::pin(self.follow(&checkpoint, &view, number)).await;
                self.sweep_if_double(&checkpoint, read).await
            }
            Step::Check(number) => match self.check(&checkpoint, number).await? {
                // A node that is behind us, perhaps on another chain, proves nothing about ours.
                Outcome::Idle if number == checkpoint.block.id.number => {
                    let swept = if self.sweep_rests {
                        Outcome::Idle
                    } else {
                        Box::pin(self.sweep_or_wait(&checkpoint)).await?
                    };
                    match swept {
                        Outcome::Idle if late => Box::pin(self.catch_up(&checkpoint, &view)).await,
                        Outcome::Idle => Box::pin(self.reconcile(&checkpoint)).await,
                        swept => Ok(swept),
                    }
                }
                Outcome::Idle if late => Box::pin(self.catch_up(&checkpoint, &view)).await,
                checked => Ok(checked),
            },
        }
    }

    async fn commit(&mut self, commit: Commit) -> Result<(), SyncError> {
        write(&*self.store, &commit).await?;
        self.count(&commit);
        Ok(())
    }

    fn count(&mut self, commit: &Commit) {
        self.tally.count(commit);
        self.position = Some(commit.next);
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
    fn blocks_after(&self, range: BlockRange, events: usize) -> u64 {
        let most = range.len().saturating_mul(4);
        let wanted = match events as u64 {
            0 => most,
            events => range.len().saturating_mul(self.config.range_logs_target as u64) / events,
        };
        wanted.clamp(1, most).min(self.config.range_blocks_max)
    }

    /// The contracts that a commit finds are watched from there on. Known before it is made, too: what is known is valid for
    /// its block alone, and learnt anew where that does not come to be the checkpoint.
    fn adopt(&mut self, at: BlockId, found: &BTreeMap<Address, Found>) {
        if let Some(known) = &mut self.known {
            known.at = at;
            known.roles.extend(found.iter().map(|(address, found)| (*address, found.role)));
            let behind = found.iter().filter_map(|(address, found)| Some((*address, found.read_through()?)));
            for (address, through) in behind {
                known.announced.insert(address, at.number);
                known.catching_up.insert(address, through);
            }
        }
    }

    fn settings(&self) -> Settings {
        self.settings.clone().unwrap_or_else(|| self.settings_of(std::iter::empty()))
    }
}

async fn write<D: Store>(store: &D, commit: &Commit) -> Result<(), SyncError> {
    if is(Mutant::CheckpointApart) && commit.next.id != commit.expected {
        let moved = Commit { sections: Vec::new(), evidence: Vec::new(), ..commit.clone() };
        store.commit(&moved).await?;
        store.commit(&Commit { expected: commit.next.id, ..commit.clone() }).await?;
    } else {
        let made = store.commit(commit).instrument(stage::write()).await;
        if !is(Mutant::LeaseBlind) {
            made?;
        }
    }
    Ok(())
}

/// Rows of one kind more.
fn push_rows<T: crate::row::Table>(changes: &mut Changes, insert: bool, rows: impl IntoIterator<Item = T>) {
    let rows: Vec<_> = rows.into_iter().map(T::into_row).collect();
    if rows.is_empty() {
        return;
    }
    let list = if insert { &mut changes.inserts } else { &mut changes.upserts };
    list.push((T::DEF, rows));
}
