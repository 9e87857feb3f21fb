//! S1: the real program with canaries where secrets stand: no log at any level, no metric, no answer, no row, no name
//! of a connection and no message of a failure holds one.

use std::time::Duration;

use alloy::primitives::{Address, B256};
use asset_indexer::embedded::Cluster;
use asset_indexer::fact::Role;
use serde_json::json;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::command::{CANARIES, Folder, Line, closed_port};
use crate::support::process::{Daemon, Program, until};
use crate::support::real::node;
use crate::support::scripted_node::{Chain, Page, ScriptedNode};
use crate::support::world::{cluster_over_tcp, config};
use simulation::events::account;

const PATH: &str = "/v2/canarypath123?apikey=canaryquery123";
const PASSWORD: &str = "canarypw123";

fn token() -> Address {
    account(0x20, 0)
}

fn assert_silent(what: &str, text: &str) {
    for canary in CANARIES {
        if let Some(at) = text.find(canary) {
            let around: String = text[at.saturating_sub(200)..].chars().take(400).collect();
            panic!("{what} tells a secret: …{around}…");
        }
    }
}

/// A node whose URL carries secrets everywhere, and a PostgreSQL that asks for a password.
struct Place {
    node: ScriptedNode,
    rpc_url: String,
    cluster: Cluster,
    port: u16,
    pool: PgPool,
    folder: Folder,
}

impl Place {
    async fn new() -> Self {
        let mut chain = Chain::with_logs(60, token(), [3, 10, 58]);
        chain.finalized = Some(50);
        let node = ScriptedNode::start(chain).await;
        let rpc_url = node.url(PATH).replace("http://", "http://canaryuser:canarypass@");
        let (cluster, mut owner, port) = cluster_over_tcp().await;
        let sql = format!(
            "create role indexer login password '{PASSWORD}' in role asset_indexer_writer, asset_indexer_reader"
        );
        owner.execute(AssertSqlSafe(sql)).await.expect("the superuser may");
        owner
            .execute(AssertSqlSafe(format!("alter role postgres password '{PASSWORD}'")))
            .await
            .expect("it may");
        owner.close().await.expect("it closes");
        let pool = PgPool::connect_with(cluster.connect_options("postgres", "assets")).await.expect("a pool");
        Self { node, rpc_url, cluster, port, pool, folder: Folder::new() }
    }

    fn url(&self, role: &str, password: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/assets", self.port)
    }

    /// A command that is given its secrets by the environment, and says whatever it can.
    fn line(&self, words: &[&str]) -> Line {
        Line::new(words)
            .set("LOG_LEVEL", "trace")
            .set("RPC_URL", &self.rpc_url)
            .set("DATABASE_URL", self.url("indexer", PASSWORD))
            .set("ADMIN_DATABASE_URL", self.url("postgres", PASSWORD))
            .contract("erc20", token())
    }

    /// Everything in the database that is text, also in the catalogues of what connections do.
    async fn database_text(&self) -> String {
        let tables: Vec<String> = sqlx::query_scalar(
            "select format('%I.%I', schemaname, tablename) from pg_tables
             where schemaname in ('chain', 'ops', 'api', 'app', 'public')
             union all values ('pg_stat_activity'), ('pg_prepared_statements'), ('pg_settings')",
        )
        .fetch_all(&self.pool)
        .await
        .expect("readable");
        assert!(tables.len() > 30, "{tables:?}");
        let mut text = String::new();
        for table in tables {
            let sql = format!("select coalesce(string_agg(t::text, E'\\n'), '') from {table} t");
            let rows: String =
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&self.pool).await.expect("readable");
            text.push_str(&format!("{table}: {rows}\n"));
        }
        text
    }

    async fn assert_told_nowhere(&self, daemon: &Daemon, context: &str) {
        assert_silent(&format!("{context}: the database"), &self.database_text().await);
        for path in ["/metrics", "/status", "/ready", "/live", "/nowhere"] {
            assert_silent(&format!("{context}: {path}"), &daemon.get(path).await.1);
        }
        assert_silent(&format!("{context}: the log"), &daemon.lines().join("\n"));
    }
}

