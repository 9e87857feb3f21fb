//! PostgreSQL fails over to a standby that lags: the last commits are gone, the checkpoint's among them.

use scenario::Step;

use super::slots;
use crate::support::fragile::{Fragile, Replica};
use crate::support::process::{Daemon, until};
use crate::support::proxy::{Proxy, Target};
use crate::support::scene::Scene;

/// Lets the primary run ahead of its standby, kills it, and puts the standby in its place, where it is promoted at last.
async fn fail_over(
    scene: &mut Scene,
    daemon: &Daemon,
    proxy: &Proxy,
    mut primary: Fragile,
    replica: Replica,
    last: Step,
) -> Replica {
    let (seen, _) = scene.checkpoint().await.expect("there");
    scene.play_through(last).await;
    scene.caught_up().await;
    let (ahead, _) = scene.checkpoint().await.expect("there");
    primary.kill();
    // The chain also leaves some of the blocks that only the primary had, and some that the standby has.
    scene.node.reorg_with_the_same_transactions(ahead - seen + 2, 1).await.expect("anvil reorganizes");
    scene.move_to(&replica.cluster).await;
    proxy.retarget(Target::of(&scene.admin));
    until("the standby refuses to write", async || {
        daemon.status().await["problem"].as_str()?.contains("read-only transaction").then_some(())
    })
    .await;
    replica.promote().await;
    let (at, _) = scene.checkpoint().await.expect("there");
    assert!(at < ahead, "the standby missed commits: {at} of {ahead}");
    replica
}

#[tokio::test]
async fn a_failover_that_loses_commits_loses_no_row_in_the_end() {
    let primary = Fragile::start().await;
    let mut scene = primary.scene_with(slots(32)).await;
    let proxy = scene.database_proxy().await;
    let daemon = scene.program.writer().await;
    scene.play_through(Step::Bond).await;
    scene.caught_up().await;
    let replica = Replica::of(&primary).await;
    scene.play_through(Step::Investors).await;
    scene.caught_up().await;
    replica.falls_behind(&scene).await;
    let mark = daemon.mark();
    let _replica = fail_over(&mut scene, &daemon, &proxy, primary, replica, Step::Transfers).await;
    daemon.said_after(mark, "trying again").await;
    scene.assert_fresh("failed over").await;
    until("it is ready again", async || (daemon.get("/ready").await.0 == 200).then_some(())).await;
    scene.play_through(Step::Freezes).await;
    scene.assert_fresh("and followed").await;
    assert_eq!(daemon.metric("asset_indexer_halted").await, 0.0);
    assert!(
        !daemon.has_said("another writer took over"),
        "its lease was older than the standby's last commit"
    );
    daemon.stop("after the failover").await;
}

#[tokio::test]
async fn a_failover_that_loses_the_lease_too_loses_no_row_in_the_end() {
    let primary = Fragile::start().await;
    let mut scene = primary.scene_with(slots(32)).await;
    let proxy = scene.database_proxy().await;
    let before = scene.program.writer().await;
    scene.play_through(Step::Bond).await;
    scene.caught_up().await;
    before.stop("before the standby").await;
    let replica = Replica::of(&primary).await;
    replica.falls_behind(&scene).await;
    let daemon = scene.program.writer().await;
    let mark = daemon.mark();
    let _replica = fail_over(&mut scene, &daemon, &proxy, primary, replica, Step::Mint).await;
    daemon.said_after(mark, "lease taken").await;
    scene.assert_fresh("failed over without the lease").await;
    daemon.stop("after the failover").await;
}
