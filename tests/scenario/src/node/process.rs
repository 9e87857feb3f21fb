//! The anvil process: where its binary is, what it is told, where it listens, how it ends.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::{Mining, NodeOptions};
use crate::artifact::contracts_dir;
use crate::error::{Error, Result};

/// Block gas limit: room for a log of a megabyte.
const GAS_LIMIT: &str = "1000000000";
const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// A running anvil.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    port: u16,
    /// Where anvil keeps the states of old blocks; it leaves them behind when it is killed.
    cache: PathBuf,
}

impl Process {
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) async fn stop(mut self) -> Result<()> {
        let failed = |source| Error::Node { what: "stopping anvil".to_owned(), source };
        // The standard library sends no other signal than SIGKILL, after which nothing would be written.
        let status = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &self.pid().to_string()])
            .status()
            .map_err(failed)?;
        if !status.success() {
            return Err(failed(io::Error::other(format!("kill answered {status}"))));
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            if self.child.try_wait().map_err(failed)?.is_some() {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        Err(failed(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.cache);
    }
}

/// Starts anvil and waits until it listens.
pub(super) async fn start(options: &NodeOptions) -> Result<Process> {
    let binary = binary();
    if !binary.is_file() {
        return Err(Error::Artifact {
            path: binary,
            reason: "no anvil there (ANVIL_BIN names another)".to_owned(),
        });
    }
    let cache = cache_dir();
    let mut child = Command::new(&binary)
        .args(arguments(options))
        .arg("--cache-path")
        .arg(&cache)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| Error::Node { what: format!("starting {}", binary.display()), source })?;
    let stdout = child.stdout.take().expect("stdout was asked to be piped");
    let stderr = child.stderr.take().expect("stderr was asked to be piped");
    // From here on the guard ends the child on every way out.
    let mut process = Process { child, port: 0, cache };
    let listening = spawn_blocking(move || listening_port(stdout, stderr));
    let port = timeout(START_TIMEOUT, listening).await;
    process.port = port
        .map_err(|_| Error::Node {
            what: "waiting for anvil to listen".to_owned(),
            source: io::ErrorKind::TimedOut.into(),
        })?
        .map_err(|error| Error::answer("anvil's first lines", error))??;
    Ok(process)
}

fn binary() -> PathBuf {
    if let Some(path) = env::var_os("ANVIL_BIN") {
        return path.into();
    }
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    contracts_dir().join(format!("node_modules/@foundry-rs/anvil-{system}-{machine}/bin/anvil"))
}

fn cache_dir() -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    env::temp_dir().join(format!("scenario-anvil-{}-{count}", std::process::id()))
}

fn arguments(options: &NodeOptions) -> Vec<String> {
    let mut arguments: Vec<String> = [
        ("--host", "127.0.0.1".to_owned()),
        // Port 0 lets the kernel choose: no two tests can race for the same one.
        ("--port", options.port.unwrap_or(0).to_string()),
        ("--chain-id", options.chain_id.to_string()),
        ("--slots-in-an-epoch", options.slots_in_an_epoch.to_string()),
        ("--accounts", options.accounts.to_string()),
        ("--gas-limit", GAS_LIMIT.to_owned()),
        // In the order of arrival, so that blocks with several transactions are the same in every run.
        ("--order", "fifo".to_owned()),
        ("--threads", "1".to_owned()),
    ]
    .into_iter()
    .flat_map(|(name, value)| [name.to_owned(), value])
    .collect();
    arguments.push("--no-request-size-limit".to_owned());
    match options.mining {
        Mining::Automatic => {}
        Mining::OnDemand => arguments.push("--no-mining".to_owned()),
        Mining::EverySeconds(seconds) => arguments.extend(["--block-time".to_owned(), seconds.to_string()]),
    }
    // Also with a loaded state: anvil's time starts here, and a next block's may not be before it.
    if options.seconds_per_block.is_some() {
        arguments.extend(["--timestamp".to_owned(), options.genesis_timestamp.to_string()]);
    }
    if let Some(path) = &options.load_state {
        arguments.extend(["--load-state".to_owned(), path.display().to_string()]);
    }
    if let Some(path) = &options.dump_state {
        arguments.extend(["--dump-state".to_owned(), path.display().to_string()]);
        if options.historical_states {
            arguments.push("--preserve-historical-states".to_owned());
        }
    }
    arguments.extend(options.arguments.iter().cloned());
    arguments
}

/// Reads up to the line that tells the port, and leaves the rest to threads: anvil prints a line for every request and
/// stands still once the pipe is full. (`--quiet` would hide the port too.)
fn listening_port(stdout: ChildStdout, stderr: ChildStderr) -> Result<u16> {
    let complaint = thread::spawn(move || last_lines(stderr));
    let mut lines = BufReader::new(stdout).lines();
    for line in lines.by_ref().map_while(io::Result::ok) {
        if let Some(address) = line.strip_prefix("Listening on ") {
            let port = address.rsplit(':').next().unwrap_or_default().trim();
            let port = port.parse().map_err(|error| Error::answer(format!("{line:?} of anvil"), error))?;
            thread::spawn(move || lines.map_while(io::Result::ok).for_each(drop));
            return Ok(port);
        }
    }
    // Its output ended, so it has.
    let output = complaint.join().unwrap_or_default();
    Err(Error::NodeEnded { output })
}

fn last_lines(stderr: ChildStderr) -> String {
    let mut last = VecDeque::new();
    for line in BufReader::new(stderr).lines().map_while(io::Result::ok) {
        last.push_back(line);
        if last.len() > 8 {
            last.pop_front();
        }
    }
    last.make_contiguous().join(" ")
}
