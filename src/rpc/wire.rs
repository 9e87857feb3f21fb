//! Blocks, logs, receipts and transactions as nodes write them, and the checks that turn them into ours.
//!
//! Only the fields that the indexer uses are read, so that unknown kinds of transactions and chains' own
//! header fields don't matter. Every number and hash that may be null on a pending object must be there.

use alloy::consensus;
use alloy::primitives::{Address, B256, Bytes, U64};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::block::{BlockId, DEPOSIT, Deposit, Ending, Header, RawLog, Receipt, Sealed, Transaction};

/// Most topics that the virtual machine can emit.
const TOPICS_MAX: usize = 4;

/// The end of the year 9999: the latest time that the tables hold. Chains that count in other units than seconds, or
/// claim any number, are taken at that bound.
const SECONDS_MAX: u64 = 253_402_300_799;

/// A number of a block or a chain; the tables hold them as signed integers of 64 bits.
pub(super) fn holdable(number: U64) -> Result<u64, String> {
    let number = number.to::<u64>();
    if i64::try_from(number).is_ok() { Ok(number) } else { Err(format!("a number of {number}, above 2^63")) }
}

fn seconds(timestamp: U64) -> u64 {
    timestamp.to::<u64>().min(SECONDS_MAX)
}

/// A header, with the hashes of its transactions or the transactions themselves.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireBlock {
    number: Option<U64>,
    hash: Option<B256>,
    parent_hash: B256,
    timestamp: U64,
    /// Some chains leave it out, or send `0x`.
    #[serde(default)]
    logs_bloom: Option<Bytes>,
    /// Hashes or objects.
    #[serde(default)]
    pub transactions: Vec<Box<RawValue>>,
}

impl WireBlock {
    /// The header; the reason why not, for a pending block.
    pub fn header(&self) -> Result<Header, String> {
        let (Some(number), Some(hash)) = (self.number, self.hash) else {
            return Err("a block without number or hash (pending)".to_owned());
        };
        let id = BlockId { number: holdable(number)?, hash };
        Ok(Header { id, parent: self.parent_hash, timestamp: seconds(self.timestamp) })
    }

    /// The header, if it is of the block that was asked for.
    pub fn header_of(&self, number: u64, hash: Option<B256>) -> Result<Header, String> {
        let header = self.header()?;
        if header.id.number != number || hash.is_some_and(|hash| hash != header.id.hash) {
            return Err(format!("asked for block {number}, got {:?}", header.id));
        }
        Ok(header)
    }

    /// Whether the bloom says that the block has logs. A zero bloom says nothing: some chains never fill it.
    pub fn bloom_has_logs(&self) -> bool {
        self.logs_bloom.as_ref().is_some_and(|bloom| bloom.iter().any(|byte| *byte != 0))
    }
}

/// A log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireLog {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
    block_hash: Option<B256>,
    block_number: Option<U64>,
    #[serde(default)]
    block_timestamp: Option<U64>,
    transaction_hash: Option<B256>,
    transaction_index: Option<U64>,
    log_index: Option<U64>,
    #[serde(default)]
    removed: bool,
}

impl WireLog {
    /// The log with every option resolved, or why it can't be used.
    pub fn resolve(self) -> Result<RawLog, String> {
        if self.removed {
            return Err("a log marked as removed".to_owned());
        }
        let (Some(hash), Some(number)) = (self.block_hash, self.block_number) else {
            return Err("a log without block (pending)".to_owned());
        };
        let (Some(transaction_hash), Some(transaction_index), Some(log_index)) =
            (self.transaction_hash, self.transaction_index, self.log_index)
        else {
            return Err(format!("a log of block {number} without transaction or index"));
        };
        if self.topics.len() > TOPICS_MAX {
            return Err(format!("a log of block {number} with {} topics", self.topics.len()));
        }
        Ok(RawLog {
            block: BlockId { number: holdable(number)?, hash },
            log_index: small(log_index)?,
            transaction_hash,
            transaction_index: small(transaction_index)?,
            address: self.address,
            topics: self.topics,
            data: self.data,
            timestamp: self.block_timestamp.map(seconds),
            withheld: None,
        })
    }
}

