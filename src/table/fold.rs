//! The fold: facts in chain order become rows. Pure: no I/O, no clock, no randomness.
//!
//! Whoever drives it ([`crate::sync`]) folds, loads what was noted as missing, and folds again from the start until
//! nothing is missing; see [`crate::table::rows`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy::primitives::{Address, Bytes, U256};

use super::asset::Asset;
use super::contract::{Contract, ContractLink};
use super::event::{AssetEvent, Observation, ObservationKey, TransactionInput};
use super::holder::{AssetHolder, OwnershipHistory};
use super::identity::{ClaimRevocation, Identity, IdentityClaim, IdentityKeyRow, IdentityLink};
use super::operation::{AssetOperation, AssetTransaction, OpenTransaction};
use super::permission::AssetPermission;
use super::registry::{Registration, RequiredTopic, VerificationProvider};
use super::rows::{Missing, Rows};
use crate::block::{BlockId, Transaction};
use crate::discovery::announcements;
use crate::fact::{Entry, Fact, Role};
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

impl Settings {
    /// When a claim ends by its own data.
    pub fn expiry(&self, topic: U256, data: &Bytes) -> Option<Time> {
        let at = self.claim_expiry.get(&topic)?.checked_mul(32)?;
        let word = data.get(at..at.checked_add(32)?)?;
        Time::from_word(U256::from_be_slice(word))
    }
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
    pub(super) assets: Rows<Asset>,
    pub(super) holders: Rows<AssetHolder>,
    pub(super) contracts: Rows<Contract>,
    pub(super) contract_links: Rows<ContractLink>,
    pub(super) permissions: Rows<AssetPermission>,
    pub(super) registrations: Rows<Registration>,
    pub(super) providers: Rows<VerificationProvider>,
    pub(super) required_topics: Rows<RequiredTopic>,
    pub(super) identities: Rows<Identity>,
    pub(super) identity_links: Rows<IdentityLink>,
    pub(super) identity_keys: Rows<IdentityKeyRow>,
    pub(super) claims: Rows<IdentityClaim>,
    pub(super) revocations: Rows<ClaimRevocation>,
    pub(super) inputs: Rows<TransactionInput>,
    observations: Rows<Observation>,
    /// Wallets that the store maps to an identity, by storage and identity.
    wallet_sets: HashMap<(Address, Address), Vec<Address>>,
    wanted_wallet_sets: BTreeSet<(Address, Address)>,
    answers: HashMap<CallRequest, CallAnswer>,
    wanted_calls: BTreeSet<CallRequest>,
    pub(super) fetched_inputs: HashMap<(BlockId, u32), Transaction>,
    pub(super) wanted_inputs: BTreeSet<(BlockId, u32)>,
    events: Vec<AssetEvent>,
    pub(super) history: Vec<OwnershipHistory>,
    pub(super) operations: Vec<AssetOperation>,
    pub(super) transactions: Vec<AssetTransaction>,
    pub(super) open_transaction: OpenTransaction,
}

