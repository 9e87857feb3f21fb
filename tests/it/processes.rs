//! The program as a process: killed at any instant, twice at once, paused, stopped in every phase, cut off from its
//! node and its database, watched over HTTP, and given work by commands. The tables equal a fresh index's every time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use asset_indexer::embedded::{Cluster, Options, SUPERUSER};
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::postgres::migrate;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use scenario::{Node, NodeOptions, Reorg, Step};
use serde_json::Value as Json;
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use sqlx::{Postgres, Transaction};
use tokio::time::sleep;

use crate::support::command::{Ended, Folder};
use crate::support::process::{Daemon, Inside, PATIENCE, Program, Scene, pause, signal, time, until};
use crate::support::real::rpc;
use crate::support::world::{CHAIN_ID, assert_same, binaries, dump, worker};

/// Another writer takes over from one that died: a lease (5 s), a glance (0.5 s), and some air.
const TAKEOVER: Duration = Duration::from_secs(8);
/// The same after an orderly end, which gives the lease up.
const HANDOVER: Duration = Duration::from_secs(2);

fn slots(slots_in_an_epoch: u64) -> NodeOptions {
    NodeOptions { slots_in_an_epoch, ..NodeOptions::default() }
}

fn between(one: chrono::DateTime<chrono::Utc>, other: chrono::DateTime<chrono::Utc>) -> Duration {
    (other - one).to_std().unwrap_or_default()
}

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
async fn disturb(scene: &mut Scene, rng: &mut StdRng) {
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

#[tokio::test]
async fn a_paused_writer_changes_nothing_when_it_wakes() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Bond).await;
    let first = scene.program.writer().await;
    scene.caught_up().await;
    let second = scene.program.standby().await;
    first.pause().await;
    let (paused, mark) = (chrono::Utc::now(), first.mark());
    scene.play_through(Step::Transfers).await;
    let taken = second.time_of(0, "lease taken").await;
    assert!(between(paused, taken) < TAKEOVER, "after {:?}", between(paused, taken));
    scene.caught_up().await;
    let before = scene.tables().await;
    first.resume();
    first.said_after(mark, "another process writes this chain").await;
    assert_same(&scene.tables().await, &before, "the first one woke");
    first.phase("standby").await;
    scene.play_through(Step::Recovery).await;
    scene.assert_fresh("followed by the second").await;
    assert!(!second.has_said("the lease was lost") && !second.has_said("another writer took over"));
    second.stop("the second").await;
    first.said_after(mark, "lease taken").await;
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
    // The server ends a transaction in which nothing happens for ten seconds.
    let freed = Duration::from_secs(10) + TAKEOVER;
    assert!(between(paused, taken) < freed, "after {:?}", between(paused, taken));
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

/// A cluster of a test's own, which can be killed; its folder goes last.
struct Fragile {
    cluster: Cluster,
    options: Options,
    _folder: Folder,
}

impl Fragile {
    async fn start() -> Self {
        let folder = Folder::new();
        // Its commits don't wait for the disk: a crash loses the newest ones, like a failover to a replica that lags.
        let options = Options { state_dir: folder.path().join("cluster"), ..Options::scratch(binaries()) };
        let cluster = Cluster::start(options.clone()).await.expect("a private PostgreSQL starts");
        cluster.create_database("fragile", None).await.expect("a database");
        let connect = cluster.connect_options(SUPERUSER, "fragile");
        let mut connection = PgConnection::connect_with(&connect).await.expect("a connection");
        migrate(&mut connection).await.expect("migrations apply");
        Self { cluster, options, _folder: folder }
    }

    /// A scene whose beginning is on the disk.
    async fn scene(&self) -> Scene {
        let scene = Scene::within(slots(8), &self.cluster, "fragile").await;
        sqlx::query("checkpoint").execute(&scene.pool).await.expect("the superuser may");
        scene
    }

