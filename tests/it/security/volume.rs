//! S7, S8: volume and size. A block full to bursting, an answer that would unfold, nests without end or is larger than
//! what is taken: memory stays below a cap, and nothing is guessed.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::SolEvent;
use asset_indexer::fact::Role;
use asset_indexer::retry::{Limit, Policy};
use asset_indexer::rpc::{Config, Finality, Rpc};
use asset_indexer::source::{Source, SourceError};
use serde_json::{Value as Json, json};
use sqlx::PgPool;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::process::{Daemon, Program};
use crate::support::scripted_node::{Chain, Page, ScriptedNode, hash, hex};
use crate::support::world::{self, WRITER, cluster, database, pool};
use simulation::events::{account, erc20};

/// Bytes of the log that is large.
const LARGE: usize = 4 << 20;

/// The most memory a process has held, in MiB.
fn peak(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells the peak");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") / 1024
}

/// The logs of two blocks: transfers between as many wallets, and one log of several MiB.
fn bursting(block: u64, token: Address, count: u64) -> [Json; 2] {
    let topic = erc20::Transfer::SIGNATURE_HASH;
    let word = |number: u64| account(0xaa, number).into_word();
    let log = |block: u64, index: u64, topics: Vec<B256>, data: String| {
        json!({ "address": token, "topics": topics, "data": data, "removed": false,
            "blockHash": hash(block), "blockNumber": hex(block), "logIndex": hex(index),
            "transactionHash": keccak256([0u8]), "transactionIndex": "0x0" })
    };
    let logs = (0..count)
        .map(|index| {
            let from = if index < 10 { B256::ZERO } else { word(index / 10) };
            log(block, index, vec![topic, from, word(index)], format!("{:#066x}", U256::from(index)))
        })
        .collect::<Json>();
    let large = log(block + 1, 0, vec![keccak256("Large(bytes)")], format!("0x{}", "ab".repeat(LARGE)));
    [logs, json!([large])]
}

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.expect("readable")
}

/// 60 million gas are enough for 34,000 transfers that do nothing but log; 512 MiB are what `deploy/` gives a pod.
#[tokio::test]
async fn a_block_full_of_logs_and_a_log_of_megabytes_fit_into_a_pods_memory() {
    burst(34_000, 512).await;
}

#[tokio::test]
#[ignore = "takes minutes in a debug build; for chains whose blocks hold more: see the README for what it needs"]
async fn a_block_of_a_hundred_thousand_logs_fits_into_a_gibibyte() {
    burst(100_000, 1_024).await;
}

/// Follows a block of so many logs of one transaction, and one with a large log, within so much memory (MiB).
async fn burst(count_of_logs: u64, memory_limit: u64) {
    let token = account(0x20, 0);
    let block = 5;
    let mut chain = Chain::with_logs(8, token, [block, block + 1]);
    chain.finalized = Some(2);
    let (shape, node) = (chain.clone(), ScriptedNode::start(chain).await);
    let logs = bursting(block, token, count_of_logs);
    // As text, because a debug build takes its time to write so much JSON.
    let logs = logs.map(|logs| logs.to_string());
    node.page(move |request| {
        let calls: Vec<Json> = request.as_array().cloned().unwrap_or_default();
        let asks = |number| calls.iter().any(|call| call["params"][0]["blockHash"] == json!(hash(number)));
        let place = [block, block + 1].into_iter().position(asks)?;
        let answers: Vec<String> = calls
            .iter()
            .map(|call| {
                let result = match call["method"].as_str() {
                    Some("eth_getLogs") => logs[place].clone(),
                    _ => shape.block(block + place as u64, false).to_string(),
                };
                format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, call["id"])
            })
            .collect();
        Some(Page { status: 200, retry_after: None, body: format!("[{}]", answers.join(",")) })
    });
    let database = database().await;
    let pool = pool(&database).await;
    let settings = world::config(&[(Role::Erc20, token)]);
    let daemon = Program::bare(&settings)
        .with("RPC_URL", &node.url("/"))
        .with("DATABASE_URL", &cluster().await.url_as(WRITER, &database))
        .with("LOG_FORMAT", "json")
        .writer()
        .await;
    // A debug build on a busy machine.
    let (began, patience) = (Instant::now(), Duration::from_secs(400));
    while count(&pool, "select coalesce(max(block_number), 0) from chain.checkpoints").await != 8 {
        assert!(began.elapsed() < patience, "the block does not come into the tables");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let events = count(&pool, "select count(*) from chain.asset_events").await;
    assert_eq!(events, count_of_logs.cast_signed() + 1, "every log");
    let large = count(&pool, "select max(octet_length(data))::bigint from chain.asset_events").await;
    assert_eq!(large, LARGE as i64, "byte for byte");
    let peak = peak(&daemon);
    let took = began.elapsed();
    eprintln!("{count_of_logs} logs in a block and one of {LARGE} bytes: {took:?}, peak of {peak} MiB");
    assert!(peak < memory_limit, "{peak} MiB; the limit is {memory_limit}");
    daemon.stop("after the burst").await;
}

