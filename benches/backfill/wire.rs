//! Blocks, transactions and logs as nodes write them.

use alloy::primitives::{Address, B256};

use crate::json::{bytes, quantity, separate, text};
use crate::ledger::{CHAIN_ID, Ledger, Log, Place, Transaction};

/// JSON bytes of one log, about.
pub const LOG_BYTES: usize = 720;

/// A block, with its transactions or with their hashes alone.
pub fn block(out: &mut Vec<u8>, ledger: &dyn Ledger, number: u64, whole: bool) {
    text(out, r#"{"number":"#);
    quantity(out, number);
    text(out, r#","hash":"#);
    bytes(out, ledger.hash(number).as_slice());
    text(out, r#","parentHash":"#);
    bytes(out, number.checked_sub(1).map_or(B256::ZERO, |parent| ledger.hash(parent)).as_slice());
    text(out, r#","timestamp":"#);
    quantity(out, ledger.timestamp(number));
    let transactions = ledger.transactions(number);
    text(out, r#","logsBloom":"#);
    // A bloom may claim too much, never too little.
    bytes(out, &[if transactions.is_empty() { 0 } else { 0xff }; 256]);
    if whole {
        rest_of_block(out);
    }
    text(out, r#","transactions":["#);
    for (place, listed) in transactions.iter().enumerate() {
        separate(out, place);
        if whole {
            transaction(out, ledger, number, listed);
        } else {
            bytes(out, ledger.transaction_hash(number, listed.index).as_slice());
        }
    }
    text(out, "]}");
}

/// What else a block has, for those who ask for whole ones.
fn rest_of_block(out: &mut Vec<u8>) {
    for name in ["stateRoot", "receiptsRoot", "transactionsRoot", "sha3Uncles", "mixHash"] {
        text(out, &format!(r#","{name}":"#));
        bytes(out, &[0x11; 32]);
    }
    text(out, r#","miner":"#);
    bytes(out, Address::ZERO.as_slice());
    text(
        out,
        r#","nonce":"0x0000000000000000","difficulty":"0x0","totalDifficulty":"0x0","size":"0x400","extraData":"0x","#,
    );
    text(out, r#""gasLimit":"0x1c9c380","gasUsed":"0x5208","baseFeePerGas":"0x7","uncles":[]"#);
}

/// A transaction, as whole as an EIP-1559 one is.
pub fn transaction(out: &mut Vec<u8>, ledger: &dyn Ledger, number: u64, listed: &Transaction) {
    text(out, r#"{"type":"0x2","hash":"#);
    bytes(out, ledger.transaction_hash(number, listed.index).as_slice());
    text(out, r#","blockHash":"#);
    bytes(out, ledger.hash(number).as_slice());
    text(out, r#","blockNumber":"#);
    quantity(out, number);
    text(out, r#","transactionIndex":"#);
    quantity(out, listed.index.into());
    text(out, r#","from":"#);
    bytes(out, listed.from.as_slice());
    text(out, r#","to":"#);
    bytes(out, listed.to.as_slice());
    text(out, r#","input":"#);
    bytes(out, &listed.input);
    text(
        out,
        r#","nonce":"0x1","gas":"0xea60","value":"0x0","gasPrice":"0x3b9aca00","maxFeePerGas":"0x77359400","#,
    );
    text(out, r#""maxPriorityFeePerGas":"0x1","accessList":[],"chainId":"#);
    quantity(out, CHAIN_ID);
    for name in [r#","r":"#, r#","s":"#] {
        text(out, name);
        bytes(out, &[0x5a; 32]);
    }
    text(out, r#","v":"0x1","yParity":"0x1"}"#);
}

/// A log, and its block's time where it `is_timed`.
pub fn log(out: &mut Vec<u8>, ledger: &dyn Ledger, place: Place, log: &Log, is_timed: bool) {
    text(out, r#"{"address":"#);
    bytes(out, log.address.as_slice());
    text(out, r#","topics":["#);
    for (place, topic) in log.topics.iter().enumerate() {
        separate(out, place);
        bytes(out, topic.as_slice());
    }
    text(out, r#"],"data":"#);
    bytes(out, &log.data);
    text(out, r#","blockHash":"#);
    bytes(out, ledger.hash(place.number).as_slice());
    text(out, r#","blockNumber":"#);
    quantity(out, place.number);
    if is_timed {
        text(out, r#","blockTimestamp":"#);
        quantity(out, ledger.timestamp(place.number));
    }
    text(out, r#","transactionHash":"#);
    bytes(out, ledger.transaction_hash(place.number, log.transaction).as_slice());
    text(out, r#","transactionIndex":"#);
    quantity(out, log.transaction.into());
    text(out, r#","logIndex":"#);
    quantity(out, place.index.into());
    text(out, r#","removed":false}"#);
}
