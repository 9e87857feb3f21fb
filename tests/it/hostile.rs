//! What hostile or careless contracts log and answer, on a real node: kept byte for byte, counted, flagged; nothing
//! stops, and no other contract's rows suffer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use asset_indexer::amount::Amount;
use asset_indexer::decode::Decoder;
use asset_indexer::execute::Executor;
use asset_indexer::fact::Role;
use asset_indexer::id::asset_id;
use asset_indexer::retry::Policy;
use asset_indexer::rpc::{self, Finality, Rpc};
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::postgres::{PostgresStore, Request};
use asset_indexer::sync::{Config, Outcome, Sync};
use asset_indexer::table::asset::Asset;
use asset_indexer::table::contract::Contract;
use asset_indexer::table::event::{AssetEvent, Observation};
use asset_indexer::table::holder::AssetHolder;
use asset_indexer::table::identity::{Identity, IdentityClaim};
use asset_indexer::table::operation::AssetOperation;
use asset_indexer::table::registry::Registration;
use scenario::emitter::TRANSFER;
use scenario::{Artifacts, Call, Emitter, Node, NodeOptions, PlainToken, truth};

use crate::support::events::{account, factory, identity, registry, storage, token};
use crate::support::real::{node, rows, rpc};
use crate::support::scripted_node::{Chain, ScriptedNode, error};
use crate::support::world::{
    CHAIN_ID, assert_equal, assert_same, config, converge, database, dump, postgres_store, worker,
};

const MEGABYTE: usize = 1 << 20;

/// A log, and why a token of each kind cannot read it; `None` where it can.
struct Case {
    what: &'static str,
    topics: Vec<B256>,
    data: Vec<u8>,
    erc20: Option<&'static str>,
    trex: Option<&'static str>,
}

fn case(what: &'static str, topics: &[B256], data: &[u8], unreadable: Option<&'static str>) -> Case {
    Case { what, topics: topics.to_vec(), data: data.to_vec(), erc20: unreadable, trex: unreadable }
}

/// An event that only a T-REX token has.
fn trex(what: &'static str, event: impl SolEvent) -> Case {
    let data = event.encode_log_data();
    let (topics, data) = (data.topics().to_vec(), data.data.to_vec());
    Case { what, topics, data, erc20: Some("unknown_event"), trex: None }
}

fn moves(what: &'static str, from: Address, to: Address, amount: U256) -> Case {
    let topics = [TRANSFER, from.into_word(), to.into_word()];
    case(what, &topics, &amount.to_be_bytes::<32>(), None)
}

fn wallet(number: u64) -> Address {
    account(0xaa, number)
}

fn information(version: &str) -> token::UpdatedTokenInformation {
    token::UpdatedTokenInformation {
        _newName: keccak256("name"),
        _newSymbol: keccak256("symbol"),
        _newDecimals: 6,
        _newVersion: version.to_owned(),
        _newOnchainID: account(0x1d, 1),
    }
}

/// Replaces bytes that occur once.
fn replaced(mut case: Case, from: &[u8], to: &[u8]) -> Case {
    let places: Vec<usize> =
        (0..case.data.len() - from.len()).filter(|at| case.data[*at..].starts_with(from)).collect();
    let [at] = places.as_slice() else { panic!("{}: {places:?}", case.what) };
    case.data[*at..at + from.len()].copy_from_slice(to);
    case
}

