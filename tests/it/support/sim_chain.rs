//! A simulated chain: what a real node cannot be made to do on demand.
//!
//! A tree of blocks with one canonical branch; logs and transactions are what the test puts there. Answers calls from
//! a table, so that the same question has the same answer on every fork.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use alloy::primitives::{Address, B256, Bytes, keccak256};
use asset_indexer::block::{BlockId, BlockRange, Header, RawLog, Transaction};
use asset_indexer::source::{CallAnswer, CallRequest, Source, SourceError, View};

/// A log before it stands in a block.
#[derive(Debug, Clone)]
pub struct NewLog {
    pub address: Address,
    pub topics: Vec<B256>,
    pub data: Bytes,
}

/// A transaction before it stands in a block.
#[derive(Debug, Clone, Default)]
pub struct NewTransaction {
    pub from: Address,
    pub to: Option<Address>,
    pub input: Bytes,
    pub logs: Vec<NewLog>,
}

#[derive(Debug, Clone)]
struct Block {
    header: Header,
    logs: Vec<RawLog>,
    transactions: Vec<Transaction>,
}

#[derive(Debug, Default)]
struct State {
    canonical: Vec<Block>,
    /// Blocks that left the chain, still known by hash.
    uncles: HashMap<B256, Block>,
    calls: HashMap<(Address, Bytes), CallAnswer>,
    created: HashMap<Address, u64>,
    finality_depth: u64,
    forks: u64,
}

/// See the module.
#[derive(Debug)]
pub struct SimChain {
    chain_id: u64,
    state: Mutex<State>,
}

impl SimChain {
    /// A chain with block 0 only; a block is final once it has `finality_depth` blocks above it.
    pub fn new(chain_id: u64, finality_depth: u64) -> Self {
        let chain = Self { chain_id, state: Mutex::new(State { finality_depth, ..State::default() }) };
        chain.state().push(Vec::new());
        chain
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it changes the chain")
    }

    /// Adds a block.
    pub fn mine(&self, transactions: Vec<NewTransaction>) -> BlockId {
        self.state().push(transactions)
    }

    /// Replaces the newest `depth` blocks.
    pub fn reorg(&self, depth: usize, blocks: Vec<Vec<NewTransaction>>) {
        let mut state = self.state();
        state.forks += 1;
        let keep = state.canonical.len() - depth;
        for block in state.canonical.split_off(keep) {
            state.uncles.insert(block.header.id.hash, block);
        }
        for transactions in blocks {
            state.push(transactions);
        }
    }

    /// The transactions of the newest blocks, oldest first: to put them into another fork.
    pub fn newest(&self, depth: usize) -> Vec<Vec<NewTransaction>> {
        let state = self.state();
        state.canonical[state.canonical.len() - depth..].iter().map(Block::as_new).collect()
    }

    /// Sets what a call answers, at every block.
    pub fn answer(&self, target: Address, input: impl Into<Bytes>, answer: CallAnswer) {
        self.state().calls.insert((target, input.into()), answer);
    }

    /// The blocks of the present chain with their transactions and logs, from block 0 on.
    pub fn blocks(&self) -> Vec<(Header, Vec<Transaction>, Vec<RawLog>)> {
        let blocks = &self.state().canonical;
        blocks.iter().map(|block| (block.header, block.transactions.clone(), block.logs.clone())).collect()
    }

    /// What a call answers, at every block.
    pub fn answer_to(&self, target: Address, input: &[u8]) -> CallAnswer {
        let key = (target, Bytes::copy_from_slice(input));
        self.state().calls.get(&key).cloned().unwrap_or(CallAnswer::Reverted)
    }

    /// The newest block.
    pub fn head(&self) -> BlockId {
        self.state().canonical.last().expect("block 0 is always there").header.id
    }
}