/// A header with all its fields, out of a block's JSON; the reason why not, for a pending block.
pub(super) fn sealed(raw: &RawValue, number: u64) -> Result<Sealed, String> {
    let block: WireBlock = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
    let header = block.header_of(number, None)?;
    // Another form of header, or one without a field: nothing can be proved with it, which is not an error here.
    let fields = serde_json::from_str::<consensus::Header>(raw.get()).ok();
    Ok(Sealed { header, fields: fields.map(Box::new) })
}

/// A receipt: its logs, and what the receipts root commits to beside them, where the node says it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireReceipt {
    pub block_hash: Option<B256>,
    pub logs: Vec<WireLog>,
    #[serde(rename = "type", default)]
    kind: Option<U64>,
    #[serde(default)]
    status: Option<U64>,
    #[serde(default)]
    root: Option<B256>,
    #[serde(default)]
    cumulative_gas_used: Option<U64>,
    #[serde(default)]
    pub transaction_index: Option<U64>,
    #[serde(default)]
    deposit_nonce: Option<U64>,
    #[serde(default)]
    deposit_receipt_version: Option<U64>,
}

impl WireReceipt {
    /// The receipt, if it is of this block.
    pub fn resolve(self, block: BlockId) -> Result<Receipt, String> {
        if self.block_hash.is_some_and(|hash| hash != block.hash) {
            return Err(format!("a receipt of another block than {block:?}"));
        }
        let ending = match (self.status, self.root) {
            (Some(status), _) => Ending::Status(!status.is_zero()),
            (None, Some(root)) => Ending::StateRoot(root),
            (None, None) => return Err(format!("a receipt of block {} without status", block.number)),
        };
        let gas = self.cumulative_gas_used;
        let gas = gas.ok_or_else(|| format!("a receipt of block {} without its gas", block.number))?;
        let kind = self.kind.unwrap_or_default().to::<u64>();
        let kind = u8::try_from(kind).map_err(|_| format!("a transaction of type {kind}"))?;
        // Before Canyon nodes say the nonce, and the root does not commit to it; the version came with the change.
        let version = self.deposit_receipt_version.filter(|_| kind == DEPOSIT);
        let nonce = self.deposit_nonce.unwrap_or_default().to();
        let deposit = version.map(|version| Deposit { nonce, version: version.to() });
        let logs = self.logs.into_iter().map(WireLog::resolve).collect::<Result<_, _>>()?;
        Ok(Receipt { kind, ending, cumulative_gas: gas.to(), deposit, logs })
    }
}

/// A transaction.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireTransaction {
    hash: B256,
    from: Address,
    #[serde(default)]
    to: Option<Address>,
    #[serde(alias = "data")]
    input: Bytes,
    transaction_index: Option<U64>,
    block_hash: Option<B256>,
}

impl WireTransaction {
    /// Whether it says of which block it is.
    pub fn names_its_block(&self) -> bool {
        self.block_hash.is_some()
    }

    /// The transaction, if it is of this block.
    pub fn resolve(self, block: BlockId) -> Result<Transaction, String> {
        if self.block_hash.is_some_and(|hash| hash != block.hash) {
            return Err(format!("transaction {} of another block in {block:?}", self.hash));
        }
        let index =
            self.transaction_index.ok_or_else(|| format!("transaction {} without index", self.hash))?;
        let index = small(index)?;
        Ok(Transaction { block, hash: self.hash, index, from: self.from, to: self.to, input: self.input })
    }
}

fn small(index: U64) -> Result<u32, String> {
    u32::try_from(index.to::<u64>()).map_err(|_| format!("an index of {index}"))
}

