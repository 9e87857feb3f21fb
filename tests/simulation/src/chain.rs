//! A simulated chain: what a real node cannot be made to do on demand.
//!
//! A tree of blocks with true hashes, blooms and receipts roots, and one canonical branch; every block that ever was is
//! known by its hash. Logs and transactions are what the play puts there. Calls are answered from a table, or from the
//! block's hash where the answer must differ from block to block.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use alloy::consensus::Header as Fields;
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolValue;
use asset_indexer::block::{BlockId, BlockRange, Ending, Header, RawLog, Receipt, Sealed, Transaction};
use asset_indexer::proof::commitments;
use asset_indexer::source::{CallAnswer, CallRequest, Source, SourceError, View};

/// A log before it stands in a block.
#[derive(Debug, Clone)]
pub struct NewLog {
    /// The contract.
    pub address: Address,
    /// Its topics.
    pub topics: Vec<B256>,
    /// Its data.
    pub data: Bytes,
}

/// A transaction before it stands in a block.
#[derive(Debug, Clone, Default)]
pub struct NewTransaction {
    /// Its hash where it stood in a block before; zero for a new one.
    pub hash: B256,
    /// Who signed it.
    pub from: Address,
    /// The contract called.
    pub to: Option<Address>,
    /// Call data.
    pub input: Bytes,
    /// What it logs; nothing where it fails.
    pub logs: Vec<NewLog>,
    /// Whether it fails: the same transaction may do so on one branch and not on another.
    pub fails: bool,
}

/// A block with everything that nodes are asked about it.
#[derive(Debug)]
pub struct Block {
    /// Number, hash, parent, time.
    pub header: Header,
    /// All that the hash commits to.
    pub fields: Fields,
    /// In order.
    pub receipts: Vec<Receipt>,
    /// In order.
    pub logs: Vec<RawLog>,
    /// In order.
    pub transactions: Vec<Transaction>,
}

/// Blocks that hang on one another, from block 0 on.
pub type Branch = Arc<Vec<Arc<Block>>>;

/// One node's picture of the chain.
#[derive(Debug, Clone)]
pub struct Picture {
    /// What it takes for the chain.
    pub branch: Branch,
    /// The height that it calls final.
    pub finalized: u64,
}

impl Picture {
    /// The newest block.
    pub fn head(&self) -> Header {
        self.branch.last().expect("block 0 is always there").header
    }

    /// The block at a height.
    pub fn at(&self, number: u64) -> Option<&Arc<Block>> {
        self.branch.get(usize::try_from(number).ok()?)
    }

    /// Head and finality.
    pub fn view(&self) -> View {
        let finalized = self.finalized.min(self.head().id.number);
        View { head: self.head(), finalized: self.branch[finalized as usize].header.id }
    }

    /// Logs of these contracts in a range.
    pub fn logs(&self, range: BlockRange, addresses: &[Address]) -> Vec<RawLog> {
        let wanted: HashSet<&Address> = addresses.iter().collect();
        let from = usize::try_from(range.from).unwrap_or(usize::MAX);
        let blocks = self.branch.iter().skip(from).take(range.len() as usize);
        blocks.flat_map(|block| &block.logs).filter(|log| wanted.contains(&log.address)).cloned().collect()
    }

    /// Whether a contract logged at or below a height: the simulated contracts log when they are made.
    pub fn has_code(&self, address: Address, number: u64) -> bool {
        let blocks = self.branch.iter().take(usize::try_from(number).unwrap_or(usize::MAX).saturating_add(1));
        blocks.flat_map(|block| &block.logs).any(|log| log.address == address)
    }

    /// The same picture without its newest blocks.
    #[must_use]
    pub fn without(&self, newest: usize) -> Self {
        let keep = self.branch.len().saturating_sub(newest).max(1);
        Self { branch: Arc::new(self.branch[..keep].to_vec()), finalized: self.finalized }
    }
}

