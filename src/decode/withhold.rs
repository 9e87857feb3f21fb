//! What claims say, kept from the tables where the configuration wants it so, by claim topic. Pure.
//!
//! A claim on an identity (ERC-735) may say something of a person, and the contract logs it for all to see. Logs pass
//! here before anything is derived from them or stored: what is withheld is in no table, no undo journal and no trail.
//! What stands in its place is enough to judge the claim as the contracts do: its signer, the digest of its signature,
//! which a revocation names, and when it ends.
//!
//! | | data | signature | URI |
//! |---|---|---|---|
//! | digest | the digest that the issuer signed, then the end | as it is | `keccak256:` and its hash |
//! | drop | the signer, then the end | its keccak256 | empty |
//!
//! Digest and signer are words of 32 bytes (zero: no signer), and so is the end, which is the word of the data that the
//! topic's `expires_at_word` names, and left out where that is no time. With `drop` the signature goes too: a guess at what
//! was signed could be tried on it.
//!
//! An identity logs the calls that it makes or is asked for (ERC-734), among them `addClaim`: what that call says is
//! withheld likewise, also inside of calls of `execute`; and the signature that `revokeClaimBySignature` names, where
//! any topic is dropped. Calls inside of other calls, as a batch makes them, are not looked into.
//!
//! What has the form of such a log or call and cannot be read is not kept, if anything is withheld at all. A signature
//! that is not of 65 bytes may be anything, the statement too: with `digest` such a claim is dropped.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol;
use alloy::sol_types::{SolCall, SolEvent, SolValue};

use super::claim::{SIGNATURE_BYTES, signed_digest, signer, word};
use super::onchainid::Identity;
use crate::block::RawLog;
pub use crate::block::Withheld;

sol! {
    /// ERC-735.
    function addClaim(uint256 topic, uint256 scheme, address issuer, bytes signature, bytes data, string uri);
    /// ERC-734.
    function execute(address to, uint256 value, bytes data);
    /// Of a claim issuer (ONCHAINID).
    function revokeClaimBySignature(bytes signature);
    /// ERC-735; ONCHAINID does not log it.
    event ClaimRequested(uint256 indexed id, uint256 indexed topic, uint256 scheme, address indexed issuer, bytes signature, bytes data, string uri);
}

/// How many calls of `execute` inside of one another are looked into.
const DEPTH_MAX: usize = 4;

/// What of claims is kept, by topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimData {
    /// Topics with a word of their own; `None` keeps what they say.
    pub topics: BTreeMap<U256, Option<Withheld>>,
    /// All others.
    pub others: Option<Withheld>,
}

impl ClaimData {
    /// How a topic is withheld; `None`: not at all. Where the topic cannot be told, it may be any.
    pub fn of(&self, topic: Option<U256>) -> Option<Withheld> {
        match topic {
            Some(topic) => self.topics.get(&topic).copied().unwrap_or(self.others),
            None => self.topics.values().copied().max().unwrap_or_default().max(self.others),
        }
    }

    /// Whether nothing is withheld.
    pub fn keeps_all(&self) -> bool {
        self.others.is_none() && self.topics.values().all(Option::is_none)
    }
}

/// A log of an identity without what `how` withholds of a claim; `None` where it is to stay as it is. What was withheld
/// before can be withheld further, and does not come back. `how` is asked by topic, without one where it cannot be told;
/// `end` says of topic and data when the claim ends, in seconds since the Unix epoch.
pub fn withhold(
    log: &RawLog,
    how: impl Fn(Option<U256>) -> Option<Withheld>,
    end: impl Fn(U256, &Bytes) -> Option<u64>,
) -> Option<RawLog> {
    let rule = Rule { before: log.withheld, how, end };
    let (data, withheld) = match *log.topics.first()? {
        Identity::ClaimAdded::SIGNATURE_HASH
        | Identity::ClaimChanged::SIGNATURE_HASH
        | Identity::ClaimRemoved::SIGNATURE_HASH
        | ClaimRequested::SIGNATURE_HASH => rule.claim(log)?,
        Identity::ExecutionRequested::SIGNATURE_HASH
        | Identity::Executed::SIGNATURE_HASH
        | Identity::ExecutionFailed::SIGNATURE_HASH => rule.execution(log)?,
        _ => return None,
    };
    Some(RawLog { data: data.into(), withheld: Some(withheld), ..log.clone() })
}

/// What a claim says, and what shows who says it.
struct Said {
    signature: Bytes,
    data: Bytes,
    uri: Bytes,
}

/// What is withheld of one log.
struct Rule<H, E> {
    before: Option<Withheld>,
    how: H,
    end: E,
}

