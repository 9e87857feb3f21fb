//! The commands on a real node with the real contracts: what they print, what they leave behind, how they end.

mod in_use;
mod migrations;
mod unlocked;

use std::collections::BTreeSet;
use std::sync::Arc;

use alloy::hex;
use alloy::primitives::{Address, B256};
use asset_indexer::amount::Amount;
use asset_indexer::fact::Role;
use asset_indexer::id::asset_id;
use asset_indexer::row::Row;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::postgres::PostgresStore;
use asset_indexer::table::asset::Asset;
use asset_indexer::table::event::Observation;
use asset_indexer::table::holder::AssetHolder;
use scenario::{Node, Played, truth};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::support::command::{Folder, Line, played, played_and_pruned};
use crate::support::real::{rows, rpc};
use crate::support::world::{
    CHAIN_ID, PROGRAM, assert_same, cluster, config, converge, database, dump, pool, worker,
};

/// A line with the node, the database and the story's factories.
async fn line(words: &[&str], port: u16, played: &Played, database: &str) -> Line {
    let line = Line::new(words).node(port).contract("trex_factory", played.suite.trex_factory);
    line.contract("id_factory", played.suite.id_factory).database(PROGRAM, database).await
}

fn contracts(played: &Played) -> Vec<(Role, Address)> {
    vec![(Role::TrexFactory, played.suite.trex_factory), (Role::IdFactory, played.suite.id_factory)]
}

/// The tables, read beside whoever writes them.
async fn reader(database: &str) -> PostgresStore {
    let options = cluster().await.connect_options("postgres", database);
    PostgresStore::new(options, CHAIN_ID, Uuid::new_v4())
}

async fn tables(database: &str) -> Vec<(&'static str, Vec<Row>)> {
    dump(&reader(database).await).await
}

/// What a fresh index of the node's chain holds, where the first `from` contracts are read from block 0, as `--from 0`
/// says, and the others from the block that created them.
async fn fresh(node: &Node, contracts: &[(Role, Address)], from: usize) -> Vec<(&'static str, Vec<Row>)> {
    let memory = Arc::new(MemoryStore::new());
    let mut config = config(contracts);
    config.contracts.iter_mut().take(from).for_each(|contract| contract.start_block = Some(0));
    converge(&mut worker(rpc(&node.url()), memory.clone(), config)).await;
    dump(&*memory).await
}

/// The story, indexed by the program.
async fn indexed() -> (Node, Played, String) {
    let ((node, played), database) = (played().await, database().await);
    let said = line(&["backfill", "--from", "0"], node.port(), &played, &database).await.run().await.done();
    assert!(said.contains(&format!("blocks 0 to {} are indexed", played.head)), "{said}");
    (node, played, database)
}

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn a_backfill_by_the_program_equals_a_fresh_index() {
    let (node, played, database) = indexed().await;
    let expected = fresh(&node, &contracts(&played), 2).await;
    assert_same(&tables(&database).await, &expected, "by the program against in memory");
    let again = line(&["backfill", "--from", "0"], node.port(), &played, &database).await.run().await.done();
    assert_eq!(json(&again)["differences"], 0, "{again}");
    assert_same(&tables(&database).await, &expected, "compared");
}

