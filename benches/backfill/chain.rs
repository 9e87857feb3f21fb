//! The workload: a chain of ERC-20 transfers, the same on every machine and in every release.
//!
//! A transfer is kept as a few numbers; hashes, addresses and JSON are computed when they are asked for.

use alloy::hex;
use alloy::primitives::{Address, B256, keccak256};
use asset_indexer::fact::Role;

use crate::ledger::{Blocks, Ledger, Log, Place, Transaction, account, described};
use crate::splitmix::SplitMix;

/// In place of a holder: the zero address, which mints come from and burns go to.
pub const NOBODY: u32 = u32::MAX;

/// keccak256 of `Transfer(address,address,uint256)`.
const TRANSFER: B256 = B256::new(hex!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"));
/// In place of `transfer(address,uint256)` and its two words.
const TRANSFER_INPUT: [u8; 68] = [0xa9; 68];
/// Base units of one whole token.
const ONE: u128 = 1_000_000_000_000_000_000;

/// How large the chain is.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Logs in all.
    pub logs: u64,
    /// Token contracts.
    pub tokens: u32,
    /// Wallets, of which each token favours others.
    pub holders: u32,
    /// Blocks with logs; block 0 comes on top.
    pub blocks: u64,
    /// Whether blocks hold nearly the same number of logs, instead of none to twice as many as at the mean.
    pub even: bool,
}

/// One `Transfer` log.
#[derive(Debug, Clone, Copy)]
pub struct Transfer {
    /// Index of the token.
    pub token: u32,
    /// Index of the giver, or [`NOBODY`].
    pub from: u32,
    /// Index of the taker, or [`NOBODY`].
    pub to: u32,
    /// Position of the transaction in its block.
    pub transaction: u32,
    /// Base units.
    pub amount: u128,
}

/// See the module.
pub struct Chain {
    transfers: Vec<Transfer>,
    /// For each block, and one past the last, the index of its first transfer.
    first: Vec<usize>,
    tokens: Vec<Address>,
    holders: Vec<Address>,
    blocks: Blocks,
}

impl Chain {
    /// Draws the chain of a shape.
    pub fn new(shape: Shape) -> Self {
        let named = |kind: &str, count: u32| -> Vec<Address> {
            (0..count).map(|index| account(kind, u64::from(index))).collect()
        };
        let (transfers, first) = Draw::new(shape).all();
        Self {
            transfers,
            first,
            tokens: named("token", shape.tokens),
            holders: named("holder", shape.holders),
            blocks: Blocks::up_to(shape.blocks),
        }
    }

    /// The same with blocks on top that hold nothing.
    #[must_use]
    pub fn with_silence(mut self, blocks: u64) -> Self {
        self.blocks.add(blocks);
        self.first.resize(self.first.len() + blocks as usize, self.transfers.len());
        self
    }

    /// Every transfer, in the chain's order.
    pub fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    /// The transfers of blocks `from` to `to`, each with its block and its log index.
    pub fn logs(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, u64, &Transfer)> {
        (from..=to.min(self.head())).flat_map(|number| {
            let block = &self.transfers[self.first[number as usize]..self.first[number as usize + 1]];
            (0..).zip(block).map(move |(index, transfer)| (number, index, transfer))
        })
    }

    /// The token contracts.
    pub fn tokens(&self) -> &[Address] {
        &self.tokens
    }

    /// The wallet behind an index; the zero address for [`NOBODY`].
    pub fn holder(&self, index: u32) -> Address {
        self.holders.get(index as usize).copied().unwrap_or(Address::ZERO)
    }
}

impl Ledger for Chain {
    fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    fn starting_points(&self) -> Vec<(Role, Address)> {
        self.tokens.iter().map(|token| (Role::Erc20, *token)).collect()
    }

    fn first_topics(&self) -> &[B256] {
        &[TRANSFER]
    }

    fn is_announced_late(&self, _: Address) -> bool {
        false
    }

