//! Killed at any instant: SIGKILL, by seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use scenario::Step;
use tokio::time::sleep;

use super::slots;
use crate::support::process::Daemon;
use crate::support::scene::{Inside, Scene};

/// What the kills hit.
#[derive(Debug, Default)]
struct Hits {
    kills: u32,
    before_the_lease: u32,
    after_commits: u32,
    below_the_head: u32,
    inside_a_transaction: u32,
    inside_a_copy: u32,
}

impl Hits {
    fn are_enough(&self) -> bool {
        self.kills >= 50
            && self.before_the_lease >= 3
            && self.after_commits >= 10
            && self.below_the_head >= 10
            && self.inside_a_transaction + self.inside_a_copy >= 5
    }
}

/// What happens on the chain meanwhile: the story goes on, else blocks and reorgs of any depth above finality.
pub(super) async fn disturb(scene: &mut Scene, rng: &mut StdRng) {
    let node = &scene.node;
    match rng.random_range(0..4) {
        0 => {
            let (depth, shift) = (rng.random_range(1..10), rng.random_range(0..3));
            node.reorg_with_the_same_transactions(depth, shift).await.expect("anvil reorganizes");
            node.mine(rng.random_range(0..3)).await.expect("anvil mines");
        }
        1 => node.mine(rng.random_range(1..20)).await.expect("anvil mines"),
        _ => {
            if scene.story.play_next(node).await.expect("the step plays").is_none() {
                node.mine(rng.random_range(1..8)).await.expect("anvil mines");
            }
        }
    }
}

/// Kills a daemon some time after its start, or after it began to write; stopped a moment before, so that it can be
/// said what was hit.
async fn kill_at_random(daemon: Daemon, early: bool, delay: Duration) -> (Daemon, bool) {
    if !early {
        daemon.said("lease taken").await;
    }
    sleep(delay).await;
    daemon.pause().await;
    let wrote = daemon.has_said("lease taken");
    (daemon, wrote)
}

#[tokio::test]
async fn tables_survive_fifty_kills_at_any_instant() {
    let mut rng = StdRng::seed_from_u64(0x6b69_6c6c);
    let mut scene = Scene::begin(slots(8)).await;
    // Steps that are short beside the life of a daemon, or none would ever be finished.
    scene.program = scene.program.clone().with("ASSET_INDEXER__CHAIN__RANGE_BLOCKS_MAX", "4");
    let mut hits = Hits::default();
    while !hits.are_enough() {
        assert!(hits.kills < 200, "the kills do not hit every phase: {hits:?}");
        let before = scene.checkpoint().await;
        let early = rng.random_range(0..6) == 0;
        let longest = [100, 400, 1_200][rng.random_range(0..3)];
        let delay = Duration::from_millis(rng.random_range(0..longest));
        let killed = kill_at_random(scene.program.start(), early, delay);
        let ((daemon, wrote), ()) = tokio::join!(killed, disturb(&mut scene, &mut rng));
        let (open, after) = (scene.paused_in().await, scene.checkpoint().await);
        daemon.kill().await;
        hits.kills += 1;
        hits.before_the_lease += u32::from(!wrote);
        hits.after_commits += u32::from(after != before);
        hits.below_the_head += u32::from(after != Some(scene.head().await));
        hits.inside_a_transaction += u32::from(open == Inside::Transaction);
        hits.inside_a_copy += u32::from(open == Inside::Copy);
        scene.expire_lease().await;
    }
    scene.play_through(Step::PlainToken).await;
    let daemon = scene.program.writer().await;
    scene.assert_fresh(&format!("{hits:?}")).await;
    daemon.stop("after the kills").await;
}
