//! A store on PostgreSQL with a copy in memory in lock-step: every call is made on both, and every answer compared.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use alloy::primitives::{Address, B256};
use asset_indexer::block::{BlockId, BlockRange, Header, RawLog};
use asset_indexer::row::{Row, TableDef};
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::postgres::PostgresStore;
use asset_indexer::store::{Built, Cause, Checkpoint, Commit, Evidence, Rollback, Start, Store, StoreError};
use asset_indexer::table;
use asset_indexer::table::fold::Load;

use crate::reference::spelled;

/// What the two had to say differently, and which tables were written since they were last compared.
#[derive(Debug, Default)]
pub struct Compared {
    difference: Mutex<Option<String>>,
    written: Mutex<BTreeSet<&'static str>>,
}

impl Compared {
    /// The first difference so far.
    pub fn difference(&self) -> Option<String> {
        self.difference.lock().expect("nobody panics while it compares").clone()
    }

    fn note(&self, difference: impl FnOnce() -> String) {
        let mut first = self.difference.lock().expect("nobody panics while it compares");
        if first.is_none() {
            *first = Some(difference());
        }
    }

    fn wrote(&self, tables: impl IntoIterator<Item = &'static str>) {
        self.written.lock().expect("nobody panics while it compares").extend(tables);
    }

    /// Everything may have been written.
    pub fn wrote_everything(&self) {
        self.wrote(table::ALL.into_iter().map(|table| table.name));
    }

    /// The tables written since the last look.
    pub fn take_written(&self) -> BTreeSet<&'static str> {
        std::mem::take(&mut self.written.lock().expect("nobody panics while it compares"))
    }
}

/// See the module.
#[derive(Debug)]
pub struct Twin {
    real: PostgresStore,
    copy: MemoryStore,
    compared: Arc<Compared>,
}

impl Twin {
    /// Both, for one writer.
    pub fn new(real: PostgresStore, copy: MemoryStore, compared: Arc<Compared>) -> Self {
        Self { real, copy, compared }
    }

    /// How many indexes wait for the end of the first load, by the copy in memory.
    pub fn deferred_indexes(&self) -> u32 {
        self.copy.deferred_indexes()
    }

    /// The same answer twice.
    async fn both<T: PartialEq + std::fmt::Debug>(
        &self,
        what: &'static str,
        real: impl Future<Output = Result<T, StoreError>>,
        copy: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let answer = real.await?;
        match copy.await {
            Ok(other) if other == answer => {}
            other => {
                self.compared.note(|| format!("{what}: PostgreSQL says {answer:?} and memory {other:?}"))
            }
        }
        Ok(answer)
    }

    /// The same change twice: what PostgreSQL did not do for want of a connection is not done in memory either.
    async fn change(
        &self,
        what: &'static str,
        real: impl Future<Output = Result<(), StoreError>>,
        copy: impl Future<Output = Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        let done = real.await;
        let was_lost = matches!(done, Err(StoreError::Unavailable { .. }));
        if !was_lost {
            let other = copy.await;
            let same = match (&done, &other) {
                (Ok(()), Ok(())) => true,
                (Err(one), Err(other)) => std::mem::discriminant(one) == std::mem::discriminant(other),
                _ => false,
            };
            if !same {
                self.compared.note(|| format!("{what}: PostgreSQL {done:?}, memory {other:?}"));
            }
        }
        done
    }

    /// The first difference between a table's rows in both.
    pub async fn differs(&self, table: &'static TableDef) -> Option<String> {
        let real = self.real.dump(table).await;
        let copy = self.copy.dump(table).await;
        match (real, copy) {
            (Ok(real), Ok(mut copy)) => {
                copy.sort_unstable();
                let place = (0..real.len().max(copy.len())).find(|at| real.get(*at) != copy.get(*at))?;
                let show = |row: Option<&Row>| row.map_or("nothing".to_owned(), |row| spelled(table, row));
                Some(format!(
                    "{}: PostgreSQL has {} and memory {}",
                    table.name,
                    show(real.get(place)),
                    show(copy.get(place))
                ))
            }
            (real, copy) => {
                let (real, copy) = (real.err(), copy.err());
                Some(format!("{} cannot be read: {real:?} {copy:?}", table.name))
            }
        }
    }
}

fn sorted(rows: Result<Vec<Row>, StoreError>) -> Result<Vec<Row>, StoreError> {
    rows.map(|mut rows| {
        rows.sort_unstable();
        rows
    })
}

