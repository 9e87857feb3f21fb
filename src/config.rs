//! The configuration: what was written becomes what is meant, or every mistake at once.
//!
//! # Sources
//! A later one wins: defaults, the file (`--config`, or `ASSET_INDEXER_CONFIG`),
//! `ASSET_INDEXER__SECTION__KEY` of the environment, the variables that programs share (`DATABASE_URL`,
//! `ADMIN_DATABASE_URL` and `RPC_URL`, each also with `_FILE`; `LOG_LEVEL` before `RUST_LOG`; `LOG_FORMAT`),
//! the command line. A key that no source knows is a mistake. What a later source replaces is not looked at.
//! A relative path in the file starts from the file's directory.
//!
//! Knows every key (`key`), and what the modules take; connects to nothing, prints nothing.
//!
//! Invariant: no error, no `Debug` and no rendering holds a URL's user, password, path or query.

mod chain;
mod database_url;
mod effective;
mod entries;
mod error;
mod key;
mod nearest;
mod provider;
mod raw;
mod reader;
mod source;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use alloy::json_abi::JsonAbi;
use alloy::primitives::U256;
use tracing_subscriber::EnvFilter;

pub use chain::Chain;
pub use database_url::{DatabaseUrl, DatabaseUrlError};
pub use error::{ConfigError, ConfigErrors, Origin};
pub use source::{Environment, Overrides};

use crate::decode::withhold::ClaimData;
use crate::fact::Role;
use crate::providers::{Budget, Rules};
use crate::rpc;
use crate::sync::{Contract, Looking, Proving};
use effective::Effective;
use nearest::hint;
use raw::Raw;
use reader::Reader;
use value::quoted;

/// Highest chain id and block number: the tables hold both as signed 64-bit integers.
const BLOCK_MAX: u64 = i64::MAX.unsigned_abs();
/// Highest finality depth; every block above finality has its undo rows.
const DEPTH_MAX: u64 = 100_000;
/// Highest word of a claim's data; 32 KiB are more than any claim we know.
const WORD_MAX: u64 = 1023;
/// Why a node's URL is refused that leads to where clouds keep the machine's own credentials.
const LINK_LOCAL: &str = "must not lead to a link-local or metadata address, where clouds hand out credentials; if the \
                          node is there, set rpc.allow_link_local = true";
/// The levels of logs, the quietest first.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is meant. Everything is checked; what is `None` was left out where that has a meaning of its own.
#[derive(Debug, Clone)]
pub struct Config {
    /// The chain.
    pub chain: Chain,
    /// The node of `[rpc]`; `None` when it has no URL.
    pub rpc: Option<rpc::Config>,
    /// All nodes in the order of preference: that of `[rpc]`, then those of `[[provider]]`. None when no URL is given, as
    /// commands that need no node allow.
    pub providers: Vec<Provider>,
    /// How several nodes are treated.
    pub rules: Rules,
    /// The database.
    pub database: Database,
    /// Completeness of logs.
    pub proof: Proof,
    /// How often and how much contracts are asked what the tables say of them.
    pub looking: Looking,
    /// Health, status and metrics.
    pub http: Http,
    /// Logs.
    pub log: Log,
    /// Where following starts: the file's contracts, then the command line's. May be empty.
    pub contracts: Vec<Contract>,
    /// Events beside our own ABIs, by the role whose contracts log them.
    pub abis: Vec<(Role, JsonAbi)>,
    /// For a claim topic: which 32-byte word of a claim's data says when it ends, counted from 0.
    pub claim_expiry: BTreeMap<U256, usize>,
    /// What of claims is kept from the tables, by topic.
    pub claim_data: ClaimData,
    effective: Effective,
}

/// A node and how much may be asked of it: `[rpc]` or an entry of `[[provider]]`.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Where it is, and how it is asked.
    pub rpc: rpc::Config,
    /// Most requests.
    pub budget: Budget,
}

