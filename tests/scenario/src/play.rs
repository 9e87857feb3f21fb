//! The whole story on a fresh node: the same accounts, contracts, blocks and logs in every run.
//!
//! Two tokens of one platform live through all that can happen to them: a bond, and a share that uses the bond's
//! register of wallets. Each [`Step`] is a chapter; between two of them a test may restart the indexer or the node,
//! or reorganize the chain, as long as the transactions stay ([`Node::reorg_with_the_same_transactions`]).

mod cast;
mod claims;
mod foundation;
mod governance;
mod holdings;
mod step;

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256, uint};

use crate::artifact::Artifacts;
use crate::erc20::PlainToken;
use crate::error::{Error, Result};
use crate::identity::{Claim, Identity};
use crate::node::Node;
use crate::suite::Suite;
use crate::token::Token;

pub use cast::{Issuers, Wallets};
pub use step::{Act, Step};

/// The topics of the story's claims.
pub mod topic {
    use super::{U256, uint};

    /// Know your customer. Both tokens require it.
    pub const KYC: U256 = U256::ONE;
    /// Accredited investor: a topic as large as a hash, `keccak256("ACCREDITED_INVESTOR")`. The bond requires it.
    pub const ACCREDITED: U256 =
        uint!(0xc6490bca666653d9c895eb35db9ee67a1b062680313a2a94196d3251d008a11b_U256);
    /// Residence. Required for a moment only.
    pub const RESIDENCE: U256 = uint!(10101000100003_U256);
    /// All of them.
    pub const ALL: [U256; 3] = [KYC, ACCREDITED, RESIDENCE];
}

/// The story while it is played.
#[derive(Clone, Debug)]
pub struct Play {
    artifacts: Artifacts,
    wallets: Wallets,
    acts: Vec<Act>,
    suite: Option<Suite>,
    issuers: Option<Issuers>,
    bond: Option<Token>,
    share: Option<Token>,
    plain: Option<PlainToken>,
    identities: BTreeMap<&'static str, Identity>,
    claims: BTreeMap<(&'static str, U256), Claim>,
    contracts: BTreeMap<&'static str, Address>,
}

/// The story as it ended: all addresses, for whoever wants to check.
#[derive(Clone, Debug)]
pub struct Played {
    /// The platform.
    pub suite: Suite,
    /// The accounts and what they are.
    pub wallets: Wallets,
    /// Those who issued claims.
    pub issuers: Issuers,
    /// The bond, with the registries and the compliance that it has at the end.
    pub bond: Token,
    /// The share, with the registries that it has at the end; it shares the bond's storage.
    pub share: Token,
    /// The plain ERC-20 token.
    pub plain: PlainToken,
    /// The holders' identities: `alice`, `bob`, `carol`, `dave`, `erin`, `frank`, `frank's second`, `grace`.
    pub identities: BTreeMap<&'static str, Identity>,
    /// Contracts that a token pointed to and no longer does: `bond's first compliance`,
    /// `share's first identity registry`, `share's first trusted issuers registry`.
    pub former: BTreeMap<&'static str, Address>,
    /// What was played, in which blocks.
    pub acts: Vec<Act>,
    /// The number of the last block.
    pub head: u64,
    /// The hash of the last block.
    pub head_hash: B256,
}

impl Played {
    /// The T-REX tokens.
    pub fn tokens(&self) -> [&Token; 2] {
        [&self.bond, &self.share]
    }

    /// All wallets that hold or held a token, were registered or frozen.
    pub fn holders(&self) -> Vec<Address> {
        self.wallets.holders()
    }

    /// The addresses of all identities: the holders' and the issuers' contracts.
    pub fn identity_addresses(&self) -> Vec<Address> {
        let issuers = [&self.issuers.kyc, &self.issuers.accreditor, &self.issuers.notary];
        let holders = self.identities.values().map(|identity| identity.address);
        holders.chain(issuers.map(|issuer| issuer.address)).collect()
    }
}

/// Plays the whole story on a fresh node.
///
/// # Errors
/// If npm's packages are missing or a transaction fails that should not.
pub async fn play(node: &Node) -> Result<Played> {
    let mut play = Play::begin(node)?;
    while play.play_next(node).await?.is_some() {}
    play.finish(node).await
}

impl Play {
    /// The story before its first step.
    ///
    /// # Errors
    /// If npm's packages are missing or the node has too few accounts.
    pub fn begin(node: &Node) -> Result<Self> {
        Ok(Self {
            artifacts: Artifacts::open()?,
            wallets: Wallets::of(node)?,
            acts: Vec::new(),
            suite: None,
            issuers: None,
            bond: None,
            share: None,
            plain: None,
            identities: BTreeMap::new(),
            claims: BTreeMap::new(),
            contracts: BTreeMap::new(),
        })
    }