/// What others see of a process.
fn assert_not_in_proc(daemon: &Daemon) {
    for file in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{}/{file}", daemon.pid())).expect("Linux");
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("_FILE") || file == "cmdline", "{file} is read: {text}");
        assert_silent(file, &text);
    }
}

#[tokio::test]
async fn a_daemon_tells_its_secrets_nowhere_whatever_happens() {
    let place = Place::new().await;
    let settings = config(&[(Role::Erc20, token())]);
    let program = Program::bare(&settings)
        .with("RPC_URL_FILE", &place.folder.write("rpc_url", &format!("{}\n", place.rpc_url)))
        .with("DATABASE_URL_FILE", &place.folder.write("database_url", &place.url("indexer", PASSWORD)))
        .with("LOG_FORMAT", "json")
        .with("LOG_LEVEL", "trace")
        .with("ASSET_INDEXER__RPC__POLL_INTERVAL_MS", "50");
    let daemon = program.writer().await;
    assert_not_in_proc(&daemon);
    let reached = async |block: i64| {
        until("the head", async || {
            let at: Option<i64> = sqlx::query_scalar("select block_number from chain.checkpoints")
                .fetch_optional(&place.pool)
                .await
                .expect("readable");
            at.filter(|at| *at == block)
        })
        .await
    };
    reached(60).await;
    place.assert_told_nowhere(&daemon, "following").await;
    assert!(daemon.lines().len() > 100, "it says whatever it can");

    // Commands hand their work over and tell of it.
    for words in [
        &["status"][..],
        &["status", "--json"],
        &["check-config"],
        &["backfill", "--from", "0", "--to", "20"],
        &["rewind", "--to", "58", "--reason", "a look at it"],
    ] {
        place.line(words).run().await.done();
    }
    let transaction = alloy::primitives::keccak256([0u8]).to_string();
    place.line(&["decode", &transaction]).run().await;
    place.assert_told_nowhere(&daemon, "after commands").await;

    // A node that refuses, and quotes what it was asked with; then one that is gone.
    let quoted = place.rpc_url.clone();
    place.node.page(move |_| {
        Some(Page { status: 401, retry_after: None, body: format!("no such key: {quoted} {PATH}") })
    });
    daemon.said("no such key").await;
    place.assert_told_nowhere(&daemon, "refused by the node").await;
    let (status, _) = daemon.get("/ready").await;
    assert!(matches!(status, 200 | 503), "{status}");

    // A database that throws it out, and then does not know its password any more.
    let mark = daemon.mark();
    place.pool.execute("alter role indexer password 'another'").await.expect("the superuser may");
    let others = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'indexer'";
    place.node.page(|_| None);
    place.node.change(|chain| chain.head = 70);
    place.pool.execute(others).await.expect("the superuser may");
    daemon.said_after(mark, "password authentication failed").await;
    assert_silent("refused by the database: the database", &place.database_text().await);
    assert_silent("refused by the database: the log", &daemon.lines().join("\n"));
    let log = std::fs::read_to_string(place.cluster.log()).expect("the server's log");
    assert!(log.contains("password authentication failed"), "{log}");
    drop(daemon);
    drop(place.pool);
    place.cluster.stop().await.expect("it stops");
}

/// A server that is no node, and quotes all it was asked.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let count = stream.read(&mut request).await.unwrap_or_default();
            let head = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {count}\r\n\r\n");
            let _ = stream.write_all(&[head.as_bytes(), &request[..count]].concat()).await;
        }
    });
    port
}