impl Store for Twin {
    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        self.both("the checkpoint", self.real.checkpoint(), self.copy.checkpoint()).await
    }

    async fn start(&self, start: &Start) -> Result<(), StoreError> {
        self.compared.wrote_everything();
        self.change("start", self.real.start(start), self.copy.start(start)).await
    }

    /// PostgreSQL has more indexes than the copy makes believe.
    async fn build_index(&self) -> Result<Built, StoreError> {
        let built = self.real.build_index().await?;
        if built == Built::Nothing {
            while self.copy.build_index().await? != Built::Nothing {}
        }
        Ok(built)
    }

    async fn genesis(&self) -> Result<Option<B256>, StoreError> {
        self.both("the genesis hash", self.real.genesis(), self.copy.genesis()).await
    }

    async fn load(&self, load: &Load) -> Result<Vec<Row>, StoreError> {
        let real = async { sorted(self.real.load(load).await) };
        let copy = async { sorted(self.copy.load(load).await) };
        self.both(load.table.name, real, copy).await
    }

    /// What each answers may be from before the commit or from after it: only the real one's is used.
    async fn load_beside(&self, load: &Load, at: [BlockId; 2]) -> Result<Vec<Row>, StoreError> {
        self.real.load_beside(load, at).await
    }

    async fn headers(&self) -> Result<Vec<Header>, StoreError> {
        self.both("the headers", self.real.headers(), self.copy.headers()).await
    }

    async fn ground_logs(
        &self,
        range: BlockRange,
        addresses: Option<&[Address]>,
    ) -> Result<Vec<RawLog>, StoreError> {
        let copy = self.copy.ground_logs(range, addresses);
        self.both("ground", self.real.ground_logs(range, addresses), copy).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        for section in &commit.sections {
            let tables = section.changes.inserts.iter().chain(&section.changes.upserts);
            self.compared.wrote(tables.map(|(table, _)| table.name));
        }
        self.change("commit", self.real.commit(commit), self.copy.commit(commit)).await
    }

    async fn rollback(&self, rollback: &Rollback) -> Result<(), StoreError> {
        self.compared.wrote_everything();
        self.change("rollback", self.real.rollback(rollback), self.copy.rollback(rollback)).await
    }

    async fn halt(&self, reason: &str) -> Result<(), StoreError> {
        self.change("halt", self.real.halt(reason), self.copy.halt(reason)).await
    }

    async fn resume(&self, reason: &str) -> Result<(), StoreError> {
        self.change("resume", self.real.resume(reason), self.copy.resume(reason)).await
    }

    async fn rewind(&self, rollback: &Rollback) -> Result<(), StoreError> {
        self.compared.wrote_everything();
        self.change("rewind", self.real.rewind(rollback), self.copy.rewind(rollback)).await
    }

    async fn begin_rebuild(&self, cause: &Cause) -> Result<(), StoreError> {
        self.change("begin_rebuild", self.real.begin_rebuild(cause), self.copy.begin_rebuild(cause)).await
    }

    async fn kept(&self, load: &Load) -> Result<Vec<Row>, StoreError> {
        let real = async { sorted(self.real.kept(load).await) };
        let copy = async { sorted(self.copy.kept(load).await) };
        self.both("what a rebuild set aside", real, copy).await
    }

    async fn finish_rebuild(&self, cause: &Cause) -> Result<(), StoreError> {
        self.compared.wrote_everything();
        self.change("finish_rebuild", self.real.finish_rebuild(cause), self.copy.finish_rebuild(cause)).await
    }

    async fn abort_rebuild(&self) {
        self.real.abort_rebuild().await;
        self.copy.abort_rebuild().await;
    }

    async fn forget_evidence(&self, reason: &str) -> Result<(), StoreError> {
        let copy = self.copy.forget_evidence(reason);
        self.change("forget_evidence", self.real.forget_evidence(reason), copy).await
    }

    async fn evidence(&self, blocks: BlockRange) -> Result<Vec<Evidence>, StoreError> {
        self.both("the evidence", self.real.evidence(blocks), self.copy.evidence(blocks)).await
    }

    async fn proved(&self) -> Result<Option<BlockRange>, StoreError> {
        self.both("what is proved", self.real.proved(), self.copy.proved()).await
    }

    async fn is_journaled(
        &self,
        table: &'static TableDef,
        keys: &[Row],
        above: u64,
    ) -> Result<bool, StoreError> {
        // A row that was changed, and changed back, is in the journal, and is what it was.
        let real = self.real.is_journaled(table, keys, above).await?;
        let copy = self.copy.is_journaled(table, keys, above).await?;
        if copy && !real {
            self.compared
                .note(|| format!("no image of a row of {} that was changed is in the journal", table.name));
        }
        Ok(real)
    }

    async fn dump(&self, table: &'static TableDef) -> Result<Vec<Row>, StoreError> {
        self.real.dump(table).await
    }
}

/// The tables that are compared: those of the worker's bookkeeping too, which both stores must hold alike.
pub fn tables() -> impl Iterator<Item = &'static TableDef> {
    table::ALL.into_iter()
}
