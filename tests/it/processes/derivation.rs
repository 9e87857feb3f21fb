//! A daemon that is configured otherwise than the one before it.

use scenario::Step;
use serde_json::{Value as Json, json};

use super::slots;
use crate::support::process::Program;
use crate::support::scene::Scene;

async fn status(program: &Program) -> Json {
    serde_json::from_str(&program.line(&["status", "--json"]).run().await.done()).expect("status is JSON")
}

async fn told(scene: &Scene) -> i64 {
    sqlx::query_scalar("select count(*) from chain.system_events where event_type = 'configuration'")
        .fetch_one(&scene.pool)
        .await
        .expect("readable")
}

#[tokio::test]
async fn a_daemon_that_is_configured_otherwise_warns_and_goes_on() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Burn).await;
    let first = scene.program.writer().await;
    scene.caught_up().await;
    first.stop("at the head").await;
    // The same again is no news.
    let again = scene.program.writer().await;
    scene.node.mine(1).await.expect("anvil mines");
    scene.caught_up().await;
    again.stop("at the head").await;
    assert_eq!(told(&scene).await, 0);

    let other = scene.program.clone().with("ASSET_INDEXER__CHAIN__FLOOR_BLOCK", "1");
    let daemon = other.writer().await;
    let said = daemon.said("rows are derived with another configuration from now on").await;
    assert_eq!(said["fields"]["parts"], "chain.floor_block (was 0, is 1)", "{said}");
    assert_eq!((said["level"].as_str(), told(&scene).await), (Some("WARN"), 1));
    scene.node.mine(3).await.expect("anvil mines");
    scene.caught_up().await;
    let mixed = json!(["chain.floor_block"]);
    let now = status(&other).await;
    assert_eq!((&now["mixed_configuration"], &now["other_configuration"]), (&mixed, &json!([])), "{now}");
    let otherwise = json!(["chain.floor_block (was 1, is 0)"]);
    assert_eq!(status(&scene.program).await["other_configuration"], otherwise);

    // It is the worker's configuration that counts where the worker does it.
    let said = scene.program.line(&["rebuild"]).run().await.done();
    assert!(said.contains("folded again from"), "{said}");
    assert_eq!(status(&other).await["mixed_configuration"], json!([]));
    scene.assert_fresh("rebuilt").await;
    daemon.stop("at the head").await;

    // Without a worker a command would index with its own.
    scene.node.mine(2).await.expect("anvil mines");
    let refused = scene.program.line(&["backfill", "--from", "0"]).run().await;
    refused.failed(78, &["chain.floor_block (was 1, is 0)"]);
    let accepted = ["backfill", "--from", "0", "--accept-configuration"];
    scene.program.line(&accepted).run().await.done();
    assert_eq!(told(&scene).await, 2);
    scene.assert_fresh("indexed").await;
}
