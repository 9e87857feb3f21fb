//! A store in memory with the promises of the real one: for simulation by volume and for dry runs.
//!
//! Keeps whole images for undo, where PostgreSQL keeps before-images: the two mechanisms share nothing but the
//! declaration, so that one checks the other. Tables are shared between images until one changes.

mod images;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy::primitives::{Address, B256};

use super::{
    Built, Cause, Checkpoint, Commit, Evidence, Rollback, Section, Start, Status, Store, StoreError,
};
use crate::block::{BlockId, BlockRange, Header, RawLog};
use crate::mutant::{Mutant, is};
use crate::row::{Row, Table, TableDef, Value};
use crate::table::event::AssetEvent;
use crate::table::fold::Load;
pub use images::Rows;
use images::State;

/// How many indexes wait for the end of a first load. There are none here; the waiting is as in PostgreSQL.
const DEFERRED_INDEXES: u32 = 3;

/// See the module. Cheap to copy: copies are handles on the same tables.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    epoch: u64,
}

/// Everything in a store at one instant.
#[derive(Debug, Clone)]
pub struct Snapshot(State);

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new writer's handle on the same tables: every older handle changes nothing any more.
    #[must_use]
    pub fn taken_over(&self) -> Self {
        let mut state = self.state();
        state.epoch += 1;
        // What the writer before had begun is gone with its connection.
        state.rebuilding = None;
        Self { state: self.state.clone(), epoch: state.epoch }
    }

    /// Everything, as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.state().clone())
    }

    /// Puts an older state back, as a failover to a standby that lost the last commits does; epochs stay.
    pub fn restore(&self, snapshot: Snapshot) {
        let mut state = self.state();
        let epoch = state.epoch;
        *state = snapshot.0;
        state.epoch = epoch;
        state.rebuilding = None;
    }

    /// Looks at a table's rows by their keys, without copying them: for comparison.
    pub fn with_rows<T>(&self, table: &'static TableDef, look: impl FnOnce(&Rows) -> T) -> T {
        self.read(|state| match state.tables.get(table.name) {
            Some(rows) => look(rows),
            None => look(&Rows::new()),
        })
    }

    /// How many indexes wait for the end of the first load.
    pub fn deferred_indexes(&self) -> u32 {
        self.read(|state| state.deferred_indexes)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made on a copy or is a single assignment: a panicking writer leaves no half state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change on a copy and keeps it when it went well and the writer's epoch is still the newest.
    fn change(&self, change: impl FnOnce(&mut State) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.epoch != self.epoch && !is(Mutant::EpochUnchecked) {
            return Err(StoreError::NotTheWriter);
        }
        let mut next = state.clone();
        change(&mut next)?;
        *state = next;
        Ok(())
    }

    /// What this writer sees: the tables of a rebuild under way, if there is one.
    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        let state = self.state();
        match &state.rebuilding {
            Some(rebuilding) if state.epoch == self.epoch => read(rebuilding),
            _ => read(&state),
        }
    }
}

