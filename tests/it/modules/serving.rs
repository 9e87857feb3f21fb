//! Whom a compliance serves, and whether its rules are known: the contracts that T-REX 4.1.6 brings, its legacy ones among
//! them, against what is told.

use std::sync::Arc;

use alloy::primitives::{Address, U256};
use alloy::sol;
use asset_indexer::store::postgres::PostgresStore;
use asset_indexer::sync::Sync;
use scenario::artifact::Package;
use scenario::{Artifacts, Call, Node, Suite, Token, TokenSpec};
use sqlx::postgres::PgPool;

use crate::support::real::{factories, node, rpc};
use crate::support::world::{converge, database, pool, postgres_store, worker};

sol! {
    interface Compliance {
        function bindToken(address token) external;
        function unbindToken(address token) external;
        function addCountryRestriction(uint16 country) external;
    }
}

const SWITZERLAND: u16 = 756;

struct Stage {
    node: Node,
    artifacts: Artifacts,
    suite: Suite,
    token: Token,
    other: Token,
    /// Two registered wallets; the first holds something.
    wallets: [Address; 2],
    worker: Sync<asset_indexer::rpc::Rpc, PostgresStore>,
    pool: PgPool,
}

impl Stage {
    async fn new() -> Self {
        let node = node().await;
        let artifacts = Artifacts::open().expect("npm's packages");
        let suite = Suite::deploy(&node, &artifacts, node.account(0)).await.expect("the platform");
        let spec = |symbol: &str| TokenSpec::new(symbol, symbol, 0, node.account(1), node.account(2));
        let token = suite.deploy_token(&node, &spec("SERVED")).await.expect("a token");
        let other = suite.deploy_token(&node, &spec("OTHER")).await.expect("a token");
        let wallets = [node.account(3), node.account(4)];
        let mut calls = vec![token.unpause(), other.unpause()];
        for (place, wallet) in wallets.into_iter().enumerate() {
            let salt = format!("identity {place}");
            let made = suite.create_identity(&node, wallet, &salt).await.expect("an identity");
            calls.push(token.register(wallet, made.address, SWITZERLAND));
        }
        calls.push(token.mint(wallets[0], U256::from(100)));
        node.send_all(&calls).await.expect("it begins");
        let database = database().await;
        let store = Arc::new(postgres_store(&database).await);
        let worker = worker(rpc(&node.url()), store, factories(&suite));
        let pool = pool(&database).await;
        Self { node, artifacts, suite, token, other, wallets, worker, pool }
    }

    /// Sends what the token's owner calls, and follows.
    async fn send(&mut self, calls: &[Call]) {
        self.node.send_all(calls).await.expect("it goes on");
        converge(&mut self.worker).await;
    }

    async fn told(&self, from: Address, amount: &str) -> (String, Vec<String>) {
        sqlx::query_as(
            "select e.eligible, e.reasons from api.assets a
             cross join lateral api.check_eligibility(a.id, $2, $3, $4::numeric) e where a.contract_address = $1",
        )
        .bind(format!("{:#x}", self.token.address))
        .bind(format!("{from:#x}"))
        .bind(format!("{:#x}", self.wallets[1]))
        .bind(amount)
        .fetch_one(&self.pool)
        .await
        .expect("it answers")
    }

    /// What is told of a transfer and of a mint, where the contracts would do the same with both.
    async fn is(&self, expected: &str, succeeds: bool, reason: &str, context: &str) {
        let [from, to] = self.wallets;
        let at = self.node.head().await.expect("a head").header.hash;
        let amount = U256::from(5);
        for (from, call) in
            [(from, self.token.transfer(from, to, amount)), (Address::ZERO, self.token.mint(to, amount))]
        {
            let would = self.node.would_succeed(at, &call).await.expect("the node answers");
            assert_eq!(would, succeeds, "{context}: the contracts, from {from}");
            let (answer, why) = self.told(from, "5").await;
            assert_eq!(answer, expected, "{context}, from {from}: {why:?}");
            assert!(
                why.iter().any(|why| why.contains(reason)) || reason.is_empty() && why.is_empty(),
                "{why:?}"
            );
        }
    }

    fn bound(&self, to: Address) -> Call {
        Call::new(self.token.owner, self.token.compliance, &Compliance::bindTokenCall { token: to })
    }

