//! Where two sets of rows differ, told so that a person can follow it.
//!
//! What no document says at all cannot be told right from wrong. Most of it was settled by what the tables did when both
//! sides first met; from then on it cannot change unseen:
//!
//! - `event_data` names parameters without their leading underscore, and shows 4 KiB of bytes, 8 KiB of text and 1024
//!   elements; names, symbols and versions keep 1 KiB, other text 8 KiB. NUL is `\\0`; a byte that is not UTF-8 is
//!   `\\xNN`, but U+FFFD in `event_data` and `version`.
//! - Words that no compiler writes: addresses, flags and short bytes are read as the EVM masks them; an integer that its
//!   type cannot hold makes the log unreadable.
//! - `operation_type` is `approve` for an approval and `other` where nothing else fits; of several things that a
//!   transaction did any may stand in `asset_transactions`. A changed pointer is no `to_address`.
//! - `executed_by` is who signed, for all of a token's operations in a transaction that is read because of a transfer.
//! - The links are called as in `registry.rs`. `TokenUnbound` ends only the pointer to that token.
//! - Every log about a registration begins a version, but not one that gives an identity to itself. A key that is added
//!   again keeps its version; a trusted issuer or a claim that is set again begins one.
//! - A partial freeze below zero is flagged as a negative balance.
//! - A compliance module's name is read as a token's is, also from 32 bytes padded with NUL; `Upgraded` asks again, and an
//!   answer that is no text takes the name away.
//! - A document's `uri` is other text: 8 KiB, `\\xNN`, in `asset_documents` and in the operation's `parameters` alike.
//!   Setting or removing one is never what a transaction is called that moves units or freezes.
//! - The day of a block is that of its time as it is kept, at most the end of the year 9999.
//! - `ClaimTopicsUpdated` announces its issuer; of two announcements in one log the first parameter's stands.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::row::{Row, Tables};

/// The covered tables and the columns that name a row of each. Two tables are named by a uuid in the database; here it
/// is what the uuid is computed from.
pub const KEYS: &[(&str, &[&str])] = &[
    ("asset_events", &["chain_id", "block_number", "log_index", "part"]),
    ("contracts", &["chain_id", "address"]),
    ("contract_links", &["chain_id", "address", "link", "slot", "from_block", "from_log"]),
    ("assets", &["chain_id", "contract_address"]),
    ("asset_holders", &["chain_id", "asset_id", "holder"]),
    ("ownership_history", &["chain_id", "asset_id", "holder", "block_number", "log_index"]),
    ("asset_transactions", &["chain_id", "block_number", "log_index", "part"]),
    ("asset_operations", &["chain_id", "block_number", "log_index", "part"]),
    ("asset_permissions", &["chain_id", "address", "permission_type", "account", "from_block", "from_log"]),
    ("registrations", &["chain_id", "storage", "wallet", "from_block", "from_log"]),
    ("verification_providers", &["chain_id", "registry", "issuer", "from_block", "from_log"]),
    ("required_topics", &["chain_id", "registry", "topic", "from_block", "from_log"]),
    ("identities", &["chain_id", "onchain_id"]),
    ("identity_links", &["chain_id", "factory", "account", "from_block", "from_log"]),
    ("identity_keys", &["chain_id", "identity", "key_hash", "purpose", "from_block", "from_log"]),
    ("identity_claims", &["chain_id", "identity", "claim_id", "from_block", "from_log"]),
    ("claim_revocations", &["chain_id", "issuer", "signature_hash"]),
    ("compliance_modules", &["chain_id", "module"]),
    (
        "module_parameters",
        &["chain_id", "module", "scope", "parameter", "argument", "from_block", "from_log"],
    ),
    ("asset_days", &["chain_id", "asset_id", "day"]),
    ("asset_documents", &["chain_id", "asset_id", "name", "from_block", "from_log"]),
];

/// Columns of covered tables that no document determines, and why. They are compared only in rows for which the oracle
/// knows them all the same: the parameters of operations on documents are specified.
pub const UNSPECIFIED: &[(&str, &str, &str)] =
    &[("asset_operations", "parameters", "\"whatever else the event says\": the names are not written down")];

