//! Small chains, and how their tables are looked at.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256, address, hex, keccak256};
use oracle::{Answer, Block, Chain, Configured, Log, Row, Tables, Transaction, check, tables};
use serde_json::{Value, json};

pub const TOKEN: Address = address!("0x7000000000000000000000000000000000000001");
pub const ANN: Address = address!("0xaa00000000000000000000000000000000000001");
pub const BEN: Address = address!("0xaa00000000000000000000000000000000000002");
pub const NOBODY: Address = Address::ZERO;

/// A log of an event without dynamic data: `indexed` as topics, `data` as words.
pub fn log(address: Address, event: &str, indexed: &[B256], data: &[B256]) -> Log {
    let mut topics = vec![keccak256(event)];
    topics.extend(indexed);
    Log { address, topics, data: data.concat().into(), ..Log::default() }
}

pub fn n(number: u64) -> B256 {
    B256::from(U256::from(number))
}

pub fn transfer(from: Address, to: Address, amount: u64) -> Log {
    log(TOKEN, "Transfer(address,address,uint256)", &[from.into_word(), to.into_word()], &[n(amount)])
}

pub fn frozen(name: &str, wallet: Address, amount: u64) -> Log {
    log(TOKEN, &format!("{name}(address,uint256)"), &[wallet.into_word()], &[n(amount)])
}

/// A chain with one transaction and log a block, from block 1 on, at 1000, 1010, 1020, … seconds.
pub fn chain(contracts: &[(&str, Address)], logs: Vec<Log>) -> Chain {
    let contracts = contracts.iter().map(|(role, address)| Configured {
        role: (*role).to_owned(),
        address: *address,
        start_block: 0,
    });
    let mut blocks = vec![Block { timestamp: 1_000, ..Block::default() }];
    for (number, mut log) in (1..).zip(logs) {
        log.transaction_hash = n(9_000 + number);
        let transaction =
            Transaction { hash: log.transaction_hash, to: Some(log.address), ..Transaction::default() };
        blocks.push(Block {
            number,
            hash: n(number),
            parent: n(number - 1),
            timestamp: 1_000 + 10 * number,
            transactions: vec![transaction],
            logs: vec![log],
        });
    }
    Chain { chain_id: 1, contracts: contracts.collect(), claim_expiry: BTreeMap::new(), blocks }
}

pub fn silent(_: Address, _: &[u8], _: u64) -> Answer {
    Answer::Reverted
}

pub fn told(chain: &Chain) -> Tables {
    let tables = tables(chain, u64::MAX, &silent);
    assert_eq!(check::violations(&tables), Vec::<String>::new());
    tables
}

pub fn text(address: Address) -> Value {
    json!(hex::encode_prefixed(address))
}

/// These columns of the rows of a table.
pub fn columns<const N: usize>(tables: &Tables, table: &str, names: [&str; N]) -> Vec<[Value; N]> {
    tables[table].iter().map(|row: &Row| names.map(|name| row[name].clone())).collect()
}

/// The same logs in one transaction of block 1.
pub fn together(contracts: &[(&str, Address)], logs: Vec<Log>) -> Chain {
    let mut chain = chain(contracts, logs);
    let mut last = chain.blocks.split_off(2);
    let block = &mut chain.blocks[1];
    block.logs.extend(last.iter_mut().flat_map(|block| std::mem::take(&mut block.logs)));
    for (index, log) in (0..).zip(&mut block.logs) {
        log.log_index = index;
        log.transaction_hash = block.transactions[0].hash;
    }
    chain
}

/// How `abi.encode` writes a text after its head.
pub fn tail(bytes: &[u8]) -> Vec<u8> {
    let mut words = n(bytes.len() as u64).to_vec();
    words.extend(bytes);
    words.resize(words.len().next_multiple_of(32), 0);
    words
}
