//! The sweep behind the checkpoint keeps to the requests a second that it is given, whatever turns the loop takes.

use std::time::{Duration, Instant};

use scenario::Step;

use super::slots;
use crate::support::process::until;
use crate::support::scene::Scene;

/// Requests a second; a block takes one at least.
const PER_SECOND: u64 = 4;
/// Blocks of one step of the sweep: paid for in two seconds, in which the loop turns some forty times.
const BLOCKS: u64 = 8;
/// How long is looked at.
const LONG: Duration = Duration::from_secs(6);

#[tokio::test]
async fn a_sweep_keeps_its_pace_while_the_head_is_followed() {
    let mut scene = Scene::begin(slots(4)).await;
    scene.node.mine(300).await.expect("anvil mines");
    scene.program = scene
        .program
        .clone()
        .with("ASSET_INDEXER__PROOF__REQUESTS_PER_SECOND", &PER_SECOND.to_string())
        .with("ASSET_INDEXER__PROOF__SWEEP_BLOCKS_MAX", &BLOCKS.to_string());
    let daemon = scene.program.writer().await;
    let proved = async || daemon.metric("asset_indexer_verified_blocks_total").await;
    let first = until("the sweep begins", async || Some(proved().await).filter(|blocks| *blocks > 0.0)).await;
    let began = Instant::now();
    // What is followed meanwhile waits for no sweep.
    scene.play_through(Step::Share).await;
    scene.caught_up().await;
    tokio::time::sleep(LONG.saturating_sub(began.elapsed())).await;
    let swept = proved().await - first;
    let paid_for = began.elapsed().as_secs_f64() * PER_SECOND as f64 + 2.0 * BLOCKS as f64;
    assert!(swept <= paid_for, "{swept} blocks, and {paid_for} requests were to be had");
    until("it goes on", async || (proved().await > first + swept).then_some(())).await;
}