    fn find(&self, from: u64, to: u64, of: Option<&[Address]>, most: usize) -> Vec<Place> {
        let is_wanted = |token: &Address| of.is_none_or(|of| of.contains(token));
        let is_wanted: Vec<bool> = self.tokens.iter().map(is_wanted).collect();
        let places = (from..=to).flat_map(|number| {
            let first = self.first[number as usize];
            (first..self.first[number as usize + 1]).map(move |at| Place {
                number,
                index: (at - first) as u32,
                at: at as u32,
            })
        });
        let wanted = places.filter(|place| is_wanted[self.transfers[place.at as usize].token as usize]);
        wanted.take(most).collect()
    }

    fn log(&self, place: Place, log: &mut Log) {
        let transfer = &self.transfers[place.at as usize];
        log.begin(self.tokens[transfer.token as usize], transfer.transaction);
        let parties = [transfer.from, transfer.to].map(|holder| self.holder(holder).into_word());
        log.topics.extend([TRANSFER, parties[0], parties[1]]);
        log.data.resize(16, 0);
        log.data.extend(transfer.amount.to_be_bytes());
    }

    fn transactions(&self, number: u64) -> Vec<Transaction> {
        let mut last = None;
        let firsts = self
            .logs(number, number)
            .filter(|(_, _, transfer)| last.replace(transfer.transaction) != Some(transfer.transaction));
        let listed = firsts.map(|(_, _, transfer)| Transaction {
            index: transfer.transaction,
            from: self.holder(transfer.from),
            to: self.tokens[transfer.token as usize],
            input: TRANSFER_INPUT.to_vec(),
        });
        listed.collect()
    }

    fn has_code(&self, address: Address) -> bool {
        self.tokens.contains(&address)
    }

    fn call(&self, target: Address, input: &[u8]) -> Option<Vec<u8>> {
        let token = self.tokens.iter().position(|token| *token == target)?;
        described(input, &format!("Benchmark token {token}"), &format!("BT{token}"))
    }
}

/// A chain being drawn.
struct Draw {
    shape: Shape,
    random: SplitMix,
    /// Running sums of the weights 1, 1/2, 1/3, …: a few wallets trade most, as on every chain.
    weights: Vec<u64>,
    /// By token, then holder: nobody gives what they do not have.
    balances: Vec<u128>,
    transfers: Vec<Transfer>,
}

impl Draw {
    fn new(shape: Shape) -> Self {
        let weights = (1..=u64::from(shape.holders)).scan(0, |sum, rank| {
            *sum += (1 << 40) / rank;
            Some(*sum)
        });
        Self {
            shape,
            random: SplitMix(0x0a55_e71d_e8e5),
            weights: weights.collect(),
            balances: vec![0; shape.tokens as usize * shape.holders as usize],
            transfers: Vec::with_capacity(shape.logs as usize),
        }
    }

    fn all(mut self) -> (Vec<Transfer>, Vec<usize>) {
        let blocks = self.shape.blocks;
        let mut first = vec![0, 0];
        for number in 1..=blocks {
            let end = self.end(number);
            let mut transaction = 0;
            while self.transfers.len() < end {
                self.transaction(transaction, end - self.transfers.len());
                transaction += 1;
            }
            first.push(end);
        }
        (self.transfers, first)
    }

    /// How many transfers there are up to a block. Blocks are unevenly full, as they are: round counts of logs would
    /// look like lists that a provider cut.
    fn end(&mut self, number: u64) -> usize {
        const PARTS: u64 = 1 << 16;
        let Shape { logs, blocks, even, .. } = self.shape;
        let spread = if even { PARTS / 16 } else { PARTS };
        let part = if number < blocks { self.random.below(spread) } else { 0 };
        let place = u128::from(number) * u128::from(PARTS) + u128::from(part);
        let end = u128::from(logs) * place / (u128::from(blocks) * u128::from(PARTS));
        usize::try_from(end).expect("the logs fit into memory")
    }