impl Fold {
    /// An empty fold.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            assets: Rows::default(),
            holders: Rows::default(),
            contracts: Rows::default(),
            contract_links: Rows::default(),
            permissions: Rows::default(),
            registrations: Rows::default(),
            providers: Rows::default(),
            required_topics: Rows::default(),
            identities: Rows::default(),
            identity_links: Rows::default(),
            identity_keys: Rows::default(),
            claims: Rows::default(),
            revocations: Rows::default(),
            inputs: Rows::default(),
            observations: Rows::default(),
            wallet_sets: HashMap::new(),
            wanted_wallet_sets: BTreeSet::new(),
            answers: HashMap::new(),
            wanted_calls: BTreeSet::new(),
            fetched_inputs: HashMap::new(),
            wanted_inputs: BTreeSet::new(),
            events: Vec::new(),
            history: Vec::new(),
            operations: Vec::new(),
            transactions: Vec::new(),
            open_transaction: OpenTransaction::default(),
        }
    }

    /// Folds entries in chain order from what was loaded so far.
    ///
    /// # Errors
    /// [`Missing`] when anything asked for was not at hand: load [`Fold::loads`], answer [`Fold::wanted_calls`] and
    /// [`Fold::wanted_inputs`], and fold again; what facts had written is forgotten first.
    pub fn fold(&mut self, entries: &[Entry]) -> Result<(), Missing> {
        self.reset();
        let mut outcome = Ok(());
        for entry in entries {
            // After a miss the rest is folded all the same: it tells what else is missing.
            outcome = outcome.and(self.entry(entry));
        }
        outcome.and(self.transaction_over())
    }

    /// The one route of every fact. No `_` arm: the compiler keeps the list.
    fn entry(&mut self, entry: &Entry) -> Result<(), Missing> {
        self.events.push(AssetEvent::of(self.settings.chain_id, entry));
        let mut outcome = Ok(());
        if entry.role.is_token() {
            outcome = outcome.and(self.token_changed(entry)).and(self.transaction_grew(entry));
        }
        if entry.role == Role::Identity {
            outcome = outcome.and(self.identity_logged(entry));
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
            Fact::Transferred { .. }
            | Fact::Approved { .. }
            | Fact::PauseSet { .. }
            | Fact::WalletRecovered { .. }
            | Fact::SuiteDeployed { .. }
            | Fact::ContractDeployed { .. }
            | Fact::IdentityAnnounced { .. }
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

    /// The answer of the emitting contract at the end of the entry's block.
    pub(super) fn observe(&mut self, entry: &Entry, input: Vec<u8>) -> Result<Answer, Missing> {
        self.observe_at(entry.log.address, entry.log.block, input)
    }

    /// The answer of a contract at the end of a block: stored once as ground, then read from there.
    pub(super) fn observe_at(
        &mut self,
        target: Address,
        block: BlockId,
        input: Vec<u8>,
    ) -> Result<Answer, Missing> {
        let input = Bytes::from(input);
        let key = ObservationKey {
            chain_id: self.chain_id(),
            block_number: block.number,
            target,
            input: input.clone(),
        };
        if let Some(stored) = self.observations.get(&key)? {
            return Ok(Answer(stored.output));
        }
        let request = CallRequest { block, target, input };
        let Some(answer) = self.answers.get(&request) else {
            self.wanted_calls.insert(request);
            return Err(Missing);
        };
        let (outcome, output) = match answer {
            CallAnswer::Returned(output) => ("returned", Some(output.clone())),
            CallAnswer::Reverted => ("reverted", None),
            CallAnswer::StateUnavailable => ("unavailable", None),
        };
        self.observations.put(Observation {
            chain_id: key.chain_id,
            block_number: block.number,
            target,
            input: key.input,
            block_hash: block.hash,
            outcome: outcome.to_owned(),
            output: output.clone(),
        });
        Ok(Answer(output))
    }

    /// The wallets that the store maps to an identity of a storage.
    pub(super) fn stored_wallets(
        &mut self,
        storage: Address,
        identity: Address,
    ) -> Result<Vec<Address>, Missing> {
        match self.wallet_sets.get(&(storage, identity)) {
            Some(wallets) => Ok(wallets.clone()),
            None => {
                self.wanted_wallet_sets.insert((storage, identity));
                Err(Missing)
            }
        }
    }

    fn reset(&mut self) {
        self.assets.reset();
        self.holders.reset();
        self.contracts.reset();
        self.contract_links.reset();
        self.permissions.reset();
        self.registrations.reset();
        self.providers.reset();
        self.required_topics.reset();
        self.identities.reset();
        self.identity_links.reset();
        self.identity_keys.reset();
        self.claims.reset();
        self.revocations.reset();
        self.inputs.reset();
        self.observations.reset();
        self.events.clear();
        self.history.clear();
        self.operations.clear();
        self.transactions.clear();
        self.open_transaction = OpenTransaction::default();
    }
}

/// Applies one expression to each keyed set of rows.
macro_rules! each_rows {
    ($fold:ident, $rows:ident => $body:expr) => {{
        {
            let $rows = &mut $fold.assets;
            $body
        }
        {
            let $rows = &mut $fold.holders;
            $body
        }
        {
            let $rows = &mut $fold.contracts;
            $body
        }
        {
            let $rows = &mut $fold.contract_links;
            $body
        }
        {
            let $rows = &mut $fold.permissions;
            $body
        }
        {
            let $rows = &mut $fold.registrations;
            $body
        }
        {
            let $rows = &mut $fold.providers;
            $body
        }
        {
            let $rows = &mut $fold.required_topics;
            $body
        }
        {
            let $rows = &mut $fold.identities;
            $body
        }
        {
            let $rows = &mut $fold.identity_links;
            $body
        }
        {
            let $rows = &mut $fold.identity_keys;
            $body
        }
        {
            let $rows = &mut $fold.claims;
            $body
        }
        {
            let $rows = &mut $fold.revocations;
            $body
        }
        {
            let $rows = &mut $fold.inputs;
            $body
        }
        {
            let $rows = &mut $fold.observations;
            $body
        }
    }};
}

fn def_of<T: Table>(_: &Rows<T>) -> &'static TableDef {
    T::DEF
}