/// The columns that name a row, as values that sort as their columns do.
pub(crate) fn key(table: &str, row: &Row) -> Vec<String> {
    let (_, columns) = KEYS.iter().find(|(name, _)| *name == table).expect("a covered table");
    columns
        .iter()
        .map(|column| match row.get(column) {
            Some(Value::Number(number)) => format!("{:>20}", number.to_string()),
            Some(Value::String(text)) => text.clone(),
            other => format!("{other:?}"),
        })
        .collect()
}

/// One difference between the rows under test and the oracle's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The columns that name the row, in the table's order.
    pub key: Vec<String>,
    /// The column; none where only one side has the row.
    pub column: Option<&'static str>,
    /// What the rows under test hold.
    pub ours: String,
    /// What the oracle's hold.
    pub oracle: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key: Vec<_> = self.key.iter().map(|part| part.trim()).collect();
        let what = self.column.unwrap_or("row");
        write!(f, "{} ({}): {what}:", self.table, key.join(", "))?;
        write!(f, "\n        ours     {}\n        oracle's {}", self.ours, self.oracle)
    }
}

/// Every difference between the rows under test and the oracle's.
///
/// A column that only one side has is a difference too, unless [`UNSPECIFIED`] names it and the oracle is the side that
/// lacks it.
pub fn differences(ours: &Tables, oracle: &Tables) -> Vec<Difference> {
    let mut found = Vec::new();
    for (table, _) in KEYS {
        let (our_rows, oracle_rows) = (by_key(table, ours), by_key(table, oracle));
        let keys: BTreeSet<_> = our_rows.keys().chain(oracle_rows.keys()).collect();
        for key in keys {
            match (our_rows.get(key), oracle_rows.get(key)) {
                (Some(one), Some(other)) => found.extend(columns(table, key, one, other)),
                (one, other) => {
                    let shown = |row: Option<&&Row>| row.map_or("has none".to_owned(), |row| shown(row));
                    found.push(Difference {
                        table,
                        key: key.clone(),
                        column: None,
                        ours: shown(one),
                        oracle: shown(other),
                    });
                }
            }
        }
    }
    found
}

/// A text for people: at most `each` differences of every table and column, and how many there are.
pub fn summary(differences: &[Difference], each: usize) -> String {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for difference in differences {
        groups.entry((difference.table, difference.column)).or_default().push(difference);
    }
    let mut text = String::new();
    for ((table, column), group) in groups {
        text += &format!("{table}, {}: {} different\n", column.unwrap_or("rows"), group.len());
        for difference in group.into_iter().take(each) {
            text += &format!("    {difference}\n");
        }
    }
    text
}

fn by_key<'a>(table: &str, tables: &'a Tables) -> BTreeMap<Vec<String>, &'a Row> {
    let rows = tables.get(table).into_iter().flatten();
    let mut by_key = BTreeMap::new();
    for row in rows {
        let before = by_key.insert(key(table, row), row);
        assert!(before.is_none(), "{table}: two rows have one key: {row:?}");
    }
    by_key
}

fn columns(table: &'static str, key: &[String], ours: &Row, oracle: &Row) -> Vec<Difference> {
    let names: BTreeSet<_> = ours.keys().chain(oracle.keys()).copied().collect();
    names
        .into_iter()
        .filter(|column| {
            oracle.contains_key(column)
                || !UNSPECIFIED.iter().any(|(of, name, _)| *of == table && name == column)
        })
        .filter_map(|column| {
            let (one, other) = (ours.get(column), oracle.get(column));
            let is_same = one == other || is_one_of(table, column, one, other);
            let text = |value: Option<&Value>| value.map_or("no such column".to_owned(), Value::to_string);
            (!is_same).then(|| Difference {
                table,
                key: key.to_vec(),
                column: Some(column),
                ours: text(one),
                oracle: text(other),
            })
        })
        .collect()
}

/// Which of several things a transaction did is the weightiest is not written down: it has to be one of them.
fn is_one_of(table: &str, column: &str, ours: Option<&Value>, oracle: Option<&Value>) -> bool {
    match (table, column, ours, oracle) {
        ("asset_transactions", "operation_type", Some(Value::String(one)), Some(Value::String(several))) => {
            several.split('|').any(|known| known == one)
        }
        _ => false,
    }
}

fn shown(row: &Row) -> String {
    let columns: Vec<_> = row.iter().map(|(column, value)| format!("{column} {value}")).collect();
    columns.join(", ")
}
