//! The account the server runs as. PostgreSQL refuses root, so a daemon of root lends it another
//! one.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::{EmbeddedError, at};

/// The traditional number of `nobody`, which exists without an entry in the list of users.
const NOBODY: u32 = 65534;

/// The POSIX shell: signals to a server under another account are sent through it.
const SHELL: &str = "/bin/sh";

/// Who runs `initdb` and `postgres`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub uid: u32,
    /// The group to take on with it; `None` when it is the daemon's own account.
    pub lent_gid: Option<u32>,
    /// For messages.
    pub name: String,
}

impl Account {
    /// The account for a data directory: the daemon's own, or, for root, the existing directory's
    /// owner, else the user `postgres`, else nobody.
    pub fn for_data(data_dir: &Path) -> Result<Self, EmbeddedError> {
        let own = effective_uid()?;
        let lend = |uid, gid, name| Self { uid, lent_gid: Some(gid), name };
        if own != 0 {
            return Ok(Self { uid: own, lent_gid: None, name: format!("uid {own}") });
        }
        if let Ok(existing) = fs::metadata(data_dir)
            && existing.uid() != 0
        {
            return Ok(lend(existing.uid(), existing.gid(), format!("uid {}", existing.uid())));
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Ok(match user_ids(&users, "postgres") {
            Some((uid, gid)) => lend(uid, gid, "user postgres".to_owned()),
            None => lend(NOBODY, NOBODY, "nobody".to_owned()),
        })
    }

    /// A program to be run as this account, with nothing of the daemon's surroundings: PG*
    /// variables would change the server, and the working directory may be closed to the account.
    /// It gets its own process group, so that Ctrl-C on a terminal ends the daemon first and the
    /// daemon ends the server.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir("/").stdin(Stdio::null()).process_group(0);
        for name in ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // Messages in English: they go into our errors.
        command.env("LC_ALL", "C");
        if let Some(gid) = self.lent_gid {
            // As root, setting the uid also drops the supplementary groups.
            command.uid(self.uid).gid(gid);
        }
        command
    }

    /// Sends a signal (`INT`, `QUIT`, `KILL`) to processes of this account. Processes that are gone
    /// are no error.
    pub fn signal(&self, signal: &str, processes: &[u32]) {
        if processes.is_empty() {
            return;
        }
        // The server's own account sends it: a root without CAP_KILL may not.
        let sent = self
            .command(Path::new(SHELL))
            .args(["-c", r#"signal=$1; shift; kill -s "$signal" "$@""#, "sh", signal])
            .args(processes.iter().map(u32::to_string))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if let Err(error) = sent {
            tracing::warn!(signal, ?processes, %error, "cannot signal the private PostgreSQL");
        }
    }

    /// Checks that a lent account gets at a directory or program, before a program fails without
    /// saying so.
    pub fn reach(&self, path: &Path) -> Result<(), EmbeddedError> {
        if self.lent_gid.is_none() {
            return Ok(());
        }
        let reached = self
            .command(Path::new(SHELL))
            .args(["-c", r#"test -x "$1""#, "sh"])
            .arg(path)
            .status()
            .map_err(at("become the server's account with", Path::new(SHELL)))?;
        if reached.success() {
            return Ok(());
        }
        Err(EmbeddedError::Unreachable {
            path: path.to_owned(),
            closed: self.first_closed(path),
            account: self.name.clone(),
        })
    }

    /// The first directory on the way to `path` whose mode does not let the account pass.
    fn first_closed(&self, path: &Path) -> PathBuf {
        let mut way: Vec<&Path> = path.ancestors().collect();
        way.reverse();
        let closed = way.iter().find(|step| {
            fs::metadata(step).is_ok_and(|found| {
                let bit = match () {
                    () if found.uid() == self.uid => 0o100,
                    () if self.lent_gid == Some(found.gid()) => 0o010,
                    () => 0o001,
                };
                found.mode() & bit == 0
            })
        });
        closed.copied().unwrap_or(path).to_owned()
    }
}

/// The effective uid of this process. The standard library does not tell; Linux does in a file,
/// others by `id`.
pub(super) fn effective_uid() -> Result<u32, EmbeddedError> {
    if let Ok(status) = fs::read_to_string("/proc/self/status")
        && let Some(line) = status.lines().find_map(|line| line.strip_prefix("Uid:"))
        && let Some(Ok(uid)) = line.split_whitespace().nth(1).map(str::parse)
    {
        return Ok(uid);
    }
    let program = Path::new("id");
    let output = Command::new(program).arg("-u").output().map_err(at("run", program))?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().map_err(|_| {
        let source = std::io::Error::other(format!("it answers {:?}", said.trim()));
        at("learn the user from", program)(source)
    })
}

/// A user's uid and gid in the list of users.
fn user_ids(users: &str, name: &str) -> Option<(u32, u32)> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_user_by_its_whole_name() {
        let users = "root:x:0:0::/:/sh\npostgres-exporter:x:7:8::/:/sh\npostgres:x:101:104:a:/b:/c\n";
        assert_eq!(user_ids(users, "postgres"), Some((101, 104)));
        assert_eq!(user_ids(users, "post"), None);
    }

    #[test]
    fn a_closed_directory_is_named() {
        let outer = std::env::temp_dir().join(format!("asset-indexer-closed-{}", std::process::id()));
        let inner = outer.join("inner");
        fs::create_dir_all(&inner).unwrap();
        fs::set_permissions(&outer, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let stranger = Account { uid: 4_000_000, lent_gid: Some(4_000_000), name: "uid 4000000".into() };
        assert_eq!(stranger.first_closed(&inner), outer);
        fs::remove_dir_all(&outer).unwrap();
    }
}
