//! The command on a real node with the real contracts: what it says, how it ends, what it leaves.

use scenario::{Node, Played};
use serde_json::Value as Json;
use sqlx::PgPool;

use crate::support::command::{Ended, Folder, Line, closed_port, database_url, played, played_and_pruned};
use crate::support::world::{PROGRAM, database, pool};

struct Indexed {
    node: Node,
    played: Played,
    database: String,
}

impl Indexed {
    async fn new() -> Self {
        let ((node, played), database) = (played().await, database().await);
        let indexed = Self { node, played, database };
        indexed.run(&["backfill", "--from", "0"]).await.done();
        indexed
    }

    async fn line(&self, words: &[&str]) -> Line {
        let line = Line::new(words).node(self.node.port());
        let line = line.contract("trex_factory", self.played.suite.trex_factory);
        line.contract("id_factory", self.played.suite.id_factory).database(PROGRAM, &self.database).await
    }

    async fn run(&self, words: &[&str]) -> Ended {
        self.line(words).await.run().await
    }

    async fn pool(&self) -> PgPool {
        pool(&self.database).await
    }

    async fn tamper(&self, sql: &'static str) {
        let changed = sqlx::query(sql).execute(&self.pool().await).await.expect("the superuser may");
        assert!(changed.rows_affected() > 0, "{sql}");
    }
}

/// Every line of the output as JSON; the last is the summary.
fn lines(out: &str) -> Vec<Json> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn summary(out: &str) -> Json {
    let lines = lines(out);
    let last = lines.last().expect("a summary").clone();
    assert_eq!(last["kind"], "summary");
    assert!(lines[..lines.len() - 1].iter().all(|line| line["kind"] == "finding"), "{out}");
    last
}

const EVERYTHING: [&str; 5] = ["verify", "--level", "quick,chain,receipts,deep,audit", "--all", "--json"];

#[tokio::test]
async fn everything_agrees_with_the_real_contracts() {
    let indexed = Indexed::new().await;
    let summary = summary(&indexed.run(&EVERYTHING).await.done());
    assert_eq!((&summary["found"], &summary["block"]), (&0.into(), &indexed.played.head.into()));
    assert_eq!(summary["hash"], indexed.played.head_hash.to_string());
    let examined = |name: &str| {
        let checks = summary["checks"].as_array().expect("a list");
        let check =
            checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name} was made"));
        check["examined"].as_u64().expect("a number")
    };
    assert!(examined("contracts_agree") > 70, "{summary:#}");
    assert_eq!(examined("logs_are_proved"), indexed.played.head);
    assert!(examined("tables_equal_ground") > 200 && examined("observations_stand") > 10, "{summary:#}");

    // As the writer's role, which owns nothing.
    let role = format!("verifier_{}", uuid::Uuid::new_v4().simple());
    let make = format!("create role {role} login; grant asset_indexer_writer to {role}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&indexed.pool().await).await.expect("the superuser may");
    let line = Line::new(&EVERYTHING).node(indexed.node.port()).database(&role, &indexed.database).await;
    assert_eq!(self::summary(&line.run().await.done())["found"], 0);

    // Another node, and another installation.
    let url = format!("http://canaryuser:canarypw@127.0.0.1:{}/?key=canarykey", indexed.node.port());
    let against = format!("--against={url}");
    let line = indexed.line(&["verify", "--level", "against", &against]).await;
    assert_eq!(self::summary(&line.run().await.done())["found"], 0);
    let token = indexed.played.tokens()[0].address.to_string();
    let bisected = indexed.run(&["verify", "--bisect", "--asset", &token]).await.done();
    assert!(bisected.contains("first_divergence"), "{bisected}");

    // What no node tells is found by the rest.
    indexed.tamper("update chain.asset_holders set balance = balance + 1 where balance > 0").await;
    let ended = indexed.run(&EVERYTHING).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let found = lines(&ended.out);
    for check in ["supply_is_sum_of_balances", "tables_equal_ground", "contracts_agree"] {
        assert!(found.iter().any(|line| line["check"] == check), "{check} finds it: {}", ended.out);
    }
}

