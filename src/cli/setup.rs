//! From a configuration to the things that commands work with.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use super::redact::{self, Secrets, Stderr};
use super::{Failure, Global};
use crate::config::{Config, LogFormat, Provider};
use crate::decode::Decoder;
use crate::embedded::{Cluster, Options, Search, cluster_version, default_state_dir, find_binaries};
use crate::providers::Providers;
use crate::retry::Policy;
use crate::rpc::Rpc;
use crate::source::Source;
use crate::store::postgres::{SEARCH_PATH, check_schema, migrate as bring_up, migrate_application};
use crate::sync;

/// The database of a private cluster.
const DATABASE: &str = "asset_indexer";
/// Its login role: a writer like any other, not the superuser.
const LOGIN: &str = "asset_indexer";

/// How long a database may take to accept a connection, or to show that one is alive.
const DATABASE_PATIENCE: Duration = Duration::from_secs(10);

/// Reads the configuration and starts logging.
pub(super) fn configured(global: &Global) -> Result<Config, Failure> {
    let config = Config::load(global.config.as_deref(), &global.overrides())
        .map_err(|errors| Failure::new(Failure::CONFIG, errors))?;
    let secrets = Secrets::new(config.secrets());
    redact::keep(secrets.clone());
    // What sqlx says of a server's notices is no news to an operator ("already exists, skipping").
    let filter =
        EnvFilter::try_new(format!("sqlx::postgres::notice=warn,{}", config.log.level)).map_err(|error| {
            Failure::new(Failure::CONFIG, format!("log.level {:?}: {error}", config.log.level))
        })?;
    let is_terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Stderr(secrets))
        // The stages of a step, where they are asked for.
        .with_span_events(FmtSpan::CLOSE)
        .log_internal_errors(false);
    let json = match config.log.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !is_terminal,
    };
    // A second initialisation happens only in tests, and the first one stands.
    let started = if json { builder.json().try_init() } else { builder.with_ansi(is_terminal).try_init() };
    drop(started);
    Ok(config)
}

/// The database, and the private cluster behind it if there is one.
pub(super) struct Database {
    /// How the writer connects.
    pub(super) options: PgConnectOptions,
    /// For everything beside the writer.
    pub(super) pool: PgPool,
    cluster: Option<Cluster>,
}

impl Database {
    /// Opens the configured database, or starts a private one and brings it up to date.
    pub(super) async fn open(config: &Config) -> Result<Self, Failure> {
        let (options, cluster) = match &config.database.url {
            Some(url) => (url.connect_options(), None),
            None => {
                let cluster = private_cluster(config).await?;
                (cluster.connect_options(LOGIN, DATABASE), Some(cluster))
            }
        };
        let mut connection = connect(&options).await?;
        check_schema(&mut connection).await?;
        drop(connection.close().await);
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(DATABASE_PATIENCE)
            // The pool's own test of a connection that comes back waits for ever, and keeps the connection's place:
            // four lost connections would close the pool.
            .after_release(|connection, _| {
                Box::pin(async move {
                    Ok(tokio::time::timeout(DATABASE_PATIENCE, connection.ping())
                        .await
                        .is_ok_and(|p| p.is_ok()))
                })
            })
            .connect_lazy_with(options.clone().application_name("asset-indexer").options([SEARCH_PATH]));
        Ok(Self { options, pool, cluster })
    }

    /// Refuses to write with more rights than a writer needs: what guards the application's tables does not bind such a
    /// role.
    pub(super) async fn refuse_superuser(&self, config: &Config) -> Result<(), Failure> {
        let powers =
            "select rolname::text, rolsuper, rolbypassrls from pg_roles where rolname = current_user";
        let asking = sqlx::query_as::<_, (String, bool, bool)>(powers).fetch_one(&self.pool).await;
        let (role, is_super, bypasses) = asking.map_err(|error| {
            Failure::from(crate::store::postgres::failed("asking for our rights", &error))
        })?;
        if config.database.allow_superuser || !(is_super || bypasses) {
            return Ok(());
        }
        let what = if is_super { "a superuser" } else { "a role with BYPASSRLS" };
        let message = format!(
            "{role} of DATABASE_URL is {what}: connect as a login role that is a member of asset_indexer_writer and no \
             more, or set database.allow_superuser = true"
        );
        Err(Failure::new(Failure::CONFIG, message))
    }

