//! Every level over tables that are right, after everything that may happen to them; and what each is there for.

use std::sync::Arc;

use asset_indexer::block::BlockRange;
use asset_indexer::source::Source;
use asset_indexer::store::Store;
use asset_indexer::verify::{against, digest};
use sqlx::Executor;

use super::stage::{Stage, assert_clean, found, keys_in};
use crate::support::world::{CHAIN_ID, assert_same, converge, dump, fresh, worker};

#[tokio::test]
async fn whole_tables_are_clean_at_every_level_through_forks_and_repairs() {
    for seed in [501, 502] {
        let mut stage = Stage::new(seed, 60).await;
        for round in 0..3 {
            let context = format!("seed {seed}, round {round}");
            assert_clean(&stage.quick().await, &context);
            assert_clean(&stage.audit().await, &context);
            assert_clean(&stage.deep().await, &context);
            assert_clean(&stage.receipts().await, &context);
            let blocks = stage.play.blocks(7);
            stage.chain.reorg(5, blocks);
            converge(&mut stage.worker).await;
        }
        let before = dump(&**stage.worker.store()).await;
        let whole = fresh(&stage.chain, &stage.config).await;
        assert_same(&before, &dump(&whole).await, "nothing was changed by looking");
    }
}

#[tokio::test]
async fn an_event_that_was_withheld_is_found_by_its_receipts_and_by_another_node() {
    let stage = Stage::new(511, 40).await;
    let pool = stage.pool().await;
    let (block, log): (i64, i64) = sqlx::query_as(
        "delete from chain.asset_events where ctid = (
             select ctid from chain.asset_events where block_number > 5 order by block_number, log_index limit 1)
         returning block_number, log_index",
    )
    .fetch_one(&pool)
    .await
    .expect("the superuser may");
    let checks = stage.receipts().await;
    let key = serde_json::json!({ "block_number": block, "log_index": log, "part": 0 });
    assert!(keys_in(&checks, "asset_events").contains(&key), "{:#?}", found(&checks));
    let mut reader = worker(stage.chain.clone(), stage.worker.store().clone(), stage.config.clone());
    let snapshot = stage.snapshot().await;
    let range = BlockRange { from: 1, to: snapshot.at().number };
    let check = against::node(&mut reader, &snapshot, range, &mut |_| {}).await.expect("it answers");
    assert!(keys_in(std::slice::from_ref(&check), "asset_events").contains(&key), "{:#?}", found(&[check]));
}

#[tokio::test]
async fn answers_of_another_chain_are_told_apart() {
    let stage = Stage::new(521, 40).await;
    let mut other = simulation::play::Play::new(522);
    let forked = Arc::new(simulation::play::Play::chain(6));
    for block in other.blocks(40) {
        forked.mine(block);
    }
    let mut reader = worker(forked.clone(), stage.worker.store().clone(), stage.config.clone());
    let snapshot = stage.snapshot().await;
    assert_ne!(forked.header(40).await.expect("there").map(|h| h.id), Some(snapshot.at()));
    let range = BlockRange { from: 1, to: 10 };
    let check = against::node(&mut reader, &snapshot, range, &mut |_| {}).await.expect("it answers");
    assert!(check.found >= 2, "another checkpoint and other logs: {:#?}", found(&[check]));
}

#[tokio::test]
async fn two_installations_have_equal_digests_until_one_is_tampered_with() {
    let stage = Stage::new(531, 60).await;
    let twin = Stage::new(531, 60).await;
    let of = async |stage: &Stage| {
        digest::digests(&mut stage.snapshot().await, 10).await.expect("the database answers")
    };
    let (ours, theirs) = (of(&stage).await, of(&twin).await);
    assert_eq!(ours, theirs);
    assert_clean(&[digest::compare(&ours, &theirs)], "twins");
    assert_eq!(ours.stretches.iter().map(|stretch| stretch.events).sum::<u64>(), {
        let finalized = i64::try_from(ours.finalized).expect("small");
        let count: i64 =
            sqlx::query_scalar("select count(*) from chain.asset_events where block_number <= $1")
                .bind(finalized)
                .fetch_one(&stage.pool().await)
                .await
                .expect("readable");
        count as u64
    });
    // The same text whatever the session's settings.
    let pool = stage.pool().await;
    let mut session = pool.acquire().await.expect("a connection");
    for setting in [
        "timezone = 'Asia/Kathmandu'",
        "datestyle = 'SQL, DMY'",
        "bytea_output = 'escape'",
        "extra_float_digits = 0",
        // Whoever may read the tables may compare them.
        "role asset_indexer_reader",
    ] {
        session.execute(sqlx::AssertSqlSafe(format!("set {setting}"))).await.expect("it can be set");
    }
    let digest: String = sqlx::query_scalar("select digest from api.digests($1, 20, 29, 10)")
        .bind(CHAIN_ID as i64)
        .fetch_one(&mut *session)
        .await
        .expect("readable");
    assert_eq!(Some(&digest), ours.stretches.iter().find(|s| s.from_block == 20).map(|s| &s.digest));
    for (name, rows) in dump(&**stage.worker.store()).await {
        assert_eq!(ours.tables[name].rows, rows.len() as u64, "{name}");
    }

    let changed = sqlx::query(
        "update chain.asset_events set data = data || '\\x00' where ctid = (
             select ctid from chain.asset_events where block_number between 20 and 29 order by block_number limit 1)",
    )
    .execute(&pool)
    .await
    .expect("the superuser may");
    assert_eq!(changed.rows_affected(), 1);
    let check = digest::compare(&of(&stage).await, &theirs);
    let keys = keys_in(std::slice::from_ref(&check), "asset_events");
    assert!(
        keys.contains(&serde_json::json!({ "from_block": 20, "to_block": 29 })),
        "{:#?}",
        found(&[check])
    );
    assert_eq!(keys.len(), 2, "that stretch, and the table: {keys:?}");
    // One query, with theirs as a parameter.
    let question = include_str!("../../queries/differing_ranges.sql");
    let stretches = serde_json::to_value(&theirs.stretches).expect("JSON");
    let differing: Vec<(i64, i64, i64, String, String)> = sqlx::query_as(question)
        .bind(CHAIN_ID as i64)
        .bind(0i64)
        .bind(theirs.finalized as i64)
        .bind(10i64)
        .bind(stretches)
        .fetch_all(&pool)
        .await
        .expect("the documented question");
    assert_eq!(differing.iter().map(|row| (row.0, row.1)).collect::<Vec<_>>(), [(20, 29)]);
    let checkpoint = stage.worker.store().checkpoint().await.expect("readable").expect("there");
    assert_eq!(theirs.checkpoint, checkpoint.block.id.number);
}

/// A partial contract beside a whole one: its logs below its start are under the headers and not in the tables. They
/// were taken for withheld ones, again and again, and the sweep never came to its end.
#[tokio::test]
async fn logs_before_a_partial_start_are_not_taken_for_withheld_ones() {
    let stage = Stage::new(541, 40).await;
    let repairs: i64 =
        sqlx::query_scalar("select count(*) from chain.system_events where event_type = 'repair'")
            .fetch_one(&stage.pool().await)
            .await
            .expect("readable");
    assert_eq!(repairs, 0);
    let checkpoint = stage.worker.store().checkpoint().await.expect("readable").expect("there");
    assert!(checkpoint.verified.number >= checkpoint.finalized.number, "{checkpoint:?}");
}
