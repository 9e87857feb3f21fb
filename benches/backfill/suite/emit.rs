//! Logs as the contracts emit them, and the transactions that made them do so.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::{SolCall, SolEvent, SolValue};
use simulation::events::{identity, issuers, registry, storage, token, topics};

use super::draw::{Entry, Event};
use super::{COMPLIANCE, ISSUERS, REGISTRY, STORAGE, Suite, TOPICS_REGISTRY};
use crate::ledger::{Log, Transaction, account, digest};

alloy::sol! {
    function addKey(bytes32 key, uint256 purpose, uint256 keyType);
    function addClaim(uint256 topic, uint256 scheme, address issuer, bytes signature, bytes data, string uri);
    function registerIdentity(address wallet, address identity, uint16 country);
    function mint(address to, uint256 amount);
    function transfer(address to, uint256 amount);
    function removeTrustedIssuer(address issuer);
    function deployTREXSuite();
    function paused() external view returns (bool);
    function storedInvestorCountry(address wallet) external view returns (uint16);
}

/// Where all investors live (ISO 3166-1 numeric).
pub(super) const COUNTRY: U256 = U256::from_limbs([42, 0, 0, 0]);
/// Base units of one unit that a transfer counts in.
pub(super) const UNIT: u128 = 1_000_000_000_000_000;
/// Purpose of a key that signs claims.
const SIGNS_CLAIMS: u8 = 3;
/// Type of a key, and scheme of a signature: ECDSA.
const ECDSA: U256 = U256::ONE;

/// The first topics of all events.
pub(super) const FIRST_TOPICS: [B256; 13] = [
    token::IdentityRegistryAdded::SIGNATURE_HASH,
    token::ComplianceAdded::SIGNATURE_HASH,
    token::Transfer::SIGNATURE_HASH,
    registry::ClaimTopicsRegistrySet::SIGNATURE_HASH,
    registry::TrustedIssuersRegistrySet::SIGNATURE_HASH,
    registry::IdentityStorageSet::SIGNATURE_HASH,
    registry::IdentityRegistered::SIGNATURE_HASH,
    storage::IdentityStored::SIGNATURE_HASH,
    topics::ClaimTopicAdded::SIGNATURE_HASH,
    issuers::TrustedIssuerAdded::SIGNATURE_HASH,
    issuers::TrustedIssuerRemoved::SIGNATURE_HASH,
    identity::KeyAdded::SIGNATURE_HASH,
    identity::ClaimAdded::SIGNATURE_HASH,
];

/// The topic that an issuer is trusted for.
pub(super) fn topic(issuer: u8) -> U256 {
    U256::from(issuer) + U256::ONE
}

/// What an issuer says of an identity.
pub(super) fn statement(identity: Address, issuer: usize) -> Bytes {
    let named = B256::left_padding_from(identity.as_slice());
    keccak256([named, digest("statement", &[issuer as u64])].concat()).into()
}

/// The answer to whether the token is paused; nothing to other questions.
pub(super) fn not_paused(input: &[u8]) -> Option<Vec<u8>> {
    (input == pausedCall::SELECTOR).then(|| false.abi_encode())
}

/// Whether a question is where an investor lives.
pub(super) fn stored_country(input: &[u8]) -> bool {
    storedInvestorCountryCall::abi_decode(input).is_ok()
}

/// What stands for an account among the keys of an identity.
fn key(account: Address) -> B256 {
    keccak256(account.abi_encode())
}

fn base(amount: u32) -> U256 {
    U256::from(u128::from(amount) * UNIT)
}

fn put(log: &mut Log, event: impl SolEvent) {
    let data = event.encode_log_data();
    log.topics.extend_from_slice(data.topics());
    log.data.extend_from_slice(&data.data);
}

impl Suite {
    /// Whoever deployed the suite, registers investors and mints.
    pub(super) fn agent() -> Address {
        account("agent", 0)
    }

    /// The account that signs for an issuer.
    pub(super) fn signer(&self, issuer: u8) -> Address {
        self.signers[usize::from(issuer)].address()
    }

