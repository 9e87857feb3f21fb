//! Contracts that are found with more older logs than a step should hold: they catch up, in steps of a size, and the tables
//! are those that reading everything at once gives.

use std::sync::Arc;

use alloy::primitives::{Address, keccak256};
use asset_indexer::fact::Role;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::postgres::Request;
use asset_indexer::sync::{Config, Outcome, Proving};

use crate::support::world::{
    assert_equal, assert_same, config, converge, database, dump, executor, fresh, postgres_store, worker,
};
use simulation::chain::{NewLog, NewTransaction, SimChain};
use simulation::events::{account, claim_added, raw};
use simulation::play::Play;

const FACTORY: (u8, u64) = (7, 7);
/// Blocks above a final one.
const DEPTH: u64 = 2;
/// How many logs contracts may have had before the step that finds them.
const OLDER_MAX: usize = 40;

fn factory() -> Address {
    account(FACTORY.0, FACTORY.1)
}

fn linked(number: u64) -> NewLog {
    let topics = [
        keccak256("WalletLinked(address,address)"),
        account(9, number).into_word(),
        account(8, number).into_word(),
    ];
    raw(factory(), topics.into(), Vec::new())
}

/// An identity's claims of one block.
fn claims(identity: u64, count: u64, nonce: u64) -> Vec<NewLog> {
    (0..count).map(|topic| claim_added(account(8, identity), account(6, 6), topic, nonce)).collect()
}

fn chain_of(blocks: Vec<Vec<NewLog>>) -> Arc<SimChain> {
    let chain = Arc::new(Play::chain(DEPTH));
    for logs in blocks {
        chain.mine(vec![NewTransaction { logs, ..NewTransaction::default() }]);
    }
    chain
}

/// One identity with 240 claims in 60 blocks, one with two, and who tells of both in the block after the next ten.
fn one_large() -> Vec<Vec<NewLog>> {
    let mut blocks = vec![vec![linked(99)]];
    blocks.extend((0..60).map(|number| claims(1, 4, number)));
    blocks.push(claims(2, 2, 61));
    blocks.extend((0..10).map(|_| Vec::new()));
    blocks.push(vec![linked(1), linked(2)]);
    blocks.extend((0..6).map(|number| claims(1 + number % 2, 1, 70 + number)));
    blocks
}

fn settings() -> Config {
    Config {
        range_logs_target: 10,
        older_logs_max: OLDER_MAX,
        range_blocks_max: 60,
        ..config(&[(Role::IdFactory, factory())])
    }
}

fn at_once(settings: &Config) -> Config {
    Config { older_logs_max: usize::MAX, range_logs_target: 1_000, ..settings.clone() }
}

/// The most logs of a step, and whether contracts came to join.
fn sizes(outcomes: &[Outcome]) -> (usize, bool) {
    let most = outcomes.iter().map(|outcome| match outcome {
        Outcome::Backfilled { events, .. } | Outcome::CaughtUp { events, .. } => *events,
        _ => 0,
    });
    let joins = |outcome: &Outcome| matches!(outcome, Outcome::CaughtUp { joined: true, .. });
    (most.max().unwrap_or(0), outcomes.iter().any(joins))
}

#[tokio::test]
async fn a_contract_with_a_large_past_catches_up_in_steps_of_a_size() {
    let chain = chain_of(one_large());
    for proving in [Proving::Background, Proving::Off] {
        let settings = Config { proving, ..settings() };
        let mut worker = worker(chain.clone(), Arc::new(MemoryStore::new()), settings.clone());
        let (most, joined) = sizes(&converge(&mut worker).await);
        assert!(joined && most <= OLDER_MAX, "{most} logs in a step");
        let expected = fresh(&chain, &at_once(&settings)).await;
        assert_equal(&**worker.store(), &expected, &format!("{proving:?}: in steps against at once")).await;
    }
    // What is proved is proved to the end of its range, and its contracts catch up all the same.
    let settings = Config { proving: Proving::BeforeCommit, ..settings() };
    let mut worker = worker(chain.clone(), Arc::new(MemoryStore::new()), settings.clone());
    assert!(sizes(&converge(&mut worker).await).1, "it catches up");
    let expected = fresh(&chain, &at_once(&settings)).await;
    assert_equal(&**worker.store(), &expected, "proved before the commit").await;
}

/// None of them is large: a shorter range leads to fewer, and nobody is left for later.
#[tokio::test]
async fn many_contracts_with_small_pasts_are_found_in_shorter_ranges() {
    let mut blocks = vec![vec![linked(99)]];
    blocks.extend((0..30).map(|number| claims(number, 4, number)));
    blocks.extend((0..30).map(|number| vec![linked(number)]));
    let chain = chain_of(blocks);
    let settings = Config { range_logs_target: 30, ..settings() };
    let mut worker = worker(chain.clone(), Arc::new(MemoryStore::new()), settings.clone());
    let (most, joined) = sizes(&converge(&mut worker).await);
    assert!(!joined && most <= OLDER_MAX + 30, "{most} logs in a step, caught up: {joined}");
    assert_equal(&**worker.store(), &fresh(&chain, &at_once(&settings)).await, "in shorter ranges").await;
}

