//! Registries: who is registered, whom a registry trusts, what it requires, what points to what, who may do what.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::Address;
use serde_json::Value;

use crate::closure::Followed;
use crate::events::Event;
use crate::input::{Answer, Ask};
use crate::row::{Here, Row, Versions, hex, identity_id, number, row};
use crate::words::{self, Datum, Type};

/// What registries leave behind.
#[derive(Debug, Default)]
pub(crate) struct Registries {
    pub(crate) registrations: Versions,
    pub(crate) issuers: Versions,
    pub(crate) topics: Versions,
    pub(crate) links: Versions,
    pub(crate) permissions: Versions,
    /// The wallets about whose identity a storage said something at the end of a block: the order inside is not known.
    asked: BTreeMap<(Address, u64), BTreeSet<Address>>,
}

/// A registration that a change of identity may be about.
struct Suspect {
    wallet: Address,
    identity: Address,
    in_doubt: bool,
}

impl Registries {
    /// Takes the next event of an identity registry storage.
    pub(crate) fn store(
        &mut self,
        here: Here<'_>,
        event: &Event,
        known: &BTreeMap<Address, Followed>,
        ask: Ask<'_>,
    ) {
        match event.name {
            "IdentityStored" => {
                let wallet = event.address("investorAddress");
                let row = registration(here, wallet, event.address("identity"), country(here, wallet, ask));
                self.registrations.replace(&thing(here, wallet), row, here);
            }
            "IdentityUnstored" => {
                self.registrations.end(&thing(here, event.address("investorAddress")), here);
            }
            "CountryModified" => {
                let country = Value::from(event.number("country").to::<u64>());
                self.renew(here, event.address("investorAddress"), &[("country", country)]);
            }
            "IdentityModified" => {
                self.modify(here, event.address("oldIdentity"), event.address("newIdentity"), known, ask)
            }
            _ => {}
        }
    }

