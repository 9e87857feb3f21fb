//! What the store in memory holds, and every change to it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use alloy::primitives::B256;

use crate::block::{BlockId, Header, Position};
use crate::mutant::{Mutant, is};
use crate::row::{Class, Row, Table, TableDef, Value};
use crate::store::{
    Cause, Checkpoint, Commit, Evidence, Rollback, Section, Status, StoreError, is_kept, is_refolded,
};
use crate::table::contract::Contract;
use crate::table::event::{AssetEvent, Observation, TransactionInput};
use crate::table::fold::Load;
use crate::table::{self};

/// A table's rows by their keys. Both are shared: a table is copied whenever an image of it is kept.
pub type Rows = BTreeMap<Arc<[Value]>, Arc<Row>>;
type Tables = BTreeMap<&'static str, Arc<Rows>>;

#[derive(Debug, Default, Clone)]
pub(super) struct State {
    pub(super) genesis: Option<B256>,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) tables: Tables,
    pub(super) headers: BTreeMap<u64, Header>,
    pub(super) evidence: Vec<Evidence>,
    /// The tables as they were just before each block above finality.
    before: BTreeMap<u64, Tables>,
    /// The newest writer.
    pub(super) epoch: u64,
    /// The tables of a rebuild that nobody else sees yet.
    pub(super) rebuilding: Option<Box<State>>,
    /// Indexes that wait for the end of the first load.
    pub(super) deferred_indexes: u32,
    /// The block where evidence begins: the one below the first that is read.
    pub(super) origin: Option<BlockId>,
    /// Inside a rebuild: blocks whose images have their derived tables again.
    refolded: Option<BTreeSet<u64>>,
    /// Inside a rebuild: ground that was set aside.
    kept: Tables,
}

impl State {
    pub(super) fn write(&mut self, section: &Section) -> Result<(), StoreError> {
        if let Some(block) = section.undo_block {
            let tables = self.tables.clone();
            match self.refolded.as_mut() {
                // Ground keeps its image: late logs of a contract found above finality go with its discovery.
                Some(refolded) => {
                    if refolded.insert(block) {
                        let derived = tables
                            .into_iter()
                            .filter(|(name, _)| table::by_name(name).is_some_and(is_refolded));
                        self.before.entry(block).or_default().extend(derived);
                    }
                }
                None => drop(self.before.entry(block).or_insert(tables)),
            }
        }
        // What belongs to an older block, or to no block that can be taken back, is in the images of all newer ones,
        // unless the row was changed in between.
        let first = section.undo_block.map_or(0, |block| block + 1);
        let inserts = section.changes.inserts.iter().map(|part| (part, true));
        let upserts = section.changes.upserts.iter().map(|part| (part, false));
        for ((table, rows), is_new) in inserts.chain(upserts) {
            for row in rows {
                self.put(table, row, is_new, first)?;
            }
        }
        Ok(())
    }

    fn put(
        &mut self,
        table: &'static TableDef,
        row: &Row,
        is_new: bool,
        first: u64,
    ) -> Result<(), StoreError> {
        let key: Arc<[Value]> = row[..table.key_len].into();
        let row = Arc::new(row.clone());
        for (_, tables) in self.before.range_mut(first..) {
            let old = self.tables.get(table.name).and_then(|rows| rows.get(&key));
            if tables.get(table.name).and_then(|rows| rows.get(&key)) == old {
                Arc::make_mut(tables.entry(table.name).or_default()).insert(key.clone(), row.clone());
            }
        }
        let replaced = Arc::make_mut(self.tables.entry(table.name).or_default()).insert(key, row.clone());
        // A rebuild writes events as it reads them now.
        let is_read_again = self.refolded.is_some() && *table == *AssetEvent::DEF;
        if replaced.is_some() && is_new && !is_read_again {
            return Err(StoreError::Refused {
                during: "commit",
                reason: format!("duplicate key in {}: {row:?} (SQLSTATE 23505)", table.name),
            });
        }
        Ok(())
    }

