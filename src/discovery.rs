//! Which contracts a fact announces. Pure, and the same for live runs, backfills and rebuilds.
//!
//! Trust is scoped: a fact announces only in the mouth of a contract that has the say. A factory's word counts because
//! the factory was configured or announced itself; a registry's because a watched token points to it.

use alloy::primitives::Address;

use crate::fact::{Fact, Link, Role};

/// The contracts that `fact`, logged by a contract of `role`, brings into the register.
pub fn announcements(role: Role, fact: &Fact) -> Vec<(Address, Role)> {
    let mut found = match (role, fact) {
        (
            Role::TrexFactory,
            Fact::SuiteDeployed {
                token,
                identity_registry,
                storage,
                trusted_issuers,
                claim_topics,
                compliance,
            },
        ) => vec![
            (*token, Role::TrexToken),
            (*identity_registry, Role::IdentityRegistry),
            (*storage, Role::IdentityRegistryStorage),
            (*trusted_issuers, Role::TrustedIssuersRegistry),
            (*claim_topics, Role::ClaimTopicsRegistry),
            (*compliance, Role::Compliance),
        ],
        (_, Fact::LinkSet { link, target, active: true }) => {
            linked(role, *link).map(|role| (*target, role)).into_iter().collect()
        }
        (Role::TrexToken, Fact::InformationUpdated { onchain_id, .. }) => {
            vec![(*onchain_id, Role::Identity)]
        }
        (Role::IdFactory, Fact::IdentityLinked { identity, active: true, .. })
        | (Role::IdentityRegistry, Fact::IdentityAnnounced { identity })
        | (Role::IdentityRegistryStorage, Fact::IdentityStored { identity, .. }) => {
            vec![(*identity, Role::Identity)]
        }
        (Role::IdentityRegistryStorage, Fact::IdentityModified { new, .. }) => {
            vec![(*new, Role::Identity)]
        }
        (Role::TrustedIssuersRegistry, Fact::IssuerTrusted { issuer, .. }) => {
            vec![(*issuer, Role::Identity)]
        }
        _ => Vec::new(),
    };
    found.retain(|(address, _)| !address.is_zero());
    found
}

/// The role of a link's target, where the contract that points has the say about it.
fn linked(role: Role, link: Link) -> Option<Role> {
    match (role, link) {
        (Role::TrexToken, Link::IdentityRegistry) => Some(Role::IdentityRegistry),
        (Role::TrexToken, Link::Compliance) => Some(Role::Compliance),
        (Role::TrexToken, Link::OnchainId) => Some(Role::Identity),
        (Role::IdentityRegistry, Link::Storage) => Some(Role::IdentityRegistryStorage),
        (Role::IdentityRegistry, Link::TrustedIssuers) => Some(Role::TrustedIssuersRegistry),
        (Role::IdentityRegistry, Link::ClaimTopics) => Some(Role::ClaimTopicsRegistry),
        (Role::Compliance, Link::Module) => Some(Role::ComplianceModule),
        _ => None,
    }
}
