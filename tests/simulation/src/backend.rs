//! Where the tables live in a run: in memory, or on PostgreSQL with a copy in memory beside.

use std::future::Future;

use asset_indexer::store::memory::{MemoryStore, Snapshot};

use crate::stored::Stored;

/// See the module.
pub trait Backend: std::fmt::Debug {
    /// Everything at one instant.
    type Snapshot;

    /// A new writer: every older one changes nothing any more.
    fn writer(&self) -> impl Future<Output = Stored>;

    /// The tables, or their copy, for comparison; not a writer.
    fn tables(&self) -> MemoryStore;

    /// Everything, as it is now.
    fn snapshot(&self) -> impl Future<Output = Self::Snapshot>;

    /// Everything, as it was.
    fn restore(&self, snapshot: &Self::Snapshot) -> impl Future<Output = ()>;

    /// Cuts the writer's connection some statements from now, where there is one.
    fn cut(&self) -> impl Future<Output = ()>;

    /// Compares everything with the copy, where there is one.
    fn differs(&self) -> impl Future<Output = Option<String>>;
}

/// In memory alone.
#[derive(Debug, Default)]
pub struct InMemory(MemoryStore);

impl Backend for InMemory {
    type Snapshot = Snapshot;

    async fn writer(&self) -> Stored {
        Stored::Memory(self.0.taken_over())
    }

    fn tables(&self) -> MemoryStore {
        self.0.clone()
    }

    async fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }

    async fn restore(&self, snapshot: &Snapshot) {
        self.0.restore(snapshot.clone());
    }

    async fn cut(&self) {}

    async fn differs(&self) -> Option<String> {
        None
    }
}
