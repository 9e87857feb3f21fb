//! The tables against an oracle that was written without knowledge of decode and fold.

use std::sync::Arc;

use asset_indexer::store::memory::MemoryStore;

use crate::support::oracle::{assert_told, expected};
use crate::support::play::Play;
use crate::support::world::{config, converge, dump, worker};

#[tokio::test]
async fn tables_are_what_an_independent_reading_of_the_chain_says() {
    for seed in 0..40 {
        let mut play = Play::new(seed);
        let depth = 3 + play.below(12);
        let chain = Arc::new(Play::chain(depth));
        for block in play.blocks(60) {
            chain.mine(block);
        }
        let settings = config(&Play::contracts());
        let store = Arc::new(MemoryStore::new());
        let mut worker = worker(chain.clone(), store.clone(), settings.clone());
        converge(&mut worker).await;
        let oracle = expected(&chain, &settings, chain.head().number);
        if std::env::var("SHOW").is_ok() && seed == 0 {
            for e in &oracle["asset_events"] {
                if e["block_number"] == 58 || e["block_number"] == 3 || e["block_number"] == 33 {
                    println!(
                        "{} {} {} {} tx {}",
                        e["block_number"], e["log_index"], e["address"], e["event_type"], e["event_data"]
                    );
                }
            }
            for (h, txs, _) in chain.blocks() {
                if [58, 33].contains(&h.id.number) {
                    println!("{txs:#?}");
                }
            }
            for o in &oracle["asset_operations"] {
                if o["block_number"] == 58 || o["block_number"] == 33 {
                    println!("{o:?}");
                }
            }
        }
        assert_told(&dump(&*store).await, &oracle, &format!("seed {seed}"));
    }
}
