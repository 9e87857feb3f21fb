//! The directory of a private cluster and what lies in it.
//!
//! ```text
//! <state directory>/        the daemon's user, 0700; root's is 0711: the server's account passes
//!   lock                    held (flock) by the process that started the server; names its process
//!   pg_hba.conf             who may connect; written at every start
//!   postgres.log            the server's log, appended; one older part is kept
//!   data/                   the cluster, owned by the server's account, 0700
//!   run/                    the socket, likewise; elsewhere when the path is too long for a socket
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use alloy::{hex, primitives::keccak256};

use super::account::{Account, effective_uid};
use super::error::{EmbeddedError, at};

/// A socket's path has 108 bytes on Linux and 104 elsewhere, with the closing zero; the file's name
/// (`/.s.PGSQL.65535`) takes 15 of them.
const LONGEST_SOCKET_DIR: usize = 104 - 1 - 15;

/// Above this size the log of earlier starts is put aside.
const LONGEST_LOG: u64 = 16 << 20;

/// How much of the log's end goes into an error.
const TAIL_LINES: usize = 20;

/// The state directory of the private cluster known by `name` (for instance the chain's name): for
/// root `/var/lib/asset-indexer/<hash>`, else `$XDG_STATE_HOME/asset-indexer/<hash>`, by default
/// below `~/.local/state`. The same name gives the same directory in every release.
///
/// Root does not use `/var/tmp`: the system's cleaning there would take a register's seldom-touched
/// files.
///
/// # Errors
/// [`EmbeddedError::NoStateDirectory`] when a user has neither variable.
pub fn default_state_dir(name: &str) -> Result<PathBuf, EmbeddedError> {
    let directory = short_hash(name.as_bytes());
    if effective_uid()? == 0 {
        return Ok(Path::new("/var/lib/asset-indexer").join(directory));
    }
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    Ok(base.ok_or(EmbeddedError::NoStateDirectory)?.join("asset-indexer").join(directory))
}

/// The major version of the cluster in a state directory, for [`super::Search::version`]; `None`
/// when there is none.
pub fn cluster_version(state_dir: &Path) -> Option<u32> {
    fs::read_to_string(state_dir.join("data/PG_VERSION")).ok()?.trim().parse().ok()
}

fn short_hash(bytes: &[u8]) -> String {
    hex::encode(&keccak256(bytes)[..8])
}

/// The paths of one cluster.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub state_dir: PathBuf,
    pub data_dir: PathBuf,
    pub socket_dir: PathBuf,
    pub hba: PathBuf,
    pub log: PathBuf,
    lock: PathBuf,
}

/// What `postmaster.pid` says of a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Postmaster {
    pub process: u32,
    pub port: u16,
}

impl Place {
    /// Makes the state directory, or checks that the existing one is ours.
    pub fn prepare(state_dir: &Path) -> Result<Self, EmbeddedError> {
        let uid = effective_uid()?;
        let mode = if uid == 0 { 0o711 } else { 0o700 };
        let make = || DirBuilder::new().recursive(true).mode(mode).create(state_dir);
        make().map_err(at("create the state directory", state_dir))?;
        let state_dir = state_dir.canonicalize().map_err(at("resolve the state directory", state_dir))?;
        belongs_to(&state_dir, uid)?;
        if uid == 0 {
            let found = fs::metadata(&state_dir).map_err(at("read", &state_dir))?;
            let open = fs::Permissions::from_mode(found.mode() & 0o7777 | 0o011);
            fs::set_permissions(&state_dir, open).map_err(at("open the way into", &state_dir))?;
        }
        Ok(Self {
            data_dir: state_dir.join("data"),
            socket_dir: socket_dir(&state_dir),
            hba: state_dir.join("pg_hba.conf"),
            log: state_dir.join("postgres.log"),
            lock: state_dir.join("lock"),
            state_dir,
        })
    }

