//! Bad input: what people mistype, misconfigure or point at the wrong thing. The program says what, where and how to
//! mend it, ends with the exit code that `--help` promises, and changes nothing.

mod database;
mod opening;

use alloy::primitives::{Address, U256};
use scenario::{Artifacts, Node, NodeOptions, PlainToken};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;

use crate::support::command::{Folder, Line, closed_port};
use crate::support::real::node;
use crate::support::scripted_node::{Chain, ScriptedNode, error, range_of};
use crate::support::world::{PROGRAM, database, pool};
use simulation::events::account;

const USAGE: i32 = 2;
const UNAVAILABLE: i32 = 69;
const PERMISSION: i32 = 77;
const CONFIG: i32 = 78;

/// A token with transfers in blocks 2 to 9, the mint in block 1.
async fn token(node: &Node) -> PlainToken {
    let artifacts = Artifacts::open().expect("npm's packages are there");
    let holder = node.account(0);
    let token = PlainToken::deploy(node, &artifacts, holder, "Plain", "PLN", U256::from(1_000)).await;
    let token = token.expect("it deploys");
    for number in 1..=8 {
        let amount = U256::from(10 * number);
        node.send(&token.transfer(holder, node.account(number), amount)).await.expect("it transfers");
    }
    token
}

/// `backfill` of a token over some blocks.
async fn backfill(node: &Node, database: &str, token: Address, range: &[&str]) -> Line {
    let line = Line::new(&["backfill"]).node(node.port()).contract("erc20", token);
    let line = range.iter().fold(line, |line, argument| line.arg(*argument));
    line.database(PROGRAM, database).await
}

async fn count(pool: &PgPool, table: &'static str) -> i64 {
    let sql = AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query_scalar(sql).fetch_one(pool).await.expect("readable")
}

#[tokio::test]
async fn every_mistake_of_a_file_is_told_at_once_with_its_line() {
    let folder = Folder::new();
    folder.write("broken.json", "[{\"type\": \"event\", \"name\": ");
    folder.write("functions.json", "[]");
    let text = r#"[chain]
finality = "depht"
idd = 1
[rpc]
url = "ftp://canaryuser:canarypw@node.example/canarykey"
timeout_ms = "soon"
[database]
url = "postgres://canaryuser:canarypw@db.example/assets?sslmod=require"
[[contract]]
role = "erc2"
address = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
[[contract]]
role = "erc20"
address = "0x5FbDB2315678afecb367f032d93F642f64180aa4"
[[abi]]
role = "trex_token"
file = "broken.json"
[[abi]]
role = "trex_token"
file = "functions.json"
[[abi]]
role = "erc20"
file = "missing.json"
"#;
    let file = folder.write("indexer.toml", text);
    for command in ["check-config", "run", "status"] {
        let ended = Line::new(&[command, "--config", &file]).run().await;
        let at = |line: usize| format!("{file}:{line}: ");
        ended.failed(
            CONFIG,
            &[
                "10 mistakes in the configuration:",
                &format!("{}chain.finality = \"depht\": ", at(2)),
                &format!("{}chain.idd", at(3)),
                &format!("{}rpc.url", at(5)),
                &format!("{}rpc.timeout_ms", at(6)),
                &format!("{}database.url", at(8)),
                "sslmode",
                &format!("{}contract.role = \"erc2\": unknown role; did you mean \"erc20\"?", at(10)),
                &format!("{}contract.address", at(14)),
                "checksum",
                &format!("{}abi.file = \"broken.json\": ABI file ", at(17)),
                "broken.json is not a JSON ABI",
                "line 1 column",
                &format!("{}abi.file", at(20)),
                "functions.json is not a JSON ABI",
                "it declares no event",
                &format!("{}abi.file", at(23)),
                "missing.json cannot be read: No such file",
            ],
        );
    }
}

#[tokio::test]
async fn arguments_are_checked_like_the_file() {
    let typo =
        Line::new(&["check-config", "--contract", "trex_factry=0x5FbDB2315678afecb367f032d93F642f64180aa3"]);
    typo.run()
        .await
        .failed(CONFIG, &["--contract", "unknown role; did you mean \"trex_factory\"?", "id_factory"]);
    let ended = Line::new(&["run"]).set("RPC_URL", " ").run().await;
    ended.failed(CONFIG, &["environment RPC_URL: rpc.url: is set but empty"]);
    let ended = Line::new(&["check-config", "--config", "nowhere.toml"]).run().await;
    ended.failed(CONFIG, &["nowhere.toml: the configuration file cannot be read: No such file"]);
    let ended = Line::new(&["backfil", "--from", "1"]).run().await;
    assert_eq!(ended.code, Some(USAGE), "{ended:#?}");
    assert!(ended.err.contains("unrecognized subcommand 'backfil'"), "{ended:#?}");
}

