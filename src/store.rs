//! What a store promises: data, undo and checkpoint move together or not at all.
//!
//! The store is dumb: it writes the rows it is given. It knows tables by their declaration and no fact's meaning, no
//! RPC. Implemented by [`postgres`] for the product and by [`memory`] for simulation and dry runs.
//!
//! Invariant: a commit moves the checkpoint from exactly where its writer thinks it is, or changes nothing.
//! Invariant: above finality every row that a commit changes can be restored to what it was before its block.

pub mod memory;
pub mod postgres;

use std::future::Future;

use alloy::primitives::{Address, B256};

use crate::block::{BlockId, BlockRange, Header, Position, RawLog};
use crate::proof::Method;
use crate::reconcile::{Found, Sample, Stated};
use crate::row::{Class, Row, Table, TableDef};
use crate::table::contract::Coverage;
use crate::table::event::{AssetEvent, Observation, TransactionInput};
use crate::table::fold::{Changes, Load};

/// Whether the indexer may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It may.
    Running,
    /// It stopped where truth could not be established; only an operator's `rewind` or `resume` goes on from here.
    Halted {
        /// What was found, and what to do.
        reason: String,
    },
}

/// How far a chain's tables reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last block whose logs are in the tables.
    pub block: Header,
    /// The newest block known to be final; never moves down, may be above `block` during a backfill.
    pub finalized: BlockId,
    /// Up to here every block's logs are proved complete, without a gap; never above `block`.
    pub verified: BlockId,
    /// Whether the indexer may go on.
    pub status: Status,
}

/// A chain's first checkpoint.
#[derive(Debug, Clone)]
pub struct Start {
    /// Hash of block 0: tells chains that share an id apart.
    pub genesis: B256,
    /// The block below the first that is read.
    pub block: Header,
    /// What is final by now.
    pub finalized: BlockId,
    /// Rows to begin with.
    pub changes: Changes,
    /// Whether a long load follows, for which indexes are dropped where the whole database is empty, to be built at its
    /// end: [`Store::build_index`].
    pub defers_indexes: bool,
}

/// What [`Store::build_index`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Built {
    /// This index, or key, is built; there may be more.
    Index(String),
    /// The next one could not be built now: its name where somebody's use of its table was in the way, else the reason.
    Hindered(String),
    /// None is left.
    Nothing,
}

/// Changes that a reorg takes back together.
#[derive(Debug, Clone)]
pub struct Section {
    /// The block that caused them, when it is not final; `None` below finality, where nothing is taken back.
    pub undo_block: Option<u64>,
    /// The rows.
    pub changes: Changes,
}

/// No stretch of evidence grows over a multiple of this, so that a hash that is known is never far from any block.
pub const STRETCH_BLOCKS: u64 = 1_024;

/// Every block that a chain can have.
pub const ALL_BLOCKS: BlockRange = BlockRange { from: 0, to: i64::MAX as u64 };

/// That the logs of some blocks are complete, and how it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The blocks.
    pub range: BlockRange,
    /// Hash of the block below the first: stretches of evidence hang together by hashes.
    pub parent: B256,
    /// Hash of the last block.
    pub hash: B256,
    /// How.
    pub method: Method,
    /// Alias of the provider that gave what was checked; for a quorum both, with a `+` between.
    pub provider: String,
    /// Requests that it took.
    pub requests: u64,
}

impl Evidence {
    /// The last block.
    pub fn last(&self) -> BlockId {
        BlockId { number: self.range.to, hash: self.hash }
    }

    /// Whether `next` goes on where this ends, known in the same way from the same provider: one stretch then, but for
    /// [`STRETCH_BLOCKS`].
    pub fn continues_with(&self, next: &Self) -> bool {
        self.range.to + 1 == next.range.from
            && !next.range.from.is_multiple_of(STRETCH_BLOCKS)
            && self.hash == next.parent
            && self.method == next.method
            && self.provider == next.provider
    }
}

