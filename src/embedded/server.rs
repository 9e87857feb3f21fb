//! The server process: what fills its directory, starts it, watches over it and ends it.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Options;
use super::account::Account;
use super::error::{EmbeddedError, at};
use super::place::{Place, belongs_to};

/// The port in a socket's name when no TCP is asked for; each cluster has a socket directory of its
/// own.
pub(super) const SOCKET_PORT: u16 = 5432;

/// How long a fast shutdown may take: it writes out what is dirty.
const FAST: Duration = Duration::from_secs(20);

/// How long the stronger signals are waited for.
const FORCED: Duration = Duration::from_secs(5);

/// Ends the server when the daemon is gone, even by SIGKILL: the daemon holds the other end of this
/// shell's input, and the kernel closes it. `PR_SET_PDEATHSIG` would need `unsafe`, is not to be
/// had outside Linux, and fires when the starting *thread* ends. `$1` is the server; `$2...` are
/// directories to remove after it, of a scratch cluster.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP QUIT
read -r _
kill -s INT "$1" 2>/dev/null
server=$1
shift
[ $# -gt 0 ] || exit 0
turns=0
while kill -0 "$server" 2>/dev/null && [ $turns -lt 100 ]; do sleep 0.2; turns=$((turns + 1)); done
rm -rf -- "$@"
"#;

/// A server this process started, and with it the duty to end it.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    watchdog: Option<Child>,
    /// Held as long as the server is ours; `None` once it has ended.
    lock: Option<File>,
    account: Account,
    place: Place,
    remove: bool,
    /// Where this start's part of the log begins.
    pub log_start: u64,
}

impl Server {
    /// Starts the server on its directory, which is filled first when it is empty. What a
    /// predecessor left running there is ended. Blocks for as long as that takes.
    pub fn launch(options: &Options, place: &Place, lock: File) -> Result<Self, EmbeddedError> {
        let account = Account::for_data(&place.data_dir)?;
        account.reach(&place.state_dir)?;
        account.reach(&options.binaries.bin_dir.join("postgres"))?;
        if place.data_dir.join("PG_VERSION").exists() {
            belongs_to(&place.data_dir, account.uid)?;
            same_version(options, place)?;
            end_leftovers(place, &account);
        } else {
            initialize(options, place, &account)?;
        }
        Place::make_private(&place.socket_dir, &account)?;
        write_hba(place, options.listen_tcp.is_some())?;

        let (log, log_start) = place.open_log()?;
        let again = log.try_clone().map_err(at("open", &place.log))?;
        let postgres = options.binaries.bin_dir.join("postgres");
        let mut command = account.command(&postgres);
        command.arg("-D").arg(&place.data_dir).stdout(log).stderr(again);
        for setting in settings(options, place) {
            command.arg("-c").arg(setting);
        }
        let child = command.spawn().map_err(at("start", &postgres))?;
        let remove = options.remove_on_stop;
        let (lock, place) = (Some(lock), place.clone());
        let mut server = Self { child, watchdog: None, lock, account, place, remove, log_start };
        server.watchdog = Some(server.watch()?);
        Ok(server)
    }