impl Block {
    fn as_new(&self) -> Vec<NewTransaction> {
        self.transactions
            .iter()
            .map(|transaction| NewTransaction {
                from: transaction.from,
                to: transaction.to,
                input: transaction.input.clone(),
                logs: self
                    .logs
                    .iter()
                    .filter(|log| log.transaction_hash == transaction.hash)
                    .map(|log| NewLog {
                        address: log.address,
                        topics: log.topics.clone(),
                        data: log.data.clone(),
                    })
                    .collect(),
            })
            .collect()
    }
}

impl State {
    fn push(&mut self, transactions: Vec<NewTransaction>) -> BlockId {
        let number = self.canonical.len() as u64;
        let parent = self.canonical.last().map_or(B256::ZERO, |block| block.header.id.hash);
        let seed = [parent.as_slice(), &number.to_be_bytes(), &self.forks.to_be_bytes()].concat();
        let id = BlockId { number, hash: keccak256(seed) };
        let timestamp = 1_700_000_000 + 12 * number;
        let mut block =
            Block { header: Header { id, parent, timestamp }, logs: Vec::new(), transactions: Vec::new() };
        for (index, new) in transactions.into_iter().enumerate() {
            let hash = keccak256(format!("{:?} {number} {index}", new));
            for log in &new.logs {
                self.created.entry(log.address).or_insert(number);
                block.logs.push(RawLog {
                    block: id,
                    log_index: block.logs.len() as u32,
                    transaction_hash: hash,
                    transaction_index: index as u32,
                    address: log.address,
                    topics: log.topics.clone(),
                    data: log.data.clone(),
                    timestamp: (!number.is_multiple_of(3)).then_some(timestamp),
                });
            }
            block.transactions.push(Transaction {
                block: id,
                hash,
                index: index as u32,
                from: new.from,
                to: new.to,
                input: new.input,
            });
        }
        self.canonical.push(block);
        id
    }

    fn by_hash(&self, id: BlockId) -> Result<&Block, SourceError> {
        let canonical = self.canonical.get(id.number as usize).filter(|block| block.header.id == id);
        canonical
            .or_else(|| self.uncles.get(&id.hash))
            .ok_or(SourceError::BlockGone { number: id.number, hash: Some(id.hash) })
    }
}

impl Source for SimChain {
    async fn chain_id(&self) -> Result<u64, SourceError> {
        Ok(self.chain_id)
    }

    async fn view(&self) -> Result<View, SourceError> {
        let state = self.state();
        let head = state.canonical.last().expect("block 0 is always there").header;
        let finalized = head.id.number.saturating_sub(state.finality_depth);
        Ok(View { head, finalized: state.canonical[finalized as usize].header.id })
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, SourceError> {
        Ok(self.state().canonical.get(number as usize).map(|block| block.header))
    }

    async fn headers(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        let state = self.state();
        numbers
            .iter()
            .map(|number| {
                let block = state.canonical.get(*number as usize);
                block.map(|block| block.header).ok_or(SourceError::BlockGone { number: *number, hash: None })
            })
            .collect()
    }

    async fn logs_of_block(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        Ok(self.state().by_hash(block)?.logs.clone())
    }

    async fn logs_in_range(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Vec<RawLog>, SourceError> {
        let state = self.state();
        let blocks = state.canonical.iter().filter(|block| range.contains(block.header.id.number));
        Ok(blocks
            .flat_map(|block| &block.logs)
            .filter(|log| addresses.contains(&log.address))
            .cloned()
            .collect())
    }

    async fn calls(&self, requests: &[CallRequest]) -> Result<Vec<CallAnswer>, SourceError> {
        Ok(requests.iter().map(|request| self.answer_to(request.target, &request.input)).collect())
    }

    async fn transactions(&self, block: BlockId) -> Result<Vec<Transaction>, SourceError> {
        Ok(self.state().by_hash(block)?.transactions.clone())
    }

    async fn has_code(&self, address: Address, number: u64) -> Result<Option<bool>, SourceError> {
        Ok(Some(self.state().created.get(&address).is_some_and(|created| *created <= number)))
    }

    async fn wait_for_head(&self) {
        tokio::task::yield_now().await;
    }
}
