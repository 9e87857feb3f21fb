//! The fold: facts in chain order become rows. Pure: no I/O, no clock, no randomness.
//!
//! Whoever drives it ([`crate::sync`]) folds, loads what was noted as missing, and folds again from the start until
//! nothing is missing; see [`crate::table::rows`].

mod needs;
#[cfg(test)]
pub(in crate::table) mod trial;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy::primitives::{Address, Bytes, U256};

use super::asset::Asset;
use super::contract::{Contract, ContractLink};
use super::day::AssetDay;
use super::document::AssetDocument;
use super::event::{AssetEvent, Observation, TransactionInput, TransactionInputKey};
use super::holder::{AssetHolder, OwnershipHistory};
use super::identity::{ClaimRevocation, Identity, IdentityClaim, IdentityKeyRow, IdentityLink};
use super::module::{ComplianceModule, ModuleParameter};
use super::operation::{AssetOperation, AssetTransaction, OpenTransaction};
use super::permission::AssetPermission;
use super::registry::{Registration, RequiredTopic, VerificationProvider};
use super::rows::{Missing, Rows};
use crate::block::{BlockId, Transaction};
use crate::decode::claim;
use crate::discovery::announcements;
use crate::fact::{Entry, Fact, Role};
use crate::mutant::{Mutant, is};
use crate::row::{Row, Table, TableDef, Time};
use crate::source::{CallAnswer, CallRequest};

/// What the fold must know beside rows; part of the configuration, the same for live runs and rebuilds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The chain (EIP-155 id).
    pub chain_id: u64,
    /// For a claim topic: which 32-byte word of the claim's data is its expiry, in seconds since the Unix epoch.
    pub claim_expiry: BTreeMap<U256, usize>,
    /// Contracts indexed from after their first event on purpose: the block before, where opening balances are read.
    pub openings: BTreeMap<Address, BlockId>,
}

/// When a claim ends by its own data, given which word of it says so, by topic.
pub fn claim_end(words: &BTreeMap<U256, usize>, topic: U256, data: &Bytes) -> Option<Time> {
    let word = claim::word(data, *words.get(&topic)?)?;
    Time::from_word(U256::from_be_bytes(word.0))
}

/// What a pinned call answered; `None` where it reverted or the node does not keep that state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer(pub(super) Option<Bytes>);

/// Rows to write, by table.
#[derive(Debug, Default, Clone)]
pub struct Changes {
    /// Rows that did not exist before.
    pub inserts: Vec<(&'static TableDef, Vec<Row>)>,
    /// Rows that replace the one of their key, if any.
    pub upserts: Vec<(&'static TableDef, Vec<Row>)>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.inserts.iter().chain(&self.upserts).all(|(_, rows)| rows.is_empty())
    }
}

/// One question to the store: rows of a table by the first columns of their key, or by other columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// The table.
    pub table: &'static TableDef,
    /// The columns that must equal.
    pub columns: Vec<usize>,
    /// The values, one list per wanted row (or set of rows). Of versioned tables only open versions are asked for.
    pub keys: Vec<Row>,
}

/// See the module.
#[derive(Debug)]
pub struct Fold {
    settings: Settings,
    /// The roles of contracts that these entries lead to.
    pub(super) found: BTreeMap<Address, Role>,
    /// Contracts that these entries announce and that were known already.
    pub(super) announced_again: BTreeSet<Address>,
    pub(super) assets: Rows<Asset>,
    pub(super) holders: Rows<AssetHolder>,
    pub(super) days: Rows<AssetDay>,
    pub(super) documents: Rows<AssetDocument>,
    pub(super) contracts: Rows<Contract>,
    pub(super) contract_links: Rows<ContractLink>,
    pub(super) permissions: Rows<AssetPermission>,
    pub(super) registrations: Rows<Registration>,
    pub(super) providers: Rows<VerificationProvider>,
    pub(super) required_topics: Rows<RequiredTopic>,
    pub(super) modules: Rows<ComplianceModule>,
    pub(super) module_parameters: Rows<ModuleParameter>,
    pub(super) identities: Rows<Identity>,
    pub(super) identity_links: Rows<IdentityLink>,
    pub(super) identity_keys: Rows<IdentityKeyRow>,
    pub(super) claims: Rows<IdentityClaim>,
    pub(super) revocations: Rows<ClaimRevocation>,
    pub(super) inputs: Rows<TransactionInput>,
    observations: Rows<Observation>,
    /// Wallets that the store maps to an identity, by storage and identity; under no identity those in doubt.
    wallet_sets: HashMap<(Address, Option<Address>), Vec<Address>>,
    wanted_wallet_sets: BTreeSet<(Address, Option<Address>)>,
    /// Wallets of which a storage told the identity at the end of a block, by storage and block: in which order they
    /// changed inside it was not told.
    pub(super) told_by_state: HashMap<(Address, u64), BTreeSet<Address>>,
    answers: HashMap<CallRequest, CallAnswer>,
    wanted_calls: BTreeSet<CallRequest>,
    pub(super) fetched_inputs: HashMap<(BlockId, u32), Transaction>,
    pub(super) wanted_inputs: BTreeSet<(BlockId, u32)>,
    events: Vec<AssetEvent>,
    pub(super) history: Vec<OwnershipHistory>,
    /// Assets whose first log waits for an answer: later logs ask nothing in the meantime.
    pub(super) awaited_assets: BTreeSet<uuid::Uuid>,
    /// Whether this pass is one that only finds out what is missing: its rows are not wanted.
    pub(super) missed: bool,
    pub(super) operations: Vec<AssetOperation>,
    pub(super) transactions: Vec<AssetTransaction>,
    pub(super) open_transaction: OpenTransaction,
}