    /// Whether a block above one changed any of these rows: they are not what they were before it.
    pub(super) fn is_journaled(&self, table: &'static TableDef, keys: &[Row], above: u64) -> bool {
        let Some((_, before)) = self.before.range(above + 1..).next() else { return false };
        let row = |tables: &Tables, key: &Row| tables.get(table.name)?.get(key.as_slice()).cloned();
        keys.iter().any(|key| row(before, key) != row(&self.tables, key))
    }

    fn expect_checkpoint(&self, expected: BlockId) -> Result<Checkpoint, StoreError> {
        self.checkpoint
            .clone()
            .filter(|checkpoint| checkpoint.block.id == expected && checkpoint.status == Status::Running)
            .ok_or(StoreError::NotTheWriter)
    }

    pub(super) fn set_status(&mut self, status: Status) {
        if let Some(checkpoint) = &mut self.checkpoint {
            checkpoint.status = status;
        }
    }

    pub(super) fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let checkpoint = self.expect_checkpoint(commit.expected)?;
        for section in &commit.sections {
            self.write(section)?;
        }
        if let Some(block) = commit.sections.iter().filter_map(|section| section.undo_block).max()
            && block > commit.next.id.number
        {
            return Err(StoreError::NotTheWriter);
        }
        self.headers.insert(commit.next.id.number, commit.next);
        let finalized = later(checkpoint.finalized, commit.finalized);
        self.checkpoint = Some(Checkpoint { block: commit.next, finalized, ..checkpoint });
        for evidence in &commit.evidence {
            self.prove(evidence);
        }
        self.prune(finalized.number);
        Ok(())
    }

    fn prove(&mut self, new: &Evidence) {
        match self.evidence.iter_mut().find(|known| known.continues_with(new)) {
            Some(known) => {
                known.range.to = new.range.to;
                known.hash = new.hash;
                known.requests += new.requests;
            }
            None => self.evidence.push(new.clone()),
        }
        self.evidence.sort_by_key(|known| known.range.from);
        let Some(checkpoint) = &mut self.checkpoint else { return };
        for known in &self.evidence {
            let verified = checkpoint.verified;
            let next = verified.number + 1;
            let goes_on = known.range.from < next || known.parent == verified.hash;
            if known.range.contains(next) && goes_on {
                checkpoint.verified = known.last();
            }
        }
    }

    /// Nothing is proved above a block.
    fn unprove_above(&mut self, block: BlockId) {
        if is(Mutant::EvidenceOutlivesRollback) {
            return;
        }
        self.evidence.retain(|known| known.range.from <= block.number);
        for known in &mut self.evidence {
            if known.range.to > block.number {
                known.range.to = block.number;
                known.hash = block.hash;
            }
        }
        if let Some(checkpoint) = &mut self.checkpoint
            && checkpoint.verified.number > block.number
        {
            checkpoint.verified = block;
        }
    }

    pub(super) fn forget_evidence(&mut self) {
        self.evidence.clear();
        if let (Some(checkpoint), Some(origin)) = (&mut self.checkpoint, self.origin) {
            checkpoint.verified = origin;
        }
    }

    fn prune(&mut self, finalized: u64) {
        self.before.retain(|block, _| *block > finalized);
        let base = self.headers.range(..=finalized).next_back().map_or(0, |(number, _)| *number);
        self.headers.retain(|number, _| *number >= base);
    }

    pub(super) fn take_back(&mut self, rollback: &Rollback) -> Result<(), StoreError> {
        let checkpoint = self.expect_checkpoint(rollback.expected)?;
        let ancestor = rollback.ancestor.id;
        let kept = u64::from(is(Mutant::RollbackKeepsOne));
        let mut images = self.before.range(ancestor.number + 1 + kept..);
        let image = if is(Mutant::NewestImage) { images.next_back() } else { images.next() };
        if let Some((_, tables)) = image {
            self.tables = tables.clone();
        }
        self.before.retain(|block, _| *block <= ancestor.number);
        self.headers.retain(|number, _| *number <= ancestor.number);
        self.checkpoint = Some(Checkpoint { block: rollback.ancestor, ..checkpoint });
        self.unprove_above(ancestor);
        Ok(())
    }

    /// The rows that answer a question.
    pub(super) fn load(&self, load: &Load) -> Vec<Row> {
        select(&self.tables, load)
    }

    /// The rows that a rebuild set aside and that answer a question.
    pub(super) fn kept(&self, load: &Load) -> Vec<Row> {
        select(&self.kept, load)
    }

    /// Cuts or mends ground and empties what is derived from it.
    pub(super) fn prepare(&mut self, cause: &Cause) -> Result<(), StoreError> {
        match cause {
            Cause::Rebuild => {}
            Cause::Rewind(rollback) => self.cut(rollback)?,
            Cause::Repair { add, remove, .. } => {
                mend(&mut self.tables, add, remove)?;
            }
        }
        let kept = self.tables.iter().filter(|(name, _)| table::by_name(name).is_some_and(is_kept));
        self.kept = kept.map(|(name, rows)| (*name, rows.clone())).collect();
        for tables in self.before.values_mut().chain([&mut self.tables]) {
            tables.retain(|name, _| table::by_name(name).is_some_and(|table| !is_refolded(table)));
        }
        self.refolded = Some(BTreeSet::new());
        self.rebuilding = None;
        Ok(())
    }

    fn cut(&mut self, rollback: &Rollback) -> Result<(), StoreError> {
        self.set_status(Status::Running);
        let checkpoint = self.expect_checkpoint(rollback.expected)?;
        let ancestor = rollback.ancestor;
        let above = |table: &TableDef, row: &Row| {
            let number = table.column("block_number").map(|place| row[place].clone());
            matches!(number, Some(Value::Int(at)) if u64::try_from(at).is_ok_and(|at| at > ancestor.id.number))
        };
        for table in
            table::ALL.into_iter().filter(|table| table.is_append_only() && table.class == Class::Ground)
        {
            if let Some(rows) = self.tables.get_mut(table.name) {
                Arc::make_mut(rows).retain(|_, row| !above(table, row));
            }
        }
        self.before.retain(|block, _| *block <= ancestor.id.number);
        self.headers.retain(|number, _| *number <= ancestor.id.number);
        self.headers.insert(ancestor.id.number, ancestor);
        let finalized =
            if checkpoint.finalized.number > ancestor.id.number { ancestor.id } else { checkpoint.finalized };
        self.checkpoint = Some(Checkpoint { block: ancestor, finalized, ..checkpoint });
        self.unprove_above(ancestor.id);
        Ok(())
    }

    /// After a rebuild: ground of contracts that are not in the graph any more goes; and each image holds the ground of
    /// the contracts that were known just before its block.
    pub(super) fn drop_strangers(&mut self) {
        self.refolded = None;
        self.kept.clear();
        let known = contracts(&self.tables);
        if let Some(rows) = self.tables.get_mut(AssetEvent::DEF.name) {
            let emitter = |row: &Row| value(row, AssetEvent::DEF, "address");
            Arc::make_mut(rows).retain(|_, row| emitter(row).is_some_and(|of| known.contains(&of)));
        }
        for (block, tables) in &mut self.before {
            let known_then = contracts(tables);
            let later: BTreeSet<Value> =
                known.iter().filter(|of| !known_then.contains(*of)).cloned().collect();
            for table in [AssetEvent::DEF, Observation::DEF, TransactionInput::DEF] {
                let is_older = |row: &Row| {
                    let number = value(row, table, "block_number");
                    matches!(number, Some(Value::Int(at)) if u64::try_from(at).is_ok_and(|at| at < *block))
                };
                let rows = self.tables.get(table.name).into_iter().flat_map(|rows| rows.iter());
                // Observations were written anew, with the blocks that asked for them.
                let asked = (table == Observation::DEF).then(|| tables.get(table.name).cloned()).flatten();
                let was_asked = |key: &Arc<[Value]>| {
                    table != Observation::DEF || asked.as_ref().is_some_and(|asked| asked.contains_key(key))
                };
                let older = rows.filter(|(key, row)| is_older(row) && was_asked(key));
                let older: Rows = older.map(|(key, row)| (key.clone(), row.clone())).collect();
                tables.insert(table.name, Arc::new(older));
            }
            without_ground_of(tables, &later);
        }
    }
}

