//! Work that commands give to a living daemon; halts and rewinds.

use std::time::{Duration, Instant};

use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::postgres::{Request, Requests};
use scenario::{Reorg, Step};
use serde_json::Value as Json;
use sqlx::{Postgres, Transaction};
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use super::slots;
use crate::support::command::Ended;
use crate::support::fragile::Fragile;
use crate::support::process::{Daemon, PATIENCE, Program, signal, until};
use crate::support::real::rpc;
use crate::support::scene::Scene;
use crate::support::world::{CHAIN_ID, assert_same, dump, worker};

#[tokio::test]
async fn a_halt_is_told_everywhere_and_a_rewind_ends_it() {
    let mut scene = Scene::begin(slots(2)).await;
    scene.play_through(Step::Mint).await;
    let daemon = scene.program.writer().await;
    scene.caught_up().await;
    let before = scene.tables().await;
    let (head, _) = scene.head().await;
    scene.node.reorg(&Reorg::of(12)).await.expect("anvil reorganizes");
    scene.node.mine(2).await.expect("anvil mines");
    let status = daemon.phase("halted").await;
    let problem = status["problem"].as_str().expect("it says why");
    assert!(problem.contains("a reorg crossed finality") && problem.contains("rewind --to"), "{problem}");
    let (code, body) = daemon.get("/ready").await;
    assert_eq!(code, 503, "{body}");
    assert_eq!(daemon.get("/live").await.0, 200, "a restart would not help");
    assert_eq!(daemon.metric("asset_indexer_halted").await, 1.0);
    assert_same(&scene.tables().await, &before, "halted");
    let status: Json =
        serde_json::from_str(&scene.program.line(&["status", "--json"]).run().await.done()).expect("JSON");
    assert_eq!((&status["status"], &status["halt_reason"]), (&"halted".into(), &problem.into()), "{status}");

    // It stays halted over a restart, and ends in order.
    daemon.stop("halted").await;
    let daemon = scene.program.writer().await;
    daemon.phase("halted").await;
    // Who waits for it is told, and does not wait for ever.
    let backfill = scene.program.line(&["backfill", "--from", "0"]).run().await;
    backfill.failed(76, &["the worker is halted", "a reorg crossed finality"]);
    let to = (head - 12).to_string();
    let rewind = scene.program.line(&["rewind", "--to", &to, "--reason", "the chain was restored"]);
    let said = rewind.run().await.done();
    assert!(said.contains(&format!("the checkpoint is block {to} now")), "{said}");
    daemon.phase("following").await;
    scene.assert_fresh("rewound").await;
    assert_eq!((daemon.get("/ready").await.0, daemon.metric("asset_indexer_halted").await), (200, 0.0));
}

/// What a fresh index that stops at a block holds, started where `backfill --from` starts.
async fn fresh_between(scene: &Scene, from: u64, to: u64) -> MemoryStore {
    let mut config = scene.config.clone();
    config.contracts.iter_mut().for_each(|contract| contract.start_block = Some(from));
    let store = std::sync::Arc::new(MemoryStore::new());
    let mut worker = worker(rpc(&scene.node.url()), store.clone(), config);
    while worker.position().is_none_or(|at| at.id.number < to) {
        worker.step(Some(to)).await.expect("the step succeeds");
    }
    drop(worker);
    std::sync::Arc::try_unwrap(store).expect("the worker is gone")
}

async fn status(program: &Program) -> Json {
    serde_json::from_str(&program.line(&["status", "--json"]).run().await.done()).expect("status is JSON")
}

