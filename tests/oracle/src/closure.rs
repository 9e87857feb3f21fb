//! Which contracts are followed: those the configuration names, and what followed contracts announce.
//!
//! The whole chain is read again and again until nothing new is found (decision 4: tables are about "every contract in
//! the closure of config and chain"). Which event announces what is from domain.md, section e, "Discovery". Of contracts
//! that several logs give different roles the README says (decision 28): the role that was known first.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::Address;

use crate::events::{Event, read};
use crate::input::{Block, Chain};
use crate::row::{Row, hex, row};

/// A followed contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Followed {
    pub(crate) role: String,
    /// First block whose logs are read.
    pub(crate) start_block: u64,
    /// The earliest log that announced it in this role; none for one that the configuration names.
    announced: Option<Announcement>,
    /// Since when it is known; none: from the start.
    known: Option<Moment>,
}

/// When somebody who reads the chain from its beginning comes to know of a contract: at a place of the chain, after some steps
/// from contract to contract there, by the log at a place, as which of those that it names.
type Moment = ((u64, u64), u32, (u64, u64), usize);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Announcement {
    by: Address,
    block: u64,
    log: u64,
    event: &'static str,
}

/// The contracts that the configuration and these blocks lead to.
pub(crate) fn closure(chain: &Chain, blocks: &[Block]) -> BTreeMap<Address, Followed> {
    let configured: BTreeMap<_, _> = chain
        .contracts
        .iter()
        .map(|contract| {
            let followed = Followed {
                role: contract.role.clone(),
                start_block: contract.start_block,
                announced: None,
                known: None,
            };
            (contract.address, followed)
        })
        .collect();
    let mut known = configured.clone();
    // Each round finds at least one more contract or is the last, unless contracts contradict each other about a role.
    for _ in 0..1_000 {
        let found = round(&configured, &known, blocks);
        if found == known {
            return known;
        }
        known = found;
    }
    panic!("the contracts contradict each other without end")
}

/// What the contracts known so far announce, each in the role that was known first.
fn round(
    configured: &BTreeMap<Address, Followed>,
    known: &BTreeMap<Address, Followed>,
    blocks: &[Block],
) -> BTreeMap<Address, Followed> {
    let mut named: BTreeMap<Address, Vec<(Moment, &str, Announcement)>> = BTreeMap::new();
    for (block, log) in blocks.iter().flat_map(|block| block.logs.iter().map(move |log| (block, log))) {
        let Some(emitter) = known.get(&log.address).filter(|it| it.start_block <= block.number) else {
            continue;
        };
        let Some(event) = read(&emitter.role, log) else {
            continue;
        };
        let place = (block.number, log.log_index);
        // A log that is older than what is known of its emitter tells nothing before that.
        let (since, steps) = match emitter.known {
            Some((since, steps, ..)) if place <= since => (since, steps + 1),
            _ => (place, 0),
        };
        for (nth, (role, address)) in announced(&emitter.role, &event).into_iter().enumerate() {
            let by =
                Announcement { by: log.address, block: block.number, log: log.log_index, event: event.name };
            named.entry(address).or_default().push(((since, steps, place, nth), role, by));
        }
    }
    let mut found = configured.clone();
    for (address, ways) in named {
        let first = ways.iter().min_by_key(|(moment, ..)| *moment);
        let Some(&(moment, role, _)) =
            first.filter(|_| !address.is_zero() && !configured.contains_key(&address))
        else {
            continue;
        };
        let of_role = ways.into_iter().filter(|(_, other, _)| *other == role).map(|(.., by)| by);
        let announced = of_role.min_by_key(|by| (by.block, by.log));
        found.insert(
            address,
            Followed { role: role.to_owned(), start_block: 0, announced, known: Some(moment) },
        );
    }
    found
}

/// Every address that a followed contract calls an identity, whatever else it turned out to be.
pub(crate) fn called_identities(known: &BTreeMap<Address, Followed>, blocks: &[Block]) -> BTreeSet<Address> {
    let mut called = BTreeSet::new();
    for (block, log) in blocks.iter().flat_map(|block| block.logs.iter().map(move |log| (block, log))) {
        let emitter = known.get(&log.address).filter(|it| it.start_block <= block.number);
        let Some((emitter, event)) = emitter.and_then(|it| Some((it, read(&it.role, log)?))) else {
            continue;
        };
        let announced = announced(&emitter.role, &event).into_iter();
        called.extend(announced.filter(|(role, it)| *role == "identity" && !it.is_zero()).map(|(_, it)| it));
    }
    called
}

/// The contracts that an event of a contract of a role announces.
fn announced(role: &str, event: &Event) -> Vec<(&'static str, Address)> {
    let of = |role, name| vec![(role, event.address(name))];
    match (role, event.name) {
        ("trex_factory", "TREXSuiteDeployed") => vec![
            ("trex_token", event.address("_token")),
            ("identity_registry", event.address("_ir")),
            ("identity_registry_storage", event.address("_irs")),
            ("trusted_issuers_registry", event.address("_tir")),
            ("claim_topics_registry", event.address("_ctr")),
            ("compliance", event.address("_mc")),
        ],
        ("trex_token", "IdentityRegistryAdded") => of("identity_registry", "_identityRegistry"),
        ("trex_token", "ComplianceAdded") => of("compliance", "_compliance"),
        ("trex_token", "UpdatedTokenInformation") => of("identity", "_newOnchainID"),
        ("identity_registry", "IdentityStorageSet") => of("identity_registry_storage", "identityStorage"),
        ("identity_registry", "TrustedIssuersRegistrySet") => {
            of("trusted_issuers_registry", "trustedIssuersRegistry")
        }
        ("identity_registry", "ClaimTopicsRegistrySet") => of("claim_topics_registry", "claimTopicsRegistry"),
        ("identity_registry", "IdentityRegistered") => of("identity", "identity"),
        ("identity_registry", "IdentityUpdated") => of("identity", "newIdentity"),
        ("identity_registry_storage", "IdentityStored") => of("identity", "identity"),
        ("identity_registry_storage", "IdentityModified") => of("identity", "newIdentity"),
        ("trusted_issuers_registry", "TrustedIssuerAdded" | "ClaimTopicsUpdated") => {
            of("identity", "trustedIssuer")
        }
        ("compliance", "ModuleAdded") => of("compliance_module", "_module"),
        ("id_factory", "WalletLinked" | "TokenLinked") => of("identity", "identity"),
        _ => Vec::new(),
    }
}

/// The row of `contracts`.
pub(crate) fn row_of(chain_id: u64, address: Address, followed: &Followed) -> Row {
    let announced = followed.announced.as_ref();
    row! {
        "chain_id" => chain_id,
        "address" => hex(address),
        "role" => followed.role.as_str(),
        "announced_by" => announced.map(|it| hex(it.by)),
        "announced_block" => announced.map(|it| it.block),
        "announced_log" => announced.map(|it| it.log),
        "announced_as" => announced.map(|it| it.event),
    }
}