fn config(url: &str, response_bytes_max: usize) -> Config {
    Config {
        url: url.parse().expect("a node's URL"),
        alias: "node".to_owned(),
        timeout: Duration::from_secs(5),
        poll_interval: Duration::from_millis(300),
        finality: Finality::Tag { fallback_depth: None },
        range_blocks_max: 1_000,
        requests_in_flight: 4,
        batch_size_max: 10,
        response_bytes_max,
    }
}

fn rpc(config: Config) -> Rpc {
    let quick = Policy {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(5),
        limit: Limit::Attempts(2),
    };
    Rpc::new(config).expect("a client").with_retry(quick)
}

/// `{"jsonrpc":"2.0","id":1,"result":"0x7a69"}`, compressed.
const COMPRESSED: [u8; 60] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0xca, 0x2a, 0xce, 0xcf, 0x2b,
    0x2a, 0x48, 0x56, 0xb2, 0x52, 0x32, 0xd2, 0x33, 0x50, 0xd2, 0x51, 0xca, 0x4c, 0x51, 0xb2, 0x32, 0xd4,
    0x51, 0x2a, 0x4a, 0x2d, 0x2e, 0xcd, 0x29, 0x01, 0x8a, 0x1a, 0x54, 0x98, 0x27, 0x9a, 0x59, 0x2a, 0xd5,
    0x02, 0x00, 0xd2, 0x20, 0x89, 0xf5, 0x2a, 0x00, 0x00,
];

/// What is compressed is never asked for and never unfolded, so there is nothing to cap after it.
#[tokio::test]
async fn compressed_answers_are_neither_asked_for_nor_unfolded() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move {
        let mut asked = Vec::new();
        for encoding in ["gzip", "identity"] {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = vec![0; 4096];
            let count = stream.read(&mut request).await.expect("a request");
            asked.push(String::from_utf8_lossy(&request[..count]).to_lowercase());
            let plain = br#"{"jsonrpc":"2.0","id":2,"result":"0x7a69"}"#;
            let body: &[u8] = if encoding == "gzip" { &COMPRESSED } else { plain };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: {encoding}\r\n\
                 connection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(&[head.as_bytes(), body].concat()).await.expect("it is heard");
        }
        asked
    });
    // The first answer is compressed and is no answer; the second one is.
    assert_eq!(rpc(config(&url, 1 << 20)).chain_id().await.expect("the second answer"), 31_337);
    let asked = server.await.expect("it served");
    assert_eq!(asked.len(), 2, "the compressed answer was refused");
    for request in asked {
        assert!(request.contains("post / http/1.1") && !request.contains("accept-encoding"), "{request}");
    }
}

#[tokio::test]
async fn answers_that_nest_without_end_are_refused_and_break_nothing() {
    let node = ScriptedNode::start(Chain::with_logs(9, account(0x20, 0), [3])).await;
    let deep = "[".repeat(400_000);
    let closed = format!("{deep}{}", "]".repeat(400_000));
    for body in [
        deep.clone(),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{closed},\"result\":\"0x1\"}}"),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{closed}}}"),
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{{\"code\":1,\"message\":\"no\",\"data\":{closed}}}}}"
        ),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"unknown\":{closed},\"result\":{deep}"),
    ] {
        node.page(move |_| Some(Page { status: 200, retry_after: None, body: body.clone() }));
        let rpc = rpc(config(&node.url("/"), 4 << 20));
        rpc.chain_id().await.expect_err("no number");
        rpc.view().await.expect_err("no block");
        rpc.logs_in_range(asset_indexer::block::BlockRange { from: 0, to: 5 }, &[account(0x20, 0)])
            .await
            .expect_err("no logs");
    }
}

#[tokio::test]
async fn a_message_above_the_cap_is_refused_over_a_websocket_too() {
    let node = crate::support::real::node().await;
    node.mine(3).await.expect("anvil mines");
    let large = rpc(config(&node.ws_url(), 1 << 20));
    assert!(large.header(1).await.expect("it fits").is_some());
    let small = rpc(config(&node.ws_url(), 300));
    assert_eq!(small.chain_id().await.expect("a number fits"), 31_337);
    let refused = small.header(1).await.expect_err("a block does not fit");
    assert!(matches!(refused, SourceError::Unavailable { .. } | SourceError::Refused { .. }), "{refused}");
    assert_eq!(small.chain_id().await.expect("the next question connects anew"), 31_337);
}
