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

use crate::block::{BlockId, BlockRange, Header, RawLog};
use crate::row::{Row, TableDef};
use crate::table::fold::{Changes, Load};

/// Whether the indexer may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It may.
    Running,
    /// It stopped where truth could not be established; only an operator's `rewind` goes on from here.
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
}

/// Changes that a reorg takes back together.
#[derive(Debug, Clone)]
pub struct Section {
    /// The block that caused them, when it is not final; `None` below finality, where nothing is taken back.
    pub undo_block: Option<u64>,
    /// The rows.
    pub changes: Changes,
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

    /// Hash of the stored chain's block 0; `None` before the first checkpoint.
    fn genesis(&self) -> impl Future<Output = Result<Option<B256>, StoreError>> + Send;

    /// The rows that answer a question, in no order.
    fn load(&self, load: &Load) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;

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

    /// All rows of a table in key order, for comparison.
    fn dump(&self, table: &'static TableDef) -> impl Future<Output = Result<Vec<Row>, StoreError>> + Send;
}
