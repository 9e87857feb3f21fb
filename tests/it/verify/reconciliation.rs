//! Contracts that answer otherwise than their logs say, and nodes that answer otherwise than they are asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use asset_indexer::amount::Amount;
use asset_indexer::block::{BlockId, BlockRange, Header, RawLog, Receipt, Sealed, Transaction};
use asset_indexer::decode::calls;
use asset_indexer::reconcile::{Ground, Judgement, Ours, Probe, Question, Subject, What, ask};
use asset_indexer::source::{CallAnswer, CallRequest, Source, SourceError, View};
use asset_indexer::store::Store;
use asset_indexer::store::postgres::PostgresStore;
use asset_indexer::sync::{Looking, Outcome, Sync};
use asset_indexer::table::asset::Asset;
use asset_indexer::table::holder::{AssetHolder, OwnershipHistory};
use asset_indexer::verify::bisect::bisect;
use sqlx::Executor;

use super::stage::{Stage, assert_clean, found, plain, table, word};
use crate::support::command::played;
use crate::support::real::{factories, rpc};
use crate::support::world::{converge, database, executor, pool, postgres_store, worker};
use simulation::chain::SimChain;
use simulation::events::account;

type Answering = dyn Fn(&CallRequest) -> Option<CallAnswer> + Send + std::marker::Sync;

/// A simulated chain whose calls somebody else answers, and whose head may move while they are.
struct Node {
    chain: Arc<SimChain>,
    answering: Mutex<Box<Answering>>,
    /// The head moves with every batch of calls, out of sight of [`Source::view`].
    moves: AtomicBool,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").finish_non_exhaustive()
    }
}

impl Node {
    fn new(
        chain: Arc<SimChain>,
        answering: impl Fn(&CallRequest) -> Option<CallAnswer> + Send + std::marker::Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { chain, answering: Mutex::new(Box::new(answering)), moves: AtomicBool::new(false) })
    }
}

