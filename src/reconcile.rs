//! Reconciliation: what the contracts themselves answer at a block, against what the tables say of it.
//!
//! What to ask and how to judge an answer is pure; [`ask()`] alone talks to a node. Knows calls and a source, no SQL, no
//! facts, no clock.
//!
//! Invariant: nothing is told as a difference, or as agreement, on answers that may be of another block than was asked.

mod ask;
mod judge;

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use uuid::Uuid;

use crate::amount::Amount;
use crate::block::BlockId;

pub use ask::{Asked, Ground, ask, probed};
pub use judge::{Judgement, Ours, Question, questions};

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// `totalSupply()`.
    TotalSupply,
    /// `balanceOf(wallet)`.
    Balance,
    /// `getFrozenTokens(wallet)`.
    Frozen,
    /// `isFrozen(wallet)`.
    WalletFrozen,
    /// The registry's `identity(wallet)`.
    Identity,
    /// The registry's `investorCountry(wallet)`.
    Country,
    /// The registry's `contains(wallet)`.
    Registered,
    /// The registry's `isVerified(wallet)`.
    Verified,
}

impl What {
    /// Everything that is asked about.
    pub const ALL: [Self; 8] = [
        Self::TotalSupply,
        Self::Balance,
        Self::Frozen,
        Self::WalletFrozen,
        Self::Identity,
        Self::Country,
        Self::Registered,
        Self::Verified,
    ];

    /// As the database spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TotalSupply => "total_supply",
            Self::Balance => "balance",
            Self::Frozen => "frozen",
            Self::WalletFrozen => "wallet_frozen",
            Self::Identity => "identity",
            Self::Country => "country",
            Self::Registered => "registered",
            Self::Verified => "verified",
        }
    }

    /// What is spelled so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.name() == name)
    }
}

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    /// The asset.
    pub asset_id: Uuid,
    /// The wallet; none for the supply.
    pub wallet: Option<Address>,
    /// What of it.
    pub what: What,
}

/// What the tables say of an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supply {
    /// The asset.
    pub asset_id: Uuid,
    /// Its token.
    pub token: Address,
    /// Its supply in base units.
    pub total_supply: Amount,
    /// Flags that may explain a difference.
    pub flags: Vec<&'static str>,
}

/// What the tables say of a wallet in an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The asset.
    pub asset_id: Uuid,
    /// Its token.
    pub token: Address,
    /// The wallet.
    pub wallet: Address,
    /// Units held.
    pub balance: Amount,
    /// Frozen units and freeze of the wallet; none where the token knows no freezes.
    pub freezes: Option<(Amount, bool)>,
    /// The identity registry, with what the tables say of the wallet there.
    pub registry: Option<Registered>,
    /// Flags that may explain a difference.
    pub flags: Vec<&'static str>,
}

/// What the tables say of a wallet in an identity registry; none where the logs do not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The registry.
    pub registry: Address,
    /// The identity; the zero address where it is not registered.
    pub identity: Option<Address>,
    /// Its country.
    pub country: Option<u16>,
    /// The registry's verdict.
    pub verified: Option<bool>,
}

/// A balance that changed not long ago: a node that is asked for the block before the change and answers with what is
/// now does not answer for the block it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The token.
    pub token: Address,
    /// The wallet.
    pub wallet: Address,
    /// The block before the change.
    pub block: u64,
    /// The balance at its end.
    pub then: Amount,
    /// The balance now, another one.
    pub now: Amount,
}

/// What of the tables is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The checkpoint, whose hash chooses.
    pub at: BlockId,
    /// Wallets that moved above this block are looked at first.
    pub touched_since: u64,
    /// Most wallets that moved.
    pub touched_max: usize,
    /// Wallets drawn at random.
    pub drawn: usize,
    /// Most assets whose supply is asked.
    pub supplies_max: usize,
    /// What was suspected at another block, and must be looked at.
    pub suspected: BTreeSet<Subject>,
}

/// What the tables say of a sample.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stated {
    /// Of assets.
    pub supplies: Vec<Supply>,
    /// Of wallets.
    pub positions: Vec<Position>,
    /// To find out whether the node answers for the block it is asked for.
    pub probes: Vec<Probe>,
    /// Differences that stand since an earlier look.
    pub standing: BTreeSet<Subject>,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// What differs.
    pub subject: Subject,
    /// What the tables say.
    pub ours: String,
    /// What the contract answers.
    pub theirs: String,
    /// Flags of the asset that may explain it.
    pub flags: Vec<&'static str>,
}

/// What a look found, to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The block that was asked about.
    pub at: BlockId,
    /// Alias of the provider that answered.
    pub provider: String,
    /// Differences that an earlier look, at another block, found too.
    pub confirmed: Vec<Drift>,
    /// Differences that stood and are gone.
    pub resolved: Vec<Subject>,
}

/// The `n`th draw of a block: a number to choose an asset by, and a place among its wallets.
pub fn draw(hash: B256, n: usize) -> (u64, Address) {
    let digest = keccak256([hash.as_slice(), &(n as u64).to_be_bytes()].concat());
    let number = U256::from_be_bytes(digest.0).as_limbs()[3];
    (number, Address::from_slice(&digest[12..]))
}

/// Assets in the order in which a block chooses them.
pub fn chosen(hash: B256, mut assets: Vec<Uuid>) -> Vec<Uuid> {
    assets.sort_by_cached_key(|asset| keccak256([hash.as_slice(), asset.as_bytes()].concat()));
    assets
}

/// A call's answer as a word.
fn word(bytes: &Bytes) -> Option<U256> {
    (bytes.len() >= 32).then(|| U256::from_be_slice(&bytes[..32]))
}