#[tokio::test]
async fn status_tells_how_far_the_tables_are() {
    let (node, played, database) = indexed().await;
    node.mine(3).await.expect("anvil mines");
    let status = json(&line(&["status", "--json"], node.port(), &played, &database).await.run().await.done());
    let head = played.head + 3;
    let count = async |sql: &'static str| -> i64 {
        sqlx::query_scalar(sql).fetch_one(&pool(&database).await).await.expect("readable")
    };
    for (key, expected) in [
        ("chain_id", Json::from(CHAIN_ID)),
        ("status", "running".into()),
        ("halt_reason", Json::Null),
        ("head", head.into()),
        ("checkpoint", played.head.into()),
        ("checkpoint_hash", played.head_hash.to_string().into()),
        ("finalized", (played.head - 64).into()),
        ("lag_blocks", 3.into()),
        ("writer", Json::Null),
        ("assets", 2.into()),
        ("flagged_assets", 0.into()),
        ("catching_up", 0.into()),
        ("unreadable_events", 0.into()),
        ("open_requests", 0.into()),
        ("deferred_indexes", 0.into()),
        ("node_problem", Json::Null),
        ("contracts", count("select count(*) from chain.contracts").await.into()),
        ("events", count("select count(*) from chain.asset_events").await.into()),
        ("holders", count("select count(*) from chain.asset_holders where balance <> 0").await.into()),
    ] {
        assert_eq!(status[key], expected, "{key} of {status:#}");
    }
    let table = line(&["status"], node.port(), &played, &database).await.run().await.done();
    for row in [
        format!("head              {head}"),
        format!("checkpoint        {} {}", played.head, played.head_hash),
        "lag               3 blocks, 36 s".to_owned(),
        "assets            2 (0 flagged)".to_owned(),
        "writer            none".to_owned(),
    ] {
        assert!(table.lines().any(|line| line == row), "{row:?} is not in\n{table}");
    }
    let port = node.port();
    drop(node);
    let off = line(&["status"], port, &played, &database).await.run().await.done();
    assert!(off.contains("head              unknown") && off.contains("did not answer eth_chainId"), "{off}");
}

#[tokio::test]
async fn check_config_tells_what_is_in_effect_and_where_from() {
    let folder = Folder::new();
    let text = r#"[chain]
id = 31337
[rpc]
url = "https://canaryuser:canarypw@node.example/v2/canarykey"
timeout_ms = 5000
[database]
url = "postgres://canaryuser:canarypw@db.example:6432/canarydb"
[[contract]]
role = "trex_factory"
address = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
start_block = 12
"#;
    let file = folder.write("indexer.toml", text);
    let line = Line::new(&["check-config", "--config", &file]).set("ASSET_INDEXER__RPC__TIMEOUT_MS", "7000");
    let said =
        line.arg("--contract").arg("erc20=0x00000000000000000000000000000000000000aa@7").run().await.done();
    for part in [
        format!("id = 31337  # {file}:2"),
        format!("url = \"https://node.example\"  # {file}:4"),
        "timeout_ms = 7000  # environment ASSET_INDEXER__RPC__TIMEOUT_MS".to_owned(),
        format!("url = \"postgres://db.example:6432\"  # {file}:7"),
        "start_block = 12".to_owned(),
        "start_block = 7".to_owned(),
        "# --contract".to_owned(),
        "# default".to_owned(),
    ] {
        let squeezed = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            squeezed.contains(&part.split_whitespace().collect::<Vec<_>>().join(" ")),
            "{part:?} is not in\n{said}"
        );
    }
}