impl Source for Node {
    async fn chain_id(&self) -> Result<u64, SourceError> {
        self.chain.chain_id().await
    }
    async fn view(&self) -> Result<View, SourceError> {
        self.chain.view().await
    }
    async fn header(&self, number: u64) -> Result<Option<Header>, SourceError> {
        self.chain.header(number).await
    }
    async fn headers(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        self.chain.headers(numbers).await
    }
    async fn logs_of_block(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        self.chain.logs_of_block(block).await
    }
    async fn logs_in_range(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Vec<RawLog>, SourceError> {
        self.chain.logs_in_range(range, addresses).await
    }
    async fn calls(&self, requests: &[CallRequest]) -> Result<Vec<CallAnswer>, SourceError> {
        let theirs = self.chain.calls(requests).await?;
        if self.moves.load(Ordering::Relaxed) {
            self.chain.mine(Vec::new());
        }
        let answering = self.answering.lock().expect("no test panics in an answer");
        Ok(requests
            .iter()
            .zip(theirs)
            .map(|(request, theirs)| answering(request).unwrap_or(theirs))
            .collect())
    }
    async fn transactions(&self, block: BlockId) -> Result<Vec<Transaction>, SourceError> {
        self.chain.transactions(block).await
    }
    async fn has_code(&self, address: Address, number: u64) -> Result<Option<bool>, SourceError> {
        self.chain.has_code(address, number).await
    }
    async fn sealed(&self, numbers: &[u64]) -> Result<Vec<Sealed>, SourceError> {
        self.chain.sealed(numbers).await
    }
    async fn receipts(&self, block: BlockId) -> Result<Vec<Receipt>, SourceError> {
        self.chain.receipts(block).await
    }
    fn alias(&self) -> String {
        "simulated".to_owned()
    }
    async fn wait_for_head(&self) {}
}

fn balance_of(wallet: Address) -> Vec<u8> {
    calls::balanceOfCall { account: wallet }.abi_encode()
}

const OFTEN: Looking = Looking { every_blocks: 1, holders_sampled: 200, calls_max: 5_000 };

/// A T-REX token of the play with a holder.
async fn held(stage: &Stage) -> (Asset, AssetHolder) {
    let assets: Vec<Asset> = table(stage).await;
    let holders: Vec<AssetHolder> = table(stage).await;
    for asset in assets.into_iter().filter(|asset| asset.asset_type == "erc3643") {
        let row = holders.iter().find(|row| row.asset_id == asset.id && row.balance > Amount::ZERO);
        if let Some(row) = row {
            return (asset, row.clone());
        }
    }
    panic!("the play leaves a holder");
}

async fn looks<S: Source>(worker: &mut Sync<S, PostgresStore>) -> Vec<Outcome> {
    let mut outcomes = converge(worker).await;
    outcomes.retain(|outcome| matches!(outcome, Outcome::Reconciled { .. } | Outcome::Drifted { .. }));
    outcomes
}

async fn suspects(stage: &Stage) -> Vec<String> {
    sqlx::query_scalar("select contract_address from api.assets where suspect order by 1")
        .fetch_all(&stage.pool().await)
        .await
        .expect("readable")
}

async fn honest(seed: u64) -> Stage {
    Stage::orderly(seed, 70).await
}

#[tokio::test]
async fn a_token_that_rebases_is_suspect_after_two_looks_until_it_agrees_again() {
    let mut stage = honest(701).await;
    let (asset, holder) = held(&stage).await;
    let mut worker =
        worker(stage.chain.clone(), stage.worker.store().clone(), stage.config.clone()).looking(OFTEN);
    for _ in 0..2 {
        let outcomes = looks(&mut worker).await;
        let agreed = |outcome: &Outcome| {
            matches!(outcome, Outcome::Reconciled { questions: 4.., resolved: 0, doubt: None, .. })
        };
        assert!(!outcomes.is_empty() && outcomes.iter().all(agreed), "{outcomes:?}");
        stage.chain.mine(Vec::new());
    }
    looks(&mut worker).await;
    let none: Vec<String> = Vec::new();
    assert_eq!(suspects(&stage).await, none, "honest tokens are not suspect");
    let token = format!("{:#x}", asset.contract_address);

    let rebased = holder.balance.plus(Amount::from(5)).to_string().parse::<U256>().expect("small");
    stage.chain.answer(asset.contract_address, balance_of(holder.holder), word(rebased));
    stage.chain.mine(Vec::new());
    let first = looks(&mut worker).await;
    assert!(matches!(first.last(), Some(Outcome::Drifted { suspected: 1, confirmed: 0, .. })), "{first:?}");
    assert_eq!(suspects(&stage).await, none, "one look is no proof");
    stage.chain.mine(Vec::new());
    let second = looks(&mut worker).await;
    assert!(matches!(second.last(), Some(Outcome::Drifted { confirmed: 1, suspected: 0, .. })), "{second:?}");
    assert_eq!(suspects(&stage).await, [token]);
    let (what, ours, theirs): (String, String, String) =
        sqlx::query_as("select what, ours, theirs from api.drift where stands and asset_id = $1")
            .bind(asset.id)
            .fetch_one(&stage.pool().await)
            .await
            .expect("one difference stands");
    assert_eq!((what.as_str(), ours, theirs), ("balance", holder.balance.to_string(), rebased.to_string()));
    let quick = stage.quick().await;
    assert!(
        quick.iter().any(|check| check.name == "no_drift_stands" && check.found > 0),
        "{:#?}",
        found(&quick)
    );

    stage.honest_contracts().await;
    stage.chain.mine(Vec::new());
    let third = looks(&mut worker).await;
    assert!(matches!(third.last(), Some(Outcome::Reconciled { resolved: 1, .. })), "{third:?}");
    assert_eq!(suspects(&stage).await, none);
    let told: i64 = sqlx::query_scalar(
        "select count(*) from chain.system_events where event_type in ('drift', 'drift_resolved')
             and event_data->>'message' like '%' || $1 || '%'",
    )
    .bind(asset.id.to_string())
    .fetch_one(&stage.pool().await)
    .await
    .expect("readable");
    assert_eq!(told, 2, "both are told once");
    // No chain-derived row knows of it.
    converge(&mut stage.worker).await;
    assert_clean(&stage.deep().await, "after a drift");
}

#[tokio::test]
async fn a_flag_that_may_explain_a_difference_is_named_with_it() {
    let stage = honest(711).await;
    let (asset, holder) = held(&stage).await;
    sqlx::query("update chain.assets set negative_balance = true where id = $1")
        .bind(asset.id)
        .execute(&stage.pool().await)
        .await
        .expect("the superuser may");
    stage.chain.answer(asset.contract_address, balance_of(holder.holder), word(U256::MAX));
    let check = stage.contracts().await;
    let named: Vec<_> = check.findings.iter().filter(|f| f.theirs == Some(U256::MAX.to_string())).collect();
    assert_eq!((named.len(), check.found), (1, 1), "{:#?}", found(std::slice::from_ref(&check)));
    assert!(named[0].message.contains("negative_balance"), "{named:?}");
}

#[tokio::test]
async fn a_node_that_answers_for_another_block_says_nothing() {
    let stage = honest(721).await;
    let (asset, holder) = held(&stage).await;
    // It answers with what is now, and now is another thing than at the checkpoint.
    let (token, wallet) = (asset.contract_address, holder.holder);
    let node = Node::new(stage.chain.clone(), move |request| {
        (request.target == token && request.input == balance_of(wallet)).then(|| word(U256::from(123_456)))
    });
    node.moves.store(true, Ordering::Relaxed);
    let store = stage.worker.store().clone();
    let mut worker = worker(node.clone(), store, stage.config.clone()).looking(OFTEN);
    for _ in 0..4 {
        let outcome = worker.step(Some(stage.snapshot().await.at().number)).await.expect("it steps");
        match outcome {
            Outcome::Reconciled { doubt: Some(_), .. } | Outcome::Idle => {}
            outcome => panic!("{outcome:?}"),
        }
    }
    let written: i64 = sqlx::query_scalar("select count(*) from ops.drift")
        .fetch_one(&stage.pool().await)
        .await
        .expect("readable");
    assert_eq!(written, 0, "no false alarm");
}

#[tokio::test]
async fn answers_count_at_the_newest_block_or_when_a_probe_tells_blocks_apart() {
    let chain = Arc::new(SimChain::new(31_337, 2));
    let old = chain.mine(Vec::new());
    let (token, wallet) = (account(0x70, 0), account(0xaa, 0));
    let question = Question {
        subject: Subject { asset_id: uuid::Uuid::nil(), wallet: Some(wallet), what: What::Balance },
        target: token,
        input: balance_of(wallet).into(),
        ours: Ours::Amount(Amount::from(7)),
        flags: Vec::new(),
    };
    let probe = Probe { token, wallet, block: 0, then: Amount::from(3), now: Amount::from(7) };
    let questions = std::slice::from_ref(&question);
    let latest = Node::new(chain.clone(), |_| Some(word(U256::from(7))));
    let asked = ask(&*latest, old, questions, &[]).await.expect("it answers");
    assert_eq!((asked.ground, &asked.judgements[0]), (Ground::Newest, &Judgement::Agreed));
    chain.mine(Vec::new());
    let asked = ask(&*latest, old, questions, &[]).await.expect("it answers");
    assert!(matches!(asked.ground, Ground::None(_)), "nothing shows it");
    let asked = ask(&*latest, old, questions, std::slice::from_ref(&probe)).await.expect("it answers");
    let Ground::None(reason) = asked.ground else { panic!("it answered a block with what is now") };
    assert!(reason.contains("does not answer for the block"), "{reason}");
    let archive = Node::new(chain.clone(), |request| {
        Some(word(U256::from(if request.block.number == 0 { 3 } else { 7 })))
    });
    let asked = ask(&*archive, old, questions, std::slice::from_ref(&probe)).await.expect("it answers");
    assert_eq!(asked.ground, Ground::Probed);
    let pruned = Node::new(chain.clone(), |request| {
        Some(if request.block.number == 0 { CallAnswer::StateUnavailable } else { word(U256::from(7)) })
    });
    let asked = ask(&*pruned, old, questions, &[probe]).await.expect("it answers");
    assert!(matches!(asked.ground, Ground::None(_)), "a pruned node shows nothing");
    let gone = BlockId { number: 1, hash: B256::repeat_byte(9) };
    let asked = ask(&*latest, gone, questions, &[]).await.expect("it answers");
    assert!(matches!(asked.ground, Ground::None(_)), "another block stands there");
}

#[tokio::test]
async fn a_refusing_node_stops_nothing() {
    let stage = honest(731).await;
    let node = Node::new(stage.chain.clone(), |_| Some(CallAnswer::StateUnavailable));
    let mut worker = worker(node, stage.worker.store().clone(), stage.config.clone()).looking(OFTEN);
    let outcomes = looks(&mut worker).await;
    assert!(matches!(outcomes.as_slice(), [Outcome::Reconciled { resolved: 0, .. }]), "{outcomes:?}");
    stage.chain.mine(Vec::new());
    converge(&mut worker).await;
    let at = stage.worker.store().checkpoint().await.expect("readable").expect("there");
    assert_eq!(at.block.id, stage.chain.head());
}

#[tokio::test]
async fn the_real_contracts_agree_and_a_changed_row_does_not() {
    let ((node, played), database) = (played().await, database().await);
    let store = Arc::new(postgres_store(&database).await);
    let mut worker = worker(rpc(&node.url()), store, factories(&played.suite)).looking(OFTEN);
    let looked = looks(&mut worker).await;
    let agreed =
        matches!(looked.as_slice(), [Outcome::Reconciled { questions: 20.., resolved: 0, doubt: None, .. }]);
    assert!(agreed, "{looked:?}");
    let pool = pool(&database).await;
    let changed = sqlx::query("update chain.assets set total_supply = total_supply + 1")
        .execute(&pool)
        .await
        .expect("the superuser may");
    assert_eq!(changed.rows_affected(), 2);
    for (suspected, confirmed) in [(2, 0), (0, 2)] {
        node.mine(1).await.expect("anvil mines");
        let looked = looks(&mut worker).await;
        let Some(Outcome::Drifted { suspected: s, confirmed: c, .. }) = looked.last() else {
            panic!("{looked:?}")
        };
        assert_eq!((*s, *c), (suspected, confirmed));
    }
    let suspects: i64 = sqlx::query_scalar("select count(*) from api.assets where suspect")
        .fetch_one(&pool)
        .await
        .expect("readable");
    assert_eq!(suspects, 2);
}

/// What balances and supplies were at the end of every block, by the tables' own past.
struct Past(BTreeMap<(Address, Address), Vec<Then>>);

/// A balance from a block and log on.
type Then = (u64, u32, U256);

impl Past {
    async fn of(stage: &Stage) -> Self {
        let assets: Vec<Asset> = table(stage).await;
        let rows: Vec<OwnershipHistory> = table(stage).await;
        let mut past: BTreeMap<_, Vec<Then>> = BTreeMap::new();
        for row in rows {
            let asset = assets.iter().find(|asset| asset.id == row.asset_id).expect("its asset");
            let balance = row.balance.to_string().parse().expect("not below zero");
            let entry = (row.block_number, row.log_index, balance);
            past.entry((asset.contract_address, row.holder)).or_default().push(entry);
        }
        past.values_mut().for_each(|rows| rows.sort_unstable());
        Self(past)
    }