    /// Begins a new version of an open registration: each log about it does.
    fn renew(&mut self, here: Here<'_>, wallet: Address, changes: &[(&'static str, Value)]) {
        let thing = thing(here, wallet);
        let Some(mut row) = self.registrations.open(&thing).cloned() else {
            return;
        };
        row.extend(changes.iter().cloned());
        self.registrations.replace(&thing, row, here);
    }

    /// A wallet's identity changed, and the event does not name the wallet. Those known by the old identity come into
    /// question, those of whom it is not known which they have, and those about whom the storage was asked in this block
    /// before. It is the only one; or the one that the call data names; or whoever the storage itself now knows by the
    /// new identity.
    fn modify(
        &mut self,
        here: Here<'_>,
        old: Address,
        new: Address,
        known: &BTreeMap<Address, Followed>,
        ask: Ask<'_>,
    ) {
        if old == new {
            return;
        }
        let block = (here.log.address, here.block.number);
        let suspects = self.suspects(here, old, self.asked.get(&block).unwrap_or(&BTreeSet::new()));
        let is_alone = matches!(suspects.as_slice(), [one] if one.in_doubt || one.identity == old);
        if let [one] = suspects.as_slice()
            && is_alone
            && !one.in_doubt
        {
            self.settle(here, one, new, false);
            return;
        }
        if let Some(named) = named_by_call(here, new, known)
            && let Some(suspect) = suspects.iter().find(|it| it.wallet == named)
        {
            self.settle(here, suspect, new, false);
            return;
        }
        for suspect in &suspects {
            let answer = stored_identity(here, suspect.wallet, ask);
            if answer.is_some() {
                self.asked.entry(block).or_default().insert(suspect.wallet);
            }
            if answer == Some(new) {
                self.settle(here, suspect, new, false);
            } else if answer == Some(suspect.identity) {
                // It was not this one, or it is back: the storage says so.
                self.settle(here, suspect, suspect.identity, false);
            } else if is_alone {
                // It must be this one; but what was in doubt before is not told by that.
                self.settle(here, suspect, new, true);
            } else if suspect.identity == old {
                self.settle(here, suspect, old, true);
            }
        }
    }

    fn suspects(&self, here: Here<'_>, old: Address, asked: &BTreeSet<Address>) -> Vec<Suspect> {
        let of_storage = self.registrations.all_open().filter(|row| row["storage"] == hex(here.log.address));
        let suspects = of_storage.map(|row| Suspect {
            wallet: address(row, "wallet"),
            identity: address(row, "identity"),
            in_doubt: row["undetermined"] == true,
        });
        suspects.filter(|it| it.in_doubt || it.identity == old || asked.contains(&it.wallet)).collect()
    }

    /// What is known of a wallet from now on; no version begins where that is what was known.
    fn settle(&mut self, here: Here<'_>, suspect: &Suspect, identity: Address, in_doubt: bool) {
        if (suspect.identity, suspect.in_doubt) == (identity, in_doubt) {
            return;
        }
        let changes = [
            ("identity", hex(identity)),
            ("identity_id", identity_id(identity)),
            ("undetermined", Value::from(in_doubt)),
        ];
        self.renew(here, suspect.wallet, &changes);
    }

    /// Takes the next event of a trusted issuers registry.
    pub(crate) fn trust(&mut self, here: Here<'_>, event: &Event) {
        if !matches!(event.name, "TrustedIssuerAdded" | "ClaimTopicsUpdated" | "TrustedIssuerRemoved") {
            return;
        }
        let issuer = event.address("trustedIssuer");
        let thing = thing(here, issuer);
        if event.name == "TrustedIssuerRemoved" {
            self.issuers.end(&thing, here);
            return;
        }
        let topics: Vec<Value> = event.numbers("claimTopics").into_iter().map(number).collect();
        let row = row! { "registry" => hex(here.log.address), "issuer" => hex(issuer), "topics" => topics };
        self.issuers.replace(&thing, row, here);
    }

    /// Takes the next event of a claim topics registry.
    pub(crate) fn require(&mut self, here: Here<'_>, event: &Event) {
        if !matches!(event.name, "ClaimTopicAdded" | "ClaimTopicRemoved") {
            return;
        }
        let topic = event.number("claimTopic");
        let thing = format!("{} {topic}", here.log.address);
        if event.name == "ClaimTopicRemoved" {
            self.topics.end(&thing, here);
        } else if self.topics.open(&thing).is_none() {
            let row = row! { "registry" => hex(here.log.address), "topic" => number(topic) };
            self.topics.begin(&thing, row, here);
        }
    }

    /// Takes what an event of any contract says about pointers between contracts.
    pub(crate) fn point(&mut self, role: &str, here: Here<'_>, event: &Event) {
        let (link, parameter) = match (role, event.name) {
            ("trex_token", "IdentityRegistryAdded") => ("identity_registry", "_identityRegistry"),
            ("trex_token", "ComplianceAdded") => ("compliance", "_compliance"),
            ("trex_token", "UpdatedTokenInformation") => ("onchain_id", "_newOnchainID"),
            ("identity_registry", "IdentityStorageSet") => ("storage", "identityStorage"),
            ("identity_registry", "TrustedIssuersRegistrySet") => {
                ("trusted_issuers", "trustedIssuersRegistry")
            }
            ("identity_registry", "ClaimTopicsRegistrySet") => ("claim_topics", "claimTopicsRegistry"),
            ("compliance", "ModuleAdded" | "ModuleRemoved") => ("module", "_module"),
            ("compliance", "TokenBound" | "TokenUnbound") => ("token", "_token"),
            ("identity_registry_storage", "IdentityRegistryBound" | "IdentityRegistryUnbound") => {
                ("bound_registry", "identityRegistry")
            }
            _ => return,
        };
        let target = event.address(parameter);
        let is_end = matches!(event.name, "ModuleRemoved" | "TokenUnbound" | "IdentityRegistryUnbound");
        let is_one_of_many = matches!(link, "module" | "bound_registry");
        let slot = if is_one_of_many { target } else { Address::ZERO };
        let thing = format!("{} {link} {slot}", here.log.address);
        let is_same = self.links.open(&thing).is_some_and(|row| row["target"] == hex(target));
        if is_end {
            // What is said to end another pointer than the one in force ends nothing.
            if is_same {
                self.links.end(&thing, here);
            }
            return;
        }
        if target.is_zero() {
            self.links.end(&thing, here);
            return;
        }
        if is_same {
            return;
        }
        let row = row! {
            "address" => hex(here.log.address),
            "link" => link,
            "slot" => hex(slot),
            "target" => hex(target),
        };
        self.links.replace(&thing, row, here);
    }

    /// Takes what an event says about agents and owners "of tokens, registries, compliances and factories".
    pub(crate) fn permit(&mut self, role: &str, here: Here<'_>, event: &Event) {
        let is_asset = role == "trex_token";
        let is_registry = matches!(
            role,
            "identity_registry"
                | "identity_registry_storage"
                | "trusted_issuers_registry"
                | "claim_topics_registry"
        );
        if !(is_asset || is_registry || matches!(role, "compliance" | "trex_factory" | "id_factory")) {
            return;
        }
        match event.name {
            "AgentAdded" => self.grant("agent", event.address("_agent"), is_asset, here),
            "AgentRemoved" => self.withdraw("agent", event.address("_agent"), here),
            "OwnershipTransferred" => {
                self.withdraw("owner", event.address("previousOwner"), here);
                self.grant("owner", event.address("newOwner"), is_asset, here);
            }
            _ => {}
        }
    }

    fn grant(&mut self, kind: &'static str, account: Address, is_asset: bool, here: Here<'_>) {
        let thing = format!("{} {kind} {account}", here.log.address);
        if account.is_zero() || self.permissions.open(&thing).is_some() {
            return;
        }
        let row = row! {
            "address" => hex(here.log.address),
            "permission_type" => kind,
            "account" => hex(account),
            "asset_id" => is_asset.then(|| hex(here.log.address)),
            "granted_in" => here.transaction(),
        };
        self.permissions.begin(&thing, row, here);
    }

    fn withdraw(&mut self, kind: &'static str, account: Address, here: Here<'_>) {
        self.permissions.end(&format!("{} {kind} {account}", here.log.address), here);
    }
}

