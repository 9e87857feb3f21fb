//! A simulated provider: a node with its own picture of the chain, that fails and lies as it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use alloy::primitives::{Address, Bytes};
use asset_indexer::block::{BlockId, BlockRange, Header, RawLog, Receipt, Sealed, Transaction};
use asset_indexer::source::{CallAnswer, CallRequest, Source, SourceError, View};

use crate::chain::{Block, Branch, NewTransaction, Picture, SimChain, known, present};
use crate::dice::Dice;
use crate::events::{account, transfer};
use crate::faults::{Fault, Hit, Hits, Phase};
use crate::play::PLAIN;
use crate::ports::Rest;

/// What lies that were told can have left in the tables, until a proof shows it.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tainted {
    /// Logs or block times that are not the chain's.
    pub logs: bool,
    /// Block times, which two providers that agree on logs do not prove.
    pub times: bool,
    /// Answers to calls, which nothing proves.
    pub calls: bool,
    /// A block was called final, or given as part of the chain's final part, and was not.
    pub finality: bool,
    /// The block that created a contract.
    pub code: bool,
    /// A repair mended what calls and inputs had been asked for: what was asked in vain stays as ground.
    pub asked_in_vain: bool,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    rates: BTreeMap<Fault, u8>,
    stuck: Option<Picture>,
    private: Option<Branch>,
    tainted: Tainted,
}

/// See the module.
#[derive(Debug)]
pub struct Provider {
    alias: String,
    chain: Arc<SimChain>,
    hits: Hits,
    /// Private forks may reach below what the chain calls final.
    is_alone: bool,
    state: Mutex<State>,
}

