//! What happened, in the domain's words: the waist between decoding and tables.
//!
//! Free of ABI and of SQL. A fact says only what its log says; the contract that emitted it, its position and its
//! time travel beside it in an [`Entry`].
//!
//! Invariant: facts are about the contract that emitted them. No fact writes a row keyed by another contract, so every
//! contract's rows can be folded alone, whenever the contract is found.

use alloy::primitives::{Address, B256, Bytes, U256};
use uuid::Uuid;

use crate::block::{Position, RawLog, Withheld};
use crate::json::Json;
use crate::row::Time;

/// What a contract is to the register; decides how its logs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// A plain ERC-20 token.
    Erc20,
    /// An ERC-3643 (T-REX) token.
    TrexToken,
    /// T-REX identity registry.
    IdentityRegistry,
    /// T-REX identity registry storage: the truth about registrations, shared by registries.
    IdentityRegistryStorage,
    /// T-REX trusted issuers registry.
    TrustedIssuersRegistry,
    /// T-REX claim topics registry.
    ClaimTopicsRegistry,
    /// T-REX modular compliance.
    Compliance,
    /// A compliance module; one contract may serve many compliances.
    ComplianceModule,
    /// T-REX factory.
    TrexFactory,
    /// T-REX gateway before a factory.
    TrexGateway,
    /// T-REX implementation authority.
    TrexImplementationAuthority,
    /// T-REX delivery-versus-delivery manager.
    DvdManager,
    /// T-REX delivery-versus-approval manager.
    DvaManager,
    /// T-REX agent or owner manager.
    RoleManager,
    /// ONCHAINID factory.
    IdFactory,
    /// ONCHAINID gateway.
    IdGateway,
    /// ONCHAINID implementation authority.
    IdImplementationAuthority,
    /// An ONCHAINID: of a person, of a token, or of a claim issuer.
    Identity,
}

impl Role {
    /// Every role, in the order of the documentation.
    pub const ALL: [Role; 18] = [
        Role::Erc20,
        Role::TrexToken,
        Role::IdentityRegistry,
        Role::IdentityRegistryStorage,
        Role::TrustedIssuersRegistry,
        Role::ClaimTopicsRegistry,
        Role::Compliance,
        Role::ComplianceModule,
        Role::TrexFactory,
        Role::TrexGateway,
        Role::TrexImplementationAuthority,
        Role::DvdManager,
        Role::DvaManager,
        Role::RoleManager,
        Role::IdFactory,
        Role::IdGateway,
        Role::IdImplementationAuthority,
        Role::Identity,
    ];

    /// The role as configuration and tables spell it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Erc20 => "erc20",
            Role::TrexToken => "trex_token",
            Role::IdentityRegistry => "identity_registry",
            Role::IdentityRegistryStorage => "identity_registry_storage",
            Role::TrustedIssuersRegistry => "trusted_issuers_registry",
            Role::ClaimTopicsRegistry => "claim_topics_registry",
            Role::Compliance => "compliance",
            Role::ComplianceModule => "compliance_module",
            Role::TrexFactory => "trex_factory",
            Role::TrexGateway => "trex_gateway",
            Role::TrexImplementationAuthority => "trex_implementation_authority",
            Role::DvdManager => "dvd_manager",
            Role::DvaManager => "dva_manager",
            Role::RoleManager => "role_manager",
            Role::IdFactory => "id_factory",
            Role::IdGateway => "id_gateway",
            Role::IdImplementationAuthority => "id_implementation_authority",
            Role::Identity => "identity",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether contracts of this role are assets with holders.
    pub fn is_token(self) -> bool {
        matches!(self, Role::Erc20 | Role::TrexToken)
    }
}

