//! What the indexer asks of a node, and what an answer promises.
//!
//! Implemented by [`crate::rpc`] over JSON-RPC and by the simulated chain of the tests. Knows no ABI, no facts,
//! no SQL.
//!
//! Invariant: answers about one block come from one provider, and name the block by hash wherever the protocol can.
//! Invariant: an answer that could be incomplete is an error, never an empty list.

use std::future::Future;

use alloy::primitives::{Address, B256, Bytes};

use crate::block::{BlockId, BlockRange, Header, RawLog, Receipt, Sealed, Transaction};

/// The newest block of a node and the newest it calls final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The newest block.
    pub head: Header,
    /// The newest block that the chain (or the configured depth) promises to keep; never above `head`.
    pub finalized: BlockId,
}

/// The answer to a call pinned to a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallAnswer {
    /// The bytes that the contract returned.
    Returned(Bytes),
    /// The contract reverted, or there is none at that address.
    Reverted,
    /// The node does not keep the state of that block, gives the call up as too large or too long, or goes on failing
    /// inwardly at this call while it answers another of that block. Not an error: the fact stays unknown, with this reason.
    StateUnavailable,
}

/// A call to be answered as of the end of one block.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallRequest {
    /// The block whose state is asked.
    pub block: BlockId,
    /// The contract.
    pub target: Address,
    /// Selector and arguments.
    pub input: Bytes,
}

/// What providers other than the one that is answering now say of a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Witnesses {
    /// How many have this block at its height.
    pub agree: usize,
    /// How many have another one there.
    pub disagree: usize,
    /// How many are configured beside the present one, asked or not.
    pub others: usize,
}

/// Logs from a provider other than the one that is answering now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondOpinion {
    /// Alias of that provider.
    pub provider: String,
    /// What it lists.
    pub logs: Vec<RawLog>,
}

/// How much was asked of a node, and in what way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests sent since the beginning; each one of a batch counts.
    pub requests: u64,
    /// Whether it takes several requests at once; `None` where it was not tried.
    pub batches: Option<bool>,
}

/// What became of a transaction, as the node tells now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// In no block yet, as far as the node knows.
    Pending,
    /// In a block.
    Executed {
        /// The block, provisional or final.
        block: BlockId,
        /// Whether it did what it should; a transaction that failed leaves no log.
        succeeded: bool,
    },
    /// Its sender's count has passed it by: another transaction took its place, and it can never be executed.
    Replaced,
}

/// Why a node's answer could not be had or used.
///
/// No variant carries a URL: keys live in URLs.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    /// The node could not be reached, broke off, or asked us to slow down; asking again later may help.
    #[error("{provider} did not answer {method}: {reason}")]
    Unavailable {
        /// Alias of the provider.
        provider: String,
        /// JSON-RPC method.
        method: &'static str,
        /// What happened, without secrets.
        reason: String,
    },
    /// The node refuses for good: no such method, wrong key, plan ended.
    #[error("{provider} refused {method}: {reason}")]
    Refused {
        /// Alias of the provider.
        provider: String,
        /// JSON-RPC method.
        method: &'static str,
        /// What the node said, without secrets.
        reason: String,
    },
    /// The node no longer has (or never had) the history that was asked for.
    #[error(
        "{provider} has no {method} history at block {block}: {reason}; use a node that keeps it, or start later"
    )]
    Pruned {
        /// Alias of the provider.
        provider: String,
        /// JSON-RPC method.
        method: &'static str,
        /// First block of the request.
        block: u64,
        /// What the node said, without secrets.
        reason: String,
    },
    /// A block that was announced is not there (any more): the chain moved between two questions.
    #[error("block {number} ({hash:?}) is not on the node's chain now")]
    BlockGone {
        /// Height asked for.
        number: u64,
        /// Hash asked for, where known.
        hash: Option<B256>,
    },
    /// The answer contradicts itself or the question: never stored.
    #[error("{provider} answered {method} inconsistently: {reason}")]
    Inconsistent {
        /// Alias of the provider.
        provider: String,
        /// JSON-RPC method.
        method: &'static str,
        /// The contradiction.
        reason: String,
    },
}

