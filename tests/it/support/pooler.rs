//! PgBouncer before a private PostgreSQL, pooling by transaction, as many platforms have it.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use asset_indexer::embedded::{Cluster, SUPERUSER};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::command::Folder;
use super::process::until;

/// Where Debian puts it, which is not in everybody's path.
const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// A running PgBouncer; dropping it kills it.
pub struct Pooler {
    child: Child,
    /// One connection through it.
    pub pool: PgPool,
    _folder: Folder,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Pooler {
    /// Starts one before a database.
    pub async fn before(cluster: &Cluster, database: &str) -> Self {
        let folder = Folder::new();
        let port = {
            let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
            free.local_addr().expect("it is bound").port()
        };
        let there = cluster.connect_options(SUPERUSER, database);
        let socket = there.get_socket().expect("a private PostgreSQL has a socket").display().to_string();
        let settings = format!(
            "[databases]\n{database} = host={socket} port={} dbname={database} user={SUPERUSER}\n
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n
             pool_mode = transaction\nignore_startup_parameters = extra_float_digits\n",
            there.get_port()
        );
        let settings: Vec<&str> = settings.lines().map(str::trim).collect();
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings.join("\n")).expect("it can be written");
        let mut command = Command::new(PROGRAM);
        command.arg("-q").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // It refuses to run as root, and reads its file before it becomes somebody else.
        if std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            command.args(["-u", "postgres"]);
        }
        let child = command.arg(&file).spawn().expect("PgBouncer is installed: see tests/setup.sh");
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(port)
            .username(SUPERUSER)
            .database(database)
            .ssl_mode(sqlx::postgres::PgSslMode::Disable);
        let pool = until("PgBouncer answers", async || {
            let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(2));
            pool.connect_with(options.clone()).await.ok()
        })
        .await;
        Self { child, pool, _folder: folder }
    }
}