fn value(row: &Row, table: &TableDef, column: &str) -> Option<Value> {
    table.column(column).map(|place| row[place].clone())
}

/// The contracts that some tables know.
fn contracts(tables: &Tables) -> BTreeSet<Value> {
    let rows = tables.get(Contract::DEF.name).into_iter().flat_map(|rows| rows.values());
    rows.filter_map(|row| value(row, Contract::DEF, "address")).collect()
}

/// The rows of some tables that answer a question.
fn select(tables: &Tables, load: &Load) -> Vec<Row> {
    let Some(rows) = tables.get(load.table.name) else { return Vec::new() };
    let end = load.table.version_end();
    let is_open = |row: &Row| end.is_none_or(|end| row[end] == Value::Null);
    let is_prefix = load.columns.iter().enumerate().all(|(place, column)| place == *column);
    let mut found = Vec::new();
    for key in &load.keys {
        if is_prefix {
            let from = rows.range::<[Value], _>((Bound::Included(key.as_slice()), Bound::Unbounded));
            found.extend(
                from.take_while(|(stored, _)| stored.starts_with(key))
                    .filter(|(_, row)| is_open(row))
                    .map(|(_, row)| Row::clone(row)),
            );
        } else {
            let equal =
                |row: &&Arc<Row>| load.columns.iter().zip(key).all(|(column, value)| row[*column] == *value);
            found.extend(rows.values().filter(equal).filter(|row| is_open(row)).map(|row| Row::clone(row)));
        }
    }
    found
}

