//! A register that an older program filled, under the new version.

use std::sync::Arc;

use asset_indexer::decode::Decoder;
use asset_indexer::execute::Executor;
use asset_indexer::row::Row;
use asset_indexer::store::postgres::{
    Part, PostgresStore, Request, Requests, SteppedDown, migrate, migrate_application, step_down,
};
use asset_indexer::sync::Sync;
use sqlx::postgres::PgConnection;

use super::Followed;
use crate::application::{connect, run};
use crate::support::world::{CHAIN_ID, assert_same, converge, dump, fresh, postgres_store, worker};
use simulation::chain::SimChain;

/// The newest versions that knew nothing of figures.
const BEFORE: (i64, i64) = (20261126000006, 20261126000017);

async fn down(owner: &mut PgConnection, part: Part, to: i64) {
    let lost = match step_down(owner, part, to, &[]).await.expect("it steps down") {
        SteppedDown::Done(_) => return,
        SteppedDown::WouldLose(lost) => lost.into_iter().map(|loss| loss.name).collect::<Vec<_>>(),
    };
    let done = step_down(owner, part, to, &lost).await.expect("it steps down");
    assert!(matches!(done, SteppedDown::Done(_)), "{done:?}");
}

/// Down to the older version and up again, as a register that never was under this one; and a new worker over it.
async fn upgraded(followed: &Followed) -> Sync<SimChain, PostgresStore> {
    let mut owner = connect(&followed.database).await;
    run(&mut owner, "update ops.leases set expires_at = '-infinity'").await;
    down(&mut owner, Part::Application, BEFORE.1).await;
    down(&mut owner, Part::Chain, BEFORE.0).await;
    let left: i64 = sqlx::query_scalar(
        "select count(*) from pg_attribute where attname in ('squares') and attrelid in (
             select oid from pg_class where relnamespace = 'chain'::regnamespace)",
    )
    .fetch_one(&mut owner)
    .await
    .expect("readable");
    assert_eq!(left, 0, "nothing is left of the new version");
    migrate(&mut owner).await.expect("it migrates");
    migrate_application(&mut owner).await.expect("it migrates");
    let store = Arc::new(postgres_store(&followed.database).await);
    worker(followed.chain.clone(), store, followed.config.clone())
}