#[tokio::test]
async fn a_backfill_stops_at_its_bound_and_a_daemon_goes_on_from_there() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Freezes).await;
    let (head, _) = scene.head().await;
    // One bound below finality, one above.
    for to in [head - 40, head - 5] {
        let to_text = to.to_string();
        let said = scene.program.line(&["backfill", "--from", "1", "--to", &to_text]).run().await.done();
        assert!(said.contains(&format!("to {to} are indexed")), "{said}");
        assert_eq!(scene.checkpoint().await.expect("there").0, to);
        assert_same(&scene.tables().await, &dump(&fresh_between(&scene, 1, to).await).await, "bounded");
        let status = status(&scene.program).await;
        let events: i64 = sqlx::query_scalar("select count(*) from chain.asset_events")
            .fetch_one(&scene.pool)
            .await
            .expect("readable");
        let expected = [
            ("chain_id", CHAIN_ID.into()),
            ("status", "running".into()),
            ("head", head.into()),
            ("finalized", (head - 16).into()),
            ("checkpoint", to.into()),
            ("lag_blocks", (head - to).into()),
            ("writer", Json::Null),
            ("catching_up", 0.into()),
            ("events", events.into()),
            ("unreadable_events", 0.into()),
            ("open_requests", 0.into()),
            ("node_problem", Json::Null),
        ];
        for (name, value) in expected {
            assert_eq!(status[name], value, "{name}: {status}");
        }
        assert!(events > 0 && status["contracts"].as_i64() > Some(5), "{status}");
    }
    let daemon = scene.program.writer().await;
    scene.play_through(Step::PlainToken).await;
    scene.caught_up().await;
    let (head, _) = scene.head().await;
    assert_same(&scene.tables().await, &dump(&fresh_between(&scene, 1, head).await).await, "gone on");
    let status = status(&scene.program).await;
    assert!(
        status["writer"].as_str().is_some_and(|writer| writer.contains(&daemon.pid().to_string())),
        "{status}"
    );
}

#[tokio::test]
async fn commands_hand_their_work_to_a_living_daemon() {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Share).await;
    let (head, _) = scene.head().await;
    let daemon = scene.program.writer().await;

    let to = head.to_string();
    let backfill = scene.program.line(&["backfill", "--from", "1", "--to", &to]).run().await;
    assert!(backfill.err.contains("is alive"), "{backfill:?}");
    let out = backfill.done();
    assert!(
        out.contains(&format!("blocks up to {to} are indexed")) || out.contains("\"differences\": 0"),
        "{out}"
    );
    let reread = scene.program.line(&["backfill", "--from", "1", "--to", &to]).run().await.done();
    let report: Json = serde_json::from_str(&reread[reread.find('{').expect("a report")..]).expect("JSON");
    assert_eq!((&report["from"], &report["to"]), (&1.into(), &head.into()), "{report}");
    assert_eq!((&report["differences"], &report["repaired"]), (&0.into(), &false.into()), "{report}");
    assert!(report["logs"].as_u64() > Some(50), "{report}");

    let changed = sqlx::query("delete from chain.asset_events where log_index = 0 and block_number > 60")
        .execute(&scene.pool)
        .await
        .expect("the superuser may");
    assert!(changed.rows_affected() > 0);
    let found = scene.program.line(&["backfill", "--from", "1", "--to", &to]).run().await;
    found.failed(1, &["differences between the node and the tables", "--repair"]);
    scene.program.line(&["backfill", "--from", "1", "--to", &to, "--repair"]).run().await.done();
    scene.assert_fresh("repaired by the daemon").await;

    sqlx::query("update chain.asset_holders set balance = balance + 1")
        .execute(&scene.pool)
        .await
        .expect("the superuser may");
    let said = scene.program.line(&["rebuild"]).run().await.done();
    assert!(said.contains("folded again from"), "{said}");
    scene.assert_fresh("rebuilt by the daemon").await;

    for back in [5, 40] {
        let to = (scene.head().await.0 - back).to_string();
        let mark = daemon.mark();
        let rewind = scene.program.line(&["rewind", "--to", &to, "--reason", "a test"]).run().await.done();
        assert!(rewind.contains(&format!("the checkpoint is block {to} now")), "{rewind}");
        daemon.said_after(mark, "executing an operator's request").await;
        scene.assert_fresh(&format!("rewound by {back} blocks")).await;
    }
    scene.play_through(Step::PlainToken).await;
    scene.assert_fresh("and followed").await;
    let refused = scene.program.line(&["rewind", "--to", "100000", "--reason", "a test"]).run().await;
    refused.failed(1, &["is not below the checkpoint"]);
    assert!(!daemon.has_said("lease was lost") && !daemon.has_said("another writer took over"));
}

