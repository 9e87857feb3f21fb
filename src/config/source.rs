//! The sources beside the file: the environment, and the arguments of the command line.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use super::error::{ConfigError, Origin};
use super::key::{self, CONTRACT, Key, LISTS, PREFIX, SHARED_VARIABLES};
use super::nearest::hint;
use super::raw::{Entry, Raw};
use super::value::{Value, Written};

/// Names the configuration file where `--config` does not.
pub(super) const FILE_VARIABLE: &str = "ASSET_INDEXER_CONFIG";

/// The environment variables that concern us.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Self {
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))).collect()
    }

    /// The configuration file it names.
    pub(super) fn file(&self) -> Option<&OsString> {
        self.0.get(FILE_VARIABLE).filter(|file| !file.is_empty())
    }

    /// Adds what the environment sets: first our variables, then those that programs share.
    pub(super) fn apply(&self, raw: &mut Raw) {
        for (name, value) in self.0.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
            match key::ALL.into_iter().find(|key| key.variable() == *name) {
                Some(key) => set(raw, name, key, value),
                None => raw.refuse(Origin::Environment { variable: name.clone() }, "", unknown(name)),
            }
        }
        for (name, key) in SHARED_VARIABLES {
            if let Some(value) = self.0.get(name) {
                set(raw, name, key, value);
            }
        }
    }
}

impl<N: Into<String>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let ours = |name: &str| {
            name == FILE_VARIABLE
                || name.starts_with(PREFIX)
                || SHARED_VARIABLES.iter().any(|(shared, _)| *shared == name)
        };
        let named = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(named.filter(|(name, _)| ours(name)).collect())
    }
}

/// Names only: values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// An empty variable is a mistake: an empty DATABASE_URL must not start a private database in silence.
fn set(raw: &mut Raw, name: &str, key: Key, value: &OsString) {
    let origin = Origin::Environment { variable: name.to_owned() };
    match value.to_str() {
        None => raw.refuse(origin, key.path(), "is not UTF-8 text"),
        Some(text) if text.trim().is_empty() => {
            raw.refuse(origin, key.path(), "is set but empty: give it a value, or unset it");
        }
        Some(text) => raw.put(key, Written { value: Value::Untyped(text.to_owned()), origin }),
    }
}

fn unknown(name: &str) -> String {
    let section = name.strip_prefix(PREFIX).and_then(|rest| rest.split("__").next()).unwrap_or_default();
    if LISTS.iter().any(|list| list.name.to_uppercase() == section) {
        return "unknown variable: lists are written in the file (contracts also with --contract)".to_owned();
    }
    let known: Vec<String> = key::ALL.into_iter().map(Key::variable).collect();
    match hint(name, known.iter().map(String::as_str)).as_str() {
        "" => {
            format!("unknown variable: they are {PREFIX}SECTION__KEY, such as {}", key::TIMEOUT_MS.variable())
        }
        near => format!("unknown variable{near}"),
    }
}

/// What the command line sets; wins over every other source.
#[derive(Clone, Default)]
pub struct Overrides {
    /// `--rpc`: the node's URL.
    pub rpc: Option<String>,
    /// `--contract`: `ROLE=ADDRESS` or `ROLE=ADDRESS@START_BLOCK`, added to the file's contracts; replaces
    /// the file's entry of the same address.
    pub contracts: Vec<String>,
    /// `--database-url`.
    pub database_url: Option<String>,
    /// `--partial`: every contract may start above its first event.
    pub partial: bool,
    /// `--listen`: address and port, or `off`.
    pub listen: Option<String>,
    /// `--log-format`.
    pub log_format: Option<String>,
}

impl Overrides {
    pub(super) fn apply(&self, raw: &mut Raw) {
        let flags = [
            ("--rpc", key::RPC_URL, &self.rpc),
            ("--database-url", key::DATABASE_URL, &self.database_url),
            ("--listen", key::LISTEN, &self.listen),
            ("--log-format", key::LOG_FORMAT, &self.log_format),
        ];
        for (flag, key, value) in flags {
            if let Some(text) = value {
                let origin = Origin::Flag { flag };
                raw.put(key, Written { value: Value::Untyped(text.clone()), origin });
            }
        }
        for text in &self.contracts {
            contract(raw, text);
        }
        raw.partial = self.partial;
    }
}

/// The URLs may carry keys: only whether they are given is shown.
impl fmt::Debug for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rpc, contracts, database_url, partial, listen, log_format } = self;
        let given = |url: &Option<String>| url.as_ref().map(|_| super::value::REDACTED);
        f.debug_struct("Overrides")
            .field("rpc", &given(rpc))
            .field("contracts", contracts)
            .field("database_url", &given(database_url))
            .field("partial", partial)
            .field("listen", listen)
            .field("log_format", log_format)
            .finish()
    }
}

/// `ROLE=ADDRESS` or `ROLE=ADDRESS@START_BLOCK`.
fn contract(raw: &mut Raw, text: &str) {
    let origin = Origin::Flag { flag: "--contract" };
    let written =
        |text: &str| Written { value: Value::Untyped(text.trim().to_owned()), origin: origin.clone() };
    // A URL is shown by none of its parts.
    let Some((role, place)) = text.split_once('=').filter(|_| !text.contains("://")) else {
        raw.errors.push(ConfigError {
            origin: origin.clone(),
            key: CONTRACT.name.to_owned(),
            value: Some(written(text).shown()),
            rule: "must be ROLE=ADDRESS or ROLE=ADDRESS@START_BLOCK, such as trex_factory=0x…@18000000"
                .to_owned(),
        });
        return;
    };
    let (address, start_block) = match place.split_once('@') {
        Some((address, start_block)) => (address, Some(start_block)),
        None => (place, None),
    };
    let mut keys = BTreeMap::from([("role", written(role)), ("address", written(address))]);
    keys.extend(start_block.map(|start_block| ("start_block", written(start_block))));
    raw.add(CONTRACT, Entry { origin, keys });
}
