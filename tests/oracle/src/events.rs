//! How a log is read: by its contract's role, its first topic and how many topics it has.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use alloy::primitives::hex::encode_prefixed;
use alloy::primitives::{Address, B256, U256, keccak256};
use serde_json::{Map, Value};

use crate::input::Log;
use crate::row::{hex, number};
use crate::signatures;
use crate::words::{Datum, LONG, SHOWN_BYTES, SHOWN_ELEMENTS, Type, in_word, text, value};

/// An event's declaration, taken apart.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) name: &'static str,
    pub(crate) digest: B256,
    pub(crate) parameters: Vec<Parameter>,
}

#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: Type,
    pub(crate) indexed: bool,
}

impl Declaration {
    /// From `Name(type indexed name, type name)`.
    fn parse(text: &'static str) -> Self {
        let (name, rest) = text.split_once('(').expect("a parenthesis");
        let rest = rest.strip_suffix(')').expect("its end");
        let mut parts = Vec::new();
        let (mut depth, mut start) = (0, 0);
        for (at, letter) in rest.char_indices() {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                ',' if depth == 0 => {
                    parts.push(&rest[start..at]);
                    start = at + 1;
                }
                _ => {}
            }
        }
        parts.push(&rest[start..]);
        let mut types = Vec::new();
        let mut parameters = Vec::new();
        for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
            let words: Vec<_> = part.split_whitespace().collect();
            types.push(words[0]);
            parameters.push(Parameter {
                name: words[words.len() - 1],
                kind: Type::parse(words[0]),
                indexed: words.len() == 3,
            });
        }
        Self { name, digest: keccak256(format!("{name}({})", types.join(","))), parameters }
    }

    fn topics(&self) -> usize {
        1 + self.parameters.iter().filter(|parameter| parameter.indexed).count()
    }

    /// The parameters' values, where the log holds them all.
    fn values(&self, log: &Log) -> Option<Vec<(&'static str, Datum)>> {
        let mut topics = log.topics[1..].iter();
        let mut head = 0;
        let mut values = Vec::new();
        for parameter in &self.parameters {
            let datum = if parameter.indexed {
                let topic = topics.next()?.0;
                if parameter.kind.is_dynamic() {
                    Datum::Hex(topic.to_vec())
                } else {
                    in_word(&parameter.kind, topic)?
                }
            } else {
                head += 32;
                value(&parameter.kind, &log.data, head - 32)?
            };
            values.push((parameter.name, datum));
        }
        Some(values)
    }
}

/// A log that could be read.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Its name.
    pub(crate) name: &'static str,
    values: Vec<(&'static str, Datum)>,
}

/// Reads a log of a contract of a role; none where no event of the role fits.
pub(crate) fn read(role: &str, log: &Log) -> Option<Event> {
    let first = log.topics.first()?;
    let mut fitting = declarations(role)
        .iter()
        .filter(|declared| declared.digest == *first && declared.topics() == log.topics.len());
    fitting.find_map(|declared| Some(Event { name: declared.name, values: declared.values(log)? }))
}

/// All events of a role.
pub(crate) fn declarations(role: &str) -> &'static [Declaration] {
    static BY_ROLE: OnceLock<BTreeMap<&'static str, Vec<Declaration>>> = OnceLock::new();
    let by_role = BY_ROLE.get_or_init(|| {
        let parsed =
            |role| signatures::of_role(role).iter().copied().flatten().map(|it| Declaration::parse(it));
        signatures::ROLES.iter().map(|role| (*role, parsed(role).collect())).collect()
    });
    by_role.get(role).unwrap_or_else(|| panic!("no role of ours: {role}"))
}

impl Event {
    fn get(&self, name: &str) -> Option<&Datum> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, datum)| datum)
    }

    /// The value of an address parameter.
    pub(crate) fn address(&self, name: &str) -> Address {
        match self.get(name) {
            Some(Datum::Address(address)) => *address,
            other => panic!("{}.{name} is no address: {other:?}", self.name),
        }
    }

    /// The value of a parameter that is a number of any width.
    pub(crate) fn number(&self, name: &str) -> U256 {
        match self.get(name) {
            Some(Datum::Wide(number)) => *number,
            Some(Datum::Small(number)) => U256::from(*number),
            other => panic!("{}.{name} is no number: {other:?}", self.name),
        }
    }

    /// The value of a boolean parameter.
    pub(crate) fn flag(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Datum::Bool(flag)) => *flag,
            other => panic!("{}.{name} is no boolean: {other:?}", self.name),
        }
    }

    /// The bytes of a parameter that holds bytes, or the digest that stands for it.
    pub(crate) fn bytes(&self, name: &str) -> &[u8] {
        match self.get(name) {
            Some(Datum::Hex(bytes)) => bytes,
            other => panic!("{}.{name} holds no bytes: {other:?}", self.name),
        }
    }

    /// The 32 bytes of a parameter.
    pub(crate) fn hash(&self, name: &str) -> B256 {
        B256::from_slice(self.bytes(name))
    }

    /// The text of a parameter, where it was logged as text and not as a digest.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match self.get(name) {
            Some(Datum::Text(bytes)) => Some(text(bytes, LONG)),
            _ => None,
        }
    }

    /// The text of a parameter with U+FFFD for what is not UTF-8, as `event_data` shows it.
    pub(crate) fn shown_text(&self, name: &str, most: usize) -> Value {
        match self.get(name) {
            Some(Datum::Text(bytes)) => shown(bytes, most),
            other => panic!("{}.{name} is no text: {other:?}", self.name),
        }
    }

    /// The numbers of a parameter that is a list of them.
    pub(crate) fn numbers(&self, name: &str) -> Vec<U256> {
        let Some(Datum::List(items)) = self.get(name) else {
            panic!("{}.{name} is no list", self.name);
        };
        items
            .iter()
            .map(|item| match item {
                Datum::Wide(number) => *number,
                other => panic!("{}.{name} holds {other:?}", self.name),
            })
            .collect()
    }

    /// All parameters by name, as `asset_events.event_data` shows them: without the underscore that Solidity's authors
    /// begin names with.
    pub(crate) fn to_json(&self) -> Value {
        let shown = |name: &str| name.trim_start_matches('_').to_owned();
        Value::Object(
            self.values.iter().map(|(name, datum)| (shown(name), json(datum))).collect::<Map<_, _>>(),
        )
    }
}

fn json(datum: &Datum) -> Value {
    match datum {
        Datum::Address(address) => hex(address),
        Datum::Bool(flag) => Value::from(*flag),
        Datum::Wide(wide) => number(*wide),
        Datum::Small(small) => Value::from(*small),
        Datum::Hex(bytes) if bytes.len() > SHOWN_BYTES => {
            Value::from(format!("{}…", encode_prefixed(&bytes[..SHOWN_BYTES])))
        }
        Datum::Hex(bytes) => hex(bytes),
        Datum::Text(bytes) => shown(bytes, LONG),
        Datum::List(items) => items.iter().take(SHOWN_ELEMENTS).map(json).collect(),
    }
}

fn shown(bytes: &[u8], most: usize) -> Value {
    Value::from(text(String::from_utf8_lossy(bytes).as_bytes(), most))
}