/// Why derived tables are folded again, and what happens to ground first.
#[derive(Debug)]
pub enum Cause {
    /// Ground stays as it is.
    Rebuild,
    /// Ground above a block goes; the block becomes checkpoint, and finality where that was above it.
    Rewind(Rollback),
    /// Events are put into ground, and others taken out of it.
    Repair {
        /// To put in.
        add: Vec<AssetEvent>,
        /// To take out.
        remove: Vec<Position>,
        /// Why, for the audit trail.
        reason: String,
    },
}

/// Whether a rebuild writes the table anew: all that is derived, and of ground what only the fold asks for. An answer
/// or an input that the fold asks for no more would not be there in a fresh index.
fn is_refolded(table: &TableDef) -> bool {
    matches!(table.class, Class::History | Class::State) || *table == *Coverage::DEF || is_kept(table)
}

/// Whether a rebuild sets the table's rows aside, to answer what the fold asks: [`Store::kept`].
fn is_kept(table: &TableDef) -> bool {
    *table == *Observation::DEF || *table == *TransactionInput::DEF
}

/// One transaction.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Where the writer thinks the checkpoint is.
    pub expected: BlockId,
    /// Where it shall be; the same block when only a late contract's rows are added.
    pub next: Header,
    /// What is final now.
    pub finalized: BlockId,
    /// The rows, in the chain's order.
    pub sections: Vec<Section>,
    /// What is proved now, of blocks up to `next`; moves [`Checkpoint::verified`] where it closes a gap.
    pub evidence: Vec<Evidence>,
}

/// What a reorg replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// Where the writer thinks the checkpoint is.
    pub expected: BlockId,
    /// The newest block that both chains share.
    pub ancestor: Header,
    /// The block that now stands above the ancestor; the ancestor itself where the chain got shorter.
    pub replaced_by: B256,
    /// In words: `reorg`, or the operator's reason.
    pub reason: String,
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database could not be reached, or broke off; the outcome of a commit is then known only by reading.
    #[error("the database did not answer while {during}: {reason}")]
    Unavailable {
        /// What was being done.
        during: &'static str,
        /// What the driver said, without secrets.
        reason: String,
    },
    /// The database refused: rights, constraints, a missing partition.
    #[error("the database refused {during}: {reason}")]
    Refused {
        /// What was being done.
        during: &'static str,
        /// What PostgreSQL said.
        reason: String,
    },
    /// Somebody else writes, or wrote: this writer must stop.
    #[error(
        "the checkpoint or the writer's lease is not ours any more: another writer took over; this one stops"
    )]
    NotTheWriter,
    /// The database belongs to another chain.
    #[error(
        "the database holds {stored}, and the node serves {found}: use another database, or another node"
    )]
    OtherChain {
        /// Chain id and genesis hash in the database.
        stored: String,
        /// The node's.
        found: String,
    },
    /// The schema is not the one of this binary.
    #[error("the database's schema is {found}, and this program needs {needed}: {remedy}")]
    OtherSchema {
        /// What is there.
        found: String,
        /// What is needed.
        needed: String,
        /// What to do.
        remedy: &'static str,
    },
    /// What would be read or written is in files.
    #[error(
        "{what} archived and not in the tables: {partitions}; put back first what `maintain` put away: asset-indexer maintain --attach DIR"
    )]
    Archived {
        /// The blocks, and that they are.
        what: String,
        /// The partitions, by name.
        partitions: String,
    },
    /// A stored row does not fit its table's declaration.
    #[error("a row of {table} does not fit its declaration: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What does not fit.
        reason: String,
    },
}

impl StoreError {
    /// Whether a row was refused because another stands in its place.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason.contains("SQLSTATE 23505"))
    }

    /// What was to be read at one of two checkpoints was found at another.
    pub(crate) fn elsewhere(at: [BlockId; 2]) -> Self {
        let reason = format!(
            "the tables are neither at block {} nor at block {}: another server, or another writer",
            at[0].number, at[1].number
        );
        Self::Unavailable { during: "reading beside a commit", reason }
    }

    /// A row of the table holds another kind of value than its declaration says.
    pub(crate) fn misfit(table: &TableDef) -> Self {
        Self::Corrupt { table: table.name, reason: "a column has another type than declared".to_owned() }
    }
}

