//! The real program as a process beside the test: watched through its log, its HTTP and its database; stopped, killed,
//! paused. It connects as a login role that is a member of the writer's role and of nothing else.

use std::process::Stdio;
use std::time::{Duration, Instant};

use alloy::primitives::Address;
use alloy::transports::http::reqwest;
use asset_indexer::fact::Role;
use asset_indexer::sync::Config;
use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::command::Line;
use super::world::CHAIN_ID;

/// How long a test waits for what must come, also on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// The end of a process that was asked to stop.
const ORDERLY: Duration = Duration::from_secs(8);
/// Orchestrators kill then.
const KILLED_AFTER: Duration = Duration::from_secs(30);

/// Looks again and again until there is something to see.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Sends a signal to a process of ours, by its number.
pub fn signal(name: &str, pid: u32) {
    let sent = std::process::Command::new("sh")
        .args(["-c", r#"kill -s "$0" "$1""#, name, &pid.to_string()])
        .status()
        .expect("there is a shell");
    assert!(sent.success(), "SIG{name} could not be sent to {pid}");
}

/// Stops a process in its tracks; it stands still when this returns.
pub async fn pause(pid: u32) {
    signal("STOP", pid);
    until("the process stands still", async || {
        // Where there is no /proc, the signal alone must do.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or(") T".to_owned());
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T')).then_some(())
    })
    .await;
}

/// What the program is told.
#[derive(Debug, Clone)]
pub struct Program {
    variables: Vec<(String, String)>,
    contracts: Vec<(Role, Address)>,
}

impl Program {
    /// A program between a database and a node.
    pub fn new(database_url: &str, rpc_url: &str, config: &Config) -> Self {
        Self::bare(config)
            .with("DATABASE_URL", database_url)
            .with("RPC_URL", rpc_url)
            .with("LOG_FORMAT", "json")
            .with("ASSET_INDEXER__RPC__POLL_INTERVAL_MS", "50")
    }

    /// Told what to follow, and neither node nor database.
    pub fn bare(config: &Config) -> Self {
        let contracts = config.contracts.iter().map(|contract| (contract.role, contract.address)).collect();
        Self { variables: Vec::new(), contracts }
    }

    /// The same with another setting.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A command that ends by itself.
    pub fn line(&self, arguments: &[&str]) -> Line {
        let line =
            self.variables.iter().fold(Line::new(arguments), |line, (name, value)| line.set(name, value));
        self.contracts.iter().fold(line, |line, (role, address)| line.contract(role.name(), *address))
    }

    /// Starts `run`, and does not wait.
    pub fn start(&self) -> Daemon {
        let mut command = Command::new(env!("CARGO_BIN_EXE_asset-indexer"));
        command.args(["run", "--listen", "127.0.0.1:0"]);
        for (role, address) in &self.contracts {
            command.arg("--contract").arg(format!("{}={address}", role.name()));
        }
        command.env_clear().envs(self.variables.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let (sender, log) = watch::channel(Vec::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|log: &mut Vec<String>| log.push(line));
            }
        });
        Daemon { pid: child.id().expect("it was just started"), child, log }
    }

    /// Starts `run`, and waits until it writes.
    pub async fn writer(&self) -> Daemon {
        let daemon = self.start();
        daemon.said("lease taken").await;
        daemon
    }

    /// Starts `run` beside a writer, and waits until it stands by.
    pub async fn standby(&self) -> Daemon {
        let daemon = self.start();
        daemon.said("standing by").await;
        daemon
    }
}

/// A running daemon; dropping it kills it.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    pid: u32,
    log: watch::Receiver<Vec<String>>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the log of process {}:\n{}\n", self.pid, self.log.borrow().join("\n"));
        }
    }
}