    /// The lock that makes this process the one to start and stop the server; `None` while another
    /// one holds it. The kernel releases it when its holder ends, however it ends.
    pub fn try_lock(&self) -> Result<Option<File>, EmbeddedError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&self.lock).map_err(at("open", &self.lock))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(at("lock", &self.lock)(error)),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(at("write", &self.lock))?;
        Ok(Some(file))
    }

    /// The process that holds the lock, in words.
    pub fn holder(&self) -> String {
        let said = fs::read_to_string(&self.lock).unwrap_or_default();
        if said.trim().is_empty() { "(unknown)".to_owned() } else { said.trim().to_owned() }
    }

    /// What the data directory says of a server that runs in it or did.
    pub fn postmaster(&self) -> Option<Postmaster> {
        parse_postmaster(&fs::read_to_string(self.postmaster_file()).ok()?)
    }

    pub fn postmaster_file(&self) -> PathBuf {
        self.data_dir.join("postmaster.pid")
    }

    /// Makes a directory for the server's account alone. An existing one must already be the
    /// account's: at a guessable path under /tmp it might be a trap.
    pub fn make_private(path: &Path, account: &Account) -> Result<(), EmbeddedError> {
        match DirBuilder::new().mode(0o700).create(path) {
            // Without a lent group the directory is the account's already.
            Ok(()) if account.lent_gid.is_none() => Ok(()),
            Ok(()) => lchown(path, Some(account.uid), account.lent_gid).map_err(at("hand over", path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => belongs_to(path, account.uid),
            Err(error) => Err(at("create", path)(error)),
        }
    }

    /// Opens the log for a start, and tells where this start's part begins.
    pub fn open_log(&self) -> Result<(File, u64), EmbeddedError> {
        if fs::metadata(&self.log).is_ok_and(|found| found.len() > LONGEST_LOG) {
            let older = self.log.with_extension("log.1");
            fs::rename(&self.log, &older).map_err(at("put aside", &self.log))?;
        }
        // Failed statements are logged with their text, so the log is for its owner alone.
        let mut options = OpenOptions::new();
        let file =
            options.append(true).create(true).mode(0o600).open(&self.log).map_err(at("open", &self.log))?;
        let start = file.metadata().map_err(at("read", &self.log))?.len();
        Ok((file, start))
    }

    /// The last lines of the log since `start`.
    pub fn log_tail(&self, start: u64) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(&self.log) {
            let length = file.metadata().map_or(0, |found| found.len());
            let from = start.max(length.saturating_sub(16 << 10));
            if file.seek(SeekFrom::Start(from)).is_ok() && file.read_to_end(&mut text).is_err() {
                text.clear();
            }
        }
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        if tail.is_empty() { "(empty)".to_owned() } else { tail }
    }

    /// Removes the cluster and everything around it.
    pub fn remove(&self) {
        for path in [&self.socket_dir, &self.state_dir] {
            if let Err(error) = fs::remove_dir_all(path)
                && error.kind() != ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "cannot remove a scratch cluster");
            }
        }
    }
}

/// Checks that a path is a real directory (no link) of a user.
pub(super) fn belongs_to(path: &Path, uid: u32) -> Result<(), EmbeddedError> {
    let found = fs::symlink_metadata(path).map_err(at("read", path))?;
    if found.is_dir() && found.uid() == uid {
        return Ok(());
    }
    let found = match found.is_dir() {
        true => format!("a directory of uid {}", found.uid()),
        false => "no directory".to_owned(),
    };
    Err(EmbeddedError::ForeignDirectory { path: path.to_owned(), expected: uid, found })
}

/// Where the socket goes: beside the data, unless that path is too long for a socket.
fn socket_dir(state_dir: &Path) -> PathBuf {
    let beside = state_dir.join("run");
    let bytes = beside.as_os_str().as_bytes();
    // A comma separates directories in the server's setting.
    if bytes.len() <= LONGEST_SOCKET_DIR && !bytes.contains(&b',') {
        return beside;
    }
    // Not $TMPDIR: every process that shares the cluster must come to the same place.
    Path::new("/tmp").join(format!("asset-indexer-{}", short_hash(bytes)))
}

/// Lines of `postmaster.pid`: process, data directory, start time, port, socket directory, ...
fn parse_postmaster(text: &str) -> Option<Postmaster> {
    let mut lines = text.lines();
    let process = lines.next()?.trim().parse().ok()?;
    let port = lines.nth(2)?.trim().parse().ok()?;
    Some(Postmaster { process, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_postmaster_file_and_refuses_a_half_written_one() {
        let whole = "4711\n/var/lib/x/data\n1700000000\n5432\n/var/lib/x/run\n\n  12345  7\nready   \n";
        assert_eq!(parse_postmaster(whole), Some(Postmaster { process: 4711, port: 5432 }));
        assert_eq!(parse_postmaster("4711\n/var/lib/x/data\n"), None);
    }

    #[test]
    fn a_long_path_gets_a_short_socket_directory() {
        let short = Path::new("/var/lib/asset-indexer/0011223344556677");
        assert_eq!(socket_dir(short), short.join("run"));
        let long = PathBuf::from(format!("/home/{}", "x".repeat(100)));
        let elsewhere = socket_dir(&long);
        assert!(elsewhere.as_os_str().len() <= LONGEST_SOCKET_DIR, "{}", elsewhere.display());
        assert!(elsewhere.starts_with("/tmp"));
        assert_ne!(elsewhere, socket_dir(&long.join("y")), "two clusters never share a socket");
    }

    #[test]
    fn the_default_directory_is_stable() {
        let hash = short_hash(b"mainnet");
        assert_eq!(hash.len(), 16);
        assert!(default_state_dir("mainnet").expect("a home").ends_with(format!("asset-indexer/{hash}")));
    }
}
