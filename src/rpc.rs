//! One node or provider over JSON-RPC, by HTTP or WebSocket.
//!
//! Implements [`Source`] as it promises: what could be incomplete is an error. Knows no ABI, no facts, no
//! SQL.
//!
//! Invariant: every error of a provider is classified before anything is tried again.
//! Invariant: no text that leaves this module holds the URL's path, query or user.

mod blocks;
mod classify;
mod client;
mod doorbell;
mod everyone;
mod exchange;
mod fate;
mod http;
mod inward;
mod logs;
mod page;
mod pattern;
mod pause;
mod provider_errors;
mod range;
mod receipts;
mod script;
mod secret_url;
mod state;
mod transactions;
mod websocket;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use alloy::primitives::{Address, B256};

pub use client::{REQUEST_DURATION, REQUESTS_TOTAL, UNCLASSIFIED_ERRORS};
pub use range::RANGE_BLOCKS;
#[doc(hidden)]
pub use script::{Script, ScriptedAnswer};
pub(crate) use secret_url::written_and_decoded;
pub use secret_url::{SecretUrl, SecretUrlError};

use crate::block::{BlockId, BlockRange, Header, RawLog, Receipt, Sealed, Transaction};
use crate::retry::Policy;
use crate::source::{CallAnswer, CallRequest, Fate, Source, SourceError, Traffic, View};

/// How the final block is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// The node's tag `finalized`.
    Tag {
        /// Blocks below the head, for a node that has no such tag; without it such a node is refused.
        fallback_depth: Option<u64>,
    },
    /// Always so many blocks below the head. Zero is immediate finality, as of Besu with QBFT.
    Depth(u64),
}

/// A provider and how to treat it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the node is.
    pub url: SecretUrl,
    /// Its name in errors, logs and metrics.
    pub alias: String,
    /// The longest wait for one answer, from connecting to its last byte.
    pub timeout: Duration,
    /// How often the head is looked for; with a WebSocket, at the latest.
    pub poll_interval: Duration,
    /// How the final block is found.
    pub finality: Finality,
    /// Most blocks in one request for logs.
    pub range_blocks_max: u64,
    /// Most requests under way at once.
    pub requests_in_flight: usize,
    /// Most requests in one batch.
    pub batch_size_max: usize,
    /// Most bytes of one answer; what is larger is asked for in parts.
    pub response_bytes_max: usize,
}

/// A node.
pub struct Rpc {
    client: client::Client,
    size: page::PageSize,
    everyones: everyone::Everyones,
    /// It gives no single transactions by their place in a block.
    lacks_places: AtomicBool,
    /// It gives receipts of a block by its number alone.
    lacks_hashes: AtomicBool,
    finality: Finality,
    poll_interval: Duration,
    heads: Arc<doorbell::Heads>,
    doorbell: doorbell::Doorbell,
    inward: inward::Inward,
}

impl Rpc {
    /// A source over this provider; connects when first asked.
    ///
    /// # Errors
    /// When the system gives no HTTP client (no root certificates, for one).
    pub fn new(config: Config) -> Result<Self, SourceError> {
        let (url, timeout) = (config.url.clone(), config.timeout);
        let link = if url.is_websocket() {
            exchange::Link::Ws(websocket::WsLink::new(url, timeout, config.response_bytes_max))
        } else {
            let link = http::HttpLink::new(url, timeout, config.response_bytes_max).map_err(|fault| {
                let (provider, reason) = (config.alias.clone(), fault.text);
                SourceError::Refused { provider, method: "connect", reason }
            })?;
            exchange::Link::Http(link)
        };
        Ok(Self::over(link, config))
    }

    /// A source over HTTP whose answers a script makes up, without a socket: for tests and fuzzing.
    #[doc(hidden)]
    pub fn scripted(config: Config, script: Script) -> Self {
        let link = http::HttpLink::scripted(config.url.clone(), script, config.response_bytes_max);
        Self::over(exchange::Link::Http(link), config)
    }

