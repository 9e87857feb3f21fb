//! Each violation is found in rows that hold it.

use alloy::primitives::{Address, address};
use oracle::{Row, Tables, check};
use serde_json::{Value, json};

use super::chain::{ANN, BEN, NOBODY, TOKEN, chain, frozen, log, n, told, transfer};

const MODULE: Address = address!("0x3000000000000000000000000000000000000001");

/// Tables without a fault: a token with two days' worth of rows, a module with a parameter set twice.
fn sound() -> Tables {
    let limit = |limit| log(MODULE, "SupplyLimitSet(address,uint256)", &[], &[ANN.into_word(), n(limit)]);
    let bound = log(MODULE, "ComplianceBound(address)", &[ANN.into_word()], &[]);
    let logs = vec![
        transfer(NOBODY, ANN, 100),
        transfer(ANN, BEN, 30),
        frozen("TokensFrozen", BEN, 5),
        limit(1),
        limit(2),
        bound,
    ];
    let mut chain = chain(&[("trex_token", TOKEN), ("compliance_module", MODULE)], logs);
    chain.blocks[3].timestamp = 90_000;
    told(&chain)
}

/// What is found once one column of one row has another value.
fn found(table: &'static str, place: usize, column: &'static str, value: Value) -> Vec<String> {
    found_after(table, place, &|row| {
        row.insert(column, value.clone());
    })
}

fn found_after(table: &'static str, place: usize, change: &dyn Fn(&mut Row)) -> Vec<String> {
    let mut tables = sound();
    change(&mut tables.get_mut(table).expect("a table")[place]);
    check::violations(&tables)
}

/// That exactly these things are said, in this order.
#[track_caller]
fn says(found: &[String], words: &[&str]) {
    assert_eq!(found.len(), words.len(), "{found:?}");
    for (said, words) in found.iter().zip(words) {
        assert!(said.contains(words), "{said:?} does not say {words:?}");
    }
}

#[test]
fn sums_over_the_holders() {
    says(&found("assets", 0, "frozen", json!("6")), &["frozen is", "last day ended"]);
    says(&found("assets", 0, "squares", json!("10000")), &["squares is", "last day ended"]);
}

#[test]
fn days_lead_to_the_token() {
    assert_eq!(sound()["asset_days"].len(), 2);
    for column in ["total_supply", "frozen", "squares"] {
        says(&found("asset_days", 1, column, json!("7")), &[&format!("{column} is")]);
        // How an earlier day ended is for the comparison with the oracle.
        says(&found("asset_days", 0, column, json!("7")), &[]);
    }
    says(&found("asset_days", 1, "holder_count", json!(3)), &["holder_count is"]);
    says(&found("asset_days", 0, "minted", json!("101")), &["days come to \"101\""]);
    says(&found("asset_days", 0, "burned", json!("1")), &["days come to \"99\""]);
    says(&found("asset_days", 0, "transfers", json!(3)), &["3 transfers by day, 2 by transaction"]);
    says(&found("asset_days", 1, "volume", json!("1")), &["units moved in no transfer"]);
    says(&found("asset_days", 1, "day", json!(86_401)), &["no day begins then"]);
    says(&found("asset_days", 0, "squares", json!("-1")), &["below zero"]);
    says(
        &found("asset_days", 0, "asset_id", json!("0x01")),
        &["0 transfers by day, 2 by transaction", "days come to \"0\"", "0x01 has days and is no asset"],
    );
}

#[test]
fn a_token_without_its_beginning_is_not_summed_up() {
    let found = found_after("assets", 0, &|row| {
        row.insert("complete_from", json!(1));
        row.insert("total_supply", json!("1000"));
    });
    says(&found, &[]);
}

#[test]
fn versions_begin_and_end() {
    says(&found("module_parameters", 2, "to_block", json!(9)), &["half of an end"]);
    let ends_early = found_after("module_parameters", 1, &|row| {
        assert_eq!(row["parameter"], "supply_limit");
        row.insert("to_block", json!(3));
    });
    says(&ends_early, &["ends before it begins"]);
    let both_open = found_after("module_parameters", 1, &|row| {
        for column in ["to_block", "to_log", "to_at"] {
            row.insert(column, json!(null));
        }
    });
    says(&both_open, &["versions overlap"]);
}

#[test]
fn parameters_have_what_they_are() {
    says(&found("module_parameters", 0, "value", json!("1")), &["not what this parameter has"]);
    says(&found("module_parameters", 2, "value", json!(null)), &["not what this parameter has"]);
    says(&found("module_parameters", 2, "account", json!("0x01")), &["not what this parameter has"]);
    says(&found("module_parameters", 2, "value", json!("-1")), &["below zero"]);
    says(&found("module_parameters", 0, "parameter", json!("unbound")), &["no parameter of a module"]);
    says(&found("compliance_modules", 0, "first_block", json!(5)), &["from before the module's first log"]);
    says(&found("compliance_modules", 0, "module", json!("0x01")), &["of no module"; 3]);
    let ended = found_after("module_parameters", 1, &|row| {
        row.insert("parameter", json!("preset_completed"));
        row.insert("value", json!(null));
    });
    says(&ended, &["nothing ends it"]);
}
