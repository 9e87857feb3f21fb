//! What the program tells over HTTP.

use std::collections::{BTreeMap, BTreeSet};

use scenario::Step;
use serde_json::Value as Json;

use super::slots;
use crate::support::process::until;
use crate::support::scene::Scene;
use crate::support::world::CHAIN_ID;

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
    let list = include_str!("../../../deploy/metrics.txt");
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
    // What is proved, and what the providers can prove, is still being found out.
    until("/ready tells the same", async || {
        let (code, body) = daemon.get("/ready").await;
        let ready: Json = serde_json::from_str(&body).expect("JSON");
        (code == 200 && ready == daemon.status().await).then_some(())
    })
    .await;
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