#[tokio::test]
async fn a_request_survives_the_death_of_its_worker() {
    let (scene, first) = following().await;
    let (program, mark) = (scene.program.clone(), first.mark());
    let command = tokio::spawn(async move { program.line(&["rebuild"]).run().await });
    first.said_after(mark, "executing an operator's request").await;
    let began = Instant::now();
    first.kill().await;
    scene.expire_lease().await;
    let second = scene.program.writer().await;
    let said = command.await.expect("the command ends").done();
    assert!(said.contains("folded again from") && began.elapsed() < PATIENCE, "{said}");
    second.said("executing an operator's request").await;
    scene.assert_fresh("rebuilt by the second").await;
}

/// Updates that roll over a rebuild of hours: none of the workers was ended by it.
#[tokio::test]
async fn a_request_is_begun_anew_however_often_its_worker_is_told_to_stop() {
    let (scene, first) = following().await;
    let (held, command) = executing(&scene, "chain.ownership_history", &["rebuild"]).await;
    let mut worker = first;
    for times in 0..4 {
        worker.stop("a rebuild is under way").await;
        let starts: i64 = sqlx::query_scalar("select starts from ops.request_starts")
            .fetch_one(&scene.pool)
            .await
            .expect("readable");
        assert_eq!(starts, 0, "after {times}");
        worker = scene.program.writer().await;
        worker.said("executing an operator's request").await;
    }
    held.rollback().await.expect("it was only a lock");
    let said = command.await.expect("the command ends").done();
    assert!(said.contains("folded again from"), "{said}");
    scene.assert_fresh("rebuilt by the fifth").await;
}

/// A daemon that has caught up.
async fn following() -> (Scene, Daemon) {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Burn).await;
    let daemon = scene.program.writer().await;
    scene.caught_up().await;
    (scene, daemon)
}

/// A request under way: the daemon waits for a table that the test holds.
async fn executing(
    scene: &Scene,
    table: &str,
    arguments: &[&str],
) -> (Transaction<'static, Postgres>, Command) {
    let held = scene.hold(table).await;
    let line = scene.program.line(arguments);
    let command = tokio::spawn(line.run());
    scene.waiting("^asset-indexer writer", 1).await;
    (held, command)
}

/// The status of every request, the oldest first.
async fn outcomes(scene: &Scene) -> Vec<String> {
    sqlx::query_scalar("select status from ops.requests order by submitted_at")
        .fetch_all(&scene.pool)
        .await
        .expect("readable")
}

type Command = tokio::task::JoinHandle<Ended>;

/// Starts a command, which a worker that is busy cannot begin; it has handed its request in when this returns.
async fn waiting(scene: &Scene, arguments: &[&str]) -> Child {
    let child = scene.program.line(arguments).start();
    until("the request is handed in", async || {
        outcomes(scene).await.last().is_some_and(|newest| newest == "waiting").then_some(())
    })
    .await;
    child
}

/// Sends a signal to a command, and waits for its end; what it said.
async fn stopped(child: Child, name: &str) -> String {
    signal(name, child.id().expect("it is still there"));
    let ended = timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").expect("it is our child");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(75), "{said}");
    said
}

#[tokio::test]
async fn a_command_that_is_stopped_takes_back_what_has_not_begun() {
    let (scene, _daemon) = following().await;
    let held = scene.hold("chain.asset_holders").await;
    let begun = scene.program.line(&["rebuild"]).start();
    scene.waiting("^asset-indexer writer", 1).await;
    let to = (scene.head().await.0 - 5).to_string();
    for name in ["INT", "TERM", "HUP"] {
        let rewind = waiting(&scene, &["rewind", "--to", &to, "--reason", "a test"]).await;
        let said = stopped(rewind, name).await;
        assert!(said.contains("the request was withdrawn before anything was done"), "{said}");
    }
    let said = stopped(begun, "TERM").await;
    assert!(said.contains("has begun, and is carried out all the same"), "{said}");
    assert_eq!(outcomes(&scene).await, ["running", "failed", "failed", "failed"]);
    held.rollback().await.expect("it was only a lock");
    until("the rebuild is done", async || (outcomes(&scene).await[0] == "done").then_some(())).await;
    let rewound: i64 = sqlx::query_scalar("select count(*) from chain.audit_trail where actor = 'a test'")
        .fetch_one(&scene.pool)
        .await
        .expect("readable");
    assert_eq!(
        (rewound, outcomes(&scene).await),
        (0, ["done", "failed", "failed", "failed"].map(str::to_owned).to_vec())
    );
    scene.assert_fresh("rebuilt, and not rewound").await;
}

