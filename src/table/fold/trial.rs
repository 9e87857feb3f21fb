//! Folding by hand, for the tests of single tables: nothing is stored, and calls are answered by the test.

use alloy::primitives::{Address, B256, Bytes, U256};

use super::{Changes, Fold, Settings};
use crate::block::{BlockId, RawLog};
use crate::fact::{Entry, Fact, Reading, Role};
use crate::row::{Table, Time};
use crate::source::{CallAnswer, CallRequest};

/// The block of a height.
pub(in crate::table) fn block(number: u64) -> BlockId {
    BlockId { number, hash: B256::from(U256::from(number)) }
}

/// A log that was read.
pub(in crate::table) fn entry(
    (address, role): (Address, Role),
    number: u64,
    log_index: u32,
    reading: Reading,
) -> Entry {
    Entry {
        log: RawLog {
            address,
            topics: Vec::new(),
            data: Bytes::new(),
            block: block(number),
            log_index,
            transaction_hash: B256::ZERO,
            transaction_index: 0,
            timestamp: None,
            withheld: None,
        },
        time: Time(1_000 + i64::try_from(number).expect("small")),
        role,
        asset_id: None,
        reading,
    }
}

/// A log that says something.
pub(in crate::table) fn event(fact: Fact) -> Reading {
    Reading::Event { name: "Event".to_owned(), data: crate::json::Json::null(), fact }
}

/// A log that no ABI at hand explains.
pub(in crate::table) fn unknown() -> Reading {
    Reading::Unreadable(crate::fact::Unreadable::UnknownEvent)
}

/// Folds to the end; gives the calls, too, in the order in which they were asked.
pub(in crate::table) fn folded(
    settings: Settings,
    entries: &[Entry],
    answer: impl Fn(&CallRequest) -> CallAnswer,
) -> (Changes, Vec<CallRequest>) {
    let mut fold = Fold::new(settings);
    let mut asked = Vec::new();
    for _ in 0..10 {
        if fold.fold(entries).is_ok() {
            return (fold.take(), asked);
        }
        for load in fold.loads() {
            assert!(fold.loaded(&load, Vec::new()));
        }
        for call in fold.wanted_calls() {
            asked.push(call.clone());
            let answer = answer(&call);
            fold.answered(call, answer);
        }
    }
    panic!("the fold asks without an end");
}

/// The rows of a table that replace others.
pub(in crate::table) fn rows<T: Table>(changes: &Changes) -> Vec<T> {
    let tables = changes.upserts.iter().filter(|(def, _)| def.name == T::DEF.name);
    tables.flat_map(|(_, rows)| rows.clone()).map(|row| T::from_row(row).expect("as declared")).collect()
}
