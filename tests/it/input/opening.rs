//! A start above a contract's first event: refused unless it is meant, and then opened with what the chain says.

use alloy::primitives::{Address, U256};
use scenario::{Node, NodeOptions, Step, truth};
use sqlx::Row as _;

use super::{CONFIG, backfill, count, token};
use crate::support::command::{Folder, Line, played, played_and_pruned};
use crate::support::real::node;
use crate::support::world::{PROGRAM, database, pool};

/// Anvil calls a block final that has two epochs of 32 blocks above it; opening balances are asked for at no other.
const BLOCKS_UNTIL_FINAL: u64 = 64;

#[tokio::test]
async fn a_start_above_the_first_event_needs_partial_and_then_opens_with_what_the_chain_says() {
    let (node, database) = (node().await, database().await);
    let token = token(&node).await.address;
    node.mine(BLOCKS_UNTIL_FINAL).await.expect("anvil mines");
    let said = [
        &format!("start block 5 of {token} is above its first event at block 1"),
        "start at 1 or below",
        "complete only from 5 on",
        "--partial",
    ];
    backfill(&node, &database, token, &["--from", "5"]).await.run().await.failed(CONFIG, &said);
    let line = Line::new(&["run", "--contract", &format!("erc20={token}@5")]).node(node.port());
    line.database(PROGRAM, &database).await.run().await.failed(CONFIG, &said);
    let pool = pool(&database).await;
    assert_eq!(count(&pool, "chain.checkpoints").await, 0);
    backfill(&node, &database, token, &["--from", "5", "--partial"]).await.run().await.done();

    let (complete_from, supply): (i64, String) =
        sqlx::query_as("select complete_from, total_supply::text from chain.assets")
            .fetch_one(&pool)
            .await
            .expect("one");
    assert_eq!((complete_from, supply.as_str()), (5, "1000"));
    let complete: Vec<bool> = sqlx::query_scalar(
        "select t.complete from chain.assets a cross join lateral api.register_totals(a.id, 12) t
         union all select h.complete from chain.assets a cross join lateral api.holders_at(a.id, 12) h
         union all select h.complete from chain.assets a cross join chain.checkpoints k
             cross join lateral api.holders_at_time(a.id, k.block_timestamp) h",
    )
    .fetch_all(&pool)
    .await
    .expect("readable");
    assert!(
        complete.len() > 2 && !complete.contains(&true),
        "who has not moved since is in no log: {complete:?}"
    );
    let asked: Vec<(i64, String)> = sqlx::query_as("select distinct block_number, outcome from chain.observations where input <> '\\x06fdde03' and input <> '\\x95d89b41' and input <> '\\x313ce567'")
        .fetch_all(&pool)
        .await
        .expect("readable");
    assert_eq!(
        asked,
        [(4, "returned".to_owned())],
        "opening balances and supply are those of the block before"
    );
    let past = sqlx::query("select holder::bytea, block_number, balance::text from chain.ownership_history")
        .fetch_all(&pool)
        .await
        .expect("readable");
    assert_eq!(past.len(), 10, "two wallets a transfer");
    for row in past {
        let (holder, at) =
            (Address::from_slice(row.get(0)), u64::try_from(row.get::<i64, _>(1)).expect("a height"));
        let hash = node.block_hash(at).await.expect("there");
        let balance = truth::balance(&node, hash, token, holder).await.expect("the token answers");
        assert_eq!(row.get::<String, _>(2), balance.to_string(), "{holder} at block {at}");
    }
}

