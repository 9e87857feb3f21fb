//! The lists: contracts, ABI files and claim topics.

use std::collections::BTreeMap;
use std::path::Path;

use alloy::json_abi::JsonAbi;
use alloy::primitives::{Address, U256, keccak256};

use super::effective::Effective;
use super::error::{ConfigError, Origin};
use super::key::{ABI, CLAIM_TOPIC, CONTRACT, List};
use super::nearest::hint;
use super::raw::{Entry, read_limited};
use super::value::{Value, Written, quoted};
use super::{BLOCK_MAX, WORD_MAX};
use crate::decode::parse_abi;
use crate::decode::withhold::{ClaimData, Withheld};
use crate::fact::Role;
use crate::sync::Contract;

/// Reads the entries of one list.
pub(super) struct Fields<'e> {
    pub(super) list: List,
    pub(super) errors: &'e mut Vec<ConfigError>,
}

impl Fields<'_> {
    fn required<T>(
        &mut self,
        entry: &Entry,
        name: &'static str,
        parse: impl FnOnce(&Written) -> Result<T, String>,
    ) -> Option<T> {
        if !entry.keys.contains_key(name) {
            let key = format!("{}.{name}", self.list.name);
            let rule = "is missing".to_owned();
            self.errors.push(ConfigError { origin: entry.origin.clone(), key, value: None, rule });
        }
        self.optional(entry, name, parse)
    }

    pub(super) fn optional<T>(
        &mut self,
        entry: &Entry,
        name: &'static str,
        parse: impl FnOnce(&Written) -> Result<T, String>,
    ) -> Option<T> {
        let written = entry.keys.get(name)?;
        parse(written).map_err(|rule| self.refuse(entry, name, rule)).ok()
    }

    fn refuse(&mut self, entry: &Entry, name: &'static str, rule: String) {
        let Some(written) = entry.keys.get(name) else { return };
        let key = format!("{}.{name}", self.list.name);
        let (origin, value) = (written.origin.clone(), Some(written.shown()));
        self.errors.push(ConfigError { origin, key, value, rule });
    }
}

/// The contracts to start from: the file's, then the command line's. An argument replaces the file's entry of
/// the same address; twice in one source is a mistake.
pub(super) fn contracts(
    entries: &[Entry],
    partial: bool,
    floor_block: u64,
    effective: &mut Effective,
    errors: &mut Vec<ConfigError>,
) -> Vec<Contract> {
    let mut fields = Fields { list: CONTRACT, errors };
    let mut found: Vec<(Contract, &Origin)> = Vec::new();
    for entry in entries {
        let role = fields.required(entry, "role", role);
        let address = fields.required(entry, "address", address);
        let start_block =
            fields.optional(entry, "start_block", |written| match written.number("", 0, BLOCK_MAX)? {
                start if start < floor_block => Err(format!(
                    "must not lie below chain.floor_block ({floor_block}), where nothing is looked for"
                )),
                start => Ok(start),
            });
        let own = fields.optional(entry, "partial", Written::boolean).unwrap_or_default();
        let (Some(role), Some(address)) = (role, address) else { continue };
        let contract = Contract { role, address, start_block, partial: own || partial };
        match found.iter_mut().find(|(other, _)| other.address == address) {
            None => found.push((contract, &entry.origin)),
            Some((other, at)) if at.rank() < entry.origin.rank() => (*other, *at) = (contract, &entry.origin),
            Some((_, at)) => {
                let rule = format!("is configured already ({at})");
                fields.refuse(entry, "address", rule);
            }
        }
    }
    for (contract, origin) in &found {
        let mut values = vec![("role", quoted(contract.role.name())), ("address", quoted(contract.address))];
        values.extend(contract.start_block.map(|start| ("start_block", start.to_string())));
        values.push(("partial", contract.partial.to_string()));
        let searched = if contract.start_block.is_none() { "; start_block: found on the chain" } else { "" };
        effective.entry(CONTRACT, format!("{origin}{searched}"), values);
    }
    found.into_iter().map(|(contract, _)| contract).collect()
}

/// Extra events, by role.
pub(super) fn abis(
    entries: &[Entry],
    effective: &mut Effective,
    errors: &mut Vec<ConfigError>,
) -> Vec<(Role, JsonAbi)> {
    let mut fields = Fields { list: ABI, errors };
    let mut found: Vec<(Role, std::path::PathBuf, &Origin)> = Vec::new();
    let mut abis = Vec::new();
    for entry in entries {
        let role = fields.required(entry, "role", role);
        let file = fields.required(entry, "file", |written| {
            let path = written.path()?;
            Ok((abi_file(&path)?, path))
        });
        let (Some(role), Some((abi, path))) = (role, file) else { continue };
        if let Some((_, _, at)) = found.iter().find(|(of, file, _)| *of == role && *file == path) {
            let rule = format!("is configured already for this role ({at})");
            fields.refuse(entry, "file", rule);
            continue;
        }
        let values = vec![("role", quoted(role.name())), ("file", quoted(path.display()))];
        effective.entry(ABI, entry.origin.to_string(), values);
        found.push((role, path, &entry.origin));
        abis.push((role, abi));
    }
    abis
}