fn address(row: &Row, column: &str) -> Address {
    row[column].as_str().expect("text").parse().expect("an address")
}

fn thing(here: Here<'_>, account: Address) -> String {
    format!("{} {account}", here.log.address)
}

fn registration(here: Here<'_>, wallet: Address, identity: Address, country: Value) -> Row {
    row! {
        "storage" => hex(here.log.address),
        "wallet" => hex(wallet),
        "identity" => hex(identity),
        "identity_id" => identity_id(identity),
        "country" => country,
        "undetermined" => false,
    }
}

/// The country that the storage knows of a wallet at the end of the block.
fn country(here: Here<'_>, wallet: Address, ask: Ask<'_>) -> Value {
    let input = words::call("storedInvestorCountry(address)", &[wallet]);
    match ask(here.log.address, &input, here.block.number) {
        Answer::Returned(bytes) => match words::value(&Type::Uint(16), &bytes, 0) {
            Some(Datum::Small(country)) => Value::from(country),
            _ => Value::Null,
        },
        _ => Value::Null,
    }
}

/// The wallet whose identity the transaction itself asks to change to `new`.
fn named_by_call(here: Here<'_>, new: Address, known: &BTreeMap<Address, Followed>) -> Option<Address> {
    let transaction = here.block.transactions.iter().find(|it| it.hash == here.log.transaction_hash)?;
    let called = transaction.to?;
    let signature = if called == here.log.address {
        "modifyStoredIdentity(address,address)"
    } else if known.get(&called).is_some_and(|it| it.role == "identity_registry") {
        "updateIdentity(address,address)"
    } else {
        return None;
    };
    match words::arguments(signature, &transaction.input)?.as_slice() {
        [Datum::Address(wallet), Datum::Address(identity), ..] if *identity == new => Some(*wallet),
        _ => None,
    }
}

/// The identity that the storage knows of a wallet at the end of the block, if it says any.
fn stored_identity(here: Here<'_>, wallet: Address, ask: Ask<'_>) -> Option<Address> {
    let input = words::call("storedIdentity(address)", &[wallet]);
    match ask(here.log.address, &input, here.block.number) {
        Answer::Returned(bytes) => match words::value(&Type::Address, &bytes, 0) {
            Some(Datum::Address(identity)) => Some(identity),
            _ => None,
        },
        _ => None,
    }
}
