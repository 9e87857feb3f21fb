//! What a header proves about the logs of its block: their completeness, without trust in whoever delivered them.
//!
//! A header's hash commits to a bloom of every log's address and topics and to the root of all receipts. So a contract
//! that is not in the bloom logged nothing, and logs that are in receipts of that root are all there are. Pure: no
//! network, no clock.
//!
//! Invariant: nothing is proved against a header whose hash was not computed here.
//!
//! # What is not proved
//! A log's transaction hash is not under the receipts root, and that the header is the chain's is the word of the
//! providers (see finality). A log's index, its transaction's index and its block's time are proved. What Bor's state syncs
//! log is beside the root: [`beside`].
//!
//! # Sources of the rules
//! Yellow Paper 4.3.1 (bloom), 4.3.3 (header); EIP-658 (status), EIP-2718 (types); Hyperledger Besu's BFT headers, whose
//! hash leaves out the round and the commit seals.

pub mod beside;

use std::collections::HashSet;

use alloy::consensus::Header as Fields;
use alloy::consensus::proofs::ordered_trie_root_with_encoder;
use alloy::primitives::{Address, B256, Bloom, BloomInput, Bytes, Log, LogData, keccak256};
use alloy::rlp::{BufMut, Encodable, Header as RlpHeader};

use crate::block::{DEPOSIT, Ending, RawLog, Receipt, Sealed};
use crate::mutant::{Mutant, is};

/// How it is known that a block's logs are complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// No watched contract is in the block's bloom.
    Bloom,
    /// The logs are those of receipts under the header's receipts root.
    Receipts,
    /// The header's hash cannot be computed here or receipts cannot be had; an independent provider gave the same logs.
    Quorum,
}

impl Method {
    /// Every method, the weakest last.
    pub const ALL: [Self; 3] = [Self::Bloom, Self::Receipts, Self::Quorum];

    /// As the database and metrics spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bloom => "bloom",
            Self::Receipts => "receipts",
            Self::Quorum => "quorum",
        }
    }

    /// The method of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// Why something a node gave proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The header's form is unknown, or no known way of hashing gives its hash: a matter of the chain, or a forgery.
    #[error("the hash of block {number} cannot be computed from its header")]
    Hash {
        /// Height.
        number: u64,
    },
    /// The receipts are not those that the header commits to.
    #[error("the receipts of block {number} have the root {found}, and its header commits to {committed}")]
    Root {
        /// Height.
        number: u64,
        /// Of the receipts given.
        found: B256,
        /// In the header.
        committed: B256,
    },
    /// The receipts are under the root, and their bloom is not the header's: this chain's blooms prove nothing.
    #[error("the bloom of block {number} does not hold its own logs")]
    Bloom {
        /// Height.
        number: u64,
    },
    /// The receipts are under the root, and what they say beside it contradicts it: other blocks, other transactions.
    #[error("the receipts of block {number} contradict themselves: {reason}")]
    Places {
        /// Height.
        number: u64,
        /// What does not fit.
        reason: String,
    },
}

/// A header whose hash was computed from its fields and is the one it is known by.
#[derive(Debug, Clone, Copy)]
pub struct Proved<'a> {
    sealed: &'a Sealed,
    fields: &'a Fields,
}

/// Computes the header's hash and compares it with the one it was asked for by.
///
/// # Errors
/// [`Flaw::Hash`].
pub fn header(sealed: &Sealed) -> Result<Proved<'_>, Flaw> {
    let claimed = sealed.header;
    let flaw = Flaw::Hash { number: claimed.id.number };
    let Some(fields) = sealed.fields.as_deref() else { return Err(flaw) };
    let same = fields.number == claimed.id.number
        && fields.parent_hash == claimed.parent
        && fields.timestamp == claimed.timestamp;
    let is_hash = || fields.hash_slow() == claimed.id.hash || bft_hashes(fields).contains(&claimed.id.hash);
    if is(Mutant::HashUnchecked) || same && is_hash() { Ok(Proved { sealed, fields }) } else { Err(flaw) }
}

/// The hashes of a header of Besu's QBFT and IBFT 2.0: round and commit seals are not part of them.
fn bft_hashes(fields: &Fields) -> Vec<B256> {
    let Some(kept) = bft_items(fields) else { return Vec::new() };
    // QBFT writes a round of zero and no seals in their place, IBFT 2.0 leaves them out.
    [&[0x80, 0xc0][..], &[]]
        .map(|end| {
            let mut extra = Vec::with_capacity(kept.len() + 6);
            RlpHeader { list: true, payload_length: kept.len() + end.len() }.encode(&mut extra);
            extra.extend_from_slice(&kept);
            extra.extend_from_slice(end);
            Fields { extra_data: Bytes::from(extra), ..fields.clone() }.hash_slow()
        })
        .to_vec()
}

