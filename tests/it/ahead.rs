//! Ranges that are read while the one before is committed: what a chain that moves meanwhile does to them; and what they,
//! and a beginning, cost the node.

use std::sync::Arc;

use asset_indexer::block::{BlockRange, RawLog};
use asset_indexer::providers::{Budget, Finding, Need, Providers, Rules};
use asset_indexer::store::Store;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::sync::{Config, Outcome, Proving};

use crate::support::liar::{Liar, Lies};
use crate::support::world::{config, worker};
use simulation::chain::SimChain;
use simulation::play::Play;

const FINALITY: u64 = 6;
const BLOCKS: usize = 150;
/// The last block that both chains have.
const SHARED: usize = 40;

fn settings() -> Config {
    Config { range_blocks_max: 8, proving: Proving::Off, ..config(&Play::contracts()) }
}

/// Ranges one after the other, where what does not fit is an error of the step, and prepared ahead, where it is prepared anew.
fn both() -> [Config; 2] {
    [false, true].map(|reads_ahead| Config { reads_ahead, ..settings() })
}

/// Two chains that part above [`SHARED`].
fn chains(seed: u64) -> [Arc<SimChain>; 2] {
    [seed, seed + 1].map(|upper| {
        let chain = Arc::new(Play::chain(FINALITY));
        let mut play = Play::new(seed);
        play.blocks(SHARED).into_iter().for_each(|block| {
            chain.mine(block);
        });
        let mut play = if upper == seed { play } else { Play::new(upper) };
        play.blocks(BLOCKS - SHARED).into_iter().for_each(|block| {
            chain.mine(block);
        });
        chain
    })
}

/// What an index of the one chain holds when it is there.
async fn honest_logs(chain: &Arc<SimChain>, to: u64) -> Vec<RawLog> {
    let mut worker = worker(chain.clone(), Arc::new(MemoryStore::new()), settings());
    while worker.step(Some(to)).await.expect("an honest node") != Outcome::Idle {}
    worker.store().ground_logs(BlockRange { from: 0, to }, None).await.expect("readable")
}

#[tokio::test]
async fn a_chain_that_turns_into_another_is_never_mixed_with_it() {
    let [one, other] = chains(7);
    let mut refused = 0;
    for (turn, settings) in (1..=16).flat_map(|turn| both().map(|settings| (turn, settings))) {
        let liar = Arc::new(Liar::new(one.clone()));
        liar.turn_after(turn, other.clone());
        let mut worker = worker(liar.clone(), Arc::new(MemoryStore::new()), settings);
        for _ in 0..200 {
            match worker.step(None).await {
                Ok(Outcome::Idle | Outcome::Halted { .. }) => break,
                Ok(_) => {}
                Err(_) => refused += 1,
            }
            let Some(checkpoint) = worker.store().checkpoint().await.expect("readable") else { continue };
            let at = checkpoint.block.id;
            let is_on =
                |chain: &SimChain| chain.picture().at(at.number).is_some_and(|block| block.header.id == at);
            let chain =
                [&one, &other].into_iter().find(|chain| is_on(chain)).expect("it is one of their blocks");
            let range = BlockRange { from: 0, to: at.number };
            let stored = worker.store().ground_logs(range, None).await.expect("readable");
            let honest = honest_logs(chain, at.number).await;
            assert_eq!(stored.len(), honest.len(), "turned after {turn} lists, at block {}", at.number);
            let same = stored.iter().zip(&honest).all(|(one, other)| one.same_as(other));
            assert!(same, "turned after {turn} lists, at block {}", at.number);
        }
    }
    assert!(refused > 5, "the chain was met while it turned {refused} times");
}

#[tokio::test]
async fn one_odd_header_is_never_committed() {
    let [chain, _] = chains(7);
    let mut refused = 0;
    let places = (0..24).flat_map(|answers| (0..4).map(move |place| (answers, place)));
    for ((answers, place), settings) in places.flat_map(|at| both().map(|settings| (at, settings))) {
        let liar = Arc::new(Liar::new(chain.clone()));
        liar.be_odd_once(answers, place);
        let mut worker = worker(liar.clone(), Arc::new(MemoryStore::new()), settings);
        let mut ranges = 0;
        while ranges < 10 {
            match worker.step(None).await {
                Ok(Outcome::Backfilled { .. }) => ranges += 1,
                Ok(halted @ Outcome::Halted { .. }) => panic!("answer {answers}, place {place}: {halted:?}"),
                Ok(_) => {}
                Err(_) => refused += 1,
            }
            let Some(checkpoint) = worker.store().checkpoint().await.expect("readable") else { continue };
            let at = checkpoint.block.id;
            let ours = chain.picture().at(at.number).map(|block| block.header.id);
            assert_eq!(ours, Some(at), "answer {answers}, place {place}");
        }
    }
    assert!(refused > 20, "{refused}");
}

#[tokio::test]
async fn a_range_costs_one_request_for_headers() {
    let [chain, _] = chains(9);
    let liar = Arc::new(Liar::new(chain));
    let mut worker = worker(liar.clone(), Arc::new(MemoryStore::new()), settings());
    let mut ranges = Vec::new();
    while ranges.len() < 16 {
        let outcome = worker.step(None).await.expect("an honest node");
        let Outcome::Backfilled { range, .. } = outcome else { continue };
        ranges.push(range);
    }
    // Below a range and above it: that nothing moved.
    let is_asked = |range: &BlockRange, numbers: &[u64]| {
        numbers.contains(&(range.from - 1)) && numbers.contains(&range.to)
    };
    let asked = liar.take_headers_asked();
    let headers = asked.iter().filter(|numbers| ranges.iter().any(|range| is_asked(range, numbers))).count();
    assert_eq!(headers, ranges.len() + 1, "one more where the look at the chain begins");
}

#[tokio::test]
async fn contracts_that_start_together_are_looked_for_together() {
    let [chain, _] = chains(9);
    let liar = Arc::new(Liar::new(chain));
    let mut settings = settings();
    assert!(settings.contracts.len() > 1, "{:?}", settings.contracts);
    settings.contracts.iter_mut().for_each(|contract| contract.start_block = Some(100));
    let mut worker = worker(liar.clone(), Arc::new(MemoryStore::new()), settings);
    let refused = worker.step(None).await.expect_err("there are logs below block 100");
    assert!(refused.to_string().contains("start block 100"), "{refused}");
    assert_eq!(liar.lists_asked(), 1);
}

#[tokio::test]
async fn a_node_that_knows_no_receipts_is_asked_for_one_blocks() {
    let [chain, _] = chains(9);
    let liar = |lies| {
        let liar = Liar::new(chain.clone());
        liar.tell(lies);
        liar
    };
    let sources = [Lies { no_receipts: true, ..Lies::default() }, Lies::default()];
    let sources = sources.map(|lies| (liar(lies), Budget::default())).into();
    let providers = Providers::new(sources, None, Rules::default());
    let found = providers.probe(Need::default()).await;
    let asked: Vec<usize> = providers.sources().iter().map(Liar::receipts_asked).collect();
    assert_eq!(asked[0], 1, "the newest block's were refused");
    assert!(asked[1] > 8, "{asked:?}");
    assert!(matches!(found[0].1.receipts, Finding::No(_)), "{found:?}");
    assert_eq!(found[1].1.receipts, Finding::Yes);
}
