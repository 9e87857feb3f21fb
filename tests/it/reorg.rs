//! Reorgs on the real node: depth 1 to 30, with the same transactions moved and with others, while following and while
//! down. The tables equal those of a fresh index of the final chain.

use std::sync::Arc;

use asset_indexer::rpc::Rpc;
use asset_indexer::store::Store;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::postgres::PostgresStore;
use asset_indexer::sync::{Config, Outcome, Sync};
use scenario::{Node, NodeOptions, Reorg, play};

use crate::support::real::{factories, node, rpc};
use crate::support::world::{assert_same, converge, database, dump, pool, postgres_store, worker};

async fn assert_fresh(node: &Node, config: &Config, live: &Sync<Rpc, PostgresStore>, context: &str) {
    let memory = Arc::new(MemoryStore::new());
    let mut fresh = worker(rpc(&node.url()), memory.clone(), config.clone());
    converge(&mut fresh).await;
    assert_same(&dump(&**live.store()).await, &dump(&*memory).await, context);
}

#[tokio::test]
async fn tables_equal_those_of_a_fresh_index_after_reorgs_of_any_depth() {
    let node = node().await;
    let played = play(&node).await.expect("the scenario plays");
    let config = factories(&played.suite);
    let database = database().await;
    let store = Arc::new(postgres_store(&database).await);
    let mut live = worker(rpc(&node.url()), store, config.clone());
    converge(&mut live).await;
    let mut withdrawn = 0;
    for (depth, shift) in [(1, 0), (2, 1), (3, 1), (5, 2), (9, 3), (14, 1), (22, 5), (30, 7)] {
        if depth == 1 {
            node.reorg(&Reorg::of(1)).await.expect("anvil reorganizes"); // the transaction is dropped
        } else {
            node.reorg_with_the_same_transactions(depth, shift).await.expect("anvil reorganizes");
        }
        if depth % 2 == 0 {
            node.mine(2).await.expect("anvil mines");
        }
        let outcomes = converge(&mut live).await;
        let rolled_back = outcomes.iter().any(|outcome| matches!(outcome, Outcome::RolledBack { .. }));
        assert!(rolled_back, "depth {depth}: {outcomes:?}");
        assert_fresh(&node, &config, &live, &format!("depth {depth}, shifted by {shift}")).await;
        let kept: i64 =
            sqlx::query_scalar("select count(*) from chain.audit_trail where action = 'withdrawn'")
                .fetch_one(&pool(&database).await)
                .await
                .expect("readable");
        assert!(kept >= withdrawn);
        withdrawn = kept;
    }
    assert!(withdrawn > 0, "withdrawn rows are evidence");
}

#[tokio::test]
async fn a_reorg_that_drops_a_factory_deployment_takes_all_it_brought() {
    let node = node().await;
    let mut story = scenario::Play::begin(&node).expect("the scenario begins");
    for _ in 0..4 {
        story.play_next(&node).await.expect("the step plays");
    }
    let deployed = *story.acts().last().expect("the bond was issued");
    assert_eq!(deployed.step, scenario::Step::Bond);
    let config = factories(story.suite().expect("the platform is there"));
    let store = Arc::new(postgres_store(&database().await).await);
    let mut live = worker(rpc(&node.url()), store, config.clone());
    converge(&mut live).await;
    let depth = node.block_number().await.expect("a number") - deployed.first_block + 1;
    node.reorg(&Reorg::of(depth)).await.expect("anvil reorganizes");
    node.mine(1).await.expect("anvil mines");
    converge(&mut live).await;
    assert_fresh(&node, &config, &live, "without the bond").await;
}

#[tokio::test]
async fn a_reorg_while_the_daemon_is_down_is_found_at_the_start() {
    let node = node().await;
    let played = play(&node).await.expect("the scenario plays");
    let config = factories(&played.suite);
    let store = Arc::new(postgres_store(&database().await).await);
    let mut before = worker(rpc(&node.url()), store.clone(), config.clone());
    converge(&mut before).await;
    drop(before);
    node.reorg_with_the_same_transactions(12, 2).await.expect("anvil reorganizes");
    node.mine(3).await.expect("anvil mines");
    let mut after = worker(rpc(&node.url()), store, config.clone());
    let outcomes = converge(&mut after).await;
    assert!(matches!(outcomes.first(), Some(Outcome::RolledBack { .. })), "{outcomes:?}");
    assert_fresh(&node, &config, &after, "after the restart").await;
}

#[tokio::test]
async fn a_reorg_during_a_backfill_disturbs_nothing() {
    let node = node().await;
    let played = play(&node).await.expect("the scenario plays");
    node.mine(70).await.expect("anvil mines");
    let mut config = factories(&played.suite);
    config.range_blocks_max = 5;
    let store = Arc::new(postgres_store(&database().await).await);
    let mut live = worker(rpc(&node.url()), store, config.clone());
    for step in 0..20 {
        live.step(None).await.expect("the step succeeds");
        if step % 4 == 3 {
            node.reorg_with_the_same_transactions(20, 1).await.expect("anvil reorganizes");
            node.mine(1).await.expect("anvil mines");
        }
    }
    converge(&mut live).await;
    assert_fresh(&node, &config, &live, "after the backfill").await;
}

#[tokio::test]
async fn a_reorg_across_finality_halts_the_chain_and_names_the_way_out() {
    let options = NodeOptions { slots_in_an_epoch: 2, ..NodeOptions::default() };
    let node = Node::start_with(options).await.expect("anvil starts");
    let played = play(&node).await.expect("the scenario plays");
    let store = Arc::new(postgres_store(&database().await).await);
    let mut live = worker(rpc(&node.url()), store, factories(&played.suite));
    converge(&mut live).await;
    let before = dump(&**live.store()).await;
    node.reorg(&Reorg::of(12)).await.expect("anvil reorganizes");
    node.mine(2).await.expect("anvil mines");
    let outcomes = converge(&mut live).await;
    let Some(Outcome::Halted { reason }) = outcomes.last() else { panic!("it did not halt: {outcomes:?}") };
    assert!(reason.contains("a reorg crossed finality"), "{reason}");
    assert_same(&dump(&**live.store()).await, &before, "halted");
    let checkpoint = live.store().checkpoint().await.expect("readable").expect("there");
    assert!(matches!(checkpoint.status, asset_indexer::store::Status::Halted { .. }), "the latch is stored");
}