/// Sorts logs into the chain's order and removes repetitions.
///
/// Two logs at one position must be equal, and one height has one hash; else the reason.
pub(super) fn in_order(mut logs: Vec<RawLog>) -> Result<Vec<RawLog>, String> {
    logs.sort_by_key(RawLog::position);
    for pair in logs.windows(2) {
        let [one, two] = pair else { continue };
        if one.block.number == two.block.number && one.block.hash != two.block.hash {
            return Err(format!(
                "logs of two blocks at height {}: {:?} and {:?}",
                one.block.number, one.block.hash, two.block.hash
            ));
        }
        if one.position() == two.position() && !one.same_as(two) {
            return Err(format!("two different logs at block {} index {}", one.block.number, one.log_index));
        }
    }
    logs.dedup_by_key(|log| log.position());
    Ok(logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(number: u64, index: u32, byte: u8) -> RawLog {
        RawLog {
            block: BlockId { number, hash: B256::with_last_byte(number as u8) },
            log_index: index,
            transaction_hash: B256::ZERO,
            transaction_index: 0,
            address: Address::ZERO,
            topics: Vec::new(),
            data: vec![byte].into(),
            timestamp: None,
            withheld: None,
        }
    }

    #[test]
    fn order_repetition_and_conflict() {
        let ordered =
            in_order(vec![log(2, 0, 1), log(1, 3, 1), log(1, 1, 1), log(2, 0, 1)]).expect("no conflict");
        let positions: Vec<_> = ordered.iter().map(|log| (log.block.number, log.log_index)).collect();
        assert_eq!(positions, [(1, 1), (1, 3), (2, 0)]);
        assert!(in_order(vec![log(1, 1, 1), log(1, 1, 2)]).is_err(), "two contents at one position");
        let mut other = log(1, 2, 1);
        other.block.hash = B256::repeat_byte(9);
        assert!(in_order(vec![log(1, 1, 1), other]).is_err(), "two hashes at one height");
    }

    /// As Base and OP Mainnet give them, before Canyon and since.
    #[test]
    fn a_deposit_has_its_nonce_under_the_root_where_its_form_is_said() {
        let receipt = |kind: &str, fields: &str| {
            let text = format!(
                r#"{{"type":"{kind}","status":"0x1","cumulativeGasUsed":"0xb44c","logs":[],
                "transactionIndex":"0x0","depositNonce":"0x9ab12f"{fields}}}"#
            );
            let receipt: WireReceipt = serde_json::from_str(&text).expect("a receipt");
            receipt.resolve(BlockId { number: 1, hash: B256::ZERO }).expect("of this block").deposit
        };
        let version = r#","depositReceiptVersion":"0x1""#;
        assert_eq!(receipt("0x7e", version), Some(Deposit { nonce: 0x009a_b12f, version: 1 }));
        assert_eq!(receipt("0x7e", ""), None);
        assert_eq!(receipt("0x2", version), None);
    }

    #[test]
    fn what_is_pending_or_removed_cannot_be_used() {
        let text = r#"{"address":"0x0000000000000000000000000000000000000001","topics":[],"data":"0x",
            "blockHash":null,"blockNumber":null,"transactionHash":null,"transactionIndex":null,"logIndex":null}"#;
        let pending: WireLog = serde_json::from_str(text).expect("a pending log");
        assert!(pending.resolve().is_err());
        let block: WireBlock = serde_json::from_str(
            r#"{"number":null,"hash":null,"parentHash":"0x0000000000000000000000000000000000000000000000000000000000000000",
            "timestamp":"0x1","logsBloom":"0x"}"#,
        )
        .expect("a pending block");
        assert!(block.header().is_err());
        assert!(!block.bloom_has_logs());
    }

    /// Both once ended the process: one in an `expect`, one at PostgreSQL's refusal for ever.
    #[test]
    fn what_no_table_can_hold_is_refused_or_bounded() {
        let block = |number: &str, timestamp: &str| -> WireBlock {
            let hash = B256::ZERO;
            serde_json::from_value(serde_json::json!(
                { "number": number, "hash": hash, "parentHash": hash, "timestamp": timestamp }
            ))
            .expect("a block")
        };
        assert!(block("0x8000000000000000", "0x1").header().is_err());
        let header = block("0x7fffffffffffffff", "0xffffffffffffffff").header().expect("a header");
        assert_eq!((header.id.number, header.timestamp), (i64::MAX.unsigned_abs(), SECONDS_MAX));
    }
}
