//! The program as people run it: a command line in an empty environment, its exit code and what it says.
//!
//! Every URL carries canaries where secrets stand; no output may hold one, whatever happens.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use alloy::primitives::{Address, Bytes};
use scenario::{Node, NodeOptions, Played, play};
use tokio::process::Command;
use tokio::sync::OnceCell;

use super::world::cluster;

/// The word that no output may hold; as it is, and as HTTP sends user and password.
pub const CANARIES: [&str; 3] = ["canary", "Y2FuYXJ5", "Canary"];
/// Longer than any command of a test takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A command line and its environment.
#[derive(Debug, Clone)]
pub struct Line {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    /// When it is ended by SIGTERM, if it goes on by itself.
    briefly: Option<Duration>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Line {
    /// `asset-indexer` with these arguments, serving no HTTP.
    pub fn new(arguments: &[&str]) -> Self {
        let line = Self {
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            variables: vec![],
            briefly: None,
        };
        line.set("ASSET_INDEXER__HTTP__LISTEN", "off")
    }

    /// One more argument.
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// An environment variable.
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// `RPC_URL`: a node, with canaries for user, password and key.
    pub fn node(self, port: u16) -> Self {
        self.set("RPC_URL", format!("http://canaryuser:canarypw@127.0.0.1:{port}/?key=canarykey"))
    }

    /// `DATABASE_URL`: a database of the test cluster, as a role that needs no password but is given a canary.
    pub async fn database(self, role: &str, name: &str) -> Self {
        let url = database_url(role, name).await;
        self.set("DATABASE_URL", url)
    }

    /// `--contract`.
    pub fn contract(self, role: &str, address: Address) -> Self {
        self.arg("--contract").arg(format!("{role}={address}"))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_asset-indexer"));
        command.args(&self.arguments).env_clear().envs(self.variables.iter().map(|(k, v)| (k, v)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Asked to stop after a while.
    pub fn briefly(mut self, for_so_long: Duration) -> Self {
        self.briefly = Some(for_so_long);
        self
    }

    /// Starts it, for a test that ends it: it is killed with its handle at the latest.
    pub fn start(&self) -> tokio::process::Child {
        self.command().spawn().expect("the program starts")
    }

    /// Runs it to its end.
    pub async fn run(self) -> Ended {
        let child = self.command().spawn().expect("the program starts");
        let pid = child.id().expect("it was just started");
        let ended = child.wait_with_output();
        tokio::pin!(ended);
        let early = match self.briefly {
            Some(so_long) => tokio::time::timeout(so_long, &mut ended).await.ok(),
            None => None,
        };
        let output = match early {
            Some(output) => Ok(output),
            None => {
                if self.briefly.is_some() {
                    super::process::signal("TERM", pid);
                }
                tokio::time::timeout(PATIENCE, ended).await
            }
        };
        let output = output.unwrap_or_else(|_| panic!("it does not end: {:?}", self.arguments));
        let output = output.expect("the program starts");
        Ended::new(output.status, &output.stdout, &output.stderr)
    }
}

impl Ended {
    fn new(status: ExitStatus, out: &[u8], err: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is text");
        let ended = Self { code: status.code(), out: text(out), err: text(err) };
        for canary in CANARIES {
            assert!(
                !ended.out.contains(canary) && !ended.err.contains(canary),
                "a secret is told: {ended:#?}"
            );
        }
        assert!(!ended.err.contains("panicked"), "it panicked: {ended:#?}");
        ended
    }

    /// Asserts success; gives what was printed.
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.out
    }

    /// The last line for people, without log lines before it.
    pub fn message(&self) -> &str {
        let from = self.err.rfind("asset-indexer: ").unwrap_or_else(|| panic!("no message: {self:#?}"));
        self.err[from..].trim_end().trim_start_matches("asset-indexer: ")
    }

    /// Asserts the exit code and that the message holds every part.
    pub fn failed(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        let message = self.message();
        for part in parts {
            assert!(message.contains(part), "the message lacks {part:?}: {message}");
        }
    }
}

/// A database of the test cluster as a role, over its socket, where no password is asked for.
pub async fn database_url(role: &str, name: &str) -> String {
    cluster().await.url_as(role, name).replacen("@localhost", ":canarypw@localhost", 1)
}

/// A folder of a test, gone with it.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// An empty one.
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("asset-indexer-test-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).expect("a folder can be made");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It fails only if somebody else removed it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port of the loopback interface that nobody listens on.
pub fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}

/// The whole story, played once and loaded into a node of its own for every test that asks.
pub async fn played() -> (Node, Played) {
    let (dump, played) = story().await;
    let node = Node::start().await.expect("anvil starts");
    node.load_state(dump).await.expect("the dump fits");
    (node, played.clone())
}

/// The story on a node that keeps no state of old blocks.
pub async fn played_and_pruned(folder: &Folder) -> (Node, Played) {
    let (dump, played) = story().await;
    let file = folder.path().join("pruned.json");
    let options =
        NodeOptions { dump_state: Some(file.clone()), historical_states: false, ..NodeOptions::default() };
    let node = Node::start_with(options).await.expect("anvil starts");
    node.load_state(dump).await.expect("the dump fits");
    node.stop().await.expect("anvil writes its dump");
    let options = NodeOptions { load_state: Some(file), ..NodeOptions::default() };
    (Node::start_with(options).await.expect("anvil starts again"), played.clone())
}

async fn story() -> &'static (Bytes, Played) {
    static STORY: OnceCell<(Bytes, Played)> = OnceCell::const_new();
    STORY
        .get_or_init(|| async {
            let node = Node::start().await.expect("anvil starts: see tests/setup.sh");
            let played = play(&node).await.expect("the story plays");
            (node.dump_state().await.expect("anvil dumps"), played)
        })
        .await
}
