//! All that runs for a demo: the node, the daemon with its PostgreSQL, a connection to it; and how it ends.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alloy::primitives::B256;
use scenario::{Node, NodeOptions};
use tokio::time::sleep;

use crate::Result;
use crate::daemon::{Daemon, Program};
use crate::place::{Guard, Place};
use crate::register::Register;

/// The longest time from a block to its rows that is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// The story's blocks are 12 seconds apart. It begins so long ago that its last one is some minutes old.
const STORY_SECONDS: u64 = 180 * 12;

/// See the module. Every way out goes through [`Stage::clear`]; else the guard clears it.
pub(crate) struct Stage {
    place: Place,
    guard: Guard,
    program: Program,
    node: Option<Node>,
    daemon: Option<Daemon>,
    register: Option<Register>,
    /// What the daemon is run with.
    arguments: Vec<String>,
    /// The database's URL.
    url: String,
    /// Where the daemon serves.
    http: String,
}

impl Stage {
    /// Makes room.
    pub(crate) fn set() -> Result<Self> {
        let place = Place::claim()?;
        let ready = Program::new(&place.folder).and_then(|program| Ok((program, place.guard()?)));
        let (program, guard) = match ready {
            Ok(ready) => ready,
            Err(error) => {
                place.remove();
                return Err(error);
            }
        };
        let (url, http) = (String::new(), String::new());
        Ok(Self {
            place,
            guard,
            program,
            node: None,
            daemon: None,
            register: None,
            arguments: vec![],
            url,
            http,
        })
    }

    /// Starts the node.
    pub(crate) async fn start_node(&mut self) -> Result<()> {
        let genesis_timestamp = now() - STORY_SECONDS;
        let node = Node::start_with(NodeOptions { genesis_timestamp, ..NodeOptions::default() }).await?;
        self.guard.node(node.pid())?;
        self.node = Some(node);
        Ok(())
    }

    /// Starts the daemon and connects to its database; answers how long that took.
    pub(crate) async fn start_daemon(&mut self, arguments: Vec<String>) -> Result<Duration> {
        let begun = Instant::now();
        let mut all = arguments.clone();
        // A free port, so that nothing on this machine is in the way.
        all.extend(["--listen".to_owned(), "127.0.0.1:0".to_owned()]);
        let daemon = self.daemon.insert(self.program.start(&all)?);
        self.guard.daemon(daemon.process())?;
        self.url = daemon.tells("url").await?;
        self.http = daemon.tells("bound").await?;
        self.register = Some(Register::connect(&self.url).await?);
        self.arguments = arguments;
        Ok(begun.elapsed())
    }

    /// Kills the daemon, PostgreSQL's connections and all.
    pub(crate) async fn kill_daemon(&mut self) -> Result<()> {
        if let Some(daemon) = self.daemon.take() {
            daemon.kill().await?;
        }
        self.register = None;
        self.guard.daemon(None)?;
        Ok(())
    }

    /// Waits until the tables are at the node's head; answers the head and the time that it took.
    pub(crate) async fn caught_up(&mut self) -> Result<(u64, B256, Duration)> {
        let begun = Instant::now();
        let head = self.node()?.head().await?.header;
        let wanted = (i64::try_from(head.number)?, head.hash.to_string());
        while begun.elapsed() < PATIENCE {
            let is_there = self.register()?.checkpoint().await?.as_ref() == Some(&wanted);
            if is_there && self.register()?.contracts().await?.1 == 0 {
                return Ok((head.number, head.hash, begun.elapsed()));
            }
            self.daemon()?.is_alive()?;
            sleep(Duration::from_millis(5)).await;
        }
        let (patience, last) = (PATIENCE.as_secs(), self.daemon()?.last()?);
        Err(format!("block {} was not in the tables after {patience} s; {last}", head.number).into())
    }

    /// Waits until a block is in the tables, whatever follows it; answers the last one that is.
    pub(crate) async fn reached(&mut self, block: u64) -> Result<u64> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let checkpoint = self.register()?.checkpoint().await?;
            if let Some(number) = checkpoint.and_then(|(number, _)| u64::try_from(number).ok())
                && number >= block
            {
                return Ok(number);
            }
            self.daemon()?.is_alive()?;
            sleep(Duration::from_millis(1)).await;
        }
        Err(format!("block {block} was not in the tables after {} s", PATIENCE.as_secs()).into())
    }

    /// The node.
    pub(crate) fn node(&self) -> Result<&Node> {
        self.node.as_ref().ok_or_else(|| "the node does not run".into())
    }

    /// The daemon.
    pub(crate) fn daemon(&mut self) -> Result<&mut Daemon> {
        self.daemon.as_mut().ok_or_else(|| "the daemon does not run".into())
    }

    /// The connection to the register.
    pub(crate) fn register(&mut self) -> Result<&mut Register> {
        self.register.as_mut().ok_or_else(|| "there is no connection to the register".into())
    }

    /// The node and the register at once.
    pub(crate) fn both(&mut self) -> Result<(&Node, &mut Register)> {
        let missing = "the node or the register is missing";
        Ok((self.node.as_ref().ok_or(missing)?, self.register.as_mut().ok_or(missing)?))
    }

    /// The daemon's program.
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// What the daemon runs with, where it serves and where its database is.
    pub(crate) fn daemons(&self) -> (&[String], &str, &str) {
        (&self.arguments, &self.http, &self.url)
    }

    /// Ends everything and removes the run's folder.
    pub(crate) async fn clear(mut self) -> Result<()> {
        if let Some(register) = self.register.take() {
            register.close().await;
        }
        let stopped = match self.daemon.take() {
            Some(daemon) => daemon.stop().await,
            None => Ok(()),
        };
        // Dropping it kills it.
        self.node = None;
        self.guard.dismiss();
        self.place.remove();
        stopped
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
