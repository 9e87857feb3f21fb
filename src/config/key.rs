//! The keys there are: declared once, read by every source, by the check of unknown keys and by the
//! rendering.

/// A key of a section that stands at most once in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    /// Whether the value must never be shown.
    pub(super) secret: bool,
    /// What holds when nobody gives a value and there is no default.
    pub(super) unset: &'static str,
}

impl Key {
    /// The key as messages name it.
    pub(super) fn path(self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The environment variable that sets it.
    pub(super) fn variable(self) -> String {
        format!("{PREFIX}{}__{}", self.section.to_uppercase(), self.name.to_uppercase())
    }

    /// The other way to give the same secret: `url` and `url_file` name one value.
    pub(super) fn twin(self) -> Option<Key> {
        let pairs = [
            (RPC_URL, RPC_URL_FILE),
            (DATABASE_URL, DATABASE_URL_FILE),
            (DATABASE_ADMIN_URL, DATABASE_ADMIN_URL_FILE),
        ];
        pairs.into_iter().find_map(|(url, file)| match self {
            key if key == url => Some(file),
            key if key == file => Some(url),
            _ => None,
        })
    }
}

/// What the environment variables of single keys begin with.
pub(super) const PREFIX: &str = "ASSET_INDEXER__";

const fn key(section: &'static str, name: &'static str, unset: &'static str) -> Key {
    Key { section, name, secret: false, unset }
}

const fn secret(section: &'static str, name: &'static str, unset: &'static str) -> Key {
    Key { section, name, secret: true, unset }
}

pub(super) const CHAIN_ID: Key = key("chain", "id", "asked of the node");
pub(super) const CHAIN_NAME: Key = key("chain", "name", "none");
pub(super) const FINALITY: Key = key("chain", "finality", "");
pub(super) const FINALITY_DEPTH_BLOCKS: Key =
    key("chain", "finality_depth_blocks", "a node without the tag is refused");
pub(super) const FLOOR_BLOCK: Key = key("chain", "floor_block", "");
pub(super) const RANGE_BLOCKS_MAX: Key = key("chain", "range_blocks_max", "");
pub(super) const RANGE_LOGS_TARGET: Key = key("chain", "range_logs_target", "");
pub(super) const DEFERRED_INDEXES_FROM_BLOCKS: Key = key("chain", "deferred_indexes_from_blocks", "");
pub(super) const REORG_DEPTH_TRUSTED: Key = key("chain", "reorg_depth_trusted", "");
pub(super) const RPC_URL: Key = secret("rpc", "url", "no node");
pub(super) const RPC_URL_FILE: Key = key("rpc", "url_file", "");
pub(super) const ALLOW_LINK_LOCAL: Key = key("rpc", "allow_link_local", "");
pub(super) const RPC_ALIAS: Key = key("rpc", "alias", "the URL's host");
pub(super) const TIMEOUT_MS: Key = key("rpc", "timeout_ms", "");
pub(super) const POLL_INTERVAL_MS: Key = key("rpc", "poll_interval_ms", "");
pub(super) const REQUESTS_IN_FLIGHT: Key = key("rpc", "requests_in_flight", "");
pub(super) const BATCH_SIZE_MAX: Key = key("rpc", "batch_size_max", "");
pub(super) const RESPONSE_BYTES_MAX: Key = key("rpc", "response_bytes_max", "");
pub(super) const REQUESTS_PER_SECOND: Key = key("rpc", "requests_per_second", "no limit");
pub(super) const REQUESTS_PER_DAY: Key = key("rpc", "requests_per_day", "no limit");
pub(super) const QUORUM: Key = key("rpc", "quorum", "");
pub(super) const LAG_BLOCKS_MAX: Key = key("rpc", "lag_blocks_max", "");
pub(super) const LAG_SECONDS_MAX: Key = key("rpc", "lag_seconds_max", "");
pub(super) const DATABASE_URL: Key = secret("database", "url", "a private PostgreSQL cluster");
pub(super) const DATABASE_URL_FILE: Key = key("database", "url_file", "");
pub(super) const DATABASE_ADMIN_URL: Key = secret("database", "admin_url", "none");
pub(super) const DATABASE_ADMIN_URL_FILE: Key = key("database", "admin_url_file", "");
pub(super) const ALLOW_UNVERIFIED: Key = key("database", "allow_unverified", "");
pub(super) const ALLOW_SUPERUSER: Key = key("database", "allow_superuser", "");
pub(super) const STATE_DIR: Key = key("database", "state_dir", "the account's state directory");
pub(super) const PG_BIN: Key = key("database", "pg_bin", "searched for");
pub(super) const PROOF_MODE: Key = key("proof", "mode", "");
pub(super) const SWEEP_BLOCKS_MAX: Key = key("proof", "sweep_blocks_max", "");
pub(super) const SWEEP_REQUESTS_PER_SECOND: Key = key("proof", "requests_per_second", "");
pub(super) const RECONCILE_EVERY_BLOCKS: Key = key("reconcile", "every_blocks", "");
pub(super) const HOLDERS_SAMPLED: Key = key("reconcile", "holders_sampled", "");
pub(super) const RECONCILE_CALLS_MAX: Key = key("reconcile", "calls_max", "");
pub(super) const LISTEN: Key = key("http", "listen", "");
pub(super) const LOG_FORMAT: Key = key("log", "format", "");
pub(super) const LOG_LEVEL: Key = key("log", "level", "");

/// Every key, in the order of the documentation.
pub(super) const ALL: [Key; 40] = [
    CHAIN_ID,
    CHAIN_NAME,
    FINALITY,
    FINALITY_DEPTH_BLOCKS,
    FLOOR_BLOCK,
    RANGE_BLOCKS_MAX,
    RANGE_LOGS_TARGET,
    DEFERRED_INDEXES_FROM_BLOCKS,
    REORG_DEPTH_TRUSTED,
    RPC_URL,
    RPC_URL_FILE,
    ALLOW_LINK_LOCAL,
    RPC_ALIAS,
    TIMEOUT_MS,
    POLL_INTERVAL_MS,
    REQUESTS_IN_FLIGHT,
    BATCH_SIZE_MAX,
    RESPONSE_BYTES_MAX,
    REQUESTS_PER_SECOND,
    REQUESTS_PER_DAY,
    QUORUM,
    LAG_BLOCKS_MAX,
    LAG_SECONDS_MAX,
    DATABASE_URL,
    DATABASE_URL_FILE,
    DATABASE_ADMIN_URL,
    DATABASE_ADMIN_URL_FILE,
    ALLOW_UNVERIFIED,
    ALLOW_SUPERUSER,
    STATE_DIR,
    PG_BIN,
    PROOF_MODE,
    SWEEP_BLOCKS_MAX,
    SWEEP_REQUESTS_PER_SECOND,
    RECONCILE_EVERY_BLOCKS,
    HOLDERS_SAMPLED,
    RECONCILE_CALLS_MAX,
    LISTEN,
    LOG_FORMAT,
    LOG_LEVEL,
];

/// The variables that many programs share, with the keys they set; a later one wins over an earlier one.
pub(super) const SHARED_VARIABLES: [(&str, Key); 9] = [
    ("DATABASE_URL", DATABASE_URL),
    ("DATABASE_URL_FILE", DATABASE_URL_FILE),
    ("ADMIN_DATABASE_URL", DATABASE_ADMIN_URL),
    ("ADMIN_DATABASE_URL_FILE", DATABASE_ADMIN_URL_FILE),
    ("RPC_URL", RPC_URL),
    ("RPC_URL_FILE", RPC_URL_FILE),
    ("RUST_LOG", LOG_LEVEL),
    ("LOG_LEVEL", LOG_LEVEL),
    ("LOG_FORMAT", LOG_FORMAT),
];

/// The sections that stand at most once.
pub(super) const SECTIONS: [&str; 7] = ["chain", "rpc", "database", "proof", "reconcile", "http", "log"];

/// A section that may be repeated, with double brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct List {
    pub(super) name: &'static str,
    pub(super) keys: &'static [&'static str],
}

pub(super) const PROVIDER: List = List {
    name: "provider",
    keys: &[
        "url",
        "url_file",
        "alias",
        "timeout_ms",
        "requests_in_flight",
        "batch_size_max",
        "requests_per_second",
        "requests_per_day",
    ],
};
pub(super) const CONTRACT: List =
    List { name: "contract", keys: &["role", "address", "start_block", "partial"] };
pub(super) const ABI: List = List { name: "abi", keys: &["role", "file"] };
pub(super) const CLAIM_TOPIC: List =
    List { name: "claim_topic", keys: &["topic", "expires_at_word", "data"] };

/// Every repeatable section.
pub(super) const LISTS: [List; 4] = [PROVIDER, CONTRACT, ABI, CLAIM_TOPIC];