/// One block leads to all of them, and cannot be cut.
#[tokio::test]
async fn many_contracts_that_one_block_leads_to_catch_up_together() {
    let mut blocks = vec![vec![linked(99)]];
    blocks.extend((0..30).map(|number| claims(number, 4, number)));
    blocks.push((0..30).map(linked).collect());
    blocks.extend((0..4).map(|_| Vec::new()));
    let chain = chain_of(blocks);
    let mut worker = worker(chain.clone(), Arc::new(MemoryStore::new()), settings());
    let (most, joined) = sizes(&converge(&mut worker).await);
    assert!(joined && most <= OLDER_MAX, "{most} logs in a step, caught up: {joined}");
    assert_equal(&**worker.store(), &fresh(&chain, &at_once(&settings())).await, "all in one block").await;
}

/// Such a block could be taken back, and what is read in steps leaves no undo: the head is followed without it meanwhile.
#[tokio::test]
async fn who_is_found_above_finality_with_a_large_past_catches_up_once_that_is_final() {
    for forked in [false, true] {
        let mut blocks = one_large();
        let above = blocks.split_off(blocks.len() - 7);
        let chain = chain_of(blocks);
        let mut worker = worker(chain.clone(), Arc::new(MemoryStore::new()), settings());
        converge(&mut worker).await;
        let below = worker.position().expect("it has read").id.number;
        let mut above = above.into_iter();
        let mut mine = || {
            let logs = above.next().unwrap_or_default();
            chain.mine(vec![NewTransaction { logs, ..NewTransaction::default() }]);
        };
        (0..DEPTH).for_each(|_| mine());
        let outcomes = converge(&mut worker).await;
        let catches_up = |outcome: &Outcome| matches!(outcome, Outcome::CaughtUp { .. });
        assert!(!outcomes.iter().any(catches_up), "not yet: {outcomes:?}");
        assert_eq!(worker.position().map(|at| at.id.number), Some(below + DEPTH), "the head is followed");
        assert_eq!(worker.contract_counts().1, 1, "one is behind");
        if forked {
            chain.reorg(DEPTH as usize, vec![Vec::new(), Vec::new(), Vec::new()]);
            converge(&mut worker).await;
            assert_eq!(worker.contract_counts().1, 0, "it went with the block that had announced it");
            let expected = fresh(&chain, &at_once(&settings())).await;
            assert_equal(&**worker.store(), &expected, "as if it had never been").await;
            continue;
        }
        (0..=DEPTH).for_each(|_| mine());
        let (most, joined) = sizes(&converge(&mut worker).await);
        assert!(joined && most <= OLDER_MAX, "{most} logs in a step, caught up: {joined}");
        let expected = fresh(&chain, &at_once(&settings())).await;
        assert_equal(&**worker.store(), &expected, "after it was final").await;
        (0..4).for_each(|_| mine());
        converge(&mut worker).await;
        assert_equal(&**worker.store(), &fresh(&chain, &at_once(&settings())).await, "and followed").await;
    }
}

#[tokio::test]
async fn a_rebuild_reads_a_large_past_in_steps_too() {
    let chain = chain_of(one_large());
    let name = database().await;
    let store = Arc::new(postgres_store(&name).await);
    let mut live = worker(chain.clone(), store, settings());
    converge(&mut live).await;
    let before = dump(&**live.store()).await;
    assert_same(&before, &dump(&fresh(&chain, &at_once(&settings())).await).await, "PostgreSQL in steps");
    for config in [settings(), at_once(&settings())] {
        let executor = executor(None::<&Arc<SimChain>>, live.store(), &config);
        executor.execute(&Request::Rebuild, &mut |_| {}).await.expect("ground holds everything");
        assert_same(&dump(&**live.store()).await, &before, "rebuilt against before");
    }
    live.forget();
    chain.reorg(1, vec![Vec::new(), Vec::new()]);
    converge(&mut live).await;
    assert_equal(&**live.store(), &fresh(&chain, &at_once(&settings())).await, "forked after a rebuild")
        .await;
}

/// Who is behind stays so where its announcement stays, and goes with it where that goes; either way it is read to the end.
#[tokio::test]
async fn a_rewind_in_the_midst_goes_on_to_the_same_tables() {
    let chain = chain_of(one_large());
    for to in [74, 40, 20] {
        let name = database().await;
        let store = Arc::new(postgres_store(&name).await);
        let mut live = worker(chain.clone(), store, settings());
        let reads = |outcome: &Outcome| matches!(outcome, Outcome::CaughtUp { joined: false, .. });
        let mut read = 0;
        while read < 2 {
            read += usize::from(reads(&live.step(None).await.expect("the step succeeds")));
        }
        assert!(live.position().is_some_and(|at| at.id.number > to), "there is something to take back");
        let executor = executor(Some(&chain), live.store(), &settings());
        let rewind = Request::Rewind { to, reason: "a test".to_owned() };
        executor.execute(&rewind, &mut |_| {}).await.expect("ground holds what was read");
        live.forget();
        let (_, joined) = sizes(&converge(&mut live).await);
        assert!(joined, "it is read to the end");
        let expected = fresh(&chain, &at_once(&settings())).await;
        assert_equal(&**live.store(), &expected, &format!("rewound to {to} in the midst")).await;
    }
}
