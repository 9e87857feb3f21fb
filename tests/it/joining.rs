//! Contracts that are configured later, or from some block on: whatever was known of them, and whatever a reorg takes, the
//! tables come to be those of a fresh index.

use std::sync::Arc;

use alloy::primitives::{Address, keccak256};
use alloy::sol_types::SolCall as _;
use asset_indexer::decode::Decoder;
use asset_indexer::execute::ExecuteError;
use asset_indexer::fact::Role;
use asset_indexer::row::Table as _;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::postgres::Request;
use asset_indexer::store::{Cause, Store};
use asset_indexer::sync::{Config, Contract, Outcome, Sync, SyncError, fold_ground};
use asset_indexer::table::event::AssetEvent;
use simulation::chain::{NewLog, NewTransaction, SimChain};
use simulation::events::{account, claim_added, factory, log, registry, storage, transfer};
use simulation::play::Play;

use crate::support::world::{
    assert_equal, assert_same, config, converge, database, dump, executor, fresh, postgres_store, worker,
};

alloy::sol! {
    function balanceOf(address account) external view returns (uint256);
    function totalSupply() external view returns (uint256);
}

/// Blocks above the newest final one.
const DEPTH: usize = 6;
const STORAGE: Role = Role::IdentityRegistryStorage;

/// A chain whose block `number` has what `logs` gives for it; its play's first block is 1.
fn chain_of(length: usize, logs: impl Fn(usize) -> Vec<NewLog>) -> Arc<SimChain> {
    let chain = Arc::new(Play::chain(DEPTH as u64));
    while chain.head().number < length as u64 {
        chain.mine(block(logs(chain.head().number as usize + 1)));
    }
    chain
}

fn block(logs: Vec<NewLog>) -> Vec<NewTransaction> {
    vec![NewTransaction { logs, ..NewTransaction::default() }]
}

/// Puts other blocks in place of those from `first` on, and one more.
fn replaced(chain: &SimChain, first: usize, logs: impl Fn(usize) -> Vec<NewLog>) {
    let head = chain.head().number as usize;
    chain.reorg(head - first + 1, (first..=head + 1).map(|number| block(logs(number))).collect());
}

fn registers(at: Address, wallet: u64, identity: Address) -> NewLog {
    log(at, storage::IdentityStored { investorAddress: account(9, wallet), identity })
}

fn from(role: Role, address: Address, start: u64, partial: bool) -> Config {
    let contract = Contract { role, address, start_block: Some(start), partial };
    Config { contracts: vec![contract], ..config(&[]) }
}

async fn assert_fresh<D: Store>(store: &D, chain: &Arc<SimChain>, settings: &Config, context: &str) {
    assert_equal(store, &fresh(chain, settings).await, context).await;
}

/// What the factory logs of a suite with this token.
fn suite_of(token: Address) -> factory::TREXSuiteDeployed {
    factory::TREXSuiteDeployed {
        _token: token,
        _ir: account(7, 21),
        _irs: account(7, 22),
        _tir: account(7, 23),
        _ctr: account(7, 24),
        _mc: account(7, 25),
        _salt: keccak256("salt"),
    }
}

/// Folds the tables from ground again, as the worker is configured.
async fn folded_anew<D: Store>(worker: &Sync<SimChain, D>, settings: &Config) {
    let store = worker.store();
    let checkpoint = store.checkpoint().await.expect("readable").expect("there");
    let headers = store.headers().await.expect("readable");
    let (decoder, node) = (Arc::new(Decoder::new(&[])), Some(worker.source().clone()));
    fold_ground(node, store, &decoder, settings, &Cause::Rebuild, &checkpoint, &headers, &mut |_| {})
        .await
        .expect("it folds");
}

/// How a block at the head brings in an identity that a storage registered earlier, which is configured later.
#[derive(Debug, Clone, Copy)]
enum Second {
    /// A storage that is followed registers it too.
    Registered,
    /// A registry that is followed comes to point to an old storage that registered it long ago.
    Pointed,
}

