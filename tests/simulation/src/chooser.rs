//! Which provider answers: the seam where the product's own choice among several providers takes its place.
//!
//! Pins one provider from one `view()` to the next, leaves one that failed or was blamed, and asks the others as
//! witnesses.

use std::sync::{Arc, Mutex, MutexGuard};

use alloy::primitives::Address;
use asset_indexer::block::{BlockId, BlockRange, Header, RawLog, Receipt, Sealed, Transaction};
use asset_indexer::source::{CallAnswer, CallRequest, SecondOpinion, Source, SourceError, View, Witnesses};

use crate::dice::Dice;
use crate::provider::Provider;

/// Views for which a blamed provider is not asked.
const QUARANTINE: u32 = 8;

#[derive(Debug)]
struct State {
    dice: Dice,
    pinned: usize,
    quarantined: Vec<u32>,
    failed: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Chooser {
    providers: Arc<Vec<Provider>>,
    state: Mutex<State>,
}

impl Chooser {
    /// Over some providers.
    pub fn new(providers: Arc<Vec<Provider>>, seed: u64) -> Self {
        let quarantined = vec![0; providers.len()];
        let state = State { dice: Dice::new(seed), pinned: 0, quarantined, failed: false };
        Self { providers, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while it chooses")
    }

    fn pinned(&self) -> &Provider {
        &self.providers[self.state().pinned]
    }

    fn others(&self) -> Vec<&Provider> {
        let pinned = self.state().pinned;
        self.providers.iter().enumerate().filter(|(at, _)| *at != pinned).map(|(_, other)| other).collect()
    }

    fn choose(&self) {
        let mut state = self.state();
        let moves = state.failed || state.quarantined[state.pinned] > 0 || state.dice.percent(25);
        state.failed = false;
        state.quarantined.iter_mut().for_each(|views| *views = views.saturating_sub(1));
        if moves {
            let count = self.providers.len();
            let next = (1..=count).map(|step| (state.pinned + step) % count);
            state.pinned =
                next.clone().find(|at| state.quarantined[*at] == 0).unwrap_or((state.pinned + 1) % count);
        }
    }

    fn heard<T>(&self, answer: Result<T, SourceError>) -> Result<T, SourceError> {
        self.state().failed |= answer.is_err();
        answer
    }
}

impl Source for Chooser {
    async fn chain_id(&self) -> Result<u64, SourceError> {
        self.heard(self.pinned().chain_id().await)
    }

    async fn view(&self) -> Result<View, SourceError> {
        self.choose();
        self.heard(self.pinned().view().await)
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, SourceError> {
        self.heard(self.pinned().header(number).await)
    }

    async fn headers(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        self.heard(self.pinned().headers(numbers).await)
    }

    async fn logs_of_block(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        self.heard(self.pinned().logs_of_block(block).await)
    }

    async fn logs_in_range(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Vec<RawLog>, SourceError> {
        self.heard(self.pinned().logs_in_range(range, addresses).await)
    }

    async fn calls(&self, requests: &[CallRequest]) -> Result<Vec<CallAnswer>, SourceError> {
        self.heard(self.pinned().calls(requests).await)
    }

    async fn transactions(&self, block: BlockId) -> Result<Vec<Transaction>, SourceError> {
        self.heard(self.pinned().transactions(block).await)
    }

    async fn has_code(&self, address: Address, number: u64) -> Result<Option<bool>, SourceError> {
        self.heard(self.pinned().has_code(address, number).await)
    }

    async fn sealed(&self, numbers: &[u64]) -> Result<Vec<Sealed>, SourceError> {
        self.heard(self.pinned().sealed(numbers).await)
    }

    async fn receipts(&self, block: BlockId) -> Result<Vec<Receipt>, SourceError> {
        self.heard(self.pinned().receipts(block).await)
    }

    fn alias(&self) -> String {
        self.pinned().alias()
    }

    async fn witnesses(&self, block: BlockId) -> Result<Witnesses, SourceError> {
        let mut witnesses = Witnesses { others: self.providers.len() - 1, ..Witnesses::default() };
        for other in self.others() {
            match other.witness(block.number) {
                Some(header) if header.id == block => witnesses.agree += 1,
                Some(_) => witnesses.disagree += 1,
                None => {}
            }
        }
        Ok(witnesses)
    }

    async fn second_opinion(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Option<SecondOpinion>, SourceError> {
        let others = self.others();
        for other in &others {
            if let Ok(logs) = other.logs_in_range(range, addresses).await {
                return Ok(Some(SecondOpinion { provider: other.alias(), logs }));
            }
        }
        match others.is_empty() {
            true => Ok(None),
            false => Err(SourceError::Unavailable {
                provider: "the others".to_owned(),
                method: "eth_getLogs",
                reason: "none answers".to_owned(),
            }),
        }
    }

    fn blame(&self, _: &str) {
        let mut state = self.state();
        let pinned = state.pinned;
        state.quarantined[pinned] = QUARANTINE;
    }

    async fn wait_for_head(&self) {}
}
