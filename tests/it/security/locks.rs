//! A login that may only read holds nobody up: what one may do at a time is not held by a key that everybody may take.

use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::world::{READER, WRITER, cluster, database, pool};

/// What the daemon calls, as its login.
const CALLS: [&str; 10] = [
    "select ops.ensure_partitions(7, 1)",
    "select from ops.take_snapshot(7, 1)",
    "select ops.forget_snapshots(7, -1)",
    "select ops.sweep_snapshots()",
    "select app.ensure_months(2)",
    "select app.find_violations(7)",
    "select app.log_verdicts(7)",
    "select app.seal_trail('audit_trail', app.trail_end('audit_trail'))",
    "select app.settle_logged(7)",
    "select app.note_fate(7, '0x', null, null, 'included', 1, '0x', 1)",
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
    // Whoever finds its partitions holds nobody up, though its transaction goes on.
    let partitions = "select ops.ensure_partitions(7, 1)";
    pool.execute(partitions).await.expect("they are made");
    let mut one = pool.begin().await.expect("a transaction");
    one.execute(partitions).await.expect("they are there");
    assert!(!waits(&pool, "select ops.ensure_partitions(8, 1)").await, "others are made meanwhile");
    one.rollback().await.expect("it ends");
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

/// A partition that is made keeps nobody from reading or writing the others.
#[tokio::test]
async fn partitions_are_made_beside_the_table() {
    let name = database().await;
    let pool = pool(&name).await;
    pool.execute("select ops.ensure_partitions(7, 1)").await.expect("the first");
    let mut one = pool.begin().await.expect("a transaction");
    one.execute("select ops.ensure_partitions(7, 5000000)").await.expect("more");
    one.execute("select ops.ensure_partitions(8, 1)").await.expect("another chain's");
    for call in ["select from chain.asset_events", "update chain.asset_events set part = part"] {
        assert!(!waits(&pool, call).await, "{call}");
    }
    one.rollback().await.expect("it ends");
}

/// A tenant may lock the rows of its transactions for as long as it likes: the daemon's commits go on meanwhile, and so does
/// what becomes of others' transactions.
#[tokio::test]
async fn a_tenants_locks_do_not_reach_the_checkpoint() {
    let name = database().await;
    let pool = pool(&name).await;
    let load = "
        insert into chain.checkpoints (chain_id, genesis_hash, block_number, block_hash, parent_hash, block_timestamp,
            finalized_number, finalized_hash, status, origin_number, origin_hash, verified_number, verified_hash)
        values (7, sha256('g'), 9, sha256('b'), sha256('p'), now(), 5, sha256('f'), 'running', 0, sha256('g'), 0, sha256('g'));
        select ops.ensure_partitions(7, 1);
        insert into app.tenants (id, name) values (md5('tenant')::uuid, 'tenant');
        insert into chain.asset_events (chain_id, block_number, log_index, part, id, block_hash, block_timestamp, transaction_hash,
            transaction_index, address, role, event_type, event_data, topic0, data)
        select 7, n, 0, 0, md5('e' || n)::uuid, sha256('b'), now(), sha256(('t' || n)::bytea), 0, substr(sha256('token'), 1, 20),
            'erc20', 'Transfer', '{}', sha256('Transfer'), '' from generate_series(1, 2) n;
        insert into app.submitted_transactions (tenant_id, chain_id, transaction_hash, operation_type)
        select md5('tenant')::uuid, 7, api.hex(sha256(('t' || n)::bytea)), 'transfer' from generate_series(1, 3) n";
    sqlx::raw_sql(load)
        .execute(&pool)
        .await
        .expect("a register, and three transactions of which two are logged");
    let mut tenant = pool.begin().await.expect("a transaction");
    let held = "select from app.submitted_transactions where transaction_hash in (
        select api.hex(sha256(('t' || n)::bytea)) from generate_series(2, 3) n) for update";
    tenant.execute(held).await.expect("it may");
    let settled = async |pool: &PgPool| -> i64 {
        sqlx::query_scalar("select app.settle_logged(7)").fetch_one(pool).await.expect("it does not wait")
    };
    let noted = async |pool: &PgPool| -> bool {
        sqlx::query_scalar(
            "select app.note_fate(7, api.hex(sha256('t3')), null, null, 'included', 3, api.hex(sha256('b')), 5)",
        )
        .fetch_one(pool)
        .await
        .expect("it does not wait")
    };
    let soon =
        tokio::time::timeout(Duration::from_secs(5), async { (settled(&pool).await, noted(&pool).await) });
    assert_eq!(soon.await.expect("nobody waits for a tenant"), (1, false), "what is held is left");
    tenant.rollback().await.expect("it ends");
    // Nor does it wait long for a commit under way.
    let mut commit = pool.begin().await.expect("a transaction");
    commit.execute("select from chain.checkpoints where chain_id = 7 for update").await.expect("it may");
    let soon =
        tokio::time::timeout(Duration::from_secs(5), async { (settled(&pool).await, noted(&pool).await) });
    assert_eq!(soon.await.expect("it gives up"), (0, false));
    commit.rollback().await.expect("it ends");
    assert_eq!((settled(&pool).await, noted(&pool).await), (1, true), "and now it is had");
}