#[tokio::test]
async fn without_a_node_or_a_contract_there_is_nothing_to_follow() {
    let database = database().await;
    let no_node = Line::new(&["run"]).database(PROGRAM, &database).await;
    no_node.run().await.failed(CONFIG, &["no RPC URL", "--rpc URL", "RPC_URL", "rpc.url"]);
    let node = node().await;
    for command in [&["run"][..], &["backfill", "--from", "0"]] {
        let line = Line::new(command).node(node.port()).database(PROGRAM, &database).await;
        line.run()
            .await
            .failed(CONFIG, &["no contract is configured", "[[contract]]", "--contract ROLE=ADDRESS"]);
    }
    let line = Line::new(&["status"]).database(PROGRAM, &database).await;
    line.run().await.failed(1, &["the tables are empty", "nothing is indexed yet"]);
    assert_eq!(count(&pool(&database).await, "chain.checkpoints").await, 0);
}

#[tokio::test]
async fn a_node_of_another_chain_is_refused() {
    let (node, database) = (node().await, database().await);
    let token = token(&node).await.address;
    let line = backfill(&node, &database, token, &["--from", "0"]).await;
    let said = ["the node serves chain 31337", "the configuration says chain 1", "[chain] id", "RPC"];
    for command in [
        &["run"][..],
        &["backfill", "--from", "0"],
        &["decode", &format!("{:?}", alloy::primitives::B256::ZERO)],
    ] {
        let other = Line::new(command)
            .node(node.port())
            .contract("erc20", token)
            .set("ASSET_INDEXER__CHAIN__ID", "1");
        other.database(PROGRAM, &database).await.run().await.failed(CONFIG, &said);
    }
    line.run().await.done();
}

#[tokio::test]
async fn a_database_of_another_chain_with_the_same_id_is_left_alone() {
    let (first, database) = (node().await, database().await);
    let address = token(&first).await.address;
    let line = backfill(&first, &database, address, &["--from", "0"]).await;
    // A rewind below finality asks the node.
    let line = line.set("ASSET_INDEXER__CHAIN__FINALITY", "depth");
    line.set("ASSET_INDEXER__CHAIN__FINALITY_DEPTH_BLOCKS", "2").run().await.done();
    let pool = pool(&database).await;
    let before = count(&pool, "chain.asset_events").await;
    assert_eq!(before, 9);
    let options = NodeOptions { genesis_timestamp: 1_600_000_000, ..NodeOptions::default() };
    let second = Node::start_with(options).await.expect("anvil starts");
    second.mine(20).await.expect("anvil mines");
    let hashes = [first.block_hash(0).await.expect("there"), second.block_hash(0).await.expect("there")];
    assert_ne!(hashes[0], hashes[1]);
    let stored = format!("the database holds chain 31337 with genesis {}", hashes[0]);
    let found = format!("the node serves chain 31337 with genesis {}", hashes[1]);
    let said = [stored.as_str(), found.as_str(), "use another database, or another node"];
    let run = Line::new(&["run"]).node(second.port()).contract("erc20", address);
    run.database(PROGRAM, &database).await.run().await.failed(CONFIG, &said);
    for range in
        [&["--from", "10"][..], &["--from", "0", "--to", "9"], &["--from", "0", "--to", "9", "--repair"]]
    {
        backfill(&second, &database, address, range).await.run().await.failed(CONFIG, &said);
    }
    let rewind = Line::new(&["rewind", "--to", "4", "--reason", "a test"]).node(second.port());
    rewind.database(PROGRAM, &database).await.run().await.failed(CONFIG, &said);
    assert_eq!(count(&pool, "chain.asset_events").await, before);
    assert_eq!(count(&pool, "chain.audit_trail").await, 0);
}

#[tokio::test]
async fn a_node_that_is_not_there_is_named_by_its_host_only() {
    let (database, port) = (database().await, closed_port());
    for command in [&["run"][..], &["backfill", "--from", "0"]] {
        let line = Line::new(command).node(port).contract("erc20", account(7, 7));
        let ended = line.database(PROGRAM, &database).await.run().await;
        ended.failed(
            UNAVAILABLE,
            &[&format!("127.0.0.1:{port} did not answer eth_chainId"), "refused", "rpc.url"],
        );
    }
    let alias = Line::new(&["run"]).node(port).contract("erc20", account(7, 7));
    let alias = alias.set("ASSET_INDEXER__RPC__ALIAS", "our node").database(PROGRAM, &database).await;
    alias.run().await.failed(CONFIG, &["rpc.alias"]);
    let alias = Line::new(&["run"]).node(port).contract("erc20", account(7, 7));
    let alias = alias.set("ASSET_INDEXER__RPC__ALIAS", "our-node").database(PROGRAM, &database).await;
    alias.run().await.failed(UNAVAILABLE, &["our-node did not answer eth_chainId"]);
}