    /// The private cluster's URL for people and tools, where there is one.
    pub(super) fn private_url(&self) -> Option<String> {
        self.cluster.as_ref().map(|cluster| cluster.url(DATABASE))
    }

    /// Ends the private cluster, if there is one.
    pub(super) async fn close(self) {
        // Connections that wait for a server that is gone are left to it.
        drop(tokio::time::timeout(Duration::from_secs(2), self.pool.close()).await);
        if let Some(cluster) = self.cluster
            && let Err(error) = cluster.stop().await
        {
            tracing::warn!(%error, "the private PostgreSQL did not stop cleanly");
        }
    }
}

pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Failure> {
    // A migration may take its time, and its text fills a screen.
    let options = options.clone().log_slow_statements(tracing::log::LevelFilter::Off, Duration::ZERO);
    let connecting = tokio::time::timeout(DATABASE_PATIENCE, PgConnection::connect_with(&options)).await;
    let silent = || std::io::Error::new(std::io::ErrorKind::TimedOut, "it takes no connections");
    connecting.unwrap_or_else(|_| Err(silent().into())).map_err(|error| {
        let failure = Failure::from(crate::store::postgres::failed("connecting", &error));
        let place = match options.get_socket() {
            Some(_) => "its socket".to_owned(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        let remedy = match failure.message.contains("certificate") || failure.message.contains("TLS") {
            true => "check its certificate; an authority of your own is named by sslrootcert=FILE in the URL",
            false => "check the database's URL, and that it runs",
        };
        let message = format!("{}; tried {place}: {remedy}", failure.message);
        Failure::new(failure.code, message)
    })
}

async fn private_cluster(config: &Config) -> Result<Cluster, Failure> {
    let unavailable = |error: crate::embedded::EmbeddedError| Failure::new(Failure::UNAVAILABLE, error);
    let state_dir = match &config.database.state_dir {
        Some(dir) => dir.clone(),
        None => default_state_dir("asset-indexer").map_err(unavailable)?,
    };
    let roots: Vec<PathBuf> = std::env::current_dir().into_iter().collect();
    let search = Search {
        explicit: config.database.pg_bin.as_deref(),
        roots: &roots,
        version: cluster_version(&state_dir),
    };
    let binaries = find_binaries(&search).map_err(unavailable)?;
    let cluster = Cluster::start(Options::persistent(binaries, state_dir)).await.map_err(unavailable)?;
    cluster.create_database(DATABASE, None).await.map_err(unavailable)?;
    let mut owner = connect(&cluster.connect_options(crate::embedded::SUPERUSER, DATABASE)).await?;
    bring_up(&mut owner).await?;
    migrate_application(&mut owner).await?;
    sqlx::query(
        "do $$ begin
             if not exists (select from pg_roles where rolname = 'asset_indexer') then
                 create role asset_indexer login;
                 grant asset_indexer_writer, asset_indexer_reader to asset_indexer;
                 perform app.keep_rights();
             end if;
         end $$",
    )
    .execute(&mut owner)
    .await
    .map_err(|error| Failure::from(crate::store::postgres::failed("making the login role", &error)))?;
    Ok(cluster)
}

/// The owner's connection, and the private cluster behind it if there is one.
pub(super) struct Owner {
    pub(super) connection: PgConnection,
    database: Option<Database>,
}

impl Owner {
    /// Ends the connection, and the private cluster.
    pub(super) async fn close(self) {
        drop(tokio::time::timeout(DATABASE_PATIENCE, self.connection.close()).await);
        if let Some(database) = self.database {
            database.close().await;
        }
    }
}

/// Connects as the owner of the tables: ADMIN_DATABASE_URL, else DATABASE_URL, else the private cluster's superuser.
pub(super) async fn owner(config: &Config) -> Result<Owner, Failure> {
    let url = config.database.owner_url();
    let (options, database) = match url {
        Some(url) => (url.connect_options(), None),
        None => {
            let database = Database::open(config).await?;
            let cluster = database.cluster.as_ref();
            let options =
                cluster.map(|cluster| cluster.connect_options(crate::embedded::SUPERUSER, DATABASE));
            (options.unwrap_or_else(|| database.options.clone()), Some(database))
        }
    };
    let options = options.application_name("asset-indexer");
    let mut connection = connect(&options).await?;
    check_schema(&mut connection).await?;
    Ok(Owner { connection, database })
}

/// The nodes as commands use them.
pub(super) type Node = Providers<Rpc>;

/// The configured nodes, none of which was asked yet.
pub(super) fn unconnected(config: &Config) -> Result<Node, Failure> {
    if config.providers.is_empty() {
        let message =
            "no RPC URL: give --rpc URL, set RPC_URL, or rpc.url or [[provider]] in the configuration";
        return Err(Failure::new(Failure::CONFIG, message));
    }
    let mut sources = Vec::with_capacity(config.providers.len());
    for Provider { rpc, budget } in config.providers.clone() {
        let mut rpc = Rpc::new(rpc)?;
        if config.providers.len() > 1 {
            rpc = rpc.with_retry(Policy::REQUEST_BESIDE_OTHERS);
        }
        if let Some(per_second) = budget.requests_per_second {
            rpc = rpc.with_pace(per_second);
        }
        sources.push((rpc, budget));
    }
    Ok(Providers::new(sources, config.chain.id, config.rules))
}

/// The nodes, asked for their chain.
pub(super) async fn node(config: &Config) -> Result<(Arc<Node>, u64), Failure> {
    let node = unconnected(config)?;
    let found = node.chain_id().await.map_err(|error| {
        let failure = Failure::from(error);
        let remedy = "check the RPC URL (--rpc, RPC_URL, rpc.url), and that the node runs";
        Failure::new(failure.code, format!("{}; {remedy}", failure.message))
    })?;
    let chain_id = config.chain.id.unwrap_or(found);
    if chain_id != found {
        let error = sync::StartError::OtherChain { configured: chain_id, found };
        return Err(Failure::new(Failure::CONFIG, error));
    }
    Ok((Arc::new(node), chain_id))
}

/// The one chain of the tables, for commands that work without a node.
pub(super) async fn chain_without_node(config: &Config, pool: &PgPool) -> Result<u64, Failure> {
    if let Some(id) = config.chain.id {
        return Ok(id);
    }
    let chains: Vec<i64> = sqlx::query_scalar("select chain_id from chain.checkpoints order by chain_id")
        .fetch_all(pool)
        .await
        .map_err(|error| Failure::from(crate::store::postgres::failed("reading the chains", &error)))?;
    match chains.as_slice() {
        [only] => Ok(u64::try_from(*only).unwrap_or_default()),
        [] => Err(Failure::new(Failure::FINDINGS, "the tables are empty: nothing is indexed yet")),
        several => Err(Failure::new(
            Failure::CONFIG,
            format!(
                "the tables hold the chains {several:?}: say which with [chain] id or ASSET_INDEXER__CHAIN__ID"
            ),
        )),
    }
}

/// So many times the logs of a step may contracts that it finds have had before it.
const OLDER_LOGS_FACTOR: usize = 2;

/// What the worker follows.
pub(super) fn sync_config(config: &Config, chain_id: u64) -> sync::Config {
    sync::Config {
        chain_id,
        contracts: config.contracts.clone(),
        claim_expiry: config.claim_expiry.clone(),
        claim_data: config.claim_data.clone(),
        floor_block: config.chain.floor_block,
        range_blocks_max: config.chain.range_blocks_max,
        range_logs_target: config.chain.range_logs_target,
        older_logs_max: config.chain.range_logs_target.saturating_mul(OLDER_LOGS_FACTOR),
        deferred_indexes_from_blocks: config.chain.deferred_indexes_from_blocks,
        reads_ahead: true,
        proving: config.proof.mode,
        sweep_blocks_max: config.proof.sweep_blocks_max,
        reorg_depth_trusted: config.chain.reorg_depth_trusted,
    }
}

/// What reads logs.
pub(super) fn decoder(config: &Config) -> Arc<Decoder> {
    Arc::new(Decoder::new(&config.abis))
}

/// This process, for people.
pub(super) fn holder() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "unknown host",
        host => host,
    };
    format!("{host}, process {}", std::process::id())
}