#[derive(Debug, Default)]
struct State {
    blocks: HashMap<B256, Arc<Block>>,
    canonical: Branch,
    /// Branches that left the chain, whole, the newest last.
    parked: Vec<Branch>,
    calls: HashMap<(Address, Bytes), CallAnswer>,
    /// Calls whose answer is another at every block.
    moving: HashSet<(Address, Bytes)>,
    finality_depth: u64,
    finalized: u64,
    /// Finality stands still.
    stalled: bool,
    /// Times repeat and go back.
    ragged: bool,
    /// Seconds between blocks, where a play says so.
    pace: Option<i64>,
    forks: u64,
    /// A branch was replaced, at any time.
    reorganized: bool,
    transactions: u64,
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
        chain.mine(Vec::new());
        chain
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while it changes the chain")
    }

    /// The chain's id.
    pub fn id(&self) -> u64 {
        self.chain_id
    }

    /// Adds a block.
    pub fn mine(&self, transactions: Vec<NewTransaction>) -> BlockId {
        let mut state = self.state();
        let parent = state.canonical.last().cloned();
        let block = state.make(parent, transactions);
        Arc::make_mut(&mut state.canonical).push(block.clone());
        state.finalize();
        block.header.id
    }

    /// Replaces the newest `depth` blocks; what left is parked.
    pub fn reorg(&self, depth: usize, blocks: Vec<Vec<NewTransaction>>) {
        let mut state = self.state();
        state.forks += 1;
        state.reorganized = true;
        let left = state.canonical.clone();
        state.parked.push(left);
        let keep = state.canonical.len() - depth;
        Arc::make_mut(&mut state.canonical).truncate(keep);
        for transactions in blocks {
            let parent = state.canonical.last().cloned();
            let block = state.make(parent, transactions);
            Arc::make_mut(&mut state.canonical).push(block);
        }
        state.finalize();
    }

    /// The branch that left last is the chain again, unless that would cross finality. Whether it is.
    pub fn return_to_parked(&self) -> bool {
        let mut state = self.state();
        let Some(back) = state.parked.pop() else { return false };
        let shared = shared(&back, &state.canonical);
        if shared < state.finalized.max(1) || back.len() <= state.finalized as usize {
            return false;
        }
        let left = std::mem::replace(&mut state.canonical, back);
        state.parked.push(left);
        state.finalize();
        true
    }

    /// A block on top of any other; it is on no branch of the chain.
    pub fn forge(&self, parent: &Arc<Block>, transactions: Vec<NewTransaction>) -> Arc<Block> {
        let mut state = self.state();
        state.forks += 1;
        state.make(Some(parent.clone()), transactions)
    }

    /// Finality stands still, or follows the head again.
    pub fn stall(&self, stalled: bool) {
        let mut state = self.state();
        state.stalled = stalled;
        state.finalize();
    }

    /// From now on block times repeat and go back now and then.
    pub fn ragged_clock(&self) {
        self.state().ragged = true;
    }

    /// From now on a block comes so many seconds after the one before it, or before that one's time.
    pub fn pace(&self, seconds: i64) {
        self.state().pace = Some(seconds);
    }

    /// The transactions of the newest blocks, oldest first: to put them into another fork.
    pub fn newest(&self, depth: usize) -> Vec<Vec<NewTransaction>> {
        let state = self.state();
        state.canonical[state.canonical.len() - depth..].iter().map(|block| block.as_new()).collect()
    }

    /// Sets what a call answers, at every block.
    pub fn answer(&self, target: Address, input: impl Into<Bytes>, answer: CallAnswer) {
        self.state().calls.insert((target, input.into()), answer);
    }

    /// A call whose answer, a small number, is another at every block.
    pub fn answer_by_block(&self, target: Address, input: impl Into<Bytes>) {
        self.state().moving.insert((target, input.into()));
    }

    /// What a call answers at the end of a block.
    pub fn call(&self, block: B256, target: Address, input: &Bytes) -> CallAnswer {
        let state = self.state();
        let key = (target, input.clone());
        if state.moving.contains(&key) {
            return CallAnswer::Returned(U256::from(1 + u64::from(block[31])).abi_encode().into());
        }
        state.calls.get(&key).cloned().unwrap_or(CallAnswer::Reverted)
    }

    /// The newest block.
    pub fn head(&self) -> BlockId {
        self.state().canonical.last().expect("block 0 is always there").header.id
    }

    /// Whether it ever replaced a block.
    pub fn has_reorganized(&self) -> bool {
        self.state().reorganized
    }

    /// The height that is final.
    pub fn finalized(&self) -> u64 {
        self.state().finalized
    }

    /// The chain as an honest node sees it.
    pub fn picture(&self) -> Picture {
        let state = self.state();
        Picture { branch: state.canonical.clone(), finalized: state.finalized }
    }

    /// The branch that left the chain last.
    pub fn last_parked(&self) -> Option<Branch> {
        self.state().parked.last().cloned()
    }

    /// A block that is or was there.
    pub fn block(&self, hash: B256) -> Option<Arc<Block>> {
        self.state().blocks.get(&hash).cloned()
    }

    /// The branch that a block is the newest of, whatever the chain is now.
    pub fn branch_to(&self, id: BlockId) -> Option<Branch> {
        let state = self.state();
        let at = usize::try_from(id.number).ok()?;
        if state.canonical.get(at).is_some_and(|block| block.header.id == id) {
            return Some(Arc::new(state.canonical[..=at].to_vec()));
        }
        let mut blocks = vec![state.blocks.get(&id.hash)?.clone()];
        while let Some(below) = blocks.last().filter(|block| block.header.id.number > 0) {
            blocks.push(state.blocks.get(&below.header.parent)?.clone());
        }
        blocks.reverse();
        Some(Arc::new(blocks))
    }
}

