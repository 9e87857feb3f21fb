//! What a node refuses without a plain word: ranges behind the code of a rate limit, batches, and silence.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use asset_indexer::rpc::Rpc;
use asset_indexer::source::{CallAnswer, CallRequest, Source};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::{
    QUICK, TOKEN, assert_unavailable, call, config, limited, node_with_logs, range, read_limited, rpc,
};
use crate::support::scripted_node::error;

#[tokio::test]
async fn besus_limit_of_blocks_is_no_rate_limit() {
    let node = limited(130, |_, _| error(-32005, "Requested range exceeds maximum RPC range limit")).await;
    read_limited(&node).await;
    assert_eq!(node.ranges()[..2], [(0, 999), (0, 499)], "not asked again as it was");
}

#[tokio::test]
async fn a_range_that_only_a_code_calls_a_rate_limit_is_halved_once_the_tries_end() {
    let node = limited(600, |_, _| error(-32005, "not today")).await;
    read_limited(&node).await;
    assert_eq!(node.ranges()[..5], [(0, 999), (0, 999), (0, 999), (0, 999), (0, 499)]);
    // A node that says it of one block too is unavailable.
    let node = limited(0, |_, _| error(-32005, "not today")).await;
    assert_unavailable(rpc(&node).logs_in_range(range(0, 3), &[TOKEN]).await, "not today");
    assert_eq!(node.ranges().last(), Some(&(0, 0)));
    assert!(node.asked("eth_getBlockReceipts").is_empty(), "receipts are requests as well");
    // So is one that says what it means.
    let node = limited(0, |_, _| error(-32005, "rate limit exceeded")).await;
    assert_unavailable(rpc(&node).logs_in_range(range(0, 3), &[TOKEN]).await, "rate limit");
    assert_eq!(node.ranges(), [(0, 3); 4]);
}

#[tokio::test]
async fn a_contract_that_speaks_of_batches_does_not_end_them() {
    let node = node_with_logs(100, []).await;
    node.on("eth_call", |params, _| {
        (params[0]["data"] == "0x02").then(|| error(3, "execution reverted: batch limit exceeded"))
    });
    let rpc = rpc(&node);
    let requests: Vec<CallRequest> = (1..=4).map(call).collect();
    for _ in 0..2 {
        let answers = rpc.calls(&requests).await.expect("answers");
        let reverted = answers.iter().map(|answer| *answer == CallAnswer::Reverted).collect::<Vec<_>>();
        assert_eq!(reverted, [false, true, false, false]);
    }
    assert_eq!(node.exchanges(), [4, 4], "both times one batch");
}

/// Reads what is asked for logs, says nothing, and keeps the connection.
async fn stay_silent(mut stream: TcpStream, asked: Arc<Mutex<Vec<String>>>) {
    let (mut text, mut piece) = (String::new(), [0; 4_096]);
    while let Ok(count) = stream.read(&mut piece).await
        && count > 0
    {
        text.push_str(&String::from_utf8_lossy(&piece[..count]));
        if let Some((_, rest)) = text.split_once(r#""toBlock":""#)
            && let Some((to, _)) = rest.split_once('"')
        {
            asked.lock().expect("a list").push(to.to_owned());
            text.clear();
        }
    }
}

#[tokio::test]
async fn a_node_that_hangs_is_given_up_after_two_halvings_and_begins_smaller_the_next_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut config = config(&format!("http://{}/", listener.local_addr().expect("an address")));
    (config.timeout, config.requests_in_flight) = (Duration::from_millis(300), 1);
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = asked.clone();
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(stay_silent(stream, heard.clone()));
        }
    });
    let rpc = Rpc::new(config).expect("an HTTP client").with_retry(QUICK);
    let taken = || std::mem::take(&mut *asked.lock().expect("a list"));
    assert_unavailable(rpc.logs_in_range(range(0, 999), &[TOKEN]).await, "");
    assert_eq!(taken(), ["0x3e7", "0x1f3", "0xf9"], "1,000 blocks, 500, 250");
    assert_unavailable(rpc.logs_in_range(range(0, 999), &[TOKEN]).await, "");
    assert_eq!(taken(), ["0x7c", "0x3d", "0x1e"], "125 blocks, 62, 31");
    server.abort();
}

#[tokio::test]
async fn a_node_that_is_not_reached_is_not_asked_for_less() {
    // Accepts connections and shakes no hands.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut config = config(&format!("ws://{}/", listener.local_addr().expect("an address")));
    (config.timeout, config.requests_in_flight) = (Duration::from_millis(200), 1);
    let connections: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    let kept = connections.clone();
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            kept.lock().expect("a list").push(stream);
        }
    });
    let rpc = Rpc::new(config).expect("a client").with_retry(QUICK);
    assert_unavailable(rpc.logs_in_range(range(0, 999), &[TOKEN]).await, "no WebSocket connection");
    assert_eq!(connections.lock().expect("a list").len(), 4, "the tries of one request");
    server.abort();
}