    /// Mostly one transfer; now and then two, or a payout to five.
    fn transaction(&mut self, transaction: u32, room: usize) {
        let token = self.random.below(u64::from(self.shape.tokens)) as u32;
        let count = match self.random.below(100) {
            0..90 => 1,
            90..98 => 2,
            _ => 5,
        };
        for _ in 0..room.min(count) {
            let (from, to, amount) = self.movement(token);
            if from != NOBODY {
                *self.balance(token, from) -= amount;
            }
            if to != NOBODY {
                *self.balance(token, to) += amount;
            }
            self.transfers.push(Transfer { token, from, to, transaction, amount });
        }
    }

    fn movement(&mut self, token: u32) -> (u32, u32, u128) {
        let (from, to, kind) = (self.wallet(token), self.wallet(token), self.random.below(1000));
        let has = *self.balance(token, from);
        if has == 0 || kind < 20 {
            let whole = u128::from(1 + self.random.below(1_000_000));
            return (NOBODY, from, whole * ONE + u128::from(self.random.below(1_000_000_000)));
        }
        let part = has / 1000 * u128::from(self.random.below(1000)) + 1;
        match kind {
            20..30 => (from, NOBODY, part),
            30..32 => (from, from, part),
            32..35 => (from, to, 0),
            _ if from == to => (from, (from + 1) % self.shape.holders, part),
            _ => (from, to, part),
        }
    }

    /// A wallet by weight; each token has other favourites.
    fn wallet(&mut self, token: u32) -> u32 {
        let total = self.weights.last().copied().unwrap_or(1);
        let drawn = self.random.below(total);
        let rank = self.weights.partition_point(|sum| *sum <= drawn) as u64;
        ((rank + u64::from(token) * 7919) % u64::from(self.shape.holders)) as u32
    }

    fn balance(&mut self, token: u32, holder: u32) -> &mut u128 {
        &mut self.balances[token as usize * self.shape.holders as usize + holder as usize]
    }
}

/// Draws a small chain and checks it: figures are worth comparing only while the workload stays what it was.
///
/// # Errors
/// What is not as it should be.
pub fn check() -> Result<(), String> {
    const PINNED: &str = "0x1037d7cf6e62a8cc8e1e39fa58a17528b35c48e4b8fa8e699df45f565cfe778b";
    let shape = Shape { logs: 5_003, tokens: 7, holders: 50, blocks: 101, even: false };
    let chain = Chain::new(shape);
    let mut text = Vec::new();
    let (mut count, mut below) = (0, (0, 0));
    for (number, index, transfer) in chain.logs(0, u64::MAX) {
        let Transfer { token, from, to, transaction, amount } = *transfer;
        let place = (number, index);
        if number == 0 || token >= shape.tokens || (count > 0 && place <= below) {
            return Err(format!("log {count} at {place:?} after {below:?}: {transfer:?}"));
        }
        (count, below) = (count + 1, place);
        text.extend(format!("{number} {index} {token} {from} {to} {transaction} {amount}\n").bytes());
    }
    if count != shape.logs || chain.head() != shape.blocks {
        return Err(format!("{count} logs in {} blocks instead of {shape:?}", chain.head()));
    }
    let kinds = |is: fn(&&Transfer) -> bool| chain.transfers().iter().filter(is).count();
    let kinds = [
        kinds(|transfer| transfer.from == NOBODY),
        kinds(|transfer| transfer.to == NOBODY),
        kinds(|transfer| transfer.from == transfer.to),
        kinds(|transfer| transfer.amount == 0),
    ];
    if kinds.contains(&0) {
        return Err(format!("a kind of transfer is missing (mint, burn, to oneself, of nothing): {kinds:?}"));
    }
    match keccak256(&text).to_string() {
        found if found == PINNED => Ok(()),
        found => Err(format!("the workload changed: digest {found} instead of {PINNED}")),
    }
}
