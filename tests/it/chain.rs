//! Against the chain: what the tables say equals what the contracts answer at the checkpoint's block hash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::rpc::types::Filter;
use asset_indexer::amount::Amount;
use asset_indexer::id::asset_id;
use asset_indexer::proof::Method;
use asset_indexer::rpc::Rpc;
use asset_indexer::store::postgres::PostgresStore;
use asset_indexer::store::{ALL_BLOCKS, Store, memory::MemoryStore};
use asset_indexer::sync::Sync;
use asset_indexer::table::asset::Asset;
use asset_indexer::table::contract::{Contract, ContractLink};
use asset_indexer::table::event::AssetEvent;
use asset_indexer::table::holder::AssetHolder;
use asset_indexer::table::identity::{ClaimRevocation, IdentityClaim, IdentityKeyRow};
use asset_indexer::table::operation::AssetOperation;
use asset_indexer::table::permission::AssetPermission;
use asset_indexer::table::registry::{Registration, RequiredTopic, VerificationProvider};
use scenario::play::topic;
use scenario::{Node, Played, play, truth};

use crate::support::real::{factories, node, rows, rpc};
use crate::support::world::{
    CHAIN_ID, assert_equal, assert_same, converge, database, dump, pool, postgres_store, worker,
};

/// The played scenario, indexed into PostgreSQL through HTTP.
struct Indexed {
    node: Node,
    played: Played,
    worker: Sync<Rpc, PostgresStore>,
    database: String,
    /// The checkpoint's block.
    at: B256,
}

async fn indexed() -> Indexed {
    let node = node().await;
    let played = play(&node).await.expect("the scenario plays");
    let database = database().await;
    let store = Arc::new(postgres_store(&database).await);
    let mut worker = worker(rpc(&node.url()), store, factories(&played.suite));
    converge(&mut worker).await;
    let checkpoint = worker.store().checkpoint().await.expect("readable").expect("there").block;
    assert_eq!(checkpoint.id.number, played.head, "the head is reached");
    assert_eq!(checkpoint.id.hash, played.head_hash);
    Indexed { node, played, worker, database, at: checkpoint.id.hash }
}

fn open<T, F: Fn(&T) -> bool>(rows: Vec<T>, is_open: F) -> Vec<T> {
    rows.into_iter().filter(is_open).collect()
}

#[tokio::test]
async fn tables_equal_what_the_contracts_answer() {
    let indexed = indexed().await;
    holders_and_supply(&indexed).await;
    tokens_and_links(&indexed).await;
    registrations(&indexed).await;
    claims_and_keys(&indexed).await;
    issuers_topics_and_agents(&indexed).await;
    operations(&indexed).await;
    every_log_is_there(&indexed).await;
    verdicts(&indexed).await;
    every_block_is_proved(&indexed).await;
    let memory = Arc::new(MemoryStore::new());
    let mut over_websocket =
        worker(rpc(&indexed.node.ws_url()), memory.clone(), factories(&indexed.played.suite));
    converge(&mut over_websocket).await;
    assert_equal(&**indexed.worker.store(), &*memory, "PostgreSQL over HTTP against memory over WebSocket")
        .await;
}

/// The hashes and roots of a real node's blocks are those that we compute.
async fn every_block_is_proved(indexed: &Indexed) {
    let checkpoint = indexed.worker.store().checkpoint().await.expect("readable").expect("there");
    assert_eq!(checkpoint.verified, checkpoint.block.id, "up to the head, without a gap");
    let evidence = indexed.worker.store().evidence(ALL_BLOCKS).await.expect("readable");
    let blocks = |method: Method| -> u64 {
        evidence.iter().filter(|one| one.method == method).map(|one| one.range.len()).sum()
    };
    assert!(blocks(Method::Receipts) > 20 && blocks(Method::Quorum) == 0, "{evidence:?}");
}