impl Daemon {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How many lines it has written: a mark in the log.
    pub fn mark(&self) -> usize {
        self.log.borrow().len()
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// Whether a line with this text is there already.
    pub fn has_said(&self, text: &str) -> bool {
        self.has_said_after(0, text)
    }

    /// Whether a line with this text is there already, above a mark.
    pub fn has_said_after(&self, mark: usize, text: &str) -> bool {
        self.log.borrow().iter().skip(mark).any(|line| line.contains(text))
    }

    /// Waits for a line with this text.
    pub async fn said(&self, text: &str) -> Json {
        self.said_after(0, text).await
    }

    /// Waits for a line with this text, above a mark.
    pub async fn said_after(&self, mark: usize, text: &str) -> Json {
        let mut log = self.log.clone();
        let has = |line: &&String| line.contains(text);
        let waited =
            timeout(PATIENCE, log.wait_for(|log| log.iter().skip(mark).any(|line| has(&line)))).await;
        let found = match &waited {
            Ok(Ok(log)) => log.iter().skip(mark).find(has).cloned(),
            Ok(Err(_)) | Err(_) => None,
        };
        drop(waited);
        let line = found.unwrap_or_else(|| panic!("process {} never says {text:?}", self.pid));
        serde_json::from_str(&line).expect("its log is JSON")
    }

    /// When it wrote a line with this text, above a mark.
    pub async fn time_of(&self, mark: usize, text: &str) -> DateTime<Utc> {
        time(&self.said_after(mark, text).await)
    }

    /// Asks one of its HTTP addresses: the status and the body.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let bound = self.said("serving /live").await["fields"]["bound"].clone();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client");
        let url = format!("http://{}{path}", bound.as_str().expect("the address"));
        let answer = client.get(url).send().await.expect("it answers");
        (answer.status().as_u16(), answer.text().await.expect("the body is text"))
    }

    /// `/status`.
    pub async fn status(&self) -> Json {
        let (code, body) = self.get("/status").await;
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).expect("/status is JSON")
    }

    /// Waits for a phase in `/status`.
    pub async fn phase(&self, phase: &str) -> Json {
        until(&format!("phase {phase}"), async || Some(self.status().await).filter(|s| s["phase"] == phase))
            .await
    }

    /// The one sample of a metric of this chain.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, body) = self.get("/metrics").await;
        let sample = format!("{name}{{chain=\"{CHAIN_ID}\"}} ");
        let value = body.lines().find_map(|line| line.strip_prefix(sample.as_str()));
        value.unwrap_or_else(|| panic!("{sample}is not in {body}")).parse().expect("a number")
    }

    /// SIGTERM; asserts that it ends in order, and gives its log.
    pub async fn stop(mut self, context: &str) -> Vec<String> {
        let began = Instant::now();
        signal("TERM", self.pid);
        let ended = timeout(KILLED_AFTER, self.child.wait()).await;
        let took = began.elapsed();
        // What it wrote last may still be on its way.
        while ended.is_ok() && self.log.changed().await.is_ok() {}
        let log = self.log.borrow().clone();
        let code = ended.map(|status| status.expect("it is our child").code());
        assert_eq!(code, Ok(Some(0)), "{context}: the end of process {} after {took:?}", self.pid);
        assert!(took < ORDERLY, "{context}: process {} took {took:?} to end", self.pid);
        log
    }

    /// Waits until it ends by itself, with this exit code, and gives its log.
    pub async fn ends(mut self, code: i32) -> Vec<String> {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        // What it wrote last may still be on its way.
        while ended.is_ok() && self.log.changed().await.is_ok() {}
        let log = self.log.borrow().clone();
        let ended = ended.map(|status| status.expect("it is our child").code());
        assert_eq!(ended, Ok(Some(code)), "the end of process {}", self.pid);
        log
    }

    /// SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it is our child");
    }

    /// SIGSTOP; it stands still when this returns.
    pub async fn pause(&self) {
        pause(self.pid).await;
    }

    /// SIGCONT.
    pub fn resume(&self) {
        signal("CONT", self.pid);
    }
}

/// When a line was written.
pub fn time(line: &Json) -> DateTime<Utc> {
    line["timestamp"].as_str().and_then(|text| text.parse().ok()).expect("a line has its time")
}
