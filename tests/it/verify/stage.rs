//! A played chain in PostgreSQL, and the levels of verification over it.

use std::sync::Arc;

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolValue;
use asset_indexer::block::BlockRange;
use asset_indexer::decode::{Decoder, calls};
use asset_indexer::fact::Role;
use asset_indexer::row::Table;
use asset_indexer::source::CallAnswer;
use asset_indexer::store::Store;
use asset_indexer::store::postgres::PostgresStore;
use asset_indexer::sync::{Config, Contract, Sync};
use asset_indexer::table::asset::Asset;
use asset_indexer::table::holder::AssetHolder;
use asset_indexer::verify::contracts::{Wallets, contracts};
use asset_indexer::verify::{Check, Snapshot, audit, deep, ground, quick, receipts};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::postgres::{PgConnectOptions, PgPool};

use crate::support::real::rows;
use crate::support::world::{CHAIN_ID, cluster, config, converge, database, pool, postgres_store, worker};
use simulation::chain::{NewTransaction, SimChain};
use simulation::events::{account, document, log, token, transfer};
use simulation::play::Play;

mod id_factory {
    alloy::sol!(Abi, "abi/onchainid/factory.json");
    pub use Abi::*;
}

mod modules {
    alloy::sol!(Abi, "abi/trex/modules.json");
    pub use Abi::*;
}

/// See the module.
pub struct Stage {
    pub play: Play,
    pub chain: Arc<SimChain>,
    pub config: Config,
    pub database: String,
    pub worker: Sync<SimChain, PostgresStore>,
}

/// Blocks before a contract of the configuration is added that is followed only from there on.
const PARTIAL_FROM: u64 = 20;

impl Stage {
    /// A play of some blocks, followed to the head. A plain token is configured from its middle on, so that there are
    /// opening balances.
    pub async fn new(seed: u64, blocks: usize) -> Self {
        let mut play = Play::new(seed);
        let chain = Arc::new(Play::chain(6));
        chain.mine(vec![links(), rules()]);
        for block in play.blocks(blocks) {
            chain.mine(block);
        }
        let mut config = config(&[Play::contracts(), vec![(Role::IdFactory, account(9, 9))]].concat());
        for contract in config.contracts.iter_mut().filter(|contract| contract.address == account(0x20, 0)) {
            *contract = Contract { start_block: Some(PARTIAL_FROM), partial: true, ..*contract };
        }
        for wallet in 0..6 {
            let call = calls::balanceOfCall { account: account(0xaa, wallet) };
            chain.answer(account(0x20, 0), call.abi_encode_vec(), word(U256::from(1_000 + wallet)));
        }
        chain.answer(account(0x20, 0), calls::totalSupplyCall {}.abi_encode_vec(), word(U256::from(7_000)));
        Self::follow(play, chain, config).await
    }

    /// Two tokens of which every balance can be explained: what their contracts answer can be, too.
    pub async fn orderly(seed: u64, blocks: usize) -> Self {
        let play = Play::new(seed);
        let chain = Arc::new(SimChain::new(CHAIN_ID, 6));
        let mut random = StdRng::seed_from_u64(seed);
        let tokens = [account(0x21, 0), account(0x71, 0)];
        let mints = tokens.iter().flat_map(|token| {
            (0..8).map(|wallet| transfer(*token, Address::ZERO, account(0xaa, wallet), 1_000_000))
        });
        chain.mine(vec![NewTransaction { logs: mints.collect(), ..NewTransaction::default() }]);
        for _ in 0..blocks {
            let token = tokens[random.random_range(0..2)];
            let (from, to) = (random.random_range(0..8), random.random_range(0..8));
            let moved = transfer(token, account(0xaa, from), account(0xaa, to), random.random_range(1..100));
            let frozen = token::TokensFrozen { _userAddress: account(0xaa, from), _amount: U256::from(1) };
            let logs = vec![moved, log(tokens[1], frozen)];
            chain.mine(vec![NewTransaction { logs, ..NewTransaction::default() }]);
        }
        let config = config(&[(Role::Erc20, tokens[0]), (Role::TrexToken, tokens[1])]);
        let stage = Self::follow(play, chain, config).await;
        stage.honest_contracts().await;
        stage
    }

