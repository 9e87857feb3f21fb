//! Whatever a commit writes, and whether the store answers from before or after it: laid over the answer, the rows are those
//! that the store itself would give after the commit.

use alloy::primitives::B256;
use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::block::{BlockId, Header};
use crate::row::{Octets, Table, TableDef};
use crate::store::memory::MemoryStore;
use crate::store::{Commit, Section, Start, Store, StoreError};
use crate::table::event::Observation;
use crate::table::fold::Changes;
use crate::table::holder::AssetHolder;
use crate::table::registry::{Registration, registrations_by_identity};

/// A row of few wallets and identities, so that much is written twice.
#[derive(Debug, Clone)]
struct Written {
    is_holder: bool,
    wallet: u8,
    from: i64,
    identity: u8,
    is_open: bool,
}

fn written() -> impl Strategy<Value = Vec<Written>> {
    let one = (any::<bool>(), 0..4_u8, 0..3_i64, 0..3_u8, any::<bool>());
    let one = one.prop_map(|(is_holder, wallet, from, identity, is_open)| Written {
        is_holder,
        wallet,
        from,
        identity,
        is_open,
    });
    prop::collection::vec(one, 0..14)
}

fn bytes(byte: u8) -> Value {
    Value::Bytes(Octets::from_slice(&[byte; 20]))
}

fn row(def: &TableDef, values: &[(&str, Value)]) -> Row {
    let mut row = vec![Value::Null; def.columns.len()];
    for (name, value) in values {
        row[def.column(name).expect("declared")] = value.clone();
    }
    row
}

fn holder(wallet: u8) -> Vec<(&'static str, Value)> {
    let asset = Value::Uuid(uuid::Uuid::from_u128(7));
    vec![("chain_id", Value::Int(1)), ("asset_id", asset), ("holder", bytes(wallet))]
}

fn changes(written: &[Written]) -> Changes {
    let mut changes = Changes::default();
    for one in written {
        let (def, values) = if one.is_holder {
            let balance = ("updated_block", Value::Int(i64::from(one.identity)));
            (AssetHolder::DEF, [holder(one.wallet), vec![balance]].concat())
        } else {
            let end = if one.is_open { Value::Null } else { Value::Int(9) };
            let registration = vec![
                ("chain_id", Value::Int(1)),
                ("storage", bytes(8)),
                ("wallet", bytes(one.wallet)),
                ("from_block", Value::Int(one.from)),
                ("from_log", Value::Int(0)),
                ("identity", bytes(one.identity)),
                ("to_block", end),
            ];
            (Registration::DEF, registration)
        };
        // One list a row: lists of one table follow each other as sections do.
        changes.upserts.push((def, vec![row(def, &values)]));
    }
    changes
}

/// By whole keys, by the thing whose versions rows are, by columns that are no key, and all of a chain.
fn questions() -> Vec<Load> {
    let of = |values: &[(&str, Value)]| values.iter().map(|(_, value)| value.clone()).collect::<Row>();
    let (def, by_identity) = registrations_by_identity();
    let wallets = [0, 1, 3, 5_u8];
    vec![
        Load {
            table: AssetHolder::DEF,
            columns: vec![0, 1, 2],
            keys: wallets.iter().map(|wallet| of(&holder(*wallet))).collect(),
        },
        Load {
            table: def,
            columns: vec![0, 1, 2],
            keys: wallets.iter().map(|wallet| vec![Value::Int(1), bytes(8), bytes(*wallet)]).collect(),
        },
        Load {
            table: def,
            columns: by_identity.to_vec(),
            keys: [0, 2].map(|identity| vec![Value::Int(1), bytes(8), bytes(identity)]).into(),
        },
        Load { table: def, columns: vec![0], keys: vec![vec![Value::Int(1)]] },
        Load {
            table: Observation::DEF,
            columns: vec![0, 1, 2, 3],
            keys: (0..9).map(|block| vec![Value::Int(1), Value::Int(block), bytes(4), bytes(5)]).collect(),
        },
    ]
}

