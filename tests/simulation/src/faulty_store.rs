//! A store that fails as it is told to: before a call is carried out, after it, for want of space, or not at all for long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use alloy::primitives::{Address, B256};
use asset_indexer::block::{BlockId, BlockRange, Header, RawLog};
use asset_indexer::row::{Row, Table, TableDef, Value};
use asset_indexer::store::{Built, Cause, Checkpoint, Commit, Evidence, Rollback, Start, Store, StoreError};
use asset_indexer::table::contract::Coverage;
use asset_indexer::table::fold::Load;

use crate::dice::Dice;
use crate::faults::{Hit, Hits, StoreFault};
use crate::ports::{Ports, Rest};
use crate::stored::Stored;

#[derive(Debug)]
struct State {
    dice: Dice,
    rates: BTreeMap<StoreFault, u8>,
    broken: bool,
    writes: u64,
}

/// What goes wrong with the database, whoever writes.
#[derive(Debug, Clone)]
pub struct StoreFaults {
    state: Arc<Mutex<State>>,
    hits: Hits,
}

impl StoreFaults {
    /// Nothing, yet.
    pub fn new(seed: u64, hits: Hits) -> Self {
        let state =
            State { dice: Dice::new(seed ^ 0x5705), rates: BTreeMap::new(), broken: false, writes: 0 };
        Self { state: Arc::new(Mutex::new(state)), hits }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics inside the store")
    }

    /// The fault happens in so many of a hundred calls from now on; zero ends it.
    pub fn set(&self, fault: StoreFault, rate: u8) {
        let mut state = self.state();
        if rate == 0 {
            state.rates.remove(&fault);
        } else {
            state.rates.insert(fault, rate);
        }
    }

    /// The next call finds its connection broken.
    pub fn break_connection(&self) {
        self.state().broken = true;
    }

    /// Every fault ends; a connection that is broken stays so until somebody finds out.
    pub fn heal(&self) {
        self.state().rates.clear();
    }

    /// How many writes were carried out.
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    fn wants(&self, fault: StoreFault) -> bool {
        let mut state = self.state();
        let rate = state.rates.get(&fault).copied().unwrap_or(0);
        let wants = rate > 0 && state.dice.percent(u64::from(rate));
        drop(state);
        if wants {
            self.hits.hit(Hit::Store(fault));
        }
        wants
    }
}

/// See the module.
#[derive(Debug)]
pub struct FaultyStore {
    store: Stored,
    faults: StoreFaults,
    ports: Ports,
}

impl FaultyStore {
    /// A store as one process sees it.
    pub fn new(store: Stored, faults: StoreFaults, ports: Ports) -> Self {
        Self { store, faults, ports }
    }

    /// The store without its faults.
    pub fn inner(&self) -> &Stored {
        &self.store
    }

    async fn read<T>(
        &self,
        during: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.ports
            .pass(async {
                self.before(during, false).await?;
                self.seen(call.await)
            })
            .await
    }

    async fn write<T>(
        &self,
        during: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.ports
            .pass(async {
                self.before(during, true).await?;
                let done = self.seen(self.ports.whole(call).await)?;
                self.faults.state().writes += 1;
                if self.faults.wants(StoreFault::FailsAfter) {
                    return Err(self.lost(during, "connection closed before the answer came").await);
                }
                Ok(done)
            })
            .await
    }

    /// A connection that is lost in earnest was cut between two statements.
    fn seen<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if matches!(answer, Err(StoreError::Unavailable { .. })) {
            self.faults.hits.hit(Hit::Poisoned);
        }
        answer
    }

    async fn before(&self, during: &'static str, writes: bool) -> Result<(), StoreError> {
        if self.faults.wants(StoreFault::Hangs) {
            let polls = 2 + self.faults.state().dice.below(10) as u32;
            Rest(polls).await;
        }
        let was_broken = std::mem::take(&mut self.faults.state().broken);
        if was_broken {
            return Err(self.lost(during, "terminating connection due to administrator command").await);
        }
        if self.faults.wants(StoreFault::FailsBefore) {
            return Err(self.lost(during, "connection refused").await);
        }
        if writes && self.faults.wants(StoreFault::DiskFull) {
            return Err(self.lost(during, "No space left on device (SQLSTATE 53100)").await);
        }
        if writes && self.faults.wants(StoreFault::Refuses) {
            self.store.abort_rebuild().await;
            let reason = "permission denied (SQLSTATE 42501)".to_owned();
            return Err(StoreError::Refused { during, reason });
        }
        Ok(())
    }

    /// The connection is gone, and a transaction that was open with it.
    async fn lost(&self, during: &'static str, reason: &str) -> StoreError {
        self.store.abort_rebuild().await;
        StoreError::Unavailable { during, reason: reason.to_owned() }
    }
}

