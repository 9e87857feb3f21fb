//! A JSON-RPC node over HTTP that does what a test tells it: a small honest chain, and rules that make it
//! lie, lag, refuse or break.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use alloy::primitives::{Address, B256, Bytes, keccak256};
use asset_indexer::block::BlockId;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// A JSON-RPC request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Method.
    pub method: String,
    /// Parameters.
    pub params: Value,
}

/// What the node says to one request.
#[derive(Debug, Clone)]
pub enum Said {
    /// A result.
    Result(Value),
    /// An error object.
    Error(Value),
    /// Nothing at all: in a batch, the answer is missing.
    Silence,
}

/// An error without data.
pub fn error(code: i64, message: &str) -> Said {
    Said::Error(json!({ "code": code, "message": message }))
}

/// A whole HTTP answer that takes the place of JSON-RPC.
#[derive(Debug, Clone)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// Header `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// Body.
    pub body: String,
}

type Rule = Box<dyn FnMut(&Asked, &Chain) -> Option<Said> + Send>;
type PageRule = Box<dyn FnMut(&Value) -> Option<Page> + Send>;

/// The honest chain.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    /// Number of the newest block.
    pub head: u64,
    /// Number of the newest final block, if the node knows the tag.
    pub finalized: Option<u64>,
    /// Logs in order: block number, index in the block, contract.
    pub logs: Vec<(u64, u64, Address)>,
}

/// The hash of a block.
pub fn hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

/// A block's name.
pub fn id(number: u64) -> BlockId {
    BlockId { number, hash: hash(number) }
}

/// A number as JSON-RPC writes it.
pub fn hex(number: u64) -> String {
    format!("0x{number:x}")
}

impl Chain {
    /// A chain up to `head` whose logs are one per listed block, of one contract.
    pub fn with_logs(head: u64, contract: Address, blocks: impl IntoIterator<Item = u64>) -> Self {
        let logs = blocks.into_iter().map(|number| (number, 0, contract)).collect();
        Self { head, finalized: Some(head), logs }
    }

    /// A block as the node writes it, with one transaction for every log.
    pub fn block(&self, number: u64, full: bool) -> Value {
        let count = self.logs.iter().filter(|log| log.0 == number).count();
        let transaction = |index: usize| match full {
            true => {
                json!({ "hash": keccak256([index as u8]), "from": Address::ZERO, "to": null, "input": "0x01",
                "type": "0x7e", "transactionIndex": hex(index as u64), "blockHash": hash(number) })
            }
            false => json!(keccak256([index as u8])),
        };
        json!({
            "number": hex(number), "hash": hash(number), "parentHash": hash(number.wrapping_sub(1)),
            "timestamp": hex(1_700_000_000 + number),
            "logsBloom": Bytes::from(vec![u8::from(count > 0); 256]),
            "transactions": (0..count).map(transaction).collect::<Vec<_>>(),
        })
    }

    /// A log as the node writes it.
    pub fn log(&self, (number, index, contract): (u64, u64, Address)) -> Value {
        json!({ "address": contract, "topics": [keccak256("Happened()")], "data": "0x", "removed": false,
            "blockHash": hash(number), "blockNumber": hex(number), "logIndex": hex(index),
            "transactionHash": keccak256([index as u8]), "transactionIndex": hex(index) })
    }

    fn block_at(&self, name: &Value, full: bool) -> Value {
        let number = match name.as_str().unwrap_or_default() {
            "latest" => Some(self.head),
            "finalized" => self.finalized,
            text => self.named(text),
        };
        number.filter(|number| *number <= self.head).map_or(Value::Null, |number| self.block(number, full))
    }

    /// The number of a block named by number or hash.
    fn named(&self, text: &str) -> Option<u64> {
        match text.len() {
            66 => (0..=self.head).find(|number| hash(*number).to_string() == text),
            _ => u64::from_str_radix(text.trim_start_matches("0x"), 16).ok(),
        }
    }

    /// The logs of a filter.
    pub fn filtered(&self, filter: &Value) -> Vec<Value> {
        let range = match filter["blockHash"].as_str() {
            Some(hash) => self.named(hash).map(|number| number..=number),
            None => Some(range_of(filter)).map(|(from, to)| from..=to),
        };
        let named: Option<HashSet<Address>> = filter["address"].as_array().map(|list| {
            list.iter().filter_map(|one| one.as_str()).map(|one| one.parse().expect("an address")).collect()
        });
        let wanted = |contract: &Address| named.as_ref().is_none_or(|named| named.contains(contract));
        let Some(range) = range else { return Vec::new() };
        let logs = self.logs.iter().filter(|log| range.contains(&log.0) && wanted(&log.2));
        logs.map(|log| self.log(*log)).collect()
    }

    /// The honest answer.
    pub fn answer(&self, asked: &Asked) -> Said {
        let params = &asked.params;
        Said::Result(match asked.method.as_str() {
            "eth_chainId" => json!("0x7a69"),
            "eth_blockNumber" => json!(hex(self.head)),
            "eth_getBlockByNumber" | "eth_getBlockByHash" => {
                self.block_at(&params[0], params[1] == json!(true))
            }
            "eth_getLogs" => json!(self.filtered(&params[0])),
            "eth_getBlockReceipts" => {
                let number = self.named(params[0].as_str().unwrap_or_default()).unwrap_or_default();
                let logs = self.logs.iter().filter(|log| log.0 == number);
                json!(
                    logs.map(|log| json!({ "blockHash": hash(number), "logs": [self.log(*log)] }))
                        .collect::<Vec<_>>()
                )
            }
            "eth_call" => json!("0x"),
            "eth_getCode" => json!("0x60"),
            method => return error(-32601, &format!("the method {method} does not exist")),
        })
    }
}

