//! Two daemons: one writes, the other stands by, takes over, and is not disturbed by a writer that wakes up late.

use std::time::Duration;

use asset_indexer::embedded::SUPERUSER;
use asset_indexer::store::postgres::Lease;
use scenario::Step;
use serde_json::Value as Json;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::{FREED, TAKEOVER, between, slots};
use crate::support::process::{Daemon, time, until};
use crate::support::scene::{Inside, Scene};
use crate::support::world::{CHAIN_ID, assert_same, cluster, database, pool};

/// Taken over after an orderly end, which gives the lease up.
const HANDOVER: Duration = Duration::from_secs(2);

#[tokio::test]
async fn of_two_daemons_one_writes_and_the_other_takes_over() {
    let mut scene = Scene::begin(slots(8)).await;
    let first = scene.program.writer().await;
    let second = scene.program.standby().await;
    scene.play_through(Step::Investors).await;
    scene.caught_up().await;
    assert_eq!(first.metric("asset_indexer_lease_held").await, 1.0);
    assert_eq!(second.metric("asset_indexer_lease_held").await, 0.0);
    assert_eq!(second.metric("asset_indexer_checkpoint_block").await, 0.0, "a standby writes nothing");
    let status = second.phase("standby").await;
    assert_eq!(status["database_reachable"], true, "{status}");

    let program = scene.program.clone();
    let killing = async {
        first.said("lease taken").await;
        first.kill().await;
        let killed = chrono::Utc::now();
        (between(killed, second.time_of(0, "lease taken").await), program.standby().await)
    };
    let (took_over, third) = tokio::join!(killing, scene.play_through(Step::ForcedTransfers)).0;
    assert!(took_over < TAKEOVER, "after {took_over:?}");
    scene.assert_fresh("taken over from a killed writer").await;
    assert_eq!(second.metric("asset_indexer_lease_held").await, 1.0);

    let stopping = async {
        let log = second.stop("the writer").await;
        let asked = log.iter().find(|line| line.contains("asked to stop")).expect("it says so");
        let asked = time(&serde_json::from_str::<Json>(asked).expect("its log is JSON"));
        between(asked, third.time_of(0, "lease taken").await)
    };
    let (took_over, ()) = tokio::join!(stopping, scene.play_through(Step::Claims));
    assert!(took_over < HANDOVER, "after {took_over:?}");
    scene.play_through(Step::PlainToken).await;
    scene.assert_fresh("taken over from a stopped writer").await;
}

/// What an alert fires on, in the database before the writer looks: an asset that drifts, a right that nobody approved.
async fn alarming(scene: &Scene) {
    for sql in [
        "insert into ops.drift (chain_id, asset_id, what, ours, theirs, block_number, block_hash, provider)
         values (31337, gen_random_uuid(), 'total_supply', '1', '2', 1, sha256('one'), 'test')",
        "grant select on app.users to asset_indexer_reader",
    ] {
        sqlx::query(sql).execute(&scene.pool).await.expect("the superuser may");
    }
}

/// Waits until a daemon tells as the writer of everything that the alerts look at.
async fn tells(daemon: &Daemon) {
    let known = ["head_block", "checkpoint_block", "finalized_block", "contracts", "suspect_assets"];
    for name in known {
        until(&format!("{name} is told"), async || {
            (daemon.metric(&format!("asset_indexer_{name}")).await > 0.0).then_some(())
        })
        .await;
    }
    assert!(daemon.metric("asset_indexer_head_timestamp_seconds").await > 0.0);
    assert!(daemon.metric("asset_indexer_last_step_timestamp_seconds").await > 0.0);
    assert!(daemon.metric("asset_indexer_partitions_ahead").await > 0.0);
    assert!(findings(daemon).await.iter().any(|count| *count > 0.0), "a right was not approved");
}