fn of<'a>(dump: &'a [(&'static str, Vec<Row>)], table: &str) -> &'a [Row] {
    &dump.iter().find(|(name, _)| *name == table).expect("dumped").1
}

#[tokio::test]
async fn sums_are_right_at_once_and_what_a_reorg_restores_too() {
    for seed in [81, 82] {
        let mut followed = Followed::new(seed, 90).await;
        let mut worker = upgraded(&followed).await;
        let whole = dump(&fresh(&followed.chain, &followed.config).await).await;
        let ours = dump(&**worker.store()).await;
        assert_eq!(of(&ours, "assets"), of(&whole, "assets"), "seed {seed}: made from the register");
        assert!(of(&ours, "asset_days").is_empty());
        let blocks = followed.play.blocks(7);
        followed.chain.reorg(5, blocks);
        converge(&mut worker).await;
        let whole = dump(&fresh(&followed.chain, &followed.config).await).await;
        let ours = dump(&**worker.store()).await;
        assert_eq!(of(&ours, "assets"), of(&whole, "assets"), "seed {seed}: restored from older images");
    }
}

#[tokio::test]
async fn the_daemon_is_asked_to_fill_the_rest_and_then_all_is_as_if_it_had_been_there() {
    let mut followed = Followed::new(83, 90).await;
    let mut worker = upgraded(&followed).await;
    let pool = followed.pool().await;
    let requests = Requests::new(pool.clone(), CHAIN_ID);
    let mut asked = Vec::new();
    while let Some((id, request, left)) = requests.next().await.expect("readable") {
        let executor: Executor<SimChain> = Executor {
            node: None,
            store: worker.store().clone(),
            decoder: Arc::new(Decoder::new(&[])),
            config: followed.config.clone(),
            left,
        };
        executor.execute(&request, &mut |_| {}).await.expect("ground is whole");
        requests.finished(id, Ok(serde_json::Value::Null)).await.expect("told");
        asked.push(request);
    }
    // The way down asks the older program for a rebuild, which it had no time for.
    assert_eq!(asked.iter().filter(|request| **request == Request::Upgrade).count(), 1, "{asked:?}");
    worker.forget();
    let whole = fresh(&followed.chain, &followed.config).await;
    assert_same(&dump(&**worker.store()).await, &dump(&whole).await, "upgraded against never otherwise");
    let blocks = followed.play.blocks(7);
    followed.chain.reorg(5, blocks);
    converge(&mut worker).await;
    let whole = fresh(&followed.chain, &followed.config).await;
    assert_same(&dump(&**worker.store()).await, &dump(&whole).await, "and after a reorg");
}

/// Between the migration and the rebuild that it asks for, nothing says that there was nothing.
#[tokio::test]
async fn days_that_are_not_made_yet_are_not_said_to_be_empty() {
    let mut followed = Followed::new(84, 90).await;
    let mut worker = upgraded(&followed).await;
    let mut owner = connect(&followed.database).await;
    let created = "(a.created_at at time zone 'UTC')::date";
    let series = format!(
        "api.assets a join chain.asset_holders h on h.asset_id = a.id and h.balance <> 0
         cross join lateral api.daily_series(a.id, date '2023-11-01', 'infinity') s
         left join (select asset_id, min(day at time zone 'UTC')::date as first from chain.asset_days group by 1) y
             on y.asset_id = a.id
         where s.day >= {created}"
    );
    let is = async |owner: &mut PgConnection, sql: String| -> Option<bool> {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(owner).await.expect("readable")
    };
    let nothing = "num_nonnulls(s.transfers, s.minted_base, s.burned_base, s.volume_base, s.total_supply_base, s.holders,
        s.frozen_base) = 0";
    assert_eq!(is(&mut owner, format!("select bool_and({nothing}) from {series}")).await, Some(true));
    let before = series.replace("s.day >=", "s.day <");
    let empty = "s.total_supply_base = 0 and s.holders = 0 and s.transfers = 0";
    assert_eq!(is(&mut owner, format!("select bool_and({empty}) from {before}")).await, Some(true));
    // What comes meanwhile is told; of the first of these days not what happened before it was looked at.
    let blocks = followed.play.blocks(20);
    for block in blocks {
        followed.chain.mine(block);
    }
    converge(&mut worker).await;
    for failed in [false, true] {
        if failed {
            run(&mut owner, "update ops.requests set status = 'failed' where request ->> 'kind' = 'upgrade'")
                .await;
        }
        assert_eq!(
            is(
                &mut owner,
                format!("select bool_and({nothing}) from {series} and (y.first is null or s.day < y.first)")
            )
            .await,
            Some(true)
        );
        let from_then = "s.holders is not null and s.total_supply_base is not null and (s.transfers is null) = (s.day = y.first)";
        assert_eq!(
            is(&mut owner, format!("select bool_and({from_then}) from {series} and s.day >= y.first")).await,
            Some(true)
        );
    }
    run(
        &mut owner,
        "insert into ops.requests (id, chain_id, request, status, started_at)
         select gen_random_uuid(), chain_id, '{\"kind\": \"rebuild\"}', 'done', now() from ops.requests limit 1",
    )
    .await;
    assert_eq!(
        is(
            &mut owner,
            format!("select bool_and(s.transfers is not null and s.holders is not null) from {series}")
        )
        .await,
        Some(true),
        "a rebuild since then has made them"
    );
}

#[tokio::test]
async fn an_empty_database_asks_for_nothing() {
    let database = crate::support::world::empty_database().await;
    let mut owner = connect(&database).await;
    migrate(&mut owner).await.expect("it migrates");
    let asked: i64 = sqlx::query_scalar("select count(*) from ops.requests")
        .fetch_one(&mut owner)
        .await
        .expect("readable");
    assert_eq!(asked, 0);
}

/// The last version that kept the undo journal by key.
const JOURNAL_BY_KEY: i64 = 20261204000001;

/// Images that were kept in one form take blocks back in the other; nothing of them is called a loss on the way.
#[tokio::test]
async fn a_reorg_takes_back_what_was_journaled_before_an_upgrade() {
    let mut followed = Followed::new(85, 90).await;
    let mut owner = connect(&followed.database).await;
    run(&mut owner, "update ops.leases set expires_at = '-infinity'").await;
    let journaled = async |owner: &mut PgConnection| -> i64 {
        sqlx::query_scalar("select count(*) from ops.undo").fetch_one(owner).await.expect("readable")
    };
    let done = step_down(&mut owner, Part::Chain, JOURNAL_BY_KEY, &[]).await.expect("it steps down");
    assert!(matches!(done, SteppedDown::Done(_)), "{done:?}");
    let images = journaled(&mut owner).await;
    assert!(images > 0, "blocks above finality");
    migrate(&mut owner).await.expect("it migrates");
    assert_eq!(journaled(&mut owner).await, images);
    let store = Arc::new(postgres_store(&followed.database).await);
    let mut worker = worker(followed.chain.clone(), store, followed.config.clone());
    let blocks = followed.play.blocks(7);
    followed.chain.reorg(5, blocks);
    converge(&mut worker).await;
    let whole = fresh(&followed.chain, &followed.config).await;
    assert_same(
        &dump(&**worker.store()).await,
        &dump(&whole).await,
        "restored from images of the older form",
    );
}