/// A reorg takes the block that brought the identity in: it stays, with what it logged, by the word of the other storage.
async fn a_reorg_takes_the_second_word<D: Store>(store: Arc<D>, earlier: usize, second: Second) {
    const HEAD: usize = 13;
    const SECOND: usize = 11;
    let (followed, added, old, identity) = (account(7, 1), account(7, 2), account(7, 3), account(8, 1));
    let logs = |number: usize, has_second: bool| {
        let mut logs = Vec::new();
        match number {
            2 => {
                logs.push(registers(added, 3, account(8, 2)));
                logs.push(match second {
                    Second::Registered => registers(followed, 3, account(8, 2)),
                    Second::Pointed => log(followed, registry::AgentAdded { _agent: account(1, 1) }),
                });
            }
            3 if matches!(second, Second::Pointed) => logs.push(registers(old, 1, identity)),
            4 => logs.push(claim_added(identity, account(6, 6), 1, 1)),
            SECOND if has_second => logs.push(match second {
                Second::Registered => registers(followed, 1, identity),
                Second::Pointed => log(followed, registry::IdentityStorageSet { identityStorage: old }),
            }),
            _ => {}
        }
        if number == earlier {
            logs.push(registers(added, 2, identity));
        }
        logs
    };
    let role = match second {
        Second::Registered => STORAGE,
        Second::Pointed => Role::IdentityRegistry,
    };
    let chain = chain_of(HEAD, |number| logs(number, true));
    converge(&mut worker(chain.clone(), store.clone(), config(&[(role, followed)]))).await;
    let settings = config(&[(role, followed), (STORAGE, added)]);
    let mut worker = worker(chain.clone(), store.clone(), settings.clone());
    let outcomes = converge(&mut worker).await;
    let made_way = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::RolledBack { is_reorg: false, .. }))
        .count();
    assert_eq!(made_way, 1, "{second:?}, {earlier}: {outcomes:?}");
    assert_fresh(&*store, &chain, &settings, &format!("{second:?}, {earlier}: added")).await;
    replaced(&chain, SECOND, |number| logs(number, false));
    converge(&mut worker).await;
    assert_fresh(&*store, &chain, &settings, &format!("{second:?}, {earlier}: added, then forked")).await;
}

#[tokio::test]
async fn a_contract_of_two_announcers_stays_when_a_reorg_takes_the_one_followed_first() {
    for second in [Second::Registered, Second::Pointed] {
        for earlier in [5, 9] {
            a_reorg_takes_the_second_word(Arc::new(MemoryStore::new()), earlier, second).await;
            let store = postgres_store(&database().await).await;
            a_reorg_takes_the_second_word(Arc::new(store), earlier, second).await;
        }
    }
}

/// Between two steps of an identity that catches up, a block at the head announces it, and goes.
#[tokio::test]
async fn an_identity_that_catches_up_keeps_its_row_when_the_block_that_announced_it_goes() {
    let (followed, identity) = (account(7, 1), account(8, 1));
    let logs = |number: usize, is_announced: bool| match number {
        2 => vec![registers(followed, 3, account(8, 2))],
        6 => vec![claim_added(identity, account(6, 6), 1, 1)],
        14 if is_announced => vec![registers(followed, 1, identity)],
        _ => Vec::new(),
    };
    let chain = chain_of(13, |number| logs(number, true));
    let store = Arc::new(postgres_store(&database().await).await);
    converge(&mut worker(chain.clone(), store.clone(), config(&[(STORAGE, followed)]))).await;
    let mut settings = Config { range_blocks_max: 2, ..config(&[(STORAGE, followed)]) };
    settings.contracts.extend(from(Role::Identity, identity, 1, false).contracts);
    let mut worker = worker(chain.clone(), store.clone(), settings.clone());
    let first = worker.step(None).await.expect("it reads");
    assert!(matches!(first, Outcome::CaughtUp { joined: false, .. }), "{first:?}");
    chain.mine(block(logs(14, true)));
    converge(&mut worker).await;
    assert_fresh(&*store, &chain, &settings, "announced meanwhile").await;
    replaced(&chain, 14, |number| logs(number, false));
    converge(&mut worker).await;
    assert_fresh(&*store, &chain, &settings, "announced meanwhile, and no more").await;
}