/// Takes events out of ground, and puts others in.
fn mend(tables: &mut Tables, add: &[AssetEvent], remove: &[Position]) -> Result<(), StoreError> {
    let events = Arc::make_mut(tables.entry(AssetEvent::DEF.name).or_default());
    let place = |row: &Row| -> Option<Position> {
        let event = AssetEvent::from_row(row.clone())?;
        Some(Position { block_number: event.block_number, log_index: event.log_index })
    };
    events.retain(|_, row| !place(row).is_some_and(|at| remove.contains(&at)));
    for row in add.iter().map(Table::to_row) {
        if let Some(row) = events.insert(row[..AssetEvent::DEF.key_len].into(), Arc::new(row)) {
            let reason = format!("duplicate key in asset_events: {row:?} (SQLSTATE 23505)");
            return Err(StoreError::Refused { during: "beginning a rebuild", reason });
        }
    }
    Ok(())
}

/// Takes ground that belongs to some contracts out, and the inputs that no event needs then.
fn without_ground_of(tables: &mut Tables, contracts: &BTreeSet<Value>) {
    if contracts.is_empty() {
        return;
    }
    for (table, name) in [(AssetEvent::DEF, "address"), (Observation::DEF, "target")] {
        if let Some(rows) = tables.get_mut(table.name) {
            let of = |row: &Row| value(row, table, name);
            Arc::make_mut(rows).retain(|_, row| of(row).is_none_or(|of| !contracts.contains(&of)));
        }
    }
    let place = |row: &Row, table: &TableDef| {
        (value(row, table, "block_number"), value(row, table, "transaction_index"))
    };
    let used: BTreeSet<_> = tables
        .get(AssetEvent::DEF.name)
        .map(|rows| rows.values().map(|row| place(row, AssetEvent::DEF)).collect())
        .unwrap_or_default();
    if let Some(rows) = tables.get_mut(TransactionInput::DEF.name) {
        Arc::make_mut(rows).retain(|_, row| used.contains(&place(row, TransactionInput::DEF)));
    }
}

fn later(one: BlockId, other: BlockId) -> BlockId {
    if other.number > one.number { other } else { one }
}
