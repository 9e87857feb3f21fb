//! The real program between two providers of a real node, one of which is killed, hangs, lies or is of another chain; and
//! what the commands say of them.

use std::time::{Duration, Instant};

use scenario::{NodeOptions, Step};
use serde_json::{Value as Json, json};

use super::proxy::Proxy;
use crate::support::command::Folder;
use crate::support::process::{Daemon, Program, until};
use crate::support::scene::Scene;

/// From a provider's failure to rows of the next block by way of another.
const FAILOVER: Duration = Duration::from_secs(8);

/// A configuration with the node itself as second provider, beside that of `RPC_URL`.
struct Second {
    file: String,
    _folder: Folder,
}

impl Second {
    fn new(url: &str) -> Self {
        let folder = Folder::new();
        let text = format!("[rpc]\nalias = \"first\"\n\n[[provider]]\nurl = {url:?}\nalias = \"second\"\n");
        Self { file: folder.write("config.toml", &text), _folder: folder }
    }

    /// The program with a first provider and this one.
    fn after(&self, first: &Proxy, program: &Program) -> Program {
        program.clone().with("RPC_URL", &first.url()).with("ASSET_INDEXER_CONFIG", &self.file)
    }
}

async fn scene() -> (Scene, Proxy, Second) {
    let mut scene = Scene::begin(NodeOptions { slots_in_an_epoch: 8, ..NodeOptions::default() }).await;
    let proxy = Proxy::before(&scene.node.url()).await;
    let second = Second::new(&scene.node.url());
    scene.program = second.after(&proxy, &scene.program);
    (scene, proxy, second)
}

/// A provider's sample of a metric.
async fn sample(daemon: &Daemon, metric: &str, provider: &str) -> f64 {
    let (_, body) = daemon.get("/metrics").await;
    let start = format!("{metric}{{provider=\"{provider}\"}} ");
    let line = body.lines().find_map(|line| line.strip_prefix(start.as_str()));
    line.unwrap_or_else(|| panic!("{start}is not in {body}")).parse().expect("a number")
}

async fn stop(daemon: Daemon) {
    let log = daemon.stop("after the test").await;
    assert!(!log.iter().any(|line| line.contains("canary")), "a secret is told: {log:#?}");
}

#[tokio::test]
async fn a_provider_that_is_killed_is_replaced_within_seconds() {
    let (mut scene, proxy, _second) = scene().await;
    scene.play_through(Step::Bond).await;
    let daemon = scene.program.writer().await;
    scene.caught_up().await;
    let asked = proxy.asked("eth_getBlockByNumber");
    assert!(asked > 0, "the first one is asked");
    drop(proxy);
    scene.node.mine(1).await.expect("anvil mines");
    let began = Instant::now();
    scene.caught_up().await;
    let took = began.elapsed();
    assert!(took < FAILOVER, "{took:?}");
    scene.play_through(Step::Mint).await;
    scene.assert_fresh("after the first provider was killed").await;
    // How the providers stand is told once a second.
    until("the second one is pinned", async || {
        let status = daemon.status().await;
        let providers = status["providers"].as_array().expect("a list");
        let pinned: Vec<&Json> = providers.iter().filter(|one| one["pinned"] == true).collect();
        assert_eq!(pinned.len(), 1, "{status}");
        (pinned[0]["alias"] == "second").then_some(())
    })
    .await;
    assert!(daemon.metric("asset_indexer_provider_switches_total").await >= 1.0);
    until("the dead one is in quarantine", async || {
        (sample(&daemon, "asset_indexer_provider_quarantined", "first").await == 1.0).then_some(())
    })
    .await;
    stop(daemon).await;
}

/// Withholds the last log of every block that has several.
fn withhold(method: &str, _: &Json, answer: &mut Json) {
    match method {
        "eth_getLogs" => {
            let logs = answer["result"].as_array_mut();
            if let Some(logs) = logs.filter(|logs| logs.len() > 1) {
                logs.pop();
            }
        }
        "eth_getBlockReceipts" => {
            let receipts = answer["result"].as_array_mut();
            let last =
                receipts.and_then(|list| list.iter_mut().rev().find_map(|one| one["logs"].as_array_mut()));
            if let Some(logs) = last {
                logs.pop();
            }
        }
        _ => {}
    }
}

async fn a_lie_is_found(mode: &str, from_the_start: bool) {
    let (mut scene, proxy, _second) = scene().await;
    scene.program = scene.program.clone().with("ASSET_INDEXER__PROOF__MODE", mode);
    scene.play_through(Step::Bond).await;
    if from_the_start {
        proxy.change(withhold);
    }
    let daemon = scene.program.writer().await;
    if !from_the_start {
        scene.caught_up().await;
        proxy.change(withhold);
    }
    scene.play_through(Step::Transfers).await;
    scene.assert_fresh(&format!("{mode}, lying from the start: {from_the_start}")).await;
    until("the liar is in quarantine", async || {
        (sample(&daemon, "asset_indexer_provider_quarantined", "first").await == 1.0).then_some(())
    })
    .await;
    let status = daemon.status().await;
    let liar = &status["providers"][0];
    assert_eq!(liar["quarantine"]["trouble"], "blamed", "{status}");
    assert_eq!(liar["quarantine"]["reason"], "its receipts are not those of the block", "{status}");
    assert_eq!(status["providers"][1]["quarantine"], Json::Null, "{status}");
    stop(daemon).await;
}