#[tokio::test]
async fn a_node_without_the_history_is_refused_with_the_block_it_lacks() {
    let contract = account(7, 7);
    let scripted = ScriptedNode::start(Chain::with_logs(40, contract, [30])).await;
    scripted.rule(|asked, _| {
        let lacks = asked.method == "eth_getLogs" && range_of(&asked.params[0]).0 < 20;
        lacks.then(|| error(4444, "pruned history unavailable"))
    });
    // Old states are gone with old logs.
    scripted.rule(|asked, _| {
        let is_old = asked.method == "eth_getCode" && asked.params[1] != "0x28";
        is_old.then(|| error(-32000, "missing trie node 00 (path ) state 0x00 is not available"))
    });
    let database = database().await;
    let url = scripted.url("/canarykey?key=canary");
    let run = Line::new(&["run"]).set("RPC_URL", url).contract("erc20", contract);
    let ended = run.database(PROGRAM, &database).await.run().await;
    ended.failed(
        CONFIG,
        &[
            "has no eth_getLogs history at block",
            "pruned history unavailable",
            "use a node that keeps it",
            "start later",
        ],
    );
    assert_eq!(count(&pool(&database).await, "chain.asset_events").await, 0);
}

#[tokio::test]
async fn an_address_without_code_is_refused() {
    let (node, database) = (node().await, database().await);
    let nobody = account(7, 7);
    let line = Line::new(&["run"]).node(node.port()).contract("trex_factory", nobody);
    line.database(PROGRAM, &database).await.run().await.failed(
        CONFIG,
        &[
            &format!(
                "there is no contract at {nobody} (configured as trex_factory) on chain 31337 at block 0"
            ),
            "check the address and the RPC's chain",
        ],
    );
}

#[tokio::test]
async fn a_range_that_cannot_be_indexed_is_a_usage_error() {
    let (node, database) = (node().await, database().await);
    let token = token(&node).await.address;
    for (range, parts) in [
        (&["--from", "99"][..], ["--from 99 is above the chain's head 9", "nothing to index yet"]),
        (&["--from", "5", "--to", "4"], ["--to 4", "is below --from 5"]),
        (&["--from", "0", "--to", "99"], ["--to 99 is above the chain's head 9", "leave it out"]),
    ] {
        backfill(&node, &database, token, range).await.run().await.failed(USAGE, &parts);
    }
    backfill(&node, &database, token, &["--from", "0", "--to", "5"]).await.run().await.done();
    let gap = backfill(&node, &database, token, &["--from", "8"]).await.run().await;
    gap.failed(USAGE, &["--from 8 would leave a gap", "the tables reach block 5", "start at 6 or below"]);
    assert_eq!(count(&pool(&database).await, "chain.asset_events").await, 5);
    let on = backfill(&node, &database, token, &["--from", "6"]).await.run().await.done();
    assert!(on.contains("blocks 6 to 9 are indexed"), "{on}");
    let above = Line::new(&["run", "--contract", &format!("erc20={token}@99")]).node(node.port());
    let above = above.database(PROGRAM, &self::database().await).await.run().await;
    above.failed(CONFIG, &["start block 99 of", "is above the chain's head 9"]);
}

#[tokio::test]
async fn a_contract_keeps_the_role_it_is_stored_with() {
    let (node, database) = (node().await, database().await);
    let token = token(&node).await.address;
    backfill(&node, &database, token, &["--from", "0"]).await.run().await.done();
    let line = Line::new(&["run"]).node(node.port()).contract("trex_token", token);
    line.database(PROGRAM, &database).await.run().await.failed(
        CONFIG,
        &[
            &format!("{token} is configured as trex_token, and the tables hold it as erc20"),
            "correct the role, or use a fresh database",
        ],
    );
}

#[tokio::test]
async fn a_rewind_needs_a_reason_and_a_block_below() {
    let (node, database) = (node().await, database().await);
    let token = token(&node).await.address;
    backfill(&node, &database, token, &["--from", "0"]).await.run().await.done();
    let rewind = async |arguments: &[&str]| {
        let line = Line::new(&["rewind"]).node(node.port()).contract("erc20", token);
        let line = arguments.iter().fold(line, |line, argument| line.arg(*argument));
        line.database(PROGRAM, &database).await.run().await
    };
    for reason in ["", "  "] {
        rewind(&["--to", "5", "--reason", reason]).await.failed(USAGE, &["--reason is empty", "audit trail"]);
    }
    let missing = rewind(&["--to", "5"]).await;
    assert_eq!(missing.code, Some(USAGE), "{missing:#?}");
    assert!(missing.err.contains("--reason"), "{missing:#?}");
    for to in ["9", "10"] {
        let ended = rewind(&["--to", to, "--reason", "a test"]).await;
        ended.failed(1, &[&format!("block {to} is not below the checkpoint 9"), "nothing to take back"]);
        assert!(!ended.out.contains("rewinding"), "it says what it does not do: {ended:#?}");
    }
    assert_eq!(count(&pool(&database).await, "chain.asset_events").await, 9);
}
