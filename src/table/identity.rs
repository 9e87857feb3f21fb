//! Identities (ONCHAINID): their keys, the claims on them, and what issuers revoked.
//!
//! A revocation comes from the issuer's contract and names a signature's digest only; it may come before the claim.
//! So it is a row of the issuer's, and is joined to claims when they are read.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolValue;
use uuid::Uuid;

use super::fold::{Fold, Settings, claim_end};
use super::rows::Missing;
use crate::amount::Amount;
use crate::block::Withheld;
use crate::decode::{claim, text};
use crate::fact::{Claim, Entry};
use crate::id::{fact_id, identity_id};
use crate::mutant::{Mutant, is};
use crate::row::{Table, Time, Versioned};
use crate::table;

table! {
    #[doc = "Identities: of persons, tokens and claim issuers alike."]
    Identity, IdentityKey: State "identities"
    key {
        chain_id: u64 = "The chain.",
        id: Uuid = "Computed from chain and contract address.",
    }
    columns {
        onchain_id: Address = "The identity's contract.",
        first_block: Option<u64> = "Block of the contract's own first log; null while it has logged nothing.",
        first_at: Option<Time> = "Block time of that log.",
    }
}

table! {
    #[doc = "Wallets and tokens that an ONCHAINID factory bound to identities, by version."]
    IdentityLink, IdentityLinkKey: versioned "identity_links"
    key {
        chain_id: u64 = "The chain.",
        factory: Address = "The ONCHAINID factory.",
        account: Address = "The wallet or token.",
    }
    columns {
        identity: Address = "The identity's contract.",
        identity_id: Uuid = "The row of identities.",
        is_token: bool = "Whether the account is a token contract.",
    }
}

table! {
    #[doc = "Keys of identities (ERC-734), by version; purpose 1 manages, 3 signs claims."]
    IdentityKeyRow, IdentityKeyRowKey: versioned "identity_keys"
    key {
        chain_id: u64 = "The chain.",
        identity: Address = "The identity's contract.",
        key_hash: B256 = "keccak256 of the ABI-encoded address, for keys that are addresses.",
        purpose: Amount = "What the key may do.",
    }
    columns {
        key_type: Amount = "1 is ECDSA.",
    }
}

table! {
    #[doc = "Claims on identities (ERC-735), a row per version."]
    IdentityClaim, IdentityClaimKey: versioned "identity_claims"
    key {
        chain_id: u64 = "The chain.",
        identity: Address = "The identity's contract.",
        claim_id: B256 = "keccak256 of issuer and topic on ONCHAINID.",
    }
    columns {
        id: Uuid = "Computed from the place of the log that began the version.",
        identity_id: Uuid = "The row of identities.",
        claim_type: Amount = "The claim topic.",
        scheme: Amount = "Signature scheme; 1 is ECDSA.",
        issuer: Address = "The contract whose key signed the claim.",
        id_matches: bool = "Whether claim_id is what ONCHAINID makes of issuer and topic; where not, the identity runs code of its own, and the claim counts for nothing.",
        signature: Bytes = "Signature over identity, topic and data.",
        signature_hash: B256 = "keccak256 of the signature: what a revocation names.",
        signer_key: Option<B256> = "keccak256 of the ABI-encoded signer recovered from the signature; null where none can be.",
        claim_data: Bytes = "The statement, or its digest.",
        uri: String = "Where more can be read; what is not valid text is escaped.",
        expires_at: Option<Time> = "When the claim's own data says it ends; null where its topic has no such rule.",
        transaction_hash: B256 = "Transaction of the log that began the version.",
        ended_by: Option<String> = "changed or removed; null while the version is in force.",
        withheld: Option<String> = "How what the claim says was kept from the tables; null where it was not. digest: claim_data is what the issuer signed, keccak256 of identity, topic and statement, and uri its hash. drop: claim_data, uri and signature are empty.",
    }
}