async fn holders_and_supply(indexed: &Indexed) {
    let store = indexed.worker.store();
    let assets: Vec<Asset> = rows(&**store).await;
    let holders: Vec<AssetHolder> = rows(&**store).await;
    for token in indexed.played.tokens() {
        let id = asset_id(CHAIN_ID, token.address);
        let asset = assets.iter().find(|asset| asset.id == id).expect("the token is an asset");
        let truth = truth::token(&indexed.node, indexed.at, token.address).await.expect("the token answers");
        assert_eq!(asset.total_supply, Amount::from(truth.total_supply), "{}", token.name);
        assert_eq!(asset.name.as_deref(), Some(truth.name.as_str()));
        assert_eq!(asset.symbol.as_deref(), Some(truth.symbol.as_str()));
        assert_eq!(asset.decimals, Some(u32::from(truth.decimals)));
        assert_eq!(asset.paused, Some(truth.paused));
        assert_eq!((asset.negative_balance, asset.exceeds_uint256, asset.unreadable_logs), (false, false, 0));
        let ours: BTreeMap<Address, &AssetHolder> =
            holders.iter().filter(|row| row.asset_id == id).map(|row| (row.holder, row)).collect();
        let sum = ours.values().fold(Amount::ZERO, |sum, row| sum.plus(row.balance));
        assert_eq!(sum, asset.total_supply, "the balances of {} sum to its supply", token.name);
        let count = ours.values().filter(|row| !row.balance.is_zero()).count();
        assert_eq!(asset.holder_count, count as u64);
        let wallets: BTreeSet<Address> =
            indexed.played.holders().into_iter().chain(ours.keys().copied()).collect();
        for wallet in wallets {
            let truth =
                truth::holder(&indexed.node, indexed.at, token.address, wallet).await.expect("answers");
            let (balance, frozen, flag) =
                ours.get(&wallet).map_or((Amount::ZERO, Amount::ZERO, false), |row| {
                    (row.balance, row.frozen, row.wallet_frozen)
                });
            assert_eq!(balance, Amount::from(truth.balance), "{} of {wallet}", token.name);
            assert_eq!(frozen, Amount::from(truth.frozen_tokens), "frozen {} of {wallet}", token.name);
            assert_eq!(flag, truth.frozen, "freeze of {wallet} in {}", token.name);
        }
    }
}

async fn tokens_and_links(indexed: &Indexed) {
    let links: Vec<ContractLink> =
        open(rows(&**indexed.worker.store()).await, |row: &ContractLink| row.to_block.is_none());
    for token in indexed.played.tokens() {
        let truth = truth::token(&indexed.node, indexed.at, token.address).await.expect("the token answers");
        let target = |of: Address, link: &str| {
            links.iter().find(|row| row.address == of && row.link == link).map(|row| row.target)
        };
        let registry = truth.identity_registry;
        assert_eq!(target(token.address, "identity_registry"), Some(registry));
        assert_eq!(target(token.address, "compliance"), Some(truth.compliance));
        assert_eq!(target(token.address, "onchain_id"), Some(truth.onchain_id));
        assert_eq!(target(registry, "storage"), Some(truth.storage));
        assert_eq!(target(registry, "trusted_issuers"), Some(truth.trusted_issuers_registry));
        assert_eq!(target(registry, "claim_topics"), Some(truth.claim_topics_registry));
        let modules: BTreeSet<Address> = links
            .iter()
            .filter(|row| row.address == truth.compliance && row.link == "module")
            .map(|row| row.target)
            .collect();
        assert_eq!(modules, truth.modules.iter().copied().collect(), "modules of {}", token.name);
    }
}

async fn registrations(indexed: &Indexed) {
    let ours: Vec<Registration> =
        open(rows(&**indexed.worker.store()).await, |row: &Registration| row.to_block.is_none());
    for token in indexed.played.tokens() {
        for wallet in indexed.played.holders() {
            let truth = truth::registration(&indexed.node, indexed.at, token.identity_registry, wallet)
                .await
                .expect("the registry answers");
            let row = ours.iter().find(|row| row.storage == token.storage && row.wallet == wallet);
            assert_eq!(row.map(|row| row.identity), truth.identity, "identity of {wallet}");
            let country = row.and_then(|row| row.country).unwrap_or_default();
            assert_eq!(country, u32::from(truth.country), "country of {wallet}");
            assert!(row.is_none_or(|row| !row.undetermined), "{wallet} is told");
        }
    }
}

