//! Ranges that are folded while the one below is being written to PostgreSQL: whatever that commit and the second connection
//! meet, the tables are those of a worker that does one thing after the other.

use std::sync::Arc;
use std::time::Duration;

use asset_indexer::block::BlockId;
use asset_indexer::row::{Table, Value};
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::postgres::PostgresStore;
use asset_indexer::store::{Store, StoreError};
use asset_indexer::sync::{Config, Outcome, Proving, Sync};
use asset_indexer::table::fold::Load;
use asset_indexer::table::holder::AssetHolder;
use sqlx::PgPool;

use crate::support::liar::Liar;
use crate::support::world::{
    CHAIN_ID, assert_equal, config, converge, database, fresh, pool, postgres_store, worker,
};
use simulation::play::Play;

const FINALITY: u64 = 6;
const BLOCKS: usize = 160;

fn settings() -> Config {
    Config { range_blocks_max: 6, proving: Proving::Off, ..config(&Play::contracts()) }
}

/// A node that tells how often it was asked, and no lies.
fn node(seed: u64) -> Arc<Liar> {
    let chain = Arc::new(Play::chain(FINALITY));
    Play::new(seed).blocks(BLOCKS).into_iter().for_each(|block| {
        chain.mine(block);
    });
    Arc::new(Liar::new(chain))
}

/// How many lists of a range's logs it takes where each range waits for the one below.
async fn lists_one_by_one(seed: u64) -> usize {
    let node = node(seed);
    let settings = Config { reads_ahead: false, ..settings() };
    converge(&mut worker(node.clone(), Arc::new(MemoryStore::new()), settings)).await;
    node.lists_asked()
}

/// What the tables are where each range waits for the one below.
async fn assert_fresh(worker: &Sync<Liar, PostgresStore>, context: &str) {
    let one_by_one = Config { reads_ahead: false, ..settings() };
    assert_equal(&**worker.store(), &fresh(worker.source(), &one_by_one).await, context).await;
}

