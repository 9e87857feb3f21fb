//! `api.check_eligibility` against the chain: what the contracts would do with each transfer at the checkpoint's block.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use scenario::{Call, Token, truth};
use sqlx::PgConnection;

use super::story::{Module, Story, story};
use crate::support::real::{factories, rpc};
use crate::support::world::{converge, database, pool, postgres_store, worker};

/// Base units that meet every limit from both sides.
const AMOUNTS: [u64; 9] = [0, 1, 10, 40, 100, 349, 400, 801, 2_001];

struct Transfer {
    from: Address,
    to: Address,
    amount: U256,
}

/// What the chain says of a transfer.
struct Truth {
    /// Whether the rules would let it through: pause, freezes, free balance, `isVerified`, `canTransfer`.
    allowed: bool,
    /// Whether the transaction would succeed: also what modules do after their check.
    succeeds: bool,
}

/// What the token says of itself and of its wallets, asked once.
struct State<'a> {
    story: &'a Story,
    token: &'a Token,
    at: B256,
    paused: bool,
    holders: BTreeMap<Address, truth::HolderTruth>,
    verified: BTreeSet<Address>,
}

impl<'a> State<'a> {
    async fn read(story: &'a Story, token: &'a Token, at: B256) -> Self {
        let node = &story.node;
        let paused = truth::token(node, at, token.address).await.expect("the token answers").paused;
        let (mut holders, mut verified) = (BTreeMap::new(), BTreeSet::new());
        for wallet in story.wallets {
            let holder = truth::holder(node, at, token.address, wallet).await.expect("the token answers");
            holders.insert(wallet, holder);
            let asked = Module::isVerifiedCall { wallet };
            if node.call_at(at, token.identity_registry, &asked).await.expect("the registry answers") {
                verified.insert(wallet);
            }
        }
        Self { story, token, at, paused, holders, verified }
    }

    async fn truth(&self, transfer: &Transfer) -> Truth {
        let Transfer { from, to, amount } = *transfer;
        let node = &self.story.node;
        let mint = from.is_zero();
        // A module that fails in its check (an identity that is not there) lets nothing through either.
        let asked = Module::canTransferCall { from, to, amount };
        let can = node.call_at(self.at, self.token.compliance, &asked).await.unwrap_or(false);
        let free = |holder: &truth::HolderTruth| holder.balance - holder.frozen_tokens >= amount;
        let holders = mint
            || !self.paused
                && !self.holders[&from].frozen
                && !self.holders[&to].frozen
                && free(&self.holders[&from]);
        let call: Call =
            if mint { self.token.mint(to, amount) } else { self.token.transfer(from, to, amount) };
        Truth {
            allowed: holders && self.verified.contains(&to) && can,
            succeeds: node.would_succeed(self.at, &call).await.expect("the node answers"),
        }
    }
}

async fn told(connection: &mut PgConnection, token: &Token, transfer: &Transfer) -> (String, Vec<String>) {
    sqlx::query_as(
        "select e.eligible, e.reasons from api.assets a
         cross join lateral api.check_eligibility(a.id, $2, $3, $4::numeric) e where a.contract_address = $1",
    )
    .bind(format!("{:#x}", token.address))
    .bind(format!("{:#x}", transfer.from))
    .bind(format!("{:#x}", transfer.to))
    .bind(transfer.amount.to_string())
    .fetch_one(connection)
    .await
    .expect("a reader may ask")
}

#[tokio::test]
async fn what_is_told_of_a_transfer_is_what_the_contracts_would_do() {
    let story = story().await;
    let database = database().await;
    let store = Arc::new(postgres_store(&database).await);
    converge(&mut worker(rpc(&story.node.url()), store, factories(&story.suite))).await;
    let pool = pool(&database).await;
    let mut connection = pool.acquire().await.expect("a connection");
    sqlx::query("set role asset_indexer_reader").execute(&mut *connection).await.expect("a reader's rights");
    let at = story.node.head().await.expect("a head").header.hash;
    let mut answers: BTreeMap<(&str, String), u64> = BTreeMap::new();
    let mut reasons = BTreeSet::new();
    for (name, token) in story.tokens() {
        let state = State::read(&story, token, at).await;
        for from in story.wallets.into_iter().chain([Address::ZERO]) {
            for to in story.wallets {
                for amount in AMOUNTS.map(U256::from) {
                    let transfer = Transfer { from, to, amount };
                    let truth = state.truth(&transfer).await;
                    let (answer, why) = told(&mut connection, token, &transfer).await;
                    let context = format!("{name}: {from} to {to}, {amount}: {why:?}");
                    match answer.as_str() {
                        "yes" => assert!(truth.allowed && truth.succeeds, "yes, {context}"),
                        "no" => assert!(!truth.succeeds, "no, {context}"),
                        _ => assert!(may_be_undetermined(name, amount, &why), "undetermined, {context}"),
                    }
                    assert_eq!(answer == "yes", why.is_empty(), "{context}");
                    *answers.entry((name, answer)).or_default() += 1;
                    reasons.extend(why.iter().map(|why| kind(why)));
                }
            }
        }
    }
    for (name, _) in story.tokens() {
        let met = |answer: &str| answers.get(&(name, answer.to_owned())).copied().unwrap_or(0);
        assert!(met("no") > 100, "{name}: {answers:?}");
        assert_eq!(met("yes") > 3, name != "fees", "{name}: {answers:?}");
        assert_eq!(met("undetermined") > 0, matches!(name, "plain" | "fees"), "{name}: {answers:?}");
    }
    every_rule_was_met(&reasons);
}

/// Only where a module depends on more than its rules, or where no module tells what kind of compliance it is.
fn may_be_undetermined(token: &str, amount: U256, why: &[String]) -> bool {
    match token {
        "fees" => why.iter().any(|why| why.ends_with("has rules of its own")),
        "plain" => amount.is_zero(),
        _ => false,
    }
}

/// A reason without addresses and numbers.
fn kind(reason: &str) -> String {
    let words = reason.split([' ', ',']).filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn every_rule_was_met(reasons: &BTreeSet<String>) {
    for expected in [
        "CountryAllowModule does not allow the recipient's country",
        "CountryRestrictModule restricts the recipient's country",
        "MaxBalanceModule lets an identity have base units",
        "MaxBalanceModule lets an identity have base units and counts",
        "MaxBalanceModule counts by identity and the sender has none",
        "MaxBalanceModule counts base units for the sender's identity",
        "SupplyLimitModule lets the supply be base units and it is",
        "TransferRestrictModule allows neither sender nor recipient",
        "TransferFeesModule has rules of its own",
        "TimeTransfersLimitsModule has rules of its own",
        "the asset is paused",
        "the compliance refuses to move nothing",
        "the sender's wallet is frozen",
        "the recipient's wallet is frozen",
        "the recipient is not verified: not registered",
    ] {
        assert!(reasons.iter().any(|reason| reason == expected), "{expected}: {reasons:#?}");
    }
}
