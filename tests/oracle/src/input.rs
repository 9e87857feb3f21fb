//! What the oracle is given: a finished chain, and how to ask its contracts.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, U256};

/// A contract that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// Its role, as the configuration spells it (`trex_factory`, `erc20`, …).
    pub role: String,
    /// Its address.
    pub address: Address,
    /// First block whose logs are read.
    pub start_block: u64,
}

/// A canonical chain from genesis on, and the settings it is indexed with.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    /// EIP-155 id.
    pub chain_id: u64,
    /// Where following starts.
    pub contracts: Vec<Configured>,
    /// By claim topic: which 32-byte word of a claim's data holds its end in Unix seconds.
    pub claim_expiry: BTreeMap<U256, usize>,
    /// The blocks, ascending without a gap.
    pub blocks: Vec<Block>,
}

/// A block with all its transactions and logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    /// Height.
    pub number: u64,
    /// Hash of the header.
    pub hash: B256,
    /// Hash of the header below.
    pub parent: B256,
    /// Unix seconds.
    pub timestamp: u64,
    /// In order.
    pub transactions: Vec<Transaction>,
    /// In order.
    pub logs: Vec<Log>,
}

/// What somebody asked the chain to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// Its hash.
    pub hash: B256,
    /// Position in the block.
    pub index: u64,
    /// Who signed it.
    pub from: Address,
    /// The contract called; none for a deployment.
    pub to: Option<Address>,
    /// Call data.
    pub input: Bytes,
}

/// What a contract said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// Position in the block.
    pub log_index: u64,
    /// Transaction that emitted it.
    pub transaction_hash: B256,
    /// That transaction's position in the block.
    pub transaction_index: u64,
    /// The contract.
    pub address: Address,
    /// Up to four.
    pub topics: Vec<B256>,
    /// ABI-encoded rest.
    pub data: Bytes,
}

/// What a contract answers to a call at the end of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// These bytes.
    Returned(Bytes),
    /// It reverted, or there is no contract.
    Reverted,
    /// The node no longer has that state.
    Unavailable,
}

/// Asks a contract (first), with call data (second), as of the end of the block with this number.
pub type Ask<'a> = &'a dyn Fn(Address, &[u8], u64) -> Answer;
