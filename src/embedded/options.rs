//! How a private cluster is to run.

use std::path::PathBuf;

use super::Binaries;

/// How a private cluster is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The programs; their major version must be the existing cluster's.
    pub binaries: Binaries,
    /// The directory that belongs to the cluster, made when missing: data, socket, log and lock lie
    /// in it. It must not be used for anything else.
    pub state_dir: PathBuf,
    /// Whether a commit survives a crash of the machine. Without, `fsync`, `synchronous_commit` and
    /// `full_page_writes` are off: a crash of the server alone is still survived.
    pub durable: bool,
    /// The most connections at a time.
    pub max_connections: u32,
    /// A TCP port on 127.0.0.1 beside the socket. Over TCP a role needs a password (SCRAM), which
    /// the superuser has none of: give one to the role that shall connect.
    pub listen_tcp: Option<u16>,
    /// Whether the state directory is removed with everything in it when the server ends, in
    /// whatever way except [`Cluster::kill_hard`](super::Cluster::kill_hard).
    pub remove_on_stop: bool,
}

impl Options {
    /// A cluster to keep: durable, 50 connections, no TCP.
    pub fn persistent(binaries: Binaries, state_dir: PathBuf) -> Self {
        Self {
            binaries,
            state_dir,
            durable: true,
            max_connections: 50,
            listen_tcp: None,
            remove_on_stop: false,
        }
    }

    /// A cluster for a test or a demo: fast instead of durable, 200 connections, in a new directory
    /// below the system's temporary one, removed at the end.
    pub fn scratch(binaries: Binaries) -> Self {
        let name = format!("asset-indexer-{}", uuid::Uuid::new_v4().simple());
        let state_dir = std::env::temp_dir().join(name);
        Self {
            binaries,
            state_dir,
            durable: false,
            max_connections: 200,
            listen_tcp: None,
            remove_on_stop: true,
        }
    }
}
