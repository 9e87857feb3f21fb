use std::collections::BTreeMap;

use alloy::sol_types::SolValue;

use super::*;
use crate::fact::{Reading, Role, Unreadable};
use crate::source::{CallAnswer, CallRequest};
use crate::table::fold::trial::{self, event, rows};
use crate::table::fold::{Changes, Settings};

const MODULE: Address = Address::repeat_byte(0x11);
const COMPLIANCE: Address = Address::repeat_byte(0xc0);

fn entry(block: u64, log_index: u32, reading: Reading) -> Entry {
    trial::entry((MODULE, Role::ComplianceModule), block, log_index, reading)
}

fn parameter(name: &'static str, argument: &str) -> Parameter {
    Parameter { scope: COMPLIANCE, name, argument: argument.to_owned() }
}

fn held(argument: &str, held: bool) -> Reading {
    event(Fact::ParameterHeld { parameter: parameter("allowed_country", argument), held })
}

fn set(value: Option<u64>) -> Reading {
    let parameter = parameter("transfer_limit", "60");
    event(Fact::ParameterSet { parameter, value: value.map(U256::from), account: None })
}

/// Folds to the end; `name()` answers by block, and reverts where nothing is given.
fn folded(entries: &[Entry], names: &BTreeMap<u64, &str>) -> (Changes, Vec<CallRequest>) {
    trial::folded(Settings { chain_id: 1, ..Settings::default() }, entries, |call| {
        match names.get(&call.block.number) {
            Some(name) => CallAnswer::Returned(name.abi_encode().into()),
            None => CallAnswer::Reverted,
        }
    })
}

/// Where versions began and ended, with their values.
fn versions(changes: &Changes) -> Vec<(u64, Option<u64>, Option<Amount>)> {
    rows::<ModuleParameter>(changes)
        .into_iter()
        .map(|row| {
            assert_eq!(row.to_log.is_some(), row.to_block.is_some());
            assert_eq!(row.from_at, Time(1_000 + i64::try_from(row.from_block).expect("small")));
            (row.from_block, row.to_block, row.value)
        })
        .collect()
}

#[test]
fn a_rule_that_is_there_is_begun_once_and_ended_once() {
    let told = [("5", true), ("5", true), ("7", false), ("5", false), ("5", false), ("5", true)];
    let entries: Vec<Entry> =
        (1..).zip(told).map(|(block, (country, is))| entry(block, 3, held(country, is))).collect();
    let (changes, _) = folded(&entries, &BTreeMap::new());
    assert_eq!(versions(&changes), [(1, Some(4), None), (6, None, None)]);
}

#[test]
fn a_value_begins_a_version_each_time_it_is_told() {
    let told = [None, Some(10), Some(10), None, None, Some(20)];
    let entries: Vec<Entry> = (1..).zip(told).map(|(block, value)| entry(block, 0, set(value))).collect();
    let (changes, _) = folded(&entries, &BTreeMap::new());
    let of = |value: u64| Some(Amount::from(value));
    assert_eq!(versions(&changes), [(2, Some(3), of(10)), (3, Some(4), of(10)), (6, None, of(20))]);
}

#[test]
fn two_logs_of_a_block_follow_each_other() {
    let entries = [entry(4, 1, set(Some(1))), entry(4, 2, set(Some(2)))];
    let (changes, _) = folded(&entries, &BTreeMap::new());
    let rows: Vec<ModuleParameter> = rows(&changes);
    let places: Vec<_> = rows.iter().map(|row| (row.from_log, row.to_log)).collect();
    assert_eq!(places, [(1, Some(2)), (2, None)]);
}

#[test]
fn a_module_is_named_at_its_first_log_and_at_each_upgrade() {
    let (one, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let upgraded = |implementation| event(Fact::Upgraded { implementation });
    let mut entries = vec![
        entry(3, 0, Reading::Unreadable(Unreadable::UnknownEvent)),
        entry(4, 0, event(Fact::Recorded)),
        entry(5, 0, upgraded(one)),
    ];
    let names = BTreeMap::from([(3, "First"), (4, "Nobody asks"), (5, "Second")]);
    let module = |entries: &[Entry]| {
        let (changes, asked) = folded(entries, &names);
        let [module] = rows::<ComplianceModule>(&changes).try_into().expect("one row");
        (module, asked.iter().map(|call| call.block.number).collect::<Vec<u64>>())
    };
    let (first, asked) = module(&entries[..2]);
    assert_eq!((first.name.as_deref(), first.implementation), (Some("First"), None));
    assert_eq!((first.first_block, first.first_at, asked), (3, Time(1_003), vec![3]));
    let (second, asked) = module(&entries);
    assert_eq!((second.name.as_deref(), second.implementation), (Some("Second"), Some(one)));
    assert_eq!((second.first_block, asked), (3, vec![3, 5]), "asked twice, and at no other log");
    // Code without a name: what the module was called before is not what it is now.
    entries.push(entry(6, 0, upgraded(other)));
    let (third, _) = module(&entries);
    assert_eq!((third.name, third.implementation), (None, Some(other)));
}