    fn kill(&mut self) {
        self.cluster.kill_hard().expect("it is ours");
    }

    async fn start_again(&mut self) {
        self.cluster = Cluster::start(self.options.clone()).await.expect("it recovers");
    }
}

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

#[tokio::test]
async fn the_node_may_go_and_come_back_also_without_its_last_blocks() {
    let folder = Folder::new();
    let file = folder.path().join("chain.json");
    let options = NodeOptions { dump_state: Some(file.clone()), ..slots(32) };
    let mut scene = Scene::begin(options.clone()).await;
    let daemon = scene.program.writer().await;
    scene.play_through(Step::Mint).await;
    let port = scene.node.port();
    let again = NodeOptions { port: Some(port), load_state: Some(file.clone()), ..options };
    let mark = daemon.mark();
    scene = swap_node(scene, async |node| {
        node.stop().await.expect("anvil writes its dump");
        daemon.said_after(mark, "trying again").await;
        Node::start_with(again).await.expect("anvil starts again")
    })
    .await;
    scene.play_through(Step::Transfers).await;
    scene.assert_fresh("the node was away").await;

    let dump = scene.node.dump_state().await.expect("anvil dumps");
    scene.play_through(Step::Freezes).await;
    scene.caught_up().await;
    let fresh_node = NodeOptions { port: Some(port), ..slots(32) };
    scene = swap_node(scene, async |node| {
        drop(node);
        let node = Node::start_with(fresh_node).await.expect("anvil starts again");
        node.load_state(&dump).await.expect("the dump fits");
        node
    })
    .await;
    let (head, _) = scene.head().await;
    assert!(head < scene.checkpoint().await.expect("there").0, "the node lost blocks");
    scene.node.mine(3).await.expect("anvil mines");
    scene.assert_fresh("the node came back without its last blocks").await;
    assert!(daemon.metric("asset_indexer_reorgs_total").await >= 1.0);
    assert_eq!(daemon.metric("asset_indexer_halted").await, 0.0);
}

async fn swap_node(scene: Scene, swap: impl AsyncFnOnce(Node) -> Node) -> Scene {
    let Scene { node, story, program, config, admin, pool } = scene;
    let node = swap(node).await;
    Scene { node, story, program, config, admin, pool }
}

/// Names, types and labels of what `/metrics` shows, without histograms' own labels.
fn metrics(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let kinds: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let mut found: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let series = line.rsplit_once(' ').expect("a sample has a value").0;
        let (series, labels) = series.split_once('{').unwrap_or((series, ""));
        let parts = ["_bucket", "_sum", "_count"].iter().filter_map(|part| series.strip_suffix(part));
        let name = parts.chain([series]).find(|name| kinds.contains_key(name)).expect("its type is told");
        let entry = found.entry(name.to_owned()).or_default();
        entry.0 = kinds[name].to_owned();
        let labels =
            labels.trim_end_matches('}').split(',').filter_map(|label| Some(label.split_once('=')?.0));
        entry.1.extend(labels.filter(|label| *label != "le").map(str::to_owned));
    }
    found
}

fn listed_metrics() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let list = include_str!("../../deploy/metrics.txt");
    let lines = list.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let mut fields = line.split_whitespace();
            let (name, kind) = (fields.next().expect("a name"), fields.next().expect("a type"));
            let labels = fields.next().expect("labels").split(',').filter(|label| *label != "-");
            (name.to_owned(), (kind.to_owned(), labels.map(str::to_owned).collect()))
        })
        .collect()
}

#[tokio::test]
async fn every_metric_of_the_list_is_there_from_the_start() {
    let scene = Scene::begin(slots(8)).await;
    let daemon = scene.program.writer().await;
    daemon.phase("following").await;
    let (code, text) = daemon.get("/metrics").await;
    assert_eq!(code, 200);
    let ours = metrics(&text);
    assert_eq!(ours, listed_metrics(), "deploy/metrics.txt and /metrics, before any reorg");
    for bound in ["1", "2", "3", "5", "8", "13", "32", "64", "128"] {
        let bucket =
            format!("asset_indexer_reorg_depth_blocks_bucket{{chain=\"{CHAIN_ID}\",le=\"{bound}\"}} 0");
        assert!(text.contains(&bucket), "{bucket} is not in {text}");
    }
}