/// The height of the newest block that two branches share.
pub fn shared(one: &Branch, other: &Branch) -> u64 {
    let same = one.iter().zip(other.iter()).take_while(|(one, other)| Arc::ptr_eq(one, other)).count();
    same.saturating_sub(1) as u64
}

impl Block {
    /// Its transactions, to put them elsewhere; they keep their hashes.
    pub fn as_new(&self) -> Vec<NewTransaction> {
        let of = |transaction: &Transaction| NewTransaction {
            hash: transaction.hash,
            from: transaction.from,
            to: transaction.to,
            input: transaction.input.clone(),
            fails: false,
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
        };
        self.transactions.iter().map(of).collect()
    }
}

impl State {
    /// Makes a block and knows it by its hash from then on.
    fn make(&mut self, parent: Option<Arc<Block>>, transactions_in: Vec<NewTransaction>) -> Arc<Block> {
        let number = parent.as_ref().map_or(0, |parent| parent.header.id.number + 1);
        let timestamp = self.time(parent.as_deref(), number);
        let nowhere = BlockId { number, hash: B256::ZERO };
        let (mut receipts, mut transactions, mut count) = (Vec::new(), Vec::new(), 0);
        for (index, new) in transactions_in.into_iter().enumerate() {
            self.transactions += 1;
            let hash = if new.hash.is_zero() { keccak256(self.transactions.to_be_bytes()) } else { new.hash };
            let mut logs = Vec::new();
            for log in new.logs.iter().filter(|_| !new.fails) {
                logs.push(RawLog {
                    block: nowhere,
                    log_index: count,
                    transaction_hash: hash,
                    transaction_index: index as u32,
                    address: log.address,
                    topics: log.topics.clone(),
                    data: log.data.clone(),
                    timestamp: (!number.is_multiple_of(3)).then_some(timestamp),
                    withheld: None,
                });
                count += 1;
            }
            let (kind, cumulative_gas) = ((index % 4) as u8, 21_000 * (index as u64 + 1));
            receipts.push(Receipt {
                kind,
                ending: Ending::Status(!new.fails),
                cumulative_gas,
                deposit: None,
                logs,
            });
            let (index, from, to, input) = (index as u32, new.from, new.to, new.input);
            transactions.push(Transaction { block: nowhere, hash, index, from, to, input });
        }
        let (receipts_root, logs_bloom) = commitments(&receipts);
        let parent = parent.map_or(B256::ZERO, |parent| parent.header.id.hash);
        let fields = Fields {
            parent_hash: parent,
            number,
            timestamp,
            receipts_root,
            logs_bloom,
            // Two forks with the same transactions are two blocks.
            extra_data: self.forks.to_be_bytes().to_vec().into(),
            ..Fields::default()
        };
        let id = BlockId { number, hash: fields.hash_slow() };
        receipts.iter_mut().flat_map(|receipt| &mut receipt.logs).for_each(|log| log.block = id);
        transactions.iter_mut().for_each(|transaction| transaction.block = id);
        let logs = receipts.iter().flat_map(|receipt| receipt.logs.clone()).collect();
        let header = Header { id, parent, timestamp };
        let block = Arc::new(Block { header, fields, receipts, logs, transactions });
        self.blocks.insert(id.hash, block.clone());
        block
    }