impl Provider {
    /// An honest one that never fails.
    pub fn new(number: u8, seed: u64, chain: Arc<SimChain>, hits: Hits, is_alone: bool) -> Self {
        let state = State {
            dice: Dice::new(seed ^ (u64::from(number) << 56)),
            rates: BTreeMap::new(),
            stuck: None,
            private: None,
            tainted: Tainted::default(),
        };
        Self { alias: format!("p{number}"), chain, hits, is_alone, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics inside a provider")
    }

    /// The fault happens in so many of a hundred answers from now on; zero ends it.
    pub fn set(&self, fault: Fault, rate: u8) {
        let mut state = self.state();
        if rate == 0 {
            state.rates.remove(&fault);
        } else {
            state.rates.insert(fault, rate);
        }
        match fault {
            Fault::StuckHead => state.stuck = (rate > 0).then(|| self.chain.picture()),
            Fault::PrivateFork if rate == 0 => state.private = None,
            Fault::PrivateFork => {
                let picture = self.chain.picture();
                let room = picture.head().id.number.saturating_sub(picture.finalized);
                let depth = 1 + state.dice.below(4.min(room.max(1)));
                let keep = (picture.branch.len() as u64 - depth.min(room)).max(2);
                state.private = Some(Arc::new(picture.branch[..keep as usize].to_vec()));
            }
            _ => {}
        }
    }

    /// Every fault ends.
    pub fn heal(&self) {
        let mut state = self.state();
        state.rates.clear();
        (state.stuck, state.private) = (None, None);
    }

    /// What its lies can have left, since it was last asked.
    pub fn take_tainted(&self) -> Tainted {
        std::mem::take(&mut self.state().tainted)
    }

    /// Whether the fault happens now. It is counted by whoever lets it show.
    fn wants(&self, fault: Fault) -> bool {
        let mut state = self.state();
        let rate = state.rates.get(&fault).copied().unwrap_or(0);
        rate > 0 && state.dice.percent(u64::from(rate))
    }

    fn hit(&self, fault: Fault) {
        self.hits.hit(Hit::Source(fault));
    }

    fn taint(&self, how: impl FnOnce(&mut Tainted)) {
        how(&mut self.state().tainted);
    }

    fn below(&self, bound: usize) -> usize {
        self.state().dice.below(bound as u64) as usize
    }

    /// What it takes for the chain, at this call.
    fn picture(&self) -> Picture {
        let mut picture = self.chain.picture();
        let stuck = self.state().stuck.clone();
        if let Some(stuck) = stuck {
            if stuck.head() != picture.head() {
                self.hit(Fault::StuckHead);
            }
            picture = stuck;
        }
        let private = self.state().private.clone();
        if let Some(private) = private {
            picture = self.grown(private, picture);
            self.hit(Fault::PrivateFork);
        }
        if self.wants(Fault::LaggingHead) {
            let lag = 1 + self.below(6);
            picture = picture.without(lag);
            picture.finalized = picture.finalized.min(picture.head().id.number);
            self.hit(Fault::LaggingHead);
        }
        picture
    }

    /// Its private fork, as high as the chain and one block more.
    fn grown(&self, mut private: Branch, chain: Picture) -> Picture {
        while private.len() <= chain.branch.len() {
            let number = private.len() as u64;
            let top: &Arc<Block> = private.last().expect("block 0 is always there");
            let log = transfer(account(PLAIN, 0), account(0xaa, 1), account(0xaa, 2), number);
            let forged =
                self.chain.forge(top, vec![NewTransaction { logs: vec![log], ..Default::default() }]);
            Arc::make_mut(&mut private).push(forged);
        }
        self.state().private = Some(private.clone());
        let fork = crate::chain::shared(&private, &chain.branch);
        let finalized = if self.is_alone { chain.finalized } else { chain.finalized.min(fork) };
        if finalized > fork {
            self.taint(|tainted| tainted.finality = true);
        }
        Picture { branch: private, finalized }
    }

    /// What every call may meet.
    async fn asked(&self, method: &'static str) -> Result<(), SourceError> {
        if self.wants(Fault::Slow) {
            self.hit(Fault::Slow);
            Rest(2 + self.below(20) as u32).await;
        }
        if self.wants(Fault::Unavailable) {
            self.hit(Fault::Unavailable);
            let (provider, reason) = (self.alias.clone(), "connection reset".to_owned());
            return Err(SourceError::Unavailable { provider, method, reason });
        }
        Ok(())
    }

    fn gone(&self, number: u64) -> Result<(), SourceError> {
        if self.wants(Fault::BlockGone) {
            self.hit(Fault::BlockGone);
            return Err(SourceError::BlockGone { number, hash: None });
        }
        Ok(())
    }

    fn pruned(&self, method: &'static str, block: u64) -> Result<(), SourceError> {
        if self.wants(Fault::Pruned) {
            self.hit(Fault::Pruned);
            let reason = "pruned history unavailable".to_owned();
            return Err(SourceError::Pruned { provider: self.alias.clone(), method, block, reason });
        }
        Ok(())
    }

    /// A header of a branch that left the chain, where it has one at that height.
    fn header_of_another_fork(&self, number: u64, true_one: Option<Header>) -> Option<Header> {
        let parked = self.chain.last_parked()?;
        let header = parked.get(usize::try_from(number).ok()?)?.header;
        if Some(header) == true_one || !self.wants(Fault::OtherFork) {
            return None;
        }
        self.hit(Fault::OtherFork);
        self.taint(|tainted| {
            (tainted.logs, tainted.finality) = (true, true);
        });
        Some(header)
    }

    fn honest_time(&self, mut header: Header) -> Header {
        if self.wants(Fault::WrongTime) {
            self.hit(Fault::WrongTime);
            self.taint(|tainted| (tainted.logs, tainted.times) = (true, true));
            header.timestamp += 3_600;
        }
        header
    }

    /// Lies about a list of logs; `asked` are the contracts asked for, where there was a filter: the product's RPC refuses any other in the answer.
    fn told(&self, mut logs: Vec<RawLog>, asked: Option<&[Address]>) -> Vec<RawLog> {
        if logs.is_empty() {
            return logs;
        }
        let mut lied = false;
        let mut lie = |fault| {
            self.hit(fault);
            lied = true;
        };
        if self.wants(Fault::OmittedLogs) {
            lie(Fault::OmittedLogs);
            logs.clear();
        }
        if !logs.is_empty() && self.wants(Fault::OmittedLog) {
            lie(Fault::OmittedLog);
            logs.remove(self.below(logs.len()));
        }
        if !logs.is_empty() && self.wants(Fault::ForgedLog) {
            lie(Fault::ForgedLog);
            let place = self.below(logs.len());
            let after = logs.iter().rposition(|log| log.block == logs[place].block).unwrap_or(place);
            let mut forged = logs[after].clone();
            let new = transfer(forged.address, account(0xaa, 0), account(0xaa, 1), 77);
            (forged.topics, forged.data) = (new.topics, new.data);
            forged.log_index += 1;
            logs.insert(after + 1, forged);
        }
        if self.wants(Fault::AlteredAmount) {
            let place = self.below(logs.len());
            if let Some(log) = logs.get_mut(place).filter(|log| log.data.len() >= 32) {
                lie(Fault::AlteredAmount);
                let mut data = log.data.to_vec();
                data[31] ^= 1;
                log.data = Bytes::from(data);
            }
        }
        if !logs.is_empty() && self.wants(Fault::AlteredAddress) {
            lie(Fault::AlteredAddress);
            let place = self.below(logs.len());
            let others = [account(PLAIN, 0), account(0x66, 6)];
            logs[place].address = match asked {
                Some(asked) => asked[self.below(asked.len())],
                None => others[self.below(2)],
            };
        }
        if self.wants(Fault::WrongTime) {
            let place = self.below(logs.len());
            if let Some(time) = logs.get_mut(place).and_then(|log| log.timestamp.as_mut()) {
                *time += 60;
                lie(Fault::WrongTime);
                self.taint(|tainted| tainted.times = true);
            }
        }
        if logs.len() > 1 && self.wants(Fault::Disordered) {
            self.hit(Fault::Disordered);
            logs.reverse();
            logs.push(logs[0].clone());
        }
        if lied {
            self.taint(|tainted| tainted.logs = true);
        }
        logs
    }
}

impl Source for Provider {
    async fn chain_id(&self) -> Result<u64, SourceError> {
        self.asked("eth_chainId").await?;
        if self.wants(Fault::WrongChain) {
            self.hit(Fault::WrongChain);
            return Ok(self.chain.id() + 1);
        }
        Ok(self.chain.id())
    }

