//! Ground: the logs themselves, and what was asked of the chain beside them.

use crate::block::{BlockId, RawLog, Withheld};
use crate::fact::{Entry, Reading};
use crate::id::fact_id;
use crate::json::Json;
use crate::row::{Table, Time};
use crate::table;
use alloy::primitives::{Address, B256, Bytes};
use uuid::Uuid;

table! {
    #[doc = "Every log of every watched contract, raw and, where its ABI is known, decoded."]
    AssetEvent, AssetEventKey: Ground "asset_events"
    key {
        chain_id: u64 = "The chain (EIP-155 id).",
        block_number: u64 = "Height of the block.",
        log_index: u32 = "Index of the log in its block.",
        part: u32 = "0: a log is one event.",
    }
    columns {
        id: Uuid = "Computed from chain, block hash and log index: the same after every re-index.",
        asset_id: Option<Uuid> = "The asset that emitted the log; null for registries, identities, factories.",
        block_hash: B256 = "Hash of the block.",
        block_timestamp: Time = "The block's time.",
        transaction_hash: B256 = "Transaction that emitted the log.",
        transaction_index: u32 = "Its position in the block.",
        address: Address = "Contract that emitted the log.",
        role: String = "What the contract is to the register.",
        event_type: Option<String> = "Name of the event in its ABI; null where it could not be read.",
        event_data: Option<Json> = "Parameters by name: integers above 48 bits as decimal strings, bytes as 0x text.",
        unreadable: Option<String> = "Why the log could not be decoded; null where it could.",
        topic0: Option<B256> = "First topic; null for an anonymous event.",
        topic1: Option<B256> = "Second topic.",
        topic2: Option<B256> = "Third topic.",
        topic3: Option<B256> = "Fourth topic.",
        data: Bytes = "The log's data, byte for byte.",
        withheld: Option<String> = "How what a claim says was kept from data before it was stored, digest or drop; null where data is what was logged.",
    }
}

impl AssetEvent {
    /// The row of a log.
    pub fn of(chain_id: u64, entry: &Entry) -> Self {
        let log = &entry.log;
        let topic = |n: usize| log.topics.get(n).copied();
        let (event_type, event_data, unreadable) = match &entry.reading {
            Reading::Event { name, data, .. } => (Some(name.clone()), Some(data.clone()), None),
            Reading::Unreadable(why) => (None, None, Some(why.name().to_owned())),
        };
        let block = log.block;
        Self {
            chain_id,
            block_number: block.number,
            log_index: log.log_index,
            part: 0,
            id: fact_id(Self::DEF.name, chain_id, block.number, block.hash, log.log_index, &[]),
            asset_id: entry.asset_id,
            block_hash: block.hash,
            block_timestamp: entry.time,
            transaction_hash: log.transaction_hash,
            transaction_index: log.transaction_index,
            address: log.address,
            role: entry.role.name().to_owned(),
            event_type,
            event_data,
            unreadable,
            topic0: topic(0),
            topic1: topic(1),
            topic2: topic(2),
            topic3: topic(3),
            data: log.data.clone(),
            withheld: log.withheld.map(|how| how.name().to_owned()),
        }
    }
}

table! {
    #[doc = "Answers to calls that were pinned to a block: what no log tells."]
    Observation, ObservationKey: Ground "observations"
    key {
        chain_id: u64 = "The chain.",
        block_number: u64 = "The block at whose end the call was answered.",
        target: Address = "The contract that was called.",
        input: Bytes = "Selector and arguments.",
    }
    columns {
        block_hash: B256 = "Hash of that block.",
        outcome: String = "returned, reverted, or unavailable where the node does not keep that state.",
        output: Option<Bytes> = "What the contract returned.",
    }
}

table! {
    #[doc = "Transactions whose call data tells what their logs do not."]
    TransactionInput, TransactionInputKey: Ground "transaction_inputs"
    key {
        chain_id: u64 = "The chain.",
        block_number: u64 = "Height of the block.",
        transaction_index: u32 = "Position in the block.",
    }
    columns {
        transaction_hash: B256 = "Hash of the transaction.",
        from_address: Address = "Who signed it.",
        to_address: Option<Address> = "The contract called; null for a deployment.",
        input: Bytes = "The call data.",
    }
}

table! {
    #[doc = "Contracts named by the configuration: where following starts."]
    ConfiguredContract, ConfiguredContractKey: Ground "configured_contracts"
    key {
        chain_id: u64 = "The chain.",
        address: Address = "The contract.",
    }
    columns {
        role: String = "What it is to the register.",
        opening_hash: Option<B256> = "Hash of opening_block.",
        opening_block: Option<u64> = "Set where indexing starts after the first event on purpose: the block before the first one read, at which opening balances are observed.",
    }
}

impl AssetEvent {
    /// The log as the node returned it.
    pub fn log(&self) -> RawLog {
        RawLog {
            block: BlockId { number: self.block_number, hash: self.block_hash },
            log_index: self.log_index,
            transaction_hash: self.transaction_hash,
            transaction_index: self.transaction_index,
            address: self.address,
            topics: [self.topic0, self.topic1, self.topic2, self.topic3].into_iter().flatten().collect(),
            data: self.data.clone(),
            timestamp: u64::try_from(self.block_timestamp.0).ok(),
            withheld: self.withheld.as_deref().and_then(Withheld::from_name),
        }
    }
}
