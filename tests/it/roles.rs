//! Contracts that others give different roles: whoever reads the chain, block by block or at once, finds the same, and so does
//! the oracle.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use asset_indexer::fact::Role;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::sync::Config;
use asset_indexer::table::asset::Asset;
use asset_indexer::table::contract::Contract;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use simulation::chain::{NewLog, NewTransaction, SimChain};
use simulation::events::{account, compliance, factory, issuers, log, registry, storage, token, transfer};
use simulation::independent::{agree, expected};

use crate::support::real::rows;
use crate::support::times;
use crate::support::world::{
    CHAIN_ID, assert_equal, config, converge, database, dump, fresh, postgres_store, worker,
};

fn factory() -> Address {
    account(0x60, 0)
}

fn suite(members: [Address; 6]) -> NewLog {
    let [token, registry, storage, issuers, topics, compliance] = members;
    log(
        factory(),
        factory::TREXSuiteDeployed {
            _token: token,
            _ir: registry,
            _irs: storage,
            _tir: issuers,
            _ctr: topics,
            _mc: compliance,
            _salt: B256::ZERO,
        },
    )
}

fn mine(chain: &SimChain, logs: Vec<NewLog>) {
    chain.mine(vec![NewTransaction { logs, ..NewTransaction::default() }]);
}

/// Whoever lets their compliance name a token that is still to come gives it a role, in every way of reading the same one; and
/// that it was given first is what stands, so nobody takes it from one that is there.
#[tokio::test]
async fn the_first_role_stands_however_the_chain_is_read() {
    let members = |suite: u64| [0x70, 0x71, 0x72, 0x73, 0x74, 0x75].map(|kind| account(kind, suite));
    let (hostile, second) = (account(0x99, 1), account(0x70, 2));
    let points = log(account(0x70, 1), token::ComplianceAdded { _compliance: hostile });
    let names = log(hostile, compliance::ModuleAdded { _module: second });
    let minted = transfer(second, Address::ZERO, account(0xaa, 1), 1_000);
    let stories: [(&str, Vec<Vec<NewLog>>, &str); 3] = [
        (
            "named before it is deployed",
            vec![vec![points.clone()], vec![names.clone()], vec![suite(members(2))], vec![minted.clone()]],
            "compliance_module",
        ),
        (
            "named after it is deployed",
            vec![vec![suite(members(2)), minted.clone()], vec![points.clone()], vec![names.clone()]],
            "trex_token",
        ),
        (
            "named before, by one that nobody knew until after",
            vec![vec![names], vec![suite(members(2)), minted], vec![points]],
            "trex_token",
        ),
    ];
    for (what, blocks, role) in stories {
        let chain = Arc::new(SimChain::new(CHAIN_ID, 3));
        let settings = config(&[(Role::TrexFactory, factory())]);
        let live = Arc::new(MemoryStore::new());
        let mut follows = worker(chain.clone(), live.clone(), settings.clone());
        for logs in std::iter::once(vec![suite(members(1))]).chain(blocks).chain((0..6).map(|_| Vec::new())) {
            mine(&chain, logs);
            converge(&mut follows).await;
        }
        let again = fresh(&chain, &settings).await;
        assert_equal(&*live, &again, what).await;
        let contracts: Vec<Contract> = rows(&again).await;
        let roles: BTreeMap<Address, String> =
            contracts.into_iter().map(|row| (row.address, row.role)).collect();
        assert_eq!(roles[&second], role, "{what}");
        let assets: Vec<Asset> = rows(&again).await;
        let supply = assets.iter().find(|asset| asset.contract_address == second);
        let supply = supply.map(|asset| asset.total_supply.to_string());
        assert_eq!(supply.as_deref(), (role == "trex_token").then_some("1000"), "{what}");
    }
}

/// Logs by which any of a few contracts gives any other a role.
fn tangle(random: &mut StdRng, pool: &[Address]) -> Vec<NewLog> {
    let any = |random: &mut StdRng| pool[random.random_range(0..pool.len())];
    let count = random.random_range(0..4);
    (0..count)
        .map(|_| {
            let (by, of) = (any(random), any(random));
            match random.random_range(0..10) {
                0 => suite(std::array::from_fn(|_| any(random))),
                1 => log(by, token::ComplianceAdded { _compliance: of }),
                2 => log(by, token::IdentityRegistryAdded { _identityRegistry: of }),
                3 | 4 => log(by, compliance::ModuleAdded { _module: of }),
                5 => log(by, registry::IdentityStorageSet { identityStorage: of }),
                6 => log(by, registry::TrustedIssuersRegistrySet { trustedIssuersRegistry: of }),
                7 => log(by, issuers::TrustedIssuerAdded { trustedIssuer: of, claimTopics: vec![U256::ONE] }),
                8 => log(by, storage::IdentityStored { investorAddress: account(0xaa, 1), identity: of }),
                _ => transfer(by, Address::ZERO, account(0xaa, 2), 7),
            }
        })
        .collect()
}

async fn read(chain: &Arc<SimChain>, settings: Config) -> MemoryStore {
    fresh(chain, &settings).await
}

#[tokio::test]
async fn whoever_contradicts_whom_all_ways_of_reading_find_the_same() {
    let mut contested = 0;
    for seed in 0..times(100) as u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let pool: Vec<Address> = (0..8).map(|n| account(0x80, n)).collect();
        let chain = Arc::new(SimChain::new(CHAIN_ID, 3));
        let settings = config(&[(Role::TrexFactory, factory())]);
        let live = Arc::new(MemoryStore::new());
        let mut follows = worker(chain.clone(), live.clone(), settings.clone());
        mine(&chain, vec![suite(std::array::from_fn(|n| account(0x90, n as u64)))]);
        for _ in 0..25 {
            mine(&chain, tangle(&mut random, &pool));
            if random.random_bool(0.1) {
                let depth = random.random_range(1..4.min(chain.head().number as usize + 1).max(2));
                let blocks = (0..=depth).map(|_| {
                    vec![NewTransaction { logs: tangle(&mut random, &pool), ..NewTransaction::default() }]
                });
                let blocks = blocks.collect();
                if chain.head().number > chain.finalized() + depth as u64 {
                    chain.reorg(depth, blocks);
                }
            }
            converge(&mut follows).await;
        }
        for _ in 0..4 {
            mine(&chain, Vec::new());
        }
        converge(&mut follows).await;
        let context = format!("seed {seed}");
        let at_once = read(&chain, settings.clone()).await;
        assert_equal(&*live, &at_once, &context).await;
        let piecemeal = read(&chain, Config { range_blocks_max: 3, ..settings.clone() }).await;
        assert_equal(&*live, &piecemeal, &format!("{context} in short ranges")).await;
        let told = expected(&chain, &chain.picture().branch, &settings, chain.head().number);
        let dump = dump(&at_once).await;
        agree(&dump, &told, &|_, _| false).unwrap_or_else(|differences| panic!("{context}: {differences}"));
        let contracts: Vec<Contract> = rows(&at_once).await;
        contested += contracts.len();
        if seed % 50 == 0 {
            let store = Arc::new(postgres_store(&database().await).await);
            let mut worker = worker(chain.clone(), store.clone(), settings);
            converge(&mut worker).await;
            assert_equal(&*live, &*store, &format!("{context} on PostgreSQL")).await;
        }
    }
    assert!(contested > 400, "{contested} contracts were found");
}