/// Runs something of SQL at the end of every transaction that moves the checkpoint; `public.moves` counts them, those that
/// come to nothing with the others.
async fn at_each_commit(pool: &PgPool, sql: &str) {
    let trigger = format!(
        "create sequence public.moves;
         grant usage on sequence public.moves to public;
         create function public.at_each_commit() returns trigger language plpgsql security definer
             as $$ declare move bigint := nextval('public.moves'); begin {sql} return null; end $$;
         create constraint trigger at_each_commit after update on chain.checkpoints deferrable initially deferred
             for each row execute function public.at_each_commit()"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(trigger)).execute(pool).await.expect("created");
}

/// Steps until nothing is left to do, whatever fails; gives how many ranges there were and how many steps failed.
async fn persevere(worker: &mut Sync<Liar, PostgresStore>) -> (usize, usize) {
    let (mut ranges, mut failed) = (0, 0);
    for _ in 0..1_000 {
        match worker.step(None).await {
            Ok(Outcome::Backfilled { .. }) => ranges += 1,
            Ok(Outcome::Idle) => return (ranges, failed),
            Ok(Outcome::Halted { reason }) => panic!("it halted: {reason}"),
            Ok(_) => {}
            Err(_) => failed += 1,
        }
    }
    panic!("the worker does not come to rest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_is_folded_over_rows_that_nobody_sees_yet() {
    for seed in [3, 4] {
        let database = database().await;
        let pool = pool(&database).await;
        // So long that whatever the next range asks is answered from before the commit.
        at_each_commit(&pool, "perform pg_sleep(0.15);").await;
        let mut worker = worker(node(seed), Arc::new(postgres_store(&database).await), settings());
        let (ranges, failed) = persevere(&mut worker).await;
        assert!(ranges > 20 && failed == 0, "{ranges} ranges, {failed} failed");
        let lists = worker.source().lists_asked();
        assert_eq!(lists, lists_one_by_one(seed).await, "what was prepared is used: nothing is listed twice");
        assert_fresh(&worker, &format!("seed {seed}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_folded_over_a_commit_that_failed_is_forgotten() {
    let database = database().await;
    let pool = pool(&database).await;
    at_each_commit(&pool, "if move % 3 = 0 then perform pg_sleep(0.1); raise exception 'no'; end if;").await;
    let mut worker = worker(node(5), Arc::new(postgres_store(&database).await), settings());
    let (ranges, failed) = persevere(&mut worker).await;
    assert!(ranges > 20 && failed > 10, "{ranges} ranges, {failed} failed");
    assert_fresh(&worker, "commits that failed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_connection_may_break() {
    let database = database().await;
    let pool = pool(&database).await;
    at_each_commit(
        &pool,
        "perform pg_sleep(0.05);
         if move % 4 = 0 then
             perform pg_terminate_backend(pid), nextval('public.broken') from pg_stat_activity
             where datname = current_database() and application_name like 'asset-indexer reader %';
         end if;",
    )
    .await;
    sqlx::raw_sql("create sequence public.broken").execute(&pool).await.expect("created");
    let mut worker = worker(node(6), Arc::new(postgres_store(&database).await), settings());
    let (ranges, failed) = persevere(&mut worker).await;
    assert!(
        ranges > 20 && failed == 0,
        "{ranges} ranges, {failed} failed: it is read anew, and nothing else"
    );
    let broken: Option<i64> = sqlx::query_scalar("select pg_sequence_last_value('public.broken')")
        .fetch_one(&pool)
        .await
        .expect("readable");
    assert!(broken > Some(1), "{broken:?}");
    assert_fresh(&worker, "the second connection broke").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_beside_waits_for_no_commit() {
    let database = database().await;
    let pool = pool(&database).await;
    sqlx::raw_sql("create table public.woke (at timestamptz)").execute(&pool).await.expect("created");
    // By the end of the fourth what is read beside it has been read: what is read later is read for the range after the fifth.
    let waits = "if move = 4 then perform pg_sleep(1); insert into public.woke values (clock_timestamp());
                 elsif move = 5 then perform pg_sleep(60); end if;";
    at_each_commit(&pool, waits).await;
    let store = Arc::new(postgres_store(&database).await);
    let mut worker = worker(node(7), store.clone(), settings());
    let reader = async {
        let sleeps = "select pid from pg_stat_activity where datname = current_database()
             and wait_event = 'PgSleep' and exists (select from public.woke)";
        let sleeping = loop {
            let found: Option<i32> =
                sqlx::query_scalar(sleeps).fetch_optional(&pool).await.expect("readable");
            if let Some(found) = found {
                break found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        // Done with a statement that began after the commit before. (The transaction that waits may have begun later.)
        let reads = "select exists (select from pg_stat_activity where datname = current_database()
             and application_name like 'asset-indexer reader %' and state = 'idle'
             and query_start > (select max(at) from public.woke))";
        let mut has_read = false;
        for _ in 0..500 {
            has_read = sqlx::query_scalar(reads).fetch_one(&pool).await.expect("readable");
            if has_read {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        sqlx::query("select pg_terminate_backend($1)").bind(sleeping).execute(&pool).await.expect("it may");
        assert!(has_read, "what the next range needs is read while the commit is under way");
    };
    let ((_, failed), ()) = tokio::join!(persevere(&mut worker), reader);
    assert_eq!(failed, 1, "the commit that was ended");
    assert_fresh(&worker, "a commit that was ended").await;
}

#[tokio::test]
async fn what_another_server_says_is_no_answer() {
    let database = database().await;
    let store = Arc::new(postgres_store(&database).await);
    let mut worker = worker(node(8), store.clone(), settings());
    persevere(&mut worker).await;
    let here = store.checkpoint().await.expect("readable").expect("there").block.id;
    let load =
        Load { table: AssetHolder::DEF, columns: vec![0], keys: vec![vec![Value::Int(CHAIN_ID as i64)]] };
    let ahead = BlockId { number: here.number + 1, ..here };
    let rows = store.load_beside(&load, [here, ahead]).await.expect("it is there");
    assert!(!rows.is_empty());
    // An old state: a standby that lags, a primary that was left behind.
    let refused = store.load_beside(&load, [ahead, BlockId { number: here.number + 2, ..here }]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    assert_eq!(store.load_beside(&load, [here, ahead]).await.expect("a new connection"), rows);
}

#[tokio::test]
async fn at_the_head_the_second_connection_is_given_up() {
    let database = database().await;
    let pool = pool(&database).await;
    let readers = async || {
        let sql = "select count(*) from pg_stat_activity where datname = current_database()
             and application_name like 'asset-indexer reader %'";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.expect("readable")
    };
    let mut worker = worker(node(9), Arc::new(postgres_store(&database).await), settings());
    let mut most = 0;
    loop {
        let outcome = worker.step(None).await.expect("an honest node");
        most = most.max(readers().await);
        match outcome {
            Outcome::Followed { .. } => break,
            Outcome::Idle => panic!("nothing was above finality"),
            _ => {}
        }
    }
    assert_eq!(most, 1, "while ranges are read");
    // The server sees that it is closed a moment later.
    crate::support::process::until("it is gone", async || (readers().await == 0).then_some(())).await;
}