async fn claims_and_keys(indexed: &Indexed) {
    let store = indexed.worker.store();
    let ours: Vec<IdentityClaim> = open(rows(&**store).await, |row: &IdentityClaim| row.to_block.is_none());
    let revoked: Vec<ClaimRevocation> = rows(&**store).await;
    let keys: Vec<IdentityKeyRow> = open(rows(&**store).await, |row: &IdentityKeyRow| row.to_block.is_none());
    let mut seen = 0;
    for identity in indexed.played.identity_addresses() {
        let truth = truth::claims(&indexed.node, indexed.at, identity, &topic::ALL).await.expect("answers");
        let mine: BTreeMap<B256, &IdentityClaim> =
            ours.iter().filter(|row| row.identity == identity).map(|row| (row.claim_id, row)).collect();
        assert_eq!(
            mine.keys().collect::<Vec<_>>(),
            truth.keys().collect::<Vec<_>>(),
            "the claims on {identity}"
        );
        for (id, truth) in truth {
            let row = mine[&id];
            assert_eq!(row.claim_type, Amount::from(truth.topic));
            assert_eq!(row.issuer, truth.issuer);
            assert_eq!(row.signature, truth.signature);
            assert_eq!(row.claim_data, truth.data);
            assert_eq!(row.uri, truth.uri);
            let is_revoked = revoked
                .iter()
                .any(|revoked| revoked.issuer == row.issuer && revoked.signature_hash == row.signature_hash);
            // A plain identity that issued a claim about itself cannot revoke, and has no such function.
            assert_eq!(
                is_revoked,
                truth.revoked.unwrap_or(false),
                "whether claim {id} on {identity} is revoked"
            );
            let has_key = |purpose: u64| {
                keys.iter().any(|key| {
                    key.identity == row.issuer
                        && Some(key.key_hash) == row.signer_key
                        && key.purpose == Amount::from(purpose)
                })
            };
            let is_valid = !is_revoked && (has_key(1) || has_key(3));
            assert_eq!(Some(is_valid), truth.valid, "whether claim {id} on {identity} is valid");
            seen += 1;
        }
        for purpose in [1u8, 2, 3, 4] {
            let truth: BTreeSet<B256> = truth::keys(&indexed.node, indexed.at, identity, purpose)
                .await
                .expect("answers")
                .into_iter()
                .collect();
            let mine: BTreeSet<B256> = keys
                .iter()
                .filter(|key| key.identity == identity && key.purpose == Amount::from(u64::from(purpose)))
                .map(|key| key.key_hash)
                .collect();
            assert_eq!(mine, truth, "keys of purpose {purpose} of {identity}");
        }
    }
    assert!(seen > 5, "the scenario leaves claims behind");
}

async fn issuers_topics_and_agents(indexed: &Indexed) {
    let store = indexed.worker.store();
    let providers: Vec<VerificationProvider> =
        open(rows(&**store).await, |row: &VerificationProvider| row.to_block.is_none());
    let topics: Vec<RequiredTopic> = open(rows(&**store).await, |row: &RequiredTopic| row.to_block.is_none());
    let agents: Vec<AssetPermission> =
        open(rows(&**store).await, |row: &AssetPermission| row.to_block.is_none());
    for token in indexed.played.tokens() {
        let truth: BTreeMap<Address, BTreeSet<U256>> =
            truth::trusted_issuers(&indexed.node, indexed.at, token.trusted_issuers_registry)
                .await
                .expect("answers")
                .into_iter()
                .map(|(issuer, topics)| (issuer, topics.into_iter().collect()))
                .collect();
        let mine: BTreeMap<Address, BTreeSet<Amount>> = providers
            .iter()
            .filter(|row| row.registry == token.trusted_issuers_registry)
            .map(|row| (row.issuer, row.topics.iter().copied().collect()))
            .collect();
        let truth: BTreeMap<Address, BTreeSet<Amount>> = truth
            .into_iter()
            .map(|(issuer, topics)| (issuer, topics.into_iter().map(Amount::from).collect()))
            .collect();
        assert_eq!(mine, truth, "issuers trusted for {}", token.name);
        let truth: BTreeSet<Amount> =
            truth::required_topics(&indexed.node, indexed.at, token.claim_topics_registry)
                .await
                .expect("answers")
                .into_iter()
                .map(Amount::from)
                .collect();
        let mine: BTreeSet<Amount> = topics
            .iter()
            .filter(|row| row.registry == token.claim_topics_registry)
            .map(|row| row.topic)
            .collect();
        assert_eq!(mine, truth, "topics required for {}", token.name);
        let wallets = &indexed.played.wallets;
        for contract in [token.address, token.identity_registry] {
            for account in [wallets.agent, wallets.second_agent, wallets.owner, wallets.broker] {
                let truth =
                    truth::is_agent(&indexed.node, indexed.at, contract, account).await.expect("answers");
                let mine = agents.iter().any(|row| {
                    row.address == contract && row.account == account && row.permission_type == "agent"
                });
                assert_eq!(mine, truth, "whether {account} is agent of {contract}");
            }
        }
    }
}