/// A token that its factory announced is known from its first event on: that it is configured as partial afterwards takes
/// nothing away, neither from what is still to be read nor in a rebuild.
#[tokio::test]
async fn a_token_that_is_known_already_is_not_opened_anew() {
    let (made_by, token) = (account(3, 1), account(0x20, 1));
    let logs = |number: usize| match number {
        2 => vec![log(made_by, suite_of(token))],
        3 => vec![transfer(token, Address::ZERO, account(1, 1), 100)],
        6 | 8 => vec![transfer(token, account(1, 1), account(1, number as u64), 10)],
        _ => Vec::new(),
    };
    let chain = chain_of(16, logs);
    let store = Arc::new(MemoryStore::new());
    let plain = Config { range_blocks_max: 2, ..config(&[(Role::TrexFactory, made_by)]) };
    let mut before = worker(chain.clone(), store.clone(), plain.clone());
    while before.position().is_none_or(|at| at.id.number < 5) {
        before.step(Some(5)).await.expect("it reads");
    }
    let mut partial = plain.clone();
    partial.contracts.extend(from(Role::TrexToken, token, 9, true).contracts);
    let mut added = worker(chain.clone(), store.clone(), partial.clone());
    converge(&mut added).await;
    let without_contracts = async |store: &MemoryStore| {
        let mut tables = dump(store).await;
        tables.retain(|(name, _)| !["contracts", "configured_contracts"].contains(name));
        tables
    };
    let expected = without_contracts(&fresh(&chain, &plain).await).await;
    assert_same(&without_contracts(&store).await, &expected, "configured as partial later");
    folded_anew(&added, &partial).await;
    assert_same(&without_contracts(&store).await, &expected, "and folded anew");
}

/// A token whose balance at a block's end depends on the block, and that logs in block 2 and in those of `moves`.
fn moving_token(
    token: Address,
    head: usize,
    moves: &[usize],
) -> (Arc<SimChain>, impl Fn(usize) -> Vec<NewLog> + use<>) {
    let moves = moves.to_vec();
    let logs = move |number: usize| match number {
        2 => vec![transfer(token, Address::ZERO, account(1, 9), 1_000)],
        number if moves.contains(&number) => vec![transfer(token, account(1, 9), account(1, 1), 10)],
        _ => Vec::new(),
    };
    let chain = chain_of(head, &logs);
    chain.answer_by_block(token, balanceOfCall { account: account(1, 1) }.abi_encode());
    chain.answer_by_block(token, balanceOfCall { account: account(1, 9) }.abi_encode());
    chain.answer_by_block(token, totalSupplyCall {}.abi_encode());
    (chain, logs)
}

/// What was asked at a block that is not final would be asked of a block that is none any more.
#[tokio::test]
async fn opening_balances_are_not_asked_for_above_finality() {
    let token = account(0x20, 1);
    let (chain, _) = moving_token(token, 13, &[12]);
    for (start, is_refused) in [(13, true), (9, true), (8, false)] {
        let store = Arc::new(MemoryStore::new());
        let begun = worker(chain.clone(), store, from(Role::Erc20, token, start, true)).step(None).await;
        match begun {
            Err(SyncError::Start(error)) if is_refused => {
                let said = error.to_string();
                assert!(said.contains("start at block 8 or below"), "{said}");
            }
            Ok(Outcome::Started(_)) if !is_refused => {}
            other => panic!("started at {start}: {other:?}"),
        }
    }
}

/// A first checkpoint that is not final would be the only block that is known when a reorg takes it.
#[tokio::test]
async fn a_start_above_finality_survives_a_reorg_of_the_block_below_it() {
    let token = account(0x20, 1);
    let logs = |number: usize| match number {
        13 => vec![transfer(token, Address::ZERO, account(1, 9), 1_000)],
        _ => Vec::new(),
    };
    let chain = chain_of(13, logs);
    let settings = from(Role::Erc20, token, 13, false);
    let store = Arc::new(MemoryStore::new());
    let mut worker = worker(chain.clone(), store.clone(), settings.clone());
    worker.step(None).await.expect("it starts");
    replaced(&chain, 11, logs);
    converge(&mut worker).await;
    assert_fresh(&*store, &chain, &settings, "started at the head, then forked").await;
}

/// An opening balance was first asked for by a block above finality, and goes with it after a rebuild, too.
async fn goes_with_the_block_that_asked<D: Store>(store: Arc<D>) {
    let token = account(0x20, 1);
    let (chain, logs) = moving_token(token, 13, &[12]);
    let settings = from(Role::Erc20, token, 5, true);
    let mut worker = worker(chain.clone(), store.clone(), settings.clone());
    converge(&mut worker).await;
    folded_anew(&worker, &settings).await;
    assert_fresh(&*store, &chain, &settings, "folded anew").await;
    replaced(&chain, 12, |number| if number == 12 { Vec::new() } else { logs(number) });
    converge(&mut worker).await;
    assert_fresh(&*store, &chain, &settings, "folded anew, then forked").await;
}