    fn watch(&self) -> Result<Child, EmbeddedError> {
        let shell = Path::new("/bin/sh");
        let mut command = Command::new(shell);
        // The daemon's own account, which may remove all of a scratch cluster; an own process
        // group, because a Ctrl-C meant for the daemon must not end it.
        command
            .args(["-c", WATCHDOG, "sh"])
            .arg(self.child.id().to_string())
            .current_dir("/")
            .process_group(0);
        if self.remove {
            command.arg(&self.place.state_dir).arg(&self.place.socket_dir);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map_err(at("start the watchdog", shell))
    }

    /// How the server ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Whether the directory, and so the socket, is this server's.
    pub fn serves(&self) -> bool {
        self.place.postmaster().is_some_and(|found| found.process == self.child.id())
    }

    /// Ends the server: fast (open transactions are rolled back, all is written), then without
    /// writing, then by force. Blocks until it is gone; a second call does nothing.
    pub fn shutdown(&mut self) {
        if self.lock.is_none() {
            return;
        }
        for (signal, patience) in [("INT", FAST), ("QUIT", FORCED)] {
            if self.exited().is_none() {
                self.account.signal(signal, &[self.child.id()]);
                wait_until(patience, || self.exited().is_some());
            }
        }
        self.finish();
    }

    /// Ends the server and its backends by SIGKILL, as a crash of the machine would for the
    /// processes.
    pub fn kill_hard(&mut self) {
        if self.lock.is_some() {
            // A scratch cluster is kept for the start that follows the crash.
            self.remove = false;
            self.finish();
        }
    }

    /// What follows every end: nothing of the server is left, then the next one may start.
    fn finish(&mut self) {
        if self.exited().is_none() {
            // The signal without the shell needs CAP_KILL of a root: hence both.
            self.account.signal("KILL", &[self.child.id()]);
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if let Some(mut watchdog) = self.watchdog.take() {
            let _ = watchdog.kill();
            let _ = watchdog.wait();
        }
        if self.place.postmaster_file().exists() {
            // No orderly end: backends may outlive the postmaster for a moment.
            let left = processes_in(&self.place, &self.account);
            self.account.signal("KILL", &left);
            wait_until(FORCED, || processes_in(&self.place, &self.account).is_empty());
        }
        if self.remove {
            self.place.remove();
        }
        self.lock = None;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Fills an empty data directory. It gets its final name last, so that an interrupted attempt is
/// not taken for a cluster.
fn initialize(options: &Options, place: &Place, account: &Account) -> Result<(), EmbeddedError> {
    let fresh = place.state_dir.join("data.new");
    let initdb = options.binaries.bin_dir.join("initdb");
    let attempt = |locale: &str| -> Result<Output, EmbeddedError> {
        if fresh.exists() {
            fs::remove_dir_all(&fresh).map_err(at("remove the unfinished", &fresh))?;
        }
        Place::make_private(&fresh, account)?;
        let mut command = account.command(&initdb);
        command.arg("--pgdata").arg(&fresh).arg(format!("--locale={locale}"));
        command.args(["--username=postgres", "--auth-local=trust", "--auth-host=reject"]);
        command.args(["--encoding=UTF8", "--data-checksums", "--no-instructions"]);
        if !options.durable {
            command.arg("--no-sync");
        }
        command.output().map_err(at("run", &initdb))
    };
    let mut output = attempt("C.UTF-8")?;
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("locale") {
        // Older systems lack C.UTF-8. Plain C sorts the same, by bytes, but knows no letters beyond
        // ASCII.
        output = attempt("C")?;
    }
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.trim().lines().collect();
        let output_tail = lines[lines.len().saturating_sub(10)..].join("; ");
        let (data_dir, status) = (place.data_dir.clone(), output.status);
        return Err(EmbeddedError::Initdb { data_dir, status, output: output_tail });
    }
    fs::rename(&fresh, &place.data_dir).map_err(at("put the new cluster at", &place.data_dir))?;
    File::open(&place.state_dir)
        .and_then(|directory| directory.sync_all())
        .map_err(at("write out", &place.state_dir))
}

fn same_version(options: &Options, place: &Place) -> Result<(), EmbeddedError> {
    let file = place.data_dir.join("PG_VERSION");
    let found = fs::read_to_string(&file).map_err(at("read", &file))?.trim().to_owned();
    let offered = options.binaries.version;
    if found == offered.to_string() {
        return Ok(());
    }
    let (data_dir, bin_dir) = (place.data_dir.clone(), options.binaries.bin_dir.clone());
    Err(EmbeddedError::WrongVersion { data_dir, found, bin_dir, offered })
}

/// Who may connect: everybody who gets into the socket's directory, under any name; over TCP only
/// roles with a password. Outside the data directory, because root does not write where another
/// account could place a link.
fn write_hba(place: &Place, tcp: bool) -> Result<(), EmbeddedError> {
    let mut rules = "local all all trust\nlocal replication all trust\n".to_owned();
    if tcp {
        rules.push_str("host all all 127.0.0.1/32 scram-sha-256\n");
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644);
    let mut file = options.open(&place.hba).map_err(at("open", &place.hba))?;
    file.write_all(rules.as_bytes()).map_err(at("write", &place.hba))
}

/// The server's settings, given on its command line so that a start always has those of its
/// options.
fn settings(options: &Options, place: &Place) -> Vec<String> {
    let mut settings = vec![
        format!("unix_socket_directories={}", place.socket_dir.display()),
        format!("hba_file={}", place.hba.display()),
        format!("port={}", options.listen_tcp.unwrap_or(SOCKET_PORT)),
        format!("listen_addresses={}", if options.listen_tcp.is_some() { "127.0.0.1" } else { "" }),
        format!("max_connections={}", options.max_connections),
        // Not the machine's: dates of the register are UTC everywhere.
        "timezone=UTC".into(),
        "log_timezone=UTC".into(),
        "log_checkpoints=off".into(),
        // Compiling the queries of people costs more than it saves at a register's sizes.
        "jit=off".into(),
    ];
    if !options.durable {
        settings
            .extend(["fsync", "synchronous_commit", "full_page_writes"].map(|name| format!("{name}=off")));
    }
    settings
}

/// Ends what a killed predecessor left running in the data directory, and removes its process file
/// when the number in it has since gone to another program: PostgreSQL would take that one for the
/// server and refuse.
fn end_leftovers(place: &Place, account: &Account) {
    if !place.postmaster_file().exists() {
        return;
    }
    let mut left = processes_in(place, account);
    for (signal, patience) in [("INT", FAST), ("QUIT", FORCED), ("KILL", FORCED)] {
        let postmaster = place.postmaster().map(|found| found.process);
        let receivers: Vec<u32> = match signal {
            // Orphaned backends would take it for "cancel the query"; they end by themselves or by
            // the next.
            "INT" => left.iter().copied().filter(|process| Some(*process) == postmaster).collect(),
            _ => left.clone(),
        };
        if receivers.is_empty() {
            continue;
        }
        tracing::info!(signal, ?receivers, "ending the private PostgreSQL of a daemon that is gone");
        account.signal(signal, &receivers);
        wait_until(patience, || {
            left = processes_in(place, account);
            left.is_empty()
        });
    }
    let Some(named) = place.postmaster().map(|found| found.process) else {
        return;
    };
    if left.is_empty() && Path::new("/proc").join(named.to_string()).exists() {
        let file = place.postmaster_file();
        let removed = fs::remove_file(&file);
        tracing::warn!(file = %file.display(), named, ?removed, "removing a stale process file");
    }
}

/// The PostgreSQL processes whose working directory is the data directory, which is true of every
/// postmaster and backend. Empty where there is no `/proc`.
fn processes_in(place: &Place, account: &Account) -> Vec<u32> {
    // By a program of the account: a container's root may not look into other users' processes.
    let listed = account
        .command(Path::new("/bin/sh"))
        .args(["-c", "ls -ld /proc/[0-9]*/cwd"])
        .stderr(Stdio::null())
        .output();
    let Ok(listed) = listed else {
        return Vec::new();
    };
    let data_dir = place.data_dir.to_string_lossy();
    let text = String::from_utf8_lossy(&listed.stdout);
    let processes = text.lines().filter_map(|line| {
        let (link, target) = line.split_once(" -> ")?;
        let process = link.rsplit_once("/proc/")?.1.strip_suffix("/cwd")?;
        (target == data_dir).then(|| process.parse().ok())?
    });
    let is_postgres = |process: &u32| {
        let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        name.trim() == "postgres"
    };
    processes.filter(is_postgres).collect()
}

/// Asks again and again until it is true or the time is over.
fn wait_until(patience: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !done() && Instant::now() < end {
        sleep(Duration::from_millis(20));
    }
}