#[tokio::test]
async fn http_tells_how_it_is_while_following_and_standing_by() {
    let mut scene = Scene::begin(slots(8)).await;
    let daemon = scene.program.writer().await;
    scene.caught_up().await;
    daemon.phase("following").await;
    let (code, body) = daemon.get("/live").await;
    assert_eq!((code, body.as_str()), (200, "live\n"));
    let (head, _) = scene.head().await;
    let status = until("the board shows the head", async || {
        Some(daemon.status().await).filter(|status| status["checkpoint"] == head)
    })
    .await;
    assert_eq!(status["chain_id"], CHAIN_ID, "{status}");
    assert_eq!(
        (&status["head"], &status["lag_blocks"], &status["lag_seconds"]),
        (&head.into(), &0.into(), &0.into())
    );
    assert_eq!(status["finalized"], head - 16, "{status}");
    assert_eq!((&status["problem"], &status["database_reachable"]), (&Json::Null, &true.into()), "{status}");
    let (code, body) = daemon.get("/ready").await;
    assert_eq!((code, serde_json::from_str::<Json>(&body).expect("JSON")), (200, status));
    assert_eq!(daemon.get("/nothing").await.0, 404);

    let standby = scene.program.standby().await;
    let status = standby.phase("standby").await;
    assert_eq!((&status["checkpoint"], &status["problem"]), (&Json::Null, &Json::Null), "{status}");
    assert_eq!((standby.get("/live").await.0, standby.get("/ready").await.0), (200, 200));
    let names: BTreeSet<String> = listed_metrics().into_keys().collect();
    let theirs: BTreeSet<String> = metrics(&standby.get("/metrics").await.1).into_keys().collect();
    assert!(theirs.is_subset(&names), "{:?}", theirs.difference(&names));
    assert_eq!(standby.metric("asset_indexer_lease_held").await, 0.0);

    scene.play_through(Step::Mint).await;
    scene.caught_up().await;
    assert_eq!(daemon.metric("asset_indexer_reorgs_total").await, 0.0);
    scene.node.reorg_with_the_same_transactions(5, 1).await.expect("anvil reorganizes");
    scene.caught_up().await;
    until("the reorg counts", async || {
        (daemon.metric("asset_indexer_reorgs_total").await == 1.0).then_some(())
    })
    .await;
    assert_eq!(daemon.metric("asset_indexer_reorg_depth_blocks_sum").await, 5.0);
    scene.caught_up().await;
    let events: i64 = sqlx::query_scalar("select count(*) from chain.asset_events")
        .fetch_one(&scene.pool)
        .await
        .expect("readable");
    assert!(events > 0);
    let (_, text) = daemon.get("/metrics").await;
    assert!(!text.contains("role=\"trex_token\"} 0"), "the token's events count: {text}");
    assert_eq!(metrics(&text), listed_metrics(), "deploy/metrics.txt and /metrics, after a reorg");
    assert_eq!(daemon.metric("asset_indexer_checkpoint_block").await, scene.head().await.0 as f64);
}

