//! A provider in front of a simulated chain that can be told to lie in one way at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use alloy::primitives::{Address, B256, Bytes, keccak256};
use asset_indexer::block::{BlockId, BlockRange, Ending, Header, RawLog, Receipt, Sealed, Transaction};
use asset_indexer::proof::beside::state_sync;
use asset_indexer::source::{CallAnswer, CallRequest, SecondOpinion, Source, SourceError, View, Witnesses};

use simulation::chain::SimChain;

/// What is wrong with a provider's answers; `default` is an honest one.
#[derive(Debug, Clone, Default)]
pub struct Lies {
    /// Logs that no list of logs shows, by block and index.
    pub hidden: BTreeSet<(u64, u32)>,
    /// Logs whose last byte of data is another, by block and index.
    pub altered: BTreeSet<(u64, u32)>,
    /// Blocks whose receipts lack the last one that has logs.
    pub short_receipts: BTreeSet<u64>,
    /// The node has no method for receipts.
    pub no_receipts: bool,
    /// Headers have a form that nobody knows.
    pub strange_headers: bool,
    /// Headers below this block have such a form.
    pub strange_below: u64,
    /// The node has thrown the receipts of blocks below this one away.
    pub pruned_below: u64,
    /// Receipts count the logs of each transaction from zero.
    pub counts_by_transaction: bool,
    /// From this block on every header is of a fork of its own, with right hashes.
    pub fork_from: Option<u64>,
    /// What other providers say of every block.
    pub witnesses: Option<Witnesses>,
    /// Whether another provider can be asked for its logs: an honest one.
    pub has_second: bool,
    /// Contracts that a state sync made log, by block: no lie, but beside the root of the block's receipts.
    pub beside: BTreeMap<u64, Address>,
    /// The place in its block that such a log says it has, where it is not the next one.
    pub beside_at: Option<u32>,
    /// Whether receipts tell of them too.
    pub receipts_tell_beside: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Liar {
    chain: Arc<SimChain>,
    lies: Mutex<Lies>,
    blamed: Mutex<Vec<String>>,
    proofs: AtomicUsize,
    /// Of how many headers, the last time.
    proved: AtomicUsize,
    headers: Mutex<Vec<Vec<u64>>>,
    /// The header in this place of the answer after so many others is another block's, once.
    odd: Mutex<Option<(usize, usize)>>,
    lists: AtomicUsize,
    receipts: AtomicUsize,
    /// After so many lists of ranges it is a node of the other chain.
    turn: Mutex<Option<(usize, Arc<SimChain>)>>,
}

impl Liar {
    /// A provider that is honest so far.
    pub fn new(chain: Arc<SimChain>) -> Self {
        Self {
            chain,
            lies: Mutex::default(),
            blamed: Mutex::default(),
            proofs: AtomicUsize::new(0),
            proved: AtomicUsize::new(0),
            headers: Mutex::default(),
            odd: Mutex::default(),
            lists: AtomicUsize::new(0),
            receipts: AtomicUsize::new(0),
            turn: Mutex::default(),
        }
    }

    /// Becomes a node of another chain once it has listed so many ranges, and no list comes of both.
    pub fn turn_after(&self, lists: usize, other: Arc<SimChain>) {
        *self.turn.lock().expect("no test panics here") = Some((lists, other));
    }

    /// After so many answers with headers, gives another block in one place of one answer.
    pub fn be_odd_once(&self, answers: usize, place: usize) {
        *self.odd.lock().expect("no test panics here") = Some((answers, place));
    }

    /// Of which blocks headers were asked for together, since this was asked last.
    pub fn take_headers_asked(&self) -> Vec<Vec<u64>> {
        std::mem::take(&mut *self.headers.lock().expect("no test panics here"))
    }

    /// How many lists of a range's logs it was asked for.
    pub fn lists_asked(&self) -> usize {
        self.lists.load(Ordering::Relaxed)
    }

    /// Of how many blocks the receipts were asked for.
    pub fn receipts_asked(&self) -> usize {
        self.receipts.load(Ordering::Relaxed)
    }

