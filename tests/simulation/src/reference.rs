//! The honest reference: an index of our present branch, from an honest node, that never met a fault; and the
//! comparison with it.

use std::sync::{Arc, Mutex};

use alloy::primitives::Address;
use asset_indexer::block::{BlockId, BlockRange, Header, RawLog, Receipt, Sealed, Transaction};
use asset_indexer::row::{Class, Row, TableDef, Value};
use asset_indexer::source::{CallAnswer, CallRequest, Source, SourceError, View};
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::{Rollback, Store, StoreError};
use asset_indexer::sync::{Config, Outcome, Proving, StartError, Sync, SyncError};
use asset_indexer::table;

use crate::chain::{Picture, SimChain, known, present};
use crate::faults::Hits;
use crate::faulty_store::{FaultyStore, StoreFaults};
use crate::ports::{Node, Ports};
use crate::stored::Stored;

/// An honest node whose chain ends where we want it to.
#[derive(Debug)]
pub struct Branched {
    chain: Arc<SimChain>,
    picture: Mutex<Picture>,
}

impl Branched {
    /// A node with that chain.
    pub fn new(chain: Arc<SimChain>, picture: Picture) -> Self {
        Self { chain, picture: Mutex::new(picture) }
    }

    fn picture(&self) -> Picture {
        self.picture.lock().expect("nobody panics while it looks").clone()
    }

    /// The chain is another one from now on.
    pub fn set(&self, picture: Picture) {
        *self.picture.lock().expect("nobody panics while it looks") = picture;
    }
}

impl Source for Branched {
    async fn chain_id(&self) -> Result<u64, SourceError> {
        Ok(self.chain.id())
    }

