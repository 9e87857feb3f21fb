//! The daemon under demonstration: the real binary, run as anybody would run it.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::Result;

/// Making a cluster takes a few seconds, more on a busy machine.
const START: Duration = Duration::from_secs(120);
/// Longer than the daemon waits for its PostgreSQL.
const STOP: Duration = Duration::from_secs(40);
/// What the daemon would read from the environment, where it is not the demo's.
const FOREIGN: [&str; 6] =
    ["ASSET_INDEXER_", "DATABASE_URL", "ADMIN_DATABASE_URL", "RPC_URL", "LOG_", "RUST_LOG"];

/// The daemon's binary, with this run's folder for its PostgreSQL and its log.
pub(crate) struct Program {
    binary: PathBuf,
    state: PathBuf,
    log: PathBuf,
}

impl Program {
    /// The binary beside this one.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let binary = std::env::current_exe()?.with_file_name("asset-indexer");
        if !binary.is_file() {
            return Err(format!("{}: missing; run cargo build --workspace", binary.display()).into());
        }
        Ok(Self { binary, state: folder.join("postgres"), log: folder.join("daemon.log") })
    }

    /// Where it is.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// Where its private PostgreSQL is.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os() {
            if FOREIGN.iter().any(|foreign| name.to_string_lossy().starts_with(foreign)) {
                command.env_remove(name);
            }
        }
        command.env("ASSET_INDEXER__DATABASE__STATE_DIR", &self.state).args(arguments);
        // Ctrl-C is for the demo, which then stops the daemon.
        command.process_group(0).stdin(Stdio::null());
        command
    }

    /// Starts the daemon.
    pub(crate) fn start(&self, arguments: &[String]) -> Result<Daemon> {
        // A file and no pipe: the daemon can log whatever becomes of the demo.
        let log = File::options().append(true).create(true).open(&self.log)?;
        let begins = log.metadata()?.len();
        let child = self
            .command(arguments)
            .args(["--log-format", "json"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        Ok(Daemon { child, log: self.log.clone(), begins: usize::try_from(begins)? })
    }

    /// Runs a command to its end, and answers what it prints.
    pub(crate) async fn answer(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).kill_on_drop(true).output().await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("asset-indexer {}: {}", arguments.join(" "), said.trim()).into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// A line of the daemon's log.
pub(crate) struct Line {
    level: String,
    message: String,
    fields: Vec<(String, String)>,
}

impl Line {
    /// Reads a line of the JSON log; what is none becomes a message as it is.
    fn read(line: &str) -> Self {
        let value: Value = serde_json::from_str(line).unwrap_or_default();
        let Some(fields) = value["fields"].as_object() else {
            return Self { level: String::new(), message: line.to_owned(), fields: Vec::new() };
        };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Self {
            level: text(&value["level"]),
            message: fields.get("message").map(text).unwrap_or_default(),
            fields: fields
                .iter()
                .filter(|(name, _)| *name != "message")
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
        }
    }

    /// A field's value.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.level, self.message)?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// The running daemon. Its end is [`Daemon::stop`] or [`Daemon::kill`]; dropped, it is the guard's to end.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    /// Where this start's part of the log begins.
    begins: usize,
}

impl Daemon {
    /// Its process, until it has ended.
    pub(crate) fn process(&self) -> Option<u32> {
        self.child.id()
    }

    /// The file that it logs to.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// All that it logged so far.
    pub(crate) fn lines(&self) -> Result<Vec<Line>> {
        let log = fs::read(&self.log)?;
        let own = String::from_utf8_lossy(log.get(self.begins..).unwrap_or_default()).into_owned();
        // The last line may still be in writing.
        let whole = own.rsplit_once('\n').map_or("", |(whole, _)| whole);
        Ok(whole.lines().map(Line::read).collect())
    }

    /// Waits until it logs a line with a field, and answers the field's value.
    pub(crate) async fn tells(&mut self, name: &str) -> Result<String> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(value) = self.lines()?.iter().find_map(|line| line.field(name)) {
                return Ok(value.to_owned());
            }
            self.is_alive()?;
            sleep(Duration::from_millis(20)).await;
        }
        Err(format!("the daemon did not tell its {name} in {} s; {}", START.as_secs(), self.last()?).into())
    }

    /// The last lines that it logged.
    pub(crate) fn last(&self) -> Result<String> {
        let lines = self.lines()?;
        let last: Vec<String> = lines.iter().rev().take(5).rev().map(Line::to_string).collect();
        Ok(format!("the last that it said:\n  {}", last.join("\n  ")))
    }

    /// An error if it has ended.
    pub(crate) fn is_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("the daemon ended ({status}); {}", self.last()?).into()),
        }
    }

    /// Kills it without a warning, as the kernel does when memory is short.
    pub(crate) async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Stops it in order, and its PostgreSQL with it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        if let (None, Some(process)) = (self.child.try_wait()?, self.child.id()) {
            // The standard library sends no other signal than SIGKILL.
            Command::new("/bin/sh").args(["-c", "kill -TERM \"$0\"", &process.to_string()]).status().await?;
        }
        if timeout(STOP, self.child.wait()).await.is_err() {
            self.child.kill().await?;
            return Err(format!("the daemon did not stop in {} s and was killed", STOP.as_secs()).into());
        }
        Ok(())
    }
}