/// The tables of one chain.
pub trait Store: Send + Sync + 'static {
    /// How far the tables reach; `None` before the first block.
    fn checkpoint(&self) -> impl Future<Output = Result<Option<Checkpoint>, StoreError>> + Send;

    /// Sets the first checkpoint, or checks that the stored one is of the same chain.
    fn start(&self, start: &Start) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Builds the next index that was dropped with the first checkpoint, in a transaction of its own.
    fn build_index(&self) -> impl Future<Output = Result<Built, StoreError>> + Send;

    /// Hash of the stored chain's block 0; `None` before the first checkpoint.
    fn genesis(&self) -> impl Future<Output = Result<Option<B256>, StoreError>> + Send;

    /// The rows that answer a question, in no order.
    fn load(&self, load: &Load) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// The same while a commit of ours is under way, without waiting for it: as the tables are at one of these checkpoints,
    /// those before it and after it. Where they are at another, there is no answer ([`StoreError::Unavailable`]). Not inside a
    /// rebuild.
    fn load_beside(
        &self,
        load: &Load,
        at: [BlockId; 2],
    ) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// The headers from the newest final one up to the checkpoint, ascending; all of them above finality.
    fn headers(&self) -> impl Future<Output = Result<Vec<Header>, StoreError>> + Send;

    /// Logs kept as ground, in chain order; of these contracts, or of all.
    fn ground_logs(
        &self,
        range: BlockRange,
        addresses: Option<&[Address]>,
    ) -> impl Future<Output = Result<Vec<RawLog>, StoreError>> + Send;

    /// Writes rows, undo and checkpoint in one transaction.
    fn commit(&self, commit: &Commit) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes everything above the ancestor back, keeps the withdrawn rows as evidence, moves the checkpoint.
    fn rollback(&self, rollback: &Rollback) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Stops the chain until an operator rewinds it.
    fn halt(&self, reason: &str) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Lets a halted chain go on as it is, on an operator's word; what was called final above the checkpoint is not any
    /// more.
    fn resume(&self, reason: &str) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes blocks above finality back on an operator's word; also ends a halt.
    fn rewind(&self, rollback: &Rollback) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Begins a rebuild: until [`Store::finish_rebuild`] all happens in one transaction, tables that it writes anew are
    /// empty, and commits leave the checkpoint as it is.
    fn begin_rebuild(&self, cause: &Cause) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Inside a rebuild: rows of ground that were set aside at its beginning, by the first columns of their key.
    fn kept(&self, load: &Load) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

    /// Ends a rebuild: its tables become visible at once.
    fn finish_rebuild(&self, cause: &Cause) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Gives a rebuild up: the tables are what they were.
    fn abort_rebuild(&self) -> impl Future<Output = ()> + Send;

    /// Forgets what was proved: the chain's headers do not hang together with it.
    fn forget_evidence(&self, reason: &str) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What is proved, in the order of blocks: the stretches that end in these, and the first that ends above them. Stretches
    /// don't overlap.
    fn evidence(&self, blocks: BlockRange) -> impl Future<Output = Result<Vec<Evidence>, StoreError>> + Send;

    /// From the first block that is proved to the last one, whatever gaps there are.
    fn proved(&self) -> impl Future<Output = Result<Option<BlockRange>, StoreError>> + Send;

    /// Whether a block above this one changed any of these rows of a table, given by their keys: what is written of them below
    /// that block is lost when it is taken back.
    fn is_journaled(
        &self,
        table: &'static TableDef,
        keys: &[Row],
        above: u64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// What the tables say of a sample of assets and wallets; nothing where a store has no verdicts to tell.
    fn sample(&self, _: &Sample) -> impl Future<Output = Result<Stated, StoreError>> + Send {
        std::future::ready(Ok(Stated::default()))
    }

    /// Writes down what contracts answered otherwise than the tables say, and what is resolved.
    fn record(&self, _: &Found) -> impl Future<Output = Result<(), StoreError>> + Send {
        std::future::ready(Ok(()))
    }

    /// All rows of a table in key order, for comparison.
    fn dump(&self, table: &'static TableDef) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;
}