#[tokio::test]
async fn a_command_outlives_an_outage_of_its_database_and_says_what_it_cannot_take_back() {
    let mut fragile = Fragile::start().await;
    let mut scene = fragile.scene().await;
    scene.play_through(Step::Burn).await;
    let daemon = scene.program.writer().await;
    scene.caught_up().await;
    let (held, command) = executing(&scene, "chain.asset_holders", &["rebuild"]).await;
    let to = (scene.head().await.0 - 5).to_string();
    let rewind = waiting(&scene, &["rewind", "--to", &to, "--reason", "a test"]).await;
    let mark = daemon.mark();
    // Else the crash may lose what was handed in: the cluster's commits do not wait for the disk.
    sqlx::query("checkpoint").execute(&scene.pool).await.expect("the superuser may");
    fragile.kill();
    drop(held);
    let said = stopped(rewind, "INT").await;
    assert!(said.contains("will still be carried out") && said.contains("requests --withdraw"), "{said}");
    // Longer than a connection is waited for: a look at the request has failed by then.
    sleep(Duration::from_secs(12)).await;
    fragile.start_again().await;
    let ended = command.await.expect("the command ends");
    assert!(ended.err.contains("the request cannot be watched now"), "{ended:?}");
    assert!(ended.done().contains("folded again from"));
    daemon.said_after(mark, "executing an operator's request").await;
    until("both are done", async || (outcomes(&scene).await == ["done", "done"]).then_some(())).await;
    scene.assert_fresh("rebuilt, rewound and followed").await;
}

#[tokio::test]
async fn a_signal_ends_it_in_order_while_it_executes_and_the_next_one_finishes() {
    let (scene, first) = following().await;
    let (held, command) = executing(&scene, "chain.asset_holders", &["rebuild"]).await;
    first.stop("executing").await;
    held.rollback().await.expect("it was only a lock");
    let _second = scene.program.writer().await;
    let said = command.await.expect("the command ends").done();
    assert!(said.contains("folded again from"), "{said}");
    scene.assert_fresh("rebuilt by the second").await;
}

#[tokio::test]
async fn a_writer_paused_inside_a_rebuild_blocks_nobody_for_long() {
    let (mut scene, first) = following().await;
    let second = scene.program.standby().await;
    let (held, command) = executing(&scene, "chain.asset_holders", &["rebuild"]).await;
    first.pause().await;
    held.rollback().await.expect("it was only a lock");
    let mark = first.mark();
    second.said("lease taken").await;
    scene.play_through(Step::Claims).await;
    scene.caught_up().await;
    let said = command.await.expect("the command ends").done();
    assert!(said.contains("folded again from"), "{said}");
    let before = scene.tables().await;
    first.resume();
    first.said_after(mark, "another process writes this chain").await;
    assert_same(&scene.tables().await, &before, "the first one woke inside its rebuild");
    assert_eq!(outcomes(&scene).await, ["done"], "it has nothing to say of what another finished");
    scene.assert_fresh("rebuilt and followed by the second").await;
}

#[tokio::test]
async fn a_long_transaction_keeps_its_lease_in_everybodys_eyes() {
    let (scene, first) = following().await;
    let second = scene.program.standby().await;
    let (held, command) = executing(&scene, "chain.asset_holders", &["rebuild"]).await;
    // Longer than a lease: all that others can see of it would have expired.
    sleep(Duration::from_secs(7)).await;
    let status = status(&scene.program).await;
    assert!(!second.has_said("lease taken"), "there are two writers");
    assert_eq!(second.get("/ready").await.0, 200);
    held.rollback().await.expect("it was only a lock");
    command.await.expect("the command ends").done();
    assert!(status["writer"].is_string(), "the writer is alive: {status}");
    scene.assert_fresh("rebuilt").await;
    assert!(!first.has_said("the lease was lost") && !second.has_said("lease taken"));
}