/// Of claim topics: which word of the data says when a claim ends, and what of it is kept.
pub(super) fn claim_topics(
    entries: &[Entry],
    effective: &mut Effective,
    errors: &mut Vec<ConfigError>,
) -> (BTreeMap<U256, usize>, ClaimData) {
    let mut fields = Fields { list: CLAIM_TOPIC, errors };
    let mut found: BTreeMap<Option<U256>, &Origin> = BTreeMap::new();
    let (mut expiry, mut kept) = (BTreeMap::new(), ClaimData::default());
    for entry in entries {
        let topic = fields.required(entry, "topic", topic_or_all);
        let is_whole = ["expires_at_word", "data"].iter().any(|name| entry.keys.contains_key(*name));
        if !is_whole {
            fields.refuse(entry, "topic", "has neither expires_at_word nor data beside it".to_owned());
        }
        let word = fields.optional(entry, "expires_at_word", |written| written.number("words", 0, WORD_MAX));
        let data = fields.optional(entry, "data", data_kept);
        let Some(topic) = topic.filter(|_| is_whole) else { continue };
        if let Some(at) = found.get(&topic) {
            fields.refuse(entry, "topic", format!("is configured already ({at})"));
            continue;
        }
        if topic.is_none() && word.is_some() {
            let rule = "says of one topic when its claims end; topic = \"*\" is for data alone".to_owned();
            fields.refuse(entry, "expires_at_word", rule);
            continue;
        }
        let mut values = vec![(
            "topic",
            quoted(topic.map_or_else(|| ALL_TOPICS.to_owned(), |topic| format!("{topic:#x}"))),
        )];
        values.extend(word.map(|word| ("expires_at_word", word.to_string())));
        values.extend(data.map(|data| ("data", quoted(data.map_or(KEEP, Withheld::name)))));
        effective.entry(CLAIM_TOPIC, entry.origin.to_string(), values);
        found.insert(topic, &entry.origin);
        match (topic, data) {
            (Some(topic), Some(data)) => _ = kept.topics.insert(topic, data),
            (None, Some(data)) => kept.others = data,
            (_, None) => {}
        }
        if let (Some(topic), Some(word)) = (topic, word) {
            expiry.insert(topic, usize::try_from(word).unwrap_or(usize::MAX));
        }
    }
    (expiry, kept)
}

/// What stands for every topic that has no entry of its own.
const ALL_TOPICS: &str = "*";

/// Nothing is withheld.
const KEEP: &str = "keep";

/// A topic; `None` for all that have no `data` of their own.
fn topic_or_all(written: &Written) -> Result<Option<U256>, String> {
    match written.text() {
        Ok(text) if text.trim() == ALL_TOPICS => Ok(None),
        _ => topic(written).map(Some),
    }
}

fn data_kept(written: &Written) -> Result<Option<Withheld>, String> {
    let word = written.text()?.trim();
    if word == KEEP {
        return Ok(None);
    }
    Withheld::from_name(word).map(Some).ok_or_else(|| {
        let names = std::iter::once(KEEP).chain(Withheld::ALL.map(Withheld::name));
        let listed: Vec<&str> = names.clone().collect();
        format!("unknown word{} (words: {})", hint(word, names), listed.join(", "))
    })
}

fn role(written: &Written) -> Result<Role, String> {
    let name = written.text()?.trim();
    Role::from_name(name).ok_or_else(|| {
        let names = Role::ALL.into_iter().map(Role::name);
        let listed: Vec<&str> = names.clone().collect();
        format!("unknown role{} (roles: {})", hint(name, names), listed.join(", "))
    })
}

/// An address; mixed case is a checksum, and must be right.
fn address(written: &Written) -> Result<Address, String> {
    let text = written.text()?.trim();
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 40);
    let Some(digits) = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit())) else {
        return Err("must be an address: 0x and 40 hexadecimal digits".to_owned());
    };
    let is_mixed = digits.bytes().any(|digit| digit.is_ascii_uppercase())
        && digits.bytes().any(|digit| digit.is_ascii_lowercase());
    let address = if is_mixed {
        Address::parse_checksummed(text, None).map_err(|_| {
            "the checksum of its upper and lower case (EIP-55) is wrong: a digit is mistyped; copy the address again"
        })?
    } else {
        text.parse().map_err(|_| "must be an address")?
    };
    if address.is_zero() {
        return Err("must not be the zero address".to_owned());
    }
    Ok(address)
}

fn abi_file(path: &Path) -> Result<JsonAbi, String> {
    let text = read_limited(path).map_err(|reason| format!("ABI file {} {reason}", path.display()))?;
    parse_abi(&path.display().to_string(), &text).map_err(|error| error.to_string())
}

/// A number, decimal or after `0x`; or a name, whose keccak-256 is the topic, as contracts write
/// `uint256(keccak256("NAME"))`.
fn topic(written: &Written) -> Result<U256, String> {
    let number = match &written.value {
        Value::Integer { digits, radix } => U256::from_str_radix(digits, u64::from(*radix)).ok(),
        Value::String(text) | Value::Untyped(text) => match text.trim() {
            name if name.starts_with(|first: char| first.is_ascii_alphabetic()) => {
                Some(U256::from_be_bytes(keccak256(name).0))
            }
            text => match text.strip_prefix("0x") {
                Some("") => None,
                Some(digits) => U256::from_str_radix(digits, 16).ok(),
                None if text.is_empty() => None,
                None => U256::from_str_radix(text, 10).ok(),
            },
        },
        Value::Boolean(_) | Value::Other(_) => None,
    };
    number.ok_or_else(|| {
        "must be a claim topic: a number of up to 256 bits, decimal or after 0x, or a name that begins with a letter \
         (the topic is its keccak-256)"
            .to_owned()
    })
}
