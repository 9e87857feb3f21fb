//! The rows of a commit under way, laid over what the store answers meanwhile: so the next range is folded before the one
//! below it is written.
//!
//! Pure. Invariant: whether the store answered from before the commit or from after it, what comes out is from after it.
//! Whether the commit comes through is not known here; what was folded over one that fails is thrown away.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use foldhash::fast::RandomState;

use crate::block::BlockId;
use crate::row::{Row, Value};
use crate::store::Commit;
use crate::table::fold::Load;

type ByKey<'a> = HashMap<&'a [Value], &'a Row, RandomState>;

/// See the module.
#[derive(Debug)]
pub(super) struct Pending<'a> {
    /// The checkpoints before the commit and after it.
    pub(super) at: [BlockId; 2],
    tables: HashMap<&'static str, Written<'a>, RandomState>,
}

#[derive(Debug, Default)]
struct Written<'a> {
    /// In the order in which they are written: of one key the last counts.
    lists: Vec<&'a [Row]>,
    /// Made when the first question comes: most rows are of tables that no fold reads.
    by_key: OnceLock<ByKey<'a>>,
}

impl<'a> Pending<'a> {
    /// What this commit will have written.
    pub(super) fn of(commit: &'a Commit) -> Self {
        let mut tables: HashMap<_, Written<'a>, RandomState> = HashMap::default();
        for section in &commit.sections {
            for (table, rows) in section.changes.inserts.iter().chain(&section.changes.upserts) {
                tables.entry(table.name).or_default().lists.push(rows);
            }
        }
        Self { at: [commit.expected, commit.next.id], tables }
    }

    fn written(&self, load: &Load) -> Option<&ByKey<'a>> {
        let written = self.tables.get(load.table.name)?;
        let key_len = load.table.key_len;
        let rows = || written.lists.iter().flat_map(|rows| rows.iter());
        Some(written.by_key.get_or_init(|| rows().map(|row| (&row[..key_len], row)).collect()))
    }

    /// What is left to ask the store: a row that is written is known already, where the question names it by its whole key.
    pub(super) fn unanswered<'l>(&self, load: &'l Load) -> Cow<'l, Load> {
        match self.written(load) {
            Some(written) if names_rows(load) => {
                let left = load.keys.iter().filter(|key| !written.contains_key(key.as_slice()));
                let (columns, keys) = (load.columns.clone(), left.cloned().collect());
                Cow::Owned(Load { table: load.table, columns, keys })
            }
            _ => Cow::Borrowed(load),
        }
    }

    /// The store's rows as they will be after the commit.
    pub(super) fn lay_over(&self, load: &Load, mut stored: Vec<Row>) -> Vec<Row> {
        let Some(written) = self.written(load) else { return stored };
        stored.retain(|row| !written.contains_key(&row[..load.table.key_len]));
        // As the store does: of versioned tables only open versions.
        let end = load.table.version_end();
        let is_open = |row: &&Row| end.is_none_or(|end| row[end] == Value::Null);
        if names_rows(load) {
            let found = load.keys.iter().filter_map(|key| written.get(key.as_slice()).copied());
            stored.extend(found.filter(is_open).cloned());
        } else {
            let keys: HashSet<&Row, RandomState> = load.keys.iter().collect();
            let answers = |row: &&Row| {
                let named: Row = load.columns.iter().map(|column| row[*column].clone()).collect();
                keys.contains(&named)
            };
            stored.extend(written.values().copied().filter(is_open).filter(answers).cloned());
        }
        stored
    }
}

/// Whether a question names rows by their whole key.
fn names_rows(load: &Load) -> bool {
    load.columns.iter().copied().eq(0..load.table.key_len)
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
