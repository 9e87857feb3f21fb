//! A PostgreSQL of one test's own, which may be killed.

use asset_indexer::embedded::{Cluster, Options, SUPERUSER};
use asset_indexer::store::postgres::migrate;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::command::Folder;
use super::process::Scene;
use super::world::binaries;
use scenario::NodeOptions;

/// A cluster of a test's own, which can be killed; its folder goes last.
pub struct Fragile {
    cluster: Cluster,
    options: Options,
    _folder: Folder,
}

impl Fragile {
    pub async fn start() -> Self {
        let folder = Folder::new();
        // Its commits don't wait for the disk: a crash loses the newest ones, like a failover to a replica that lags.
        let options = Options { state_dir: folder.path().join("cluster"), ..Options::scratch(binaries()) };
        let cluster = Cluster::start(options.clone()).await.expect("a private PostgreSQL starts");
        cluster.create_database("fragile", None).await.expect("a database");
        let connect = cluster.connect_options(SUPERUSER, "fragile");
        let mut connection = PgConnection::connect_with(&connect).await.expect("a connection");
        migrate(&mut connection).await.expect("migrations apply");
        Self { cluster, options, _folder: folder }
    }

    /// A scene whose beginning is on the disk.
    pub async fn scene(&self) -> Scene {
        let scene = Scene::within(
            NodeOptions { slots_in_an_epoch: 8, ..NodeOptions::default() },
            &self.cluster,
            "fragile",
        )
        .await;
        sqlx::query("checkpoint").execute(&scene.pool).await.expect("the superuser may");
        scene
    }

    pub fn kill(&mut self) {
        self.cluster.kill_hard().expect("it is ours");
    }

    pub async fn start_again(&mut self) {
        self.cluster = Cluster::start(self.options.clone()).await.expect("it recovers");
    }
}
