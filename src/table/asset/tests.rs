use alloy::primitives::B256;
use alloy::sol_types::SolValue as _;

use super::*;
use crate::block::{BlockId, RawLog};
use crate::fact::{Reading, Role};
use crate::row::Table as _;
use crate::source::CallAnswer;
use crate::table::fold::Settings;
use crate::table::holder::AssetHolder;

const TOKEN: Address = Address::repeat_byte(0x70);

fn at(number: u64) -> BlockId {
    BlockId { number, hash: B256::from(U256::from(number)) }
}

fn entry(block: u64, fact: Fact) -> Entry {
    Entry {
        log: RawLog {
            address: TOKEN,
            topics: Vec::new(),
            data: Bytes::new(),
            block: at(block),
            log_index: 0,
            transaction_hash: B256::ZERO,
            transaction_index: 0,
            timestamp: None,
            withheld: None,
        },
        time: Time(1_000),
        role: Role::Erc20,
        asset_id: Some(id::asset_id(1, TOKEN)),
        reading: Reading::Event { name: "Event".to_owned(), data: crate::json::Json::null(), fact },
    }
}

fn moved(from: u8, to: u8) -> Fact {
    let amount = U256::from(5);
    Fact::Transferred { from: Address::repeat_byte(from), to: Address::repeat_byte(to), amount }
}

/// A rebuild has the answers that were kept, and nobody to ask for others.
#[test]
fn what_a_token_says_of_itself_is_asked_at_its_first_log_alone() {
    let openings = [(TOKEN, at(9))].into();
    let mut fold = Fold::new(Settings { chain_id: 1, openings, ..Settings::default() });
    let entries = [entry(10, moved(1, 2)), entry(11, moved(3, 4)), entry(12, moved(2, 3))];
    let mut asked = Vec::new();
    for _ in 0..10 {
        if fold.fold(&entries).is_ok() {
            break;
        }
        for load in fold.loads() {
            assert!(fold.loaded(&load, Vec::new()));
        }
        for call in fold.wanted_calls() {
            asked.push(call.block.number);
            fold.answered(call, CallAnswer::Returned(U256::from(100).abi_encode().into()));
        }
    }
    assert!(asked.contains(&9) && asked.contains(&10), "{asked:?}");
    assert!(asked.iter().all(|block| *block < 11), "asked at {asked:?}");
    let changes = fold.take();
    let holders = changes.upserts.iter().find(|(table, _)| **table == *AssetHolder::DEF).expect("holders");
    let balances: Vec<_> =
        holders.1.iter().map(|row| AssetHolder::from_row(row.clone()).expect("a holder").balance).collect();
    assert_eq!(balances, [95_u64, 100, 100, 105].map(Amount::from), "each opened with a hundred");
}