#[tokio::test]
async fn a_rewind_that_was_done_when_its_worker_died_is_done() {
    let (scene, first) = following().await;
    let to = (scene.head().await.0 - 5).to_string();
    let arguments = ["rewind", "--to", &to, "--reason", "a test"];
    let (held, command) = executing(&scene, "chain.audit_trail", &arguments).await;
    // The worker dies between the rewind's commit and the word that it is done.
    let held_too = scene.hold("ops.requests").await;
    held.rollback().await.expect("it was only a lock");
    until("the rewind is committed", async || {
        (scene.checkpoint().await.expect("there").0.to_string() == to).then_some(())
    })
    .await;
    scene.waiting("^asset-indexer$", 1).await;
    first.kill().await;
    held_too.rollback().await.expect("it was only a lock");
    scene.expire_lease().await;
    let _second = scene.program.writer().await;
    let said = command.await.expect("the command ends").done();
    assert!(said.contains(&format!("the checkpoint is block {to} now")), "{said}");
    scene.assert_fresh("rewound and followed").await;
}

#[tokio::test]
async fn a_command_does_the_work_itself_when_its_worker_dies_and_none_follows() {
    let (scene, writer) = following().await;
    let (held, command) = executing(&scene, "chain.asset_holders", &["rebuild"]).await;
    writer.kill().await;
    held.rollback().await.expect("it was only a lock");
    let ended = command.await.expect("the command ends");
    assert!(ended.err.contains("no worker is alive any more"), "{ended:?}");
    assert!(ended.done().contains("folded again from"));
    assert_eq!(outcomes(&scene).await, ["done"]);
    let (program, at) = (scene.program.clone(), scene.checkpoint().await);
    assert_eq!(status(&program).await["writer"], Json::Null, "the command gave its lease up");
    assert!(at.is_some());
    let _next = program.writer().await;
    scene.assert_fresh("rebuilt by the command itself").await;
}

#[tokio::test]
async fn a_command_ends_with_the_exit_code_of_what_the_worker_met() {
    let (scene, daemon) = following().await;
    sqlx::query(
        "insert into ops.archived_partitions (table_name, partition, chain_id, from_block, to_block, columns, row_count,
             content_sha256, file_name, file_bytes, file_sha256, manifest_sha256)
         select 'chain.asset_events', 'in_a_file', $1, 0, 1, '{id}', 0, d, 'f', 0, d, d from repeat('0', 64) d",
    )
    .bind(CHAIN_ID.cast_signed())
    .execute(&scene.pool)
    .await
    .expect("the superuser may");
    let refused = scene.program.line(&["rebuild"]).run().await;
    // As without a worker: an operator must act, and a Job that began it need not try again.
    refused.failed(76, &["the worker could not do it: blocks 0 to 0 are archived", "maintain --attach"]);
    assert_eq!(outcomes(&scene).await, ["failed"]);
    assert!(daemon.has_said("executing an operator's request"));
    scene.assert_fresh("refused").await;
}

#[tokio::test]
async fn a_finished_request_stays_as_it_was_finished() {
    let scene = Scene::begin(slots(8)).await;
    let requests = Requests::new(scene.pool.clone(), CHAIN_ID);
    let id = requests.submit(&Request::Rebuild).await.expect("handed in");
    let (next, request, left) = requests.next().await.expect("readable").expect("it waits");
    assert_eq!((next, request, left), (id, Request::Rebuild, false));
    assert_eq!(requests.begin(id).await.expect("readable"), Some(true), "a worker left it");
    let done = serde_json::json!({ "events": 7 });
    requests.finished(id, Ok(done.clone())).await.expect("finished");
    requests.finished(id, Err("a worker that was paused meanwhile".to_owned())).await.expect("ignored");
    let state = requests.state(id).await.expect("readable").expect("it is there");
    assert_eq!((state.status.as_str(), state.result), ("done", Some(done)));
    assert_eq!(requests.begin(id).await.expect("readable"), None, "there is nothing to take over");
}