#[tokio::test]
async fn a_provider_that_withholds_logs_at_the_head_is_replaced() {
    a_lie_is_found("background", false).await;
}

#[tokio::test]
async fn where_everything_is_proved_before_it_is_seen_a_liar_is_replaced() {
    a_lie_is_found("before-commit", false).await;
}

#[tokio::test]
async fn where_everything_is_proved_a_liar_from_the_start_is_replaced() {
    a_lie_is_found("before-commit", true).await;
}

#[tokio::test]
async fn logs_that_are_withheld_are_taken_from_receipts() {
    let (mut scene, proxy, _second) = scene().await;
    scene.play_through(Step::Bond).await;
    let daemon = scene.program.writer().await;
    scene.caught_up().await;
    proxy.change(|method, _, answer| {
        if method == "eth_getLogs" {
            answer["result"] = json!([]);
        }
    });
    scene.play_through(Step::Mint).await;
    // On a slow machine blocks become final before they are followed, and are proved afterwards.
    scene.proved().await;
    scene.assert_fresh("eth_getLogs is empty").await;
    stop(daemon).await;
}

/// Makes a method one that the node does not have.
fn without(methods: &'static [&'static str]) -> impl FnMut(&str, &Json, &mut Json) + Send {
    move |method, _, answer| {
        if methods.contains(&method) {
            let error = json!({ "code": -32601, "message": "the method does not exist/is not available" });
            *answer = json!({ "jsonrpc": "2.0", "id": answer["id"], "error": error });
        }
    }
}

const RECEIPTS: &[&str] = &["eth_getBlockReceipts", "eth_getTransactionReceipt"];

#[tokio::test]
async fn the_command_shows_what_each_is_and_can_prove() {
    let (mut scene, proxy, _second) = scene().await;
    scene.play_through(Step::Bond).await;
    // The newest final blocks are to have logs.
    scene.node.mine(16).await.expect("anvil mines");
    let ended = scene.program.line(&["providers"]).run().await;
    let shown = ended.done();
    for alias in ["first", "second"] {
        let line = shown.lines().find(|line| line.starts_with(alias)).expect("a line each");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!((words[1], words[4], words[5], words[6]), ("31337", "yes", "yes", "yes"), "{shown}");
        assert!(shown.contains(&format!("\n{alias}: proves by receipts\n")), "{shown}");
    }

    proxy.change(without(RECEIPTS));
    let shown = scene.program.line(&["providers", "--json"]).run().await.done();
    let shown: Json = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown[0]["capabilities"]["receipts"]["is"], "no", "{shown}");
    assert_eq!(shown[1]["capabilities"]["receipts"]["is"], "yes", "{shown}");

    proxy.change(|method, _, answer| {
        if method == "eth_chainId" {
            answer["result"] = json!("0x5");
        }
    });
    let ended =
        scene.program.clone().with("ASSET_INDEXER__CHAIN__ID", "31337").line(&["providers"]).run().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("first: it serves chain 5 and not chain 31337"), "{ended:?}");
}

#[tokio::test]
async fn where_nothing_can_be_proved_and_everything_must_it_does_not_start() {
    let mut scene = Scene::begin(NodeOptions { slots_in_an_epoch: 8, ..NodeOptions::default() }).await;
    scene.play_through(Step::Bond).await;
    let proxy = Proxy::before(&scene.node.url()).await;
    proxy.change(without(RECEIPTS));
    let strict = |program: &Program| program.clone().with("ASSET_INDEXER__PROOF__MODE", "before-commit");
    let alone = strict(&scene.program).with("RPC_URL", &proxy.url());
    for (command, code) in [("run", 78), ("providers", 1)] {
        let ended = alone.line(&[command]).run().await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        for part in
            ["alone cannot prove", "eth_getBlockReceipts", "[[provider]]", "proof.mode = \"background\""]
        {
            assert!(ended.err.contains(part), "{part}: {ended:?}");
        }
    }
    // With a second one the two are compared.
    let second = Second::new(&scene.node.url());
    let two = second.after(&proxy, &strict(&scene.program));
    let daemon = two.writer().await;
    scene.play_through(Step::Mint).await;
    scene.assert_fresh("two providers").await;
    stop(daemon).await;
}

#[tokio::test]
async fn one_of_another_chain_is_left_and_the_other_followed() {
    let (mut scene, proxy, _second) = scene().await;
    proxy.change(|method, _, answer| {
        if method == "eth_chainId" {
            answer["result"] = json!("0x5");
        }
    });
    scene.program = scene.program.clone().with("ASSET_INDEXER__CHAIN__ID", "31337");
    let daemon = scene.program.writer().await;
    scene.play_through(Step::Bond).await;
    scene.assert_fresh("one of another chain").await;
    until("it is left", async || {
        let quarantine = daemon.status().await["providers"][0]["quarantine"].clone();
        (quarantine["trouble"] == "wrong_chain").then_some(())
    })
    .await;
    stop(daemon).await;
}