    fn over(link: exchange::Link, config: Config) -> Self {
        let Config { url, alias, requests_in_flight: in_flight, batch_size_max: batch, .. } = config;
        Self {
            client: client::Client::new(link, (alias, url), Policy::REQUEST, in_flight, batch),
            size: page::PageSize::new(config.range_blocks_max),
            everyones: everyone::Everyones::default(),
            lacks_places: AtomicBool::new(false),
            lacks_hashes: AtomicBool::new(false),
            finality: config.finality,
            poll_interval: config.poll_interval,
            heads: Arc::default(),
            doorbell: doorbell::Doorbell::default(),
            inward: inward::Inward::new(),
        }
    }

    /// The same with other delays between the tries of one request; the default is [`Policy::REQUEST`].
    #[must_use]
    pub fn with_retry(mut self, policy: Policy) -> Self {
        self.client.set_retry(policy);
        self
    }

    /// The same, with another patience than a minute with a call at which the node fails inwardly while it answers others.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.inward.set_patience(patience);
        self
    }

    /// The same, sending no more requests in a second, in the long run.
    #[must_use]
    pub fn with_pace(mut self, requests_per_second: u64) -> Self {
        self.client.set_pace(requests_per_second);
        self
    }

    /// The provider's name.
    pub fn alias(&self) -> &str {
        self.client.alias()
    }
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rpc")
            .field("alias", &self.alias())
            .field("url", self.client.url())
            .finish_non_exhaustive()
    }
}

impl Source for Rpc {
    async fn chain_id(&self) -> Result<u64, SourceError> {
        self.id_of_chain().await
    }

    async fn view(&self) -> Result<View, SourceError> {
        self.head_and_finality().await
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, SourceError> {
        self.header_at(number).await
    }

    async fn headers(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        self.headers_at(numbers).await
    }

    async fn logs_of_block(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        self.block_logs(block).await
    }

    async fn logs_in_range(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Vec<RawLog>, SourceError> {
        self.range_logs(range, addresses, usize::MAX).await
    }

    async fn logs_up_to(
        &self,
        range: BlockRange,
        addresses: &[Address],
        most: usize,
    ) -> Result<Vec<RawLog>, SourceError> {
        self.range_logs(range, addresses, most).await
    }

    async fn calls(&self, requests: &[CallRequest]) -> Result<Vec<CallAnswer>, SourceError> {
        self.pinned_calls(requests).await
    }

    async fn transactions(&self, block: BlockId) -> Result<Vec<Transaction>, SourceError> {
        self.block_transactions(block).await
    }

    async fn transactions_at(
        &self,
        wanted: &[(BlockId, Vec<u32>)],
    ) -> Result<Vec<Vec<Transaction>>, SourceError> {
        self.placed_transactions(wanted).await
    }

    async fn has_code(&self, address: Address, number: u64) -> Result<Option<bool>, SourceError> {
        Ok(self.have_code(&[(address, number)]).await?.pop().flatten())
    }

    async fn have_code(&self, accounts: &[(Address, u64)]) -> Result<Vec<Option<bool>>, SourceError> {
        self.code_of_all(accounts).await
    }

    async fn sealed(&self, numbers: &[u64]) -> Result<Vec<Sealed>, SourceError> {
        self.sealed_at(numbers).await
    }

    async fn receipts(&self, block: BlockId) -> Result<Vec<Receipt>, SourceError> {
        self.block_receipts(block).await
    }

    async fn fate(
        &self,
        transaction: B256,
        sent: Option<(Address, u64)>,
        final_block: u64,
    ) -> Result<Fate, SourceError> {
        self.fate_of(transaction, sent, final_block).await
    }

    fn alias(&self) -> String {
        self.client.alias().to_owned()
    }

    fn traffic(&self) -> Traffic {
        self.client.traffic()
    }

    async fn wait_for_head(&self) {
        self.next_head().await;
    }
}
