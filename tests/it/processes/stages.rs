//! Where a step's time goes, for whoever asks.

use scenario::Step;
use serde_json::Value as Json;

use super::slots;
use crate::support::scene::Scene;

#[tokio::test]
async fn the_end_of_each_stage_is_told_where_stages_are_asked_for() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.program = scene.program.clone().with("LOG_LEVEL", "info,asset_indexer::stage=trace");
    let daemon = scene.program.writer().await;
    scene.play_through(Step::Share).await;
    scene.caught_up().await;
    let log = daemon.stop("with stages").await;
    let told: Vec<Json> = log.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    for stage in ["fetch", "decode", "load", "fold", "write"] {
        let ends = |line: &&Json| line["target"] == "asset_indexer::stage" && line["span"]["name"] == stage;
        let times =
            |line: &Json| line["fields"]["time.busy"].is_string() && line["fields"]["time.idle"].is_string();
        let of_stage: Vec<&Json> = told.iter().filter(ends).collect();
        assert!(!of_stage.is_empty() && of_stage.iter().all(|line| times(line)), "{stage}: {of_stage:?}");
    }
    let load = told.iter().find(|line| line["span"]["name"] == "load").expect("told");
    assert_eq!(load["spans"][0]["name"], "fold", "{load}");
}