    async fn view(&self) -> Result<View, SourceError> {
        self.asked("eth_getBlockByNumber").await?;
        let mut picture = self.picture();
        if self.wants(Fault::FinalizedAhead) {
            let ahead = picture.head().id.number.saturating_sub(self.below(2) as u64);
            if ahead > picture.finalized {
                self.hit(Fault::FinalizedAhead);
                self.taint(|tainted| tainted.finality = true);
                picture.finalized = ahead;
            }
        }
        if picture.finalized > 0 && self.wants(Fault::FinalizedBack) {
            self.hit(Fault::FinalizedBack);
            picture.finalized = picture.finalized.saturating_sub(1 + self.below(9) as u64);
        }
        Ok(picture.view())
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, SourceError> {
        self.asked("eth_getBlockByNumber").await?;
        self.gone(number)?;
        let header = self.picture().at(number).map(|block| block.header);
        if let Some(other) = self.header_of_another_fork(number, header) {
            return Ok(Some(other));
        }
        Ok(header.map(|header| self.honest_time(header)))
    }

    async fn headers(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        self.asked("eth_getBlockByNumber").await?;
        self.gone(numbers[0])?;
        let picture = self.picture();
        numbers.iter().map(|number| Ok(self.honest_time(present(&picture, *number)?.header))).collect()
    }

    async fn logs_of_block(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        self.asked("eth_getLogs").await?;
        self.gone(block.number)?;
        let logs = known(&self.chain, block)?.logs.clone();
        Ok(self.told(logs, None))
    }

    async fn logs_in_range(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Vec<RawLog>, SourceError> {
        self.asked("eth_getLogs").await?;
        self.pruned("eth_getLogs", range.from)?;
        let picture = self.picture();
        if range.to > picture.head().id.number {
            // A node that is behind, behind a load balancer: a short list, and no error.
            self.taint(|tainted| tainted.logs = true);
        }
        Ok(self.told(picture.logs(range, addresses), Some(addresses)))
    }

    async fn calls(&self, requests: &[CallRequest]) -> Result<Vec<CallAnswer>, SourceError> {
        self.asked("eth_call").await?;
        let latest = self.picture().head().id.hash;
        let answer = |request: &CallRequest| {
            let answer = self.chain.call(request.block.hash, request.target, &request.input);
            if self.wants(Fault::StateUnavailable) {
                self.hit(Fault::StateUnavailable);
                self.taint(|tainted| tainted.calls = true);
                return CallAnswer::StateUnavailable;
            }
            if !self.wants(Fault::CallsAtLatest) {
                return answer;
            }
            let at_latest = self.chain.call(latest, request.target, &request.input);
            if at_latest != answer {
                self.hit(Fault::CallsAtLatest);
                self.taint(|tainted| tainted.calls = true);
            }
            at_latest
        };
        Ok(requests.iter().map(answer).collect())
    }

    async fn transactions(&self, block: BlockId) -> Result<Vec<Transaction>, SourceError> {
        self.asked("eth_getBlockByHash").await?;
        self.gone(block.number)?;
        Ok(known(&self.chain, block)?.transactions.clone())
    }

    async fn has_code(&self, address: Address, number: u64) -> Result<Option<bool>, SourceError> {
        self.asked("eth_getCode").await?;
        let picture = self.picture();
        if number < picture.head().id.number && self.wants(Fault::StateUnavailable) {
            self.hit(Fault::StateUnavailable);
            self.taint(|tainted| tainted.code = true);
            return Ok(None);
        }
        if number > picture.head().id.number {
            return Err(SourceError::BlockGone { number, hash: None });
        }
        let told = picture.has_code(address, number);
        // Of a branch that is not the chain's: what is read from a start that was found so may lack logs.
        if told != self.chain.picture().has_code(address, number) {
            self.taint(|tainted| (tainted.logs, tainted.code) = (true, true));
        }
        Ok(Some(told))
    }

    async fn sealed(&self, numbers: &[u64]) -> Result<Vec<Sealed>, SourceError> {
        self.asked("eth_getBlockByNumber").await?;
        self.gone(numbers.first().copied().unwrap_or(0))?;
        let picture = self.picture();
        let sealed = |number: &u64| {
            let block = present(&picture, *number)?;
            let other = self.header_of_another_fork(*number, Some(block.header));
            let other = other.and_then(|header| self.chain.block(header.id.hash));
            let mut sealed = other.as_ref().unwrap_or(block).sealed();
            sealed.header = self.honest_time(sealed.header);
            if let Some(fields) = &mut sealed.fields {
                fields.timestamp = sealed.header.timestamp;
            }
            Ok(sealed)
        };
        numbers.iter().map(sealed).collect()
    }

    async fn receipts(&self, block: BlockId) -> Result<Vec<Receipt>, SourceError> {
        self.asked("eth_getBlockReceipts").await?;
        self.gone(block.number)?;
        if self.wants(Fault::RefusedReceipts) {
            self.hit(Fault::RefusedReceipts);
            let (method, reason) = ("eth_getBlockReceipts", "the method does not exist".to_owned());
            return Err(SourceError::Refused { provider: self.alias.clone(), method, reason });
        }
        let block = known(&self.chain, block)?;
        let mut receipts = block.receipts.clone();
        if !receipts.is_empty() && self.wants(Fault::OmittedReceipt) {
            self.hit(Fault::OmittedReceipt);
            receipts.remove(self.below(receipts.len()));
        }
        if self.wants(Fault::ShiftedReceipts)
            && let Some(below) = self.chain.block(block.header.parent)
            && below.receipts != receipts
        {
            self.hit(Fault::ShiftedReceipts);
            return Ok(below.receipts.clone());
        }
        // Lies in receipts are told as in lists of logs, under the right block.
        if let Some(receipt) = receipts.iter_mut().find(|receipt| !receipt.logs.is_empty()) {
            receipt.logs = self.told_receipt(std::mem::take(&mut receipt.logs));
        }
        Ok(receipts)
    }

    fn alias(&self) -> String {
        self.alias.clone()
    }

    async fn wait_for_head(&self) {}
}

impl Provider {
    /// The same lies in receipts leave nothing behind: the header's root does not fit.
    fn told_receipt(&self, logs: Vec<RawLog>) -> Vec<RawLog> {
        let before = self.state().tainted;
        let logs = self.told(logs, None);
        self.state().tainted = before;
        logs
    }

    /// What it has at a height, for whoever asks it as a witness.
    pub fn witness(&self, number: u64) -> Option<Header> {
        let is_away = self.state().rates.contains_key(&Fault::Unavailable) && self.below(2) == 0;
        if is_away { None } else { self.picture().at(number).map(|block| block.header) }
    }

    /// The phase in which its answers are asked for.
    pub fn phase(&self) -> Phase {
        self.hits.phase()
    }
}
