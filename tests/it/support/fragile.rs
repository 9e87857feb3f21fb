//! A PostgreSQL of one test's own, which may be killed, and a standby that takes its place.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use asset_indexer::embedded::{Cluster, Options, SUPERUSER};
use asset_indexer::store::postgres::migrate;
use scenario::NodeOptions;
use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgPool};

use super::command::Folder;
use super::process::until;
use super::scene::Scene;
use super::world::binaries;

/// The migrated database of the cluster.
pub const DATABASE: &str = "fragile";

/// A cluster of a test's own, which can be killed; its folder goes last.
pub struct Fragile {
    /// The server.
    pub cluster: Cluster,
    options: Options,
    _folder: Folder,
}

impl Fragile {
    /// In a folder of its own.
    pub async fn start() -> Self {
        let folder = Folder::new();
        Self::start_with(folder.path().join("cluster"), folder).await
    }

    /// In a folder that the test gives, and which outlives it.
    pub async fn start_in(state_dir: PathBuf) -> Self {
        Self::start_with(state_dir, Folder::new()).await
    }

    async fn start_with(state_dir: PathBuf, folder: Folder) -> Self {
        // Its commits don't wait for the disk: a crash loses the newest ones, like a failover to a replica that lags.
        let options = Options { state_dir, ..Options::scratch(binaries()) };
        let cluster = Cluster::start(options.clone()).await.expect("a private PostgreSQL starts");
        cluster.create_database(DATABASE, None).await.expect("a database");
        let connect = cluster.connect_options(SUPERUSER, DATABASE);
        let mut connection = PgConnection::connect_with(&connect).await.expect("a connection");
        migrate(&mut connection).await.expect("migrations apply");
        Self { cluster, options, _folder: folder }
    }

    /// A scene whose beginning is on the disk.
    pub async fn scene(&self) -> Scene {
        self.scene_with(NodeOptions { slots_in_an_epoch: 8, ..NodeOptions::default() }).await
    }

    /// The same with another node.
    pub async fn scene_with(&self, options: NodeOptions) -> Scene {
        let scene = Scene::within(options, &self.cluster, DATABASE).await;
        sqlx::query("checkpoint").execute(&scene.pool).await.expect("the superuser may");
        scene
    }

    /// Whether the server's log has a line with this text.
    pub fn has_logged(&self, text: &str) -> bool {
        std::fs::read_to_string(self.cluster.log()).expect("it is readable").contains(text)
    }

    /// Kills the server and its backends.
    pub fn kill(&mut self) {
        self.cluster.kill_hard().expect("it is ours");
    }

    /// Whether the server ended by itself; a server that takes connections, or recovers, did not.
    pub async fn has_ended(&self) -> bool {
        let connect = self.cluster.connect_options(SUPERUSER, DATABASE);
        until("the server is there or gone", async || match PgConnection::connect_with(&connect).await {
            Ok(_) => Some(false),
            Err(sqlx::Error::Io(_)) => Some(true),
            Err(_) => None,
        })
        .await
    }

    /// Starts it again after its end.
    pub async fn start_again(&mut self) {
        // What is left of the old one ends first.
        self.kill();
        self.cluster = Cluster::start(self.options.clone()).await.expect("it recovers");
    }
}

/// A standby that follows a cluster by streaming replication.
pub struct Replica {
    /// The standby.
    pub cluster: Cluster,
    /// Connections to it.
    pub pool: PgPool,
    _folder: Folder,
}

impl Replica {
    /// A copy of a running cluster, which follows it.
    pub async fn of(primary: &Fragile) -> Self {
        let folder = Folder::new();
        let options = Options { state_dir: folder.path().join("cluster"), ..primary.options.clone() };
        let data = options.state_dir.join("data");
        // The account that PostgreSQL runs as needs a way to the folder, and the folder.
        let owner = std::fs::metadata(primary.cluster.state_dir().join("data")).expect("it is there");
        for (path, mode) in [(&options.state_dir, 0o711), (&data, 0o700)] {
            std::fs::DirBuilder::new().mode(mode).create(path).expect("a folder can be made");
        }
        let ours = std::fs::metadata(&options.state_dir).expect("it was just made").uid();
        let mut copy = Command::new(options.binaries.bin_dir.join("pg_basebackup"));
        let connect = primary.cluster.connect_options(SUPERUSER, DATABASE);
        let socket = connect.get_socket().expect("a private PostgreSQL has a socket");
        copy.args(["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync"])
            .args(["--username", SUPERUSER, "--port", &connect.get_port().to_string(), "--host"])
            .arg(socket)
            .arg("--pgdata")
            .arg(&data)
            .env_clear()
            .current_dir("/");
        if owner.uid() != ours {
            chown(&data, Some(owner.uid()), Some(owner.gid())).expect("root may");
            copy.uid(owner.uid()).gid(owner.gid());
        }
        let copied = tokio::task::spawn_blocking(move || copy.output()).await.expect("it does not panic");
        let copied = copied.expect("pg_basebackup is beside the server");
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let cluster = Cluster::start(options).await.expect("the standby starts");
        let pool = PgPool::connect_with(cluster.connect_options(SUPERUSER, DATABASE)).await;
        let replica = Self { cluster, pool: pool.expect("the standby answers"), _folder: folder };
        assert!(replica.asks("select pg_is_in_recovery()").await, "it is a standby");
        until("it follows", async || {
            replica.asks("select exists (select from pg_stat_wal_receiver)").await.then_some(())
        })
        .await;
        replica
    }

    async fn asks(&self, sql: &'static str) -> bool {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect("the standby answers")
    }

    /// Waits until it has all that the primary has, and lets it receive nothing more.
    pub async fn falls_behind(&self, scene: &Scene) {
        let last: String = sqlx::query_scalar("select pg_current_wal_flush_lsn()::text")
            .fetch_one(&scene.pool)
            .await
            .expect("the superuser may");
        until("it has what the primary has", async || {
            let has: bool = sqlx::query_scalar("select pg_last_wal_replay_lsn() >= $1::pg_lsn")
                .bind(&last)
                .fetch_one(&self.pool)
                .await
                .expect("the standby answers");
            has.then_some(())
        })
        .await;
        for sql in ["alter system set primary_conninfo = ''", "select pg_reload_conf()"] {
            sqlx::query(sql).execute(&self.pool).await.expect("the superuser may");
        }
        until("it receives nothing more", async || {
            (!self.asks("select exists (select from pg_stat_wal_receiver)").await).then_some(())
        })
        .await;
    }

    /// Makes it a primary.
    pub async fn promote(&self) {
        assert!(self.asks("select pg_promote(true, 60)").await, "it is promoted");
        assert!(!self.asks("select pg_is_in_recovery()").await, "it takes writes");
    }
}
