//! ONCHAINID: keys (ERC-734), claims (ERC-735), and a claim issuer's revocations.

use alloy::primitives::{Bytes, U256};
use alloy::sol;
use alloy::sol_types::SolValue;

use super::bound;
use crate::block::RawLog;
use crate::fact::{Claim, Fact};

sol!(
    #[allow(missing_docs)]
    Identity,
    "abi/onchainid/identity.json"
);

/// What an event of an identity means; claim issuers are identities that also revoke.
pub(super) fn fact(event: &str, log: &RawLog) -> Option<Fact> {
    match event {
        "KeyAdded" => bound::<Identity::KeyAdded>(log).map(|event| Fact::KeySet {
            key: event.key,
            purpose: event.purpose,
            key_type: event.keyType,
            active: true,
        }),
        "KeyRemoved" => bound::<Identity::KeyRemoved>(log).map(|event| Fact::KeySet {
            key: event.key,
            purpose: event.purpose,
            key_type: event.keyType,
            active: false,
        }),
        "ClaimAdded" => bound::<Identity::ClaimAdded>(log).zip(uri(log)).map(|(event, uri)| {
            Fact::ClaimSet(Claim {
                claim_id: event.claimId,
                topic: event.topic,
                scheme: event.scheme,
                issuer: event.issuer,
                signature: event.signature,
                data: event.data,
                uri,
                withheld: log.withheld,
            })
        }),
        "ClaimChanged" => bound::<Identity::ClaimChanged>(log).zip(uri(log)).map(|(event, uri)| {
            Fact::ClaimSet(Claim {
                claim_id: event.claimId,
                topic: event.topic,
                scheme: event.scheme,
                issuer: event.issuer,
                signature: event.signature,
                data: event.data,
                uri,
                withheld: log.withheld,
            })
        }),
        "ClaimRemoved" => {
            bound::<Identity::ClaimRemoved>(log).map(|event| Fact::ClaimRemoved { claim_id: event.claimId })
        }
        "ClaimRevoked" => bound::<Identity::ClaimRevoked>(log)
            .map(|event| Fact::ClaimRevoked { signature_hash: event.signature }),
        _ => Some(Fact::Recorded),
    }
}

/// A claim's last parameter as bytes, which are encoded as text is: it need not be UTF-8.
fn uri(log: &RawLog) -> Option<Bytes> {
    let (_, _, _, uri) = <(U256, Bytes, Bytes, Bytes)>::abi_decode_params(&log.data).ok()?;
    Some(uri)
}
