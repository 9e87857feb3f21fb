//! A fixed batch, decoded and folded once: what callgrind counts the instructions of (see `tests/instructions.rs`).
//!
//! Transfers of three tokens among some hundred wallets, and wallets that are registered: made from a seed, the same
//! everywhere. No store, no node: whatever the fold asks for does not exist.

use std::hint::black_box;

use alloy::primitives::{Address, B256, U256, keccak256};
use asset_indexer::block::{BlockId, RawLog};
use asset_indexer::decode::Decoder;
use asset_indexer::fact::{Entry, Role};
use asset_indexer::id::asset_id;
use asset_indexer::row::Time;
use asset_indexer::source::CallAnswer;
use asset_indexer::table::fold::{Changes, Fold, Settings};
use simulation::dice::Dice;

const CHAIN_ID: u64 = 1;
const LOGS: u32 = 4_000;
const LOGS_OF_A_BLOCK: u32 = 40;
const WALLETS: u64 = 300;
/// More rounds of loading than any chain of needs is long.
const ROUNDS_MAX: usize = 64;

fn wallet(number: u64) -> Address {
    Address::from_word(keccak256(number.to_be_bytes()))
}

fn batch() -> Vec<(Role, RawLog)> {
    let mut dice = Dice::new(7);
    (0..LOGS)
        .map(|place| {
            let number = u64::from(1 + place / LOGS_OF_A_BLOCK);
            let (one, other) = (wallet(dice.below(WALLETS)), wallet(dice.below(WALLETS)));
            let (role, contract, event) = match dice.below(8) {
                0 => (Role::IdentityRegistryStorage, 0x40, "IdentityStored(address,address)"),
                token => (Role::Erc20, 0x20 + (token % 3) as u8, "Transfer(address,address,uint256)"),
            };
            let is_transfer = role == Role::Erc20;
            let amount = U256::from(1 + dice.below(1_000_000)) * U256::from(10).pow(U256::from(18));
            let log = RawLog {
                block: BlockId { number, hash: keccak256(number.to_be_bytes()) },
                log_index: place % LOGS_OF_A_BLOCK,
                transaction_hash: keccak256(place.to_be_bytes()),
                transaction_index: place % LOGS_OF_A_BLOCK,
                address: Address::repeat_byte(contract),
                topics: vec![keccak256(event), one.into_word(), other.into_word()],
                data: if is_transfer { B256::from(amount).to_vec().into() } else { Default::default() },
                timestamp: Some(1_700_000_000 + 12 * number),
                withheld: None,
            };
            (role, log)
        })
        .collect()
}

/// What is counted; a function of its own, so that it is found by its name.
#[inline(never)]
fn decode_and_fold(decoder: &Decoder, batch: Vec<(Role, RawLog)>) -> Changes {
    let entries: Vec<Entry> = batch
        .into_iter()
        .map(|(role, log)| {
            let reading = decoder.read(role, &log);
            let time = Time::from_seconds(log.timestamp.unwrap_or_default());
            let asset_id = role.is_token().then(|| asset_id(CHAIN_ID, log.address));
            Entry { log, time, role, asset_id, reading }
        })
        .collect();
    let mut fold = Fold::new(Settings { chain_id: CHAIN_ID, ..Settings::default() });
    for _ in 0..ROUNDS_MAX {
        if fold.fold(&entries).is_ok() {
            return fold.take();
        }
        for load in fold.loads() {
            assert!(fold.loaded(&load, Vec::new()));
        }
        for call in fold.wanted_calls() {
            fold.answered(call, CallAnswer::Reverted);
        }
    }
    panic!("the fold never ends");
}

fn main() {
    let changes = decode_and_fold(&Decoder::new(&[]), batch());
    let rows = |list: &[(_, Vec<_>)]| list.iter().map(|(_, rows)| rows.len()).sum::<usize>();
    println!("rows: {}", black_box(rows(&changes.inserts) + rows(&changes.upserts)));
}