/// Vanity, validators and vote out of a header's extra data, as they are encoded.
fn bft_items(fields: &Fields) -> Option<Vec<u8>> {
    let mut extra = fields.extra_data.as_ref();
    let list = RlpHeader::decode(&mut extra).ok().filter(|header| header.list)?;
    let mut rest = extra.get(..list.payload_length)?;
    // Behind them come the round and the seals.
    let mut kept = Vec::new();
    for _ in 0..3 {
        let whole = rest;
        let item = RlpHeader::decode(&mut rest).ok()?;
        rest = rest.get(item.payload_length..)?;
        kept.extend_from_slice(&whole[..whole.len() - rest.len()]);
    }
    Some(kept)
}

impl Proved<'_> {
    /// Whether the bloom may hold a log of these contracts; false is proof that they logged nothing.
    pub fn may_have_logs(&self, watched: &Watched) -> bool {
        watched.any_in(&self.fields.logs_bloom) != is(Mutant::BloomInverted)
    }

    /// Whether no bit of the bloom is set.
    pub fn has_empty_bloom(&self) -> bool {
        self.fields.logs_bloom.is_zero()
    }

    /// Whether the header commits to no receipt at all.
    pub fn is_empty(&self) -> bool {
        self.fields.receipts_root == alloy::consensus::EMPTY_ROOT_HASH
    }

    /// All logs of the block, in order, out of receipts that the header commits to; behind them those of a state sync, to
    /// which it does not, where a receipt of one was given.
    ///
    /// # Errors
    /// [`Flaw::Root`], [`Flaw::Bloom`], [`Flaw::Places`].
    pub fn logs(&self, mut receipts: Vec<Receipt>) -> Result<Vec<RawLog>, Flaw> {
        let header = self.sealed.header;
        let number = header.id.number;
        let mut beside = None;
        if let Err(flaw) = self.commits_to(&receipts) {
            beside = Some(beside::split(&mut receipts).ok_or(flaw)?);
            self.commits_to(&receipts)?;
        }
        let places = |reason| Flaw::Places { number, reason };
        let mut logs = self.placed(receipts).map_err(places)?;
        if let Some(receipt) = beside {
            logs.extend(beside::placed(receipt, header.id, header.timestamp, logs.len()).map_err(places)?);
        }
        Ok(logs)
    }

    fn commits_to(&self, receipts: &[Receipt]) -> Result<(), Flaw> {
        let number = self.sealed.header.id.number;
        let blooms: Vec<Bloom> = receipts.iter().map(bloom_of).collect();
        let items: Vec<(&Receipt, &Bloom)> = receipts.iter().zip(&blooms).collect();
        let found =
            ordered_trie_root_with_encoder(&items, |(receipt, bloom), out| encode(receipt, bloom, out));
        let committed = self.fields.receipts_root;
        if found != committed && !is(Mutant::RootUnchecked) {
            return Err(Flaw::Root { number, found, committed });
        }
        let bloom = blooms.iter().fold(Bloom::ZERO, |all, one| all | *one);
        if bloom != self.fields.logs_bloom && !is(Mutant::RootUnchecked) {
            return Err(Flaw::Bloom { number });
        }
        Ok(())
    }

    /// The logs, in the places that follow from their order: what a node says of them is no part of the root, and some released
    /// nodes count the logs of each transaction from zero.
    fn placed(&self, receipts: Vec<Receipt>) -> Result<Vec<RawLog>, String> {
        let id = self.sealed.header.id;
        let mut logs: Vec<RawLog> = Vec::new();
        let mut transactions = HashSet::new();
        for (index, receipt) in receipts.into_iter().enumerate() {
            let Some(transaction) = receipt.logs.first().map(|log| log.transaction_hash) else { continue };
            if !transactions.insert(transaction) {
                return Err(format!("transaction {transaction} has two receipts"));
            }
            for mut log in receipt.logs {
                let expected = logs.len();
                if log.block != id {
                    return Err(format!("log {expected} is of block {:?}", log.block));
                }
                if is(Mutant::PlacesUnchecked) {
                    logs.push(log);
                    continue;
                }
                if log.transaction_hash != transaction {
                    return Err(format!("log {expected} is of another transaction than its receipt"));
                }
                let places = (u32::try_from(expected), u32::try_from(index));
                let (Ok(log_index), Ok(transaction_index)) = places else {
                    return Err(format!("log {expected} of transaction {index} is too many"));
                };
                (log.log_index, log.transaction_index) = (log_index, transaction_index);
                log.timestamp = Some(self.sealed.header.timestamp);
                logs.push(log);
            }
        }
        Ok(logs)
    }
}

