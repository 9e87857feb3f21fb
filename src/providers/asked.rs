//! Several providers as one [`Source`]: who answers what, and how long that may take.

use alloy::primitives::{Address, B256};

use super::health::Health;
use super::{Clock, Providers, Trouble};
use crate::block::{BlockId, BlockRange, Header, RawLog, Receipt, Sealed, Transaction};
use crate::source::{
    CallAnswer, CallRequest, Fate, SecondOpinion, Source, SourceError, Traffic, View, Witnesses,
};

/// So few things are answered at once by a provider that is well: the headers around a range are five at most.
const FEW: usize = 5;

impl<S: Source, C: Clock> Source for Providers<S, C> {
    async fn chain_id(&self) -> Result<u64, SourceError> {
        if self.is_alone() {
            return self.ask("eth_chainId", None, |source| source.chain_id()).await;
        }
        self.identified().await
    }

    async fn view(&self) -> Result<View, SourceError> {
        self.shown().await
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, SourceError> {
        let patience = Some(self.rules.answer_patience);
        let header = self.ask("eth_getBlockByNumber", patience, |source| source.header(number)).await?;
        if header.is_none() {
            self.expect_block(number);
        }
        Ok(header)
    }

    async fn headers(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        let patience = (numbers.len() <= FEW).then_some(self.rules.answer_patience);
        self.ask("eth_getBlockByNumber", patience, |source| source.headers(numbers)).await
    }

    async fn logs_of_block(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        let patience = Some(self.rules.answer_patience);
        self.ask("eth_getLogs", patience, |source| source.logs_of_block(block)).await
    }

    async fn logs_in_range(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Vec<RawLog>, SourceError> {
        self.ask("eth_getLogs", None, |source| source.logs_in_range(range, addresses)).await
    }

    async fn logs_up_to(
        &self,
        range: BlockRange,
        addresses: &[Address],
        most: usize,
    ) -> Result<Vec<RawLog>, SourceError> {
        self.ask("eth_getLogs", None, |source| source.logs_up_to(range, addresses, most)).await
    }

    async fn calls(&self, requests: &[CallRequest]) -> Result<Vec<CallAnswer>, SourceError> {
        self.ask("eth_call", None, |source| source.calls(requests)).await
    }

    async fn transactions(&self, block: BlockId) -> Result<Vec<Transaction>, SourceError> {
        let patience = Some(self.rules.answer_patience);
        self.ask("eth_getBlockByHash", patience, |source| source.transactions(block)).await
    }

    async fn transactions_at(
        &self,
        wanted: &[(BlockId, Vec<u32>)],
    ) -> Result<Vec<Vec<Transaction>>, SourceError> {
        let patience = (wanted.len() <= FEW).then_some(self.rules.answer_patience);
        self.ask("eth_getBlockByHash", patience, |source| source.transactions_at(wanted)).await
    }

    async fn has_code(&self, address: Address, number: u64) -> Result<Option<bool>, SourceError> {
        let patience = Some(self.rules.answer_patience);
        self.ask("eth_getCode", patience, |source| source.has_code(address, number)).await
    }

    async fn have_code(&self, accounts: &[(Address, u64)]) -> Result<Vec<Option<bool>>, SourceError> {
        let patience = (accounts.len() <= FEW).then_some(self.rules.answer_patience);
        self.ask("eth_getCode", patience, |source| source.have_code(accounts)).await
    }

    async fn sealed(&self, numbers: &[u64]) -> Result<Vec<Sealed>, SourceError> {
        self.ask("eth_getBlockByNumber", None, |source| source.sealed(numbers)).await
    }

    async fn receipts(&self, block: BlockId) -> Result<Vec<Receipt>, SourceError> {
        let patience = Some(self.rules.answer_patience);
        let asked = self.ask("eth_getBlockReceipts", patience, |source| async move {
            match source.receipts(block).await {
                // Not a fault of a provider that never had them; others are preferred from now on.
                Err(refused @ SourceError::Refused { .. }) => Ok(Err(refused)),
                answer => answer.map(Ok),
            }
        });
        let receipts = asked.await?;
        if receipts.is_err() {
            let mut state = self.state();
            let pinned = state.pinned;
            state.all[pinned].proves = Some(false);
        }
        receipts
    }

    async fn fate(
        &self,
        transaction: B256,
        sent: Option<(Address, u64)>,
        final_block: u64,
    ) -> Result<Fate, SourceError> {
        let patience = Some(self.rules.answer_patience);
        let asked = self
            .ask("eth_getTransactionReceipt", patience, |source| source.fate(transaction, sent, final_block));
        asked.await
    }

    fn alias(&self) -> String {
        self.pinned().alias()
    }

    async fn witnesses(&self, block: BlockId) -> Result<Witnesses, SourceError> {
        Ok(self.witnesses_of(block).await)
    }

    async fn second_opinion(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Option<SecondOpinion>, SourceError> {
        Ok(self.opinion_of_another(range, addresses).await)
    }

    fn blame(&self, reason: &str) {
        let pinned = self.state().pinned;
        self.sources[pinned].blame(reason);
        self.put_aside(pinned, Trouble::Blamed, reason.to_owned());
    }

    fn expect_genesis(&self, hash: B256) {
        let mut state = self.state();
        if state.genesis.replace(hash) != Some(hash) {
            state.all.iter_mut().for_each(Health::is_judged_anew);
        }
    }

    fn traffic(&self) -> Traffic {
        let all = self.sources.iter().map(Source::traffic);
        let batches = self.pinned().traffic().batches;
        Traffic { requests: all.map(|traffic| traffic.requests).sum(), batches }
    }

    async fn wait_for_head(&self) {
        self.pinned().wait_for_head().await;
    }
}
