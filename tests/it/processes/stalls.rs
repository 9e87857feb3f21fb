//! A writer that gets nothing done is told of by its metrics, also where its gauges of blocks would stand still alike.

use scenario::Step;

use super::slots;
use crate::support::process::{Daemon, until};
use crate::support::scene::Scene;

const LAST_STEP: &str = "asset_indexer_last_step_timestamp_seconds";

/// How many errors were retried.
async fn retries(daemon: &Daemon) -> f64 {
    let (_, text) = daemon.get("/metrics").await;
    let sample = "asset_indexer_errors_total{remedy=\"retry\"} ";
    let count = text.lines().find_map(|line| line.strip_prefix(sample));
    count.and_then(|count| count.parse().ok()).expect("it is told")
}

#[tokio::test]
async fn a_writer_whose_commits_fail_shows_the_head_and_how_long_no_step_succeeded() {
    let mut scene = Scene::begin(slots(8)).await;
    let daemon = scene.program.writer().await;
    scene.play_through(Step::Mint).await;
    scene.caught_up().await;
    let standby = scene.program.standby().await;
    assert!(standby.metric(LAST_STEP).await.is_nan(), "who stands by makes no steps");
    let before = daemon.metric(LAST_STEP).await;
    until("steps go on, also where there is nothing to do", async || {
        (daemon.metric(LAST_STEP).await > before).then_some(())
    })
    .await;

    // Every commit fails, as on a full disk.
    let no_room = "
        create function public.no_room() returns trigger language plpgsql as
            $$ begin raise 'no room' using errcode = '53100'; end $$;
        create trigger no_room before insert or update on chain.checkpoints
            for each statement execute function public.no_room()";
    sqlx::raw_sql(no_room).execute(&scene.pool).await.expect("the superuser may");
    let mark = daemon.mark();
    scene.node.mine(3).await.expect("anvil mines");
    daemon.said_after(mark, "trying again").await;
    let head = scene.head().await.0;
    until("the head is shown", async || {
        (daemon.metric("asset_indexer_head_block").await == head as f64).then_some(())
    })
    .await;
    assert!(daemon.metric("asset_indexer_checkpoint_block").await < head as f64);
    let stuck = daemon.metric(LAST_STEP).await;
    let tried = retries(&daemon).await;
    until("it tries again", async || (retries(&daemon).await > tried).then_some(())).await;
    assert_eq!(daemon.metric(LAST_STEP).await, stuck, "no step succeeded");

    sqlx::raw_sql("drop trigger no_room on chain.checkpoints").execute(&scene.pool).await.expect("dropped");
    scene.assert_fresh("there was room again").await;
    until("steps go on", async || (daemon.metric(LAST_STEP).await > stuck).then_some(())).await;
}
