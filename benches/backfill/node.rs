//! The node: serves the workload as JSON-RPC over loopback, and counts what it is asked.
//!
//! All blocks are there and final, until [`Node::publish`] says how far the chain is. What it does not know is an error, so that no question goes unanswered in silence.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U64};
use axum::Router;
use axum::body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::serve::ListenerExt;
use serde_json::Value;
use tokio::sync::watch;

use crate::json::{bytes, quantity, separate, text};
use crate::ledger::{CHAIN_ID, Ledger, Log};
use crate::{socket, wire};

/// How far below the newest block a block is final.
const FINALITY_BLOCKS: u64 = 64;
/// Whoever asks from here on, or from below, asks for everything that there was.
const FIRST_BLOCK: u64 = 1;

const METHOD_NOT_FOUND: Refusal = (-32601, Cow::Borrowed("the method does not exist"));
const INVALID_PARAMS: Refusal = (-32602, Cow::Borrowed("invalid params"));
const NO_TOPICS: Refusal = (-32602, Cow::Borrowed("this node leaves out no log for its topics"));
const UNKNOWN_BLOCK: Refusal = (-32000, Cow::Borrowed("unknown block"));
const REVERTED: Refusal = (3, Cow::Borrowed("execution reverted"));

/// How the node answers.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// How long it thinks about each HTTP request.
    pub latency: Duration,
    /// The most logs of one answer; more is an error.
    pub logs_max: usize,
    /// Whether logs say their block's time.
    pub block_timestamps: bool,
}

/// What was asked.
#[derive(Debug, Default)]
pub struct Asked {
    /// Requests by method, those in batches one by one.
    pub methods: BTreeMap<String, u64>,
    /// HTTP requests, or messages over a WebSocket.
    pub exchanges: u64,
    /// Bytes of all answers.
    pub bytes: u64,
    /// Logs in all answers.
    pub logs: u64,
    /// Requests for all older logs of contracts that were announced late.
    pub back_scans: u64,
    /// Such contracts in all of those requests.
    pub back_scanned: u64,
    /// Requests for logs that name no contract.
    pub of_everyone: u64,
    /// Requests for blocks with their transactions.
    pub whole_blocks: u64,
}

/// What is counted beside methods.
#[derive(Debug, Default)]
struct Counts {
    exchanges: AtomicU64,
    bytes: AtomicU64,
    logs: AtomicU64,
    back_scans: AtomicU64,
    back_scanned: AtomicU64,
    of_everyone: AtomicU64,
    whole_blocks: AtomicU64,
}

/// See the module.
pub struct Node {
    ledger: Arc<dyn Ledger>,
    head: watch::Sender<u64>,
    finalized: AtomicU64,
    manner: Manner,
    methods: Mutex<BTreeMap<String, u64>>,
    counts: Counts,
}

