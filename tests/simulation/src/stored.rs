//! Either kind of store as one type: the product's generic code is then compiled once.

use alloy::primitives::{Address, B256};
use asset_indexer::block::{BlockId, BlockRange, Header, RawLog};
use asset_indexer::row::{Row, TableDef};
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::{Built, Cause, Checkpoint, Commit, Evidence, Rollback, Start, Store, StoreError};
use asset_indexer::table::fold::Load;

use crate::twin::Twin;

/// See the module.
#[derive(Debug)]
pub enum Stored {
    /// In memory alone.
    Memory(MemoryStore),
    /// On PostgreSQL, with a copy in memory.
    Twin(Box<Twin>),
}

impl Stored {
    /// How many indexes wait for the end of the first load, by the copy in memory.
    pub fn deferred_indexes(&self) -> u32 {
        match self {
            Self::Memory(store) => store.deferred_indexes(),
            Self::Twin(store) => store.deferred_indexes(),
        }
    }
}

impl Store for Stored {
    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        match self {
            Self::Memory(store) => store.checkpoint().await,
            Self::Twin(store) => store.checkpoint().await,
        }
    }

    async fn start(&self, start: &Start) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.start(start).await,
            Self::Twin(store) => store.start(start).await,
        }
    }

    async fn build_index(&self) -> Result<Built, StoreError> {
        match self {
            Self::Memory(store) => store.build_index().await,
            Self::Twin(store) => store.build_index().await,
        }
    }

    async fn genesis(&self) -> Result<Option<B256>, StoreError> {
        match self {
            Self::Memory(store) => store.genesis().await,
            Self::Twin(store) => store.genesis().await,
        }
    }

    async fn load(&self, load: &Load) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Memory(store) => store.load(load).await,
            Self::Twin(store) => store.load(load).await,
        }
    }

    async fn load_beside(&self, load: &Load, at: [BlockId; 2]) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Memory(store) => store.load_beside(load, at).await,
            Self::Twin(store) => store.load_beside(load, at).await,
        }
    }

    async fn headers(&self) -> Result<Vec<Header>, StoreError> {
        match self {
            Self::Memory(store) => store.headers().await,
            Self::Twin(store) => store.headers().await,
        }
    }

    async fn ground_logs(
        &self,
        range: BlockRange,
        addresses: Option<&[Address]>,
    ) -> Result<Vec<RawLog>, StoreError> {
        match self {
            Self::Memory(store) => store.ground_logs(range, addresses).await,
            Self::Twin(store) => store.ground_logs(range, addresses).await,
        }
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.commit(commit).await,
            Self::Twin(store) => store.commit(commit).await,
        }
    }

    async fn rollback(&self, rollback: &Rollback) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.rollback(rollback).await,
            Self::Twin(store) => store.rollback(rollback).await,
        }
    }

    async fn halt(&self, reason: &str) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.halt(reason).await,
            Self::Twin(store) => store.halt(reason).await,
        }
    }

    async fn resume(&self, reason: &str) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.resume(reason).await,
            Self::Twin(store) => store.resume(reason).await,
        }
    }

    async fn rewind(&self, rollback: &Rollback) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.rewind(rollback).await,
            Self::Twin(store) => store.rewind(rollback).await,
        }
    }

    async fn begin_rebuild(&self, cause: &Cause) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.begin_rebuild(cause).await,
            Self::Twin(store) => store.begin_rebuild(cause).await,
        }
    }

    async fn kept(&self, load: &Load) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Memory(store) => store.kept(load).await,
            Self::Twin(store) => store.kept(load).await,
        }
    }

    async fn finish_rebuild(&self, cause: &Cause) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.finish_rebuild(cause).await,
            Self::Twin(store) => store.finish_rebuild(cause).await,
        }
    }

    async fn abort_rebuild(&self) {
        match self {
            Self::Memory(store) => store.abort_rebuild().await,
            Self::Twin(store) => store.abort_rebuild().await,
        }
    }

    async fn forget_evidence(&self, reason: &str) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.forget_evidence(reason).await,
            Self::Twin(store) => store.forget_evidence(reason).await,
        }
    }

    async fn evidence(&self, blocks: BlockRange) -> Result<Vec<Evidence>, StoreError> {
        match self {
            Self::Memory(store) => store.evidence(blocks).await,
            Self::Twin(store) => store.evidence(blocks).await,
        }
    }

    async fn proved(&self) -> Result<Option<BlockRange>, StoreError> {
        match self {
            Self::Memory(store) => store.proved().await,
            Self::Twin(store) => store.proved().await,
        }
    }

    async fn is_journaled(
        &self,
        table: &'static TableDef,
        keys: &[Row],
        above: u64,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Memory(store) => store.is_journaled(table, keys, above).await,
            Self::Twin(store) => store.is_journaled(table, keys, above).await,
        }
    }

    async fn dump(&self, table: &'static TableDef) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Memory(store) => store.dump(table).await,
            Self::Twin(store) => store.dump(table).await,
        }
    }
}