impl Fold {
    /// An empty fold.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            found: BTreeMap::new(),
            announced_again: BTreeSet::new(),
            assets: Rows::default(),
            holders: Rows::default(),
            days: Rows::default(),
            documents: Rows::default(),
            contracts: Rows::default(),
            contract_links: Rows::default(),
            permissions: Rows::default(),
            registrations: Rows::default(),
            providers: Rows::default(),
            required_topics: Rows::default(),
            modules: Rows::default(),
            module_parameters: Rows::default(),
            identities: Rows::default(),
            identity_links: Rows::default(),
            identity_keys: Rows::default(),
            claims: Rows::default(),
            revocations: Rows::default(),
            inputs: Rows::default(),
            observations: Rows::default(),
            wallet_sets: HashMap::new(),
            wanted_wallet_sets: BTreeSet::new(),
            told_by_state: HashMap::new(),
            answers: HashMap::new(),
            wanted_calls: BTreeSet::new(),
            fetched_inputs: HashMap::new(),
            wanted_inputs: BTreeSet::new(),
            events: Vec::new(),
            history: Vec::new(),
            awaited_assets: BTreeSet::new(),
            missed: false,
            operations: Vec::new(),
            transactions: Vec::new(),
            open_transaction: OpenTransaction::default(),
        }
    }

    /// Tells the roles of contracts that the entries to come lead to: of those that several logs give different ones, which
    /// one they have.
    pub fn have_found(&mut self, found: impl IntoIterator<Item = (Address, Role)>) {
        self.found.extend(found);
    }

    /// The contracts that these entries announce and that were known already, by whosever word.
    pub fn announced_again(&self) -> impl Iterator<Item = Address> {
        self.announced_again.iter().copied()
    }

    /// The transactions whose input is known, those that the store has and those that were asked for.
    pub fn inputs_known(&self) -> BTreeSet<TransactionInputKey> {
        self.inputs.at_hand().map(Table::key).collect()
    }

    /// Folds entries in chain order from what was loaded so far.
    ///
    /// # Errors
    /// [`Missing`] when anything asked for was not at hand: load [`Fold::loads`], answer [`Fold::wanted_calls`] and
    /// [`Fold::wanted_inputs`], and fold again; what facts had written is forgotten first.
    pub fn fold(&mut self, entries: &[Entry]) -> Result<(), Missing> {
        self.reset();
        let mut outcome = Ok(());
        let backwards = is(Mutant::FoldBackwards);
        for place in 0..entries.len() {
            let entry = if backwards { &entries[entries.len() - 1 - place] } else { &entries[place] };
            // After a miss the rest is folded all the same: it tells what else is missing.
            outcome = outcome.and(self.entry(entry));
            self.missed |= outcome.is_err();
        }
        outcome = outcome.and(self.transaction_over());
        if outcome.is_ok() {
            let chain_id = self.settings.chain_id;
            self.events.extend(entries.iter().map(|entry| AssetEvent::of(chain_id, entry)));
        }
        outcome
    }

    /// The one route of every fact. No `_` arm: the compiler keeps the list.
    fn entry(&mut self, entry: &Entry) -> Result<(), Missing> {
        let mut outcome = Ok(());
        if entry.role.is_token() {
            outcome = outcome.and(self.token_changed(entry)).and(self.transaction_grew(entry));
        }
        if entry.role == Role::Identity {
            outcome = outcome.and(self.identity_logged(entry));
        }
        if entry.role == Role::ComplianceModule {
            outcome = outcome.and(self.module_logged(entry));
        }
        let Some(fact) = entry.fact() else { return outcome };
        for (address, role) in announcements(entry.role, fact) {
            outcome = outcome.and(self.announced(entry, address, role));
            if role == Role::Identity {
                outcome = outcome.and(self.identity_known(address).map(drop));
            }
        }
        let folded = match fact {
            Fact::Transferred { from, to, amount } if entry.role.is_token() => {
                self.transferred(entry, *from, *to, (*amount).into())
            }
            Fact::WalletFrozen { .. } | Fact::AmountFrozen { .. } | Fact::AmountUnfrozen { .. } => {
                self.freeze_changed(entry)
            }
            Fact::DocumentSet { name, uri, document_hash, active } => {
                self.document_set(entry, *name, uri, *document_hash, *active)
            }
            Fact::AgentSet { agent, active } => self.agent_set(entry, *agent, *active),
            Fact::OwnershipTransferred { previous, new } => self.owner_changed(entry, *previous, *new),
            Fact::LinkSet { link, target, active } => self.link_set(entry, *link, *target, *active),
            Fact::InformationUpdated { onchain_id, .. } => {
                self.link_set(entry, crate::fact::Link::OnchainId, *onchain_id, true)
            }
            Fact::IdentityLinked { account, identity, is_token, active } => {
                self.identity_linked(entry, *account, *identity, *is_token, *active)
            }
            Fact::IdentityStored { wallet, identity } => self.identity_stored(entry, *wallet, *identity),
            Fact::IdentityUnstored { wallet, .. } => self.identity_unstored(entry, *wallet),
            Fact::IdentityModified { old, new } => self.identity_modified(entry, *old, *new),
            Fact::CountryModified { wallet, country } => self.country_modified(entry, *wallet, *country),
            Fact::IssuerTrusted { issuer, topics } => self.issuer_trusted(entry, *issuer, Some(topics)),
            Fact::IssuerDistrusted { issuer } => self.issuer_trusted(entry, *issuer, None),
            Fact::TopicRequired { topic, required } => self.topic_required(entry, *topic, *required),
            Fact::KeySet { key, purpose, key_type, active } => {
                self.key_set(entry, *key, *purpose, *key_type, *active)
            }
            Fact::ClaimSet(claim) => self.claim_set(entry, claim),
            Fact::ClaimRemoved { claim_id } => self.claim_ended(entry, *claim_id, "removed"),
            Fact::ClaimRevoked { signature_hash } => self.claim_revoked(entry, *signature_hash),
            Fact::ParameterHeld { parameter, held } => self.parameter_held(entry, parameter, *held),
            Fact::ParameterSet { parameter, value, account } => {
                self.parameter_set(entry, parameter, *value, *account)
            }
            Fact::Transferred { .. }
            | Fact::Approved { .. }
            | Fact::PauseSet { .. }
            | Fact::WalletRecovered { .. }
            | Fact::SuiteDeployed { .. }
            | Fact::ContractDeployed { .. }
            | Fact::IdentityAnnounced { .. }
            | Fact::Upgraded { .. }
            | Fact::Recorded => Ok(()),
        };
        outcome.and(folded)
    }

    /// The chain's id.
    pub(super) fn chain_id(&self) -> u64 {
        self.settings.chain_id
    }

    /// What the configuration says beside rows.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The block at which opening balances of a contract are observed, where it is indexed from after its first event.
    pub(super) fn opening(&self, address: Address) -> Option<BlockId> {
        self.settings.openings.get(&address).copied()
    }

    fn reset(&mut self) {
        self.announced_again.clear();
        self.assets.reset();
        self.holders.reset();
        self.days.reset();
        self.documents.reset();
        self.contracts.reset();
        self.contract_links.reset();
        self.permissions.reset();
        self.registrations.reset();
        self.providers.reset();
        self.required_topics.reset();
        self.modules.reset();
        self.module_parameters.reset();
        self.identities.reset();
        self.identity_links.reset();
        self.identity_keys.reset();
        self.claims.reset();
        self.revocations.reset();
        self.inputs.reset();
        self.observations.reset();
        self.told_by_state.clear();
        self.events.clear();
        self.history.clear();
        self.awaited_assets.clear();
        self.missed = false;
        self.operations.clear();
        self.transactions.clear();
        self.open_transaction = OpenTransaction::default();
    }
}