/// A node, or several that agree, as the indexer sees it.
pub trait Source: Send + Sync + 'static {
    /// The chain's id (EIP-155).
    fn chain_id(&self) -> impl Future<Output = Result<u64, SourceError>> + Send;

    /// The head and what is final now.
    fn view(&self) -> impl Future<Output = Result<View, SourceError>> + Send;

    /// The header at a height of the node's present chain; `None` above its head.
    fn header(&self, number: u64) -> impl Future<Output = Result<Option<Header>, SourceError>> + Send;

    /// The headers at these heights, in the same order; a missing one is [`SourceError::BlockGone`].
    fn headers(&self, numbers: &[u64]) -> impl Future<Output = Result<Vec<Header>, SourceError>> + Send;

    /// Every log of one block, by its hash, in order.
    fn logs_of_block(&self, block: BlockId) -> impl Future<Output = Result<Vec<RawLog>, SourceError>> + Send;

    /// Every log that these contracts emitted in a range, in chain order, whatever its topics.
    ///
    /// An empty list of contracts means none (and asks nothing). Limits of the provider are met inside by splitting.
    fn logs_in_range(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> impl Future<Output = Result<Vec<RawLog>, SourceError>> + Send;

    /// The same for whoever has no use for more than `most` logs: where there are more, more than `most` of them, whichever.
    ///
    /// Unless said otherwise, all of them.
    fn logs_up_to(
        &self,
        range: BlockRange,
        addresses: &[Address],
        most: usize,
    ) -> impl Future<Output = Result<Vec<RawLog>, SourceError>> + Send {
        let _ = most;
        self.logs_in_range(range, addresses)
    }

    /// Answers to calls, in the same order.
    fn calls(
        &self,
        requests: &[CallRequest],
    ) -> impl Future<Output = Result<Vec<CallAnswer>, SourceError>> + Send;

    /// Every transaction of one block, by its hash, in order.
    fn transactions(
        &self,
        block: BlockId,
    ) -> impl Future<Output = Result<Vec<Transaction>, SourceError>> + Send;

    /// Of several blocks, by their hashes, at least the transactions that stand at these positions, in the order of the
    /// blocks.
    fn transactions_at(
        &self,
        wanted: &[(BlockId, Vec<u32>)],
    ) -> impl Future<Output = Result<Vec<Vec<Transaction>>, SourceError>> + Send {
        async move {
            let mut found = Vec::with_capacity(wanted.len());
            for (block, places) in wanted {
                let mut all = self.transactions(*block).await?;
                all.retain(|transaction| places.contains(&transaction.index));
                found.push(all);
            }
            Ok(found)
        }
    }

    /// Whether an account has code at the end of a block; `None` where the node does not keep that state.
    fn has_code(
        &self,
        address: Address,
        number: u64,
    ) -> impl Future<Output = Result<Option<bool>, SourceError>> + Send;

    /// The same of several accounts, each at a block of its own, in the same order; unless said otherwise, one by one.
    fn have_code(
        &self,
        accounts: &[(Address, u64)],
    ) -> impl Future<Output = Result<Vec<Option<bool>>, SourceError>> + Send {
        async move {
            let mut known = Vec::with_capacity(accounts.len());
            for (address, number) in accounts {
                known.push(self.has_code(*address, *number).await?);
            }
            Ok(known)
        }
    }

    /// Headers with all that their hashes commit to, at these heights of the node's present chain, in the same order.
    ///
    /// Nothing in them is checked but number and form; a missing one is [`SourceError::BlockGone`].
    fn sealed(&self, numbers: &[u64]) -> impl Future<Output = Result<Vec<Sealed>, SourceError>> + Send;

    /// The receipts of one block, by its hash, in order. [`SourceError::Refused`] from a node that gives none.
    fn receipts(&self, block: BlockId) -> impl Future<Output = Result<Vec<Receipt>, SourceError>> + Send;

    /// What became of a transaction. Where `sent` names its sender and nonce, the sender's count at the end of
    /// `final_block` tells whether another transaction took its place. Without a node that can be asked: pending.
    fn fate(
        &self,
        _: B256,
        _sent: Option<(Address, u64)>,
        _final_block: u64,
    ) -> impl Future<Output = Result<Fate, SourceError>> + Send {
        async { Ok(Fate::Pending) }
    }

    /// Alias of the provider that answers now. It changes only with [`Source::view`]: one step, one provider.
    fn alias(&self) -> String;

    /// What the other providers say of a block; no others, no witnesses.
    fn witnesses(&self, _: BlockId) -> impl Future<Output = Result<Witnesses, SourceError>> + Send {
        std::future::ready(Ok(Witnesses::default()))
    }

    /// What another provider lists for a range, at the same hashes or not; `None` where there is no other.
    fn second_opinion(
        &self,
        _: BlockRange,
        _: &[Address],
    ) -> impl Future<Output = Result<Option<SecondOpinion>, SourceError>> + Send {
        std::future::ready(Ok(None))
    }

    /// The present provider was caught giving a wrong answer: it should not be asked again for a while.
    fn blame(&self, _: &str) {}

    /// The hash that block 0 has in the tables: a provider with another one is of another chain.
    fn expect_genesis(&self, _: B256) {}

    /// What was asked of it so far; nothing where nobody counts.
    fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    /// Returns when a new head is likely, or after the polling interval: a doorbell, never data.
    fn wait_for_head(&self) -> impl Future<Output = ()> + Send;
}
