//! The oracle of all: after any mix of forks and restarts, the tables equal those of a fresh index of the final chain,
//! every column of every row, ids included.

use std::sync::Arc;

use alloy::primitives::{Address, keccak256};
use asset_indexer::block::BlockRange;
use asset_indexer::fact::Role;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::sync::{Config, Outcome, Proving};

use crate::support::world::{
    assert_equal, assert_same, config, converge, database, dump, fresh, postgres_store, worker,
};
use simulation::chain::{NewTransaction, SimChain};
use simulation::events::{account, claim_added, raw, transfer};
use simulation::play::{PLAIN, Play};

/// One seed: grows and forks a chain while two stores follow it, and compares them at every rest.
async fn follow_forks(seed: u64, rounds: u64, on_postgres: bool) {
    let mut play = Play::new(seed);
    let depth = 3 + play.below(12);
    let chain = Arc::new(Play::chain(depth));
    if seed.is_multiple_of(3) {
        chain.pace(7_000); // over midnights
    }
    let settings = config(&Play::contracts());
    let memory = Arc::new(MemoryStore::new());
    let mut followers = worker(chain.clone(), memory.clone(), settings.clone());
    let database = if on_postgres { Some(database().await) } else { None };
    let mut on_disk = match &database {
        Some(name) => {
            let store = Arc::new(postgres_store(name).await);
            Some(worker(chain.clone(), store, settings.clone()))
        }
        None => None,
    };
    for round in 0..rounds {
        let reorg = play.below(depth) as usize;
        let room = chain.head().number.saturating_sub(2) as usize;
        let grow = 1 + play.below(6) as usize;
        if round % 2 == 1 && reorg > 0 && reorg <= room {
            let mut blocks = chain.newest(reorg);
            if play.below(2) == 0 {
                blocks.reverse(); // transactions move to other blocks
            } else {
                blocks = play.blocks(reorg);
            }
            blocks.extend(play.blocks(grow));
            chain.reorg(reorg, blocks);
        } else {
            for block in play.blocks(grow) {
                chain.mine(block);
            }
        }
        converge(&mut followers).await;
        let context = format!("seed {seed} round {round}");
        let expected = fresh(&chain, &settings).await;
        assert_equal(&*memory, &expected, &format!("{context}: followed against fresh")).await;
        if let Some(on_disk) = &mut on_disk {
            converge(on_disk).await;
            let rows = dump(&**on_disk.store()).await;
            assert_same(&rows, &dump(&*memory).await, &format!("{context}: PostgreSQL against memory"));
        }
    }
}

#[tokio::test]
async fn tables_equal_those_of_a_fresh_index_after_any_forks_in_memory() {
    for seed in 0..60 {
        follow_forks(seed, 10, false).await;
    }
}

#[tokio::test]
async fn tables_equal_those_of_a_fresh_index_after_any_forks_on_postgresql() {
    for seed in 1_000..1_008 {
        follow_forks(seed, 8, true).await;
    }
}

#[tokio::test]
async fn a_reorg_that_crosses_finality_halts_and_changes_nothing() {
    let mut play = Play::new(7);
    let chain = Arc::new(Play::chain(4));
    for block in play.blocks(12) {
        chain.mine(block);
    }
    let store = Arc::new(MemoryStore::new());
    let mut worker = worker(chain.clone(), store.clone(), config(&Play::contracts()));
    converge(&mut worker).await;
    let before = dump(&*store).await;
    chain.reorg(8, play.blocks(12));
    let outcomes = converge(&mut worker).await;
    let Some(Outcome::Halted { reason }) = outcomes.last() else {
        panic!("it did not halt: {outcomes:?}");
    };
    assert!(reason.contains("a reorg crossed finality") && reason.contains("rewind --to"), "{reason}");
    assert_same(&dump(&*store).await, &before, "halted against before");
}

/// Ranges, and how many logs each of them had; the rows are those of steps of a block each.
async fn steps_of(chain: &Arc<SimChain>, settings: &Config) -> Vec<(BlockRange, usize)> {
    let memory = Arc::new(MemoryStore::new());
    let outcomes = converge(&mut worker(chain.clone(), memory.clone(), settings.clone())).await;
    let steps: Vec<(BlockRange, usize)> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Backfilled { range, events } => Some((*range, *events)),
            _ => None,
        })
        .collect();
    assert!(
        steps.windows(2).all(|pair| pair[0].0.to + 1 == pair[1].0.from),
        "no block is left out: {steps:?}"
    );
    let blockwise = Config { range_logs_target: 1, range_blocks_max: 1, ..settings.clone() };
    assert_equal(&*memory, &fresh(chain, &blockwise).await, "cut ranges against single blocks").await;
    steps
}

/// A step after long silence asks for many blocks, and they may be full.
#[tokio::test]
async fn a_range_with_too_many_logs_ends_where_a_step_is_full() {
    let chain = Arc::new(Play::chain(2));
    let plain = account(PLAIN, 0);
    for number in 0..120 {
        let logs = if number < 90 { 0 } else { 7 };
        let logs = (0..logs).map(|value| transfer(plain, Address::ZERO, account(1, number), value)).collect();
        chain.mine(vec![NewTransaction { logs, ..NewTransaction::default() }]);
    }
    let settings = Config { range_logs_target: 20, range_blocks_max: 60, ..config(&Play::contracts()) };
    let steps = steps_of(&chain, &settings).await;
    assert!(steps.iter().any(|(range, _)| range.len() > 40), "silence is read in one go: {steps:?}");
    assert!(
        steps.iter().all(|(_, events)| *events <= 30),
        "a step holds half as much again at most: {steps:?}"
    );
}

/// Few logs may lead to many: each of an identity that has a past.
#[tokio::test]
async fn a_range_that_leads_to_too_many_logs_ends_where_a_step_is_full() {
    let chain = Arc::new(Play::chain(2));
    let factory = account(7, 7);
    let identity = |number| account(8, number);
    let linked = |number| {
        let topics = [
            keccak256("WalletLinked(address,address)"),
            account(9, number).into_word(),
            identity(number).into_word(),
        ];
        raw(factory, topics.into(), Vec::new())
    };
    for number in 0..160 {
        let logs = match number {
            5 => vec![linked(60)],
            20..80 => {
                (0..6).map(|topic| claim_added(identity(number - 20), account(6, 6), topic, number)).collect()
            }
            100.. => vec![linked(number - 100)],
            _ => Vec::new(),
        };
        chain.mine(vec![NewTransaction { logs, ..NewTransaction::default() }]);
    }
    let settings =
        Config { range_logs_target: 20, range_blocks_max: 60, ..config(&[(Role::IdFactory, factory)]) };
    for proving in [Proving::Off, Proving::BeforeCommit] {
        let steps = steps_of(&chain, &Config { proving, ..settings.clone() }).await;
        assert!(steps.iter().any(|(range, _)| range.len() > 40), "silence is read in one go: {steps:?}");
        let all: usize = steps.iter().map(|(_, events)| *events).sum();
        assert!(all > 400, "{steps:?}");
        let most = steps.iter().map(|(_, events)| *events).max();
        match proving {
            Proving::Off => assert!(most <= Some(30), "a step holds half as much again at most: {steps:?}"),
            _ => assert!(most > Some(30), "what is proved is proved to the end: {steps:?}"),
        }
    }
}