/// The findings of security, by kind.
async fn findings(daemon: &Daemon) -> Vec<f64> {
    let (_, text) = daemon.get("/metrics").await;
    let samples = text.lines().filter(|line| line.starts_with("asset_indexer_security_findings{"));
    samples
        .map(|line| line.rsplit(' ').next().and_then(|n| n.parse::<f64>().ok()).expect("a number"))
        .collect()
}

/// What a daemon knew as the writer is not told any more: an alert on it would stand for as long as the process lives.
async fn forgot(daemon: &Daemon) {
    for name in [
        "head_block",
        "checkpoint_block",
        "checkpoint_timestamp_seconds",
        "finalized_block",
        "lag_blocks",
        "lag_seconds",
        "contracts",
        "catching_up_contracts",
        "deferred_indexes",
        "flagged_assets",
        "suspect_assets",
        "disputed_reorg",
        "halted",
        "lease_held",
    ] {
        assert_eq!(daemon.metric(&format!("asset_indexer_{name}")).await, 0.0, "{name}");
    }
    // Where an alert is about a zero.
    for name in
        ["head_timestamp_seconds", "last_step_timestamp_seconds", "partitions_ahead", "verified_block"]
    {
        assert!(daemon.metric(&format!("asset_indexer_{name}")).await.is_nan(), "{name}");
    }
    let findings = findings(daemon).await;
    assert!(!findings.is_empty() && findings.iter().all(|count| *count == 0.0), "{findings:?}");
    let status = daemon.status().await;
    for name in ["head", "finalized", "checkpoint", "verified", "lag_blocks", "lag_seconds"] {
        assert_eq!(status[name], Json::Null, "{name}: {status}");
    }
    assert!(daemon.metric("asset_indexer_last_commit_timestamp_seconds").await > 0.0, "it did commit");
}

#[tokio::test]
async fn a_paused_writer_changes_nothing_when_it_wakes() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Bond).await;
    alarming(&scene).await;
    let first = scene.program.writer().await;
    scene.caught_up().await;
    tells(&first).await;
    let second = scene.program.standby().await;
    first.pause().await;
    let (paused, mark) = (chrono::Utc::now(), first.mark());
    // It may have been at work behind the head just then: seals, proofs.
    let bound = if scene.paused_in().await == Inside::Nothing { TAKEOVER } else { FREED + TAKEOVER };
    scene.play_through(Step::Transfers).await;
    let taken = second.time_of(0, "lease taken").await;
    assert!(between(paused, taken) < bound, "after {:?}", between(paused, taken));
    scene.caught_up().await;
    let before = scene.tables().await;
    first.resume();
    first.said_after(mark, "another process writes this chain").await;
    assert_same(&scene.tables().await, &before, "the first one woke");
    first.phase("standby").await;
    forgot(&first).await;
    tells(&second).await;
    scene.play_through(Step::Recovery).await;
    scene.assert_fresh("followed by the second").await;
    assert!(!second.has_said("the lease was lost") && !second.has_said("another writer took over"));
    second.stop("the second").await;
    first.said_after(mark, "lease taken").await;
    tells(&first).await;
    scene.play_through(Step::Burn).await;
    scene.assert_fresh("followed by the first again").await;
}

/// Pauses a writer while it waits for a table that the test holds, and lets the table go: the server then waits for a
/// writer that stands still in the midst of its transaction.
async fn wakes_inside(table: &str, inside: Inside) {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Mint).await;
    let first = scene.program.writer().await;
    scene.caught_up().await;
    let second = scene.program.standby().await;
    let held = scene.hold(table).await;
    scene.play_through(Step::Transfers).await;
    scene.waiting("^asset-indexer writer", 1).await;
    first.pause().await;
    held.rollback().await.expect("it was only a lock");
    assert_eq!(scene.paused_in().await, inside);
    let (paused, mark) = (chrono::Utc::now(), first.mark());
    let taken = second.time_of(0, "lease taken").await;
    assert!(between(paused, taken) < FREED + TAKEOVER, "after {:?}", between(paused, taken));
    scene.caught_up().await;
    let before = scene.tables().await;
    first.resume();
    first.said_after(mark, "another process writes this chain").await;
    assert_same(&scene.tables().await, &before, &format!("the first one woke inside {inside:?}"));
    scene.play_through(Step::Share).await;
    scene.assert_fresh("followed by the second").await;
}