/// A claim as its identity logged it (ERC-735).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// `keccak256(abi.encode(issuer, topic))` on ONCHAINID.
    pub claim_id: B256,
    /// What the claim is about.
    pub topic: U256,
    /// Signature scheme; 1 is ECDSA.
    pub scheme: U256,
    /// The contract whose key signed the claim.
    pub issuer: Address,
    /// Signature over identity, topic and data.
    pub signature: Bytes,
    /// The statement itself, or its digest.
    pub data: Bytes,
    /// Where more can be read; not always valid UTF-8.
    pub uri: Bytes,
    /// What of signature, data and URI is kept from us, and what stands for it: [`crate::decode::withhold`].
    pub withheld: Option<Withheld>,
}

/// A pointer from one contract to another that later events may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Link {
    /// A token's identity registry.
    IdentityRegistry,
    /// A token's compliance.
    Compliance,
    /// A token's own identity.
    OnchainId,
    /// A registry's storage.
    Storage,
    /// A registry's trusted issuers.
    TrustedIssuers,
    /// A registry's required topics.
    ClaimTopics,
    /// A module of a compliance; many at once.
    Module,
    /// A token that a compliance serves.
    Token,
    /// A registry that may write a storage; many at once.
    BoundRegistry,
}

impl Link {
    /// The link as tables spell it.
    pub fn name(self) -> &'static str {
        match self {
            Link::IdentityRegistry => "identity_registry",
            Link::Compliance => "compliance",
            Link::OnchainId => "onchain_id",
            Link::Storage => "storage",
            Link::TrustedIssuers => "trusted_issuers",
            Link::ClaimTopics => "claim_topics",
            Link::Module => "module",
            Link::Token => "token",
            Link::BoundRegistry => "bound_registry",
        }
    }

    /// Whether a contract may have several targets of this link at once.
    pub fn is_many(self) -> bool {
        matches!(self, Link::Module | Link::BoundRegistry)
    }
}

/// A rule of a compliance module, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Whom it holds for: a compliance, a token, or (the zero address) all.
    pub scope: Address,
    /// What kind of rule it is.
    pub name: &'static str,
    /// Which of its kind: a country, an account, a time; empty where there is one.
    pub argument: String,
}

/// What a log says happened.
#[expect(missing_docs, reason = "each variant's sentence speaks of its fields")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Units moved; from the zero address they were minted, to it burnt. The only driver of balances.
    Transferred { from: Address, to: Address, amount: U256 },
    /// An allowance was set; tells an allowance transfer from a forced one.
    Approved { owner: Address, spender: Address, amount: U256 },
    /// A wallet was frozen as a whole, or released.
    WalletFrozen { wallet: Address, frozen: bool, by: Address },
    /// So many more units of a wallet are frozen (T-REX: a delta).
    AmountFrozen { wallet: Address, amount: U256 },
    /// So many units fewer.
    AmountUnfrozen { wallet: Address, amount: U256 },
    /// All transfers stopped, or resumed.
    PauseSet { paused: bool, by: Address },
    /// A lost wallet's position went to a new one.
    WalletRecovered { lost: Address, new: Address, identity: Address },
    /// Name, symbol, decimals, version or identity of a token changed; name and symbol are in the state only.
    InformationUpdated { decimals: u8, version: String, onchain_id: Address },
    /// A token has a document under this name now, or no longer.
    DocumentSet { name: B256, uri: Bytes, document_hash: B256, active: bool },
    /// An account became agent, or stopped being one.
    AgentSet { agent: Address, active: bool },
    /// The contract has a new owner.
    OwnershipTransferred { previous: Address, new: Address },
    /// A link to another contract was set (or added), or cut.
    LinkSet { link: Link, target: Address, active: bool },
    /// A factory announced a suite.
    SuiteDeployed {
        token: Address,
        identity_registry: Address,
        storage: Address,
        trusted_issuers: Address,
        claim_topics: Address,
        compliance: Address,
    },
    /// A factory made this contract in this transaction.
    ContractDeployed { address: Address },
    /// An ONCHAINID factory bound a wallet or a token to an identity, or unbound it.
    IdentityLinked { account: Address, identity: Address, is_token: bool, active: bool },
    /// A registry (not its storage) spoke of an identity: recorded, and followed.
    IdentityAnnounced { identity: Address },
    /// A storage registered a wallet.
    IdentityStored { wallet: Address, identity: Address },
    /// A storage removed a wallet.
    IdentityUnstored { wallet: Address, identity: Address },
    /// A storage gave a wallet another identity, without saying which wallet.
    IdentityModified { old: Address, new: Address },
    /// A storage gave a wallet another country (ISO 3166-1 numeric).
    CountryModified { wallet: Address, country: u16 },
    /// An issuer is trusted for these topics from now on.
    IssuerTrusted { issuer: Address, topics: Vec<U256> },
    /// An issuer is no longer trusted.
    IssuerDistrusted { issuer: Address },
    /// A claim topic is required, or no longer.
    TopicRequired { topic: U256, required: bool },
    /// A key may act for an identity (ERC-734), or no longer.
    KeySet { key: B256, purpose: U256, key_type: U256, active: bool },
    /// A claim was made about an identity; replaces an earlier one of the same id.
    ClaimSet(Claim),
    /// A claim was taken off an identity.
    ClaimRemoved { claim_id: B256 },
    /// An issuer revoked a claim, known by the digest of its signature.
    ClaimRevoked { signature_hash: B256 },
    /// A compliance module was given a rule that is there or is not, or lost it.
    ParameterHeld { parameter: Parameter, held: bool },
    /// A compliance module was given a rule with a value, or (with none) lost it.
    ParameterSet { parameter: Parameter, value: Option<U256>, account: Option<Address> },
    /// A proxy was pointed to other code.
    Upgraded { implementation: Address },
    /// Kept as an event; changes nothing else.
    Recorded,
}