    async fn follow(play: Play, chain: Arc<SimChain>, config: Config) -> Self {
        let database = database().await;
        let store = Arc::new(postgres_store(&database).await);
        let mut worker = worker(chain.clone(), store, config.clone());
        converge(&mut worker).await;
        Self { play, chain, config, database, worker }
    }

    pub async fn pool(&self) -> PgPool {
        pool(&self.database).await
    }

    pub async fn options(&self) -> PgConnectOptions {
        cluster().await.connect_options("postgres", &self.database)
    }

    pub async fn snapshot(&self) -> Snapshot {
        Snapshot::open(&self.options().await, CHAIN_ID)
            .await
            .expect("it opens")
            .expect("something is indexed")
    }

    pub async fn quick(&self) -> Vec<Check> {
        quick::quick(&mut self.snapshot().await).await.expect("the database answers")
    }

    pub async fn audit(&self) -> Vec<Check> {
        audit::audit(&mut self.snapshot().await).await.expect("the database answers")
    }

    /// Without the node, from ground alone.
    pub async fn deep(&self) -> Vec<Check> {
        let decoder = Arc::new(Decoder::new(&[]));
        let mut checks = vec![
            ground::read_again(&mut self.snapshot().await, &decoder).await.expect("the database answers"),
        ];
        let (options, none) = (self.options().await, None::<Arc<SimChain>>);
        let deep = deep::deep(&options, none, &decoder, &self.config, &mut |_| {}).await;
        checks.extend(deep.expect("the database answers"));
        checks
    }

    /// Against the chain as it is.
    pub async fn receipts(&self) -> Vec<Check> {
        let mut snapshot = self.snapshot().await;
        let options = self.options().await;
        let store = PostgresStore::new(options, CHAIN_ID, uuid::Uuid::new_v4());
        let mut reader = worker(self.chain.clone(), Arc::new(store), self.config.clone());
        let range = BlockRange { from: 1, to: snapshot.at().number };
        let logs =
            receipts::logs(&mut reader, &snapshot, range, &mut |_| {}).await.expect("it can be proved");
        let observations = receipts::observations(&*self.chain, &mut snapshot).await.expect("it answers");
        let inputs = receipts::inputs(&*self.chain, &mut snapshot).await.expect("it answers");
        vec![logs, observations, inputs]
    }

    /// The contracts, as they answer now.
    pub async fn contracts(&self) -> Check {
        let mut snapshot = self.snapshot().await;
        contracts(&*self.chain, &mut snapshot, Wallets::All, None, &mut |_| {}).await.expect("it answers")
    }

    /// Has every contract answer what the tables say now.
    pub async fn honest_contracts(&self) {
        honest(&self.chain, &**self.worker.store()).await;
    }
}

/// Wallets and a token linked by a factory of identities, and documents of a token.
fn links() -> NewTransaction {
    let factory = account(9, 9);
    let logs = vec![
        log(factory, id_factory::WalletLinked { wallet: account(0xaa, 0), identity: account(0x1d, 0) }),
        log(factory, id_factory::WalletLinked { wallet: account(0xaa, 1), identity: account(0x1d, 1) }),
        log(factory, id_factory::WalletUnlinked { wallet: account(0xaa, 1), identity: account(0x1d, 1) }),
        log(factory, id_factory::TokenLinked { token: account(0x70, 0), identity: account(0x1d, 20) }),
        document(account(0x70, 0), b"prospectus", "ipfs://one", 1),
        document(account(0x70, 0), b"prospectus", "ipfs://two", 2),
        document(account(0x70, 0), b"terms", "ipfs://terms", 3),
    ];
    NewTransaction { logs, ..NewTransaction::default() }
}

