//! Words in the mouths of contracts that have no say.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolEvent;
use asset_indexer::fact::Role;
use asset_indexer::rpc::Rpc;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::postgres::PostgresStore;
use asset_indexer::sync::Sync;
use asset_indexer::table::contract::Contract;
use asset_indexer::table::event::AssetEvent;
use asset_indexer::table::identity::Identity;
use asset_indexer::table::operation::AssetOperation;
use asset_indexer::table::registry::Registration;
use scenario::{Call, Emitter};

use super::wallet;
use crate::support::real::{node, rows, rpc};
use crate::support::world::{assert_same, config, converge, database, dump, postgres_store, worker};
use simulation::events::{account, factory, identity, registry, storage, token};

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