#[tokio::test]
async fn decode_shows_a_forced_transfer_and_writes_nothing() {
    let (node, played, database) = indexed().await;
    let pool = pool(&database).await;
    let (transaction, from, to, amount): (Vec<u8>, Vec<u8>, Vec<u8>, String) = sqlx::query_as(
        "select transaction_hash::bytea, from_address::bytea, to_address::bytea, amount::text
         from chain.asset_operations where operation_type = 'forced_transfer' order by block_number, log_index limit 1",
    )
    .fetch_one(&pool)
    .await
    .expect("the story has one");
    let transaction = hex::encode_prefixed(transaction);
    let before = tables(&database).await;
    let decode = async |words: &[&str]| line(words, node.port(), &played, &database).await.run().await;
    let report = json(&decode(&["decode", &transaction, "--json"]).await.done());
    assert_eq!(report["transaction"], transaction);
    let names: Vec<&str> = report["events"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|event| event["event"].as_str())
        .collect();
    assert_eq!(names, ["TokensUnfrozen", "Transfer"], "{report:#}");
    let moved = &report["events"][1];
    assert_eq!(moved["role"], "trex_token");
    assert_eq!(moved["data"]["from"], hex::encode_prefixed(&from));
    assert_eq!(moved["data"]["to"], hex::encode_prefixed(&to));
    assert_eq!(moved["data"]["value"], amount);
    assert!(moved["fact"].as_str().is_some_and(|fact| fact.starts_with("Transferred")), "{moved}");
    let operations = report["rows"]["asset_operations"].as_array().expect("a list");
    let forced = operations.iter().find(|row| row["operation_type"] == "forced_transfer").expect("it is one");
    assert_eq!(forced["amount"], amount);
    let agent = hex::encode_prefixed(played.wallets.agent);
    assert_eq!(forced["executed_by"], agent, "the transaction's sender is the agent");
    assert!(report["rows"]["asset_events"].is_null(), "events are told once");
    let words = decode(&["decode", &transaction]).await.done();
    for part in [
        "Transfer",
        "Transferred",
        "rows, as from empty tables:",
        "asset_operations",
        "forced_transfer",
        &agent,
    ] {
        assert!(words.contains(part), "{part:?} is not in\n{words}");
    }
    assert_same(&tables(&database).await, &before, "decoded");

    let unknown = B256::repeat_byte(7).to_string();
    let said = format!("the node knows no mined transaction {unknown} on chain 31337");
    decode(&["decode", &unknown]).await.failed(1, &[&said]);
    let typo = decode(&["decode", "0x12"]).await;
    assert_eq!(typo.code, Some(2), "{typo:#?}");
}

#[tokio::test]
async fn a_rebuild_needs_no_node_and_gives_equal_tables() {
    let (node, played, database) = indexed().await;
    let before = tables(&database).await;
    let port = node.port();
    drop(node);
    let pool = pool(&database).await;
    for sql in ["delete from chain.registrations", "update chain.asset_holders set balance = balance + 1"] {
        let changed = sqlx::query(sql).execute(&pool).await.expect("the superuser may");
        assert!(changed.rows_affected() > 0);
    }
    let said = line(&["rebuild"], port, &played, &database).await.run().await.done();
    assert!(said.contains("derived tables were folded again from"), "{said}");
    assert_same(&tables(&database).await, &before, "rebuilt with a node that is off");
    let said = Line::new(&["rebuild"]).database(PROGRAM, &database).await.run().await.done();
    assert!(said.contains("derived tables were folded again from"), "{said}");
    assert_same(
        &tables(&database).await,
        &before,
        "rebuilt without a node or a contract in the configuration",
    );
    // What waits for a rebuild need not be one of a worker.
    let upgrade = "insert into ops.requests (id, chain_id, request, status, submitted_at)
        values (gen_random_uuid(), $1, '{\"kind\": \"upgrade\"}', 'failed', clock_timestamp())";
    sqlx::query(upgrade).bind(CHAIN_ID as i64).execute(&pool).await.expect("the superuser may");
    let wait = async || {
        let asking = sqlx::query_scalar::<_, bool>("select chain.days_wait($1)").bind(CHAIN_ID as i64);
        asking.fetch_one(&pool).await.expect("readable")
    };
    assert!(wait().await);
    Line::new(&["rebuild"]).database(PROGRAM, &database).await.run().await.done();
    assert!(!wait().await);
}