/// Rules of the modules that compliances of the play add sooner or later.
fn rules() -> NewTransaction {
    let mut logs = Vec::new();
    for number in 0..2 {
        let (module, compliance) = (account(0x30, number), account(0x50, number));
        logs.push(log(module, modules::Upgraded { implementation: account(0x31, number) }));
        logs.push(log(module, modules::ComplianceBound { _compliance: compliance }));
        for country in 1..6 {
            logs.push(log(module, modules::CountryAllowed { _compliance: compliance, _country: country }));
        }
        for max in [5, 7] {
            logs.push(log(
                module,
                modules::MaxBalanceSet { _compliance: compliance, _maxBalance: U256::from(max) },
            ));
        }
        let collector = account(0xaa, number);
        let fee = modules::FeeUpdated { compliance, _rate: U256::from(200), _collector: collector };
        logs.push(log(module, fee));
    }
    NewTransaction { logs, ..NewTransaction::default() }
}

/// What a call of one word returns.
pub fn word(value: U256) -> CallAnswer {
    CallAnswer::Returned(value.abi_encode().into())
}

/// Has tokens of a chain answer what the tables say now. Registries answer nothing.
pub async fn honest<D: Store>(chain: &SimChain, store: &D) {
    let assets: Vec<Asset> = rows(store).await;
    let holders: Vec<AssetHolder> = rows(store).await;
    let number =
        |amount: &asset_indexer::amount::Amount| word(amount.to_string().parse().unwrap_or(U256::MAX));
    for asset in &assets {
        let token = asset.contract_address;
        chain.answer(token, calls::totalSupplyCall {}.abi_encode_vec(), number(&asset.total_supply));
        for row in holders.iter().filter(|row| row.asset_id == asset.id) {
            let wallet = row.holder;
            chain.answer(
                token,
                calls::balanceOfCall { account: wallet }.abi_encode_vec(),
                number(&row.balance),
            );
            chain.answer(token, calls::getFrozenTokensCall { wallet }.abi_encode_vec(), number(&row.frozen));
            let flag = word(U256::from(u8::from(row.wallet_frozen)));
            chain.answer(token, calls::isFrozenCall { wallet }.abi_encode_vec(), flag);
        }
    }
}

/// Call data as bytes.
pub trait Encoded {
    fn abi_encode_vec(&self) -> Vec<u8>;
}

impl<T: alloy::sol_types::SolCall> Encoded for T {
    fn abi_encode_vec(&self) -> Vec<u8> {
        self.abi_encode()
    }
}

/// Everything that was found, a line each; and what could not be finished.
pub fn found(checks: &[Check]) -> Vec<String> {
    let mut lines: Vec<String> = checks
        .iter()
        .flat_map(|check| &check.findings)
        .map(|finding| serde_json::to_string(finding).expect("a finding is JSON"))
        .collect();
    lines.extend(checks.iter().filter_map(|check| {
        let reason = check.unfinished.as_ref()?;
        Some(format!("{} is not finished: {reason}", check.name))
    }));
    lines
}

/// Asserts that nothing was found and everything finished.
pub fn assert_clean(checks: &[Check], context: &str) {
    let lines = found(checks);
    assert!(lines.is_empty(), "{context}: {lines:#?}");
    assert!(checks.iter().all(|check| check.found == 0), "{context}");
}

/// The keys that findings name in a table.
pub fn keys_in(checks: &[Check], table: &str) -> Vec<serde_json::Value> {
    let findings = checks.iter().flat_map(|check| &check.findings);
    findings
        .filter(|finding| finding.table.as_deref() == Some(table))
        .filter_map(|finding| serde_json::from_str(finding.key.as_deref()?).ok())
        .collect()
}

/// A token that is no T-REX, of an orderly stage.
pub fn plain() -> Address {
    account(0x21, 0)
}

/// The rows of a table of a stage.
pub async fn table<T: Table>(stage: &Stage) -> Vec<T> {
    rows(&**stage.worker.store()).await
}