async fn operations(indexed: &Indexed) {
    let operations: Vec<AssetOperation> = rows(&**indexed.worker.store()).await;
    let kinds: BTreeSet<&str> = operations.iter().map(|row| row.operation_type.as_str()).collect();
    for kind in [
        "mint",
        "burn",
        "forced_transfer",
        "recovery",
        "freeze_wallet",
        "unfreeze_wallet",
        "freeze_amount",
        "unfreeze_amount",
        "pause",
        "unpause",
        "add_agent",
        "remove_agent",
        "set_compliance",
        "set_identity_registry",
        "update_information",
        "transfer_ownership",
    ] {
        assert!(kinds.contains(kind), "the scenario has a {kind}, the tables have {kinds:?}");
    }
    assert!(!kinds.contains("undetermined_transfer"), "every transfer of the scenario can be told");
    let recoveries: Vec<_> = operations.iter().filter(|row| row.operation_type == "recovery").collect();
    assert!(
        recoveries.iter().all(|row| row.amount.is_some() && row.parameters.value()["identity"].is_string()),
        "a recovery is told once, with its amount and its identity: {recoveries:#?}"
    );
    let agent = indexed.played.wallets.agent;
    assert!(
        operations
            .iter()
            .filter(|row| row.operation_type == "forced_transfer")
            .all(|row| row.executed_by == Some(agent)),
        "forced transfers are the agent's"
    );
}

async fn every_log_is_there(indexed: &Indexed) {
    let contracts: Vec<Contract> = rows(&**indexed.worker.store()).await;
    let watched: Vec<Address> = contracts.iter().map(|row| row.address).collect();
    let filter = Filter::new().from_block(0).to_block(indexed.played.head).address(watched);
    let theirs: BTreeSet<(u64, u64, Address, B256)> = indexed
        .node
        .logs(&filter)
        .await
        .expect("the node answers")
        .iter()
        .map(|log| {
            let place = (log.block_number.expect("mined"), log.log_index.expect("mined"));
            (place.0, place.1, log.address(), keccak256(&log.data().data))
        })
        .collect();
    let events: Vec<AssetEvent> = rows(&**indexed.worker.store()).await;
    let ours: BTreeSet<(u64, u64, Address, B256)> = events
        .iter()
        .map(|row| (row.block_number, u64::from(row.log_index), row.address, keccak256(&row.data)))
        .collect();
    assert_eq!(ours.len(), events.len(), "no log is stored twice");
    assert_eq!(ours, theirs, "asset_events holds exactly the logs of the watched contracts");
    let unreadable: Vec<_> = events.iter().filter(|row| row.unreadable.is_some()).collect();
    assert!(unreadable.is_empty(), "the real contracts' events are all known: {unreadable:#?}");
}

/// `verified` as it is read, against `isVerified` of the registries.
async fn verdicts(indexed: &Indexed) {
    let pool = pool(&indexed.database).await;
    let mut seen = BTreeSet::new();
    for token in indexed.played.tokens() {
        for wallet in indexed.played.holders() {
            let truth = truth::registration(&indexed.node, indexed.at, token.identity_registry, wallet)
                .await
                .expect("the registry answers");
            let ours: Option<String> = sqlx::query_scalar("select verdict from chain.verdict($1, $2, $3)")
                .bind(CHAIN_ID as i64)
                .bind(token.identity_registry.as_slice())
                .bind(wallet.as_slice())
                .fetch_optional(&pool)
                .await
                .expect("the verdict can be read");
            let expected = if truth.verified == Some(true) { "verified" } else { "not_verified" };
            let ours = ours.as_deref();
            assert_eq!(ours, Some(expected), "{wallet} in the registry of {}", token.name);
            seen.insert((truth.identity.is_some(), expected));
        }
    }
    assert!(seen.len() >= 3, "the scenario leaves every kind of verdict: {seen:?}");
}

#[tokio::test]
async fn a_rebuild_and_a_new_start_in_the_middle_give_equal_tables() {
    let node = node().await;
    let mut story = scenario::Play::begin(&node).expect("the scenario begins");
    let database = database().await;
    let mut live: Option<Sync<Rpc, PostgresStore>> = None;
    while story.play_next(&node).await.expect("the step plays").is_some() {
        let Ok(suite) = story.suite() else { continue };
        // A new worker for each step: a restart keeps nothing in memory.
        let store = Arc::new(match &live {
            None => postgres_store(&database).await,
            Some(_) => {
                drop(live.take());
                sqlx::query("update ops.leases set expires_at = '-infinity'")
                    .execute(&pool(&database).await)
                    .await
                    .expect("the superuser may");
                postgres_store(&database).await
            }
        });
        let mut worker = worker(rpc(&node.url()), store, factories(suite));
        converge(&mut worker).await;
        live = Some(worker);
    }
    let played = story.finish(&node).await.expect("the scenario ends");
    let live = live.expect("it was followed");
    let memory = Arc::new(MemoryStore::new());
    let mut fresh = worker(rpc(&node.url()), memory.clone(), factories(&played.suite));
    converge(&mut fresh).await;
    assert_same(&dump(&**live.store()).await, &dump(&*memory).await, "followed step by step against fresh");
}