/// Logs of any shape, in the order in which both tokens log them.
fn cases() -> Vec<Case> {
    let (a, b, word) = (wallet(1), wallet(2), |address: Address| address.into_word());
    let one = U256::ONE.to_be_bytes::<32>();
    let dirty = {
        let mut topic = word(a);
        topic.0[0] = 0xff;
        topic
    };
    let mut cases = vec![
        case(
            "an ERC-721 transfer",
            &[TRANSFER, word(a), word(b), B256::with_last_byte(7)],
            &[],
            Some("other_topic_count"),
        ),
        case(
            "a transfer without indices",
            &[TRANSFER],
            &[a.into_word().0, b.into_word().0, one].concat(),
            Some("other_topic_count"),
        ),
        case(
            "a transfer with one index",
            &[TRANSFER, word(a)],
            &[b.into_word().0, one].concat(),
            Some("other_topic_count"),
        ),
        case("an anonymous log without data", &[], &[], Some("anonymous")),
        case("an anonymous log with a transfer's data", &[], &one, Some("anonymous")),
        case("an unknown event", &[keccak256("Rug(uint256)")], &one, Some("unknown_event")),
        case(
            "an unknown event of a megabyte",
            &[keccak256("Rug(bytes)")],
            &vec![0xab; MEGABYTE],
            Some("unknown_event"),
        ),
        case("a transfer of no data", &[TRANSFER, word(a), word(b)], &[], Some("malformed")),
        case("a transfer of 31 bytes", &[TRANSFER, word(a), word(b)], &one[..31], Some("malformed")),
        moves("a transfer to oneself", a, a, U256::from(5)),
        moves("a transfer of nothing", a, b, U256::ZERO),
        moves("a transfer from nobody to nobody", Address::ZERO, Address::ZERO, U256::from(9)),
        moves("a burn of what nobody holds", wallet(3), Address::ZERO, U256::from(4)),
        moves("a transfer of what nobody holds", wallet(4), wallet(5), U256::MAX),
        moves("a transfer to the contract that logs", a, account(0x99, 9), U256::ZERO),
        trex(
            "an unfreeze of more than is frozen",
            token::TokensUnfrozen { _userAddress: a, _amount: U256::from(5) },
        ),
        trex(
            "a freeze of more than anybody holds",
            token::TokensFrozen { _userAddress: b, _amount: U256::MAX },
        ),
        trex("an unpause that was never a pause", token::Unpaused { _userAddress: a }),
        trex(
            "a recovery of nobody",
            token::RecoverySuccess { _lostWallet: a, _newWallet: a, _investorOnchainID: Address::ZERO },
        ),
        trex(
            "a registry that is the token of somebody else",
            token::IdentityRegistryAdded { _identityRegistry: account(0x99, 8) },
        ),
        trex("a version with NUL bytes", information("4\0.1\0")),
        trex("a version of a megabyte", information(&"v".repeat(MEGABYTE))),
        replaced(
            trex("a version that is not UTF-8", information("not UTF-8")),
            b"not UTF-8",
            b"\xff\xfe\xc3( \xed\xa0\x80!",
        ),
    ];
    cases.extend((0..10).map(|_| moves("a mint of all that fits", Address::ZERO, wallet(6), U256::MAX)));
    let mut long =
        case("a transfer with a word too many", &[TRANSFER, word(a), word(b)], &[one, one].concat(), None);
    long.topics[2] = word(wallet(7));
    cases.push(long);
    cases.push(case("a transfer from more than an address", &[TRANSFER, dirty, word(b)], &one, None));
    let mut lying = trex("a version that begins outside", information("4.1"));
    lying.data[32..64].copy_from_slice(&U256::MAX.to_be_bytes::<32>());
    lying.trex = Some("malformed");
    cases.push(lying);
    let mut endless = trex("a version longer than memory", information("4.1"));
    let length = endless.data.len() - 64;
    endless.data[length..length + 32].copy_from_slice(&U256::from(1u64 << 62).to_be_bytes::<32>());
    endless.trex = Some("malformed");
    cases.push(endless);
    cases
}

/// What an identity may be made to log.
fn claims() -> Vec<Case> {
    let claim = |number: u8, uri: &str, data: Vec<u8>| identity::ClaimAdded {
        claimId: B256::with_last_byte(number),
        topic: U256::MAX,
        scheme: U256::MAX,
        issuer: account(0x55, u64::from(number)),
        signature: Bytes::from(vec![number; 65]),
        data: data.into(),
        uri: uri.to_owned(),
    };
    let long = identity::ClaimAdded {
        signature: vec![1; MEGABYTE].into(),
        ..claim(3, &"u".repeat(MEGABYTE), vec![2; MEGABYTE])
    };
    let mut cut = trex("a claim that ends early", claim(4, "https://example.com", vec![]));
    cut.data.truncate(96);
    let removed = identity::ClaimRemoved {
        claimId: B256::with_last_byte(9),
        topic: U256::ZERO,
        scheme: U256::ZERO,
        issuer: Address::ZERO,
        signature: Bytes::new(),
        data: Bytes::new(),
        uri: String::new(),
    };
    let key = |active: bool| match active {
        true => trex(
            "a key of every purpose",
            identity::KeyAdded { key: B256::ZERO, purpose: U256::MAX, keyType: U256::MAX },
        ),
        false => trex(
            "a key that was never there",
            identity::KeyRemoved { key: B256::ZERO, purpose: U256::ZERO, keyType: U256::ZERO },
        ),
    };
    vec![
        replaced(
            trex("a claim whose URI is not UTF-8", claim(1, "not UTF-8", vec![])),
            b"not UTF-8",
            b"\xff\xfe\xc3( \xed\xa0\x80!",
        ),
        trex("a claim whose URI has a NUL", claim(2, "ipfs\0://", vec![0; 3])),
        trex("a claim of three megabytes", long),
        cut,
        trex("a claim removed that was never there", removed),
        key(true),
        key(true),
        key(false),
        trex("a revocation of nothing", identity::ClaimRevoked { signature: B256::ZERO }),
    ]
}