    /// Adds an event's topics and data to a log.
    pub(super) fn emit(&self, event: Event, log: &mut Log) {
        match event {
            Event::IdentityRegistryAdded => {
                put(log, token::IdentityRegistryAdded { _identityRegistry: self.contract(REGISTRY) });
            }
            Event::ComplianceAdded => {
                put(log, token::ComplianceAdded { _compliance: self.contract(COMPLIANCE) });
            }
            Event::ClaimTopicsRegistrySet => {
                let claim_topics = self.contract(TOPICS_REGISTRY);
                put(log, registry::ClaimTopicsRegistrySet { claimTopicsRegistry: claim_topics });
            }
            Event::TrustedIssuersRegistrySet => {
                let trusted_issuers = self.contract(ISSUERS);
                put(log, registry::TrustedIssuersRegistrySet { trustedIssuersRegistry: trusted_issuers });
            }
            Event::IdentityStorageSet => {
                put(log, registry::IdentityStorageSet { identityStorage: self.contract(STORAGE) });
            }
            Event::ClaimTopicAdded(issuer) => {
                put(log, topics::ClaimTopicAdded { claimTopic: topic(issuer) });
            }
            Event::TrustedIssuerAdded(issuer) => {
                let (trusted, topics) = (self.issuer(issuer), vec![topic(issuer)]);
                put(log, issuers::TrustedIssuerAdded { trustedIssuer: trusted, claimTopics: topics });
            }
            Event::TrustedIssuerRemoved(issuer) => {
                put(log, issuers::TrustedIssuerRemoved { trustedIssuer: self.issuer(issuer) });
            }
            Event::IssuerKeyAdded(issuer) => put_key(log, self.signer(issuer), SIGNS_CLAIMS),
            Event::KeyAdded { identity, purpose } => put_key(log, self.wallet(identity), purpose),
            Event::ClaimAdded { identity, issuer } => put(log, self.claim(identity, issuer)),
            Event::IdentityStored(number) => {
                let (wallet, identity) = (self.wallet(number), self.identity(number));
                put(log, storage::IdentityStored { investorAddress: wallet, identity });
            }
            Event::IdentityRegistered(number) => {
                let (wallet, identity) = (self.wallet(number), self.identity(number));
                put(log, registry::IdentityRegistered { investorAddress: wallet, identity });
            }
            Event::Transfer { from, to, amount } => {
                let (from, to) = (self.wallet(from), self.wallet(to));
                put(log, token::Transfer { from, to, value: base(amount) });
            }
        }
    }

    fn claim(&self, identity: u32, issuer: u8) -> identity::ClaimAdded {
        let (by, about) = (self.issuer(issuer), self.identity(identity));
        identity::ClaimAdded {
            claimId: keccak256((by, topic(issuer)).abi_encode_params()),
            topic: topic(issuer),
            scheme: ECDSA,
            issuer: by,
            signature: Bytes::copy_from_slice(self.signature(identity, issuer)),
            data: statement(about, issuer.into()),
            uri: format!("https://claims.example/{identity}/{issuer}"),
        }
    }

    /// The transaction that an entry is the first log of.
    pub(super) fn send(&self, entry: Entry) -> Transaction {
        let (from, input) = self.asks(entry.event);
        // An issuer's removal is asked of the list itself; a registration goes through the registry, which asks the storage.
        let to = match entry.event {
            Event::IdentityStored(_) => self.contract(REGISTRY),
            event => self.contract(event.emitter()),
        };
        Transaction { index: entry.transaction, from, to, input }
    }

    /// Who asked for an event, and with which words.
    fn asks(&self, event: Event) -> (Address, Vec<u8>) {
        let add_key = |account: Address, purpose: u8| {
            addKeyCall { key: key(account), purpose: U256::from(purpose), keyType: ECDSA }.abi_encode()
        };
        match event {
            Event::IssuerKeyAdded(issuer) => (Self::agent(), add_key(self.signer(issuer), SIGNS_CLAIMS)),
            Event::KeyAdded { identity, purpose } => {
                let wallet = self.wallet(identity);
                (wallet, add_key(wallet, purpose))
            }
            Event::ClaimAdded { identity, issuer } => {
                let identity::ClaimAdded { topic, scheme, issuer, signature, data, uri, .. } =
                    self.claim(identity, issuer);
                let call = addClaimCall { topic, scheme, issuer, signature, data, uri };
                (self.wallet(identity), call.abi_encode())
            }
            Event::IdentityStored(number) | Event::IdentityRegistered(number) => {
                let (wallet, identity) = (self.wallet(number), self.identity(number));
                let country = COUNTRY.to::<u16>();
                (Self::agent(), registerIdentityCall { wallet, identity, country }.abi_encode())
            }
            Event::Transfer { from: super::NOBODY, to, amount } => {
                let call = mintCall { to: self.wallet(to), amount: base(amount) };
                (Self::agent(), call.abi_encode())
            }
            Event::Transfer { from, to, amount } => {
                let call = transferCall { to: self.wallet(to), amount: base(amount) };
                (self.wallet(from), call.abi_encode())
            }
            Event::TrustedIssuerRemoved(issuer) => {
                (Self::agent(), removeTrustedIssuerCall { issuer: self.issuer(issuer) }.abi_encode())
            }
            Event::IdentityRegistryAdded
            | Event::ComplianceAdded
            | Event::ClaimTopicsRegistrySet
            | Event::TrustedIssuersRegistrySet
            | Event::IdentityStorageSet
            | Event::ClaimTopicAdded(_)
            | Event::TrustedIssuerAdded(_) => (Self::agent(), deployTREXSuiteCall {}.abi_encode()),
        }
    }
}

fn put_key(log: &mut Log, account: Address, purpose: u8) {
    put(log, identity::KeyAdded { key: key(account), purpose: U256::from(purpose), keyType: ECDSA });
}