#[tokio::test]
async fn a_writer_paused_inside_a_transaction_blocks_nobody_for_long() {
    wakes_inside("chain.checkpoints", Inside::Transaction).await;
}

#[tokio::test]
async fn a_writer_paused_inside_a_copy_blocks_nobody_for_long() {
    wakes_inside("chain.asset_events", Inside::Copy).await;
}

/// A rebuild locks tables and not the lease: it is taken beside one that stands still, and who has it must get at the tables.
#[tokio::test]
async fn a_copy_that_a_former_writer_left_open_is_ended_by_who_keeps_the_lease() {
    let database = database().await;
    let pool = pool(&database).await;
    let options = cluster().await.connect_options(SUPERUSER, &database);
    let opened = async |chain| {
        let options = options.clone().application_name(&format!("asset-indexer writer {chain}"));
        PgConnection::connect_with(&options).await.expect("a connection")
    };
    let (mut former, mut others) = (opened(CHAIN_ID).await, opened(5).await);
    let lease = Lease::new(pool.clone(), CHAIN_ID, "test".to_owned());
    assert!(lease.acquire().await.expect("the database answers"));
    let mut own = opened(CHAIN_ID).await;
    let copy = "copy ops.headers from stdin";
    let _former = former.copy_in_raw(copy).await.expect("it copies");
    let others = others.copy_in_raw(copy).await.expect("it copies");
    let own = own.copy_in_raw(copy).await.expect("it copies");
    let keeping = tokio::spawn(async move { lease.keep().await });
    until("the former writer is ended", async || {
        let there: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and application_name like 'asset-indexer writer %'",
        )
        .fetch_one(&pool)
        .await
        .expect("readable");
        (there == 2).then_some(())
    })
    .await;
    keeping.abort();
    others.finish().await.expect("the writer of the other chain is there still");
    own.finish().await.expect("and so is the one that the lease belongs to");
}

#[tokio::test]
async fn a_writer_of_another_chain_in_the_same_database_is_left_alone() {
    let database = database().await;
    let pool = pool(&database).await;
    let options = cluster().await.connect_options(SUPERUSER, &database);
    let mut writers = Vec::new();
    for chain in [CHAIN_ID, 5] {
        let options = options.clone().application_name(&format!("asset-indexer writer {chain}"));
        writers.push(PgConnection::connect_with(&options).await.expect("a connection"));
    }
    let [ours, others] = &mut writers[..] else { panic!("there are two") };
    // Both are silent in the midst of a COPY; the lease of one chain is over, and its row is held.
    let copy = "copy ops.headers from stdin";
    let (_ours, others) = (ours.copy_in_raw(copy).await, others.copy_in_raw(copy).await);
    let old = "insert into ops.leases values ($1, gen_random_uuid(), 'paused', '-infinity', '-infinity')";
    sqlx::query(old).bind(CHAIN_ID.cast_signed()).execute(&pool).await.expect("the superuser may");
    let mut held = pool.begin().await.expect("a transaction");
    sqlx::query("select from ops.leases for update").execute(&mut *held).await.expect("it is locked");
    let lease = Lease::new(pool.clone(), CHAIN_ID, "test".to_owned());
    until("the silent writer of this chain is ended", async || {
        assert!(!lease.acquire().await.expect("the database answers"), "the lease is held");
        let there: bool = sqlx::query_scalar(
            "select exists (select from pg_stat_activity
                            where datname = current_database() and application_name = $1)",
        )
        .bind(format!("asset-indexer writer {CHAIN_ID}"))
        .fetch_one(&pool)
        .await
        .expect("readable");
        (!there).then_some(())
    })
    .await;
    others.expect("it copies").finish().await.expect("the writer of the other chain is there still");
}