    fn time(&self, parent: Option<&Block>, number: u64) -> u64 {
        let Some(parent) = parent else { return 1_700_000_000 };
        if let Some(seconds) = self.pace {
            return parent.header.timestamp.saturating_add_signed(seconds);
        }
        let step = match (number + 5 * self.forks) % 7 {
            0 if self.ragged => 0,
            3 if self.ragged => return parent.header.timestamp - 5,
            _ => 12,
        };
        parent.header.timestamp + step
    }

    fn finalize(&mut self) {
        let depth = self.finality_depth;
        if !self.stalled {
            self.finalized = self.finalized.max((self.canonical.len() as u64 - 1).saturating_sub(depth));
        }
    }
}

impl Source for SimChain {
    async fn chain_id(&self) -> Result<u64, SourceError> {
        Ok(self.chain_id)
    }

    async fn view(&self) -> Result<View, SourceError> {
        Ok(self.picture().view())
    }

    async fn header(&self, number: u64) -> Result<Option<Header>, SourceError> {
        Ok(self.picture().at(number).map(|block| block.header))
    }

    async fn headers(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        let picture = self.picture();
        numbers.iter().map(|number| Ok(present(&picture, *number)?.header)).collect()
    }

    async fn logs_of_block(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        Ok(known(self, block)?.logs.clone())
    }

    async fn logs_in_range(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Vec<RawLog>, SourceError> {
        Ok(self.picture().logs(range, addresses))
    }

    async fn calls(&self, requests: &[CallRequest]) -> Result<Vec<CallAnswer>, SourceError> {
        let answer = |call: &CallRequest| self.call(call.block.hash, call.target, &call.input);
        Ok(requests.iter().map(answer).collect())
    }

    async fn transactions(&self, block: BlockId) -> Result<Vec<Transaction>, SourceError> {
        Ok(known(self, block)?.transactions.clone())
    }

    async fn has_code(&self, address: Address, number: u64) -> Result<Option<bool>, SourceError> {
        Ok(Some(self.picture().has_code(address, number)))
    }

    async fn sealed(&self, numbers: &[u64]) -> Result<Vec<Sealed>, SourceError> {
        let picture = self.picture();
        numbers.iter().map(|number| Ok(present(&picture, *number)?.sealed())).collect()
    }

    async fn receipts(&self, block: BlockId) -> Result<Vec<Receipt>, SourceError> {
        Ok(known(self, block)?.receipts.clone())
    }

    fn alias(&self) -> String {
        "simulated".to_owned()
    }

    async fn wait_for_head(&self) {
        tokio::task::yield_now().await;
    }
}

impl Block {
    /// The header with all that its hash commits to.
    pub fn sealed(&self) -> Sealed {
        Sealed { header: self.header, fields: Some(Box::new(self.fields.clone())) }
    }
}

/// The block at a height of a picture.
pub fn present(picture: &Picture, number: u64) -> Result<&Arc<Block>, SourceError> {
    picture.at(number).ok_or(SourceError::BlockGone { number, hash: None })
}

/// A block by its hash.
pub fn known(chain: &SimChain, id: BlockId) -> Result<Arc<Block>, SourceError> {
    chain.block(id.hash).ok_or(SourceError::BlockGone { number: id.number, hash: Some(id.hash) })
}
