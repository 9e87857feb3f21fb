//! What hostile or careless contracts log and answer, on a real node: kept byte for byte, counted, flagged; nothing
//! stops, and no other contract's rows suffer.

mod answers;
mod logs;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::rpc::types::Filter;
use asset_indexer::amount::Amount;
use asset_indexer::fact::Role;
use asset_indexer::id::asset_id;
use asset_indexer::rpc::Rpc;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::postgres::{PostgresStore, Request};
use asset_indexer::sync::{Config, Outcome, Sync};
use asset_indexer::table::asset::Asset;
use asset_indexer::table::event::{AssetEvent, Observation};
use asset_indexer::table::holder::AssetHolder;
use asset_indexer::table::identity::IdentityClaim;
use scenario::emitter::TRANSFER;
use scenario::{Artifacts, Call, Emitter, Node, NodeOptions, PlainToken, truth};

use crate::support::real::{rows, rpc};
use crate::support::world::{
    CHAIN_ID, assert_equal, config, converge, database, executor, postgres_store, worker,
};
use answers::{mouth, mouths};
use logs::{Case, MEGABYTE, cases, claims};
use simulation::events::account;

/// Why a kind of token cannot read a case, where it cannot.
type Verdict = fn(&Case) -> Option<&'static str>;

fn wallet(number: u64) -> Address {
    account(0xaa, number)
}

/// Everything hostile that one node has, and one honest token among it.
struct Stage {
    node: Node,
    config: Config,
    erc20: Emitter,
    trex: Emitter,
    identity: Emitter,
    honest: PlainToken,
    mouths: Vec<(Address, Option<String>)>,
}

impl Stage {
    async fn new() -> Self {
        // Finality is 16 blocks behind: a play is followed block by block, and final after 20 more.
        let options = NodeOptions { slots_in_an_epoch: 8, ..NodeOptions::default() };
        let node = Node::start_with(options).await.expect("anvil starts: see tests/setup.sh");
        let artifacts = Artifacts::open().expect("npm's packages are there");
        let sender = node.account(0);
        let emitter = async || Emitter::deploy(&node, sender).await.expect("it deploys");
        let (erc20, trex, identity) = (emitter().await, emitter().await, emitter().await);
        let supply = U256::from(1_000_000);
        let honest =
            PlainToken::deploy(&node, &artifacts, sender, "Honest", "HON", supply).await.expect("it deploys");
        let mut speaking = Vec::new();
        for (answer, name) in mouths() {
            speaking.push((mouth(&node, &answer).await, name));
        }
        let mut contracts = vec![
            (Role::Erc20, erc20.address),
            (Role::TrexToken, trex.address),
            (Role::Identity, identity.address),
            (Role::Erc20, honest.address),
        ];
        contracts.extend(speaking.iter().map(|(address, _)| (Role::Erc20, *address)));
        Self { config: config(&contracts), node, erc20, trex, identity, honest, mouths: speaking }
    }

    /// Every case once, with honest transfers in between, a few to a block.
    async fn play(&self) {
        let sender = self.node.account(0);
        let mut calls = Vec::new();
        for case in cases() {
            calls.extend([self.erc20, self.trex].map(|emitter| emitter.emit(&case.topics, &case.data)));
        }
        for case in claims() {
            calls.push(self.identity.emit(&case.topics, &case.data));
            calls.push(self.honest.transfer(sender, wallet(1), U256::from(3)));
        }
        for (address, _) in &self.mouths {
            let words = [TRANSFER, B256::ZERO, wallet(1).into_word(), B256::with_last_byte(7)].concat();
            calls.push(Call::raw(sender, *address, words.into(), "a hostile mint"));
        }
        // The gas limits of megabytes leave room for few others in a block.
        for block in calls.chunks(8) {
            self.node.send_in_one_block(block).await.expect("they log");
        }
    }

    async fn memory(&self) -> Arc<MemoryStore> {
        let memory = Arc::new(MemoryStore::new());
        converge(&mut worker(rpc(&self.node.url()), memory.clone(), self.config.clone())).await;
        memory
    }
}