    /// The step that comes next; none after the last.
    pub fn next_step(&self) -> Option<Step> {
        Step::ALL.get(self.acts.len()).copied()
    }

    /// Plays the next step; none if the last is played. The node may be another one than before if it has the chain.
    ///
    /// # Errors
    /// If a transaction fails that should not, for example because an earlier one was lost in a reorg.
    pub async fn play_next(&mut self, node: &Node) -> Result<Option<Act>> {
        let Some(step) = self.next_step() else { return Ok(None) };
        let first_block = node.block_number().await? + 1;
        match step {
            Step::Platform => self.platform(node).await?,
            Step::ClaimIssuers => self.claim_issuers(node).await?,
            Step::EarlyIdentity => self.early_identity(node).await?,
            Step::Bond => self.issue_bond(node).await?,
            Step::Investors => self.investors(node).await?,
            Step::Mint => self.mint(node).await?,
            Step::Transfers => self.transfers(node).await?,
            Step::Share => self.issue_share(node).await?,
            Step::Freezes => self.freezes(node).await?,
            Step::ForcedTransfers => self.forced_transfers(node).await?,
            Step::Recovery => self.recovery(node).await?,
            Step::Burn => self.burn(node).await?,
            Step::Pause => self.pause(node).await?,
            Step::Claims => self.change_claims(node).await?,
            Step::Registrations => self.change_registrations(node).await?,
            Step::Trust => self.change_trust(node).await?,
            Step::Keys => self.change_keys(node).await?,
            Step::Agents => self.change_agents(node).await?,
            Step::Compliance => self.change_compliance(node).await?,
            Step::Names => self.change_names(node).await?,
            Step::Registries => self.change_registries(node).await?,
            Step::PlainToken => self.plain_token(node).await?,
        }
        let act = Act { step, first_block, last_block: node.block_number().await? };
        self.acts.push(act);
        Ok(Some(act))
    }

    /// The addresses, once the last step is played.
    ///
    /// # Errors
    /// If there are steps left.
    pub async fn finish(self, node: &Node) -> Result<Played> {
        if let Some(step) = self.next_step() {
            return Err(Error::Unknown(format!("the play is not finished: {step:?} comes next")));
        }
        let head = node.head().await?.header;
        Ok(Played {
            suite: self.suite()?.clone(),
            wallets: self.wallets,
            issuers: self.issuers()?.clone(),
            bond: self.bond()?.clone(),
            share: self.share()?.clone(),
            plain: self.plain.ok_or_else(|| too_early("plain token"))?,
            identities: self.identities,
            former: self.contracts,
            acts: self.acts,
            head: head.number,
            head_hash: head.hash,
        })
    }

    /// The accounts and what they are.
    pub fn wallets(&self) -> &Wallets {
        &self.wallets
    }

    /// What was played so far.
    pub fn acts(&self) -> &[Act] {
        &self.acts
    }

    /// The platform.
    ///
    /// # Errors
    /// Before [`Step::Platform`].
    pub fn suite(&self) -> Result<&Suite> {
        self.suite.as_ref().ok_or_else(|| too_early("platform"))
    }

    /// Those who issue claims.
    ///
    /// # Errors
    /// Before [`Step::ClaimIssuers`].
    pub fn issuers(&self) -> Result<&Issuers> {
        self.issuers.as_ref().ok_or_else(|| too_early("claim issuers"))
    }

    /// The bond as it is now.
    ///
    /// # Errors
    /// Before [`Step::Bond`].
    pub fn bond(&self) -> Result<&Token> {
        self.bond.as_ref().ok_or_else(|| too_early("bond"))
    }

    /// The share as it is now.
    ///
    /// # Errors
    /// Before [`Step::Share`].
    pub fn share(&self) -> Result<&Token> {
        self.share.as_ref().ok_or_else(|| too_early("share"))
    }

    /// A holder's identity, by the names of [`Played::identities`].
    ///
    /// # Errors
    /// Before it is created.
    pub fn identity(&self, name: &str) -> Result<&Identity> {
        self.identities.get(name).ok_or_else(|| too_early(&format!("identity of {name}")))
    }

    fn claim(&self, name: &'static str, topic: U256) -> Result<&Claim> {
        self.claims.get(&(name, topic)).ok_or_else(|| too_early(&format!("claim of {name}")))
    }
}

fn too_early(what: &str) -> Error {
    Error::Unknown(format!("the play has no {what} yet"))
}
