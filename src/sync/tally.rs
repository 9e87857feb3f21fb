//! Counts what was committed, for metrics.

use std::collections::BTreeMap;

use crate::fact::{Role, Unreadable};
use crate::row::{Table, Value};
use crate::store::Commit;
use crate::table::event::AssetEvent;

/// What commits wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows, by table.
    pub rows: BTreeMap<&'static str, u64>,
    /// Logs, by the role of their contract.
    pub events: BTreeMap<&'static str, u64>,
    /// Logs that could not be decoded, by reason.
    pub unreadable: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Counts a commit that succeeded.
    pub(super) fn count(&mut self, commit: &Commit) {
        let role = AssetEvent::DEF.column("role");
        let unreadable = AssetEvent::DEF.column("unreadable");
        let text = |row: &[Value], place: Option<usize>| match place.and_then(|place| row.get(place)) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        for section in &commit.sections {
            for (table, rows) in section.changes.inserts.iter().chain(&section.changes.upserts) {
                *self.rows.entry(table.name).or_default() += rows.len() as u64;
                if *table != AssetEvent::DEF {
                    continue;
                }
                for row in rows {
                    if let Some(role) = text(row, role).and_then(|name| Role::from_name(&name)) {
                        *self.events.entry(role.name()).or_default() += 1;
                    }
                    let reason = text(row, unreadable);
                    let known = Unreadable::ALL.into_iter().find(|why| Some(why.name()) == reason.as_deref());
                    if let Some(why) = known {
                        *self.unreadable.entry(why.name()).or_default() += 1;
                    }
                }
            }
        }
    }
}