/// How a log was read.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every log is an event; a box would cost an allocation each"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// An event of the role's ABI.
    Event {
        /// Name of the event in its ABI.
        name: String,
        /// Parameters by name.
        data: Json,
        /// What it means.
        fact: Fact,
    },
    /// Kept raw; why it could not be read.
    Unreadable(Unreadable),
}

/// Why a log of a watched contract could not be read. Bounded, so that it can label a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// No topic at all: an anonymous event.
    Anonymous,
    /// No event of the role has this first topic.
    UnknownEvent,
    /// The first topic is known, with another number of topics (an ERC-721 transfer, an un-indexed one).
    OtherTopicCount,
    /// Topics or data do not fit the event's ABI.
    Malformed,
}

impl Unreadable {
    /// Every reason.
    pub const ALL: [Unreadable; 4] =
        [Unreadable::Anonymous, Unreadable::UnknownEvent, Unreadable::OtherTopicCount, Unreadable::Malformed];

    /// The reason as tables and metrics spell it.
    pub fn name(self) -> &'static str {
        match self {
            Unreadable::Anonymous => "anonymous",
            Unreadable::UnknownEvent => "unknown_event",
            Unreadable::OtherTopicCount => "other_topic_count",
            Unreadable::Malformed => "malformed",
        }
    }
}

/// A log of a watched contract on its way into the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The log.
    pub log: RawLog,
    /// Block time of the log.
    pub time: Time,
    /// What the contract is.
    pub role: Role,
    /// The asset, where the contract is one.
    pub asset_id: Option<Uuid>,
    /// What the log says.
    pub reading: Reading,
}

impl Entry {
    /// The same without the log's topics and data and the parameters by name: what a fact is judged by, for little
    /// memory.
    pub fn judged(&self) -> Self {
        let log = RawLog { topics: Vec::new(), data: Bytes::new(), ..self.log };
        let reading = match &self.reading {
            Reading::Event { fact, .. } => {
                Reading::Event { name: String::new(), data: Json::null(), fact: fact.clone() }
            }
            Reading::Unreadable(why) => Reading::Unreadable(*why),
        };
        Self { log, reading, ..*self }
    }

    /// Where the log stands in the chain's order.
    pub fn position(&self) -> Position {
        self.log.position()
    }

    /// What happened; unreadable logs mean nothing.
    pub fn fact(&self) -> Option<&Fact> {
        match &self.reading {
            Reading::Event { fact, .. } => Some(fact),
            Reading::Unreadable(_) => None,
        }
    }
}
