//! Migrations that work beside readers and writers, outside of a transaction: interrupted in the middle, and gone on with.

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::migrations::migrate;
use crate::application::{connect, run};
use crate::support::command::{Ended, Line, database_url};
use crate::support::world::database;

/// The newest version before those that work outside of a transaction.
const BEFORE: &str = "20261127000014";
/// Users of the test: two and a half batches.
const USERS: i64 = 1_250;

/// A database without them, with a tenant, users, and a login of each.
async fn before() -> (String, PgConnection) {
    let database = database().await;
    migrate(&database, &["--down-to", BEFORE, "--application"]).await.done();
    let mut owner = connect(&database).await;
    let fill = format!(
        "insert into app.tenants (name) values ('one');
         insert into app.users (tenant_id, email) select id, n || '@example.org' from app.tenants, generate_series(1, {USERS}) n;
         insert into app.login_history (tenant_id, user_id, login_method, success)
         select tenant_id, id, 'passkey', true from app.users"
    );
    run(&mut owner, &fill).await;
    (database, owner)
}

async fn number(owner: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(owner).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Waits until a question counts as much.
async fn until(owner: &mut PgConnection, sql: &'static str, count: i64) {
    for _ in 0..600 {
        if number(owner, sql).await == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never {count}: {sql}");
}

async fn begun(database: &str) -> tokio::task::JoinHandle<Ended> {
    let line = Line::new(&["migrate"]).set("ADMIN_DATABASE_URL", database_url("postgres", database).await);
    tokio::spawn(async move { line.run().await })
}

/// Ends the program's sessions, as a crash of the program or the server would.
async fn interrupt(owner: &mut PgConnection, migrating: tokio::task::JoinHandle<Ended>) {
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and query not like 'begin%'";
    number(owner, end).await;
    let ended = migrating.await.expect("it ends");
    assert_ne!(ended.code, Some(0), "it was interrupted");
}

const VALID: &str = "select count(*) from pg_index where indexrelid = to_regclass('app.submitted_transactions_user_idx') and indisvalid";
const UNFINISHED: &str = "select count(*) from pg_index where indexrelid = to_regclass('app.submitted_transactions_user_idx') and not indisvalid";

#[tokio::test]
async fn an_index_is_built_beside_writers_and_anew_where_that_was_interrupted() {
    let (database, mut owner) = before().await;
    let mut writer = connect(&database).await;
    let submit = |nonce: u32| {
        format!(
            "insert into app.submitted_transactions (tenant_id, chain_id, transaction_hash, operation_type)
             select id, 1, '0x' || lpad('{nonce}', 64, '0'), 'transfer' from app.tenants"
        )
    };
    // Who has written and not ended is waited for, and nobody waits behind.
    run(&mut writer, &format!("begin; {}", submit(1))).await;
    let migrating = begun(&database).await;
    until(&mut owner, UNFINISHED, 1).await;
    let mut another = connect(&database).await;
    for nonce in 2..20 {
        let began = Instant::now();
        run(&mut another, &submit(nonce)).await;
        assert!(began.elapsed() < Duration::from_secs(1), "a writer waited {:?}", began.elapsed());
    }
    assert_eq!(number(&mut owner, VALID).await, 0, "it is still at work");
    drop(another);
    interrupt(&mut owner, migrating).await;
    assert_eq!(number(&mut owner, UNFINISHED).await, 1, "what is left of it is not valid");
    run(&mut writer, "commit").await;
    let done = migrate(&database, &[]).await.done();
    assert!(done.contains("migrations applied"), "{done}");
    assert_eq!(number(&mut owner, VALID).await, 1);
    // What it is for: a person's transactions are found by it, among those of others.
    let many = "insert into app.submitted_transactions (tenant_id, chain_id, transaction_hash, operation_type, user_id)
        select u.tenant_id, 2, '0x' || md5(u.id || n::text) || md5(n::text), 'transfer', u.id from app.users u, generate_series(1, 20) n";
    run(&mut owner, &format!("{many}; analyze app.submitted_transactions; analyze app.wallet_links")).await;
    let found_by: String = sqlx::query_scalar(
        "select found_by from app.subject_tables where table_name = 'submitted_transactions'",
    )
    .fetch_one(&mut owner)
    .await
    .expect("it is there");
    let plan = format!(
        "explain select count(*) from app.submitted_transactions r where {}",
        found_by.replace("$1", "(select id from app.users limit 1)")
    );
    let plan: Vec<String> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(plan)).fetch_all(&mut owner).await.expect("a plan");
    let plan = plan.join("\n");
    assert!(plan.contains("submitted_transactions_user_idx"), "{plan}");
    assert!(!plan.contains("Seq Scan on submitted_transactions"), "{plan}");
}

#[tokio::test]
async fn rows_are_filled_in_batches_beside_writers_and_on_from_where_that_was_interrupted() {
    let (database, mut owner) = before().await;
    let mut writer = connect(&database).await;
    // Somebody changes a user of the last batch, and does not end.
    run(&mut writer, "begin; update app.users set username = 'busy' where id = (select id from app.users order by id desc limit 1)")
        .await;
    let migrating = begun(&database).await;
    let filled = "select count(*) from app.users where last_activity_at is not null";
    until(&mut owner, filled, 1_000).await;
    let mut another = connect(&database).await;
    let began = Instant::now();
    run(
        &mut another,
        "update app.users set username = 'quick' where id = (select id from app.users order by id limit 1)",
    )
    .await;
    run(&mut another, "update app.users set username = 'quick too' where id = (select id from app.users order by id desc offset 5 limit 1)")
        .await;
    assert!(began.elapsed() < Duration::from_secs(1), "a writer waited {:?}", began.elapsed());
    drop(another);
    tokio::time::sleep(Duration::from_secs(1)).await;
    interrupt(&mut owner, migrating).await;
    let progress = "select row_count from ops.data_migrations where finished_at is null";
    assert_eq!((number(&mut owner, progress).await, number(&mut owner, filled).await), (1_000, 1_000));
    let began = "select (extract(epoch from started_at) * 1e6)::bigint from ops.data_migrations";
    let before = number(&mut owner, began).await;
    run(&mut writer, "commit").await;
    migrate(&database, &[]).await.done();
    assert_eq!(number(&mut owner, filled).await, USERS);
    assert_eq!(number(&mut owner, began).await, before, "it went on, and did not start over");
    let done = "select row_count from ops.data_migrations where finished_at is not null";
    assert_eq!(number(&mut owner, done).await, USERS, "each once");
    let wrong = "select count(*) from app.users u where last_activity_at <> (select max(l.timestamp) from app.login_history l where l.user_id = u.id)";
    assert_eq!(number(&mut owner, wrong).await, 0);
    // Called again when it has ended, it starts over, and finds nothing new.
    run(&mut owner, "call app.note_activity('app.users.last_activity_at', 100)").await;
    assert_eq!(number(&mut owner, done).await, 0);
}
