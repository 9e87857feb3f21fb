//! What cannot be, whoever computed the rows.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::compare::KEYS;
use crate::row::{Row, Squares, Sum, Tables};

/// Everything that contradicts itself in a set of rows: one sentence each.
pub fn violations(tables: &Tables) -> Vec<String> {
    let mut found = supply_is_the_sum_of_balances(tables);
    found.extend(history_ends_in_the_register(tables));
    found.extend(frozen_and_squares_are_sums(tables));
    found.extend(days_add_up(tables));
    found.extend(at_most_one_version_is_open(tables));
    found.extend(no_version_ends_before_it_begins(tables));
    found.extend(parameters_are_of_their_kind(tables));
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

/// What a token says is frozen, and the sum of squared balances, are those of its holders.
pub fn frozen_and_squares_are_sums(tables: &Tables) -> Vec<String> {
    let mut held: BTreeMap<&str, (Sum, Squares)> = BTreeMap::new();
    for row in rows(tables, "asset_holders") {
        let (frozen, squares) = held.entry(text(&row["asset_id"])).or_default();
        frozen.include(text(&row["frozen"]));
        let mut balance = Sum::default();
        balance.include(text(&row["balance"]));
        squares.include(&balance);
    }
    let mut found = Vec::new();
    for row in rows(tables, "assets") {
        let (frozen, squares) = held.get(text(&row["contract_address"])).copied().unwrap_or_default();
        for (column, sum) in [("frozen", frozen.text()), ("squares", squares.text())] {
            if row[column] != sum {
                let (asset, said) = (&row["contract_address"], &row[column]);
                found.push(format!("{asset}: {column} is {said}, but its holders' rows come to {sum}"));
            }
        }
    }
    found
}

/// The days of a token lead to how it stands: what was minted and burned in them is its supply, their transfers are
/// those of its transactions, and the last of them ends as the token does now.
///
/// A token that is complete only from some block on has had units before its first day, and is left out.
pub fn days_add_up(tables: &Tables) -> Vec<String> {
    let mut days: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    let mut found = Vec::new();
    for row in rows(tables, "asset_days") {
        days.entry(text(&row["asset_id"])).or_default().push(row);
        found.extend(is_no_day(row).map(|why| format!("{why}: {row:?}")));
    }
    let mut transfers: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows(tables, "asset_transactions") {
        *transfers.entry(text(&row["asset_id"])).or_default() += count(&row["transfer_count"]);
    }
    for asset in rows(tables, "assets") {
        let name = text(&asset["contract_address"]);
        let days = days.remove(name).unwrap_or_default();
        if !asset["complete_from"].is_null() {
            continue;
        }
        let moved: u64 = days.iter().map(|day| count(&day["transfers"])).sum();
        let told = transfers.get(name).copied().unwrap_or_default();
        if moved != told {
            found.push(format!("{name}: {moved} transfers by day, {told} by transaction"));
        }
        let mut supply = Sum::default();
        for day in &days {
            supply.include(text(&day["minted"]));
            supply.exclude(text(&day["burned"]));
        }
        if asset["total_supply"] != supply.text() {
            let said = &asset["total_supply"];
            found.push(format!("{name}: supply {said}, but its days come to {}", supply.text()));
        }
        // Not the latest day: where a chain's time goes back, an earlier day is the last that something fell into.
        let last = days.iter().max_by_key(|day| day["updated_block"].as_u64());
        for (column, nothing) in [
            ("total_supply", "0".into()),
            ("holder_count", 0.into()),
            ("frozen", "0".into()),
            ("squares", "0".into()),
        ] {
            let ended: &Value = last.map_or(&nothing, |day| &day[column]);
            if *ended != asset[column] {
                found.push(format!(
                    "{name}: {column} is {}, but its last day ended with {ended}",
                    asset[column]
                ));
            }
        }
    }
    found.extend(days.into_keys().map(|asset| format!("{asset} has days and is no asset")));
    found
}

/// Why a row can be no day's.
fn is_no_day(row: &Row) -> Option<&'static str> {
    let amounts = ["minted", "burned", "volume"];
    if row["day"].as_u64().is_none_or(|day| day % 86_400 != 0) {
        return Some("no day begins then");
    }
    if amounts.iter().chain(&["squares"]).any(|column| text(&row[*column]).starts_with('-')) {
        return Some("below zero");
    }
    let nothing_moved = row["transfers"] == 0 && amounts.iter().any(|column| row[*column] != "0");
    nothing_moved.then_some("units moved in no transfer")
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

/// A version lasts: its end comes after its beginning, and is told whole or not at all.
pub fn no_version_ends_before_it_begins(tables: &Tables) -> Vec<String> {
    let mut found = Vec::new();
    for (table, key) in KEYS {
        if !key.ends_with(&["from_block", "from_log"]) {
            continue;
        }
        for row in rows(tables, table) {
            let missing = ["to_block", "to_log", "to_at"].iter().filter(|column| row[**column].is_null());
            let place = |block: &str, log: &str| (row[block].as_u64(), row[log].as_u64());
            match missing.count() {
                3 => {}
                0 if place("from_block", "from_log") < place("to_block", "to_log") => {}
                0 => found.push(format!("{table}: a version ends before it begins: {row:?}")),
                _ => found.push(format!("{table}: half of an end: {row:?}")),
            }
        }
    }
    found
}

/// A module's parameter has a value or has none, by what it is; what can only begin has no end; and its module is known.
pub fn parameters_are_of_their_kind(tables: &Tables) -> Vec<String> {
    let modules: BTreeMap<&str, &Row> =
        rows(tables, "compliance_modules").map(|row| (text(&row["module"]), row)).collect();
    let is_wrong = |row: &Row| {
        let (has_value, has_account) = match text(&row["parameter"]) {
            "bound" | "allowed_country" | "restricted_country" | "allowed_user" | "exchange" | "listed"
            | "preset_completed" => (false, false),
            "max_balance"
            | "preset_balance"
            | "supply_limit"
            | "transfer_limit"
            | "exchange_limit"
            | "exchange_monthly_limit"
            | "listing" => (true, false),
            "fee" => (true, true),
            _ => return Some("no parameter of a module"),
        };
        if has_value == row["value"].is_null() || has_account == row["account"].is_null() {
            return Some("not what this parameter has");
        }
        if text(&row["value"]).starts_with('-') {
            return Some("below zero");
        }
        if row["parameter"] == "preset_completed" && !row["to_block"].is_null() {
            return Some("nothing ends it");
        }
        match modules.get(text(&row["module"])) {
            None => Some("of no module"),
            Some(module) if module["first_block"].as_u64() > row["from_block"].as_u64() => {
                Some("from before the module's first log")
            }
            Some(_) => None,
        }
    };
    let wrong = rows(tables, "module_parameters").filter_map(|row| Some((is_wrong(row)?, row)));
    wrong.map(|(why, row)| format!("{why}: {row:?}")).collect()
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
