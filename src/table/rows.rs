//! The rows of one table as a fold sees them: what the store holds, and what the facts have made of it.
//!
//! A fold that asks for a row that was not loaded yet gets [`Missing`] and the key is noted; whoever drives the fold
//! loads what was noted and folds again from the start. So the fold stays pure, and no fact has to declare beforehand
//! which rows it will touch.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;

use crate::row::{Row, Table};

/// The fold needs something that is not at hand yet; it has been noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing;

/// See the module.
#[derive(Debug)]
pub struct Rows<T: Table> {
    stored: HashMap<T::Key, Option<T>, RandomState>,
    now: HashMap<T::Key, T, RandomState>,
    ended: Vec<T>,
    wanted: BTreeSet<T::Key>,
}

impl<T: Table> Default for Rows<T> {
    fn default() -> Self {
        Self {
            stored: HashMap::default(),
            now: HashMap::default(),
            ended: Vec::new(),
            wanted: BTreeSet::new(),
        }
    }
}

impl<T: Table> Rows<T> {
    /// The row in force: of a versioned table, the open version.
    ///
    /// # Errors
    /// [`Missing`] when the store has not been asked yet.
    pub fn get(&mut self, key: &T::Key) -> Result<Option<T>, Missing> {
        if let Some(row) = self.now.get(key) {
            return Ok(row.is_open().then(|| row.clone()));
        }
        match self.stored.get(key) {
            Some(row) => Ok(row.clone()),
            None => {
                self.wanted.insert(key.clone());
                Err(Missing)
            }
        }
    }

    /// Makes this the row in force.
    pub fn put(&mut self, row: T) {
        let key = row.key();
        if T::DEF.thing_len.is_none() {
            self.now.insert(key, row);
            return;
        }
        if let Some(previous) = self.now.insert(key, row.clone())
            && !same_primary_key(&previous, &row)
        {
            self.ended.push(previous);
        }
    }

    /// The rows in force that are at hand: those that facts have written, and those that the store holds, or will hold once
    /// what was taken is written. One that was replaced may be among them.
    pub fn at_hand(&self) -> impl Iterator<Item = &T> {
        self.now.values().chain(self.stored.values().flatten())
    }

    /// Takes a row that the answer to another question told; what is known of its key already may be newer than the store.
    pub fn told(&mut self, row: T) {
        let key = row.key();
        self.wanted.remove(&key);
        self.stored.entry(key).or_insert(Some(row));
    }

    /// The keys that were asked for in vain, as values of the table's first columns.
    pub fn wanted(&self) -> Vec<Row> {
        self.wanted.iter().map(T::key_values).collect()
    }

    /// Tells the answer of the store to all of [`Rows::wanted`]: what is not among the rows does not exist.
    ///
    /// Returns false when a row does not fit the table's declaration.
    pub fn load(&mut self, rows: Vec<Row>) -> bool {
        for key in std::mem::take(&mut self.wanted) {
            self.stored.insert(key, None);
        }
        for row in rows {
            let Some(row) = T::from_row(row) else { return false };
            self.stored.insert(row.key(), Some(row));
        }
        true
    }

    /// Forgets what facts have written, not what was loaded.
    pub fn reset(&mut self) {
        self.now.clear();
        self.ended.clear();
    }

    /// The rows to write, in key order; afterwards they count as stored.
    pub fn take(&mut self) -> Vec<Row> {
        let mut changed = std::mem::take(&mut self.ended);
        for (key, row) in self.now.drain() {
            if self.stored.get(&key).and_then(Option::as_ref) != Some(&row) {
                changed.push(row.clone());
            }
            let stored = row.is_open().then_some(row);
            self.stored.insert(key, stored);
        }
        in_key_order(changed)
    }
}

/// Rows in the order of their primary keys: two runs take locks in the same order, and pages are filled in theirs.
pub(super) fn in_key_order<T: Table>(mut typed: Vec<T>) -> Vec<Row> {
    // Keys are cheaper to compare as what they are than as the values of a row; versions of one thing share theirs, and are
    // all that the second sorting finds to do.
    typed.sort_by_cached_key(T::key);
    // Not by `into_iter`: collected in their place, the rows would keep the room of what is ten times as large.
    let mut rows: Vec<Row> = typed.drain(..).map(T::into_row).collect();
    rows.sort_unstable();
    rows
}

fn same_primary_key<T: Table>(one: &T, other: &T) -> bool {
    one.to_row()[..T::DEF.key_len] == other.to_row()[..T::DEF.key_len]
}