    fn balance(&self, token: Address, wallet: Address, block: u64) -> U256 {
        let rows = self.0.get(&(token, wallet)).map(Vec::as_slice).unwrap_or_default();
        rows.iter().rev().find(|row| row.0 <= block).map(|row| row.2).unwrap_or_default()
    }

    /// A node with every old state.
    fn answer(&self, request: &CallRequest) -> Option<CallAnswer> {
        let (token, block) = (request.target, request.block.number);
        if let Ok(call) = calls::balanceOfCall::abi_decode(&request.input) {
            return Some(word(self.balance(token, call.account, block)));
        }
        let is_supply = request.input == calls::totalSupplyCall {}.abi_encode();
        let wallets = self.0.keys().filter(|(of, _)| *of == token);
        is_supply.then(|| word(wallets.map(|(_, wallet)| self.balance(token, *wallet, block)).sum()))
    }
}

#[tokio::test]
async fn bisection_finds_the_block_of_a_rebase() {
    let stage = honest(741).await;
    let (asset, holder) = held(&stage).await;
    let (token, wallet) = (asset.contract_address, holder.holder);
    let history: Vec<OwnershipHistory> = table(&stage).await;
    let mut own: Vec<u64> = history
        .iter()
        .filter(|row| row.asset_id == asset.id && row.holder == wallet)
        .map(|row| row.block_number)
        .collect();
    own.sort_unstable();
    let rebased_at = own[own.len() / 2] + 1;
    let past = Past::of(&stage).await;
    let node = Node::new(stage.chain.clone(), move |request| {
        if request.target == token
            && request.input == balance_of(wallet)
            && request.block.number >= rebased_at
        {
            return Some(word(past.balance(token, wallet, request.block.number) + U256::from(5)));
        }
        past.answer(request)
    });
    let mut reader = worker(node, stage.worker.store().clone(), stage.config.clone());
    // With the wallet named, and found by itself.
    for named in [Some(wallet), None] {
        let check = bisect(&mut reader, &mut stage.snapshot().await, token, named).await.expect("it answers");
        assert_eq!(check.found, 1, "{:#?}", found(std::slice::from_ref(&check)));
        assert_eq!(check.findings[0].block, Some(rebased_at));
        assert!(check.findings[0].message.contains("without a log"), "{:?}", check.findings);
    }
}

#[tokio::test]
async fn bisection_lists_the_log_that_is_missing() {
    let stage = honest(751).await;
    let (asset, holder) = held(&stage).await;
    let (token, wallet) = (asset.contract_address, holder.holder);
    let past = Past::of(&stage).await;
    let (block, log): (i64, i64) = sqlx::query_as(
        "select n.block_number, n.log_index from chain.ownership_history n
         join chain.asset_events e using (chain_id, block_number, log_index)
         where n.asset_id = $1 and n.holder = $2 and e.event_type = 'Transfer'
         order by n.block_number desc, n.log_index desc limit 1",
    )
    .bind(asset.id)
    .bind(wallet.as_slice())
    .fetch_one(&stage.pool().await)
    .await
    .expect("the holder's last transfer");
    let pool = stage.pool().await;
    pool.execute(sqlx::AssertSqlSafe(format!(
        "delete from chain.asset_events where block_number = {block} and log_index = {log}"
    )))
    .await
    .expect("the superuser may");
    let executor = executor(Some(&stage.chain), stage.worker.store(), &stage.config);
    let rebuild = asset_indexer::store::postgres::Request::Rebuild;
    executor.execute(&rebuild, &mut |_| {}).await.expect("it rebuilds without the event");
    let node = Node::new(stage.chain.clone(), move |request| past.answer(request));
    let mut reader = worker(node, stage.worker.store().clone(), stage.config.clone());
    let check =
        bisect(&mut reader, &mut stage.snapshot().await, token, Some(wallet)).await.expect("it answers");
    let findings = found(std::slice::from_ref(&check));
    assert_eq!(check.findings.first().and_then(|finding| finding.block), Some(block as u64), "{findings:#?}");
    let message = &check.findings[0].message;
    assert!(message.contains(&format!("log {log} of {token:#x} is missing")), "{message}");
}

#[tokio::test]
async fn bisection_says_when_the_node_keeps_no_old_state() {
    let stage = honest(761).await;
    let head = stage.chain.head();
    let node = Node::new(stage.chain.clone(), move |request| {
        (request.block != head).then_some(CallAnswer::StateUnavailable)
    });
    let mut reader = worker(node, stage.worker.store().clone(), stage.config.clone());
    let check = bisect(&mut reader, &mut stage.snapshot().await, plain(), None).await.expect("it answers");
    assert!(check.unfinished.as_deref().is_some_and(|reason| reason.contains("archive")), "{check:?}");
}