/// Every command against everything that can be wrong at its start; [`Line`] asserts that no output holds a canary.
#[tokio::test]
async fn no_command_tells_a_secret_when_it_fails() {
    let place = Place::new().await;
    let hash = B256::ZERO.to_string();
    let commands: [&[&str]; 8] = [
        &["run"],
        &["backfill", "--from", "0", "--to", "20"],
        &["status"],
        &["rebuild"],
        &["decode", &hash],
        &["rewind", "--to", "1", "--reason", "canaryfree"],
        &["migrate"],
        &["check-config"],
    ];
    let gone = closed_port();
    let bad = place
        .folder
        .write("bad.toml", "[rpc]\nnonsense = 1\n[[contract]]\nrole = \"http://canaryuser:canarypw@h/canarykey\"\naddress = \"0x1\"\n");
    let secret = place.folder.write("secret", "canary is not a URL");
    let quoted = place.rpc_url.clone();
    let refusing = ScriptedNode::start(Chain::default()).await;
    refusing.page(move |request| {
        let id = request["id"].clone();
        let error = json!({ "code": -32_000, "message": format!("{quoted} canarypath123") });
        Some(Page { status: 200, retry_after: None, body: json!({ "id": id, "error": error }).to_string() })
    });
    let refusing_url = refusing.url(PATH).replace("http://", "http://canaryuser:canarypass@");
    let unreached = format!("127.0.0.1:{gone}");
    let echo = echo().await;
    let faults: Vec<(&str, Vec<(&str, String)>)> = vec![
        ("node down", vec![("RPC_URL", format!("http://canaryuser:canarypass@{unreached}{PATH}"))]),
        ("node down, WebSocket", vec![("RPC_URL", format!("ws://canaryuser:canarypass@{unreached}{PATH}"))]),
        ("no TLS there", vec![("RPC_URL", place.rpc_url.replace("http://", "https://"))]),
        (
            "no WebSocket there",
            vec![("RPC_URL", format!("ws://canaryuser:canarypass@127.0.0.1:{echo}{PATH}"))],
        ),
        ("an error that quotes", vec![("RPC_URL", refusing_url)]),
        (
            "wrong password",
            ["DATABASE_URL", "ADMIN_DATABASE_URL"]
                .map(|name| (name, place.url("indexer", "canarywrong")))
                .into(),
        ),
        (
            "another role",
            ["DATABASE_URL", "ADMIN_DATABASE_URL"].map(|name| (name, place.url("nobody", PASSWORD))).into(),
        ),
        (
            "no TLS in the database",
            ["DATABASE_URL", "ADMIN_DATABASE_URL"]
                .map(|name| (name, format!("{}?sslmode=verify-full", place.url("indexer", PASSWORD))))
                .into(),
        ),
        (
            "no certificate",
            ["DATABASE_URL", "ADMIN_DATABASE_URL"]
                .map(|name| {
                    (
                        name,
                        format!("{}?sslmode=verify-full&sslrootcert=/canary", place.url("indexer", PASSWORD)),
                    )
                })
                .into(),
        ),
        (
            "a weak mode",
            vec![("DATABASE_URL", "postgres://canary:canarypw@db.example/canary?sslmode=prefer".to_owned())],
        ),
        ("a bad file", vec![("ASSET_INDEXER_CONFIG", bad)]),
        ("a bad secret file", vec![("RPC_URL", String::new()), ("DATABASE_URL_FILE", secret)]),
        (
            "bad variables",
            vec![("RPC_URL", "canary".to_owned()), ("DATABASE_URL", "canary://canary".to_owned())],
        ),
    ];
    for (fault, variables) in &faults {
        let ended = commands.map(async |command| {
            let line =
                variables.iter().fold(place.line(command), |line, (name, value)| line.set(name, value));
            let line = match command[0] {
                // A daemon waits for what is missing; a moment is enough to say so.
                "run" => line.briefly(Duration::from_secs(3)),
                _ => line,
            };
            (command, line.run().await)
        });
        for (command, ended) in futures_util::future::join_all(ended).await {
            assert!(ended.code != Some(101) && ended.code != Some(70), "{fault}: {command:?}: {ended:#?}");
            if fault.contains("bad") {
                assert_eq!(ended.code, Some(78), "{fault}: {command:?}: {ended:#?}");
            }
        }
    }
    drop(place.pool);
    place.cluster.stop().await.expect("it stops");
}

/// The handshake of a WebSocket carries path, key and password in its first lines, which its libraries like to trace.
#[tokio::test]
async fn a_websocket_tells_no_secret_at_any_level() {
    let node = node().await;
    let url = format!("ws://canaryuser:canarypass@127.0.0.1:{}/?apikey=canaryquery123", node.port());
    let place = Place::new().await;
    let line = place.line(&["backfill", "--from", "0"]).set("RPC_URL", url);
    let ended = line.run().await;
    assert!(ended.err.len() > 1_000, "it says whatever it can: {ended:#?}");
    drop(place.pool);
    place.cluster.stop().await.expect("it stops");
}