#[tokio::test]
async fn a_halt_is_told_everywhere_and_a_rewind_ends_it() {
    let mut scene = Scene::begin(slots(2)).await;
    scene.play_through(Step::Mint).await;
    let daemon = scene.program.writer().await;
    scene.caught_up().await;
    let before = scene.tables().await;
    let (head, _) = scene.head().await;
    scene.node.reorg(&Reorg::of(12)).await.expect("anvil reorganizes");
    scene.node.mine(2).await.expect("anvil mines");
    let status = daemon.phase("halted").await;
    let problem = status["problem"].as_str().expect("it says why");
    assert!(problem.contains("a reorg crossed finality") && problem.contains("rewind --to"), "{problem}");
    let (code, body) = daemon.get("/ready").await;
    assert_eq!(code, 503, "{body}");
    assert_eq!(daemon.get("/live").await.0, 200, "a restart would not help");
    assert_eq!(daemon.metric("asset_indexer_halted").await, 1.0);
    assert_same(&scene.tables().await, &before, "halted");
    let status: Json =
        serde_json::from_str(&scene.program.line(&["status", "--json"]).run().await.done()).expect("JSON");
    assert_eq!((&status["status"], &status["halt_reason"]), (&"halted".into(), &problem.into()), "{status}");

    // It stays halted over a restart, and ends in order.
    daemon.stop("halted").await;
    let daemon = scene.program.writer().await;
    daemon.phase("halted").await;
    let to = (head - 12).to_string();
    let rewind = scene.program.line(&["rewind", "--to", &to, "--reason", "the chain was restored"]);
    let said = rewind.run().await.done();
    assert!(said.contains(&format!("the checkpoint is block {to} now")), "{said}");
    daemon.phase("following").await;
    scene.assert_fresh("rewound").await;
    assert_eq!((daemon.get("/ready").await.0, daemon.metric("asset_indexer_halted").await), (200, 0.0));
}

/// What a fresh index that stops at a block holds, started where `backfill --from` starts.
async fn fresh_between(scene: &Scene, from: u64, to: u64) -> MemoryStore {
    let mut config = scene.config.clone();
    config.contracts.iter_mut().for_each(|contract| contract.start_block = Some(from));
    let store = std::sync::Arc::new(MemoryStore::new());
    let mut worker = worker(rpc(&scene.node.url()), store.clone(), config);
    while worker.position().is_none_or(|at| at.id.number < to) {
        worker.step(Some(to)).await.expect("the step succeeds");
    }
    drop(worker);
    std::sync::Arc::try_unwrap(store).expect("the worker is gone")
}

async fn status(program: &Program) -> Json {
    serde_json::from_str(&program.line(&["status", "--json"]).run().await.done()).expect("status is JSON")
}

#[tokio::test]
async fn a_backfill_stops_at_its_bound_and_a_daemon_goes_on_from_there() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Freezes).await;
    let (head, _) = scene.head().await;
    // One bound below finality, one above.
    for to in [head - 40, head - 5] {
        let to_text = to.to_string();
        let said = scene.program.line(&["backfill", "--from", "1", "--to", &to_text]).run().await.done();
        assert!(said.contains(&format!("to {to} are indexed")), "{said}");
        assert_eq!(scene.checkpoint().await.expect("there").0, to);
        assert_same(&scene.tables().await, &dump(&fresh_between(&scene, 1, to).await).await, "bounded");
        let status = status(&scene.program).await;
        let events: i64 = sqlx::query_scalar("select count(*) from chain.asset_events")
            .fetch_one(&scene.pool)
            .await
            .expect("readable");
        let expected = [
            ("chain_id", CHAIN_ID.into()),
            ("status", "running".into()),
            ("head", head.into()),
            ("finalized", (head - 16).into()),
            ("checkpoint", to.into()),
            ("lag_blocks", (head - to).into()),
            ("writer", Json::Null),
            ("catching_up", 0.into()),
            ("events", events.into()),
            ("unreadable_events", 0.into()),
            ("open_requests", 0.into()),
            ("node_problem", Json::Null),
        ];
        for (name, value) in expected {
            assert_eq!(status[name], value, "{name}: {status}");
        }
        assert!(events > 0 && status["contracts"].as_i64() > Some(5), "{status}");
    }
    let daemon = scene.program.writer().await;
    scene.play_through(Step::PlainToken).await;
    scene.caught_up().await;
    let (head, _) = scene.head().await;
    assert_same(&scene.tables().await, &dump(&fresh_between(&scene, 1, head).await).await, "gone on");
    let status = status(&scene.program).await;
    assert!(
        status["writer"].as_str().is_some_and(|writer| writer.contains(&daemon.pid().to_string())),
        "{status}"
    );
}

