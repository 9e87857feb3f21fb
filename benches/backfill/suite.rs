//! The other workload, W2: one T-REX suite whose identities are full of claims before anything tells of them, the same on
//! every machine and in every release.
//!
//! No factory makes the identities, so their registrations alone announce them, and whoever follows the token has to look
//! for their older logs. In the last block the registry of trusted issuers loses one, and with it every holder his verdict.
//! A log is kept as a few numbers; only signatures are computed beforehand, because they take the longest.

pub mod check;
mod draw;
mod emit;
pub mod measure;
mod register;
pub mod report;
mod sign;

use std::collections::HashMap;
use std::error::Error;

use alloy::primitives::{Address, B256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolValue;
use asset_indexer::fact::Role;

use crate::ledger::{Blocks, Ledger, Log, Place, Transaction, account, described, digest};
use draw::Entry;
use emit::{COUNTRY, FIRST_TOPICS, stored_country};

type Failed = Box<dyn Error + Send + Sync>;

/// Required topics, and as many issuers that are trusted, each for one.
const TOPICS: usize = 3;
/// The issuer that is trusted no longer in the end.
const REMOVED_ISSUER: u8 = 1;
/// In place of a wallet: the zero address, which mints come from.
const NOBODY: u32 = u32::MAX;

/// Places of contracts in the list of all.
const TOKEN: u32 = 0;
const REGISTRY: u32 = 1;
const STORAGE: u32 = 2;
const ISSUERS: u32 = 3;
const TOPICS_REGISTRY: u32 = 4;
const COMPLIANCE: u32 = 5;
const FIRST_ISSUER: u32 = 6;
const FIRST_IDENTITY: u32 = FIRST_ISSUER + TOPICS as u32;

/// How large the chain is.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Identities, each with a claim of each topic and one wallet.
    pub identities: u32,
    /// Transfers of the token, a mint for each wallet included.
    pub transfers: u32,
    /// Blocks; block 0 comes on top.
    pub blocks: u64,
    /// Whether the token points to its registry in the last block but one: all of it is the past of what is found then.
    pub late: bool,
}

impl Shape {
    /// The shape of so many identities: twice as many transfers.
    ///
    /// # Errors
    /// When nobody could give anything to another, or blocks are too few for one thing after the other.
    pub fn of(identities: u32, blocks: u64) -> Result<Self, String> {
        let Some(transfers) = identities.checked_mul(2).filter(|_| identities > 1) else {
            return Err(format!("{identities} identities: at least 2, and at most 2^31"));
        };
        if !(20..=1 << 31).contains(&blocks) {
            return Err(format!("{blocks} blocks: at least 20, and at most 2^31"));
        }
        Ok(Self { identities, transfers, blocks, late: false })
    }
}

/// See the module.
pub struct Suite {
    blocks: Blocks,
    entries: Vec<Entry>,
    /// For each block, and one past the last, the index of its first log.
    first: Vec<usize>,
    contracts: Vec<Address>,
    /// Places in `contracts`.
    places: HashMap<Address, u32>,
    wallets: Vec<Address>,
    signers: Vec<PrivateKeySigner>,
    /// By identity, then issuer.
    signatures: Vec<[u8; sign::BYTES]>,
    /// Indices of the logs of each contract, one contract after the other.
    emitted: Vec<u32>,
    /// For each contract, and one past the last, where in `emitted` its logs begin.
    emitted_first: Vec<usize>,
}

impl Suite {
    /// Draws the chain of a shape.
    pub fn new(shape: Shape) -> Self {
        let (entries, first) = draw::draw(shape);
        let of_suite = ["suite token", "registry", "storage", "issuers", "topics", "compliance"];
        let mut contracts: Vec<Address> = of_suite.iter().map(|kind| account(kind, 0)).collect();
        contracts.extend((0..TOPICS as u64).map(|number| account("issuer", number)));
        contracts.extend((0..shape.identities).map(|number| account("identity", number.into())));
        let signers: Vec<PrivateKeySigner> = (0..TOPICS as u64)
            .map(|number| {
                PrivateKeySigner::from_bytes(&digest("signer", &[number]))
                    .expect("nearly every hash is a key")
            })
            .collect();
        let signatures = sign::sign(&contracts[FIRST_IDENTITY as usize..], &signers);
        let (emitted, emitted_first) = by_emitter(&entries, contracts.len());
        Self {
            blocks: Blocks::up_to(shape.blocks),
            entries,
            first,
            places: contracts.iter().copied().zip(0..).collect(),
            contracts,
            wallets: (0..shape.identities).map(|number| account("wallet", number.into())).collect(),
            signers,
            signatures,
            emitted,
            emitted_first,
        }
    }