    fn chain(&self) -> Arc<SimChain> {
        match &*self.turn.lock().expect("no test panics here") {
            Some((lists, other)) if self.lists.load(Ordering::Relaxed) >= *lists => other.clone(),
            _ => self.chain.clone(),
        }
    }

    /// From now on these lies, and no others.
    pub fn tell(&self, lies: Lies) {
        *self.lies.lock().expect("no test panics here") = lies;
    }

    /// How often it was asked for headers to prove something with.
    pub fn proofs_begun(&self) -> usize {
        self.proofs.load(Ordering::Relaxed)
    }

    /// Of how many blocks it was asked for headers then, the last time.
    pub fn last_proof(&self) -> usize {
        self.proved.load(Ordering::Relaxed)
    }

    /// What the provider was blamed for.
    pub fn blamed(&self) -> Vec<String> {
        self.blamed.lock().expect("no test panics here").clone()
    }

    fn lies(&self) -> Lies {
        self.lies.lock().expect("no test panics here").clone()
    }

    /// An approval that a state sync logged behind all else in the block.
    async fn beside(&self, block: BlockId) -> Result<Option<RawLog>, SourceError> {
        let Some(address) = self.lies().beside.get(&block.number).copied() else { return Ok(None) };
        let before = self.chain().logs_of_block(block).await?.len();
        let words = [1, 2].map(B256::with_last_byte);
        Ok(Some(RawLog {
            block,
            log_index: self.lies().beside_at.unwrap_or(before as u32),
            transaction_hash: state_sync(block),
            transaction_index: self.chain().transactions(block).await?.len() as u32,
            address,
            topics: [&[keccak256("Approval(address,address,uint256)")][..], &words].concat(),
            data: B256::with_last_byte(3).into(),
            timestamp: None,
            withheld: None,
        }))
    }

    fn told(&self, logs: Vec<RawLog>) -> Vec<RawLog> {
        let lies = self.lies();
        let place = |log: &RawLog| (log.block.number, log.log_index);
        let mut logs: Vec<RawLog> =
            logs.into_iter().filter(|log| !lies.hidden.contains(&place(log))).collect();
        for log in logs.iter_mut().filter(|log| lies.altered.contains(&place(log))) {
            let mut data = log.data.to_vec();
            if let Some(last) = data.last_mut() {
                *last ^= 1;
            }
            log.data = Bytes::from(data);
        }
        logs
    }
}

impl Source for Liar {
    async fn chain_id(&self) -> Result<u64, SourceError> {
        self.chain().chain_id().await
    }

