//! What an identity registry's `isVerified` answers (T-REX 4.1.6, with ONCHAINID 2.2.1's claim issuers), from rows.

use alloy::primitives::{Address, U256, keccak256};
use serde_json::Value;

use crate::row::{Row, Tables, hex};

/// The answer of `isVerified`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// True.
    Verified,
    /// False.
    NotVerified,
    /// The logs do not tell.
    Undetermined,
}

/// The answer of a registry about a wallet, as of the rows' last block.
pub fn verdict(tables: &Tables, registry: Address, wallet: Address) -> Verdict {
    let Some(storage) = link(tables, registry, "storage") else {
        return Verdict::Undetermined;
    };
    let registration = open(tables, "registrations")
        .find(|row| row["storage"] == storage && row["wallet"] == hex(wallet))
        .filter(|row| row["identity"] != hex(Address::ZERO));
    let Some(registration) = registration else {
        return Verdict::NotVerified;
    };
    let Some(topics_registry) = link(tables, registry, "claim_topics") else {
        return Verdict::Undetermined;
    };
    let required: Vec<&Value> = open(tables, "required_topics")
        .filter(|row| row["registry"] == topics_registry)
        .map(|row| &row["topic"])
        .collect();
    if required.is_empty() {
        return Verdict::Verified;
    }
    let Some(issuers_registry) = link(tables, registry, "trusted_issuers") else {
        return Verdict::Undetermined;
    };
    let trusted: Vec<&Row> =
        open(tables, "verification_providers").filter(|row| row["registry"] == issuers_registry).collect();
    let verdicts: Vec<Verdict> =
        required.iter().map(|topic| on_topic(tables, registration, topic, &trusted)).collect();
    if verdicts.contains(&Verdict::NotVerified) {
        Verdict::NotVerified
    } else {
        verdicts.into_iter().max().unwrap_or(Verdict::Verified)
    }
}

/// Whether one claim of an issuer trusted for the topic counts.
fn on_topic(tables: &Tables, registration: &Row, topic: &Value, trusted: &[&Row]) -> Verdict {
    let issuers: Vec<&Value> = trusted
        .iter()
        .filter(|row| row["topics"].as_array().is_some_and(|topics| topics.contains(topic)))
        .map(|row| &row["issuer"])
        .collect();
    if issuers.is_empty() {
        return Verdict::NotVerified;
    }
    if registration["undetermined"] == true {
        return Verdict::Undetermined;
    }
    let on_claims = issuers.into_iter().map(|issuer| {
        let id = claim_id(issuer, topic);
        let claim = open(tables, "identity_claims").find(|row| {
            row["identity"] == registration["identity"]
                && row["claim_id"] == id
                && row["claim_type"] == *topic
        });
        claim.map_or(Verdict::NotVerified, |claim| on_claim(tables, claim))
    });
    let verdicts: Vec<Verdict> = on_claims.collect();
    if verdicts.contains(&Verdict::Verified) {
        Verdict::Verified
    } else {
        verdicts.into_iter().max().unwrap_or(Verdict::NotVerified)
    }
}

/// What the claim's issuer says of it (`isClaimValid`): signed by a key of purpose 3, or 1 which may do everything, and
/// not revoked. An issuer that never logged a key is no ONCHAINID as far as the logs tell.
fn on_claim(tables: &Tables, claim: &Row) -> Verdict {
    let issuer = &claim["issuer"];
    let keys = || tables.get("identity_keys").into_iter().flatten().filter(|row| row["identity"] == *issuer);
    if keys().next().is_none() {
        return Verdict::Undetermined;
    }
    let is_signed = keys().any(|row| {
        row["to_block"].is_null()
            && row["key_hash"] == claim["signer_key"]
            && (row["purpose"] == "1" || row["purpose"] == "3")
    });
    let is_revoked = tables
        .get("claim_revocations")
        .into_iter()
        .flatten()
        .any(|row| row["issuer"] == *issuer && row["signature_hash"] == claim["signature_hash"]);
    if is_signed && !is_revoked { Verdict::Verified } else { Verdict::NotVerified }
}

/// keccak256 of `abi.encode(issuer, topic)`: by which ONCHAINID keeps a claim.
fn claim_id(issuer: &Value, topic: &Value) -> Value {
    let issuer: Address = issuer.as_str().expect("text").parse().expect("an address");
    let topic: U256 = topic.as_str().expect("text").parse().expect("a number");
    hex(keccak256([issuer.into_word().as_slice(), &topic.to_be_bytes::<32>()].concat()))
}

fn open<'a>(tables: &'a Tables, table: &str) -> impl Iterator<Item = &'a Row> {
    tables.get(table).into_iter().flatten().filter(|row| row["to_block"].is_null())
}

fn link(tables: &Tables, address: Address, link: &str) -> Option<Value> {
    open(tables, "contract_links")
        .find(|row| row["address"] == hex(address) && row["link"] == link)
        .map(|row| row["target"].clone())
}