    async fn view(&self) -> Result<View, SourceError> {
        Ok(self.picture().view())
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, SourceError> {
        Ok(self.picture().at(number).map(|block| block.header))
    }

    async fn headers(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        let picture = self.picture();
        numbers.iter().map(|number| Ok(present(&picture, *number)?.header)).collect()
    }

    async fn logs_of_block(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        Ok(known(&self.chain, block)?.logs.clone())
    }

    async fn logs_in_range(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Vec<RawLog>, SourceError> {
        Ok(self.picture().logs(range, addresses))
    }

    async fn calls(&self, requests: &[CallRequest]) -> Result<Vec<CallAnswer>, SourceError> {
        self.chain.calls(requests).await
    }

    async fn transactions(&self, block: BlockId) -> Result<Vec<Transaction>, SourceError> {
        Ok(known(&self.chain, block)?.transactions.clone())
    }

    async fn has_code(&self, address: Address, number: u64) -> Result<Option<bool>, SourceError> {
        Ok(Some(self.picture().has_code(address, number)))
    }

    async fn sealed(&self, numbers: &[u64]) -> Result<Vec<Sealed>, SourceError> {
        let picture = self.picture();
        numbers.iter().map(|number| Ok(present(&picture, *number)?.sealed())).collect()
    }

    async fn receipts(&self, block: BlockId) -> Result<Vec<Receipt>, SourceError> {
        Ok(known(&self.chain, block)?.receipts.clone())
    }

    fn alias(&self) -> String {
        "reference".to_owned()
    }

    async fn wait_for_head(&self) {}
}

/// See the module.
#[derive(Debug)]
pub struct Reference {
    source: Arc<Node>,
    tables: MemoryStore,
    worker: Sync<Node, FaultyStore>,
    config: Config,
}

impl Reference {
    /// One that has read nothing yet.
    pub fn new(chain: Arc<SimChain>, config: &Config) -> Self {
        let picture = chain.picture();
        let source = Arc::new(Node::honest(Branched::new(chain, picture)));
        let config = Config { proving: Proving::Off, older_logs_max: usize::MAX, ..config.clone() };
        let tables = MemoryStore::new();
        let worker = worker(source.clone(), tables.clone(), &config);
        Self { source, tables, worker, config }
    }

    /// The tables at the newest block of a branch; `None` below the first contracts.
    ///
    /// # Errors
    /// That the reference itself cannot be made: a fault of the simulation or of the product's simplest path.
    pub async fn at(&mut self, picture: Picture) -> Result<Option<&MemoryStore>, String> {
        self.go_down_to(picture.head()).await?;
        if let Some(branched) = self.source.branched() {
            branched.set(picture);
        }
        for _ in 0..2_000 {
            match self.worker.step(None).await {
                Ok(Outcome::Idle) => return Ok(Some(&self.tables)),
                // Our branch left what the reference took for final: it begins again.
                Ok(Outcome::Halted { .. }) => self.begin_again(),
                Ok(_) => {}
                Err(SyncError::Start(StartError::NoContract { .. })) => return Ok(None),
                Err(error) => return Err(format!("the reference cannot be made: {error}")),
            }
        }
        Err("the reference does not come to rest".to_owned())
    }
}

impl Reference {
    /// A shorter chain is no sign of anything to a worker: the reference is taken back by hand, where it reaches above.
    async fn go_down_to(&mut self, head: Header) -> Result<(), String> {
        let store = self.tables.clone();
        let failed = |error: StoreError| format!("the reference cannot go back: {error}");
        let Some(checkpoint) = store.checkpoint().await.map_err(failed)? else { return Ok(()) };
        if checkpoint.block.id.number <= head.id.number {
            return Ok(());
        }
        let is_kept = store.headers().await.map_err(failed)?.iter().any(|kept| kept.id == head.id);
        if !is_kept || head.id.number < checkpoint.finalized.number {
            self.begin_again();
            return Ok(());
        }
        let (expected, reason) = (checkpoint.block.id, "reference".to_owned());
        let rollback = Rollback { expected, ancestor: head, replaced_by: head.id.hash, reason };
        self.worker.forget();
        store.rollback(&rollback).await.map_err(failed)
    }

    fn begin_again(&mut self) {
        self.tables = MemoryStore::new();
        self.worker = worker(self.source.clone(), self.tables.clone(), &self.config);
    }
}

fn worker(source: Arc<Node>, tables: MemoryStore, config: &Config) -> Sync<Node, FaultyStore> {
    let faults = StoreFaults::new(0, Hits::default());
    let store = FaultyStore::new(Stored::Memory(tables), faults, Ports::free());
    Sync::new(source, Arc::new(store), crate::decoder(), config.clone())
}

/// Columns that a comparison leaves out: `*` for a whole table, `+` for rows that are too many.
pub type Masked = dyn Fn(&TableDef, &str) -> bool;

/// The first difference between two stores, in all that equality speaks of.
pub fn difference(ours: &MemoryStore, theirs: &MemoryStore, masked: &Masked) -> Option<String> {
    let tables = table::ALL.into_iter().filter(|table| table.class != Class::Operation);
    tables.into_iter().find_map(|table| difference_in(table, ours, theirs, masked))
}

fn difference_in(
    table: &'static TableDef,
    ours: &MemoryStore,
    theirs: &MemoryStore,
    masked: &Masked,
) -> Option<String> {
    if masked(table, "*") {
        return None;
    }
    let left_out: Vec<usize> =
        (0..table.columns.len()).filter(|place| masked(table, table.columns[*place].name)).collect();
    let equal = |one: &Row, other: &Row| {
        one == other
            || (!left_out.is_empty()
                && one.iter().zip(other).enumerate().all(|(at, (a, b))| left_out.contains(&at) || a == b))
    };
    ours.with_rows(table, |ours| {
        theirs.with_rows(table, |theirs| {
            let show =
                |what: &str, row: &Row| Some(format!("{}: {what}: {}", table.name, spelled(table, row)));
            // A row holds its key, and both are in its order.
            if ours.len() == theirs.len() && ours.values().eq(theirs.values()) {
                return None;
            }
            for (key, row) in ours {
                match theirs.get(key) {
                    None if masked(table, "+") => {}
                    None => return show("a row too many", row),
                    Some(other) if !equal(row, other) => {
                        let columns = table.columns.iter().zip(row.iter().zip(other.iter()));
                        let different: Vec<String> = columns
                            .filter(|(_, (one, other))| one != other)
                            .map(|(column, (one, other))| {
                                format!("{} is {} and should be {}", column.name, value(one), value(other))
                            })
                            .collect();
                        return show(&different.join("; "), row);
                    }
                    Some(_) => {}
                }
            }
            let missing = theirs.iter().find(|(key, _)| !ours.contains_key(*key));
            missing.and_then(|(_, row)| show("a row is missing", row))
        })
    })
}

/// A row as people read it.
pub fn spelled(table: &TableDef, row: &Row) -> String {
    let columns = table.columns.iter().zip(row);
    columns.map(|(column, of)| format!("{}={}", column.name, value(of))).collect::<Vec<_>>().join(" ")
}

fn value(of: &Value) -> String {
    match of {
        Value::Bytes(bytes) => format!("0x{}", alloy::hex::encode(bytes)),
        Value::Null => "null".to_owned(),
        Value::Int(int) => int.to_string(),
        other => format!("{other:?}"),
    }
}