impl Store for MemoryStore {
    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        Ok(self.read(|state| state.checkpoint.clone()))
    }

    async fn start(&self, start: &Start) -> Result<(), StoreError> {
        self.change(|state| {
            if state.checkpoint.is_some() {
                return Err(StoreError::NotTheWriter);
            }
            state.write(&Section { undo_block: None, changes: start.changes.clone() })?;
            state.deferred_indexes = if start.defers_indexes { DEFERRED_INDEXES } else { 0 };
            state.genesis = Some(start.genesis);
            state.origin = Some(start.block.id);
            state.headers.insert(start.block.id.number, start.block);
            state.checkpoint = Some(Checkpoint {
                block: start.block,
                finalized: start.finalized,
                verified: start.block.id,
                status: Status::Running,
            });
            Ok(())
        })
    }

    async fn build_index(&self) -> Result<Built, StoreError> {
        let mut built = Built::Nothing;
        self.change(|state| {
            if let Some(left) = state.deferred_indexes.checked_sub(1) {
                state.deferred_indexes = left;
                built = Built::Index(format!("index_{left}"));
            }
            Ok(())
        })?;
        Ok(built)
    }

    async fn genesis(&self) -> Result<Option<B256>, StoreError> {
        Ok(self.read(|state| state.genesis))
    }

    async fn load(&self, load: &Load) -> Result<Vec<Row>, StoreError> {
        Ok(self.read(|state| state.load(load)))
    }

    async fn load_beside(&self, load: &Load, at: [BlockId; 2]) -> Result<Vec<Row>, StoreError> {
        self.read(|state| match &state.checkpoint {
            Some(checkpoint) if at.contains(&checkpoint.block.id) => Ok(state.load(load)),
            _ => Err(StoreError::elsewhere(at)),
        })
    }

    async fn headers(&self) -> Result<Vec<Header>, StoreError> {
        Ok(self.read(|state| state.headers.values().copied().collect()))
    }

    async fn ground_logs(
        &self,
        range: BlockRange,
        addresses: Option<&[Address]>,
    ) -> Result<Vec<RawLog>, StoreError> {
        self.read(|state| {
            let Some(rows) = state.tables.get(AssetEvent::DEF.name) else { return Ok(Vec::new()) };
            let (number, emitter) = (AssetEvent::DEF.column("block_number"), AssetEvent::DEF.column("address"));
            let (Some(number), Some(emitter)) = (number, emitter) else {
                return Err(StoreError::misfit(AssetEvent::DEF));
            };
            let is_wanted = |row: &&Arc<Row>| {
                let in_range =
                    matches!(row[number], Value::Int(at) if u64::try_from(at).is_ok_and(|at| range.contains(at)));
                let is_of = |wanted: &[Address]| {
                    matches!(&row[emitter], Value::Bytes(of) if wanted.iter().any(|address| address == of.as_slice()))
                };
                in_range && addresses.is_none_or(is_of)
            };
            rows.values()
                .filter(is_wanted)
                .map(|row| {
                    let event = AssetEvent::from_row(Row::clone(row));
                    event.map(|event| event.log()).ok_or_else(|| StoreError::misfit(AssetEvent::DEF))
                })
                .collect()
        })
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        self.change(|state| match &mut state.rebuilding {
            Some(rebuilding) => commit.sections.iter().try_for_each(|section| rebuilding.write(section)),
            None => state.commit(commit),
        })
    }

    async fn rollback(&self, rollback: &Rollback) -> Result<(), StoreError> {
        self.change(|state| state.take_back(rollback))
    }

    async fn halt(&self, reason: &str) -> Result<(), StoreError> {
        self.change(|state| {
            state.set_status(Status::Halted { reason: reason.to_owned() });
            Ok(())
        })
    }

    async fn resume(&self, _: &str) -> Result<(), StoreError> {
        self.change(|state| {
            state.set_status(Status::Running);
            if let Some(checkpoint) = &mut state.checkpoint
                && checkpoint.finalized.number > checkpoint.block.id.number
            {
                checkpoint.finalized = checkpoint.block.id;
            }
            Ok(())
        })
    }

    async fn rewind(&self, rollback: &Rollback) -> Result<(), StoreError> {
        self.change(|state| {
            state.set_status(Status::Running);
            state.take_back(rollback)
        })
    }

    async fn begin_rebuild(&self, cause: &Cause) -> Result<(), StoreError> {
        self.change(|state| {
            let mut rebuilding = state.clone();
            rebuilding.prepare(cause)?;
            state.rebuilding = Some(Box::new(rebuilding));
            Ok(())
        })
    }

    async fn kept(&self, load: &Load) -> Result<Vec<Row>, StoreError> {
        Ok(self.read(|state| state.kept(load)))
    }

    async fn finish_rebuild(&self, _: &Cause) -> Result<(), StoreError> {
        self.change(|state| {
            let Some(mut rebuilt) = state.rebuilding.take() else {
                let reason = "the transaction of the rebuild is gone".to_owned();
                return Err(StoreError::Unavailable { during: "finishing a rebuild", reason });
            };
            rebuilt.drop_strangers();
            *state = *rebuilt;
            Ok(())
        })
    }

    async fn abort_rebuild(&self) {
        let mut state = self.state();
        if state.epoch == self.epoch {
            state.rebuilding = None;
        }
    }

    async fn forget_evidence(&self, _: &str) -> Result<(), StoreError> {
        self.change(|state| {
            state.forget_evidence();
            Ok(())
        })
    }

    async fn evidence(&self, blocks: BlockRange) -> Result<Vec<Evidence>, StoreError> {
        Ok(self.read(|state| {
            let ends = |stretch: &&Evidence| stretch.range.to >= blocks.from;
            let mut found: Vec<Evidence> = state.evidence.iter().filter(ends).cloned().collect();
            let within = found.iter().take_while(|stretch| stretch.range.to <= blocks.to).count();
            found.truncate(within + 1);
            found
        }))
    }

    async fn proved(&self) -> Result<Option<BlockRange>, StoreError> {
        Ok(self.read(|state| {
            let (first, last) = (state.evidence.first()?, state.evidence.last()?);
            Some(BlockRange { from: first.range.from, to: last.range.to })
        }))
    }

    async fn is_journaled(
        &self,
        table: &'static TableDef,
        keys: &[Row],
        above: u64,
    ) -> Result<bool, StoreError> {
        Ok(self.read(|state| state.is_journaled(table, keys, above)))
    }

    async fn dump(&self, table: &'static TableDef) -> Result<Vec<Row>, StoreError> {
        Ok(self.read(|state| {
            let rows = state.tables.get(table.name).into_iter().flat_map(|rows| rows.values());
            rows.map(|row| Row::clone(row)).collect()
        }))
    }
}
