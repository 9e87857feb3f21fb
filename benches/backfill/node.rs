//! The node: serves the workload as JSON-RPC over loopback, and counts what it is asked.
//!
//! All blocks are there and final, until [`Node::publish`] says how far the chain is. What it does not know is an error, so that no question goes unanswered in silence.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy::hex;
use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolValue;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::Value;

use crate::chain::{CHAIN_ID, Chain, Transfer};
use crate::json::{bytes, quantity, separate, text};

/// keccak256 of `Transfer(address,address,uint256)`.
const TRANSFER: B256 = B256::new(hex!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"));
/// How far below the newest block a block is final.
const FINALITY_BLOCKS: u64 = 64;
/// JSON bytes of one log, about.
const LOG_BYTES: usize = 720;

const METHOD_NOT_FOUND: Refusal = (-32601, Cow::Borrowed("the method does not exist"));
const INVALID_PARAMS: Refusal = (-32602, Cow::Borrowed("invalid params"));
const NO_TOPICS: Refusal = (-32602, Cow::Borrowed("this node filters by no topic but that of Transfer"));
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
    /// HTTP requests.
    pub exchanges: u64,
    /// Bytes of all answers.
    pub bytes: u64,
    /// Logs in all answers.
    pub logs: u64,
}

/// See the module.
pub struct Node {
    chain: Arc<Chain>,
    head: AtomicU64,
    finalized: AtomicU64,
    manner: Manner,
    methods: Mutex<BTreeMap<String, u64>>,
    exchanges: AtomicU64,
    bytes: AtomicU64,
    logs: AtomicU64,
}

