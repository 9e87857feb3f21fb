//! The tables against an oracle that was written without knowledge of decode and fold.

use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use asset_indexer::fact::Role;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::sync::Config;
use oracle::{Row, Tables};
use serde_json::Value;

use crate::support::noise::{Noise, ROLES};
use crate::support::world::{CHAIN_ID, config, converge, dump, worker};
use simulation::chain::{NewLog, NewTransaction, SimChain};
use simulation::events::{account, factory, log, storage, token, transfer};
use simulation::independent::{agree, expected, neutral};
use simulation::play::Play;

/// Lets a worker follow a chain to its end and compares all tables with the oracle's; returns them.
async fn agreed(chain: Arc<SimChain>, settings: Config, context: &str) -> Tables {
    let store = Arc::new(MemoryStore::new());
    let mut worker = worker(chain.clone(), store.clone(), settings.clone());
    converge(&mut worker).await;
    let dump = dump(&*store).await;
    let branch = chain.picture().branch;
    let told = expected(&chain, &branch, &settings, chain.head().number);
    agree(&dump, &told, &|_, _| false).unwrap_or_else(|differences| panic!("{context}: {differences}"));
    neutral(&dump)
}

#[tokio::test]
async fn tables_are_what_an_independent_reading_of_the_chain_says() {
    for seed in 0..40 {
        let mut play = Play::new(seed);
        let depth = 3 + play.below(12);
        let chain = Arc::new(Play::chain(depth));
        for block in play.blocks(60) {
            chain.mine(block);
        }
        agreed(chain, config(&Play::contracts()), &format!("seed {seed}")).await;
    }
}

#[tokio::test]
async fn every_event_in_any_order_is_read_as_the_oracle_reads_it() {
    let token = [Role::TrexToken, Role::Erc20];
    let storage = [Role::IdentityRegistryStorage, Role::IdentityRegistry];
    let identity = [Role::Identity, Role::IdFactory];
    let modules = [Role::ComplianceModule, Role::Compliance];
    for seed in 0..6 {
        for roles in [&ROLES[..], &token, &storage, &identity, &modules] {
            let mut noise = Noise::new(seed, roles, false);
            let mut settings = config(noise.contracts());
            settings.claim_expiry = [(U256::from(1), 0)].into();
            let chain = Arc::new(noise.chain(60));
            agreed(chain, settings, &format!("seed {seed} with {} roles", roles.len())).await;
        }
    }
}

#[tokio::test]
async fn contracts_that_are_only_announced_are_found_as_the_oracle_finds_them() {
    for seed in 0..10 {
        let mut noise = Noise::new(seed, &ROLES, true);
        let is_known = |(role, _): &&(Role, Address)| matches!(role, Role::TrexFactory | Role::TrexToken);
        let known: Vec<_> = noise.contracts().iter().filter(is_known).copied().collect();
        let chain = Arc::new(noise.chain(80));
        agreed(chain, config(&known), &format!("seed {seed}")).await;
    }
}

/// What the operations of a transaction that called a token were.
async fn operations(token: Address, from: Address, input: Vec<u8>, logs: Vec<NewLog>) -> Vec<Value> {
    let chain = SimChain::new(CHAIN_ID, 3);
    chain.mine(vec![NewTransaction {
        from,
        to: Some(token),
        input: input.into(),
        logs,
        ..NewTransaction::default()
    }]);
    let tables = agreed(Arc::new(chain), config(&[(Role::TrexToken, token)]), "one transaction").await;
    tables["asset_operations"].iter().map(|row| row["operation_type"].clone()).collect()
}

#[tokio::test]
async fn what_a_module_takes_within_a_transfer_is_not_the_holders_own() {
    let (token, holder, taker, collector) =
        (account(0x20, 0), account(0xaa, 1), account(0xaa, 2), account(0xaa, 3));
    // As T-REX's TransferFeesModule does: the fee is forced out of whoever received the units.
    let logs = vec![transfer(token, holder, taker, 100), transfer(token, taker, collector, 2)];
    let own = token::transferCall { _to: taker, _amount: U256::from(100) }.abi_encode();
    let kinds = operations(token, holder, own, logs.clone()).await;
    assert_eq!(kinds, ["undetermined_transfer"]);
    let forced = token::forcedTransferCall { _from: holder, _to: taker, _amount: U256::from(100) };
    let kinds = operations(token, account(0xaa, 9), forced.abi_encode(), logs).await;
    assert_eq!(kinds, ["forced_transfer", "undetermined_transfer"]);
}

