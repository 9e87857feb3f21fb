//! A real node: anvil, started for one test and killed with it.

mod chain;
mod process;
mod request;

use std::path::PathBuf;

use alloy::primitives::Address;
use alloy::providers::RootProvider;

use crate::error::Result;
use process::Process;

pub use chain::{Inclusion, Reorg};
pub use request::Call;

/// The timestamp of block 0 unless [`NodeOptions::genesis_timestamp`] says otherwise: 2023-11-14 22:13:20 UTC.
pub const GENESIS_TIMESTAMP: u64 = 1_700_000_000;

/// When the node makes blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mining {
    /// A block for every transaction, at once.
    #[default]
    Automatic,
    /// Only when asked by [`Node::mine`].
    OnDemand,
    /// A block every so many seconds of the clock, empty or not.
    EverySeconds(u64),
}

/// How a node is started. `NodeOptions::default()` is a fresh chain that is the same in every run.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// The port; none takes a free one. Give it to restart a node under the URL that it had.
    pub port: Option<u16>,
    /// The chain's id.
    pub chain_id: u64,
    /// Anvil's `finalized` is twice as many blocks below the head, `safe` once as many.
    pub slots_in_an_epoch: u64,
    /// When blocks are made.
    pub mining: Mining,
    /// The timestamp of block 0 in seconds, unless the clock's time is taken. Not later than the last block of a
    /// loaded state.
    pub genesis_timestamp: u64,
    /// Seconds of chain time from block to block; none takes the clock's time from block 0 on, and runs then differ.
    pub seconds_per_block: Option<u64>,
    /// How many unlocked accounts there are, each with 10,000 ether.
    pub accounts: u16,
    /// Continue the chain in this file, written by `dump_state`.
    pub load_state: Option<PathBuf>,
    /// Write the chain to this file at [`Node::stop`].
    pub dump_state: Option<PathBuf>,
    /// Whether the dump holds the states of old blocks too. Without them a call at any block but the last is refused
    /// after a restart, as by a pruned node.
    pub historical_states: bool,
    /// More arguments for anvil.
    pub arguments: Vec<String>,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            port: None,
            chain_id: 31337,
            slots_in_an_epoch: 32,
            mining: Mining::Automatic,
            genesis_timestamp: GENESIS_TIMESTAMP,
            seconds_per_block: Some(12),
            accounts: 32,
            load_state: None,
            dump_state: None,
            historical_states: true,
            arguments: Vec::new(),
        }
    }
}

/// A running node. Dropping it kills it.
#[derive(Debug)]
pub struct Node {
    process: Process,
    provider: RootProvider,
    accounts: Vec<Address>,
    seconds_per_block: Option<u64>,
}

impl Node {
    /// Starts a node with the default options.
    ///
    /// # Errors
    /// If anvil is missing or does not start.
    pub async fn start() -> Result<Self> {
        Self::start_with(NodeOptions::default()).await
    }

    /// Starts a node.
    ///
    /// # Errors
    /// If anvil is missing or does not start, for example because the port is taken.
    pub async fn start_with(options: NodeOptions) -> Result<Self> {
        let process = process::start(&options).await?;
        let url = format!("http://127.0.0.1:{}", process.port());
        let provider = RootProvider::new_http(url.parse().expect("an address and a port make a URL"));
        let seconds_per_block = options.seconds_per_block;
        let mut node = Self { process, provider, accounts: Vec::new(), seconds_per_block };
        node.accounts = node.request("eth_accounts", ()).await?;
        node.follow_chain_time().await?;
        Ok(node)
    }

    /// The URL for JSON-RPC over HTTP.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// The URL for JSON-RPC over WebSocket.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port())
    }

    /// The port that the node listens on.
    pub fn port(&self) -> u16 {
        self.process.port()
    }

    /// The node's process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The unlocked accounts: of anvil's published test mnemonic, in order.
    pub fn accounts(&self) -> &[Address] {
        &self.accounts
    }

    /// One of the unlocked accounts.
    ///
    /// # Panics
    /// If the node was started with fewer.
    pub fn account(&self, index: usize) -> Address {
        self.accounts[index]
    }

    /// A provider for requests that have no method here.
    pub fn provider(&self) -> &RootProvider {
        &self.provider
    }

    /// Ends the node in order, so that it writes the file of `dump_state`.
    ///
    /// # Errors
    /// If it does not end within 20 seconds; it is killed then.
    pub async fn stop(self) -> Result<()> {
        self.process.stop().await
    }
}