#[tokio::test]
async fn whatever_contracts_log_is_kept_counted_and_flagged_and_stops_nothing() {
    let stage = Stage::new().await;
    stage.play().await;
    // The first half is final and read in ranges, the second is followed block by block.
    stage.node.mine(20).await.expect("anvil mines");
    stage.play().await;
    let database = database().await;
    let store = Arc::new(postgres_store(&database).await);
    let mut live = worker(rpc(&stage.node.url()), store, stage.config.clone());
    let outcomes = converge(&mut live).await;
    assert!(outcomes.iter().any(|outcome| matches!(outcome, Outcome::Backfilled { .. })), "{outcomes:?}");
    assert!(outcomes.iter().any(|outcome| matches!(outcome, Outcome::Followed { .. })), "{outcomes:?}");

    every_log_is_kept_byte_for_byte(&stage, &live).await;
    unreadable_logs_are_counted(&stage, &live).await;
    sums_are_exact_and_flagged(&stage, &live).await;
    answers_are_taken_as_far_as_they_can_be(&stage, &live).await;
    the_honest_token_is_untouched(&stage, &live).await;
    assert_equal(&**live.store(), &*stage.memory().await, "PostgreSQL against memory").await;

    stage.node.reorg_with_the_same_transactions(13, 1).await.expect("anvil reorganizes");
    let outcomes = converge(&mut live).await;
    assert!(outcomes.iter().any(|outcome| matches!(outcome, Outcome::RolledBack { .. })), "{outcomes:?}");
    let fresh = stage.memory().await;
    assert_equal(&**live.store(), &*fresh, "after a reorg").await;

    let executor = executor::<Rpc>(None, live.store(), &stage.config);
    executor.execute(&Request::Rebuild, &mut |_| {}).await.expect("ground holds everything");
    assert_equal(&**live.store(), &*fresh, "after a rebuild without the node").await;
}

async fn every_log_is_kept_byte_for_byte(stage: &Stage, live: &Sync<Rpc, PostgresStore>) {
    let addresses: Vec<Address> = stage.config.contracts.iter().map(|contract| contract.address).collect();
    let filter = Filter::new().from_block(0).address(addresses);
    let theirs: BTreeMap<(u64, u64), (Address, Vec<B256>, Bytes)> = stage
        .node
        .logs(&filter)
        .await
        .expect("the node answers")
        .into_iter()
        .map(|log| {
            let place = (log.block_number.expect("mined"), log.log_index.expect("mined"));
            (place, (log.address(), log.topics().to_vec(), log.data().data.clone()))
        })
        .collect();
    assert!(theirs.len() > 150, "{} logs", theirs.len());
    let events: Vec<AssetEvent> = rows(&**live.store()).await;
    let ours: BTreeMap<(u64, u64), (Address, Vec<B256>, Bytes)> = events
        .iter()
        .map(|event| {
            let log = event.log();
            ((event.block_number, u64::from(event.log_index)), (log.address, log.topics, log.data))
        })
        .collect();
    assert_eq!(ours.len(), theirs.len());
    for (place, log) in &theirs {
        assert!(ours.get(place) == Some(log), "the log at {place:?} of {} is another", log.0);
    }
}

async fn unreadable_logs_are_counted(stage: &Stage, live: &Sync<Rpc, PostgresStore>) {
    let events: Vec<AssetEvent> = rows(&**live.store()).await;
    let assets: Vec<Asset> = rows(&**live.store()).await;
    let expected = |of: Verdict| cases().iter().map(of).collect::<Vec<_>>();
    for (address, expected) in
        [(stage.erc20.address, expected(|case| case.erc20)), (stage.trex.address, expected(|case| case.trex))]
    {
        let told: Vec<Option<&str>> = events
            .iter()
            .filter(|event| event.address == address)
            .map(|event| event.unreadable.as_deref())
            .collect();
        for (place, (expected, case)) in expected.iter().zip(cases()).enumerate() {
            assert_eq!(told[place], *expected, "{} of {address}", case.what);
        }
        assert_eq!(told, expected.repeat(2), "the same in a range and followed");
        let count = told.iter().flatten().count() as u64;
        let asset = assets.iter().find(|asset| asset.contract_address == address).expect("it is an asset");
        assert_eq!(asset.unreadable_logs, count);
    }
    let identity: Vec<Option<&str>> = events
        .iter()
        .filter(|event| event.address == stage.identity.address)
        .map(|event| event.unreadable.as_deref())
        .collect();
    let cut = |case: &Case| (case.what == "a claim that ends early").then_some("malformed");
    assert_eq!(identity, claims().iter().map(cut).collect::<Vec<_>>().repeat(2));
}

/// What the readable transfers of both plays add up to.
fn model(of: Verdict) -> (BTreeMap<Address, Amount>, Amount) {
    let (mut balances, mut supply) = (BTreeMap::<Address, Amount>::new(), Amount::ZERO);
    for case in cases().iter().chain(&cases()) {
        if of(case).is_some() || case.topics.first() != Some(&TRANSFER) {
            continue;
        }
        let (from, to) = (Address::from_word(case.topics[1]), Address::from_word(case.topics[2]));
        let amount = Amount::from(U256::from_be_slice(&case.data[..32]));
        // Nothing moves, so nobody becomes a holder.
        if from == to || amount.is_zero() {
            continue;
        }
        if from.is_zero() {
            supply = supply.plus(amount);
        } else {
            let balance = balances.entry(from).or_default();
            *balance = balance.minus(amount);
        }
        if to.is_zero() {
            supply = supply.minus(amount);
        } else {
            let balance = balances.entry(to).or_default();
            *balance = balance.plus(amount);
        }
    }
    (balances, supply)
}