fn key_columns_of<T: Table>(_: &Rows<T>) -> Vec<usize> {
    (0..T::DEF.thing_len.unwrap_or(T::DEF.key_len)).collect()
}

impl Fold {
    /// The rows that were missing, as questions to the store.
    pub fn loads(&self) -> Vec<Load> {
        let fold = self;
        let mut loads = Vec::new();
        macro_rules! wanted {
            ($($rows:ident)+) => { $(
                let keys = fold.$rows.wanted();
                if !keys.is_empty() {
                    loads.push(Load {
                        table: def_of(&fold.$rows),
                        columns: key_columns_of(&fold.$rows),
                        keys,
                    });
                }
            )+ };
        }
        wanted!(assets holders contracts contract_links permissions registrations providers required_topics
            identities identity_links identity_keys claims revocations inputs observations);
        if !self.wanted_wallet_sets.is_empty() {
            let (table, columns) = super::registry::registrations_by_identity();
            let keys = self
                .wanted_wallet_sets
                .iter()
                .map(|(storage, identity)| {
                    vec![
                        crate::row::Field::to_value(&self.settings.chain_id),
                        crate::row::Field::to_value(storage),
                        crate::row::Field::to_value(identity),
                    ]
                })
                .collect();
            loads.push(Load { table, columns: columns.to_vec(), keys });
        }
        loads
    }

    /// Takes the store's answer to one of [`Fold::loads`]. False when rows do not fit the table's declaration.
    pub fn loaded(&mut self, load: &Load, rows: Vec<Row>) -> bool {
        let (registrations, by_identity) = super::registry::registrations_by_identity();
        if load.table == registrations && load.columns == by_identity {
            return self.wallet_sets_loaded(rows);
        }
        let fold = self;
        let mut answer = Some(rows);
        each_rows!(fold, rows => {
            if def_of(rows) == load.table
                && let Some(answer) = answer.take()
            {
                return rows.load(answer);
            }
        });
        false
    }

    fn wallet_sets_loaded(&mut self, rows: Vec<Row>) -> bool {
        for wanted in std::mem::take(&mut self.wanted_wallet_sets) {
            self.wallet_sets.insert(wanted, Vec::new());
        }
        rows.into_iter().all(|row| {
            let Some(row) = Registration::from_row(row) else { return false };
            self.wallet_sets.entry((row.storage, row.identity)).or_default().push(row.wallet);
            self.registrations.loaded(row.key(), Some(row));
            true
        })
    }

    /// Calls to be answered before the next attempt.
    pub fn wanted_calls(&mut self) -> Vec<CallRequest> {
        std::mem::take(&mut self.wanted_calls).into_iter().collect()
    }

    /// Takes the answer to a call.
    pub fn answered(&mut self, request: CallRequest, answer: CallAnswer) {
        self.answers.insert(request, answer);
    }

    /// Transactions whose input is needed before the next attempt, as block and position.
    pub fn wanted_inputs(&mut self) -> Vec<(BlockId, u32)> {
        std::mem::take(&mut self.wanted_inputs).into_iter().collect()
    }

    /// Takes a transaction that was wanted.
    pub fn fetched(&mut self, transaction: Transaction) {
        self.fetched_inputs.insert((transaction.block, transaction.index), transaction);
    }

    /// What was folded, to be written; the fold then starts from there.
    pub fn take(&mut self) -> Changes {
        let fold = self;
        let mut upserts: Vec<(&'static TableDef, Vec<Row>)> = Vec::new();
        each_rows!(fold, rows => {
            let changed = rows.take();
            if !changed.is_empty() {
                upserts.push((def_of(rows), changed));
            }
        });
        let (inserts, upserts): (Vec<_>, Vec<_>) =
            upserts.into_iter().partition(|(table, _)| table.class == crate::row::Class::Ground);
        let mut changes = Changes { inserts, upserts };
        fn rows<T: Table>(changes: &mut Changes, rows: &mut Vec<T>) {
            if !rows.is_empty() {
                changes.inserts.push((T::DEF, rows.drain(..).map(|row| row.to_row()).collect()));
            }
        }
        rows(&mut changes, &mut fold.events);
        rows(&mut changes, &mut fold.history);
        rows(&mut changes, &mut fold.transactions);
        rows(&mut changes, &mut fold.operations);
        fold.wallet_sets.clear();
        for (_, written) in changes.inserts.iter_mut().chain(&mut changes.upserts) {
            // Key order: two runs take locks in the same order, and pages are filled in theirs.
            written.sort_unstable();
        }
        changes
    }
}