table! {
    #[doc = "Claims that their issuer revoked, known by the digest of their signature."]
    ClaimRevocation, ClaimRevocationKey: State "claim_revocations"
    key {
        chain_id: u64 = "The chain.",
        issuer: Address = "The contract that revoked.",
        signature_hash: B256 = "keccak256 of the revoked claim's signature.",
    }
    columns {
        revoked_block: u64 = "Block of the first revocation.",
        revoked_log: u32 = "Index of its log.",
        revoked_at: Time = "Its block time.",
        transaction_hash: B256 = "Its transaction.",
    }
}

impl Fold {
    /// Makes sure that an identity has its row, whoever announced it.
    pub(super) fn identity_known(&mut self, identity: Address) -> Result<Identity, Missing> {
        let key = IdentityKey { chain_id: self.chain_id(), id: identity_id(self.chain_id(), identity) };
        if let Some(known) = self.identities.get(&key)? {
            return Ok(known);
        }
        let row = Identity {
            chain_id: key.chain_id,
            id: key.id,
            onchain_id: identity,
            first_block: None,
            first_at: None,
        };
        self.identities.put(row.clone());
        Ok(row)
    }

    /// An identity logged something: the first of its logs dates it.
    pub(super) fn identity_logged(&mut self, entry: &Entry) -> Result<(), Missing> {
        let mut identity = self.identity_known(entry.log.address)?;
        if identity.first_block.is_none() {
            identity.first_block = Some(entry.log.block.number);
            identity.first_at = Some(entry.time);
            self.identities.put(identity);
        }
        Ok(())
    }

    /// A factory bound an account to an identity, or unbound it.
    pub(super) fn identity_linked(
        &mut self,
        entry: &Entry,
        account: Address,
        identity: Address,
        is_token: bool,
        active: bool,
    ) -> Result<(), Missing> {
        let key = IdentityLinkKey { chain_id: self.chain_id(), factory: entry.log.address, account };
        if let Some(mut open) = self.identity_links.get(&key)? {
            open.close(entry.position(), entry.time);
            self.identity_links.put(open);
        }
        if active {
            let at = entry.position();
            self.identity_links.put(IdentityLink {
                chain_id: key.chain_id,
                factory: key.factory,
                account,
                from_block: at.block_number,
                from_log: at.log_index,
                identity,
                identity_id: identity_id(self.chain_id(), identity),
                is_token,
                from_at: entry.time,
                to_block: None,
                to_log: None,
                to_at: None,
            });
        }
        Ok(())
    }

    /// A key may act for the identity for one purpose, or no longer.
    pub(super) fn key_set(
        &mut self,
        entry: &Entry,
        key_hash: B256,
        purpose: U256,
        key_type: U256,
        active: bool,
    ) -> Result<(), Missing> {
        let key = IdentityKeyRowKey {
            chain_id: self.chain_id(),
            identity: entry.log.address,
            key_hash,
            purpose: Amount::from(purpose),
        };
        match (self.identity_keys.get(&key)?, active) {
            (Some(mut open), false) => {
                open.close(entry.position(), entry.time);
                self.identity_keys.put(open);
            }
            (None, true) => {
                let at = entry.position();
                self.identity_keys.put(IdentityKeyRow {
                    chain_id: key.chain_id,
                    identity: key.identity,
                    key_hash,
                    purpose: key.purpose,
                    from_block: at.block_number,
                    from_log: at.log_index,
                    key_type: Amount::from(key_type),
                    from_at: entry.time,
                    to_block: None,
                    to_log: None,
                    to_at: None,
                });
            }
            (Some(_), true) | (None, false) => {}
        }
        Ok(())
    }

