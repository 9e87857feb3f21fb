//! A login that may only read holds nobody up: what one may do at a time is not held by a key that everybody may take.

use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::world::{READER, WRITER, cluster, database, pool};

/// What the daemon calls, as its login.
const CALLS: [&str; 8] = [
    "select ops.ensure_partitions(7, 1)",
    "select from ops.take_snapshot(7, 1)",
    "select ops.forget_snapshots(7, -1)",
    "select ops.sweep_snapshots()",
    "select app.ensure_months(2)",
    "select app.find_violations(7)",
    "select app.log_verdicts(7)",
    "select app.seal_trail('audit_trail', app.trail_end('audit_trail'))",
];

async fn connect(login: &str, database: &str) -> PgConnection {
    let options = cluster().await.connect_options(login, database);
    PgConnection::connect_with(&options).await.expect("a connection")
}

async fn state(refused: Result<sqlx::postgres::PgQueryResult, sqlx::Error>) -> String {
    let error = refused.expect_err("it is refused");
    error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned()
}

#[tokio::test]
async fn a_reader_stops_nothing_by_the_locks_it_may_take() {
    let name = database().await;
    let mut reader = connect(READER, &name).await;
    for key in [
        "hashtext('asset_indexer partitions')",
        "hashtext('asset_indexer months')",
        "hashtext('asset_indexer seals')",
        "hashtextextended('app.find_violations', 0)",
        "hashtextextended('app.log_verdicts', 0)",
        "hashtextextended('asset_indexer snapshots', 7)",
    ] {
        reader.execute(AssertSqlSafe(format!("select pg_advisory_lock({key})"))).await.expect("anybody may");
    }
    // Nor is there another key that a function takes.
    let takers: i64 = sqlx::query_scalar(
        "select count(*) from pg_proc where prosrc like '%pg_%advisory%'
            and pronamespace::regnamespace::text in ('chain', 'ops', 'api', 'app')",
    )
    .fetch_one(&mut connect("postgres", &name).await)
    .await
    .expect("the catalogue");
    assert_eq!(takers, 0);
    for lock in ["select from ops.locks for update", "select from app.table_guards for update"] {
        assert_eq!(state(reader.execute(lock).await).await, "42501", "{lock}");
    }
    let mut writer = connect(WRITER, &name).await;
    writer.execute("set statement_timeout = '10s'").await.expect("it may");
    for call in CALLS {
        writer.execute(call).await.unwrap_or_else(|error| panic!("{call}: {error}"));
    }
    assert_eq!(state(writer.execute("select ops.lock('partitions')").await).await, "42501");
}

async fn waits(pool: &PgPool, call: &'static str) -> bool {
    let mut other = pool.begin().await.expect("a transaction");
    other.execute("set local lock_timeout = '200ms'").await.expect("it may");
    match other.execute(call).await {
        Ok(_) => false,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => true,
        Err(error) => panic!("{call}: {error}"),
    }
}

/// What only one may do at a time, one still does; a snapshot neither waits for a rebuild nor is made beside it, and two are
/// made side by side.
#[tokio::test]
async fn one_at_a_time_is_still_one_at_a_time() {
    let name = database().await;
    let pool = pool(&name).await;
    for call in [
        "select ops.ensure_partitions(7, 1)",
        "select ops.forget_snapshots(7, -1)",
        "select app.find_violations(7)",
        "select app.log_verdicts(7)",
        "select app.seal_trail('audit_trail', 1)",
    ] {
        let mut one = pool.begin().await.expect("a transaction");
        one.execute(call).await.unwrap_or_else(|error| panic!("{call}: {error}"));
        assert!(waits(&pool, call).await, "{call}");
        one.rollback().await.expect("it ends");
        assert!(!waits(&pool, call).await, "{call}");
    }
    let (snapshot, all) = ("select from ops.take_snapshot(7, 1)", "select ops.forget_snapshots(7, -1)");
    let mut one = pool.begin().await.expect("a transaction");
    one.execute(snapshot).await.expect("it looks");
    assert!(!waits(&pool, snapshot).await, "side by side");
    assert!(waits(&pool, all).await, "what rewrites the tables waits for a snapshot under way");
    one.rollback().await.expect("it ends");
    let mut rebuild = pool.begin().await.expect("a transaction");
    rebuild.execute(all).await.expect("it forgets");
    let soon = tokio::time::timeout(Duration::from_secs(5), pool.execute(snapshot)).await;
    soon.expect("it does not wait").expect("it makes none");
    rebuild.rollback().await.expect("it ends");
}