async fn sums_are_exact_and_flagged(stage: &Stage, live: &Sync<Rpc, PostgresStore>) {
    let assets: Vec<Asset> = rows(&**live.store()).await;
    let holders: Vec<AssetHolder> = rows(&**live.store()).await;
    let kinds: [(Address, Verdict); 2] =
        [(stage.erc20.address, |case| case.erc20), (stage.trex.address, |case| case.trex)];
    for (address, of) in kinds {
        let id = asset_id(CHAIN_ID, address);
        let asset = assets.iter().find(|asset| asset.id == id).expect("it is an asset");
        let (balances, supply) = model(of);
        let ours: BTreeMap<Address, Amount> =
            holders.iter().filter(|row| row.asset_id == id).map(|row| (row.holder, row.balance)).collect();
        assert_eq!(ours, balances, "{address}");
        assert_eq!(asset.total_supply, supply);
        let most = (0..20).fold(Amount::ZERO, |sum, _| sum.plus(Amount::from(U256::MAX)));
        assert_eq!(ours[&wallet(6)], most, "twenty mints of all that fits");
        assert_eq!(ours[&wallet(3)], Amount::ZERO.minus(Amount::from(8)));
        assert!(asset.exceeds_uint256 && asset.negative_balance, "{asset:?}");
        assert_eq!(asset.holder_count, balances.values().filter(|balance| !balance.is_zero()).count() as u64);
        assert_eq!(
            (asset.name.as_deref(), asset.decimals, asset.complete_from),
            (None, asset.decimals, None)
        );
    }
    let id = asset_id(CHAIN_ID, stage.trex.address);
    let frozen = |wallet: Address| {
        holders.iter().find(|row| row.asset_id == id && row.holder == wallet).expect("it has a row").frozen
    };
    assert_eq!(frozen(wallet(1)), Amount::ZERO.minus(Amount::from(10)));
    assert_eq!(frozen(wallet(2)), Amount::from(U256::MAX).plus(Amount::from(U256::MAX)));
}

async fn answers_are_taken_as_far_as_they_can_be(stage: &Stage, live: &Sync<Rpc, PostgresStore>) {
    let store = live.store();
    let assets: Vec<Asset> = rows(&**store).await;
    for (place, (address, name)) in stage.mouths.iter().enumerate() {
        let asset = assets.iter().find(|asset| asset.contract_address == *address).expect("it is an asset");
        assert_eq!(asset.name, *name, "token {place}");
        assert_eq!(asset.total_supply, Amount::from(14));
        assert_eq!((asset.negative_balance, asset.exceeds_uint256, asset.unreadable_logs), (false, false, 0));
    }
    let observations: Vec<Observation> = rows(&**store).await;
    let outcomes: BTreeSet<&str> = observations.iter().map(|row| row.outcome.as_str()).collect();
    assert_eq!(outcomes, BTreeSet::from(["returned", "reverted"]));
    let trex = assets.iter().find(|asset| asset.contract_address == stage.trex.address).expect("an asset");
    let version = trex.version.as_deref().expect("it told one");
    assert!(version.len() < 2_000 && !version.contains('\0'), "{version:?}");
    let claims: Vec<IdentityClaim> = rows(&**store).await;
    let claim = |number: u8| {
        let id = B256::with_last_byte(number);
        let open: Vec<_> = claims.iter().filter(|row| row.claim_id == id && row.to_block.is_none()).collect();
        assert_eq!(open.len(), 1, "claim {number}");
        open[0].clone()
    };
    assert_eq!(claim(2).uri, "ipfs\\0://");
    assert_eq!(claim(1).uri, "\\xff\\xfe\\xc3( \\xed\\xa0\\x80!");
    let long = claim(3);
    assert_eq!((long.signature.len(), long.claim_data.len()), (MEGABYTE, MEGABYTE), "a claim is kept whole");
    assert!(long.uri.ends_with('…') && long.uri.len() < 10_000);
    assert!(
        claims.iter().all(|row| row.claim_id != B256::with_last_byte(4)),
        "what cannot be read means nothing"
    );
}

async fn the_honest_token_is_untouched(stage: &Stage, live: &Sync<Rpc, PostgresStore>) {
    let head = stage.node.head().await.expect("the node answers").header.hash;
    let assets: Vec<Asset> = rows(&**live.store()).await;
    let holders: Vec<AssetHolder> = rows(&**live.store()).await;
    let id = asset_id(CHAIN_ID, stage.honest.address);
    let asset = assets.iter().find(|asset| asset.id == id).expect("it is an asset");
    assert_eq!((asset.name.as_deref(), asset.decimals), (Some("Honest"), Some(18)));
    assert_eq!(asset.total_supply, Amount::from(1_000_000));
    assert_eq!((asset.negative_balance, asset.exceeds_uint256, asset.unreadable_logs), (false, false, 0));
    let ours: Vec<&AssetHolder> = holders.iter().filter(|row| row.asset_id == id).collect();
    assert_eq!(ours.len(), 2);
    for row in ours {
        let balance =
            truth::balance(&stage.node, head, stage.honest.address, row.holder).await.expect("it answers");
        assert_eq!(row.balance, Amount::from(balance), "{}", row.holder);
    }
}
