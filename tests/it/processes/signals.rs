//! SIGTERM in every phase: an orderly end within seconds.

use std::time::Duration;

use scenario::Step;
use tokio::time::sleep;

use super::slots;
use crate::support::fragile::Fragile;
use crate::support::process::{PATIENCE, pause, signal};
use crate::support::scene::Scene;

#[tokio::test]
async fn a_signal_ends_it_in_order_while_standing_by_backfilling_and_following() {
    let scene = Scene::begin(slots(2)).await;
    scene.node.mine(3_000).await.expect("anvil mines");
    let slow = scene.program.clone().with("ASSET_INDEXER__CHAIN__RANGE_BLOCKS_MAX", "1");
    let backfilling = slow.writer().await;
    let standby = slow.standby().await;
    standby.phase("standby").await;
    standby.stop("standing by").await;
    backfilling.phase("backfilling").await;
    backfilling.stop("backfilling").await;
    let (at, _) = scene.checkpoint().await.expect("there");
    assert!(at < scene.head().await.0 - 4, "it was backfilling still: {at}");
    let following = scene.program.writer().await;
    scene.caught_up().await;
    following.phase("following").await;
    following.stop("following").await;
    scene.assert_fresh("stopped and started").await;
}

#[tokio::test]
async fn a_signal_ends_it_in_order_while_it_starts() {
    let scene = Scene::begin(slots(8)).await;
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("it is bound"));
    let daemon = scene.program.clone().with("RPC_URL", &url).start();
    let asked =
        tokio::time::timeout(PATIENCE, silent.accept()).await.expect("it asks the node").expect("it asks");
    daemon.stop("starting, and the node is silent").await;
    drop(asked);
}

#[tokio::test]
async fn a_signal_ends_it_in_order_while_the_node_is_silent_or_gone() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Bond).await;
    let daemon = scene.program.writer().await;
    scene.caught_up().await;
    daemon.phase("following").await;
    pause(scene.node.pid()).await;
    // Longer than a poll: a question is under way, and nobody answers it.
    sleep(Duration::from_secs(2)).await;
    daemon.stop("the node is silent").await;
    signal("CONT", scene.node.pid());

    let daemon = scene.program.writer().await;
    daemon.phase("following").await;
    let Scene { node, pool, .. } = scene;
    drop(node);
    daemon.said("trying again").await;
    assert_eq!(daemon.get("/live").await.0, 200, "an outage elsewhere is no reason to restart");
    let status = daemon.status().await;
    assert!(status["problem"].is_string() && status["database_reachable"] == true, "{status}");
    daemon.stop("the node is gone").await;
    let held: bool = sqlx::query_scalar("select expires_at >= clock_timestamp() from ops.leases")
        .fetch_one(&pool)
        .await
        .expect("readable");
    assert!(!held, "the lease is given up");
}

#[tokio::test]
async fn a_signal_ends_it_in_order_while_the_database_is_locked() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Bond).await;
    let writer = scene.program.writer().await;
    scene.caught_up().await;
    let standby = scene.program.standby().await;
    let held = scene.hold("ops.leases").await;
    // The writer's commit or its sign of life, and the standby's glance.
    scene.waiting("^asset-indexer$", 2).await;
    standby.stop("the database is locked: standing by").await;
    writer.stop("the database is locked: writing").await;
    held.rollback().await.expect("it was only a lock");
    scene.expire_lease().await;
    let _writer = scene.program.writer().await;
    scene.play_through(Step::Investors).await;
    scene.assert_fresh("locked, stopped and started").await;
}

#[tokio::test]
async fn a_signal_ends_it_in_order_while_the_database_is_gone() {
    let mut fragile = Fragile::start().await;
    let scene = fragile.scene().await;
    let writer = scene.program.writer().await;
    let standby = scene.program.standby().await;
    fragile.kill();
    standby.said("trying again").await;
    standby.stop("standing by without a database").await;
    writer.stop("writing without a database").await;
    fragile.start_again().await;
}