fn header(number: u64) -> Header {
    let hash = |number: u64| B256::with_last_byte(number as u8 + 1);
    Header {
        id: BlockId { number, hash: hash(number) },
        parent: hash(number.saturating_sub(1)),
        timestamp: 0,
    }
}

fn commit(sections: impl IntoIterator<Item = Changes>) -> Commit {
    let section = |changes| Section { undo_block: None, changes };
    Commit {
        expected: header(0).id,
        next: header(1),
        finalized: header(9).id,
        sections: sections.into_iter().map(section).collect(),
        evidence: Vec::new(),
    }
}

/// Rows that are only ever added: an answer of each of these blocks.
fn answers(blocks: impl IntoIterator<Item = u8>) -> Vec<(&'static TableDef, Vec<Row>)> {
    let answer = |block: u8| {
        row(
            Observation::DEF,
            &[
                ("chain_id", Value::Int(1)),
                ("block_number", Value::Int(block.into())),
                ("target", bytes(4)),
                ("input", bytes(5)),
                ("output", bytes(block)),
            ],
        )
    };
    vec![(Observation::DEF, blocks.into_iter().map(answer).collect())]
}

/// The store in memory never waits.
fn now<T>(future: impl Future<Output = Result<T, StoreError>>) -> T {
    future.now_or_never().expect("it does not wait").expect("it does not fail")
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_unstable();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_commit_under_way_reads_as_one_that_was_made(before in written(), first in written(), then in written()) {
        let store = MemoryStore::new();
        let block = header(0);
        let stored = Changes { inserts: answers([0, 1]), ..changes(&before) };
        now(store.start(&Start {
            genesis: block.id.hash,
            block,
            finalized: block.id,
            changes: stored,
            defers_indexes: false,
        }));
        let first = Changes { inserts: answers([3, 4]), ..changes(&first) };
        let then = Changes { inserts: answers([6]), ..changes(&then) };
        let commit = commit([first, then]);
        let pending = Pending::of(&commit);
        let meanwhile: Vec<_> = questions()
            .into_iter()
            .map(|load| {
                let stored = now(store.load_beside(&pending.unanswered(&load), pending.at));
                (sorted(pending.lay_over(&load, stored)), load)
            })
            .collect();
        now(store.commit(&commit));
        for (laid_over, load) in meanwhile {
            let after = sorted(now(store.load(&load)));
            prop_assert_eq!(&laid_over, &after, "asked before the commit: {:?}", load);
            let late = now(store.load_beside(&pending.unanswered(&load), pending.at));
            prop_assert_eq!(sorted(pending.lay_over(&load, late)), after, "asked after it: {:?}", load);
        }
    }
}

#[test]
fn what_is_written_is_not_asked_for() {
    let one = |wallet| Written { is_holder: true, wallet, from: 0, identity: 0, is_open: true };
    let commit = commit([changes(&[one(1), one(3)])]);
    let pending = Pending::of(&commit);
    let [holders, things, ..] = <[Load; 5]>::try_from(questions()).expect("five");
    let left: Vec<Row> = pending.unanswered(&holders).into_owned().keys;
    assert_eq!(left, vec![holders.keys[0].clone(), holders.keys[3].clone()]);
    assert_eq!(*pending.unanswered(&things), things, "a version may be open in the tables alone");
}

#[test]
fn what_the_tables_say_at_another_checkpoint_is_no_answer() {
    let store = MemoryStore::new();
    let block = header(5);
    let changes = Changes::default();
    now(store.start(&Start {
        genesis: block.id.hash,
        block,
        finalized: block.id,
        changes,
        defers_indexes: false,
    }));
    let commit = commit([]);
    let pending = Pending::of(&commit);
    for load in questions() {
        let answer = store.load_beside(&load, pending.at).now_or_never().expect("it does not wait");
        assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
    }
}
