//! Decoding: a contract's role and a raw log become an event by name and the fact it means. Pure.
//!
//! Decides by (role, first topic, number of topics), never by the first topic alone: the same one is an ERC-20
//! transfer with three topics and an ERC-721 transfer with four, and roles give one signature different meanings.
//!
//! Knows ABIs and facts. Knows no tables, no SQL, no network.
//!
//! Invariant: any bytes give a [`Reading`]; nothing a contract logs is an error of ours.

pub mod calls;
pub mod claim;
mod documents;
mod erc20;
mod json;
mod onchainid;
pub mod text;
mod trex_factory;
mod trex_module;
mod trex_registry;
mod trex_token;
pub mod withhold;

use std::collections::HashMap;

use alloy::dyn_abi::{DynSolEvent, Specifier};
use alloy::json_abi::{Event, JsonAbi};
use alloy::primitives::B256;
use serde_json::{Map, Value};

use crate::block::RawLog;
use crate::fact::{Fact, Reading, Role, Unreadable};
use crate::json::Json;
use crate::mutant::{Mutant, is};

/// An ABI file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "ABI file {file} is not a JSON ABI (a list of entries with \"type\", \"name\", \"inputs\"): {reason}"
)]
pub struct AbiError {
    /// The file.
    pub file: String,
    /// What is wrong, and where in the file.
    pub reason: String,
}

/// Parses a JSON ABI; `file` names it in errors.
///
/// # Errors
/// [`AbiError`] when the text is no JSON ABI or declares no event.
pub fn parse_abi(file: &str, text: &str) -> Result<JsonAbi, AbiError> {
    let error = |reason: String| AbiError { file: file.to_owned(), reason: shortened(reason) };
    let abi: JsonAbi = serde_json::from_str(text).map_err(|e| error(e.to_string()))?;
    if abi.events.is_empty() {
        return Err(error("it declares no event".to_owned()));
    }
    Ok(abi)
}

/// A parser's words, which quote the file; the place stands at their end.
fn shortened(reason: String) -> String {
    const SHOWN_MAX: usize = 400;
    const END: usize = 100;
    if reason.len() <= SHOWN_MAX {
        return reason;
    }
    let (start, end) =
        (reason.floor_char_boundary(SHOWN_MAX - END), reason.ceil_char_boundary(reason.len() - END));
    format!("{} … {}", &reason[..start], &reason[end..])
}

macro_rules! abi_files {
    ($($role:ident: $($file:literal),+;)+) => {
        fn own_abis() -> Vec<(Role, &'static str, &'static str)> {
            vec![$($((Role::$role, $file, include_str!(concat!("../../abi/", $file))),)+)+]
        }
    };
}

abi_files! {
    Erc20: "erc20.json", "erc1643.json", "erc4906.json";
    TrexToken: "trex/token.json", "trex/legacy_token.json", "erc1643.json", "erc4906.json";
    IdentityRegistry: "trex/identity_registry.json";
    IdentityRegistryStorage: "trex/identity_registry_storage.json";
    TrustedIssuersRegistry: "trex/trusted_issuers_registry.json";
    ClaimTopicsRegistry: "trex/claim_topics_registry.json";
    Compliance: "trex/compliance.json", "trex/legacy_compliance.json";
    ComplianceModule: "trex/modules.json";
    TrexFactory: "trex/factory.json";
    TrexGateway: "trex/gateway.json";
    TrexImplementationAuthority: "trex/implementation_authority.json";
    DvdManager: "trex/dvd_manager.json";
    DvaManager: "trex/dva_manager.json";
    RoleManager: "trex/role_manager.json";
    IdFactory: "onchainid/factory.json";
    IdGateway: "onchainid/gateway.json";
    IdImplementationAuthority: "onchainid/implementation_authority.json";
    Identity: "onchainid/identity.json";
}

/// What decides how a log is read.
type Shape = (Role, B256, usize);

/// Every known event, by role, first topic and number of topics.
#[derive(Debug)]
pub struct Decoder {
    events: HashMap<Shape, Known>,
}

/// An event, and what reading one of its logs takes: found out once, not for every log.
#[derive(Debug)]
struct Known {
    event: Event,
    /// None where a type of an operator's ABI cannot be resolved: its logs cannot be read.
    types: Option<DynSolEvent>,
    /// What its parameters are called in [`Reading::Event`], in their order.
    names: Vec<String>,
    /// Whether its signature is one of our ABIs' for the role. An operator's event is recorded, whatever it is called: the
    /// ERC-223 transfer has the name of the ERC-20 one and is another event.
    has_meaning: bool,
    /// Whether an operator's ABI brought it.
    is_added: bool,
}

/// An event that an operator's ABI adds to a role, as far as reading its logs depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedEvent {
    /// The role.
    pub role: Role,
    /// `name(types)`.
    pub signature: String,
    /// How many topics its logs have.
    pub topics: usize,
    /// The signature with what is indexed, and with the names that parameters have in [`Reading::Event`].
    pub declaration: String,
}

impl Known {
    fn new(event: Event, has_meaning: bool, is_added: bool) -> Self {
        let mut names: Vec<String> = Vec::with_capacity(event.inputs.len());
        for (place, input) in event.inputs.iter().enumerate() {
            let mut name = match input.name.trim_start_matches('_') {
                "" => format!("parameter{place}"),
                name => name.to_owned(),
            };
            // `_amount` beside `amount`: neither may hide the other.
            while names.contains(&name) {
                name.push('_');
            }
            names.push(name);
        }
        Self { types: event.resolve().ok(), names, event, has_meaning, is_added }
    }

