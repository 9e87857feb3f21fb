//! What a node serves: blocks with their logs and transactions, whatever the workload. All of it is computed when it is
//! asked for.

use std::collections::HashMap;

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::{SolCall, SolValue};
use asset_indexer::fact::Role;

alloy::sol! {
    function name() external view returns (string);
    function symbol() external view returns (string);
    function decimals() external view returns (uint8);
}

/// The chain's id (EIP-155): of no chain that exists.
pub const CHAIN_ID: u64 = 900_001;

/// Seconds between two blocks.
const BLOCK_SECONDS: u64 = 12;
/// Time of block 0, in seconds since the Unix epoch.
const GENESIS_SECONDS: u64 = 1_700_000_000;

/// The blocks of a chain, from block 0 on, whatever is in them.
#[derive(Debug, Default)]
pub struct Blocks {
    hashes: Vec<B256>,
    numbers: HashMap<B256, u64>,
}

impl Blocks {
    /// The blocks up to a height.
    pub fn up_to(head: u64) -> Self {
        let mut blocks = Self::default();
        blocks.add(head + 1);
        blocks
    }

    /// So many more.
    pub fn add(&mut self, count: u64) {
        let next = self.hashes.len() as u64;
        for number in next..next + count {
            let hash = digest("block", &[number]);
            self.hashes.push(hash);
            self.numbers.insert(hash, number);
        }
    }
}

/// Where a log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The block.
    pub number: u64,
    /// Position in the block.
    pub index: u32,
    /// How the ledger itself finds it.
    pub at: u32,
}

/// A log as its contract emitted it. One is filled again and again, so that a log costs no allocation.
#[derive(Debug, Default)]
pub struct Log {
    /// The contract.
    pub address: Address,
    /// Position of the transaction in its block.
    pub transaction: u32,
    /// What it is of, and by what it can be found.
    pub topics: Vec<B256>,
    /// The rest.
    pub data: Vec<u8>,
}

impl Log {
    /// Begins another one.
    pub fn begin(&mut self, address: Address, transaction: u32) {
        (self.address, self.transaction) = (address, transaction);
        self.topics.clear();
        self.data.clear();
    }
}

/// A transaction as its block lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Position in the block.
    pub index: u32,
    /// Who sent it.
    pub from: Address,
    /// The contract that it calls.
    pub to: Address,
    /// Selector and arguments.
    pub input: Vec<u8>,
}

/// See the module.
pub trait Ledger: Send + Sync {
    /// The blocks.
    fn blocks(&self) -> &Blocks;

    /// The contracts that the program is told of.
    fn starting_points(&self) -> Vec<(Role, Address)>;

    /// The first topics of all logs that there are.
    fn first_topics(&self) -> &[B256];

    /// Whether a contract has logged before anything tells of it, so that whoever hears of it has to look for older logs.
    fn is_announced_late(&self, address: Address) -> bool;

    /// The logs of existing blocks `from` to `to`, of these contracts alone where some are named: the first `most`, in the
    /// chain's order.
    fn find(&self, from: u64, to: u64, of: Option<&[Address]>, most: usize) -> Vec<Place>;

    /// The log at a place.
    fn log(&self, place: Place, log: &mut Log);

    /// The transactions of a block that left logs.
    fn transactions(&self, number: u64) -> Vec<Transaction>;

    /// Whether there is a contract.
    fn has_code(&self, address: Address) -> bool;

    /// What a contract answers, whatever the block; nothing where it reverts.
    fn call(&self, target: Address, input: &[u8]) -> Option<Vec<u8>>;

    /// The newest block.
    fn head(&self) -> u64 {
        self.blocks().hashes.len() as u64 - 1
    }

    /// The hash of a block that exists.
    fn hash(&self, number: u64) -> B256 {
        self.blocks().hashes[number as usize]
    }

    /// The height of a hash.
    fn number(&self, hash: B256) -> Option<u64> {
        self.blocks().numbers.get(&hash).copied()
    }

    /// The time of a block, in seconds since the Unix epoch.
    fn timestamp(&self, number: u64) -> u64 {
        GENESIS_SECONDS + BLOCK_SECONDS * number
    }

    /// The hash of a transaction by its place.
    fn transaction_hash(&self, number: u64, index: u32) -> B256 {
        digest("transaction", &[number, u64::from(index)])
    }
}

/// What a token answers when it is asked what it is; nothing to other questions.
pub fn described(input: &[u8], name: &str, symbol: &str) -> Option<Vec<u8>> {
    match <[u8; 4]>::try_from(input).ok()? {
        nameCall::SELECTOR => Some(name.abi_encode()),
        symbolCall::SELECTOR => Some(symbol.abi_encode()),
        decimalsCall::SELECTOR => Some(U256::from(18).abi_encode()),
        _ => None,
    }
}

/// A hash of whatever has a kind and numbers.
pub fn digest(kind: &str, numbers: &[u64]) -> B256 {
    let mut named = kind.as_bytes().to_vec();
    named.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
    keccak256(named)
}

/// An address of a kind.
pub fn account(kind: &str, number: u64) -> Address {
    Address::from_word(digest(kind, &[number]))
}
