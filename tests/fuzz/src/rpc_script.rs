//! A provider made of bytes: the real client above it, no network below.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy::primitives::{Address, B256};
use asset_indexer::block::{BlockId, BlockRange};
use asset_indexer::retry::{Limit, Policy};
use asset_indexer::rpc::{Config, Finality, Rpc, ScriptedAnswer};
use serde_json::{Value, json};

/// The node's URL; every part but the host is a secret.
pub const URL: &str = "https://canaryuser:canarypw@node.example/v2/canarypath0?key=canaryquery";
/// What no message may hold.
pub const SECRETS: [&str; 4] = ["canaryuser", "canarypw", "canarypath0", "canaryquery"];
/// More requests than any question of ours is worth.
const REQUESTS_MAX: usize = 2_000;
/// The contracts that are asked for.
pub const CONTRACTS: [Address; 2] = [Address::repeat_byte(0x11), Address::repeat_byte(0x22)];
/// The block that is asked for by hash.
pub const BLOCK: BlockId = BlockId { number: 5, hash: B256::repeat_byte(0x55) };
/// The blocks that are asked for.
pub const RANGE: BlockRange = BlockRange { from: 4, to: 7 };

/// What one HTTP request asked: method, parameters and id of each call.
pub type Asked = Vec<(String, Value, u64)>;

/// What was asked so far.
#[derive(Debug, Clone, Default)]
pub struct Requests(Arc<Mutex<Vec<Asked>>>);

impl Requests {
    /// All of it.
    pub fn all(&self) -> Vec<Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(&self, asked: &Asked) -> usize {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(all.len() < REQUESTS_MAX, "asked {REQUESTS_MAX} times: {asked:?}");
        all.push(asked.clone());
        all.len() - 1
    }
}

/// A client whose provider answers by `answer`, which sees the number of the request and what it asks.
pub fn rpc(
    finality: Finality,
    range_blocks_max: u64,
    answer: impl Fn(usize, &Asked) -> ScriptedAnswer + Send + Sync + 'static,
) -> (Rpc, Requests) {
    let requests = Requests::default();
    let seen = requests.clone();
    let script = move |body: &[u8]| {
        let asked = asked(body);
        answer(seen.push(&asked), &asked)
    };
    let config = Config {
        url: URL.parse().expect("a node's URL"),
        alias: "fuzz".to_owned(),
        timeout: Duration::from_secs(1),
        poll_interval: Duration::from_millis(1),
        finality,
        range_blocks_max,
        requests_in_flight: 1,
        batch_size_max: 10,
        response_bytes_max: 1 << 16,
    };
    // No wait at all: the tries count, not the time between them.
    let policy = Policy { first: Duration::ZERO, longest: Duration::ZERO, limit: Limit::Attempts(2) };
    (Rpc::scripted(config, Arc::new(script)).with_retry(policy), requests)
}

fn asked(body: &[u8]) -> Asked {
    let request: Value = serde_json::from_slice(body).expect("our own requests are JSON");
    let calls = match request {
        Value::Array(calls) => calls,
        call => vec![call],
    };
    let read = |call: Value| {
        let method = call["method"].as_str().expect("a method").to_owned();
        (method, call["params"].clone(), call["id"].as_u64().expect("an id"))
    };
    calls.into_iter().map(read).collect()
}

/// Waits for a future on this thread.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(future)
}

/// The answer of an honest node whose chain has a block at every height and no logs.
pub fn honest(asked: &Asked) -> ScriptedAnswer {
    let answers: Vec<Value> = asked
        .iter()
        .map(|(method, params, id)| {
            let result = match method.as_str() {
                "eth_getLogs" | "eth_getBlockReceipts" => json!([]),
                _ => block(params[0].as_str().unwrap_or_default()),
            };
            json!({ "jsonrpc": "2.0", "id": id, "result": result })
        })
        .collect();
    let body = if let [only] = answers.as_slice() { only.to_string() } else { json!(answers).to_string() };
    ScriptedAnswer { status: 200, retry_after: None, body: body.into_bytes() }
}

fn block(number: &str) -> Value {
    let place = u64::from_str_radix(number.trim_start_matches("0x"), 16).unwrap_or_default();
    json!({
        "number": number, "hash": B256::left_padding_from(&place.to_be_bytes()), "parentHash": B256::ZERO,
        "timestamp": "0x1", "logsBloom": "0x", "transactions": [],
    })
}
