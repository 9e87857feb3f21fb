//! The T-REX registries and the modular compliance.

use alloy::sol;

use super::{bound, trex_token};
use crate::block::RawLog;
use crate::fact::{Fact, Link, Role};

sol!(
    #[allow(missing_docs)]
    IdentityRegistry,
    "abi/trex/identity_registry.json"
);
sol!(
    #[allow(missing_docs)]
    IdentityRegistryStorage,
    "abi/trex/identity_registry_storage.json"
);
sol!(
    #[allow(missing_docs)]
    TrustedIssuersRegistry,
    "abi/trex/trusted_issuers_registry.json"
);
sol!(
    #[allow(missing_docs)]
    ClaimTopicsRegistry,
    "abi/trex/claim_topics_registry.json"
);
sol!(
    #[allow(missing_docs)]
    Compliance,
    "abi/trex/compliance.json"
);

/// What an event of a registry or a compliance means.
pub(super) fn fact(role: Role, event: &str, log: &RawLog) -> Option<Fact> {
    if matches!(event, "AgentAdded" | "AgentRemoved" | "OwnershipTransferred") {
        return trex_token::fact(event, log);
    }
    match role {
        Role::IdentityRegistry => registry(event, log),
        Role::IdentityRegistryStorage => storage(event, log),
        Role::TrustedIssuersRegistry => issuers(event, log),
        Role::ClaimTopicsRegistry => topics(event, log),
        Role::Compliance => compliance(event, log),
        _ => Some(Fact::Recorded),
    }
}

fn registry(event: &str, log: &RawLog) -> Option<Fact> {
    use IdentityRegistry as Abi;
    let set = |link, target| Fact::LinkSet { link, target, active: true };
    match event {
        "IdentityStorageSet" => {
            bound::<Abi::IdentityStorageSet>(log).map(|event| set(Link::Storage, event.identityStorage))
        }
        "TrustedIssuersRegistrySet" => bound::<Abi::TrustedIssuersRegistrySet>(log)
            .map(|event| set(Link::TrustedIssuers, event.trustedIssuersRegistry)),
        "ClaimTopicsRegistrySet" => bound::<Abi::ClaimTopicsRegistrySet>(log)
            .map(|event| set(Link::ClaimTopics, event.claimTopicsRegistry)),
        "IdentityRegistered" => bound::<Abi::IdentityRegistered>(log)
            .map(|event| Fact::IdentityAnnounced { identity: event.identity }),
        "IdentityUpdated" => bound::<Abi::IdentityUpdated>(log)
            .map(|event| Fact::IdentityAnnounced { identity: event.newIdentity }),
        _ => Some(Fact::Recorded),
    }
}

fn storage(event: &str, log: &RawLog) -> Option<Fact> {
    use IdentityRegistryStorage as Abi;
    match event {
        "IdentityStored" => bound::<Abi::IdentityStored>(log)
            .map(|event| Fact::IdentityStored { wallet: event.investorAddress, identity: event.identity }),
        "IdentityUnstored" => bound::<Abi::IdentityUnstored>(log)
            .map(|event| Fact::IdentityUnstored { wallet: event.investorAddress, identity: event.identity }),
        "IdentityModified" => bound::<Abi::IdentityModified>(log)
            .map(|event| Fact::IdentityModified { old: event.oldIdentity, new: event.newIdentity }),
        "CountryModified" => bound::<Abi::CountryModified>(log)
            .map(|event| Fact::CountryModified { wallet: event.investorAddress, country: event.country }),
        "IdentityRegistryBound" => bound::<Abi::IdentityRegistryBound>(log).map(|event| Fact::LinkSet {
            link: Link::BoundRegistry,
            target: event.identityRegistry,
            active: true,
        }),
        "IdentityRegistryUnbound" => bound::<Abi::IdentityRegistryUnbound>(log).map(|event| Fact::LinkSet {
            link: Link::BoundRegistry,
            target: event.identityRegistry,
            active: false,
        }),
        _ => Some(Fact::Recorded),
    }
}

fn issuers(event: &str, log: &RawLog) -> Option<Fact> {
    use TrustedIssuersRegistry as Abi;
    match event {
        "TrustedIssuerAdded" => bound::<Abi::TrustedIssuerAdded>(log)
            .map(|event| Fact::IssuerTrusted { issuer: event.trustedIssuer, topics: event.claimTopics }),
        "ClaimTopicsUpdated" => bound::<Abi::ClaimTopicsUpdated>(log)
            .map(|event| Fact::IssuerTrusted { issuer: event.trustedIssuer, topics: event.claimTopics }),
        "TrustedIssuerRemoved" => bound::<Abi::TrustedIssuerRemoved>(log)
            .map(|event| Fact::IssuerDistrusted { issuer: event.trustedIssuer }),
        _ => Some(Fact::Recorded),
    }
}

fn topics(event: &str, log: &RawLog) -> Option<Fact> {
    use ClaimTopicsRegistry as Abi;
    match event {
        "ClaimTopicAdded" => bound::<Abi::ClaimTopicAdded>(log)
            .map(|event| Fact::TopicRequired { topic: event.claimTopic, required: true }),
        "ClaimTopicRemoved" => bound::<Abi::ClaimTopicRemoved>(log)
            .map(|event| Fact::TopicRequired { topic: event.claimTopic, required: false }),
        _ => Some(Fact::Recorded),
    }
}

fn compliance(event: &str, log: &RawLog) -> Option<Fact> {
    use Compliance as Abi;
    let link = |link, target, active| Fact::LinkSet { link, target, active };
    match event {
        "ModuleAdded" => bound::<Abi::ModuleAdded>(log).map(|event| link(Link::Module, event._module, true)),
        "ModuleRemoved" => {
            bound::<Abi::ModuleRemoved>(log).map(|event| link(Link::Module, event._module, false))
        }
        "TokenBound" => bound::<Abi::TokenBound>(log).map(|event| link(Link::Token, event._token, true)),
        "TokenUnbound" => bound::<Abi::TokenUnbound>(log).map(|event| link(Link::Token, event._token, false)),
        _ => Some(Fact::Recorded),
    }
}