/// A token in bytecode: a call of four bytes is answered as told, a longer one logs a transfer of its words.
async fn mouth(node: &Node, answer: &[u8]) -> Address {
    // calldatasize < 5 jumps behind the log; the log takes words 0 to 2 as topics and word 3 as data.
    let mut runtime = vec![0x36, 0x60, 0x05, 0x11, 0x60, 0x1f, 0x57];
    runtime.extend([0x60, 0x20, 0x60, 0x60, 0x60, 0x00, 0x37]);
    runtime
        .extend([0x60, 0x40, 0x35, 0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x60, 0x20, 0x60, 0x00, 0xa3, 0x00]);
    assert_eq!(runtime.len(), 0x1d);
    runtime.extend([0x00, 0x00, 0x5b]);
    runtime.extend_from_slice(answer);
    let size = u16::try_from(runtime.len()).expect("code is below 64 KiB").to_be_bytes();
    // push size, push where the runtime begins, push 0, codecopy; push size, push 0, return.
    let mut code = vec![0x61, size[0], size[1], 0x60, 0x0e, 0x60, 0x00, 0x39];
    code.extend([0x61, size[0], size[1], 0x60, 0x00, 0xf3]);
    code.extend(runtime);
    node.deploy(&Call::deploy(node.account(0), code.into(), "a hostile token")).await.expect("it deploys")
}

/// Code that returns these bytes, which stand behind it.
fn returning(bytes: &[u8]) -> Vec<u8> {
    let size = u16::try_from(bytes.len()).expect("it fits").to_be_bytes();
    let at = 0x20 + 14;
    let mut code = vec![0x61, size[0], size[1], 0x60, at, 0x60, 0x00, 0x39];
    code.extend([0x61, size[0], size[1], 0x60, 0x00, 0xf3]);
    code.extend_from_slice(bytes);
    code
}