#[tokio::test]
async fn a_node_without_old_states_is_enough_for_the_books() {
    let folder = Folder::new();
    let ((node, played), database) = (played_and_pruned(&folder).await, database().await);
    line(&["backfill", "--from", "0"], node.port(), &played, &database).await.run().await.done();
    let store = reader(&database).await;
    let observations: Vec<Observation> = rows(&store).await;
    let (head, old): (Vec<_>, Vec<_>) = observations.iter().partition(|row| row.block_number == played.head);
    assert!(old.len() > 10, "the story asks for more than {} old states", old.len());
    assert!(old.iter().all(|row| row.outcome == "unavailable" && row.output.is_none()), "{old:#?}");
    assert!(head.iter().all(|row| row.outcome != "unavailable"), "{head:#?}");
    let assets: Vec<Asset> = rows(&store).await;
    assert_eq!(assets.len(), 2);
    assert!(assets.iter().all(|asset| asset.name.is_none() && asset.symbol.is_none()), "{assets:#?}");
    let holders: Vec<AssetHolder> = rows(&store).await;
    for token in played.tokens() {
        let id = asset_id(CHAIN_ID, token.address);
        let asset = assets.iter().find(|asset| asset.id == id).expect("the token is an asset");
        let truth =
            truth::token(&node, played.head_hash, token.address).await.expect("the head's state is there");
        assert_eq!(asset.total_supply, Amount::from(truth.total_supply));
        assert_eq!(asset.decimals, Some(u32::from(truth.decimals)), "an event tells them");
        for wallet in played.holders() {
            let truth =
                truth::holder(&node, played.head_hash, token.address, wallet).await.expect("it answers");
            let row = holders.iter().find(|row| row.asset_id == id && row.holder == wallet);
            let ours = row.map_or((Amount::ZERO, Amount::ZERO, false), |row| {
                (row.balance, row.frozen, row.wallet_frozen)
            });
            assert_eq!(ours, (truth.balance.into(), truth.frozen_tokens.into(), truth.frozen), "{wallet}");
        }
    }
    let status = json(&line(&["status", "--json"], node.port(), &played, &database).await.run().await.done());
    assert_eq!((&status["status"], &status["checkpoint"]), (&"running".into(), &played.head.into()));
    let before = tables(&database).await;
    Line::new(&["rebuild"]).database(PROGRAM, &database).await.run().await.done();
    assert_same(&tables(&database).await, &before, "rebuilt from what could be observed");
}

#[tokio::test]
async fn a_contract_added_to_the_configuration_is_read_from_its_start() {
    let ((node, played), database) = (played().await, database().await);
    let backfill = async || {
        let line = Line::new(&["backfill", "--from", "0"]).node(node.port());
        line.contract("trex_factory", played.suite.trex_factory).database(PROGRAM, &database).await
    };
    backfill().await.run().await.done();
    let before: Vec<Asset> = rows(&reader(&database).await).await;
    assert_eq!(before.len(), 2, "the plain token is nobody's");
    // In several stretches, while nothing is above the checkpoint.
    let id_factory = (Role::IdFactory, played.suite.id_factory);
    let line = backfill().await.set("ASSET_INDEXER__CHAIN__RANGE_BLOCKS_MAX", "20");
    line.contract("id_factory", id_factory.1).run().await.done();
    let all = [(Role::TrexFactory, played.suite.trex_factory), id_factory];
    assert_same(&tables(&database).await, &fresh(&node, &all, 1).await, "the factory of identities added");
    node.mine(2).await.expect("anvil mines");
    let all = [&all[..], &[(Role::Erc20, played.plain.address)]].concat();
    let line = backfill().await.contract("erc20", played.plain.address);
    line.contract("id_factory", id_factory.1).run().await.done();
    assert_same(&tables(&database).await, &fresh(&node, &all, 1).await, "and the plain token");
    // What the configuration no longer names stays.
    backfill().await.run().await.done();
    let assets: Vec<Asset> = rows(&reader(&database).await).await;
    assert_eq!(assets.len(), 3);
}

#[test]
fn output_that_nobody_takes_is_no_panic() {
    let print = |output: std::process::Stdio| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_asset-indexer"));
        let child =
            command.args(["migrate", "--print-roles"]).stdout(output).stderr(std::process::Stdio::piped());
        let ended = child.spawn().expect("it starts").wait_with_output().expect("it ends");
        (ended.status.code(), String::from_utf8(ended.stderr).expect("UTF-8"))
    };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    assert_eq!(print(writer.into()), (Some(141), String::new()));
    let full = std::fs::File::create("/dev/full").expect("Linux has it");
    let (code, said) = print(full.into());
    assert_eq!(code, Some(73), "{said}");
    assert!(said.starts_with("asset-indexer: standard output takes no more: No space left"), "{said}");
}