/// First and last block of a filter by numbers.
pub fn range_of(filter: &Value) -> (u64, u64) {
    let number = |name: &str| {
        let text = filter[name].as_str().expect("a filter by numbers names them");
        u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a block number")
    };
    (number("fromBlock"), number("toBlock"))
}

struct Script {
    chain: Chain,
    rules: Vec<Rule>,
    page: Option<PageRule>,
    reversed: bool,
    streamed: bool,
    asked: Vec<Asked>,
    exchanges: Vec<usize>,
}

/// The node; gone when dropped.
pub struct ScriptedNode {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    server: JoinHandle<()>,
}

impl Drop for ScriptedNode {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl ScriptedNode {
    /// Serves `chain` on a free port of the loopback interface.
    pub async fn start(chain: Chain) -> Self {
        let script = Script {
            chain,
            rules: Vec::new(),
            page: None,
            reversed: false,
            streamed: false,
            asked: Vec::new(),
            exchanges: Vec::new(),
        };
        let script = Arc::new(Mutex::new(script));
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let app = Router::new().fallback(serve).with_state(script.clone());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("the node serves") });
        Self { address, script, server }
    }

    /// Where the node is, with a path and query.
    pub fn url(&self, path_and_query: &str) -> String {
        format!("http://{}{path_and_query}", self.address)
    }

    /// Adds a rule; the first that says something decides, else the chain answers.
    pub fn rule(&self, rule: impl FnMut(&Asked, &Chain) -> Option<Said> + Send + 'static) -> &Self {
        self.script().rules.push(Box::new(rule));
        self
    }

    /// Adds a rule for one method.
    pub fn on(
        &self,
        method: &'static str,
        mut rule: impl FnMut(&Value, &Chain) -> Option<Said> + Send + 'static,
    ) -> &Self {
        self.rule(move |asked, chain| if asked.method == method { rule(&asked.params, chain) } else { None })
    }

    /// Sets what answers whole HTTP requests in the place of JSON-RPC; it sees the request's JSON.
    pub fn page(&self, rule: impl FnMut(&Value) -> Option<Page> + Send + 'static) -> &Self {
        self.script().page = Some(Box::new(rule));
        self
    }

    /// Answers batches in reverse order.
    pub fn reverse_batches(&self) -> &Self {
        self.script().reversed = true;
        self
    }

    /// Sends bodies in pieces, without saying their length beforehand.
    pub fn stream_bodies(&self) -> &Self {
        self.script().streamed = true;
        self
    }

    /// Changes the chain.
    pub fn change(&self, change: impl FnOnce(&mut Chain)) {
        change(&mut self.script().chain);
    }

    /// Every request so far of one method.
    pub fn asked(&self, method: &str) -> Vec<Value> {
        let script = self.script();
        script.asked.iter().filter(|asked| asked.method == method).map(|asked| asked.params.clone()).collect()
    }

    /// The ranges of every `eth_getLogs` so far.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        self.asked("eth_getLogs").iter().map(|params| range_of(&params[0])).collect()
    }

    /// How many JSON-RPC requests every HTTP request so far had.
    pub fn exchanges(&self) -> Vec<usize> {
        self.script().exchanges.clone()
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(State(script): State<Arc<Mutex<Script>>>, body: String) -> Response {
    let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
    let request: Value = serde_json::from_str(&body).expect("requests are JSON");
    let calls: Vec<Value> = request.as_array().cloned().unwrap_or_else(|| vec![request.clone()]);
    script.exchanges.push(calls.len());
    for call in &calls {
        assert_eq!(call["jsonrpc"], "2.0", "{call}");
        let method = call["method"].as_str().expect("a method").to_owned();
        script.asked.push(Asked { method, params: call["params"].clone() });
    }
    if let Some(page) = script.page.as_mut().and_then(|rule| rule(&request)) {
        let mut headers = HeaderMap::new();
        if let Some(seconds) = page.retry_after {
            headers.insert("retry-after", seconds.into());
        }
        return (StatusCode::from_u16(page.status).expect("an HTTP status"), headers, page.body)
            .into_response();
    }
    let mut answers: Vec<Value> = calls.iter().filter_map(|call| script.answer(call)).collect();
    if script.reversed {
        answers.reverse();
    }
    let answer = if request.is_array() { json!(answers) } else { answers.pop().unwrap_or_default() };
    let text = answer.to_string();
    if !script.streamed {
        return text.into_response();
    }
    let pieces: Vec<Result<Vec<u8>, Infallible>> =
        text.as_bytes().chunks(1_000).map(|piece| Ok(piece.to_vec())).collect();
    Body::from_stream(futures_util::stream::iter(pieces)).into_response()
}

impl Script {
    fn answer(&mut self, call: &Value) -> Option<Value> {
        let method = call["method"].as_str().unwrap_or_default().to_owned();
        let asked = Asked { method, params: call["params"].clone() };
        let chain = &self.chain;
        let said = self.rules.iter_mut().find_map(|rule| rule(&asked, chain));
        match said.unwrap_or_else(|| chain.answer(&asked)) {
            Said::Result(result) => Some(json!({ "jsonrpc": "2.0", "id": call["id"], "result": result })),
            Said::Error(error) => Some(json!({ "jsonrpc": "2.0", "id": call["id"], "error": error })),
            Said::Silence => None,
        }
    }
}
