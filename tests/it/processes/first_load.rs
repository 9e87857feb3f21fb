//! A first load does without most indexes, whatever happens meanwhile, and leaves the schema as it found it.

use std::sync::Arc;

use asset_indexer::rpc::Rpc;
use asset_indexer::source::Source;
use asset_indexer::store::postgres::{
    Lease, Part, PostgresStore, SteppedDown, migrate, migrate_application, step_down,
};
use asset_indexer::sync::{Outcome, Sync};
use scenario::Step;
use sqlx::{Connection, PgConnection};

use super::slots;
use crate::schema::catalogue;
use crate::support::real::rpc;
use crate::support::scene::Scene;
use crate::support::world::{CHAIN_ID, converge, empty_database, pool, worker};

/// The version of the schema before there was anything to defer.
const BEFORE: i64 = 20_261_201_000_002;

/// Another process: it has the lease, and remembers nothing.
async fn process(scene: &Scene) -> Sync<Rpc, PostgresStore> {
    process_of(scene, rpc(&scene.node.url())).await
}

async fn process_of(scene: &Scene, node: Arc<Rpc>) -> Sync<Rpc, PostgresStore> {
    scene.expire_lease().await;
    let lease = Lease::new(scene.pool.clone(), CHAIN_ID, "test".to_owned());
    assert!(lease.acquire().await.expect("the database answers"));
    let store = Arc::new(PostgresStore::new(scene.admin.clone(), CHAIN_ID, lease.epoch()));
    let config = asset_indexer::sync::Config {
        deferred_indexes_from_blocks: 10,
        range_blocks_max: 12,
        ..scene.config.clone()
    };
    worker(node, store, config)
}

async fn deferred(scene: &Scene) -> i64 {
    let sql = "select count(*) from ops.deferred_indexes";
    sqlx::query_scalar(sql).fetch_one(&scene.pool).await.expect("readable")
}

/// The key of the register's past: the first that is built, in parts.
async fn has_key(scene: &Scene) -> bool {
    let sql = "select exists (select from pg_constraint where conrelid = 'chain.ownership_history'::regclass and contype = 'p')";
    sqlx::query_scalar(sql).fetch_one(&scene.pool).await.expect("readable")
}

/// A chain whose blocks are final but for the last.
async fn scene() -> Scene {
    let mut scene = Scene::begin(slots(1)).await;
    scene.play_through(Step::Transfers).await;
    scene.node.mine(60).await.expect("anvil mines");
    scene
}

#[tokio::test]
async fn indexes_are_built_before_the_newest_final_block_is_read_and_the_schema_is_as_it_was() {
    let scene = scene().await;
    let before = catalogue(&scene.pool).await;
    let node = rpc(&scene.node.url());
    let mut first = process_of(&scene, node.clone()).await;
    assert!(matches!(first.step(None).await, Ok(Outcome::Started(_))));
    let all = deferred(&scene).await;
    assert!(all > 15 && !has_key(&scene).await, "{all}");

    let final_block = scene.head().await.0 - 2;
    let (mut built, mut asked) = (Vec::new(), Vec::new());
    loop {
        match first.step(None).await.expect("it goes on") {
            Outcome::IndexBuilt { name } => {
                assert!(scene.checkpoint().await.expect("there").0 < final_block, "{name} came late");
                built.push(name);
                asked.push(node.traffic().requests);
            }
            Outcome::Backfilled { .. } => assert!(built.is_empty(), "{built:?}"),
            other => panic!("{other:?}"),
        }
        if built.len() == 3 {
            break;
        }
    }
    assert_eq!(asked, [asked[0]; 3], "the node has nothing to say of indexes");
    // It dies; what is built stays built, and whoever comes next builds the rest.
    drop(first);
    assert_eq!(deferred(&scene).await, all - 3);
    let outcomes = converge(&mut process(&scene).await).await;
    built.extend(outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::IndexBuilt { name } => Some(name.clone()),
        _ => None,
    }));
    built.sort_unstable();
    built.dedup();
    assert_eq!(i64::try_from(built.len()), Ok(all), "each was built once: {built:?}");
    assert_eq!(deferred(&scene).await, 0);
    scene.assert_fresh("without its indexes at first").await;
    // Whoever asks now is not answered as if the tables were empty.
    let known = "select count(distinct tablename) from pg_stats where schemaname = 'chain' and attname = 'asset_id'
        and (tablename ~ '^(ownership_history|asset_events|asset_transactions)_' or tablename = 'asset_holders')";
    let known: i64 = sqlx::query_scalar(known).fetch_one(&scene.pool).await.expect("readable");
    assert!(known >= 4, "{known}");

    let partitions = |line: &&String| line.contains(&format!("_{CHAIN_ID}"));
    let mut after = catalogue(&scene.pool).await;
    after.retain(|line| !partitions(&line));
    let lost: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
    let left: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(lost.is_empty() && left.is_empty(), "lost {lost:#?}, left over {left:#?}");
}

