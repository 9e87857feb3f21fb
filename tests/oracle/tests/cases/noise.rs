//! Noise: that it says often enough what simulations are to see.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, address};
use oracle::{Chain, Log, Tables, noise};
use serde_json::Value;

use super::chain::{chain, text, told};

const MODULE: Address = address!("0x3000000000000000000000000000000000000001");
const TOKEN: Address = address!("0x7000000000000000000000000000000000000001");
const COMPLIANCE: Address = address!("0xc000000000000000000000000000000000000001");
const STRANGER: Address = address!("0xdd00000000000000000000000000000000000001");

/// Dice: a linear congruential generator (Knuth's MMIX), whose upper bits are used.
fn dice() -> impl FnMut(u64) -> u64 {
    let mut state = 7_u64;
    move |bound| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    }
}

/// A chain of so many logs of a contract, as `draw` writes them.
fn noisy(role: &str, address: Address, logs: usize, draw: &mut dyn FnMut() -> Log) -> Chain {
    let logs = (0..logs).map(|_| Log { address, ..draw() }).collect();
    chain(&[(role, address)], logs)
}

fn texts(tables: &Tables, table: &str, column: &str) -> BTreeSet<String> {
    tables[table].iter().filter_map(|row| row[column].as_str().map(str::to_owned)).collect()
}

fn count(tables: &Tables, table: &str, is: &dyn Fn(&BTreeMap<&'static str, Value>) -> bool) -> usize {
    tables[table].iter().filter(|row| is(row)).count()
}

#[test]
fn parameters_come_and_go_and_come_again() {
    let addresses = [Address::ZERO, COMPLIANCE, TOKEN, STRANGER];
    let mut choose = dice();
    let tables = told(&noisy("compliance_module", MODULE, 1_500, &mut || {
        let (_, topics, data) = noise::module_log(&[COMPLIANCE, TOKEN], &addresses, &mut choose);
        Log { topics, data, ..Log::default() }
    }));
    let kinds = texts(&tables, "module_parameters", "parameter");
    assert_eq!(kinds.len(), 15, "{kinds:?}");
    let of = |parameter: &str| -> Vec<_> {
        tables["module_parameters"].iter().filter(|row| row["parameter"] == parameter).collect()
    };
    for kind in &kinds {
        if kind == "preset_completed" {
            continue;
        }
        assert!(of(kind).iter().any(|row| !row["to_block"].is_null()), "no {kind} ever ended");
        let mut versions = BTreeMap::new();
        for row in of(kind) {
            *versions.entry((row["scope"].to_string(), row["argument"].to_string())).or_insert(0) += 1;
        }
        assert!(versions.values().any(|count| *count > 1), "no {kind} came again");
    }
    // Between the end of a transfer limit and its next beginning there is none.
    let limits = of("transfer_limit");
    let is_gap = |pair: &[&BTreeMap<&'static str, Value>]| {
        pair[0]["scope"] == pair[1]["scope"]
            && pair[0]["argument"] == pair[1]["argument"]
            && pair[0]["to_block"] != pair[1]["from_block"]
    };
    assert!(limits.windows(2).any(is_gap), "every limit follows upon one");
    let scopes = texts(&tables, "module_parameters", "scope");
    for scope in addresses {
        assert!(scopes.contains(text(scope).as_str().expect("text")), "nothing of {scope}");
    }
    let arguments = texts(&tables, "module_parameters", "argument");
    for edge in ["0", "65535", "4294967295"] {
        assert!(arguments.contains(edge), "no argument {edge}");
    }
    assert!(count(&tables, "asset_events", &|row| row["unreadable"] == true) > 0, "all can be read");
    let implementations = texts(&tables, "compliance_modules", "implementation");
    assert_eq!(implementations.len(), 1, "the module was never upgraded");
}

#[test]
fn documents_are_set_and_removed_with_texts_at_all_edges() {
    let addresses = [Address::ZERO, COMPLIANCE, STRANGER];
    for role in ["erc20", "trex_token"] {
        let mut choose = dice();
        let tables = told(&noisy(role, TOKEN, 1_500, &mut || {
            let (_, topics, data) = noise::log(role, &addresses, &mut choose);
            Log { topics, data, ..Log::default() }
        }));
        let names = texts(&tables, "asset_documents", "name");
        assert_eq!(names.len(), 3, "{role}");
        for name in names {
            let of_name = |row: &BTreeMap<&'static str, Value>| row["name"] == name.as_str();
            let ended = count(&tables, "asset_documents", &|row| of_name(row) && !row["to_block"].is_null());
            assert!(ended > 1, "{role}: {name} ended {ended} times");
        }
        let places = texts(&tables, "asset_documents", "uri");
        let lengths: BTreeSet<usize> = places.iter().map(String::len).collect();
        assert!(lengths.contains(&0) && lengths.contains(&8_192), "{role}: {lengths:?}");
        assert!(places.iter().any(|uri| uri.ends_with('…')), "{role}: none is too long");
        assert!(places.contains("\\0") && places.contains("\\xe2\\x82"), "{role}: nothing was escaped");
        let metadata = texts(&tables, "asset_events", "event_type");
        assert!(metadata.contains("MetadataUpdate") && metadata.contains("BatchMetadataUpdate"), "{role}");
    }
}

#[test]
fn noise_of_a_module_is_about_few() {
    let addresses = [Address::ZERO, COMPLIANCE, TOKEN, STRANGER];
    let mut choose = dice();
    let tables = told(&noisy("compliance_module", MODULE, 400, &mut || {
        let (_, topics, data) = noise::log("compliance_module", &addresses, &mut choose);
        Log { topics, data, ..Log::default() }
    }));
    let all = tables["module_parameters"].len();
    let of_first = count(&tables, "module_parameters", &|row| {
        row["scope"] == text(Address::ZERO) || row["scope"] == text(COMPLIANCE)
    });
    assert!(of_first * 10 > all * 7 && of_first < all, "{of_first} of {all}");
}