#[tokio::test]
async fn migrating_twice_is_migrating_once() {
    let name = format!("t_{}", Uuid::new_v4().simple());
    cluster().await.create_database(&name, None).await.expect("a database");
    let migrate = async |variable: &str| {
        let url = crate::support::command::database_url("postgres", &name).await;
        Line::new(&["migrate"]).set(variable, url).run().await.done()
    };
    let first = migrate("ADMIN_DATABASE_URL").await;
    assert!(
        first.starts_with("the schema is at version ") && first.contains(" migrations applied"),
        "{first}"
    );
    let second = migrate("DATABASE_URL").await;
    assert!(second.contains("nothing to do"), "{second}");
    assert_eq!(first.split(':').next(), second.split(':').next());
    let roles = Line::new(&["migrate", "--print-roles"]).run().await.done();
    let applied = sqlx::raw_sql(sqlx::AssertSqlSafe(roles)).execute(&pool(&name).await).await;
    applied.expect("what is printed can be run, also where the roles are there");
}

#[tokio::test]
async fn comparing_finds_a_row_that_was_tampered_with_and_repair_mends_it() {
    let (node, played, database) = indexed().await;
    let before = tables(&database).await;
    let pool = pool(&database).await;
    let tampered = sqlx::query(
        "update chain.asset_events set data = data || '\\x00' where (block_number, log_index) =
             (select block_number, log_index from chain.asset_events where event_type = 'Transfer'
              order by block_number, log_index limit 1)",
    );
    assert_eq!(tampered.execute(&pool).await.expect("the superuser may").rows_affected(), 1);
    let lost =
        sqlx::query("delete from chain.asset_events where event_type = 'ClaimAdded' returning block_number");
    let lost: BTreeSet<i64> = lost
        .fetch_all(&pool)
        .await
        .expect("the superuser may")
        .iter()
        .map(|row| sqlx::Row::get(row, 0))
        .collect();
    assert!(lost.len() > 3);
    let backfill = async |words: &[&str]| {
        let line = line(&["backfill", "--from", "0"], node.port(), &played, &database).await;
        words.iter().fold(line, |line, word| line.arg(*word)).run().await
    };
    let ended = backfill(&[]).await;
    ended.failed(1, &["differences between the node and the tables", "--repair mends them"]);
    let report = json(&ended.out);
    assert_eq!(report["repaired"], false);
    let kinds: BTreeSet<&str> = report["first_differences"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|d| d["kind"].as_str())
        .collect();
    assert_eq!(kinds, BTreeSet::from(["different", "missing"]), "{report:#}");
    let mended = json(&backfill(&["--repair"]).await.done());
    assert_eq!((&mended["repaired"], &mended["differences"]), (&true.into(), &report["differences"]));
    assert_same(&tables(&database).await, &before, "repaired");
    assert_eq!(json(&backfill(&[]).await.done())["differences"], 0);
    let evidence: i64 =
        sqlx::query_scalar("select count(*) from chain.audit_trail where action = 'repaired'")
            .fetch_one(&pool)
            .await
            .expect("readable");
    assert!(evidence > 0, "what was mended is evidence");
}

#[tokio::test]
async fn a_rewind_and_a_backfill_end_where_they_began() {
    let (node, played, database) = indexed().await;
    let before = tables(&database).await;
    let final_block = played.head - 64;
    for to in [played.head - 5, final_block - 10] {
        let words = ["rewind", "--to", &to.to_string(), "--reason", "a court order"];
        let said = line(&words, node.port(), &played, &database).await.run().await.done();
        assert!(said.contains(&format!("rewinding from block {} to {to}: ", played.head)), "{said}");
        assert!(said.contains(&format!("the checkpoint is block {to} now")), "{said}");
        let backfill = line(&["backfill", "--from", "0"], node.port(), &played, &database).await;
        backfill.run().await.done();
        assert_same(&tables(&database).await, &before, &format!("rewound to {to} and read again"));
    }
}