fn bloom_of(receipt: &Receipt) -> Bloom {
    receipt.logs.iter().fold(Bloom::ZERO, |mut bloom, log| {
        bloom.accrue(BloomInput::Raw(log.address.as_slice()));
        log.topics.iter().for_each(|topic| bloom.accrue(BloomInput::Raw(topic.as_slice())));
        bloom
    })
}

/// Celo, and its networks for tests.
const OWN_RECEIPTS: [u64; 4] = [42_220, 44_787, 62_320, 11_142_220];
/// Types of transactions whose receipts' form is known: Ethereum's up to EIP-7702, and the OP Stack's deposits.
const KNOWN_TYPES: [u8; 6] = [0, 1, 2, 3, 4, DEPOSIT];

/// Whether the form of all these receipts is known. Celo has types of its own (0x7b) whose receipts have fields of their own: a
/// root over them cannot be computed, and that it does not fit is no lie. Elsewhere a type that is not known is no excuse.
pub fn are_of_known_form(chain_id: u64, receipts: &[Receipt]) -> bool {
    !OWN_RECEIPTS.contains(&chain_id) || receipts.iter().all(|receipt| KNOWN_TYPES.contains(&receipt.kind))
}

/// A receipt as the trie holds it: its type's byte, unless it is a legacy one, and a list (EIP-2718, EIP-658; for deposits the
/// OP Stack's specification of Canyon).
fn encode(receipt: &Receipt, bloom: &Bloom, out: &mut dyn BufMut) {
    if receipt.kind != 0 {
        out.put_u8(receipt.kind);
    }
    let logs: Vec<Log> = receipt
        .logs
        .iter()
        .map(|log| Log {
            address: log.address,
            data: LogData::new_unchecked(log.topics.clone(), log.data.clone()),
        })
        .collect();
    let mut body = Vec::new();
    match receipt.ending {
        Ending::Status(succeeded) => succeeded.encode(&mut body),
        Ending::StateRoot(root) => root.encode(&mut body),
    }
    receipt.cumulative_gas.encode(&mut body);
    bloom.encode(&mut body);
    logs.encode(&mut body);
    if let Some(deposit) = receipt.deposit {
        deposit.nonce.encode(&mut body);
        deposit.version.encode(&mut body);
    }
    RlpHeader { list: true, payload_length: body.len() }.encode(out);
    out.put_slice(&body);
}

/// Root and bloom of a block's receipts: for whoever makes blocks, and for the probe of what a chain can prove.
pub fn commitments(receipts: &[Receipt]) -> (B256, Bloom) {
    let blooms: Vec<Bloom> = receipts.iter().map(bloom_of).collect();
    let items: Vec<(&Receipt, &Bloom)> = receipts.iter().zip(&blooms).collect();
    let root = ordered_trie_root_with_encoder(&items, |(receipt, bloom), out| encode(receipt, bloom, out));
    (root, blooms.iter().fold(Bloom::ZERO, |all, one| all | *one))
}

/// Watched contracts with their places in a bloom, computed once.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    bits: Vec<[u16; 3]>,
    addresses: HashSet<Address>,
}

impl Watched {
    /// All of them, in order.
    pub fn addresses(&self) -> Vec<Address> {
        let mut addresses: Vec<Address> = self.addresses.iter().copied().collect();
        addresses.sort_unstable();
        addresses
    }

    /// Whether the contract is watched.
    pub fn contains(&self, address: &Address) -> bool {
        self.addresses.contains(address)
    }

    /// Adds a contract.
    pub fn insert(&mut self, address: Address) {
        if self.addresses.insert(address) {
            let hash = keccak256(address);
            self.bits.push([0, 2, 4].map(|at| u16::from_be_bytes([hash[at], hash[at + 1]]) & 0x7ff));
        }
    }

    fn any_in(&self, bloom: &Bloom) -> bool {
        let bytes = bloom.as_slice();
        let is_set = |bit: u16| bytes[255 - usize::from(bit / 8)] & (1 << (bit % 8)) != 0;
        !bloom.is_zero() && self.bits.iter().any(|bits| bits.iter().all(|bit| is_set(*bit)))
    }
}

impl FromIterator<Address> for Watched {
    fn from_iter<I: IntoIterator<Item = Address>>(addresses: I) -> Self {
        let mut watched = Self::default();
        addresses.into_iter().for_each(|address| watched.insert(address));
        watched
    }
}

#[cfg(test)]
mod tests;
