//! What cannot be, whoever computed the rows.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::compare::KEYS;
use crate::row::{Row, Sum, Tables};

/// Everything that contradicts itself in a set of rows: one sentence each.
pub fn violations(tables: &Tables) -> Vec<String> {
    let mut found = supply_is_the_sum_of_balances(tables);
    found.extend(history_ends_in_the_register(tables));
    found.extend(at_most_one_version_is_open(tables));
    found
}

fn rows<'a>(tables: &'a Tables, table: &str) -> impl Iterator<Item = &'a Row> {
    tables.get(table).into_iter().flatten()
}

/// A token's supply is what its holders hold together, and its holder count how many hold anything.
pub fn supply_is_the_sum_of_balances(tables: &Tables) -> Vec<String> {
    let mut held: BTreeMap<&str, (Sum, u64)> = BTreeMap::new();
    for row in rows(tables, "asset_holders") {
        let (sum, count) = held.entry(text(&row["asset_id"])).or_default();
        let balance = text(&row["balance"]);
        sum.include(balance);
        *count += u64::from(balance != "0");
    }
    rows(tables, "assets")
        .filter(|row| row["complete_from"].is_null())
        .filter_map(|row| {
            let (sum, count) = held.get(text(&row["contract_address"])).copied().unwrap_or_default();
            let is_right = row["total_supply"] == sum.text() && row["holder_count"] == count;
            (!is_right).then(|| {
                format!(
                    "{}: supply {} of {} holders, but {count} hold {}",
                    row["contract_address"],
                    row["total_supply"],
                    row["holder_count"],
                    sum.text()
                )
            })
        })
        .collect()
}

/// The newest row of a wallet's past is its row in the register.
pub fn history_ends_in_the_register(tables: &Tables) -> Vec<String> {
    let mut newest: BTreeMap<(&str, &str), &Row> = BTreeMap::new();
    for row in rows(tables, "ownership_history") {
        let place = |row: &Row| (row["block_number"].as_u64(), row["log_index"].as_u64());
        let known = newest.entry((text(&row["asset_id"]), text(&row["holder"]))).or_insert(row);
        if place(row) > place(known) {
            *known = row;
        }
    }
    let mut found = Vec::new();
    for row in rows(tables, "asset_holders") {
        let wallet = (text(&row["asset_id"]), text(&row["holder"]));
        let Some(last) = newest.remove(&wallet) else {
            found.push(format!("{wallet:?} is in the register without a past"));
            continue;
        };
        let is_same = ["balance", "frozen", "wallet_frozen"].iter().all(|column| row[column] == last[column])
            && row["updated_block"] == last["block_number"];
        if !is_same {
            found.push(format!("{wallet:?}: the register says {row:?}, its past ends in {last:?}"));
        }
    }
    found
        .extend(newest.into_keys().map(|wallet| format!("{wallet:?} has a past and is not in the register")));
    found
}

/// Of the versions of one thing at most one is open, and each begins where the one before it ended, or later.
pub fn at_most_one_version_is_open(tables: &Tables) -> Vec<String> {
    let mut found = Vec::new();
    for (table, key) in KEYS {
        let Some(thing) = key.strip_suffix(&["from_block", "from_log"]) else {
            continue;
        };
        let mut versions: BTreeMap<Vec<String>, Vec<&Row>> = BTreeMap::new();
        for row in rows(tables, table) {
            versions
                .entry(thing.iter().map(|column| row[column].to_string()).collect())
                .or_default()
                .push(row);
        }
        for (thing, mut rows) in versions {
            rows.sort_by_key(|row| (row["from_block"].as_u64(), row["from_log"].as_u64()));
            let is_broken = rows.windows(2).any(|pair| {
                let end = (pair[0]["to_block"].as_u64(), pair[0]["to_log"].as_u64());
                end.0.is_none() || end > (pair[1]["from_block"].as_u64(), pair[1]["from_log"].as_u64())
            });
            if is_broken {
                found.push(format!("{table} {thing:?}: versions overlap: {rows:?}"));
            }
        }
    }
    found
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