/// Code and text of an error.
type Refusal = (i64, Cow<'static, str>);
/// Whether the result was written.
type Answered = Result<(), Refusal>;

impl Node {
    /// Serves a workload on a free port until the runtime ends.
    ///
    /// # Errors
    /// The system's, when it gives no port.
    pub async fn serve(ledger: Arc<dyn Ledger>, manner: Manner) -> std::io::Result<(Arc<Self>, SocketAddr)> {
        let node = Arc::new(Self {
            head: watch::Sender::new(ledger.head()),
            finalized: ledger.head().into(),
            ledger,
            manner,
            methods: Mutex::default(),
            counts: Counts::default(),
        });
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        // As nodes do: the rest of an answer does not wait until the first part was acknowledged.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let router = Router::new()
            .route("/", post(answered).get(socket::upgrade))
            .layer(DefaultBodyLimit::disable())
            .with_state(node.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((node, address))
    }

    /// Makes a block the newest. The first one so made is final, and so is what is two epochs below the newest.
    pub fn publish(&self, head: u64) {
        if self.head() > head {
            self.finalized.store(head, Ordering::Relaxed);
        }
        self.finalized.fetch_max(head.saturating_sub(FINALITY_BLOCKS), Ordering::Relaxed);
        self.head.send_replace(head);
    }

    fn head(&self) -> u64 {
        *self.head.borrow()
    }

    /// Tells of each new head from now on.
    pub fn heads(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Answers a request, or a batch of them.
    pub async fn exchange(&self, asked: &[u8]) -> String {
        if !self.manner.latency.is_zero() {
            tokio::time::sleep(self.manner.latency).await;
        }
        let answer = self.body(asked);
        self.counts.exchanges.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes.fetch_add(answer.len() as u64, Ordering::Relaxed);
        String::from_utf8(answer).unwrap_or_default()
    }

    /// What was asked so far.
    pub fn asked(&self) -> Asked {
        let count = |counted: &AtomicU64| counted.load(Ordering::Relaxed);
        Asked {
            methods: self.methods.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            exchanges: count(&self.counts.exchanges),
            bytes: count(&self.counts.bytes),
            logs: count(&self.counts.logs),
            back_scans: count(&self.counts.back_scans),
            back_scanned: count(&self.counts.back_scanned),
            of_everyone: count(&self.counts.of_everyone),
            whole_blocks: count(&self.counts.whole_blocks),
        }
    }

    fn body(&self, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match serde_json::from_slice::<Value>(body) {
            Ok(Value::Array(requests)) => {
                out.push(b'[');
                for (place, request) in requests.iter().enumerate() {
                    separate(&mut out, place);
                    self.answer(&mut out, request);
                }
                out.push(b']');
            }
            Ok(request) => self.answer(&mut out, &request),
            Err(_) => error(&mut out, &Value::Null, (-32700, "not JSON".into())),
        }
        out
    }

    fn answer(&self, out: &mut Vec<u8>, request: &Value) {
        let method = request["method"].as_str().unwrap_or_default();
        let start = out.len();
        text(out, &format!(r#"{{"jsonrpc":"2.0","id":{},"result":"#, request["id"]));
        match self.result(out, method, &request["params"]) {
            Ok(()) => out.push(b'}'),
            Err(said) => {
                out.truncate(start);
                error(out, &request["id"], said);
            }
        }
        let mut methods = self.methods.lock().unwrap_or_else(PoisonError::into_inner);
        *methods.entry(method.to_owned()).or_default() += 1;
    }

    fn result(&self, out: &mut Vec<u8>, method: &str, params: &Value) -> Answered {
        match method {
            "eth_chainId" => quantity(out, CHAIN_ID),
            "eth_blockNumber" => quantity(out, self.head()),
            "eth_getBlockByNumber" => self.block(out, self.height(&params[0])?, &params[1])?,
            "eth_getBlockByHash" => self.block(out, self.number(&params[0])?, &params[1])?,
            "eth_getTransactionByBlockHashAndIndex" => {
                self.transaction(out, self.number(&params[0])?, &params[1])?;
            }
            "eth_getLogs" => self.logs(out, &params[0])?,
            "eth_getCode" => {
                let address: Address = parsed(&params[0])?;
                bytes(out, if self.ledger.has_code(address) { &[0xfe] } else { &[] });
            }
            "eth_call" => self.call(out, &params[0])?,
            _ => return Err(METHOD_NOT_FOUND),
        }
        Ok(())
    }

    /// The height that a block parameter names; `None` above the head.
    fn height(&self, block: &Value) -> Result<Option<u64>, Refusal> {
        let number = match block.as_str().ok_or(INVALID_PARAMS)? {
            "latest" => self.head(),
            "safe" | "finalized" => self.finalized.load(Ordering::Relaxed),
            "earliest" => 0,
            number => {
                let digits = number.strip_prefix("0x").ok_or(INVALID_PARAMS)?;
                u64::from_str_radix(digits, 16).map_err(|_| INVALID_PARAMS)?
            }
        };
        Ok((number <= self.head()).then_some(number))
    }

    /// The height of the block that has a hash; `None` where there is none, or not yet.
    fn number(&self, hash: &Value) -> Result<Option<u64>, Refusal> {
        Ok(self.ledger.number(parsed(hash)?).filter(|number| *number <= self.head()))
    }

    fn block(&self, out: &mut Vec<u8>, number: Option<u64>, full: &Value) -> Answered {
        let Some(number) = number else {
            text(out, "null");
            return Ok(());
        };
        let whole = full.as_bool().ok_or(INVALID_PARAMS)?;
        self.counts.whole_blocks.fetch_add(whole.into(), Ordering::Relaxed);
        wire::block(out, &*self.ledger, number, whole);
        Ok(())
    }

    fn transaction(&self, out: &mut Vec<u8>, number: Option<u64>, index: &Value) -> Answered {
        let index: U64 = parsed(index)?;
        let listed = number.and_then(|number| {
            let of_block = self.ledger.transactions(number);
            Some((number, of_block.into_iter().find(|listed| U64::from(listed.index) == index)?))
        });
        match listed {
            Some((number, listed)) => wire::transaction(out, &*self.ledger, number, &listed),
            None => text(out, "null"),
        }
        Ok(())
    }

    fn logs(&self, out: &mut Vec<u8>, filter: &Value) -> Answered {
        let (from, to) = if filter["blockHash"].is_null() {
            let head = self.head();
            (self.height(&filter["fromBlock"])?, Some(self.height(&filter["toBlock"])?.unwrap_or(head)))
        } else {
            let number = self.number(&filter["blockHash"])?.ok_or(UNKNOWN_BLOCK)?;
            (Some(number), Some(number))
        };
        if !takes_all(&filter["topics"], self.ledger.first_topics())? {
            return Err(NO_TOPICS);
        }
        let of: Option<Vec<Address>> = match &filter["address"] {
            Value::Null => None,
            Value::Array(list) => Some(list.iter().map(parsed).collect::<Result<_, _>>()?),
            one => Some(vec![parsed(one)?]),
        };
        let (Some(from), Some(to)) = (from, to) else {
            text(out, "[]");
            return Ok(());
        };
        self.count_list(from, of.as_deref());
        let places = self.ledger.find(from, to, of.as_deref(), self.manner.logs_max + 1);
        if places.len() > self.manner.logs_max {
            // In the words of most providers.
            let words = format!("query returned more than {} results", self.manner.logs_max);
            return Err((-32005, words.into()));
        }
        out.reserve(places.len() * wire::LOG_BYTES);
        let mut log = Log::default();
        out.push(b'[');
        for (nth, place) in places.iter().enumerate() {
            separate(out, nth);
            self.ledger.log(*place, &mut log);
            wire::log(out, &*self.ledger, *place, &log, self.manner.block_timestamps);
        }
        out.push(b']');
        self.counts.logs.fetch_add(places.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Counts a request for logs by what it is for.
    fn count_list(&self, from: u64, of: Option<&[Address]>) {
        let Some(of) = of else {
            self.counts.of_everyone.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if from > FIRST_BLOCK {
            return;
        }
        let late = of.iter().filter(|address| self.ledger.is_announced_late(**address)).count();
        if late > 0 {
            self.counts.back_scans.fetch_add(1, Ordering::Relaxed);
            self.counts.back_scanned.fetch_add(late as u64, Ordering::Relaxed);
        }
    }

    fn call(&self, out: &mut Vec<u8>, call: &Value) -> Answered {
        let target = parsed(&call["to"])?;
        let input = if call["data"].is_null() { &call["input"] } else { &call["data"] };
        // No input calls no function.
        let input = if input.is_null() { Bytes::new() } else { parsed(input)? };
        bytes(out, &self.ledger.call(target, &input).ok_or(REVERTED)?);
        Ok(())
    }
}

async fn answered(State(node): State<Arc<Node>>, body: body::Bytes) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], node.exchange(&body).await)
}

/// Whether a filter by topics takes every log that there is: it names all their first topics, or none, and no further ones.
fn takes_all(topics: &Value, there: &[B256]) -> Result<bool, Refusal> {
    let Some(topics) = topics.as_array() else { return Ok(topics.is_null()) };
    let (first, others) = topics.split_first().unwrap_or((&Value::Null, &[]));
    let named: Vec<B256> = match first {
        Value::Null => return Ok(others.iter().all(Value::is_null)),
        Value::Array(named) => named.iter().map(parsed).collect::<Result<_, _>>()?,
        one => vec![parsed(one)?],
    };
    // An empty list stands for any topic.
    let takes_all = named.is_empty() || there.iter().all(|topic| named.contains(topic));
    Ok(others.iter().all(Value::is_null) && takes_all)
}

fn parsed<T: std::str::FromStr>(value: &Value) -> Result<T, Refusal> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or(INVALID_PARAMS)
}

fn error(out: &mut Vec<u8>, id: &Value, (code, message): Refusal) {
    text(out, &format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#));
}