impl<H: Fn(Option<U256>) -> Option<Withheld>, E: Fn(U256, &Bytes) -> Option<u64>> Rule<H, E> {
    /// How a topic is to be withheld that is not withheld so far.
    fn of(&self, topic: Option<U256>) -> Option<Withheld> {
        (self.how)(topic).filter(|how| self.before.is_none_or(|before| before < *how))
    }

    fn claim(&self, log: &RawLog) -> Option<(Vec<u8>, Withheld)> {
        let [_, _, topic, _] = log.topics.as_slice() else { return Some((Vec::new(), self.of(None)?)) };
        let topic = U256::from_be_bytes(topic.0);
        let how = self.of(Some(topic))?;
        let Ok((scheme, signature, data, uri)) = <(U256, Bytes, Bytes, Bytes)>::abi_decode_params(&log.data)
        else {
            return Some((Vec::new(), how));
        };
        let (said, how) = self.stand_in(log.address, topic, how, Said { signature, data, uri });
        Some(((scheme, said.signature, said.data, said.uri).abi_encode_params(), how))
    }

    fn execution(&self, log: &RawLog) -> Option<(Vec<u8>, Withheld)> {
        let read = <(Bytes,)>::abi_decode_params(&log.data);
        let (Ok((input,)), [_, _, to, _]) = (read, log.topics.as_slice()) else {
            return Some((Vec::new(), self.of(None)?));
        };
        let (input, how) = self.call(Address::from_word(*to), &input, DEPTH_MAX)?;
        Some(((input,).abi_encode_params(), how))
    }

    fn stand_in(&self, identity: Address, topic: U256, how: Withheld, said: Said) -> (Said, Withheld) {
        let Said { signature, data, uri } = said;
        let (digest, end) = match self.before {
            None => {
                let end = (self.end)(topic, &data).map(|seconds| B256::from(U256::from(seconds)));
                (signed_digest(identity, topic, &data), end)
            }
            Some(_) => (word(&data, 0).unwrap_or_default(), word(&data, 1)),
        };
        let is_signature = signature.is_empty() || signature.len() == SIGNATURE_BYTES;
        let how = if is_signature { how } else { Withheld::Drop };
        let (first, signature, uri) = match how {
            Withheld::Digest if uri.is_empty() => (digest, signature, uri),
            Withheld::Digest => {
                (digest, signature, format!("keccak256:{}", keccak256(&uri)).into_bytes().into())
            }
            Withheld::Drop => {
                let signer = signer(&signature, digest).map_or(B256::ZERO, |signer| signer.into_word());
                (signer, keccak256(&signature).into(), Bytes::new())
            }
        };
        let data: Vec<u8> = std::iter::once(first).chain(end).flatten().collect();
        (Said { signature, data: data.into(), uri }, how)
    }

    /// The call data without what the claim in it says; `None` where they are to stay.
    fn call(&self, to: Address, input: &Bytes, depth: usize) -> Option<(Bytes, Withheld)> {
        let (selector, arguments) = input.split_first_chunk::<4>()?;
        let (arguments, how) = match *selector {
            addClaimCall::SELECTOR => self.add_claim(to, arguments)?,
            revokeClaimBySignatureCall::SELECTOR => {
                let how = self.of(None).filter(|how| *how == Withheld::Drop)?;
                let read = <(Bytes,)>::abi_decode_params(arguments);
                let named = |(signature,): (Bytes,)| (Bytes::from(keccak256(signature)),).abi_encode_params();
                (read.map_or_else(|_| Vec::new(), named), how)
            }
            executeCall::SELECTOR => {
                let read = <(Address, U256, Bytes)>::abi_decode_params(arguments);
                match (read, depth.checked_sub(1)) {
                    (Ok((to, value, inner)), Some(depth)) => {
                        let (inner, how) = self.call(to, &inner, depth)?;
                        ((to, value, inner).abi_encode_params(), how)
                    }
                    _ => (Vec::new(), self.of(None)?),
                }
            }
            _ => return None,
        };
        Some(([selector.as_slice(), &arguments].concat().into(), how))
    }

    fn add_claim(&self, to: Address, arguments: &[u8]) -> Option<(Vec<u8>, Withheld)> {
        let Some(topic) = word(arguments, 0).map(|topic| U256::from_be_bytes(topic.0)) else {
            return Some((Vec::new(), self.of(None)?));
        };
        let how = self.of(Some(topic))?;
        let Ok((topic, scheme, issuer, signature, data, uri)) =
            <(U256, U256, Address, Bytes, Bytes, Bytes)>::abi_decode_params(arguments)
        else {
            return Some((Vec::new(), how));
        };
        let (said, how) = self.stand_in(to, topic, how, Said { signature, data, uri });
        Some(((topic, scheme, issuer, said.signature, said.data, said.uri).abi_encode_params(), how))
    }
}

#[cfg(test)]
mod tests;
