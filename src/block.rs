//! Blocks and logs as every part of the indexer speaks of them.
//!
//! Knows alloy's primitives and consensus types and nothing else: no ABI, no SQL, no RPC, no clock.

use alloy::consensus;
use alloy::primitives::{Address, B256, Bytes};

/// A block that can be named without doubt: its number and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId {
    /// Height, in blocks since genesis.
    pub number: u64,
    /// Keccak hash of the header.
    pub hash: B256,
}

/// The part of a block's header that the indexer needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Number and hash.
    pub id: BlockId,
    /// Hash of the header one below.
    pub parent: B256,
    /// Seconds since the Unix epoch, as the chain says.
    pub timestamp: u64,
}

/// A header with everything that its hash commits to, as a node gave it. Nothing in it is checked yet: see
/// [`crate::proof`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Number and hash as the node says them, parent and time.
    pub header: Header,
    /// All fields; `None` where the chain's header has another form than Ethereum's.
    pub fields: Option<Box<consensus::Header>>,
}

/// How a transaction ended, as its receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Success or failure (EIP-658).
    Status(bool),
    /// The state's root, in receipts older than EIP-658.
    StateRoot(B256),
}

/// The type of a deposit on chains of the OP Stack.
pub const DEPOSIT: u8 = 0x7e;

/// What a deposit's receipt has beside others' on chains of the OP Stack since Canyon, and the receipts root commits to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deposit {
    /// The sender's nonce, which the transaction itself does not have.
    pub nonce: u64,
    /// The form of the receipt.
    pub version: u64,
}

/// A transaction's receipt as a node gave it, with all that the header's receipts root commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction's type (EIP-2718); zero for a legacy one.
    pub kind: u8,
    /// How it ended.
    pub ending: Ending,
    /// Gas used in the block up to and with this transaction.
    pub cumulative_gas: u64,
    /// Of an OP Stack's deposit.
    pub deposit: Option<Deposit>,
    /// Its logs, in order.
    pub logs: Vec<RawLog>,
}

/// How what a claim says is kept from the tables; the rules are in [`crate::decode::withhold`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Withheld {
    /// The digest that the issuer signed stands for it: whoever knows the statement can show that it is this one.
    Digest,
    /// Nothing of it is kept but who signed it and until when it holds.
    Drop,
}

impl Withheld {
    /// Both.
    pub const ALL: [Withheld; 2] = [Withheld::Digest, Withheld::Drop];

    /// The word of the configuration and of the tables.
    pub fn name(self) -> &'static str {
        match self {
            Withheld::Digest => "digest",
            Withheld::Drop => "drop",
        }
    }

    /// The inverse of [`Withheld::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|how| how.name() == name)
    }
}

/// A log as a node returned it, with every option resolved: a pending log cannot be written down here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawLog {
    /// The block that holds the log.
    pub block: BlockId,
    /// Position in the block, over all its logs.
    pub log_index: u32,
    /// Hash of the transaction that emitted the log.
    pub transaction_hash: B256,
    /// Position of that transaction in its block.
    pub transaction_index: u32,
    /// The contract that emitted the log.
    pub address: Address,
    /// Zero to four topics.
    pub topics: Vec<B256>,
    /// ABI-encoded rest, any length.
    pub data: Bytes,
    /// Seconds since the Unix epoch of the log's block; `None` where the node does not say it with the log.
    pub timestamp: Option<u64>,
    /// What a claim says is kept from `data`, which then is not what the contract logged; never so in a node's answer.
    pub withheld: Option<Withheld>,
}

impl RawLog {
    /// Equality, but for a time that a node says with one answer and not with another.
    pub fn same_as(&self, other: &Self) -> bool {
        let same_time = match (self.timestamp, other.timestamp) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        same_time
            && self.block == other.block
            && self.log_index == other.log_index
            && self.transaction_hash == other.transaction_hash
            && self.transaction_index == other.transaction_index
            && self.address == other.address
            && self.topics == other.topics
            && self.data == other.data
            && self.withheld == other.withheld
    }

    /// Where the log stands in the chain's order.
    pub fn position(&self) -> Position {
        Position { block_number: self.block.number, log_index: self.log_index }
    }
}

/// The chain's order of logs: block number, then index in the block.
///
/// Timestamps never order anything: they may repeat and, on some chains, go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Height of the block.
    pub block_number: u64,
    /// Index of the log in the block.
    pub log_index: u32,
}

/// An inclusive range of block numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRange {
    /// First block.
    pub from: u64,
    /// Last block, not below `from`.
    pub to: u64,
}

impl BlockRange {
    /// How many blocks the range holds.
    pub fn len(&self) -> u64 {
        self.to - self.from + 1
    }

    /// Always false: a range holds at least one block.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Whether `number` lies in the range.
    pub fn contains(&self, number: u64) -> bool {
        (self.from..=self.to).contains(&number)
    }
}

/// What a transaction asked for: read only where a role's events leave something untold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The block that holds it.
    pub block: BlockId,
    /// Its hash.
    pub hash: B256,
    /// Position in the block.
    pub index: u32,
    /// Who signed it.
    pub from: Address,
    /// The contract called; `None` for a deployment.
    pub to: Option<Address>,
    /// Call data.
    pub input: Bytes,
}