    /// A claim was made; an open version of the same id ends.
    pub(super) fn claim_set(&mut self, entry: &Entry, claim: &Claim) -> Result<(), Missing> {
        if !is(Mutant::ReplacedClaimStaysOpen) {
            self.claim_ended(entry, claim.claim_id, "changed")?;
        }
        if self.missed {
            // To find out who signed takes longer than all else.
            return Ok(());
        }
        let (identity, at, block) = (entry.log.address, entry.position(), entry.log.block);
        let said = Said::of(identity, claim, self.settings());
        self.claims.put(IdentityClaim {
            chain_id: self.chain_id(),
            identity,
            claim_id: claim.claim_id,
            from_block: at.block_number,
            from_log: at.log_index,
            id: fact_id(
                IdentityClaim::DEF.name,
                self.chain_id(),
                block.number,
                block.hash,
                at.log_index,
                claim.claim_id.as_slice(),
            ),
            identity_id: identity_id(self.chain_id(), identity),
            claim_type: Amount::from(claim.topic),
            scheme: Amount::from(claim.scheme),
            issuer: claim.issuer,
            id_matches: claim.claim_id == keccak256((claim.issuer, claim.topic).abi_encode_params()),
            signature: said.signature,
            signature_hash: said.signature_hash,
            signer_key: said.signer.map(|signer| keccak256(signer.abi_encode())),
            claim_data: said.data,
            uri: text::storable(&claim.uri, text::LONG_MAX),
            expires_at: said.expires_at,
            withheld: claim.withheld.map(|how| how.name().to_owned()),
            transaction_hash: entry.log.transaction_hash,
            ended_by: None,
            from_at: entry.time,
            to_block: None,
            to_log: None,
            to_at: None,
        });
        Ok(())
    }

    /// A claim's open version ends.
    pub(super) fn claim_ended(&mut self, entry: &Entry, claim_id: B256, how: &str) -> Result<(), Missing> {
        let key = IdentityClaimKey { chain_id: self.chain_id(), identity: entry.log.address, claim_id };
        if let Some(mut open) = self.claims.get(&key)? {
            open.close(entry.position(), entry.time);
            open.ended_by = Some(how.to_owned());
            self.claims.put(open);
        }
        Ok(())
    }

    /// An issuer revoked a signature; only the first time counts.
    pub(super) fn claim_revoked(&mut self, entry: &Entry, signature_hash: B256) -> Result<(), Missing> {
        let key = ClaimRevocationKey { chain_id: self.chain_id(), issuer: entry.log.address, signature_hash };
        if self.revocations.get(&key)?.is_none() {
            let at = entry.position();
            self.revocations.put(ClaimRevocation {
                chain_id: key.chain_id,
                issuer: key.issuer,
                signature_hash,
                revoked_block: at.block_number,
                revoked_log: at.log_index,
                revoked_at: entry.time,
                transaction_hash: entry.log.transaction_hash,
            });
        }
        Ok(())
    }
}

/// What a claim's version says, whether its log is whole or something of it is withheld.
struct Said {
    signature: Bytes,
    signature_hash: B256,
    signer: Option<Address>,
    data: Bytes,
    expires_at: Option<Time>,
}

impl Said {
    fn of(identity: Address, claim: &Claim, settings: &Settings) -> Self {
        let Claim { topic, signature, data, .. } = claim;
        let first = || claim::word(data, 0).unwrap_or_default();
        let end = || claim::word(data, 1).and_then(|end| Time::from_word(U256::from_be_bytes(end.0)));
        match claim.withheld {
            None => Self {
                signature: signature.clone(),
                signature_hash: keccak256(signature),
                signer: claim::signer(signature, claim::signed_digest(identity, *topic, data)),
                data: data.clone(),
                expires_at: claim_end(&settings.claim_expiry, *topic, data),
            },
            Some(Withheld::Digest) => Self {
                signature: signature.clone(),
                signature_hash: keccak256(signature),
                signer: claim::signer(signature, first()),
                data: first().into(),
                expires_at: end(),
            },
            Some(Withheld::Drop) => Self {
                signature: Bytes::new(),
                signature_hash: claim::word(signature, 0).unwrap_or_default(),
                signer: Some(Address::from_word(first())).filter(|signer| !signer.is_zero()),
                data: Bytes::new(),
                expires_at: end(),
            },
        }
    }
}
