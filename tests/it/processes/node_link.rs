//! The link to the node: slow, narrow, cut off in the midst of answers, dead without a word.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use scenario::Step;

use super::kills::disturb;
use super::slots;
use crate::support::process::until;
use crate::support::proxy::{Cut, End};
use crate::support::scene::Scene;
use crate::support::times;

/// Cuts in the midst of answers while it backfills, and as many while it follows.
const CUTS: usize = 10;
/// The configured timeout of a request, in milliseconds.
const TIMEOUT_MS: u64 = 1_000;

#[tokio::test]
async fn a_slow_and_narrow_link_changes_nothing() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Bond).await;
    let proxy = scene.node_proxy("http").await;
    proxy.delay(Duration::from_millis(30));
    proxy.narrow(Some(256 << 10));
    let daemon = scene.program.writer().await;
    scene.caught_up().await;
    scene.play_through(Step::Investors).await;
    scene.node.reorg_with_the_same_transactions(3, 1).await.expect("anvil reorganizes");
    scene.assert_fresh("slow").await;
    assert!(!daemon.has_said("trying again"), "slow is no error");
    daemon.stop("on a slow link").await;
}

#[tokio::test]
async fn answers_that_break_off_are_asked_for_again() {
    let mut rng = StdRng::seed_from_u64(0x616e_7377);
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Bond).await;
    scene.node.mine(times(400) as u64).await.expect("anvil mines");
    let proxy = scene.node_proxy("http").await;
    scene.program = scene.program.clone().with("ASSET_INDEXER__CHAIN__RANGE_BLOCKS_MAX", "2");
    let daemon = scene.program.start();
    for n in 0..2 * times(CUTS) {
        // Within the head of an answer, within its body, and between two answers.
        proxy.strike(Cut::Answer([20, 300, 2_500][n % 3] + rng.random_range(0..200))).await;
        if n % 5 == 4 {
            proxy.cut([End::Closed, End::Reset][n % 2]);
        }
        if n >= times(CUTS) {
            disturb(&mut scene, &mut rng).await;
            scene.caught_up().await;
        }
    }
    scene.assert_fresh("answers broke off").await;
    assert_eq!(daemon.metric("asset_indexer_halted").await, 0.0);
    daemon.stop("after the cuts").await;
}

/// The link dies without a word while it follows.
async fn falls_silent(scheme: &str) {
    let mut scene = Scene::begin(slots(8)).await;
    let proxy = scene.node_proxy(scheme).await;
    scene.program = scene.program.clone().with("ASSET_INDEXER__RPC__TIMEOUT_MS", &TIMEOUT_MS.to_string());
    let daemon = scene.program.writer().await;
    scene.play_through(Step::Bond).await;
    scene.caught_up().await;
    let (mark, began) = (daemon.mark(), Instant::now());
    proxy.deafen(true);
    until("a request times out", async || {
        let (_, text) = daemon.get("/metrics").await;
        let timeouts = text.lines().filter(|line| {
            line.starts_with("asset_indexer_rpc_requests_total") && line.contains("outcome=\"timeout\"")
        });
        (timeouts.count() > 0).then_some(())
    })
    .await;
    let noticed = began.elapsed();
    // One poll, one timeout, and a busy machine.
    assert!(noticed < Duration::from_millis(TIMEOUT_MS) + Duration::from_secs(5), "after {noticed:?}");
    daemon.said_after(mark, "trying again").await;
    assert_eq!(daemon.get("/live").await.0, 200, "an outage elsewhere is no reason to restart");
    let status = daemon.status().await;
    assert!(status["problem"].is_string() && status["database_reachable"] == true, "{status}");
    scene.play_through(Step::Investors).await;
    proxy.deafen(false);
    scene.assert_fresh(&format!("{scheme}: heard again")).await;
    daemon.stop("after the silence").await;
}

#[tokio::test]
async fn a_node_that_falls_silent_is_noticed_within_the_configured_timeout() {
    tokio::join!(falls_silent("http"), falls_silent("ws"));
}

/// With the timeout and the tries that are shipped: a step waits for some two minutes, which is longer than any loop that turns.
#[tokio::test]
async fn a_node_that_hangs_is_no_reason_to_restart() {
    let mut scene = Scene::begin(slots(8)).await;
    let proxy = scene.node_proxy("http").await;
    let daemon = scene.program.writer().await;
    scene.play_through(Step::Bond).await;
    scene.caught_up().await;
    proxy.deafen(true);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(85) {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(daemon.get("/live").await.0, 200, "after {:?}", began.elapsed());
    }
    proxy.deafen(false);
    scene.assert_fresh("heard again").await;
    daemon.stop("after the silence").await;
}