    async fn legacy(&self, source: &str) -> Address {
        let source = format!("contracts/compliance/legacy/{source}");
        let code = self.artifacts.creation(Package::TRex, &source, &()).expect("npm's packages");
        self.node.deploy(&Call::deploy(self.token.owner, code, &source)).await.expect("it deploys")
    }
}

#[tokio::test]
async fn a_compliance_lets_only_the_token_move_that_it_serves() {
    let mut stage = Stage::new().await;
    let (token, other) = (stage.token.address, stage.other.address);
    stage.send(&[]).await;
    stage.is("yes", true, "", "as a suite begins").await;
    // One log, which the token has no part in.
    stage.send(&[stage.bound(other)]).await;
    stage.is("no", false, "the compliance serves another token", "bound elsewhere").await;
    stage.send(&[stage.bound(token)]).await;
    stage.is("yes", true, "", "bound again").await;
    let unbind = Call::new(stage.token.owner, stage.token.compliance, &Compliance::unbindTokenCall { token });
    stage.send(&[unbind]).await;
    stage.is("no", false, "the compliance serves no token any more", "bound to none").await;
    let made = stage.suite.deploy_compliance(&stage.node, stage.token.owner).await.expect("a compliance");
    stage.send(&[stage.bound(token), stage.token.set_compliance(made)]).await;
    stage.is("yes", true, "", "a modular one of the owner's own").await;
    // What an archive takes away is not needed of a suite's own compliance.
    stage.send(&[stage.token.set_compliance(stage.token.compliance)]).await;
    sqlx::query("delete from chain.asset_events").execute(&stage.pool).await.expect("the superuser may");
    stage.is("yes", true, "", "the suite's, without its first logs").await;
    sqlx::query("delete from chain.contract_links where link = 'token'")
        .execute(&stage.pool)
        .await
        .expect("it may");
    stage.is("undetermined", true, "did not log which token it serves", "bound by no log").await;
}

#[tokio::test]
async fn a_compliance_that_is_not_known_to_be_modular_has_rules_of_its_own() {
    let mut stage = Stage::new().await;
    let own = "the compliance has rules of its own";
    let restricting = stage.legacy("test/CountryRestrictionsTest").await;
    stage.send(&[stage.token.set_compliance(restricting)]).await;
    stage.is("undetermined", true, own, "it logged no rule yet").await;
    let restrict = Compliance::addCountryRestrictionCall { country: SWITZERLAND };
    stage.send(&[Call::new(stage.token.owner, restricting, &restrict)]).await;
    let [from, to] = stage.wallets;
    let at = stage.node.head().await.expect("a head").header.hash;
    let transfer = stage.token.transfer(from, to, U256::from(5));
    assert!(!stage.node.would_succeed(at, &transfer).await.expect("it answers"), "by its rule");
    let (answer, why) = stage.told(from, "5").await;
    assert_eq!((answer.as_str(), why), ("undetermined", vec![own.to_owned()]));
    let default = stage.legacy("DefaultCompliance").await;
    stage.send(&[stage.token.set_compliance(default)]).await;
    stage.is("undetermined", true, own, "one without rules looks like one with").await;
    stage.send(&[stage.token.set_compliance(stage.token.compliance)]).await;
    stage.is("yes", true, "", "back").await;
}

/// Numerics that no token can count, whoever would get them.
#[tokio::test]
async fn an_amount_that_no_token_can_count_is_refused() {
    let mut stage = Stage::new().await;
    stage.send(&[]).await;
    let most = U256::MAX;
    for from in [Address::ZERO, stage.wallets[0]] {
        for amount in ["NaN", "Infinity", "-Infinity", "0.5", "-1", "1e78", &format!("{most}")] {
            let (answer, why) = stage.told(from, amount).await;
            assert_eq!(answer, "no", "{from}: {amount}: {why:?}");
        }
    }
    let at = stage.node.head().await.expect("a head").header.hash;
    let left = most - U256::from(100);
    let mint = stage.token.mint(stage.wallets[1], left);
    assert!(stage.node.would_succeed(at, &mint).await.expect("it answers"));
    assert_eq!(stage.told(Address::ZERO, &left.to_string()).await, ("yes".to_owned(), vec![]));
}
