//! Any log, in any role.
//!
//! Input: role, event (0: the first topic is in the input; else one of the role's events), number of topics (255: the
//! event's own), 32 bytes for each topic, data.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use alloy::primitives::{Address, B256, Bytes, U256, hex, keccak256};
use asset_indexer::amount::Amount;
use asset_indexer::block::{BlockId, RawLog, Withheld};
use asset_indexer::decode::Decoder;
use asset_indexer::decode::withhold::withhold;
use asset_indexer::fact::{Entry, Fact, Reading, Role, Unreadable};
use asset_indexer::id::asset_id;
use asset_indexer::row::Time;
use asset_indexer::table::event::AssetEvent;

use crate::input::Input;
use crate::safe::{assert_round_trip, assert_storable};

/// Most topics that a node may give us; `rpc` refuses more.
const TOPICS_MAX: usize = 4;

pub(crate) static DECODER: LazyLock<Decoder> = LazyLock::new(|| Decoder::new(&[]));

/// An event's signature, first topic and number of topics.
type Known = (String, B256, usize);

/// The events of each role.
pub(crate) static EVENTS: LazyLock<BTreeMap<Role, Vec<Known>>> = LazyLock::new(|| {
    let events = |role: Role| {
        let known = DECODER.events_of(role).into_iter();
        known.map(|(signature, topics)| (signature.clone(), keccak256(signature), topics)).collect()
    };
    Role::ALL.into_iter().map(|role| (role, events(role))).collect()
});

/// First topic and number of topics that two bytes choose.
pub(crate) fn shape(role: Role, event: u8, count: u8, raw: impl FnOnce() -> B256) -> (B256, usize) {
    let known = &EVENTS[&role];
    let chosen = usize::from(event).checked_sub(1).map(|place| &known[place % known.len()]);
    let topic0 = chosen.map_or_else(raw, |(_, topic0, _)| *topic0);
    let count = match (count, chosen) {
        (255, Some((_, _, own))) => *own,
        (count, _) => usize::from(count % 6),
    };
    (topic0, count)
}

fn log(bytes: &[u8]) -> (Role, RawLog) {
    let mut input = Input::new(bytes);
    let role = Role::ALL[usize::from(input.byte()) % Role::ALL.len()];
    let (event, count) = (input.byte(), input.byte());
    let (topic0, count) = shape(role, event, count, || input.word());
    let mut topics = vec![topic0];
    topics.extend((1..count).map(|_| input.word()));
    topics.truncate(count);
    let log = RawLog {
        block: BlockId { number: 77, hash: B256::repeat_byte(7) },
        log_index: 3,
        transaction_hash: B256::repeat_byte(8),
        transaction_index: 1,
        address: Address::repeat_byte(9),
        topics,
        data: input.rest().to_vec().into(),
        timestamp: Some(1_700_000_000),
        withheld: None,
    };
    (role, log)
}

/// Reads a log: the same way twice, losing nothing, into what PostgreSQL takes; numbers and addresses of the fact are
/// those of the JSON, which another decoder read.
pub fn decode(bytes: &[u8]) {
    let (role, log) = log(bytes);
    if role == Role::Identity {
        withheld(&log);
    }
    read(role, log);
}

/// What is left of a claim is read as the claim was, and how it was come to makes no difference.
fn withheld(log: &RawLog) {
    let end = |_: U256, data: &Bytes| data.get(32..40).map(|_| 1_900_000_000);
    let left = |log: &RawLog, how: Withheld| withhold(log, |_| Some(how), end);
    let is_read = |log: &RawLog| matches!(DECODER.read(Role::Identity, log), Reading::Event { .. });
    for how in Withheld::ALL {
        let Some(left) = left(log, how) else { continue };
        assert_eq!(is_read(&left), is_read(log), "{how:?}");
        assert_eq!(withhold(&left, |_| Some(how), end), None, "{how:?} twice");
        read(Role::Identity, left);
    }
    if let Some(digest) = left(log, Withheld::Digest) {
        let dropped = match digest.withheld {
            // Its signature is none.
            Some(Withheld::Drop) => Some(digest),
            _ => left(&digest, Withheld::Drop),
        };
        assert_eq!(dropped, left(log, Withheld::Drop), "a digest that is dropped");
    }
}

fn read(role: Role, log: RawLog) {
    let reading = DECODER.read(role, &log);
    assert_eq!(reading, DECODER.read(role, &log), "the same log read twice");
    match &reading {
        Reading::Event { name, data, fact } => {
            assert!(!name.is_empty());
            assert_agree(fact, &data.value());
        }
        Reading::Unreadable(why) => {
            assert_eq!(*why == Unreadable::Anonymous, log.topics.is_empty());
            let topic0 = log.topics.first();
            let known = EVENTS[&role].iter().any(|(_, selector, _)| Some(selector) == topic0);
            assert_eq!(*why == Unreadable::UnknownEvent, topic0.is_some() && !known);
        }
    }
    let asset_id = role.is_token().then(|| asset_id(1, log.address));
    let time = Time::from_seconds(log.timestamp.unwrap_or_default());
    let entry = Entry { log, time, role, asset_id, reading };
    let event = AssetEvent::of(1, &entry);
    if entry.log.topics.len() <= TOPICS_MAX {
        assert_eq!(event.log(), entry.log, "the log comes back from its row");
    }
    assert_eq!(event.event_type.is_some(), event.unreadable.is_none());
    assert_round_trip(&event);
    assert_storable(
        <AssetEvent as asset_indexer::row::Table>::DEF,
        &asset_indexer::row::Table::to_row(&event),
    );
}

/// What our bindings read must be what the dynamic decoder shows.
fn assert_agree(fact: &Fact, data: &serde_json::Value) {
    let address = |name: &str, value: &Address| {
        assert_eq!(data[name], hex::encode_prefixed(value), "{name} of {data}");
    };
    match fact {
        Fact::Transferred { from, to, amount } => {
            address("from", from);
            address("to", to);
            assert_eq!(data["value"], Amount::from(*amount).to_string());
        }
        Fact::WalletFrozen { wallet, frozen, by } => {
            address("userAddress", wallet);
            address("owner", by);
            assert_eq!(data["isFrozen"], *frozen);
        }
        Fact::AmountFrozen { wallet, amount } | Fact::AmountUnfrozen { wallet, amount } => {
            address("userAddress", wallet);
            assert_eq!(data["amount"], amount.to_string());
        }
        Fact::InformationUpdated { decimals, version, onchain_id } => {
            assert!(!version.contains('\0'));
            address("newOnchainID", onchain_id);
            assert_eq!(data["newDecimals"], *decimals);
        }
        Fact::CountryModified { wallet, country } => {
            address("investorAddress", wallet);
            assert_eq!(data["country"], *country);
        }
        Fact::IssuerTrusted { issuer, topics } => {
            address("trustedIssuer", issuer);
            let shown = data["claimTopics"].as_array().expect("an array");
            assert_eq!(shown.len(), topics.len().min(1024));
            assert!(shown.iter().zip(topics).all(|(shown, topic)| *shown == topic.to_string()));
        }
        Fact::KeySet { key, purpose, key_type, .. } => {
            assert_eq!(data["key"], hex::encode_prefixed(key));
            assert_eq!(data["purpose"], purpose.to_string());
            assert_eq!(data["keyType"], key_type.to_string());
        }
        Fact::ClaimSet(claim) => {
            address("issuer", &claim.issuer);
            assert_eq!(data["topic"], claim.topic.to_string());
            assert_eq!(data["claimId"], hex::encode_prefixed(claim.claim_id));
        }
        _ => {}
    }
}
