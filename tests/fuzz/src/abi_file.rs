//! Any file of extra events.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, keccak256};
use asset_indexer::block::{BlockId, RawLog};
use asset_indexer::decode::{Decoder, parse_abi};
use asset_indexer::fact::{Entry, Reading, Role};
use asset_indexer::row::Time;
use asset_indexer::table::event::AssetEvent;

use crate::safe::assert_round_trip;

pub(crate) const WORDS: &[&str] = &[
    "{\"type\":\"event\",\"name\":\"E\",\"inputs\":[",
    "],\"anonymous\":false}",
    "\"indexed\":true",
    "\"uint256\"",
    "\"int8\"",
    "\"uint8\"",
    "\"bytes\"",
    "\"bytes32\"",
    "\"string[]\"",
    "\"uint256[4294967296]\"",
    "\"uint8[3][2][]\"",
    "\"tuple\"",
    "\"tuple[]\"",
    "\"components\":[",
    "\"function\"",
    "\"address payable\"",
    "[]",
    "[18446744073709551615]",
    "[1]",
    "\\u0000",
    "\u{202e}",
    "null",
    "\"_\"",
];

/// Reads it: our own events stand, and logs of the file's events are read into what PostgreSQL takes.
pub fn abi_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let abi = match parse_abi("events.json", &text) {
        Ok(abi) => abi,
        Err(error) => {
            assert!(error.to_string().len() < 4_000, "a long message: {error:.300}");
            return;
        }
    };
    let role = Role::Erc20;
    let own = Decoder::new(&[]).events_of(role);
    let parameters: BTreeMap<String, usize> =
        abi.events().map(|event| (event.signature(), event.inputs.len())).collect();
    let decoder = Decoder::new(&[(role, abi)]);
    let events = decoder.events_of(role);
    assert!(own.iter().all(|event| events.contains(event)), "an event of ours was replaced");
    for (signature, topics) in events.into_iter().filter(|event| !own.contains(event)).take(4) {
        for (fill, words) in [(0u8, 0usize), (0, 64), (1, 64), (0xff, 64)] {
            // Small offsets and lengths, so that what is dynamic is found.
            let mut data = vec![0; 32 * words];
            for (place, byte) in data.iter_mut().enumerate() {
                *byte = match (fill, place % 32) {
                    (1, 31) => 0x20,
                    (1, _) => 0,
                    (fill, _) => fill,
                };
            }
            let mut all = vec![keccak256(&signature)];
            all.extend((1..topics).map(|_| B256::repeat_byte(fill)));
            let reading = check(&decoder, role, all, data);
            if let Reading::Event { data, .. } = reading {
                let shown = data.value().as_object().map_or(0, |shown| shown.len());
                assert_eq!(shown, parameters[&signature], "a parameter was dropped: {data}");
            }
        }
    }
}

fn check(decoder: &Decoder, role: Role, topics: Vec<B256>, data: Vec<u8>) -> Reading {
    let log = RawLog {
        block: BlockId { number: 1, hash: B256::ZERO },
        log_index: 0,
        transaction_hash: B256::ZERO,
        transaction_index: 0,
        address: Address::ZERO,
        topics,
        data: data.into(),
        timestamp: None,
        withheld: None,
    };
    let reading = decoder.read(role, &log);
    if let Reading::Event { name, .. } = &reading {
        assert!(!name.contains('\0'), "{name:?}");
    }
    let entry = Entry { log, time: Time(0), role, asset_id: None, reading };
    assert_round_trip(&AssetEvent::of(1, &entry));
    entry.reading
}