#[tokio::test]
async fn whoever_is_in_the_way_of_an_index_does_not_stop_the_chain() {
    let scene = scene().await;
    let mut worker = process(&scene).await;
    assert!(matches!(worker.step(None).await, Ok(Outcome::Started(_))));
    // Row exclusive: what an index waits for. A writer of the same table is not in the daemon's way.
    let held = scene.hold_with("chain.asset_holders", "row exclusive").await;
    let outcomes = converge(&mut worker).await;
    assert!(matches!(outcomes.last(), Some(Outcome::Idle)), "{outcomes:?}");
    let head = scene.head().await.0;
    assert_eq!(scene.checkpoint().await.expect("there").0, head, "the chain comes first");
    let left = deferred(&scene).await;
    assert!(left > 3 && left < 15, "what nobody was in the way of is there: {left}");
    held.rollback().await.expect("let go");

    built_in_the_end(&scene, &mut worker).await;
    scene.assert_fresh("with indexes that came late").await;
}

/// It is not tried at every step.
async fn built_in_the_end(scene: &Scene, worker: &mut Sync<Rpc, PostgresStore>) {
    for _ in 0..100 {
        if deferred(scene).await == 0 {
            return;
        }
        worker.step(None).await.expect("it goes on");
    }
    panic!("{} indexes were never built", deferred(scene).await);
}

#[tokio::test]
async fn another_process_that_builds_and_an_error_of_the_server_stop_nothing_either() {
    let scene = scene().await;
    let mut worker = process(&scene).await;
    assert!(matches!(worker.step(None).await, Ok(Outcome::Started(_))));
    let mut other = scene.pool.begin().await.expect("a transaction");
    sqlx::query("select from ops.locks where name = 'indexes' for update")
        .execute(&mut *other)
        .await
        .expect("the superuser may");
    let all = deferred(&scene).await;
    converge(&mut worker).await;
    assert_eq!((deferred(&scene).await, scene.checkpoint().await), (all, Some(scene.head().await)));
    other.rollback().await.expect("let go");

    // What no lock explains: say, a full disk.
    let broken = "update ops.deferred_indexes set statement = 'select 1/0; ' || statement where position = 1";
    sqlx::query(broken).execute(&scene.pool).await.expect("the superuser may");
    scene.node.mine(20).await.expect("anvil mines");
    converge(&mut worker).await;
    assert_eq!((deferred(&scene).await, scene.checkpoint().await), (all, Some(scene.head().await)));
    let mended = "update ops.deferred_indexes set statement = substr(statement, 13) where position = 1";
    sqlx::query(mended).execute(&scene.pool).await.expect("the superuser may");
    built_in_the_end(&scene, &mut worker).await;
    scene.assert_fresh("with indexes that came late").await;
}

#[tokio::test]
async fn a_database_that_somebody_reads_or_that_holds_something_keeps_its_indexes() {
    let scene = scene().await;
    let reader = scene.hold_with("chain.ownership_history", "access share").await;
    let mut worker = process(&scene).await;
    assert!(matches!(worker.step(None).await, Ok(Outcome::Started(_))));
    assert!(deferred(&scene).await == 0 && has_key(&scene).await);
    reader.rollback().await.expect("let go");
    // Nor do they go when they would be missed.
    let asked: Option<i64> =
        sqlx::query_scalar("select ops.defer_indexes()").fetch_one(&scene.pool).await.expect("asked");
    assert_eq!(asked, Some(0));
    converge(&mut worker).await;
    scene.assert_fresh("with its indexes").await;
}

/// A change of the schema finds the schema whole, on the way up and down.
#[tokio::test]
async fn a_migration_builds_what_was_deferred_first() {
    let database = empty_database().await;
    let pool = pool(&database).await;
    let mut owner = PgConnection::connect_with(&pool.connect_options()).await.expect("a connection");
    migrate(&mut owner).await.expect("migrated");
    let deferred = async || -> i64 {
        sqlx::query_scalar("select count(*) from ops.deferred_indexes")
            .fetch_one(&pool)
            .await
            .expect("readable")
    };
    let defer = async || {
        let count: Option<i64> =
            sqlx::query_scalar("select ops.defer_indexes()").fetch_one(&pool).await.expect("deferred");
        assert!(count > Some(15), "{count:?}");
    };
    let whole = catalogue(&pool).await;

    defer().await;
    assert!(migrate(&mut owner).await.expect("nothing to do").applied.is_empty());
    assert!(deferred().await > 15, "nothing was to be done");
    migrate_application(&mut owner).await.expect("migrated");
    assert_eq!(deferred().await, 0);

    defer().await;
    let lost = match step_down(&mut owner, Part::Application, 0, &[]).await.expect("it steps down") {
        SteppedDown::Done(_) => Vec::new(),
        SteppedDown::WouldLose(losses) => losses.into_iter().map(|loss| loss.name).collect(),
    };
    let down = step_down(&mut owner, Part::Application, 0, &lost).await;
    assert!(matches!(down, Ok(SteppedDown::Done(_))), "{down:?}");
    assert_eq!(deferred().await, 0);
    assert!(catalogue(&pool).await == whole, "the same catalogue");

    defer().await;
    assert!(matches!(step_down(&mut owner, Part::Chain, BEFORE, &[]).await, Ok(SteppedDown::Done(_))));
    migrate(&mut owner).await.expect("migrated");
    assert!(catalogue(&pool).await == whole, "the same catalogue");
}