    async fn view(&self) -> Result<View, SourceError> {
        self.chain().view().await
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, SourceError> {
        self.chain().header(number).await
    }

    async fn headers(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        self.headers.lock().expect("no test panics here").push(numbers.to_vec());
        let mut headers = self.chain().headers(numbers).await?;
        if let Some((answers, place)) = &mut *self.odd.lock().expect("no test panics here") {
            if *answers == 0 && *place < headers.len() {
                headers[*place].id.hash.0[0] ^= 1;
                *place = usize::MAX;
            }
            *answers = answers.saturating_sub(1);
        }
        Ok(headers)
    }

    async fn logs_of_block(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        let mut logs = self.chain().logs_of_block(block).await?;
        logs.extend(self.beside(block).await?);
        Ok(self.told(logs))
    }

    async fn logs_in_range(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Vec<RawLog>, SourceError> {
        let mut listed = self.chain().logs_in_range(range, addresses).await?;
        for number in self.lies().beside.into_keys().filter(|number| (range.from..=range.to).contains(number))
        {
            if let Some(header) = self.chain().header(number).await? {
                listed.extend(self.beside(header.id).await?.filter(|log| addresses.contains(&log.address)));
            }
        }
        listed.sort_by_key(RawLog::position);
        self.lists.fetch_add(1, Ordering::Relaxed);
        Ok(self.told(listed))
    }

    async fn calls(&self, requests: &[CallRequest]) -> Result<Vec<CallAnswer>, SourceError> {
        self.chain().calls(requests).await
    }

    async fn transactions(&self, block: BlockId) -> Result<Vec<Transaction>, SourceError> {
        self.chain().transactions(block).await
    }

    async fn has_code(&self, address: Address, number: u64) -> Result<Option<bool>, SourceError> {
        self.chain().has_code(address, number).await
    }

    async fn sealed(&self, numbers: &[u64]) -> Result<Vec<Sealed>, SourceError> {
        self.proofs.fetch_add(1, Ordering::Relaxed);
        self.proved.store(numbers.len(), Ordering::Relaxed);
        let lies = self.lies();
        let mut headers = self.chain().sealed(numbers).await?;
        let mut parent: Option<B256> = None;
        for sealed in &mut headers {
            if lies.fork_from.is_some_and(|from| sealed.header.id.number >= from) {
                let fields = sealed.fields.as_mut().expect("the simulated chain knows its headers");
                fields.extra_data = Bytes::from_static(b"a fork of its own");
                if let Some(parent) = parent {
                    fields.parent_hash = parent;
                }
                sealed.header.parent = fields.parent_hash;
                sealed.header.id.hash = fields.hash_slow();
            }
            parent = Some(sealed.header.id.hash);
            if lies.strange_headers || sealed.header.id.number < lies.strange_below {
                sealed.fields = None;
            }
        }
        Ok(headers)
    }

    async fn receipts(&self, block: BlockId) -> Result<Vec<Receipt>, SourceError> {
        self.receipts.fetch_add(1, Ordering::Relaxed);
        let lies = self.lies();
        if lies.no_receipts {
            let (provider, method) = ("liar".to_owned(), "eth_getBlockReceipts");
            let reason = "the method does not exist".to_owned();
            return Err(SourceError::Refused { provider, method, reason });
        }
        if block.number < lies.pruned_below {
            let (provider, method) = ("liar".to_owned(), "eth_getBlockReceipts");
            let reason = "pruned history unavailable".to_owned();
            return Err(SourceError::Pruned { provider, method, block: block.number, reason });
        }
        // A liar that forged the block has receipts for it, too.
        let honest = self.chain().header(block.number).await?.map_or(block, |header| header.id);
        let forged = lies.fork_from.is_some_and(|from| block.number >= from);
        let mut receipts = self.chain().receipts(if forged { honest } else { block }).await?;
        receipts.iter_mut().flat_map(|receipt| &mut receipt.logs).for_each(|log| log.block = block);
        for receipt in receipts.iter_mut().filter(|_| lies.counts_by_transaction) {
            receipt.logs.iter_mut().zip(0..).for_each(|(log, index)| log.log_index = index);
        }
        if lies.short_receipts.contains(&block.number)
            && let Some(last) = receipts.iter().rposition(|receipt| !receipt.logs.is_empty())
        {
            receipts.remove(last);
        }
        if let Some(log) = self.beside(block).await?.filter(|_| lies.receipts_tell_beside) {
            let ending = Ending::Status(true);
            receipts.push(Receipt { kind: 0, ending, cumulative_gas: 0, deposit: None, logs: vec![log] });
        }
        Ok(receipts)
    }

    fn alias(&self) -> String {
        "liar".to_owned()
    }

    async fn witnesses(&self, _: BlockId) -> Result<Witnesses, SourceError> {
        Ok(self.lies().witnesses.unwrap_or_default())
    }

    async fn second_opinion(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Option<SecondOpinion>, SourceError> {
        if !self.lies().has_second {
            return Ok(None);
        }
        let logs = self.chain().logs_in_range(range, addresses).await?;
        Ok(Some(SecondOpinion { provider: "second".to_owned(), logs }))
    }

    fn blame(&self, fault: &str) {
        self.blamed.lock().expect("no test panics here").push(fault.to_owned());
    }

    async fn wait_for_head(&self) {
        tokio::task::yield_now().await;
    }
}