#[tokio::test]
async fn commands_hand_their_work_to_a_living_daemon() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Share).await;
    let (head, _) = scene.head().await;
    let daemon = scene.program.writer().await;

    let to = head.to_string();
    let backfill = scene.program.line(&["backfill", "--from", "1", "--to", &to]).run().await;
    assert!(backfill.err.contains("is alive"), "{backfill:?}");
    let out = backfill.done();
    assert!(
        out.contains(&format!("blocks up to {to} are indexed")) || out.contains("\"differences\": 0"),
        "{out}"
    );
    let reread = scene.program.line(&["backfill", "--from", "1", "--to", &to]).run().await.done();
    let report: Json = serde_json::from_str(&reread[reread.find('{').expect("a report")..]).expect("JSON");
    assert_eq!((&report["from"], &report["to"]), (&1.into(), &head.into()), "{report}");
    assert_eq!((&report["differences"], &report["repaired"]), (&0.into(), &false.into()), "{report}");
    assert!(report["logs"].as_u64() > Some(50), "{report}");

    let changed = sqlx::query("delete from chain.asset_events where log_index = 0 and block_number > 60")
        .execute(&scene.pool)
        .await
        .expect("the superuser may");
    assert!(changed.rows_affected() > 0);
    let found = scene.program.line(&["backfill", "--from", "1", "--to", &to]).run().await;
    found.failed(1, &["differences between the node and the tables", "--repair"]);
    scene.program.line(&["backfill", "--from", "1", "--to", &to, "--repair"]).run().await.done();
    scene.assert_fresh("repaired by the daemon").await;

    sqlx::query("update chain.asset_holders set balance = balance + 1")
        .execute(&scene.pool)
        .await
        .expect("the superuser may");
    let said = scene.program.line(&["rebuild"]).run().await.done();
    assert!(said.contains("folded again from"), "{said}");
    scene.assert_fresh("rebuilt by the daemon").await;

    for back in [5, 40] {
        let to = (scene.head().await.0 - back).to_string();
        let mark = daemon.mark();
        let rewind = scene.program.line(&["rewind", "--to", &to, "--reason", "a test"]).run().await.done();
        assert!(rewind.contains(&format!("the checkpoint is block {to} now")), "{rewind}");
        daemon.said_after(mark, "executing an operator's request").await;
        scene.assert_fresh(&format!("rewound by {back} blocks")).await;
    }
    scene.play_through(Step::PlainToken).await;
    scene.assert_fresh("and followed").await;
    let refused = scene.program.line(&["rewind", "--to", "100000", "--reason", "a test"]).run().await;
    refused.failed(1, &["is not below the checkpoint"]);
    assert!(!daemon.has_said("lease was lost") && !daemon.has_said("another writer took over"));
}

#[tokio::test]
async fn a_request_survives_the_death_of_its_worker() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Burn).await;
    let first = scene.program.writer().await;
    scene.caught_up().await;
    let (program, mark) = (scene.program.clone(), first.mark());
    let command = tokio::spawn(async move { program.line(&["rebuild"]).run().await });
    first.said_after(mark, "executing an operator's request").await;
    let began = Instant::now();
    first.kill().await;
    scene.expire_lease().await;
    let second = scene.program.writer().await;
    let said = command.await.expect("the command ends").done();
    assert!(said.contains("folded again from") && began.elapsed() < PATIENCE, "{said}");
    second.said("executing an operator's request").await;
    scene.assert_fresh("rebuilt by the second").await;
}

