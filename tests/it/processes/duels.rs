//! Duels: of two daemons the writer is stopped at a random instant (SIGSTOP), also in the midst of a commit, for longer
//! than its lease lasts; the other takes over; the stopped one goes on (SIGCONT) and must change nothing.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use scenario::Step;
use tokio::time::sleep;

use super::kills::disturb;
use super::{FREED, TAKEOVER, slots};
use crate::support::scene::{Inside, Scene};
use crate::support::times;

/// Duels of one pair; three pairs fight at a time, each about its own chain and database.
const DUELS: usize = 2;
/// So much later comes every message of a daemon: most of a commit's time is then a transaction.
const LATENCY: Duration = Duration::from_millis(2);

/// What the writers were in the midst of.
async fn duels(seed: u64) -> Vec<Inside> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut scene = Scene::begin(slots(8)).await;
    let proxy = scene.database_proxy().await;
    proxy.delay(LATENCY);
    let mut hits = Vec::new();
    let mut writer = scene.program.writer().await;
    let mut standby = scene.program.standby().await;
    for _ in 0..times(DUELS) {
        let (writers, standbys) = (writer.mark(), standby.mark());
        let delay = Duration::from_millis(rng.random_range(0..1_500));
        let stopping = async {
            sleep(delay).await;
            writer.pause().await;
        };
        // There is work at the instant of the stop.
        let ((), ()) = tokio::join!(stopping, async {
            disturb(&mut scene, &mut rng).await;
            disturb(&mut scene, &mut rng).await;
        });
        hits.push(scene.paused_in().await);
        let stopped = chrono::Utc::now();
        disturb(&mut scene, &mut rng).await;
        let taken = standby.time_of(standbys, "lease taken").await;
        let took = (taken - stopped).to_std().unwrap_or_default();
        assert!(took < FREED + TAKEOVER, "taken over after {took:?}");
        scene.caught_up().await;
        writer.resume();
        disturb(&mut scene, &mut rng).await;
        writer.said_after(writers, "another process writes this chain").await;
        writer.phase("standby").await;
        scene.assert_fresh(&format!("seed {seed}, stopped after {delay:?}: {hits:?}")).await;
        assert_eq!(standby.metric("asset_indexer_lease_held").await, 1.0);
        for lost in ["the lease was lost", "another writer took over"] {
            assert!(!standby.has_said_after(standbys, lost), "the new writer had to give way, too");
        }
        std::mem::swap(&mut writer, &mut standby);
    }
    scene.play_through(Step::Burn).await;
    scene.assert_fresh(&format!("seed {seed}: after the duels")).await;
    hits
}

#[tokio::test]
async fn a_stopped_writer_that_goes_on_doubles_and_loses_nothing() {
    let (one, two, three) = tokio::join!(duels(1), duels(2), duels(3));
    let hits = [one, two, three].concat();
    assert_eq!(hits.len(), 3 * times(DUELS));
    assert!(hits.iter().any(|hit| *hit != Inside::Nothing), "none was stopped in a transaction: {hits:?}");
}
