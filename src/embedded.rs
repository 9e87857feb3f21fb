//! A private PostgreSQL cluster: the store of `asset-indexer run` without a database URL, of the
//! demo, and of the integration tests. It is a real server from installed programs, in a directory
//! of its own, reached by a socket only its account and root get at.
//!
//! # Who starts, who shares, who ends
//! One process holds the lock of a state directory: it starts the server and ends it when its
//! [`Cluster`] is stopped or dropped. When it dies without doing so (SIGKILL, out of memory), the
//! kernel releases the lock and a watchdog shell ends the server; a start that comes before the
//! watchdog is done ends it itself, and PostgreSQL recovers what was committed. No kind of end
//! makes the next start fail, where there is a `/proc`; elsewhere it may have to be repeated until
//! the watchdog is done.
//!
//! Another process that starts on the same directory meanwhile *shares* the running server
//! ([`Cluster::is_shared`]): its own options for durability, connections and TCP have no effect,
//! except that a durable cluster is never shared with one that is not. Stopping it leaves the
//! server running. When the starter ends, the sharing process loses its connections, as from any
//! database that went down; calling [`Cluster::start`] again then makes it the starter.
//!
//! # As root
//! PostgreSQL refuses to run as root. A daemon of root runs the programs as the user `postgres` or,
//! where there is none, as nobody; the data and the socket belong to that account. An existing
//! cluster keeps its owner.

mod account;
mod binaries;
mod error;
mod options;
mod place;
mod server;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

pub use binaries::{Binaries, OLDEST_VERSION, Search, find_binaries};
pub use error::EmbeddedError;
pub use options::Options;
pub use place::{cluster_version, default_state_dir};

use place::Place;
use server::{SOCKET_PORT, Server};

/// The superuser of every private cluster.
pub const SUPERUSER: &str = "postgres";

/// How long a server may take to answer after its start, and a sharing process waits for the
/// holder's.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it may answer "starting up": it recovers after a crash, and to break that off would
/// only repeat it.
const RECOVERY: Duration = Duration::from_secs(600);

/// A running private cluster. Dropping it ends the server if this process started it, and blocks
/// meanwhile (usually some 0.1 s); [`Cluster::stop`] does not block.
#[derive(Debug)]
pub struct Cluster {
    socket_dir: PathBuf,
    port: u16,
    log: PathBuf,
    state_dir: PathBuf,
    /// `None` when the server is another process's.
    server: Option<Server>,
}