/// Code and text of an error.
type Refusal = (i64, Cow<'static, str>);
/// Whether the result was written.
type Answered = Result<(), Refusal>;

impl Node {
    /// Serves a chain on a free port until the runtime ends.
    ///
    /// # Errors
    /// The system's, when it gives no port.
    pub async fn serve(chain: Arc<Chain>, manner: Manner) -> std::io::Result<(Arc<Self>, SocketAddr)> {
        let node = Arc::new(Self {
            head: chain.head().into(),
            finalized: chain.head().into(),
            chain,
            manner,
            methods: Mutex::default(),
            exchanges: AtomicU64::default(),
            bytes: AtomicU64::default(),
            logs: AtomicU64::default(),
        });
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .route("/", post(exchange))
            .layer(DefaultBodyLimit::disable())
            .with_state(node.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((node, address))
    }

    /// Makes a block the newest. The first one so made is final, and so is what is two epochs below the newest.
    pub fn publish(&self, head: u64) {
        if self.head.swap(head, Ordering::Relaxed) > head {
            self.finalized.store(head, Ordering::Relaxed);
        }
        self.finalized.fetch_max(head.saturating_sub(FINALITY_BLOCKS), Ordering::Relaxed);
    }

    fn head(&self) -> u64 {
        self.head.load(Ordering::Relaxed)
    }

    /// What was asked so far.
    pub fn asked(&self) -> Asked {
        Asked {
            methods: self.methods.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            exchanges: self.exchanges.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            logs: self.logs.load(Ordering::Relaxed),
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
            "eth_getLogs" => self.logs(out, &params[0])?,
            "eth_getCode" => {
                let address: Address = parsed(&params[0])?;
                bytes(out, if self.chain.tokens().contains(&address) { &[0xfe] } else { &[] });
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
        Ok(self.chain.number(parsed(hash)?).filter(|number| *number <= self.head()))
    }

    fn block(&self, out: &mut Vec<u8>, number: Option<u64>, full: &Value) -> Answered {
        let Some(number) = number else {
            text(out, "null");
            return Ok(());
        };
        let full = full.as_bool().ok_or(INVALID_PARAMS)?;
        let chain = &self.chain;
        text(out, r#"{"number":"#);
        quantity(out, number);
        text(out, r#","hash":"#);
        bytes(out, chain.hash(number).as_slice());
        text(out, r#","parentHash":"#);
        bytes(out, number.checked_sub(1).map_or(B256::ZERO, |parent| chain.hash(parent)).as_slice());
        text(out, r#","timestamp":"#);
        quantity(out, chain.timestamp(number));
        let mut last = None;
        let transactions = chain
            .logs(number, number)
            .filter(|(_, _, transfer)| last.replace(transfer.transaction) != Some(transfer.transaction));
        let transactions: Vec<&Transfer> = transactions.map(|(_, _, transfer)| transfer).collect();
        text(out, r#","logsBloom":"#);
        // A bloom may claim too much, never too little.
        bytes(out, &[if transactions.is_empty() { 0 } else { 0xff }; 256]);
        if full {
            whole_block(out);
        }
        text(out, r#","transactions":["#);
        for (place, transfer) in transactions.iter().enumerate() {
            separate(out, place);
            if full {
                self.transaction(out, number, transfer);
            } else {
                bytes(out, chain.transaction(number, transfer.transaction).as_slice());
            }
        }
        text(out, "]}");
        Ok(())
    }

    /// The transaction that a transfer is the first log of, as whole as an EIP-1559 one is.
    fn transaction(&self, out: &mut Vec<u8>, number: u64, transfer: &Transfer) {
        let chain = &self.chain;
        text(out, r#"{"type":"0x2","hash":"#);
        bytes(out, chain.transaction(number, transfer.transaction).as_slice());
        text(out, r#","blockHash":"#);
        bytes(out, chain.hash(number).as_slice());
        text(out, r#","blockNumber":"#);
        quantity(out, number);
        text(out, r#","transactionIndex":"#);
        quantity(out, transfer.transaction.into());
        text(out, r#","from":"#);
        bytes(out, chain.holder(transfer.from).as_slice());
        text(out, r#","to":"#);
        bytes(out, chain.tokens()[transfer.token as usize].as_slice());
        text(out, r#","input":"#);
        // transfer(address,uint256) and its two words.
        bytes(out, &[0xa9; 68]);
        text(
            out,
            r#","nonce":"0x1","gas":"0xea60","value":"0x0","gasPrice":"0x3b9aca00","maxFeePerGas":"0x77359400","#,
        );
        text(out, r#""maxPriorityFeePerGas":"0x1","accessList":[],"chainId":"#);
        quantity(out, CHAIN_ID);
        for name in [r#","r":"#, r#","s":"#] {
            text(out, name);
            bytes(out, &[0x5a; 32]);
        }
        text(out, r#","v":"0x1","yParity":"0x1"}"#);
    }

    fn logs(&self, out: &mut Vec<u8>, filter: &Value) -> Answered {
        let (from, to) = if filter["blockHash"].is_null() {
            let head = self.head();
            (self.height(&filter["fromBlock"])?, Some(self.height(&filter["toBlock"])?.unwrap_or(head)))
        } else {
            let number = self.number(&filter["blockHash"])?.ok_or(UNKNOWN_BLOCK)?;
            (Some(number), Some(number))
        };
        if !all_transfers(&filter["topics"])? {
            return Err(NO_TOPICS);
        }
        let asked: Option<Vec<Address>> = match &filter["address"] {
            Value::Null => None,
            Value::Array(list) => Some(list.iter().map(parsed).collect::<Result<_, _>>()?),
            one => Some(vec![parsed(one)?]),
        };
        let is_asked: Vec<bool> = self
            .chain
            .tokens()
            .iter()
            .map(|token| asked.as_ref().is_none_or(|asked| asked.contains(token)))
            .collect();
        let (Some(from), Some(to)) = (from, to) else {
            text(out, "[]");
            return Ok(());
        };
        let wanted =
            || self.chain.logs(from, to).filter(|(_, _, transfer)| is_asked[transfer.token as usize]);
        let count = wanted().take(self.manner.logs_max + 1).count();
        if count > self.manner.logs_max {
            // In the words of most providers.
            let words = format!("query returned more than {} results", self.manner.logs_max);
            return Err((-32005, words.into()));
        }
        out.reserve(count * LOG_BYTES);
        out.push(b'[');
        for (place, (number, index, transfer)) in wanted().enumerate() {
            separate(out, place);
            self.log(out, number, index, transfer);
        }
        out.push(b']');
        self.logs.fetch_add(count as u64, Ordering::Relaxed);
        Ok(())
    }

    fn log(&self, out: &mut Vec<u8>, number: u64, index: u64, transfer: &Transfer) {
        let chain = &self.chain;
        text(out, r#"{"address":"#);
        bytes(out, chain.tokens()[transfer.token as usize].as_slice());
        text(out, r#","topics":["#);
        bytes(out, TRANSFER.as_slice());
        for holder in [transfer.from, transfer.to] {
            out.push(b',');
            bytes(out, chain.holder(holder).into_word().as_slice());
        }
        text(out, r#"],"data":"#);
        let mut amount = [0; 32];
        amount[16..].copy_from_slice(&transfer.amount.to_be_bytes());
        bytes(out, &amount);
        text(out, r#","blockHash":"#);
        bytes(out, chain.hash(number).as_slice());
        text(out, r#","blockNumber":"#);
        quantity(out, number);
        if self.manner.block_timestamps {
            text(out, r#","blockTimestamp":"#);
            quantity(out, chain.timestamp(number));
        }
        text(out, r#","transactionHash":"#);
        bytes(out, chain.transaction(number, transfer.transaction).as_slice());
        text(out, r#","transactionIndex":"#);
        quantity(out, transfer.transaction.into());
        text(out, r#","logIndex":"#);
        quantity(out, index);
        text(out, r#","removed":false}"#);
    }

    fn call(&self, out: &mut Vec<u8>, call: &Value) -> Answered {
        let target: Address = parsed(&call["to"])?;
        let input = if call["data"].is_null() { &call["input"] } else { &call["data"] };
        let token = self.chain.tokens().iter().position(|token| *token == target);
        match (token, input.as_str().unwrap_or_default()) {
            (Some(token), "0x06fdde03") => bytes(out, &format!("Benchmark token {token}").abi_encode()),
            (Some(token), "0x95d89b41") => bytes(out, &format!("BT{token}").abi_encode()),
            (Some(_), "0x313ce567") => bytes(out, &U256::from(18).abi_encode()),
            _ => return Err(REVERTED),
        }
        Ok(())
    }
}

async fn exchange(State(node): State<Arc<Node>>, body: Bytes) -> impl IntoResponse {
    if !node.manner.latency.is_zero() {
        tokio::time::sleep(node.manner.latency).await;
    }
    let answer = node.body(&body);
    node.exchanges.fetch_add(1, Ordering::Relaxed);
    node.bytes.fetch_add(answer.len() as u64, Ordering::Relaxed);
    ([(CONTENT_TYPE, "application/json")], answer)
}

/// Whether a filter by topics leaves all that there is: none, or the first one alone, as one or as a list of one.
fn all_transfers(topics: &Value) -> Result<bool, Refusal> {
    let Some(topics) = topics.as_array() else { return Ok(topics.is_null()) };
    let (first, others) = topics.split_first().unwrap_or((&Value::Null, &[]));
    let first = match first.as_array().map(Vec::as_slice) {
        Some([one]) => one,
        _ => first,
    };
    Ok(others.iter().all(Value::is_null) && (first.is_null() || parsed::<B256>(first)? == TRANSFER))
}

/// What else a block has, for those who ask for whole ones.
fn whole_block(out: &mut Vec<u8>) {
    for name in ["stateRoot", "receiptsRoot", "transactionsRoot", "sha3Uncles", "mixHash"] {
        text(out, &format!(r#","{name}":"#));
        bytes(out, &[0x11; 32]);
    }
    text(out, r#","miner":"#);
    bytes(out, Address::ZERO.as_slice());
    text(
        out,
        r#","nonce":"0x0000000000000000","difficulty":"0x0","totalDifficulty":"0x0","size":"0x400","extraData":"0x","#,
    );
    text(out, r#""gasLimit":"0x1c9c380","gasUsed":"0x5208","baseFeePerGas":"0x7","uncles":[]"#);
}

fn parsed<T: std::str::FromStr>(value: &Value) -> Result<T, Refusal> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or(INVALID_PARAMS)
}

fn error(out: &mut Vec<u8>, id: &Value, (code, message): Refusal) {
    text(out, &format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#));
}