#[tokio::test]
async fn a_t_rex_token_opens_with_balances_and_freezes() {
    let ((node, played), database) = (played().await, database().await);
    let bond = played.bond.address;
    let act = played.acts.iter().find(|act| act.step == Step::ForcedTransfers).expect("it was played");
    let from = act.first_block;
    let line = async |from: u64| {
        let line = Line::new(&["backfill", "--partial", "--from", &from.to_string()]).node(node.port());
        line.contract("trex_token", bond).database(PROGRAM, &database).await
    };
    line(from).await.run().await.done();
    let past = sqlx::query(
        "select holder::bytea, block_number, max(log_index), (array_agg(balance::text order by log_index desc))[1],
             (array_agg(frozen::text order by log_index desc))[1],
             (array_agg(wallet_frozen order by log_index desc))[1]
         from chain.ownership_history group by holder, block_number",
    )
    .fetch_all(&pool(&database).await)
    .await
    .expect("readable");
    assert!(past.len() > 15, "{} changes", past.len());
    let mut freezes = 0;
    for row in past {
        let (holder, at) =
            (Address::from_slice(row.get(0)), u64::try_from(row.get::<i64, _>(1)).expect("a height"));
        assert!(at >= from);
        let hash = node.block_hash(at).await.expect("there");
        let truth = truth::holder(&node, hash, bond, holder).await.expect("the token answers");
        let ours: (String, String, bool) = (row.get(3), row.get(4), row.get(5));
        assert_eq!(
            ours,
            (truth.balance.to_string(), truth.frozen_tokens.to_string(), truth.frozen),
            "{holder} at block {at}"
        );
        freezes += usize::from(truth.frozen) + usize::from(!truth.frozen_tokens.is_zero());
    }
    assert!(freezes > 3, "the story freezes before it forces");
}

#[tokio::test]
async fn a_late_start_on_a_node_without_the_state_is_refused() {
    let folder = Folder::new();
    let ((node, played), database) = (played_and_pruned(&folder).await, database().await);
    let token = played.plain.address;
    let line =
        Line::new(&["backfill", "--partial", "--from", &(played.head - 1).to_string()]).node(node.port());
    line.contract("erc20", token).database(PROGRAM, &database).await.run().await.failed(
        CONFIG,
        &[
            &format!("start block {} of {token} needs the balances at the block before", played.head - 1),
            "the node does not keep that state",
            "archive node",
            "start at the first event",
        ],
    );
    assert_eq!(count(&pool(&database).await, "chain.checkpoints").await, 0);
}

#[tokio::test]
async fn an_opening_balance_that_the_node_has_forgotten_is_not_guessed() {
    let (folder, database) = (Folder::new(), database().await);
    let file = folder.path().join("pruned.json");
    let options =
        NodeOptions { dump_state: Some(file.clone()), historical_states: false, ..NodeOptions::default() };
    let node = Node::start_with(options).await.expect("anvil starts");
    let token = token(&node).await;
    node.mine(BLOCKS_UNTIL_FINAL).await.expect("anvil mines");
    let line = async |node: &Node, from: &str, to: &str| {
        backfill(node, &database, token.address, &["--from", from, "--to", to, "--partial"]).await.run().await
    };
    line(&node, "6", "9").await.done();
    // The first wallet has 10 since block 2 and moves for the first time since the start.
    node.send(&token.transfer(node.account(1), node.account(2), U256::from(4))).await.expect("it transfers");
    let head = node.head().await.expect("the node answers").header.number.to_string();
    let dump = node.dump_state().await.expect("anvil dumps");
    node.stop().await.expect("anvil writes its dump");
    let options = NodeOptions { load_state: Some(file), ..NodeOptions::default() };
    let pruned = Node::start_with(options).await.expect("anvil starts again");
    let said = [
        "has no eth_call history at block 5",
        "opening balances of",
        &token.address.to_string(),
        "use a node that keeps it",
    ];
    line(&pruned, "10", &head).await.failed(CONFIG, &said);
    let whole = self::node().await;
    whole.load_state(&dump).await.expect("the dump fits");
    line(&whole, "10", &head).await.done();
    let hash = whole.head().await.expect("the node answers").header.hash;
    for number in 1..=2 {
        let wallet = whole.account(number);
        let truth = truth::balance(&whole, hash, token.address, wallet).await.expect("the token answers");
        let ours: String =
            sqlx::query_scalar("select balance::text from chain.asset_holders where holder = $1")
                .bind(wallet.as_slice())
                .fetch_one(&pool(&database).await)
                .await
                .expect("it has a row");
        assert_eq!(ours, truth.to_string(), "{wallet}");
    }
}