    fn declaration(&self) -> String {
        let parameters = self.event.inputs.iter().zip(&self.names).map(|(input, name)| {
            let indexed = if input.indexed { " indexed" } else { "" };
            format!("{}{indexed} {name}", input.selector_type())
        });
        format!("{}({})", self.event.name, parameters.collect::<Vec<_>>().join(", "))
    }

    /// The parameters by name; `None` where topics or data do not fit.
    fn parameters(&self, log: &RawLog) -> Option<Json> {
        let decoded = self.types.as_ref()?.decode_log_parts(log.topics.iter().copied(), &log.data).ok()?;
        let (mut indexed, mut body) = (decoded.indexed.iter(), decoded.body.iter());
        let mut named = Map::new();
        for (input, name) in self.event.inputs.iter().zip(&self.names) {
            let value = if input.indexed { indexed.next() } else { body.next() }?;
            named.insert(name.clone(), json::parameter(value)?);
        }
        if let Some(how) = log.withheld {
            named.insert("withheld".to_owned(), how.name().into());
        }
        Some(Value::Object(named).into())
    }
}

impl Decoder {
    /// The decoder of our own ABIs, and of extra events that operators add to a role (recorded, without meaning).
    ///
    /// Where an extra event has the shape of one of ours, ours stands. One that has the signature of one of ours that changes
    /// tables, and indexes other parameters, stays unreadable: it speaks of the same thing in a way that is not understood.
    pub fn new(extra: &[(Role, JsonAbi)]) -> Self {
        let mut events: HashMap<Shape, Known> = HashMap::new();
        let own = own_abis().into_iter().map(|(role, file, text)| {
            (role, parse_abi(file, text).expect("our own ABI files are parsed by a test"), true)
        });
        let extra = extra.iter().map(|(role, abi)| (*role, abi.clone(), false));
        for (role, abi, is_ours) in own.chain(extra) {
            for event in abi.events.into_values().flatten().filter(|event| !event.anonymous) {
                let selector = event.selector();
                let topics = 1 + event.inputs.iter().filter(|input| input.indexed).count();
                let mut of_signature = (1..=4).filter_map(|topics| events.get(&(role, selector, topics)));
                let has_meaning = is_ours || of_signature.any(|known| known.has_meaning);
                events
                    .entry((role, selector, topics))
                    .or_insert_with(|| Known::new(event, has_meaning, !is_ours));
            }
        }
        Self { events }
    }

    /// Reads a log in the role of the contract that emitted it.
    pub fn read(&self, role: Role, log: &RawLog) -> Reading {
        let Some(topic0) = log.topics.first() else {
            return Reading::Unreadable(Unreadable::Anonymous);
        };
        let mut topics = log.topics.len();
        if is(Mutant::TopicConfusion) {
            topics =
                (1..=4).find(|count| self.events.contains_key(&(role, *topic0, *count))).unwrap_or(topics);
        }
        let Some(known) = self.events.get(&(role, *topic0, topics)) else {
            let known = (1..=4).any(|topics| self.events.contains_key(&(role, *topic0, topics)));
            return Reading::Unreadable(if known {
                Unreadable::OtherTopicCount
            } else {
                Unreadable::UnknownEvent
            });
        };
        let name = &known.event.name;
        let fact = if known.has_meaning { fact(role, name, log) } else { Some(Fact::Recorded) };
        let Some((data, fact)) = known.parameters(log).zip(fact) else {
            return Reading::Unreadable(Unreadable::Malformed);
        };
        Reading::Event { name: name.clone(), data, fact }
    }

    /// What operators' ABIs add to ours, in no order: an event of which one of ours, or one of a file before, has the shape is
    /// none of it.
    pub fn added(&self) -> impl Iterator<Item = AddedEvent> {
        let added = self.events.iter().filter(|(_, known)| known.is_added);
        added.map(|((role, _, topics), known)| AddedEvent {
            role: *role,
            signature: known.event.signature(),
            topics: *topics,
            declaration: known.declaration(),
        })
    }

    /// Every event known for a role, as `name(types)` with the number of topics; for documentation and tests.
    pub fn events_of(&self, role: Role) -> Vec<(String, usize)> {
        let mut known: Vec<_> = self
            .events
            .iter()
            .filter(|((of, _, _), _)| *of == role)
            .map(|((_, _, topics), known)| (known.event.signature(), *topics))
            .collect();
        known.sort();
        known
    }
}

/// What an event means; `None` where its bytes do not fit.
fn fact(role: Role, event: &str, log: &RawLog) -> Option<Fact> {
    match role {
        Role::Erc20 => erc20::fact(event, log),
        Role::TrexToken => trex_token::fact(event, log),
        Role::IdentityRegistry
        | Role::IdentityRegistryStorage
        | Role::TrustedIssuersRegistry
        | Role::ClaimTopicsRegistry
        | Role::Compliance => trex_registry::fact(role, event, log),
        Role::TrexFactory | Role::IdFactory => trex_factory::fact(role, event, log),
        Role::Identity => onchainid::fact(event, log),
        Role::ComplianceModule => trex_module::fact(event, log),
        Role::TrexGateway
        | Role::TrexImplementationAuthority
        | Role::DvdManager
        | Role::DvaManager
        | Role::RoleManager
        | Role::IdGateway
        | Role::IdImplementationAuthority => Some(Fact::Recorded),
    }
}

/// Decodes a log with a binding of ours.
fn bound<E: alloy::sol_types::SolEvent>(log: &RawLog) -> Option<E> {
    E::decode_raw_log(log.topics.iter().copied(), &log.data).ok()
}

#[cfg(test)]
mod tests;