impl Cluster {
    /// Starts the cluster of a state directory, or shares the one that runs there (see the module).
    /// A new directory takes a second or two.
    ///
    /// # Errors
    /// [`EmbeddedError::WrongVersion`] for the data of another major version;
    /// [`EmbeddedError::Exited`] and [`EmbeddedError::NotReady`] (30 s; 10 minutes while the server
    /// recovers from a crash) with the end of its log; [`EmbeddedError::Held`] and
    /// [`EmbeddedError::NotDurable`] when it cannot be shared; [`EmbeddedError::Unreachable`] when
    /// the account that root lends cannot get at the directory or the programs; others name the
    /// step that failed.
    pub async fn start(options: Options) -> Result<Self, EmbeddedError> {
        let begun = Instant::now();
        loop {
            let state_dir = options.state_dir.clone();
            let (place, lock) = blocking(move || {
                let place = Place::prepare(&state_dir)?;
                let lock = place.try_lock()?;
                Ok((place, lock))
            })
            .await?;
            if let Some(lock) = lock {
                return Self::launch(options, place, lock).await;
            }
            if let Some(shared) = Self::share(&options, &place).await? {
                return Ok(shared);
            }
            if begun.elapsed() > PATIENCE {
                let (holder, seconds) = (place.holder(), PATIENCE.as_secs());
                return Err(EmbeddedError::Held { state_dir: place.state_dir, holder, seconds });
            }
            // The holder is starting, or stopping: then the next turn gets the lock.
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn launch(options: Options, place: Place, lock: File) -> Result<Self, EmbeddedError> {
        let port = options.listen_tcp.unwrap_or(SOCKET_PORT);
        let at = place.clone();
        let server = blocking(move || Server::launch(&options, &at, lock)).await?;
        let mut cluster = Self::at(&place, port, Some(server));
        if let Err(error) = cluster.wait_ready(&place).await {
            // Not in this thread: ending it may take a while.
            let _ = cluster.stop().await;
            return Err(error);
        }
        Ok(cluster)
    }

    fn at(place: &Place, port: u16, server: Option<Server>) -> Self {
        let (socket_dir, log, state_dir) =
            (place.socket_dir.clone(), place.log.clone(), place.state_dir.clone());
        Self { socket_dir, port, log, state_dir, server }
    }

    /// Waits for the first connection, as long as the server runs and may still come to take one.
    async fn wait_ready(&mut self, place: &Place) -> Result<(), EmbeddedError> {
        let begun = Instant::now();
        let connect = self.connect_options(SUPERUSER, "postgres");
        let server = self.server.as_mut().expect("called by the process that started it");
        loop {
            if let Some(status) = server.exited() {
                let tail = place.log_tail(server.log_start);
                return Err(EmbeddedError::Exited { status, log: place.log.clone(), tail });
            }
            let patience = match timeout(PATIENCE, PgConnection::connect_with(&connect)).await {
                // The socket may still be a predecessor's; then ours is about to end.
                Ok(Ok(connection)) if !server.serves() => {
                    drop(connection);
                    PATIENCE
                }
                Ok(Ok(connection)) => return connection.close().await.map_err(refused("connect")),
                Ok(Err(error)) if is_starting(&error) => RECOVERY,
                Ok(Err(error @ sqlx::Error::Database(_))) => return Err(refused("connect")(error)),
                Ok(Err(_)) | Err(_) => PATIENCE,
            };
            if begun.elapsed() > patience {
                let tail = place.log_tail(server.log_start);
                return Err(EmbeddedError::NotReady {
                    seconds: patience.as_secs(),
                    log: place.log.clone(),
                    tail,
                });
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Shares the server of the process that holds the lock; `None` while it takes no connections.
    async fn share(options: &Options, place: &Place) -> Result<Option<Self>, EmbeddedError> {
        let Some(running) = place.postmaster() else {
            return Ok(None);
        };
        let cluster = Self::at(place, running.port, None);
        let connect = cluster.connect_options(SUPERUSER, "postgres");
        let Ok(Ok(mut connection)) = timeout(PATIENCE, PgConnection::connect_with(&connect)).await else {
            return Ok(None);
        };
        let query = "SELECT current_setting('fsync')";
        let Ok(row) = connection.fetch_one(query).await else {
            return Ok(None);
        };
        let fsync: String = row.try_get(0).map_err(refused("read the settings"))?;
        connection.close().await.map_err(refused("close a connection"))?;
        if options.durable && fsync == "off" {
            let (state_dir, holder) = (place.state_dir.clone(), place.holder());
            return Err(EmbeddedError::NotDurable { state_dir, holder });
        }
        Ok(Some(cluster))
    }

    /// The superuser's URL of a database, for sqlx and for `psql` alike. It carries no secret.
    pub fn url(&self, database: &str) -> String {
        self.url_as(SUPERUSER, database)
    }

    /// The URL of a database for a role; over the socket no role needs a password.
    pub fn url_as(&self, user: &str, database: &str) -> String {
        let socket_dir = self.socket_dir.to_string_lossy();
        let (user, database, host) = (encode(user), encode(database), encode(&socket_dir));
        // The mode overrides a PGSSLMODE meant for another database: sqlx would ask for TLS on a
        // socket.
        format!("postgres://{user}@localhost/{database}?host={host}&port={}&sslmode=disable", self.port)
    }

    /// The same as [`Cluster::url_as`], for sqlx without the detour.
    pub fn connect_options(&self, user: &str, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket_dir)
            .port(self.port)
            .username(user)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    }

    /// Creates a database, as a copy of `template` if one is given; tells whether it did not exist
    /// before.
    ///
    /// # Errors
    /// [`EmbeddedError::Query`], for instance when somebody is connected to the template.
    pub async fn create_database(&self, name: &str, template: Option<&str>) -> Result<bool, EmbeddedError> {
        let connect = self.connect_options(SUPERUSER, "postgres");
        let mut connection = PgConnection::connect_with(&connect).await.map_err(refused("connect"))?;
        // template0 has never a connection that would stand in the way; template1 may.
        let template = quote(template.unwrap_or("template0"));
        let statement = format!("CREATE DATABASE {} TEMPLATE {template}", quote(name));
        let created = match connection.execute(AssertSqlSafe(statement)).await {
            Ok(_) => true,
            Err(error) if has_code(&error, "42P04") => false,
            Err(error) => return Err(refused("create a database")(error)),
        };
        connection.close().await.map_err(refused("close a connection"))?;
        Ok(created)
    }

    /// Whether another process started the server, so that stopping this one leaves it running.
    pub fn is_shared(&self) -> bool {
        self.server.is_none()
    }

    /// The server's log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The directory that belongs to the cluster.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Ends the server if this process started it: fast (SIGINT: open transactions are rolled
    /// back), after 20 s at once (SIGQUIT), after 5 s more by force. Close the pools first, or
    /// their connections break.
    ///
    /// # Errors
    /// [`EmbeddedError::Io`] when the runtime is shutting down; dropping the cluster has then ended
    /// the server.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        blocking(move || {
            server.shutdown();
            Ok(())
        })
        .await
    }

    /// Kills the server and its backends (SIGKILL), for tests of what a crash leaves. The directory
    /// stays, also a scratch cluster's; start it again with the same options.
    ///
    /// # Errors
    /// [`EmbeddedError::NotStarter`] when the server is another process's.
    pub fn kill_hard(&mut self) -> Result<(), EmbeddedError> {
        match self.server.as_mut() {
            Some(server) => {
                server.kill_hard();
                Ok(())
            }
            None => Err(EmbeddedError::NotStarter { state_dir: self.state_dir.clone() }),
        }
    }
}

/// Runs what waits for files and processes off the runtime's threads. If the caller gives up
/// meanwhile, the step still comes to its end, and its result is dropped: a server started by it is
/// stopped again.
async fn blocking<T, F>(step: F) -> Result<T, EmbeddedError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, EmbeddedError> + Send + 'static,
{
    match spawn_blocking(step).await {
        Ok(result) => result,
        Err(gone) => match gone.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(gone) => {
                Err(error::at("wait for the private cluster in", Path::new("the runtime"))(gone.into()))
            }
        },
    }
}

fn refused(action: &'static str) -> impl FnOnce(sqlx::Error) -> EmbeddedError {
    move |source| EmbeddedError::Query { action, source }
}

/// `cannot_connect_now`: the server starts, recovers or stops.
fn is_starting(error: &sqlx::Error) -> bool {
    has_code(error, "57P03")
}

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|found| found == code)
}

/// An SQL identifier.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A part of a URL: everything but unreserved characters (RFC 3986, 2.3) and slashes as `%XX`.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(byte.into())
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
        encoded
    })
}
