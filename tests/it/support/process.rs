//! The real program as a process beside the test: watched through its log, its HTTP and its database; stopped, killed,
//! paused. It connects as a login role that is a member of the writer's role and of nothing else.

use std::process::Stdio;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256};
use alloy::transports::http::reqwest;
use asset_indexer::embedded::{Cluster, SUPERUSER};
use asset_indexer::fact::Role;
use asset_indexer::row::Row;
use asset_indexer::store::postgres::PostgresStore;
use asset_indexer::sync::Config;
use chrono::{DateTime, Utc};
use scenario::{Node, NodeOptions, Play, Step};
use serde_json::Value as Json;
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{Postgres, Transaction};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::command::Line;
use super::real::{factories, rpc};
use super::world::{CHAIN_ID, assert_same, cluster, database, dump, fresh};

/// How long a test waits for what must come, also on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// The end of a process that was asked to stop.
const ORDERLY: Duration = Duration::from_secs(8);
/// Orchestrators kill then.
const KILLED_AFTER: Duration = Duration::from_secs(30);
/// The login role of the tests' daemons.
const LOGIN: &str = "process_test";

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
    fn new(database_url: &str, rpc_url: &str, config: &Config) -> Self {
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
        self.log.borrow().iter().any(|line| line.contains(text))
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

/// A node with a story, a database, and the program between them.
pub struct Scene {
    /// The node.
    pub node: Node,
    /// The story while it is played.
    pub story: Play,
    /// The program.
    pub program: Program,
    /// What is followed.
    pub config: Config,
    /// The database, as its superuser connects to it.
    pub admin: PgConnectOptions,
    /// The database, as its superuser.
    pub pool: PgPool,
}

impl Scene {
    /// A node on which the platform is deployed, deep enough that no reorg of the test reaches it, and a database of
    /// the shared cluster.
    pub async fn begin(options: NodeOptions) -> Self {
        let database = database().await;
        Self::within(options, cluster().await, &database).await
    }

    /// The same with a migrated database of another cluster.
    pub async fn within(options: NodeOptions, cluster: &Cluster, database: &str) -> Self {
        let buried = 2 * options.slots_in_an_epoch + 1;
        let node = Node::start_with(options).await.expect("anvil starts: see tests/setup.sh");
        let mut story = Play::begin(&node).expect("the story begins");
        story.play_next(&node).await.expect("the platform is deployed");
        node.mine(buried).await.expect("anvil mines");
        let config = factories(story.suite().expect("it is deployed"));
        let admin = cluster.connect_options(SUPERUSER, database);
        let pool = PgPool::connect_with(admin.clone()).await.expect("the database answers");
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "do $$ begin
                 create role {LOGIN} login in role asset_indexer_writer;
             exception when duplicate_object or unique_violation then null;
             end $$"
        )))
        .execute(&pool)
        .await
        .expect("the superuser may");
        let program = Program::new(&cluster.url_as(LOGIN, database), &node.url(), &config);
        Self { node, story, program, config, admin, pool }
    }

    /// Plays the story up to and with a step.
    pub async fn play_through(&mut self, last: Step) {
        while self.story.next_step().is_some_and(|next| next <= last) {
            self.story.play_next(&self.node).await.expect("the step plays");
        }
    }

    /// Number and hash of the last block in the tables.
    pub async fn checkpoint(&self) -> Option<(u64, B256)> {
        let row: Option<(i64, Vec<u8>)> =
            sqlx::query_as("select block_number, block_hash from chain.checkpoints")
                .fetch_optional(&self.pool)
                .await
                .expect("readable");
        row.map(|(number, hash)| (number.cast_unsigned(), B256::from_slice(&hash)))
    }

    /// Number and hash of the node's head.
    pub async fn head(&self) -> (u64, B256) {
        let head = self.node.head().await.expect("the node answers").header;
        (head.number, head.hash)
    }

    /// Waits until the tables are at the node's head.
    pub async fn caught_up(&self) {
        let head = self.head().await;
        until(&format!("a checkpoint at the head {head:?}"), async || {
            self.checkpoint().await.filter(|at| *at == head)
        })
        .await;
    }

    /// What equality speaks of.
    pub async fn tables(&self) -> Vec<(&'static str, Vec<Row>)> {
        dump(&PostgresStore::new(self.admin.clone(), CHAIN_ID, uuid::Uuid::new_v4())).await
    }

    /// Waits for the head, and compares with a fresh index of the present chain.
    pub async fn assert_fresh(&self, context: &str) {
        self.caught_up().await;
        let memory = fresh(&rpc(&self.node.url()), &self.config).await;
        assert_same(&self.tables().await, &dump(&memory).await, context);
    }

    /// Lets the lease of a writer that was killed expire now instead of in some seconds.
    pub async fn expire_lease(&self) {
        sqlx::query("update ops.leases set expires_at = '-infinity'")
            .execute(&self.pool)
            .await
            .expect("the superuser may");
    }

    /// Keeps a table from everybody who would write to it, until the transaction ends.
    pub async fn hold(&self, table: &str) -> Transaction<'static, Postgres> {
        let mut transaction = self.pool.begin().await.expect("a transaction");
        let lock = format!("lock table {table} in exclusive mode");
        sqlx::query(sqlx::AssertSqlSafe(lock)).execute(&mut *transaction).await.expect("the superuser may");
        transaction
    }

    /// Waits until so many connections whose name matches a pattern wait for a lock.
    pub async fn waiting(&self, application: &str, connections: i64) {
        until(&format!("{application} waits for a lock"), async || {
            let waiting: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity
                 where datname = current_database() and application_name ~ $1 and wait_event_type = 'Lock'",
            )
            .bind(application)
            .fetch_one(&self.pool)
            .await
            .expect("readable");
            (waiting >= connections).then_some(())
        })
        .await
    }

    /// What the server sees of a writer that stands still.
    pub async fn paused_in(&self) -> Inside {
        until("the server finished the writer's statement", async || {
            let states: Vec<(String, Option<String>)> = sqlx::query_as(
                "select state, wait_event from pg_stat_activity
                 where datname = current_database() and application_name like 'asset-indexer writer%'",
            )
            .fetch_all(&self.pool)
            .await
            .expect("readable");
            let states: Vec<Option<Inside>> = states
                .iter()
                .map(|(state, event)| match (state.as_str(), event.as_deref()) {
                    ("idle", _) => Some(Inside::Nothing),
                    ("active", Some("ClientRead")) => Some(Inside::Copy),
                    ("active", _) => None,
                    _ => Some(Inside::Transaction),
                })
                .collect();
            let all: Option<Vec<Inside>> = states.into_iter().collect();
            all.map(|all| all.into_iter().max().unwrap_or(Inside::Nothing))
        })
        .await
    }
}

/// What a writer is in the midst of, as the server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inside {
    /// No transaction.
    Nothing,
    /// A transaction: the server waits for the next statement.
    Transaction,
    /// A COPY inside a transaction: the server waits for more rows.
    Copy,
}
