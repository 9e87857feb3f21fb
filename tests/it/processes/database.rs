//! PostgreSQL crashes, or breaks a connection off.

use scenario::Step;

use super::slots;
use crate::support::fragile::Fragile;
use crate::support::process::{Daemon, until};
use crate::support::scene::Scene;

#[tokio::test]
async fn postgresql_may_crash_and_come_back() {
    let mut fragile = Fragile::start().await;
    let mut scene = fragile.scene().await;
    let daemon = scene.program.writer().await;
    for last in [Step::Bond, Step::Transfers, Step::Freezes] {
        scene.play_through(last).await;
        scene.node.mine(20).await.expect("anvil mines");
        let mark = daemon.mark();
        fragile.kill();
        daemon.said_after(mark, "trying again").await;
        assert_eq!(daemon.get("/live").await.0, 200, "an outage elsewhere is no reason to restart");
        let (code, body) = daemon.get("/ready").await;
        assert_eq!(code, 503, "{body}");
        fragile.start_again().await;
        scene.assert_fresh(&format!("after the crash behind {last:?}")).await;
        until("it is ready again", async || (daemon.get("/ready").await.0 == 200).then_some(())).await;
    }
    daemon.stop("after the crashes").await;
}

#[tokio::test]
async fn a_connection_may_break_in_the_midst_of_any_commit() {
    let mut scene = Scene::begin(slots(8)).await;
    let mut daemon = None;
    // The first of them is the very first commit, which also made partitions.
    for (table, last) in [
        ("ops.undo", Step::Transfers),
        ("chain.asset_events", Step::Freezes),
        ("chain.checkpoints", Step::Recovery),
        ("ops.headers", Step::Burn),
    ] {
        let held = scene.hold(table).await;
        scene.play_through(last).await;
        let program = scene.program.clone();
        let daemon: &Daemon = daemon.get_or_insert_with(|| program.start());
        scene.waiting("^asset-indexer writer", 1).await;
        let mark = daemon.mark();
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and application_name like 'asset-indexer writer%'",
        )
        .execute(&scene.pool)
        .await
        .expect("the superuser may");
        daemon.said_after(mark, "trying again").await;
        held.rollback().await.expect("it was only a lock");
        scene.assert_fresh(&format!("the connection broke while it waited for {table}")).await;
    }
}
