//! Where a run keeps its files, and who clears up after one that was killed.
//!
//! Each run has a folder of its own, named by its process and locked as long as the run or its guard lives: two runs
//! never meet, and what a killed machine left behind is known by its open lock and removed by the next run.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::Result;

/// Of root only, when PostgreSQL's account does not get into the repository.
const ROOTS_OWN: &str = "/var/lib/asset-indexer/demo";

/// The folder of one run.
pub(crate) struct Place {
    /// The folder.
    pub(crate) folder: PathBuf,
    lock: File,
}

impl Place {
    /// Makes this run's folder below `.demo` of the repository, or, for root where others may not enter the
    /// repository, below `/var/lib`; removes what earlier runs left.
    pub(crate) fn claim() -> Result<Self> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        let place = Self::claim_in(&repository.join(".demo"))?;
        // PostgreSQL refuses root, so the daemon lends it another account, which must reach its data.
        let is_root = fs::metadata(&place.folder)?.uid() == 0;
        if !is_root || is_open_to_all(&place.folder)? {
            return Ok(place);
        }
        place.remove();
        Self::claim_in(Path::new(ROOTS_OWN))
    }

    fn claim_in(base: &Path) -> Result<Self> {
        let hint = "the demo keeps its files there: run it as the owner of the repository";
        let failed = |path: &Path, error: io::Error| format!("{}: {error}; {hint}", path.display());
        DirBuilder::new().recursive(true).mode(0o711).create(base).map_err(|error| failed(base, error))?;
        // One run at a time looks for what others left: a folder is never seen between its making and its locking.
        let turn = File::open(base).map_err(|error| failed(base, error))?;
        turn.lock()?;
        for entry in fs::read_dir(base)? {
            remove_if_left(&entry?.path());
        }
        let folder = base.join(std::process::id().to_string());
        DirBuilder::new().mode(0o711).create(&folder).map_err(|error| failed(&folder, error))?;
        fs::set_permissions(&folder, Permissions::from_mode(0o711))?;
        let lock = File::open(&folder)?;
        lock.try_lock()?;
        Ok(Self { folder, lock })
    }

    /// Removes the folder, and the one above if it was the last.
    pub(crate) fn remove(self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("demo: {} could not be removed: {error}", self.folder.display());
        }
        if let Some(base) = self.folder.parent() {
            // Fails while another run is in it, as it should.
            let _ = fs::remove_dir(base);
        }
    }

    /// Starts the guard of this run; see [`Guard`].
    pub(crate) fn guard(&self) -> Result<Guard> {
        // The node keeps old states there and leaves them when it is killed.
        let cache = std::env::temp_dir().join(format!("scenario-anvil-{}-", std::process::id()));
        let mut child = Command::new("/bin/sh")
            .args(["-c", GUARD, "sh"])
            .args([&self.folder, self.folder.parent().unwrap_or(&self.folder), &cache])
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            // Never written to: it holds the lock.
            .stdout(self.lock.try_clone()?)
            .stderr(Stdio::null())
            .spawn()?;
        let orders = child.stdin.take().expect("it was asked to be piped");
        Ok(Guard { child, orders })
    }
}

/// Removes a run's folder that nobody holds. What belongs to somebody else stays.
fn remove_if_left(folder: &Path) {
    if let Ok(left) = File::open(folder)
        && left.try_lock().is_ok()
    {
        let _ = fs::remove_dir_all(folder);
    }
}

fn is_open_to_all(folder: &Path) -> Result<bool> {
    for step in folder.ancestors() {
        if fs::metadata(step)?.mode() & 0o001 == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads who runs until the demo is gone, then ends them and removes the run's folder (`$1`), the one above if it was
/// the last (`$2`), and the node's (`$3*`).
const GUARD: &str = r#"
trap '' INT TERM HUP QUIT
node= daemon=
while read -r who pid; do
    case $who in node) node=$pid ;; daemon) daemon=$pid ;; esac
done
# A node that was not announced yet is known by the folder it was told to use.
for process in /proc/[0-9]*; do
    [ -n "$node" ] || ! tr '\0' ' ' < "$process/cmdline" | grep -q -- " --cache-path $3" || node=${process#/proc/}
done
[ -z "$node" ] || kill -KILL "$node"
if [ -n "$daemon" ]; then
    kill -TERM "$daemon"
    turns=0
    while kill -0 "$daemon" && [ $turns -lt 150 ]; do sleep 0.2; turns=$((turns + 1)); done
    kill -KILL "$daemon"
fi
rm -rf -- "$1" "$3"*
rmdir -- "$2"
"#;

/// A shell that ends the run's processes when the demo cannot do it any more: it sees its input close, also when the
/// demo was killed.
pub(crate) struct Guard {
    child: Child,
    orders: ChildStdin,
}

impl Guard {
    /// Tells that the node runs as this process.
    pub(crate) fn node(&mut self, process: u32) -> io::Result<()> {
        writeln!(self.orders, "node {process}")
    }

    /// Tells that the daemon runs as this process, or not at all.
    pub(crate) fn daemon(&mut self, process: Option<u32>) -> io::Result<()> {
        writeln!(self.orders, "daemon {}", process.map_or_else(String::new, |process| process.to_string()))
    }

    /// Lets the guard go: there is nothing left to end.
    pub(crate) fn dismiss(mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
