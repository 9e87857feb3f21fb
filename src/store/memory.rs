//! A store in memory with the promises of the real one: for simulation by volume and for dry runs.
//!
//! Keeps whole images for undo, where PostgreSQL keeps before-images: the two mechanisms share nothing but the
//! declaration, so that one checks the other.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use alloy::primitives::{Address, B256};

use super::{Checkpoint, Commit, Rollback, Section, Start, Status, Store, StoreError};
use crate::block::{BlockId, BlockRange, Header, RawLog};
use crate::row::{Row, Table, TableDef, Value};
use crate::table::event::AssetEvent;
use crate::table::fold::Load;

type Rows = BTreeMap<Vec<Value>, Row>;

#[derive(Debug, Default, Clone)]
struct State {
    genesis: Option<B256>,
    checkpoint: Option<Checkpoint>,
    tables: BTreeMap<&'static str, Rows>,
    headers: BTreeMap<u64, Header>,
    /// The tables as they were just before each block above finality.
    before: BTreeMap<u64, BTreeMap<&'static str, Rows>>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is made on a copy or is a single assignment: a panicking writer leaves no half state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn write(&mut self, section: &Section) -> Result<(), StoreError> {
        if let Some(block) = section.undo_block {
            let tables = self.tables.clone();
            self.before.entry(block).or_insert(tables);
        }
        for (table, rows) in &section.changes.inserts {
            for row in rows {
                let key = row[..table.key_len].to_vec();
                let replaced = self.tables.entry(table.name).or_default().insert(key, row.clone());
                if replaced.is_some() {
                    return Err(StoreError::Refused {
                        during: "commit",
                        reason: format!("duplicate key in {}: {row:?}", table.name),
                    });
                }
            }
        }
        for (table, rows) in &section.changes.upserts {
            let stored = self.tables.entry(table.name).or_default();
            for row in rows {
                stored.insert(row[..table.key_len].to_vec(), row.clone());
            }
        }
        Ok(())
    }

    fn expect_checkpoint(&self, expected: BlockId) -> Result<Checkpoint, StoreError> {
        self.checkpoint
            .clone()
            .filter(|checkpoint| checkpoint.block.id == expected)
            .ok_or(StoreError::NotTheWriter)
    }

    fn prune(&mut self, finalized: u64) {
        self.before.retain(|block, _| *block > finalized);
        let base = self.headers.range(..=finalized).next_back().map_or(0, |(number, _)| *number);
        self.headers.retain(|number, _| *number >= base);
    }
}

impl Store for MemoryStore {
    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        Ok(self.state().checkpoint.clone())
    }

    async fn start(&self, start: &Start) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.checkpoint.is_some() {
            return Err(StoreError::NotTheWriter);
        }
        let mut next = state.clone();
        next.write(&Section { undo_block: None, changes: start.changes.clone() })?;
        next.genesis = Some(start.genesis);
        next.headers.insert(start.block.id.number, start.block);
        next.checkpoint =
            Some(Checkpoint { block: start.block, finalized: start.finalized, status: Status::Running });
        *state = next;
        Ok(())
    }

    async fn genesis(&self) -> Result<Option<B256>, StoreError> {
        Ok(self.state().genesis)
    }

    async fn load(&self, load: &Load) -> Result<Vec<Row>, StoreError> {
        let state = self.state();
        let Some(rows) = state.tables.get(load.table.name) else { return Ok(Vec::new()) };
        let open = load.table.column("to_block");
        let is_open =
            |row: &Row| load.table.thing_len.is_none() || open.is_none_or(|to| row[to] == Value::Null);
        let is_prefix = load.columns.iter().enumerate().all(|(place, column)| place == *column);
        let mut found = Vec::new();
        for key in &load.keys {
            if is_prefix {
                let from = rows.range(key.clone()..);
                found.extend(
                    from.take_while(|(stored, _)| stored.starts_with(key))
                        .filter(|(_, row)| is_open(row))
                        .map(|(_, row)| row.clone()),
                );
            } else {
                let equal =
                    |row: &&Row| load.columns.iter().zip(key).all(|(column, value)| row[*column] == *value);
                found.extend(rows.values().filter(equal).filter(|row| is_open(row)).cloned());
            }
        }
        Ok(found)
    }

    async fn headers(&self) -> Result<Vec<Header>, StoreError> {
        Ok(self.state().headers.values().copied().collect())
    }

    async fn ground_logs(
        &self,
        range: BlockRange,
        addresses: Option<&[Address]>,
    ) -> Result<Vec<RawLog>, StoreError> {
        let state = self.state();
        let Some(rows) = state.tables.get(AssetEvent::DEF.name) else { return Ok(Vec::new()) };
        rows.values()
            .map(|row| AssetEvent::from_row(row.clone()).ok_or_else(|| StoreError::misfit(AssetEvent::DEF)))
            .filter(|event| event.as_ref().map_or(true, |event| range.contains(event.block_number)))
            .filter(|event| {
                event
                    .as_ref()
                    .map_or(true, |event| addresses.is_none_or(|wanted| wanted.contains(&event.address)))
            })
            .map(|event| event.map(|event| event.log()))
            .collect()
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let mut state = self.state();
        let checkpoint = state.expect_checkpoint(commit.expected)?;
        let mut next = state.clone();
        for section in &commit.sections {
            next.write(section)?;
        }
        if let Some(block) = commit.sections.iter().filter_map(|section| section.undo_block).max()
            && block > commit.next.id.number
        {
            return Err(StoreError::NotTheWriter);
        }
        next.headers.insert(commit.next.id.number, commit.next);
        let finalized = later(checkpoint.finalized, commit.finalized);
        next.checkpoint = Some(Checkpoint { block: commit.next, finalized, ..checkpoint });
        next.prune(finalized.number);
        *state = next;
        Ok(())
    }

    async fn rollback(&self, rollback: &Rollback) -> Result<(), StoreError> {
        let mut state = self.state();
        let checkpoint = state.expect_checkpoint(rollback.expected)?;
        let ancestor = rollback.ancestor.id.number;
        let mut next = state.clone();
        if let Some((_, tables)) = next.before.range(ancestor + 1..).next() {
            next.tables = tables.clone();
        }
        next.before.retain(|block, _| *block <= ancestor);
        next.headers.retain(|number, _| *number <= ancestor);
        next.checkpoint = Some(Checkpoint { block: rollback.ancestor, ..checkpoint });
        *state = next;
        Ok(())
    }

    async fn halt(&self, reason: &str) -> Result<(), StoreError> {
        let mut state = self.state();
        if let Some(checkpoint) = &mut state.checkpoint {
            checkpoint.status = Status::Halted { reason: reason.to_owned() };
        }
        Ok(())
    }

    async fn dump(&self, table: &'static TableDef) -> Result<Vec<Row>, StoreError> {
        let state = self.state();
        Ok(state.tables.get(table.name).map(|rows| rows.values().cloned().collect()).unwrap_or_default())
    }
}

fn later(one: BlockId, other: BlockId) -> BlockId {
    if other.number > one.number { other } else { one }
}