/// Tokens by what they answer to every question, and the name that is kept.
fn mouths() -> Vec<(Vec<u8>, Option<String>)> {
    let text = |bytes: &[u8]| {
        let word = |number: usize| U256::from(number).to_be_bytes::<32>();
        [&word(32)[..], &word(bytes.len()), bytes, &vec![0; bytes.len().next_multiple_of(32) - bytes.len()]]
            .concat()
    };
    let mut short = [0u8; 32];
    short[..5].copy_from_slice(b"MKR\0\xff");
    let lying = [U256::from(32).to_be_bytes::<32>(), U256::MAX.to_be_bytes::<32>()].concat();
    vec![
        (returning(&text(b"Go\0ld\xff")), Some("Go\\0ld\\xff".to_owned())),
        (returning(&text(&[b'n'; 20_000])), Some(format!("{}…", "n".repeat(1024)))),
        (returning(&short), Some("MKR\\0\\xff".to_owned())),
        (returning(&lying), None),
        (returning(&[0; 31]), None),
        (returning(&[]), None),
        // A megabyte of zeros is an empty name.
        (vec![0x62, 0x10, 0x00, 0x00, 0x60, 0x00, 0xf3], Some(String::new())),
        // Memory without end: the gas is gone.
        (vec![0x63, 0xff, 0xff, 0xff, 0xff, 0x51], None),
        // invalid opcode
        (vec![0xfe], None),
    ]
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
        let mut mouths = Vec::new();
        for (answer, name) in self::mouths() {
            mouths.push((mouth(&node, &answer).await, name));
        }
        let mut contracts = vec![
            (Role::Erc20, erc20.address),
            (Role::TrexToken, trex.address),
            (Role::Identity, identity.address),
            (Role::Erc20, honest.address),
        ];
        contracts.extend(mouths.iter().map(|(address, _)| (Role::Erc20, *address)));
        Self { config: config(&contracts), node, erc20, trex, identity, honest, mouths }
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

    let executor: Executor<Rpc> = Executor {
        node: None,
        store: live.store().clone(),
        decoder: Arc::new(Decoder::new(&[])),
        config: stage.config.clone(),
    };
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
    let expected = |of: fn(&Case) -> Option<&'static str>| cases().iter().map(of).collect::<Vec<_>>();
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
fn model(of: fn(&Case) -> Option<&'static str>) -> (BTreeMap<Address, Amount>, Amount) {
    let (mut balances, mut supply) = (BTreeMap::<Address, Amount>::new(), Amount::ZERO);
    for case in cases().iter().chain(&cases()) {
        if of(case).is_some() || case.topics.first() != Some(&TRANSFER) {
            continue;
        }
        let (from, to) = (Address::from_word(case.topics[1]), Address::from_word(case.topics[2]));
        let amount = Amount::from(U256::from_be_slice(&case.data[..32]));
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
    let kinds: [(Address, fn(&Case) -> Option<&'static str>); 2] =
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

fn told(emitter: Emitter, event: impl SolEvent) -> Call {
    let data = event.encode_log_data();
    emitter.emit(data.topics(), &data.data)
}

/// Decision 24: a word counts only in the mouth of a contract that has the say.
#[tokio::test]
async fn announcements_count_only_from_contracts_that_have_the_say() {
    let node = node().await;
    let sender = node.account(0);
    let emitter = async || Emitter::deploy(&node, sender).await.expect("it deploys");
    // Configured: a token of each kind, an identity, a factory. Not configured: everything else.
    let (erc20, trex, person, trusted) = (emitter().await, emitter().await, emitter().await, emitter().await);
    let (foreign, false_storage, false_identity) = (emitter().await, emitter().await, emitter().await);
    let config = config(&[
        (Role::Erc20, erc20.address),
        (Role::TrexToken, trex.address),
        (Role::Identity, person.address),
        (Role::TrexFactory, trusted.address),
    ]);
    let suite = |number: u64, storage: Address| factory::TREXSuiteDeployed {
        _token: account(0x70, number),
        _ir: account(0x71, number),
        _irs: storage,
        _tir: account(0x72, number),
        _ctr: account(0x73, number),
        _mc: account(0x74, number),
        _salt: B256::ZERO,
    };
    let registered =
        |identity: Address| registry::IdentityRegistered { investorAddress: wallet(1), identity };
    let stored = |identity: Address| storage::IdentityStored { investorAddress: wallet(1), identity };
    let mut calls = Vec::new();
    for liar in [foreign, erc20, trex, person] {
        calls.push(told(liar, suite(1, false_storage.address)));
        calls.push(told(liar, registered(false_identity.address)));
        calls.push(told(liar, stored(false_identity.address)));
        calls.push(told(liar, registry::IdentityStorageSet { identityStorage: false_storage.address }));
    }
    // A plain token has no registry, and nobody becomes a token by calling it one.
    calls.push(told(erc20, token::IdentityRegistryAdded { _identityRegistry: foreign.address }));
    calls.push(told(false_storage, stored(false_identity.address)));
    calls.push(told(
        false_identity,
        identity::KeyAdded { key: B256::ZERO, purpose: U256::ONE, keyType: U256::ONE },
    ));
    node.send_all(&calls).await.expect("they log");
    let database = database().await;
    let store = Arc::new(postgres_store(&database).await);
    let mut live = worker(rpc(&node.url()), store, config.clone());
    converge(&mut live).await;
    let watched = async |live: &Sync<Rpc, PostgresStore>| -> BTreeMap<Address, String> {
        let contracts: Vec<Contract> = rows(&**live.store()).await;
        contracts.into_iter().map(|row| (row.address, row.role)).collect()
    };
    let configured: BTreeMap<Address, String> =
        config.contracts.iter().map(|contract| (contract.address, contract.role.name().to_owned())).collect();
    assert_eq!(watched(&live).await, configured);
    let events: Vec<AssetEvent> = rows(&**live.store()).await;
    assert_eq!(events.len(), 13, "only watched contracts' logs are kept");
    assert!(events.iter().all(|event| event.unreadable.as_deref() == Some("unknown_event")), "{events:#?}");
    assert_eq!(rows::<Registration, _>(&**live.store()).await, []);
    let identities: Vec<Identity> = rows(&**live.store()).await;
    assert_eq!(identities.iter().map(|row| row.onchain_id).collect::<Vec<_>>(), [person.address]);
    assert_eq!(rows::<AssetOperation, _>(&**live.store()).await, []);

    // The same words of the factory and of what it announced count; a role once given stays.
    let mut believed = suite(2, false_storage.address);
    believed._ir = erc20.address;
    node.send(&told(trusted, believed)).await.expect("it logs");
    converge(&mut live).await;
    let now = watched(&live).await;
    assert_eq!(now[&false_storage.address], "identity_registry_storage");
    assert_eq!(now[&false_identity.address], "identity");
    assert_eq!(now[&erc20.address], "erc20", "the configuration has the first word");
    assert!(!now.contains_key(&foreign.address) && !now.contains_key(&account(0x70, 1)), "{now:?}");
    assert_eq!(now.len(), 4 + 5 + 1);
    let registrations: Vec<Registration> = rows(&**live.store()).await;
    assert_eq!(registrations.len(), 1, "the storage's past counts from its first block on");
    let memory = Arc::new(MemoryStore::new());
    converge(&mut worker(rpc(&node.url()), memory.clone(), config)).await;
    assert_same(
        &dump(&**live.store()).await,
        &dump(&*memory).await,
        "believed later against believed at once",
    );
}

fn rpc_config(url: &str, response_bytes_max: usize) -> rpc::Config {
    rpc::Config {
        url: url.parse().expect("a node's URL"),
        alias: "node".to_owned(),
        timeout: Duration::from_secs(20),
        poll_interval: Duration::from_millis(100),
        finality: Finality::Tag { fallback_depth: Some(64) },
        range_blocks_max: 10_000,
        requests_in_flight: 4,
        batch_size_max: 50,
        response_bytes_max,
    }
}

/// A token's row and what became of the questions about it, over a node that gives answers up.
async fn observed(config: rpc::Config, contract: Address) -> (Vec<Asset>, BTreeSet<String>) {
    let first =
        Policy { first: Duration::from_millis(5), longest: Duration::from_millis(10), ..Policy::REQUEST };
    let rpc = Arc::new(Rpc::new(config).expect("an HTTP client").with_retry(first));
    let settings = self::config(&[(Role::Erc20, contract)]);
    let mut worker = worker(rpc, Arc::new(MemoryStore::new()), settings);
    converge(&mut worker).await;
    let observations: Vec<Observation> = rows(&**worker.store()).await;
    (rows(&**worker.store()).await, observations.into_iter().map(|row| row.outcome).collect())
}

#[tokio::test]
async fn an_answer_that_exhausts_the_node_or_us_stops_nothing() {
    let node = node().await;
    // 64 KiB of zeros: 128 KiB of JSON, more than is taken.
    let large = mouth(&node, &[0x62, 0x01, 0x00, 0x00, 0x60, 0x00, 0xf3]).await;
    let words = [TRANSFER, B256::ZERO, wallet(1).into_word(), B256::with_last_byte(7)].concat();
    node.send(&Call::raw(node.account(0), large, words.into(), "a hostile mint")).await.expect("it logs");
    let (assets, outcomes) = observed(rpc_config(&node.url(), 1 << 16), large).await;
    assert_eq!((assets[0].name.as_deref(), assets[0].total_supply), (None, Amount::from(7)));
    assert_eq!(outcomes, BTreeSet::from(["unavailable".to_owned()]));

    let contract = account(7, 7);
    let scripted = ScriptedNode::start(Chain::with_logs(9, contract, [3])).await;
    scripted.on("eth_call", |_, _| Some(error(-32000, "execution aborted (timeout = 5s)")));
    let (assets, outcomes) = observed(rpc_config(&scripted.url("/"), 1 << 20), contract).await;
    assert_eq!((assets[0].name.as_deref(), assets[0].unreadable_logs), (None, 1));
    assert_eq!(outcomes, BTreeSet::from(["unavailable".to_owned()]));
}
