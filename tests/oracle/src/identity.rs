//! Identities (ERC-734, ERC-735): keys, claims, revocations, and the ONCHAINID factory's links.

use alloy::primitives::{Address, B256, Signature, U256, keccak256};
use serde_json::Value;

use crate::events::Event;
use crate::input::Chain;
use crate::row::{Here, Row, Versions, hex, identity_id, number, row, told_time};
use crate::words::{key_of, word};

/// What identities leave behind.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    pub(crate) keys: Versions,
    pub(crate) claims: Versions,
    pub(crate) links: Versions,
    pub(crate) revocations: Vec<Row>,
}

impl Identities {
    /// Takes the next event of an identity.
    pub(crate) fn take(&mut self, chain: &Chain, here: Here<'_>, event: &Event) {
        match event.name {
            "KeyAdded" | "KeyRemoved" => self.key(here, event),
            "ClaimAdded" | "ClaimChanged" => self.claim(chain, here, event),
            "ClaimRemoved" => {
                if let Some(row) = self.claims.end(&claim_thing(here, event), here) {
                    row.insert("ended_by", Value::from("removed"));
                }
            }
            "ClaimRevoked" => self.revoke(here, event),
            _ => {}
        }
    }

    fn key(&mut self, here: Here<'_>, event: &Event) {
        let (key, purpose) = (event.hash("key"), event.number("purpose"));
        let thing = format!("{} {key} {purpose}", here.log.address);
        if event.name == "KeyRemoved" {
            self.keys.end(&thing, here);
            return;
        }
        let key_type = number(event.number("keyType"));
        if self.keys.open(&thing).is_some() {
            return;
        }
        let row = row! {
            "identity" => hex(here.log.address),
            "key_hash" => hex(key),
            "purpose" => number(purpose),
            "key_type" => key_type,
        };
        self.keys.begin(&thing, row, here);
    }

    fn claim(&mut self, chain: &Chain, here: Here<'_>, event: &Event) {
        let thing = claim_thing(here, event);
        if let Some(row) = self.claims.end(&thing, here) {
            row.insert("ended_by", Value::from("changed"));
        }
        let topic = event.number("topic");
        let (signature, data) = (event.bytes("signature"), event.bytes("data"));
        let signer = signer(here.log.address, topic, data, signature);
        let expiry = chain.claim_expiry.get(&topic);
        let expiry = expiry.and_then(|place| word(data, place * 32)).map(U256::from_be_bytes);
        let row = row! {
            "identity" => hex(here.log.address),
            "claim_id" => hex(event.hash("claimId")),
            "identity_id" => hex(here.log.address),
            "claim_type" => number(topic),
            "scheme" => number(event.number("scheme")),
            "issuer" => hex(event.address("issuer")),
            "id_matches" => event.hash("claimId") == made_id(event.address("issuer"), topic),
            "signature" => hex(signature),
            "signature_hash" => hex(keccak256(signature)),
            "signer_key" => signer.map(|signer| hex(key_of(signer))),
            "claim_data" => hex(data),
            "uri" => event.text("uri"),
            "expires_at" => expiry.map_or(Value::Null, told_time),
            "transaction_hash" => here.transaction(),
            "ended_by" => Value::Null,
            "withheld" => Value::Null,
        };
        self.claims.begin(&thing, row, here);
    }

    fn revoke(&mut self, here: Here<'_>, event: &Event) {
        let (issuer, signature) = (hex(here.log.address), hex(event.hash("signature")));
        if self.revocations.iter().any(|row| row["issuer"] == issuer && row["signature_hash"] == signature) {
            return;
        }
        self.revocations.push(row! {
            "chain_id" => here.chain_id,
            "issuer" => issuer,
            "signature_hash" => signature,
            "revoked_block" => here.number(),
            "revoked_log" => here.index(),
            "revoked_at" => here.at(),
            "transaction_hash" => here.transaction(),
        });
    }

    /// Takes the next event of an ONCHAINID factory.
    pub(crate) fn link(&mut self, here: Here<'_>, event: &Event) {
        let (account, is_token) = match event.name {
            "WalletLinked" | "WalletUnlinked" => (event.address("wallet"), false),
            "TokenLinked" => (event.address("token"), true),
            _ => return,
        };
        let thing = format!("{} {account}", here.log.address);
        if event.name == "WalletUnlinked" {
            self.links.end(&thing, here);
            return;
        }
        let identity = event.address("identity");
        let row = row! {
            "factory" => hex(here.log.address),
            "account" => hex(account),
            "identity" => hex(identity),
            "identity_id" => identity_id(identity),
            "is_token" => is_token,
        };
        self.links.replace(&thing, row, here);
    }
}

fn claim_thing(here: Here<'_>, event: &Event) -> String {
    format!("{} {}", here.log.address, event.hash("claimId"))
}

/// Who signed a claim, as ONCHAINID's `ClaimIssuer.isClaimValid` recovers it.
fn signer(identity: Address, topic: U256, data: &[u8], signature: &[u8]) -> Option<Address> {
    let [sides @ .., v] = signature else { return None };
    let is_odd = match v {
        0 | 27 => false,
        1 | 28 => true,
        _ => return None,
    };
    let (r, s) = (U256::try_from_be_slice(sides.get(..32)?)?, U256::try_from_be_slice(sides.get(32..)?)?);
    if sides.len() != 64 {
        return None;
    }
    Signature::new(r, s, is_odd).recover_address_from_prehash(&signed_digest(identity, topic, data)).ok()
}

/// The digest that an issuer signs: of `abi.encode(identity, topic, data)`, as an Ethereum signed message.
fn signed_digest(identity: Address, topic: U256, data: &[u8]) -> B256 {
    let mut encoded = Vec::new();
    encoded.extend(identity.into_word());
    encoded.extend(topic.to_be_bytes::<32>());
    encoded.extend(U256::from(96).to_be_bytes::<32>());
    encoded.extend(U256::from(data.len()).to_be_bytes::<32>());
    encoded.extend(data);
    encoded.resize(encoded.len().next_multiple_of(32), 0);
    let digest = keccak256(encoded);
    keccak256([&b"\x19Ethereum Signed Message:\n32"[..], digest.as_slice()].concat())
}

/// What ONCHAINID calls a claim: the hash of issuer and topic, a word each.
fn made_id(issuer: Address, topic: U256) -> B256 {
    let mut words = [0u8; 64];
    words[12..32].copy_from_slice(issuer.as_slice());
    words[32..].copy_from_slice(&topic.to_be_bytes::<32>());
    keccak256(words)
}
