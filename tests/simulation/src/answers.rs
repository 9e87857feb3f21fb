//! Whoever answers, as one type: the product's generic code is then compiled once.

use alloy::primitives::Address;
use asset_indexer::block::{BlockId, BlockRange, Header, RawLog, Receipt, Sealed, Transaction};
use asset_indexer::source::{CallAnswer, CallRequest, SecondOpinion, Source, SourceError, View, Witnesses};

use crate::chooser::Chooser;
use crate::reference::Branched;

/// See the module.
#[derive(Debug)]
pub enum Answers {
    /// Providers that fail and lie, and a choice among them.
    Chooser(Chooser),
    /// An honest node whose chain ends where it is told to.
    Branched(Branched),
}

impl Source for Answers {
    async fn chain_id(&self) -> Result<u64, SourceError> {
        match self {
            Self::Chooser(source) => source.chain_id().await,
            Self::Branched(source) => source.chain_id().await,
        }
    }

    async fn view(&self) -> Result<View, SourceError> {
        match self {
            Self::Chooser(source) => source.view().await,
            Self::Branched(source) => source.view().await,
        }
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, SourceError> {
        match self {
            Self::Chooser(source) => source.header(number).await,
            Self::Branched(source) => source.header(number).await,
        }
    }

    async fn headers(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        match self {
            Self::Chooser(source) => source.headers(numbers).await,
            Self::Branched(source) => source.headers(numbers).await,
        }
    }

    async fn logs_of_block(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        match self {
            Self::Chooser(source) => source.logs_of_block(block).await,
            Self::Branched(source) => source.logs_of_block(block).await,
        }
    }

    async fn logs_in_range(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Vec<RawLog>, SourceError> {
        match self {
            Self::Chooser(source) => source.logs_in_range(range, addresses).await,
            Self::Branched(source) => source.logs_in_range(range, addresses).await,
        }
    }

    async fn calls(&self, requests: &[CallRequest]) -> Result<Vec<CallAnswer>, SourceError> {
        match self {
            Self::Chooser(source) => source.calls(requests).await,
            Self::Branched(source) => source.calls(requests).await,
        }
    }

    async fn transactions(&self, block: BlockId) -> Result<Vec<Transaction>, SourceError> {
        match self {
            Self::Chooser(source) => source.transactions(block).await,
            Self::Branched(source) => source.transactions(block).await,
        }
    }

    async fn has_code(&self, address: Address, number: u64) -> Result<Option<bool>, SourceError> {
        match self {
            Self::Chooser(source) => source.has_code(address, number).await,
            Self::Branched(source) => source.has_code(address, number).await,
        }
    }

    async fn sealed(&self, numbers: &[u64]) -> Result<Vec<Sealed>, SourceError> {
        match self {
            Self::Chooser(source) => source.sealed(numbers).await,
            Self::Branched(source) => source.sealed(numbers).await,
        }
    }

    async fn receipts(&self, block: BlockId) -> Result<Vec<Receipt>, SourceError> {
        match self {
            Self::Chooser(source) => source.receipts(block).await,
            Self::Branched(source) => source.receipts(block).await,
        }
    }

    async fn witnesses(&self, block: BlockId) -> Result<Witnesses, SourceError> {
        match self {
            Self::Chooser(source) => source.witnesses(block).await,
            Self::Branched(source) => source.witnesses(block).await,
        }
    }

    async fn second_opinion(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Option<SecondOpinion>, SourceError> {
        match self {
            Self::Chooser(source) => source.second_opinion(range, addresses).await,
            Self::Branched(source) => source.second_opinion(range, addresses).await,
        }
    }

    async fn wait_for_head(&self) {
        match self {
            Self::Chooser(source) => source.wait_for_head().await,
            Self::Branched(source) => source.wait_for_head().await,
        }
    }

    fn alias(&self) -> String {
        match self {
            Self::Chooser(source) => source.alias(),
            Self::Branched(source) => source.alias(),
        }
    }

    fn blame(&self, reason: &str) {
        match self {
            Self::Chooser(source) => source.blame(reason),
            Self::Branched(source) => source.blame(reason),
        }
    }
}
