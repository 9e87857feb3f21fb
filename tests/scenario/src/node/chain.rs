//! The chain's course: mining, reorgs, snapshots, time, dumps.

use alloy::primitives::{Bytes, U256};
use alloy::rpc::types::TransactionRequest;
use serde::Serialize;
use serde_json::Value;

use super::Node;
use super::request::Call;
use crate::error::{Error, Result};

/// A transaction of a reorg's other blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inclusion {
    /// One that an unlocked account sends; its nonce is the next at that place.
    Call(Call),
    /// A signed one, as `eth_getRawTransactionByHash` answers. It is left out if its nonce does not fit.
    Raw(Bytes),
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Included {
    Call(Box<TransactionRequest>),
    Raw(Bytes),
}

/// Replaces the last blocks by as many others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reorg {
    /// How many blocks are replaced.
    pub depth: u64,
    /// The transactions of the new blocks, each with the place of its block: 0 is the lowest new one.
    pub include: Vec<(u64, Inclusion)>,
}

impl Reorg {
    /// A reorg whose new blocks are empty.
    pub fn of(depth: u64) -> Self {
        Self { depth, include: Vec::new() }
    }

    /// With one more transaction in a block.
    #[must_use]
    pub fn with(mut self, block: u64, call: Call) -> Self {
        self.include.push((block, Inclusion::Call(call)));
        self
    }
}

impl Node {
    /// Makes blocks, of the transactions that wait or empty.
    ///
    /// # Errors
    /// If the node refuses.
    pub async fn mine(&self, blocks: u64) -> Result<()> {
        let _: Value = self.request("anvil_mine", [U256::from(blocks)]).await?;
        Ok(())
    }

    /// Switches a block for every transaction on or off.
    ///
    /// # Errors
    /// If the node refuses.
    pub async fn set_automine(&self, automatic: bool) -> Result<()> {
        let _: Value = self.request("evm_setAutomine", [automatic]).await?;
        Ok(())
    }

    /// Replaces the last blocks by as many others, by `anvil_reorg`. The height stays, hashes change; the old blocks'
    /// transactions are gone unless they are included.
    ///
    /// # Errors
    /// If the chain is not that long or a transaction is refused.
    pub async fn reorg(&self, reorg: &Reorg) -> Result<()> {
        let include: Vec<(Included, u64)> = reorg
            .include
            .iter()
            .map(|(block, inclusion)| {
                let included = match inclusion {
                    Inclusion::Call(call) => Included::Call(Box::new(call.request())),
                    Inclusion::Raw(bytes) => Included::Raw(bytes.clone()),
                };
                (included, *block)
            })
            .collect();
        let _: Value = self.request("anvil_reorg", (reorg.depth, include)).await?;
        Ok(())
    }

    /// Replaces the last blocks by others with the same transactions, moved by `shift` blocks upwards (the last block
    /// takes those that would fall out). What the transactions did stays, hashes and places change. With a shift of 0
    /// the logs are the same, under other block hashes.
    ///
    /// # Errors
    /// If the chain is not that long.
    pub async fn reorg_with_the_same_transactions(&self, depth: u64, shift: u64) -> Result<()> {
        let head = self.block_number().await?;
        let mut include = Vec::new();
        for place in 0..depth {
            let number = head + 1 + place - depth;
            let block = self.block(number).await?;
            let block = block.ok_or_else(|| Error::Unknown(format!("the chain has no block {number}")))?;
            for hash in block.transactions.hashes() {
                let raw: Option<Bytes> = self.request("eth_getRawTransactionByHash", [hash]).await?;
                let raw = raw.ok_or_else(|| Error::Unknown(format!("the node has no transaction {hash}")))?;
                include.push(((place + shift).min(depth - 1), Inclusion::Raw(raw)));
            }
        }
        self.reorg(&Reorg { depth, include }).await
    }

    /// Remembers the chain as it is.
    ///
    /// # Errors
    /// If the node refuses.
    pub async fn snapshot(&self) -> Result<U256> {
        self.request("evm_snapshot", ()).await
    }

    /// Goes back to a snapshot, which is used up: the blocks since are gone, the chain is shorter. With other
    /// transactions afterwards this is a reorg to a chain of any length.
    ///
    /// # Errors
    /// If there is no such snapshot.
    pub async fn revert(&self, snapshot: U256) -> Result<()> {
        let reverted: bool = self.request("evm_revert", [snapshot]).await?;
        if reverted { Ok(()) } else { Err(Error::Unknown(format!("the node has no snapshot {snapshot}"))) }
    }

    /// The chain as anvil's compressed dump, for [`Node::load_state`] of another node. For a file that a node can be
    /// started from, see [`super::NodeOptions::dump_state`].
    ///
    /// # Errors
    /// If the node refuses.
    pub async fn dump_state(&self) -> Result<Bytes> {
        // With the states of old blocks.
        self.request("anvil_dumpState", [true]).await
    }

    /// Takes over a chain that [`Node::dump_state`] answered.
    ///
    /// # Errors
    /// If the node refuses it.
    pub async fn load_state(&self, dump: &Bytes) -> Result<()> {
        let loaded: bool = self.request("anvil_loadState", [dump]).await?;
        if !loaded {
            return Err(Error::Unknown("the node did not load the state".to_owned()));
        }
        self.follow_chain_time().await
    }

    /// Gives the next block this timestamp, in seconds.
    ///
    /// # Errors
    /// If it is not after the last block's.
    pub async fn set_next_timestamp(&self, timestamp: u64) -> Result<()> {
        let _: Value = self.request("evm_setNextBlockTimestamp", [timestamp]).await?;
        Ok(())
    }

    /// Makes time the chain's own: each block a fixed number of seconds after the one before, from the last one on.
    pub(super) async fn follow_chain_time(&self) -> Result<()> {
        let Some(seconds) = self.seconds_per_block else { return Ok(()) };
        let last = self.head().await?.header.timestamp;
        // The interval alone would start from the clock after a loaded state.
        self.set_next_timestamp(last + seconds).await?;
        let _: Value = self.request("anvil_setBlockTimestampInterval", [seconds]).await?;
        Ok(())
    }
}