/// A request under way: the daemon waits for a table that the test holds.
async fn executing(
    scene: &Scene,
    table: &str,
    arguments: &[&str],
) -> (Transaction<'static, Postgres>, Command) {
    let held = scene.hold(table).await;
    let line = scene.program.line(arguments);
    let command = tokio::spawn(line.run());
    scene.waiting("^asset-indexer writer", 1).await;
    (held, command)
}

type Command = tokio::task::JoinHandle<Ended>;

#[tokio::test]
async fn a_signal_ends_it_in_order_while_it_executes_and_the_next_one_finishes() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Burn).await;
    let first = scene.program.writer().await;
    scene.caught_up().await;
    let (held, command) = executing(&scene, "chain.asset_holders", &["rebuild"]).await;
    first.stop("executing").await;
    held.rollback().await.expect("it was only a lock");
    let _second = scene.program.writer().await;
    let said = command.await.expect("the command ends").done();
    assert!(said.contains("folded again from"), "{said}");
    scene.assert_fresh("rebuilt by the second").await;
}

#[tokio::test]
async fn a_writer_paused_inside_a_rebuild_blocks_nobody_for_long() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Burn).await;
    let first = scene.program.writer().await;
    scene.caught_up().await;
    let second = scene.program.standby().await;
    let (held, command) = executing(&scene, "chain.asset_holders", &["rebuild"]).await;
    first.pause().await;
    held.rollback().await.expect("it was only a lock");
    let mark = first.mark();
    second.said("lease taken").await;
    scene.play_through(Step::Claims).await;
    scene.caught_up().await;
    let said = command.await.expect("the command ends").done();
    assert!(said.contains("folded again from"), "{said}");
    let before = scene.tables().await;
    first.resume();
    first.said_after(mark, "another process writes this chain").await;
    assert_same(&scene.tables().await, &before, "the first one woke inside its rebuild");
    scene.assert_fresh("rebuilt and followed by the second").await;
}

#[tokio::test]
async fn a_long_transaction_keeps_its_lease_in_everybodys_eyes() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Burn).await;
    let first = scene.program.writer().await;
    scene.caught_up().await;
    let second = scene.program.standby().await;
    let (held, command) = executing(&scene, "chain.asset_holders", &["rebuild"]).await;
    // Longer than a lease: all that others can see of it would have expired.
    sleep(Duration::from_secs(7)).await;
    let status = status(&scene.program).await;
    assert!(!second.has_said("lease taken"), "there are two writers");
    assert_eq!(second.get("/ready").await.0, 200);
    held.rollback().await.expect("it was only a lock");
    command.await.expect("the command ends").done();
    assert!(status["writer"].is_string(), "the writer is alive: {status}");
    scene.assert_fresh("rebuilt").await;
    assert!(!first.has_said("the lease was lost") && !second.has_said("lease taken"));
}

#[tokio::test]
async fn a_rewind_that_was_done_when_its_worker_died_is_done() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Burn).await;
    let first = scene.program.writer().await;
    scene.caught_up().await;
    let to = (scene.head().await.0 - 5).to_string();
    let arguments = ["rewind", "--to", &to, "--reason", "a test"];
    let (held, command) = executing(&scene, "chain.audit_trail", &arguments).await;
    // The worker dies between the rewind's commit and the word that it is done.
    let held_too = scene.hold("ops.requests").await;
    held.rollback().await.expect("it was only a lock");
    scene.waiting("^asset-indexer$", 1).await;
    assert_eq!(scene.checkpoint().await.expect("there").0.to_string(), to);
    first.kill().await;
    held_too.rollback().await.expect("it was only a lock");
    scene.expire_lease().await;
    let _second = scene.program.writer().await;
    let said = command.await.expect("the command ends").done();
    assert!(said.contains(&format!("the checkpoint is block {to} now")), "{said}");
    scene.assert_fresh("rewound and followed").await;
}
