//! The database: a private PostgreSQL on a new directory, with fsync as in production.

use std::error::Error;
use std::path::{Path, PathBuf};

use asset_indexer::embedded::{Cluster, Options, SUPERUSER, Search, find_binaries};
use asset_indexer::store::postgres::migrate;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::process;

/// The role that the program connects as: a writer, not the superuser.
const LOGIN: &str = "benchmark";

/// See the module.
pub struct Database {
    cluster: Cluster,
}

impl Database {
    /// Starts a cluster with the settings that `asset-indexer run` gives its own.
    ///
    /// # Errors
    /// When there are no programs, or they do not start.
    pub async fn start() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let roots = [PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
        let binaries = find_binaries(&Search { roots: &roots, ..Search::default() })?;
        let options = Options { durable: true, ..Options::scratch(binaries) };
        let cluster = Cluster::start(options).await?;
        let mut connection =
            PgConnection::connect_with(&cluster.connect_options(SUPERUSER, "postgres")).await?;
        connection.execute(AssertSqlSafe(format!("create role {LOGIN} login"))).await?;
        Ok(Self { cluster })
    }

    /// Creates a database with empty tables, and connects to it as superuser.
    ///
    /// # Errors
    /// The database's.
    pub async fn create(&self, name: &str) -> Result<PgConnection, Box<dyn Error + Send + Sync>> {
        let mut connection = self.create_bare(name).await?;
        migrate(&mut connection).await?;
        let grant = format!("grant asset_indexer_writer, asset_indexer_reader to {LOGIN}");
        connection.execute(AssertSqlSafe(grant)).await?;
        Ok(connection)
    }

    /// Creates a database without any table, and connects to it as superuser.
    ///
    /// # Errors
    /// The database's.
    pub async fn create_bare(&self, name: &str) -> Result<PgConnection, Box<dyn Error + Send + Sync>> {
        self.cluster.create_database(name, None).await?;
        Ok(PgConnection::connect_with(&self.cluster.connect_options(SUPERUSER, name)).await?)
    }

    /// Removes a database, so that nothing in the background works on it any more.
    ///
    /// # Errors
    /// The database's.
    pub async fn remove(&self, name: &str) -> Result<(), sqlx::Error> {
        let options = self.cluster.connect_options(SUPERUSER, "postgres");
        let mut connection = PgConnection::connect_with(&options).await?;
        connection.execute(AssertSqlSafe(format!("drop database {name} with (force)"))).await.map(drop)
    }

    /// The URL for the program under measurement.
    pub fn url(&self, name: &str) -> String {
        self.cluster.url_as(LOGIN, name)
    }

    /// The URL of a database for the superuser.
    pub fn admin_url(&self, name: &str) -> String {
        self.cluster.url_as(SUPERUSER, name)
    }

    /// CPU seconds of all of PostgreSQL so far.
    ///
    /// # Errors
    /// When the server is gone.
    pub fn cpu(&self) -> std::io::Result<f64> {
        process::cluster_cpu(&self.cluster.state_dir().join("data"))
    }

    /// A directory on the same file system, removed with the cluster.
    ///
    /// # Errors
    /// The file system's.
    pub fn scratch(&self) -> std::io::Result<PathBuf> {
        let directory = self.cluster.state_dir().join("scratch");
        std::fs::create_dir_all(&directory)?;
        Ok(directory)
    }

    /// Where the cluster lies.
    pub fn directory(&self) -> &Path {
        self.cluster.state_dir()
    }

    /// Ends the server and removes its directory.
    ///
    /// # Errors
    /// See [`Cluster::stop`].
    pub async fn stop(self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let directory = self.scratch()?;
        std::fs::remove_dir_all(directory)?;
        Ok(self.cluster.stop().await?)
    }
}

/// Writes out what is dirty, so that what is measured next does not pay for it; then the bytes of WAL so far.
///
/// # Errors
/// The database's.
pub async fn settle(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    connection.execute("checkpoint").await?;
    wal_bytes(connection).await
}

/// Bytes of WAL written so far.
///
/// # Errors
/// The database's.
pub async fn wal_bytes(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let query = "select (pg_current_wal_insert_lsn() - '0/0')::bigint";
    sqlx::query_scalar::<_, i64>(query).fetch_one(connection).await.map(|bytes| bytes as u64)
}

/// Bytes of the connection's database.
///
/// # Errors
/// The database's.
pub async fn size_bytes(connection: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let query = "select pg_database_size(current_database())";
    sqlx::query_scalar::<_, i64>(query).fetch_one(connection).await.map(|bytes| bytes as u64)
}

/// The server's version, as it calls itself.
///
/// # Errors
/// The database's.
pub async fn version(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("select current_setting('server_version')").fetch_one(connection).await
}