#[tokio::test]
async fn every_end_has_its_exit_code() {
    let indexed = Indexed::new().await;
    let whole = indexed.run(&["verify", "--level", "receipts", "--from", "20", "--to", "40"]).await.done();
    assert_eq!(summary(&whole)["unfinished"], Json::Array(vec![]));
    indexed
        .tamper(
            "delete from chain.asset_events where (block_number, log_index) = (
                 select block_number, log_index from chain.asset_events where block_number > 60
                 order by block_number, log_index limit 1)",
        )
        .await;
    let ended = indexed.run(&["verify", "--level", "receipts"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let missing = lines(&ended.out).into_iter().any(|line| {
        line["check"] == "logs_are_proved"
            && line["table"] == "asset_events"
            && line["message"].as_str().is_some_and(|m| m.contains("not in the tables"))
    });
    assert!(missing, "{}", ended.out);
    ended.failed(1, &["checks found"]);
    let (words, below) = (["verify", "--level", "receipts", "--to", "100000"], "not all indexed");
    indexed.run(&words).await.failed(2, &[below]);
    let line = Line::new(&["verify", "--level", "chain"]).database(PROGRAM, &indexed.database).await;
    line.run().await.failed(78, &["no RPC URL"]);
    let away = Line::new(&["verify", "--level", "chain"]).node(closed_port());
    away.database(PROGRAM, &indexed.database).await.run().await.failed(69, &["did not answer"]);
    indexed.run(&["verify", "--level", "against"]).await.failed(2, &["--against"]);
}

#[tokio::test]
async fn what_a_pruned_node_cannot_tell_is_not_told_as_clean() {
    let folder = Folder::new();
    let ((node, played), database) = (played_and_pruned(&folder).await, database().await);
    let indexed = Indexed { node, played, database };
    indexed.run(&["backfill", "--from", "0"]).await.done();
    // The newest state is there, and the block is the newest before and after.
    indexed.run(&["verify", "--level", "chain", "--all"]).await.done();
    let token = indexed.played.tokens()[0].address.to_string();
    let ended = indexed.run(&["verify", "--bisect", "--asset", &token]).await;
    ended.failed(75, &["not finished: first_divergence"]);
    assert_eq!(summary(&ended.out)["unfinished"], serde_json::json!(["first_divergence"]));
    // One block on, nothing shows any more that the answers are of the checkpoint.
    indexed.node.mine(1).await.expect("anvil mines");
    let ended = indexed.run(&["verify", "--level", "chain"]).await;
    ended.failed(75, &["not finished: contracts_agree"]);
}

#[tokio::test]
async fn digests_of_an_installation_are_a_file_that_another_compares_with() {
    let (folder, indexed) = (Folder::new(), Indexed::new().await);
    let twin = database().await;
    let file = folder.path().join("digests.json").display().to_string();
    let (port, played) = (indexed.node.port(), &indexed.played);
    let backfill = Line::new(&["backfill", "--from", "0"]).node(port).database(PROGRAM, &twin).await;
    let backfill = backfill.contract("trex_factory", played.suite.trex_factory);
    backfill.contract("id_factory", played.suite.id_factory).run().await.done();
    indexed.run(&["verify", "--digests", &file, "--step", "16"]).await.done();
    let against = async |what: &str| {
        let words = ["verify", "--level", "against", "--against", what, "--step", "16"];
        Line::new(&words).database(PROGRAM, &twin).await.run().await
    };
    assert_eq!(summary(&against(&file).await.done())["found"], 0);
    let url = database_url("postgres", &indexed.database).await;
    assert_eq!(summary(&against(&url).await.done())["found"], 0);
    indexed.tamper("update chain.asset_events set data = data || '\\x00' where block_number = 40").await;
    let ended = against(&url).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let keys: Vec<Json> = lines(&ended.out).into_iter().filter(|line| line["kind"] == "finding").collect();
    assert!(keys.iter().any(|line| line["key"] == r#"{"from_block": 32, "to_block": 47}"#), "{}", ended.out);
    assert_eq!(keys.len(), 2, "the stretch and the table: {}", ended.out);
}

#[tokio::test]
async fn a_report_is_the_same_but_for_its_time_and_carries_its_digest() {
    let (folder, indexed) = (Folder::new(), Indexed::new().await);
    let report = async |name: &str| {
        let file = folder.path().join(name).display().to_string();
        indexed.run(&["verify", "--level", "quick,deep,audit", "--report", &file]).await.done();
        std::fs::read_to_string(&file).expect("it is written")
    };
    let (one, two) = (report("one.md").await, report("two.md").await);
    let timeless = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("| made ") && !line.starts_with("sha256: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(timeless(&one), timeless(&two));
    for part in [
        "| result |",
        "| asset_events |",
        "Signature:",
        &indexed.played.head_hash.to_string(),
        "tables_equal_ground",
    ] {
        assert!(one.contains(part), "{part} is not in {one}");
    }
    let check = |file: &str| {
        let script = format!("head -n -1 '{file}' | sha256sum | cut -d' ' -f1");
        let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    let digest = check(&folder.path().join("one.md").display().to_string());
    assert_eq!(one.lines().last(), Some(format!("sha256: {digest}").as_str()));
    let json = report("three.json").await;
    let lines = lines(&json);
    let digest = check(&folder.path().join("three.json").display().to_string());
    assert_eq!((lines.len(), &lines[1]["sha256"]), (2, &Json::from(digest)));
    assert_eq!(lines[0]["verdict"]["found"], 0);
}