/// A chain with one log a block.
fn one_by_one(logs: Vec<NewLog>) -> Arc<SimChain> {
    let chain = SimChain::new(CHAIN_ID, 3);
    for log in logs {
        chain.mine(vec![NewTransaction { to: Some(log.address), logs: vec![log], ..Default::default() }]);
    }
    Arc::new(chain)
}

fn rows<'a>(tables: &'a Tables, table: &str, column: &str, is: &Value) -> Vec<&'a Row> {
    tables[table].iter().filter(|row| row[column] == *is).collect()
}

fn text(address: Address) -> Value {
    Value::from(format!("{address:?}"))
}

#[tokio::test]
async fn who_never_held_anything_is_not_in_the_register() {
    let (asset, holder, poisoned, spender) =
        (account(0x20, 0), account(0xaa, 1), account(0xaa, 2), account(0xaa, 3));
    let freeze = |frozen| token::AddressFrozen { _userAddress: poisoned, _isFrozen: frozen, _owner: holder };
    let chain = one_by_one(vec![
        transfer(asset, Address::ZERO, holder, 100),
        transfer(asset, holder, poisoned, 0),
        log(asset, freeze(false)),
        log(asset, token::TokensFrozen { _userAddress: poisoned, _amount: U256::ZERO }),
        transfer(asset, holder, holder, 100),
    ]);
    let tables = agreed(chain.clone(), config(&[(Role::TrexToken, asset)]), "held by one").await;
    assert_eq!(tables["asset_holders"].len(), 1);
    assert_eq!(tables["ownership_history"].len(), 1);
    assert_eq!(tables["assets"][0]["negative_balance"], false);

    // A freeze makes a row, at that block; and who sends what no log gave has spent it, also to themselves.
    chain.mine(vec![NewTransaction { logs: vec![log(asset, freeze(true))], ..Default::default() }]);
    chain.mine(vec![NewTransaction {
        logs: vec![transfer(asset, spender, spender, 1)],
        ..Default::default()
    }]);
    let tables = agreed(chain, config(&[(Role::TrexToken, asset)]), "one is frozen").await;
    let frozen = rows(&tables, "asset_holders", "holder", &text(poisoned));
    assert_eq!((frozen.len(), &frozen[0]["first_block"]), (1, &Value::from(6)));
    assert!(rows(&tables, "asset_holders", "holder", &text(spender)).is_empty());
    assert_eq!(tables["assets"][0]["negative_balance"], true);
}

#[tokio::test]
async fn an_identity_that_becomes_itself_is_no_change() {
    let (registry, identity) = (account(0x15, 0), account(0x1d, 0));
    let stored = |number| storage::IdentityStored {
        investorAddress: account(0xaa, number),
        identity: account(0x1d, 0),
    };
    let chain = one_by_one(vec![
        log(registry, stored(1)),
        log(registry, stored(2)),
        log(registry, storage::IdentityModified { oldIdentity: identity, newIdentity: identity }),
    ]);
    let settings = config(&[(Role::IdentityRegistryStorage, registry)]);
    let tables = agreed(chain, settings, "modified to itself").await;
    assert_eq!(tables["registrations"].len(), 2);
    assert!(tables["registrations"].iter().all(|row| row["undetermined"] == false));
}

#[tokio::test]
async fn a_contract_that_one_log_announces_twice_has_one_role() {
    let (maker, twice) = (account(0xfa, 0), account(0xc0, 0));
    let contract = |number| account(0xc0, number);
    let suite = factory::TREXSuiteDeployed {
        _token: contract(1),
        _ir: twice,
        _irs: contract(2),
        _tir: contract(3),
        _ctr: contract(4),
        _mc: twice,
        _salt: B256::ZERO,
    };
    let agent = token::AgentAdded { _agent: account(0xaa, 0) };
    let chain = one_by_one(vec![log(maker, suite), log(twice, agent)]);
    let tables = agreed(chain, config(&[(Role::TrexFactory, maker)]), "twice").await;
    for table in ["contracts", "asset_events"] {
        assert_eq!(rows(&tables, table, "address", &text(twice))[0]["role"], "identity_registry");
    }
}