#[tokio::test]
async fn an_opening_balance_goes_with_the_block_that_asked_for_it_after_a_rebuild_too() {
    goes_with_the_block_that_asked(Arc::new(MemoryStore::new())).await;
    goes_with_the_block_that_asked(Arc::new(postgres_store(&database().await).await)).await;
}

/// Of what is below the first block that was read nothing is known.
#[tokio::test]
async fn a_rewind_to_a_chain_that_shares_no_block_with_the_tables_is_refused() {
    let token = account(0x20, 1);
    let logs = |number: usize| match number {
        12 | 18 => vec![transfer(token, Address::ZERO, account(1, 9), 1_000)],
        _ => Vec::new(),
    };
    let chain = chain_of(20, logs);
    let settings = from(Role::Erc20, token, 10, false);
    let store = Arc::new(postgres_store(&database().await).await);
    let mut worker = worker(chain.clone(), store.clone(), settings.clone());
    converge(&mut worker).await;
    replaced(&chain, 5, logs);
    let outcomes = converge(&mut worker).await;
    assert!(matches!(outcomes.last(), Some(Outcome::Halted { .. })), "{outcomes:?}");
    let before = dump(&*store).await;
    let request = Request::Rewind { to: 13, reason: "a test".to_owned() };
    let refused = executor(Some(&chain), &store, &settings).execute(&request, &mut |_| {}).await;
    let refused = refused.expect_err("every block is of the other chain");
    assert!(matches!(refused, ExecuteError::NothingShared { to: 13, .. }), "{refused}");
    assert_same(&dump(&*store).await, &before, "a rewind that was refused");
}

/// Where nothing is final for long, reading began far above finality: blocks below that are read of who joins, all the same.
#[tokio::test]
async fn a_contract_that_joins_where_reading_began_above_finality_is_read_from_its_first_log() {
    let (first, second) = (account(0x20, 1), account(0x20, 2));
    const START: usize = 10_020;
    let logs = |number: usize| match number {
        9_000 | 10_018 => vec![transfer(second, Address::ZERO, account(1, 9), 7)],
        number if number >= START => {
            vec![
                transfer(first, Address::ZERO, account(1, 9), 5),
                transfer(second, account(1, 9), account(1, 8), 1),
            ]
        }
        _ => Vec::new(),
    };
    let chain = Arc::new(Play::chain(1_000_000));
    while chain.head().number < START as u64 + 3 {
        chain.mine(block(logs(chain.head().number as usize + 1)));
    }
    let mut settings = from(Role::Erc20, first, START as u64, false);
    let store = Arc::new(MemoryStore::new());
    converge(&mut worker(chain.clone(), store.clone(), settings.clone())).await;
    settings.contracts.extend(from(Role::Erc20, second, 9_000, false).contracts);
    converge(&mut worker(chain.clone(), store.clone(), settings.clone())).await;
    let events = store.dump(AssetEvent::DEF).await.expect("readable").len();
    assert_eq!(events, 2 + 2 * 4, "two below the first block that was read, and two in each from there on");
}

/// The blocks that both have are near to where reading began.
#[tokio::test]
async fn a_rewind_finds_the_only_blocks_that_are_shared_just_above_where_reading_began() {
    let token = account(0x20, 1);
    let logs = |number: usize| match number {
        12.. => vec![transfer(token, Address::ZERO, account(1, 9), 1_000)],
        _ => Vec::new(),
    };
    let chain = chain_of(60, logs);
    let settings = from(Role::Erc20, token, 10, false);
    let store = Arc::new(postgres_store(&database().await).await);
    let mut worker = worker(chain.clone(), store.clone(), settings.clone());
    converge(&mut worker).await;
    replaced(&chain, 14, |number| if number % 2 == 0 { logs(number) } else { Vec::new() });
    let outcomes = converge(&mut worker).await;
    assert!(matches!(outcomes.last(), Some(Outcome::Halted { .. })), "{outcomes:?}");
    let request = Request::Rewind { to: 53, reason: "a test".to_owned() };
    let report = executor(Some(&chain), &store, &settings).execute(&request, &mut |_| {}).await;
    assert_eq!(report.expect("it rewinds")["to"], 13, "block 14 is another");
    worker.forget();
    converge(&mut worker).await;
    assert_fresh(&*store, &chain, &settings, "rewound").await;
}
