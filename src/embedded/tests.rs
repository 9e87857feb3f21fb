//! Against the PostgreSQL of this machine, or the one `PG_BIN` names.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::{env, fs};

use super::account::Account;
use super::*;

mod killed;

fn binaries() -> Binaries {
    find_binaries(&Search::default()).expect("a PostgreSQL on this machine")
}

/// Options of a durable cluster in a scratch directory, removed at the end of a test that passes.
fn durable() -> Options {
    Options { durable: true, max_connections: 20, ..Options::scratch(binaries()) }
}

async fn execute(cluster: &Cluster, database: &str, statement: &'static str) {
    let connect = cluster.connect_options(SUPERUSER, database);
    let mut connection = PgConnection::connect_with(&connect).await.expect("a connection");
    connection.execute(statement).await.expect("the statement");
    connection.close().await.expect("an orderly end");
}

async fn number(url: &str, query: &'static str) -> i64 {
    let mut connection = PgConnection::connect(url).await.expect("a connection by URL");
    connection.fetch_one(query).await.expect("a row").get(0)
}

#[tokio::test]
async fn keeps_its_data_over_stop_and_crash() {
    let kept = Options { remove_on_stop: false, ..durable() };
    let cluster = Cluster::start(kept.clone()).await.expect("first start");
    let version = "SELECT current_setting('server_version_num')::int8 / 10000";
    let version = number(&cluster.url("postgres"), version).await;
    assert_eq!(version, i64::from(kept.binaries.version));
    assert!(cluster.create_database("a b/\"c%", None).await.expect("a new database"));
    assert!(!cluster.create_database("a b/\"c%", None).await.expect("the same database"));
    execute(&cluster, "a b/\"c%", "CREATE TABLE t AS SELECT 7::int8 AS n").await;
    cluster.stop().await.expect("stop");
    assert!(!kept.state_dir.join("data/postmaster.pid").exists(), "an orderly end");
    assert_eq!(cluster_version(&kept.state_dir), Some(kept.binaries.version));

    let mut cluster = Cluster::start(durable_again(&kept)).await.expect("second start");
    assert_eq!(number(&cluster.url("a b/\"c%"), "SELECT n FROM t").await, 7);
    execute(&cluster, "a b/\"c%", "INSERT INTO t VALUES (8)").await;
    cluster.kill_hard().expect("ours to kill");
    assert!(kept.state_dir.join("data/postmaster.pid").exists(), "no orderly end");
    let gone = PgConnection::connect(&cluster.url("postgres")).await;
    assert!(gone.is_err(), "the server is gone");

    let again = Cluster::start(durable_again(&kept)).await.expect("start after a crash");
    assert_eq!(number(&again.url("a b/\"c%"), "SELECT sum(n)::int8 FROM t").await, 15);
    drop(cluster);
    assert_eq!(
        number(&again.url("postgres"), "SELECT 1::int8").await,
        1,
        "the crashed one no longer owns it"
    );
    drop(again);
    assert!(!kept.state_dir.exists(), "removed as asked");
}

/// The same cluster, to be removed at the end.
fn durable_again(kept: &Options) -> Options {
    Options { remove_on_stop: true, ..kept.clone() }
}

#[tokio::test]
async fn a_second_start_shares_the_server() {
    let options = durable();
    let (first, second) = tokio::join!(Cluster::start(options.clone()), Cluster::start(options.clone()));
    let (first, second) = (first.expect("one"), second.expect("other"));
    assert_ne!(first.is_shared(), second.is_shared(), "exactly one of two at once starts the server");
    let (starter, mut sharer) = if first.is_shared() { (second, first) } else { (first, second) };
    execute(&starter, "postgres", "CREATE TABLE t AS SELECT 7::int8 AS n").await;
    assert_eq!(number(&sharer.url("postgres"), "SELECT n FROM t").await, 7);
    let refused = sharer.kill_hard().expect_err("not ours to kill").to_string();
    assert!(refused.contains("was started by another process"), "{refused}");
    sharer.stop().await.expect("stop of the sharing one");
    assert_eq!(number(&starter.url("postgres"), "SELECT n FROM t").await, 7);
    starter.stop().await.expect("stop of the starter");
}

#[tokio::test]
async fn durable_does_not_share_with_scratch() {
    let fast = Options::scratch(binaries());
    let cluster = Cluster::start(fast.clone()).await.expect("start");
    let off = "SELECT count(*) FROM pg_settings WHERE setting = 'off' \
               AND name IN ('fsync', 'synchronous_commit', 'full_page_writes')";
    assert_eq!(number(&cluster.url("postgres"), off).await, 3);
    let error = Cluster::start(Options { durable: true, ..fast.clone() }).await.expect_err("a refusal");
    assert!(matches!(error, EmbeddedError::NotDurable { .. }), "{error}");
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");

    execute(&cluster, "postgres", "CREATE DATABASE model").await;
    execute(&cluster, "model", "CREATE TABLE t AS SELECT 7::int8 AS n").await;
    assert!(cluster.create_database("copy", Some("model")).await.expect("a copy"));
    execute(&cluster, "postgres", "CREATE ROLE reader LOGIN").await;
    execute(&cluster, "copy", "GRANT SELECT ON t TO reader").await;
    assert_eq!(number(&cluster.url_as("reader", "copy"), "SELECT n FROM t").await, 7);
}

