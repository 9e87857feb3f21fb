//! A sweep that has to rest: the head is followed meanwhile, and nothing behind it is proved.

use std::sync::Arc;

use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::{Checkpoint, Store};
use asset_indexer::sync::{Config, Outcome, Proving, Sync};
use simulation::chain::SimChain;
use simulation::play::Play;

use crate::support::world::{config, converge, worker};

const FINALITY: u64 = 6;

async fn checkpoint(worker: &Sync<SimChain, MemoryStore>) -> Checkpoint {
    worker.store().checkpoint().await.expect("readable").expect("there")
}

#[tokio::test]
async fn a_sweep_that_rests_proves_nothing_and_holds_nothing_back() {
    let mut play = Play::new(11);
    let chain = Arc::new(Play::chain(FINALITY));
    for block in play.blocks(40) {
        chain.mine(block);
    }
    let settings = Config { proving: Proving::Background, ..config(&Play::contracts()) };
    let mut worker = worker(chain.clone(), Arc::new(MemoryStore::new()), settings);
    worker.rest_from_sweeping(true);
    let mut outcomes = converge(&mut worker).await;
    for block in play.blocks(5) {
        chain.mine(block);
    }
    outcomes.extend(converge(&mut worker).await);
    assert!(outcomes.iter().all(|outcome| !matches!(outcome, Outcome::Verified { .. })), "{outcomes:?}");
    let resting = checkpoint(&worker).await;
    let head = worker.view().expect("it looked").head;
    assert_eq!(resting.block.id, head.id, "the head is followed");
    assert!(resting.verified.number < resting.finalized.number, "{resting:?}");
    worker.rest_from_sweeping(false);
    converge(&mut worker).await;
    let swept = checkpoint(&worker).await;
    assert!(swept.verified.number >= swept.finalized.number, "{swept:?}");
}
