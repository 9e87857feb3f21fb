//! The connection to PostgreSQL breaks at COMMIT, and after every message of a commit and of a rollback.

use std::sync::Arc;

use asset_indexer::rpc::Rpc;
use asset_indexer::store::postgres::{Lease, PostgresStore};
use asset_indexer::sync::{Outcome, Sync};
use rand::SeedableRng;
use rand::rngs::StdRng;
use scenario::Step;

use super::kills::disturb;
use super::slots;
use crate::support::process::until;
use crate::support::proxy::{Cut, Proxy};
use crate::support::real::rpc;
use crate::support::scene::{LOGIN, Scene};
use crate::support::times;
use crate::support::world::{CHAIN_ID, assert_same, converge, worker};

/// Cuts at COMMIT while it backfills, and as many while it follows.
const COMMIT_CUTS: usize = 12;

/// A rollback has some 600 messages, six to a statement: it is cut off after every fifth of them (in a soak after every
/// one), so that all six have their turn.
const ROLLBACK_STRIDE: usize = 5;

const AT_COMMIT: [Cut; 3] = [Cut::CommitLost, Cut::CommitSent, Cut::CommitDone];

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_found_out() {
    let mut rng = StdRng::seed_from_u64(0x636f_6d6d);
    let mut scene = Scene::begin(slots(8)).await;
    scene.node.mine(times(2_000) as u64).await.expect("anvil mines");
    let final_block = scene.head().await.0 - 16;
    let proxy = scene.database_proxy().await;
    // Commits of the sweep and of looks at contracts move no checkpoint: cuts are to hit those that do.
    scene.program = scene
        .program
        .clone()
        .with("ASSET_INDEXER__CHAIN__RANGE_BLOCKS_MAX", "4")
        .with("ASSET_INDEXER__PROOF__MODE", "off")
        .with("ASSET_INDEXER__RECONCILE__EVERY_BLOCKS", "0");
    let daemon = scene.program.writer().await;
    let mut backfilling = 0;
    for n in 0..times(COMMIT_CUTS) {
        let mark = daemon.mark();
        proxy.strike(AT_COMMIT[n % 3]).await;
        let at = scene.checkpoint().await;
        backfilling += usize::from(at.is_none_or(|at| at.0 < final_block));
        daemon.said_after(mark, "trying again").await;
        // A success in between, or the daemon would wait longer and longer.
        until("it goes on", async || (scene.checkpoint().await != at).then_some(())).await;
    }
    assert!(backfilling > times(COMMIT_CUTS) / 2, "only {backfilling} cuts hit the backfill");

    for n in 0..times(COMMIT_CUTS) {
        scene.caught_up().await;
        let (cut, before, mark) = (AT_COMMIT[n % 3], scene.checkpoint().await, daemon.mark());
        let struck = proxy.struck();
        proxy.arm(cut);
        while proxy.struck() == struck {
            disturb(&mut scene, &mut rng).await;
            until("it sees the change", async || {
                (proxy.struck() > struck || scene.checkpoint().await != before).then_some(())
            })
            .await;
        }
        if cut == Cut::CommitDone {
            assert_ne!(scene.checkpoint().await, before, "the server had committed when its answer was lost");
        }
        daemon.said_after(mark, "trying again").await;
    }
    assert_eq!(proxy.struck(), 2 * times(COMMIT_CUTS) as u64);
    scene.assert_fresh("cut off at COMMIT").await;
    assert!(!daemon.has_said("lease was lost") && !daemon.has_said("another writer took over"));
    daemon.stop("after the cuts").await;
}

/// A worker that holds the lease, behind the proxy.
async fn leased(scene: &Scene, proxy: &Proxy) -> Sync<Rpc, PostgresStore> {
    let lease = Lease::new(scene.pool.clone(), CHAIN_ID, "test".to_owned());
    assert!(lease.acquire().await.expect("the database answers"));
    let database = scene.admin.get_database().expect("it is named");
    let options = proxy.database_url(LOGIN, database).parse().expect("a URL");
    let store = Arc::new(PostgresStore::new(options, CHAIN_ID, lease.epoch()));
    worker(rpc(&scene.node.url()), store, scene.config.clone())
}

#[tokio::test]
async fn a_commit_that_is_still_under_way_is_waited_for_and_taken_for_ours() {
    let mut scene = Scene::begin(slots(8)).await;
    let proxy = scene.database_proxy().await;
    let mut worker = leased(&scene, &proxy).await;
    converge(&mut worker).await;
    let slow = "create function public.take_long() returns trigger language plpgsql
            as $$ begin perform pg_sleep(0.7); return null; end $$;
        create constraint trigger take_long after update on chain.checkpoints deferrable initially deferred
            for each row execute function public.take_long()";
    sqlx::raw_sql(slow).execute(&scene.pool).await.expect("created");

    scene.node.mine(2).await.expect("anvil mines");
    let before = scene.checkpoint().await.expect("there").0;
    proxy.arm(Cut::CommitSent);
    worker.step(None).await.expect_err("the connection was cut off");
    assert_eq!(scene.checkpoint().await.expect("there").0, before, "the server is not through with it");
    let stepped = worker.step(None).await.expect("it is no other writer's");
    assert!(matches!(stepped, Outcome::Followed { block, .. } if block.number == before + 2), "{stepped:?}");
}

/// Steps again and again, the connection cut off some messages later every time, until the step is through; the tables
/// stay as they were until then. Gives the number of messages.
async fn cut_after_every_message(
    scene: &Scene,
    proxy: &Proxy,
    worker: &mut Sync<Rpc, PostgresStore>,
    stride: usize,
) -> (u64, Outcome) {
    let (at, tables) = (scene.checkpoint().await, scene.tables().await);
    for most in (0..).step_by(stride) {
        proxy.arm(Cut::Messages(most));
        let stepped = worker.step(None).await;
        if proxy.disarm() {
            return (proxy.messages(), stepped.expect("nothing was in its way"));
        }
        stepped.expect_err("the connection was cut off");
        assert_eq!(scene.checkpoint().await, at, "cut off after message {most}");
        if most % 25 == 0 {
            assert_same(&scene.tables().await, &tables, &format!("cut off after message {most}"));
        }
    }
    unreachable!("a step has an end")
}

#[tokio::test]
async fn a_commit_and_a_rollback_leave_nothing_when_cut_off_after_any_message() {
    let mut scene = Scene::begin(slots(8)).await;
    let proxy = scene.database_proxy().await;
    let mut worker = leased(&scene, &proxy).await;
    scene.play_through(Step::Investors).await;
    converge(&mut worker).await;

    scene.play_through(Step::Mint).await;
    let (sent, outcome) = cut_after_every_message(&scene, &proxy, &mut worker, 1).await;
    assert!(matches!(outcome, Outcome::Followed { events, .. } if events > 0), "{outcome:?}");
    assert!(sent > 60, "{sent} messages are no commit of an event");
    converge(&mut worker).await;
    scene.assert_fresh("cut off in a commit").await;

    scene.node.reorg_with_the_same_transactions(6, 1).await.expect("anvil reorganizes");
    let stride = if times(1) > 1 { 1 } else { ROLLBACK_STRIDE };
    let (sent, outcome) = cut_after_every_message(&scene, &proxy, &mut worker, stride).await;
    assert!(matches!(outcome, Outcome::RolledBack { .. }), "{outcome:?}");
    assert!(sent > 300, "{sent} messages are no rollback");
    converge(&mut worker).await;
    scene.assert_fresh("cut off in a rollback").await;
}