/// `[database]`.
#[derive(Debug, Clone)]
pub struct Database {
    /// Where `run` writes; `None` for a private cluster.
    pub url: Option<DatabaseUrl>,
    /// The same database as its owner, for `migrate` and upkeep.
    pub admin_url: Option<DatabaseUrl>,
    /// Whether a server on another machine may be reached without being verified, where the URL says so.
    pub allow_unverified: bool,
    /// Whether the worker may write as a superuser, or as a role that row-level security does not bind.
    pub allow_superuser: bool,
    /// Where a private cluster lives; `None` for the account's state directory.
    pub state_dir: Option<PathBuf>,
    /// Directory of the programs of a private cluster; `None` to search for them.
    pub pg_bin: Option<PathBuf>,
}

impl Database {
    /// How to connect as the owner of the tables; `None` for a private cluster.
    pub fn owner_url(&self) -> Option<&DatabaseUrl> {
        self.admin_url.as_ref().or(self.url.as_ref())
    }
}

/// `[proof]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// When logs are proved complete.
    pub mode: Proving,
    /// Most blocks of one step of the sweep behind the checkpoint.
    pub sweep_blocks_max: u64,
    /// Most requests a second of that sweep; zero for as many as the node answers.
    pub requests_per_second: u64,
}

/// `[http]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http {
    /// Where to serve; `None` for nowhere.
    pub listen: Option<SocketAddr>,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// A level, or directives as `EnvFilter` reads them.
    pub level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// An object a line.
    Json,
    /// For people.
    Text,
}

impl Config {
    /// The configuration of this process. `file` is `--config`; without it the environment may name one.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigErrors> {
        Self::load_with(file, &Environment::of_process(), overrides)
    }

    /// The same with an environment that is given.
    ///
    /// # Errors
    /// Every mistake that was found.
    pub fn load_with(
        file: Option<&Path>,
        environment: &Environment,
        overrides: &Overrides,
    ) -> Result<Self, ConfigErrors> {
        let mut raw = Raw::default();
        if let Some(file) = file.or(environment.file().map(Path::new)) {
            raw.read_file(file);
        }
        environment.apply(&mut raw);
        overrides.apply(&mut raw);
        Self::mean(raw)
    }

    /// What is in effect, as TOML: every value with where it came from; of URLs only scheme and host.
    pub fn effective(&self) -> String {
        self.effective.render()
    }

    /// SHA-256 of what is in effect, in hex: without secrets, and wherever the values are from.
    pub fn digest(&self) -> String {
        self.effective.digest()
    }

    /// Everything in the URLs that may be a secret, to be taken out of what is written.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let databases = [&self.database.url, &self.database.admin_url];
        let passwords = databases.into_iter().flatten().flat_map(DatabaseUrl::secrets);
        passwords.chain(self.providers.iter().flat_map(|one| one.rpc.url.secrets())).collect()
    }

    /// The second step: from what was written to what is meant.
    fn mean(mut raw: Raw) -> Result<Self, ConfigErrors> {
        let mut reader = Reader {
            keys: std::mem::take(&mut raw.keys),
            errors: std::mem::take(&mut raw.errors),
            effective: Effective::default(),
        };
        let chain = chain::chain(&mut reader);
        let quorum = reader.keys.get(&key::QUORUM).cloned();
        let (first, common, rules) = provider::first(&mut reader, &chain);
        let database = database(&mut reader);
        let proof = proof(&mut reader);
        let looking = looking(&mut reader);
        let http = Http { listen: listen(&mut reader) };
        let format = [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)];
        let format = reader.choice(key::LOG_FORMAT, &format);
        let log = Log { format, level: level(&mut reader) };

        let Reader { mut effective, mut errors, .. } = reader;
        let rpc = first.as_ref().map(|first| first.rpc.clone());
        let mut providers: Vec<Provider> = first.into_iter().collect();
        let entries = raw.take(key::PROVIDER);
        provider::others(&entries, (&common, &chain), &mut providers, &mut effective, &mut errors);
        if let Some(written) = quorum.filter(|_| rules.quorum > providers.len().max(1)) {
            let rule = format!("must not be more than there are providers ({})", providers.len());
            let (origin, value) = (written.origin.clone(), Some(written.shown()));
            errors.push(ConfigError { origin, key: key::QUORUM.path(), value, rule });
        }
        let contracts = raw.take(key::CONTRACT);
        let contracts =
            entries::contracts(&contracts, raw.partial, chain.floor_block, &mut effective, &mut errors);
        let abis = entries::abis(&raw.take(key::ABI), &mut effective, &mut errors);
        let topics = raw.take(key::CLAIM_TOPIC);
        let (claim_expiry, claim_data) = entries::claim_topics(&topics, &mut effective, &mut errors);
        ConfigErrors::none_of(errors)?;
        Ok(Self {
            chain,
            rpc,
            providers,
            rules,
            database,
            proof,
            looking,
            http,
            log,
            contracts,
            abis,
            claim_expiry,
            claim_data,
            effective,
        })
    }
}

