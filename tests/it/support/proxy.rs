//! A TCP proxy inside the test, between the program and its database or its node: slow, narrow, deaf, or cut off at a
//! chosen byte, message or COMMIT.
//!
//! Towards PostgreSQL it reads the frontend's messages (type, length, body), which is possible because tests connect
//! without TLS; cuts by message touch the writer's connection only, told by its application name.

mod pipe;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::process::until;

/// Where connections lead.
#[derive(Debug, Clone)]
pub enum Target {
    /// A JSON-RPC node, or whatever speaks TCP.
    Tcp(SocketAddr),
    /// A PostgreSQL server's socket.
    Postgres(PathBuf),
}

impl Target {
    /// The server of these options, which have a socket.
    pub fn of(options: &PgConnectOptions) -> Self {
        let folder = options.get_socket().expect("a private PostgreSQL has a socket");
        Self::Postgres(folder.join(format!(".s.PGSQL.{}", options.get_port())))
    }

    /// A server on a port of the loopback interface.
    pub fn port(port: u16) -> Self {
        Self::Tcp((Ipv4Addr::LOCALHOST, port).into())
    }
}

/// A cut that strikes once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// So many messages of the writer reach the server, none after them, and no answer after that comes back.
    Messages(u64),
    /// The writer's next COMMIT does not reach the server.
    CommitLost,
    /// The writer's next COMMIT reaches the server; the connection breaks at once.
    CommitSent,
    /// The writer's next COMMIT is carried out, and its answer is lost.
    CommitDone,
    /// So many messages of the writer reach the server; then its connection is dead, and nobody is told.
    Silence(u64),
    /// The writer's next COMMIT is carried out; then its connection is dead, and nobody is told.
    CommitSilence,
    /// So many bytes of answers come back, none after them.
    Answer(usize),
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// FIN: an orderly end.
    Closed,
    /// RST.
    Reset,
}

#[derive(Debug)]
struct Settings {
    target: Target,
    armed: Option<Cut>,
    messages: u64,
    answered: usize,
    struck: u64,
    end: End,
    latency: Duration,
    bytes_per_second: Option<u64>,
}

#[derive(Debug)]
struct Shared {
    settings: Mutex<Settings>,
    /// How often all connections were cut.
    cuts: watch::Sender<u64>,
    /// Whether everything is swallowed.
    deaf: watch::Sender<bool>,
}

impl Shared {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses the armed cut up.
    fn strike(&self) {
        let mut settings = self.settings();
        settings.armed = None;
        settings.struck += 1;
    }
}

/// The proxy; all its connections end with it.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut(End::Closed);
    }
}

impl Proxy {
    /// Listens on a free port of the loopback interface.
    pub async fn before(target: Target) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let settings = Settings {
            target,
            armed: None,
            messages: 0,
            answered: 0,
            struck: 0,
            end: End::Reset,
            latency: Duration::ZERO,
            bytes_per_second: None,
        };
        let shared = Arc::new(Shared {
            settings: Mutex::new(settings),
            cuts: watch::Sender::new(0),
            deaf: watch::Sender::new(false),
        });
        let listening = tokio::spawn(pipe::listen(listener, shared.clone()));
        Self { port, shared, listening }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database behind it.
    pub fn database_url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// New connections lead elsewhere.
    pub fn retarget(&self, target: Target) {
        self.shared.settings().target = target;
    }

    /// Ends all connections.
    pub fn cut(&self, end: End) {
        self.shared.settings().end = end;
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Prepares a cut; messages and bytes count from now. It ends its connection by RST.
    pub fn arm(&self, cut: Cut) {
        let mut settings = self.shared.settings();
        (settings.armed, settings.end) = (Some(cut), End::Reset);
        (settings.messages, settings.answered) = (0, 0);
    }

    /// Takes an armed cut back; false when it struck already.
    pub fn disarm(&self) -> bool {
        self.shared.settings().armed.take().is_some()
    }

    /// How many armed cuts have struck.
    pub fn struck(&self) -> u64 {
        self.shared.settings().struck
    }

    /// Prepares a cut and waits until it struck.
    pub async fn strike(&self, cut: Cut) {
        let before = self.struck();
        self.arm(cut);
        until(&format!("{cut:?} strikes"), async || (self.struck() > before).then_some(())).await;
    }

    /// How many messages the writer sent since a cut was armed.
    pub fn messages(&self) -> u64 {
        self.shared.settings().messages
    }

    /// Delays every piece in either direction.
    pub fn delay(&self, latency: Duration) {
        self.shared.settings().latency = latency;
    }

    /// Limits the answers of each connection.
    pub fn narrow(&self, bytes_per_second: Option<u64>) {
        self.shared.settings().bytes_per_second = bytes_per_second;
    }

    /// Swallows everything, as a network that lost the way without a word: connections are accepted, stay open, and
    /// nothing passes. Once it hears again, new connections work; the old ones stay dead.
    pub fn deafen(&self, deaf: bool) {
        self.shared.deaf.send_replace(deaf);
    }
}