impl Store for FaultyStore {
    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let checkpoint = self.read("reading the checkpoint", self.store.checkpoint()).await?;
        self.ports.saw_checkpoint(checkpoint.as_ref());
        Ok(checkpoint)
    }

    async fn start(&self, start: &Start) -> Result<(), StoreError> {
        self.write("setting the first checkpoint", self.store.start(start)).await
    }

    async fn build_index(&self) -> Result<Built, StoreError> {
        // Where nothing was deferred, nothing of a run is to hang on the question.
        if self.store.deferred_indexes() == 0 {
            return Ok(Built::Nothing);
        }
        self.write("building an index", self.store.build_index()).await
    }

    async fn genesis(&self) -> Result<Option<B256>, StoreError> {
        self.read("reading the genesis hash", self.store.genesis()).await
    }

    async fn load(&self, load: &Load) -> Result<Vec<Row>, StoreError> {
        let rows = self.read("loading rows", self.store.load(load)).await?;
        if *load.table == *Coverage::DEF {
            let through = Coverage::DEF.column("through_block");
            let is_late = |row: &Row| through.is_some_and(|place| row[place] != Value::Null);
            self.ports.saw_coverage(rows.iter().any(is_late));
        }
        Ok(rows)
    }

    async fn load_beside(&self, load: &Load, at: [BlockId; 2]) -> Result<Vec<Row>, StoreError> {
        self.read("loading rows", self.store.load_beside(load, at)).await
    }

    async fn headers(&self) -> Result<Vec<Header>, StoreError> {
        let headers = self.read("reading headers", self.store.headers()).await?;
        self.ports.asked_stored_headers();
        Ok(headers)
    }

    async fn ground_logs(
        &self,
        range: BlockRange,
        addresses: Option<&[Address]>,
    ) -> Result<Vec<RawLog>, StoreError> {
        self.read("reading ground", self.store.ground_logs(range, addresses)).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        self.write("committing", self.store.commit(commit)).await
    }

    async fn rollback(&self, rollback: &Rollback) -> Result<(), StoreError> {
        self.write("rolling back", self.store.rollback(rollback)).await
    }

    async fn halt(&self, reason: &str) -> Result<(), StoreError> {
        self.write("halting", self.store.halt(reason)).await
    }

    async fn resume(&self, reason: &str) -> Result<(), StoreError> {
        self.write("resuming", self.store.resume(reason)).await
    }

    async fn rewind(&self, rollback: &Rollback) -> Result<(), StoreError> {
        self.write("rewinding", self.store.rewind(rollback)).await
    }

    async fn begin_rebuild(&self, cause: &Cause) -> Result<(), StoreError> {
        self.write("beginning a rebuild", self.store.begin_rebuild(cause)).await
    }

    async fn kept(&self, load: &Load) -> Result<Vec<Row>, StoreError> {
        self.read("reading what a rebuild set aside", self.store.kept(load)).await
    }

    async fn finish_rebuild(&self, cause: &Cause) -> Result<(), StoreError> {
        self.write("finishing a rebuild", self.store.finish_rebuild(cause)).await
    }

    async fn abort_rebuild(&self) {
        self.ports.pass(self.store.abort_rebuild()).await;
    }

    async fn forget_evidence(&self, reason: &str) -> Result<(), StoreError> {
        self.write("forgetting evidence", self.store.forget_evidence(reason)).await
    }

    async fn evidence(&self, blocks: BlockRange) -> Result<Vec<Evidence>, StoreError> {
        let evidence = self.read("reading evidence", self.store.evidence(blocks)).await?;
        self.ports.asked_evidence();
        Ok(evidence)
    }

    async fn proved(&self) -> Result<Option<BlockRange>, StoreError> {
        let proved = self.read("reading evidence", self.store.proved()).await?;
        self.ports.asked_evidence();
        Ok(proved)
    }

    async fn is_journaled(
        &self,
        table: &'static TableDef,
        keys: &[Row],
        above: u64,
    ) -> Result<bool, StoreError> {
        self.read("reading the journal", self.store.is_journaled(table, keys, above)).await
    }

    async fn dump(&self, table: &'static TableDef) -> Result<Vec<Row>, StoreError> {
        self.store.dump(table).await
    }
}