#[tokio::test]
async fn only_its_account_gets_at_data_and_socket() {
    let cluster = Cluster::start(Options::scratch(binaries())).await.expect("start");
    let account = Account::for_data(&cluster.state_dir.join("data")).expect("an account");
    assert_ne!(account.uid, 0);
    for private in [&cluster.socket_dir, &cluster.state_dir.join("data")] {
        let found = fs::metadata(private).expect("a directory");
        assert_eq!((found.uid(), found.mode() & 0o777), (account.uid, 0o700), "{}", private.display());
    }
    assert_eq!(fs::metadata(cluster.log()).expect("a log").mode() & 0o777, 0o600);
    let locale = "SELECT count(*) FROM pg_database WHERE datname = 'postgres' AND datcollate LIKE 'C%' \
                  AND pg_encoding_to_char(encoding) = 'UTF8'";
    assert_eq!(number(&cluster.url("postgres"), locale).await, 1);
    let checksums = "SELECT count(*) FROM pg_settings WHERE name = 'data_checksums' AND setting = 'on'";
    assert_eq!(number(&cluster.url("postgres"), checksums).await, 1);
    let tcp = "SELECT count(*) FROM pg_settings WHERE name = 'listen_addresses' AND setting <> ''";
    assert_eq!(number(&cluster.url("postgres"), tcp).await, 0);
}

#[tokio::test]
async fn over_tcp_only_roles_with_a_password() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = Options { listen_tcp: Some(port), ..Options::scratch(binaries()) };
    let cluster = Cluster::start(options).await.expect("start");
    let place = Place::prepare(&cluster.state_dir).expect("the place");
    assert_eq!(place.postmaster().map(|found| found.port), Some(port));
    execute(&cluster, "postgres", "CREATE ROLE app LOGIN PASSWORD 'a password of a test'").await;
    let url = |user: &str| format!("postgres://{user}@127.0.0.1:{port}/postgres?sslmode=disable");
    assert_eq!(number(&url("app:a%20password%20of%20a%20test"), "SELECT 1::int8").await, 1);
    for refused in ["app", "app:wrong", "postgres", "postgres:postgres"] {
        assert!(PgConnection::connect(&url(refused)).await.is_err(), "{refused}");
    }
}

#[tokio::test]
async fn a_server_that_ends_at_start_shows_its_log() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let options = Options { listen_tcp: Some(port), ..Options::scratch(binaries()) };
    let error = Cluster::start(options).await.expect_err("the port is taken");
    assert!(matches!(error, EmbeddedError::Exited { .. }), "{error}");
    assert!(error.to_string().contains("could not bind IPv4 address"), "{error}");
}

#[tokio::test]
async fn another_version_is_named() {
    let kept = Options { remove_on_stop: false, ..Options::scratch(binaries()) };
    Cluster::start(kept.clone()).await.expect("start").stop().await.expect("stop");
    let file = kept.state_dir.join("data/PG_VERSION");
    fs::write(&file, "14\n").unwrap();
    let error = Cluster::start(kept.clone()).await.expect_err("another version").to_string();
    assert!(error.contains("created by PostgreSQL 14"), "{error}");
    assert!(error.contains(&format!("are PostgreSQL {}", kept.binaries.version)), "{error}");
    fs::remove_dir_all(&kept.state_dir).unwrap();
}

#[tokio::test]
async fn a_closed_directory_is_refused_before_anything_fails() {
    let outer = env::temp_dir().join(format!("asset-indexer-{}", uuid::Uuid::new_v4().simple()));
    fs::create_dir(&outer).unwrap();
    fs::set_permissions(&outer, fs::Permissions::from_mode(0o700)).unwrap();
    let options = Options { state_dir: outer.join("state"), ..Options::scratch(binaries()) };
    match Cluster::start(options).await {
        // Root's server runs under another account, which may not pass; a user's own may.
        Err(EmbeddedError::Unreachable { closed, .. }) => assert_eq!(closed, outer),
        Ok(_) => assert_ne!(account::effective_uid().unwrap(), 0),
        Err(other) => panic!("{other}"),
    }
    fs::remove_dir_all(&outer).unwrap();
}

#[tokio::test]
async fn a_process_number_taken_over_by_another_program_is_no_server() {
    let kept = Options { remove_on_stop: false, ..Options::scratch(binaries()) };
    let mut cluster = Cluster::start(kept.clone()).await.expect("start");
    cluster.kill_hard().expect("ours");
    let file = kept.state_dir.join("data/postmaster.pid");
    let account = Account::for_data(&kept.state_dir.join("data")).unwrap();
    let mut other = account.command(Path::new("sleep")).arg("100").spawn().unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    fs::write(&file, format!("{}\n{rest}", other.id())).unwrap();
    let started = Cluster::start(durable_again(&kept)).await;
    account.signal("KILL", &[other.id()]);
    other.wait().unwrap();
    started.expect("a start in spite of the living number").stop().await.unwrap();
}

#[tokio::test]
async fn a_long_path_works() {
    let outer = env::temp_dir().join(format!("asset-indexer-{}", uuid::Uuid::new_v4().simple()));
    let options = Options { state_dir: outer.join("x, ".repeat(40)), ..Options::scratch(binaries()) };
    let cluster = Cluster::start(options).await.expect("start");
    let socket_dir = cluster.socket_dir.clone();
    assert!(socket_dir.starts_with("/tmp"), "{}", socket_dir.display());
    assert_eq!(number(&cluster.url("postgres"), "SELECT 1::int8").await, 1);
    cluster.stop().await.expect("stop");
    assert!(!socket_dir.exists());
    fs::remove_dir(&outer).expect("nothing but the removed state directory was in it");
}