    /// The logs of blocks `from` to `to`, each with its place, read one after the other.
    fn logs(&self, from: u64, to: u64) -> impl Iterator<Item = (Place, &Entry)> {
        (from..=to.min(self.head())).flat_map(move |number| {
            let (first, end) = (self.first[number as usize], self.first[number as usize + 1]);
            (first..end).map(move |at| {
                (Place { number, index: (at - first) as u32, at: at as u32 }, &self.entries[at])
            })
        })
    }

    fn contract(&self, place: u32) -> Address {
        self.contracts[place as usize]
    }

    fn identity(&self, number: u32) -> Address {
        self.contract(FIRST_IDENTITY + number)
    }

    fn issuer(&self, number: u8) -> Address {
        self.contract(FIRST_ISSUER + u32::from(number))
    }

    /// The wallet behind an index; the zero address for [`NOBODY`].
    fn wallet(&self, number: u32) -> Address {
        self.wallets.get(number as usize).copied().unwrap_or(Address::ZERO)
    }

    fn signature(&self, identity: u32, issuer: u8) -> &[u8] {
        &self.signatures[identity as usize * TOPICS + usize::from(issuer)]
    }

    /// Indices of the logs of a contract, in the chain's order.
    fn logs_of(&self, contract: Address) -> &[u32] {
        let Some(place) = self.places.get(&contract) else { return &[] };
        let place = *place as usize;
        &self.emitted[self.emitted_first[place]..self.emitted_first[place + 1]]
    }
}

/// The logs of each contract: their indices, and where those of each begin.
fn by_emitter(entries: &[Entry], contracts: usize) -> (Vec<u32>, Vec<usize>) {
    let mut first = vec![0; contracts + 1];
    for entry in entries {
        first[entry.event.emitter() as usize + 1] += 1;
    }
    for place in 0..contracts {
        first[place + 1] += first[place];
    }
    let (mut next, mut emitted) = (first.clone(), vec![0; entries.len()]);
    for (at, entry) in (0..).zip(entries) {
        let next = &mut next[entry.event.emitter() as usize];
        emitted[*next] = at;
        *next += 1;
    }
    (emitted, first)
}

impl Ledger for Suite {
    fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    fn starting_points(&self) -> Vec<(Role, Address)> {
        vec![(Role::TrexToken, self.contract(TOKEN))]
    }

    fn first_topics(&self) -> &[B256] {
        &FIRST_TOPICS
    }

    fn is_announced_late(&self, address: Address) -> bool {
        self.places.get(&address).is_some_and(|place| *place >= FIRST_IDENTITY)
    }

    fn find(&self, from: u64, to: u64, of: Option<&[Address]>, most: usize) -> Vec<Place> {
        if from > to {
            return Vec::new();
        }
        let (begin, end) = (self.first[from as usize] as u32, self.first[to as usize + 1] as u32);
        let found: Vec<u32> = match of {
            None => (begin..end).take(most).collect(),
            Some(of) => {
                let mut found = Vec::new();
                for contract in of {
                    let logs = self.logs_of(*contract);
                    let logs = &logs[logs.partition_point(|at| *at < begin)..];
                    found.extend(logs.iter().take_while(|at| **at < end).take(most));
                }
                found.sort_unstable();
                found.dedup();
                found.truncate(most);
                found
            }
        };
        let place = |at: u32| {
            // The last block that begins at the log or before it: empty ones before it begin there too.
            let number = self.first.partition_point(|first| *first <= at as usize) - 1;
            Place { number: number as u64, index: at - self.first[number] as u32, at }
        };
        found.into_iter().map(place).collect()
    }

    fn log(&self, place: Place, log: &mut Log) {
        let entry = self.entries[place.at as usize];
        log.begin(self.contract(entry.event.emitter()), entry.transaction);
        self.emit(entry.event, log);
    }

    fn transactions(&self, number: u64) -> Vec<Transaction> {
        let mut last = None;
        let firsts = self.logs(number, number).map(|(_, entry)| *entry);
        let firsts = firsts.filter(|entry| last.replace(entry.transaction) != Some(entry.transaction));
        firsts.map(|entry| self.send(entry)).collect()
    }

    fn has_code(&self, address: Address) -> bool {
        self.places.contains_key(&address)
    }

    fn call(&self, target: Address, input: &[u8]) -> Option<Vec<u8>> {
        match *self.places.get(&target)? {
            TOKEN => described(input, "Benchmark share", "BS").or_else(|| emit::not_paused(input)),
            STORAGE => stored_country(input).then(|| COUNTRY.abi_encode()),
            _ => None,
        }
    }
}