fn proof(reader: &mut Reader) -> Proof {
    let modes = [
        ("background", Proving::Background),
        ("before-commit", Proving::BeforeCommit),
        ("off", Proving::Off),
    ];
    Proof {
        mode: reader.choice(key::PROOF_MODE, &modes),
        sweep_blocks_max: reader.number(key::SWEEP_BLOCKS_MAX, "blocks", 1..=100_000, 512),
        requests_per_second: reader.number(
            key::SWEEP_REQUESTS_PER_SECOND,
            "requests a second",
            0..=1_000_000,
            50,
        ),
    }
}

fn looking(reader: &mut Reader) -> Looking {
    Looking {
        every_blocks: reader.number(key::RECONCILE_EVERY_BLOCKS, "blocks", 0..=BLOCK_MAX, 32),
        holders_sampled: reader.count(key::HOLDERS_SAMPLED, "wallets", 0..=10_000, 20),
        calls_max: reader.count(key::RECONCILE_CALLS_MAX, "calls", 8..=100_000, 400),
    }
}

fn database(reader: &mut Reader) -> Database {
    let allow_unverified = reader.boolean(key::ALLOW_UNVERIFIED);
    let parse = |text: &str| DatabaseUrl::parse(text, allow_unverified).map_err(|error| error.to_string());
    Database {
        url: reader.secret_url(key::DATABASE_URL, parse),
        admin_url: reader.secret_url(key::DATABASE_ADMIN_URL, parse),
        allow_unverified,
        allow_superuser: reader.boolean(key::ALLOW_SUPERUSER),
        state_dir: reader.path(key::STATE_DIR),
        pg_bin: reader.path(key::PG_BIN),
    }
}

fn listen(reader: &mut Reader) -> Option<SocketAddr> {
    let default = SocketAddr::from(([127, 0, 0, 1], 9464));
    let shown = |listen: &Option<SocketAddr>| listen.map_or_else(|| quoted("off"), quoted);
    let read = reader.read(key::LISTEN, Some(Some(default)), shown, |written| match written.text()?.trim() {
        "off" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| "must be ADDRESS:PORT, such as 127.0.0.1:9464 or [::]:9464, or \"off\"".to_owned()),
    });
    read.flatten()
}

fn level(reader: &mut Reader) -> String {
    let default = "info".to_owned();
    let read = reader.read(
        key::LOG_LEVEL,
        Some(default.clone()),
        |level| quoted(level),
        |written| {
            let text = written.text()?.trim();
            // A lone word that is no level would be read as the name of a module.
            let stray = text
                .split(',')
                .map(str::trim)
                .find(|part| !part.contains(['=', '[']) && !LEVELS.contains(&part.to_lowercase().as_str()));
            if let Some(stray) = stray {
                let levels = LEVELS.join(", ");
                return Err(format!(
                    "must be {levels}, or a filter such as info,sqlx=warn{}",
                    hint(stray, LEVELS)
                ));
            }
            EnvFilter::builder()
                .parse(text)
                .map_err(|error| format!("is no filter such as info,sqlx=warn: {error}"))?;
            Ok(text.to_owned())
        },
    );
    read.unwrap_or(default)
}

/// A short name without control characters.
fn is_name(text: &str, marks: &str) -> bool {
    text.chars().count() <= 64
        && text.chars().all(|letter| letter.is_alphanumeric() || marks.contains(letter))
}
