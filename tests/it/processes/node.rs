//! The node goes and comes back.

use scenario::{Node, NodeOptions, Step};

use super::slots;
use crate::support::command::Folder;
use crate::support::scene::Scene;

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
