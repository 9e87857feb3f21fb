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
//! topic's `expires_at_word` names, and left out where it names none. With `drop` the signature goes too: a guess at what
//! was signed could be tried on it.
//!
//! An identity logs the calls that it makes or is asked for (ERC-734), among them `addClaim`: what that call says is
//! withheld likewise, also inside of calls of `execute`.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol;
use alloy::sol_types::{SolCall, SolEvent, SolValue};

use super::claim::{signed_digest, signer, word};
use super::onchainid::Identity;
use crate::block::{RawLog, Withheld};

sol! {
    /// ERC-735.
    function addClaim(uint256 topic, uint256 scheme, address issuer, bytes signature, bytes data, string uri);
    /// ERC-734.
    function execute(address to, uint256 value, bytes data);
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
    /// How a topic is withheld; `None`: not at all.
    pub fn of(&self, topic: U256) -> Option<Withheld> {
        self.topics.get(&topic).copied().unwrap_or(self.others)
    }

    /// Whether nothing is withheld.
    pub fn keeps_all(&self) -> bool {
        self.others.is_none() && self.topics.values().all(Option::is_none)
    }
}

/// A log of an identity without what `how` withholds of a claim; `None` where it is to stay as it is. What was withheld
/// before can be withheld further, and does not come back. `ends` are the words that say when claims end, by topic.
pub fn withhold(
    log: &RawLog,
    how: impl Fn(U256) -> Option<Withheld>,
    ends: &BTreeMap<U256, usize>,
) -> Option<RawLog> {
    let [event, _, second, _] = log.topics.as_slice() else { return None };
    let rule = Rule { before: log.withheld, how: &how, ends };
    let (data, withheld) = match *event {
        Identity::ClaimAdded::SIGNATURE_HASH
        | Identity::ClaimChanged::SIGNATURE_HASH
        | Identity::ClaimRemoved::SIGNATURE_HASH => {
            let topic = U256::from_be_bytes(second.0);
            let how = rule.of(topic)?;
            let read = <(U256, Bytes, Bytes, Bytes)>::abi_decode_params(&log.data);
            // What cannot be read is not kept either: it stays unreadable.
            let data = read.map_or_else(
                |_| Vec::new(),
                |(scheme, signature, data, uri)| {
                    let said = rule.stand_in(log.address, topic, how, Said { signature, data, uri });
                    (scheme, said.signature, said.data, said.uri).abi_encode_params()
                },
            );
            (data, how)
        }
        Identity::ExecutionRequested::SIGNATURE_HASH
        | Identity::Executed::SIGNATURE_HASH
        | Identity::ExecutionFailed::SIGNATURE_HASH => {
            let (input,) = <(Bytes,)>::abi_decode_params(&log.data).ok()?;
            let (input, how) = rule.call(Address::from_word(*second), &input, DEPTH_MAX)?;
            ((input,).abi_encode_params(), how)
        }
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
struct Rule<'a, H> {
    before: Option<Withheld>,
    how: &'a H,
    ends: &'a BTreeMap<U256, usize>,
}

impl<H: Fn(U256) -> Option<Withheld>> Rule<'_, H> {
    /// How a topic is to be withheld that is not withheld so far.
    fn of(&self, topic: U256) -> Option<Withheld> {
        (self.how)(topic).filter(|how| self.before.is_none_or(|before| before < *how))
    }

    fn stand_in(&self, identity: Address, topic: U256, how: Withheld, said: Said) -> Said {
        let Said { signature, data, uri } = said;
        let (digest, end) = match self.before {
            None => {
                let end = self.ends.get(&topic).and_then(|place| word(&data, *place));
                (signed_digest(identity, topic, &data), end)
            }
            Some(_) => (word(&data, 0).unwrap_or_default(), word(&data, 1)),
        };
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
        Said { signature, data: data.into(), uri }
    }

    /// The call data without what the claim in it says; `None` where it adds none, or one that is to stay.
    fn call(&self, to: Address, input: &Bytes, depth: usize) -> Option<(Bytes, Withheld)> {
        let (selector, arguments) = input.split_first_chunk::<4>()?;
        match *selector {
            addClaimCall::SELECTOR => {
                let topic = U256::from_be_bytes(word(arguments, 0)?.0);
                let how = self.of(topic)?;
                let read = <(U256, U256, Address, Bytes, Bytes, Bytes)>::abi_decode_params(arguments);
                let arguments = read.map_or_else(
                    |_| Vec::new(),
                    |(topic, scheme, issuer, signature, data, uri)| {
                        let said = self.stand_in(to, topic, how, Said { signature, data, uri });
                        (topic, scheme, issuer, said.signature, said.data, said.uri).abi_encode_params()
                    },
                );
                Some(([selector.as_slice(), &arguments].concat().into(), how))
            }
            executeCall::SELECTOR => {
                let (to, value, inner) = <(Address, U256, Bytes)>::abi_decode_params(arguments).ok()?;
                let (inner, how) = self.call(to, &inner, depth.checked_sub(1)?)?;
                let arguments = (to, value, inner).abi_encode_params();
                Some(([selector.as_slice(), &arguments].concat().into(), how))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
