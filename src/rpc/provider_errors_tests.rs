//! One case or more for every row of the collection of providers' errors.

use super::super::classify::{Reply, RpcFault, Suggestion, classify};
use super::super::exchange::Fault;
use super::super::secret_url::SecretUrl;

/// What a row must be classified as.
#[derive(Debug, Clone, Copy)]
enum Want {
    /// Range, nothing suggested.
    R,
    /// Range, at most so many blocks.
    Rn(u64),
    /// Size, nothing suggested.
    S,
    /// Size, a range suggested.
    Sr(u64, u64),
    /// Size, at most so many results.
    Sn(u64),
    Addresses,
    Rate,
    Billing,
    Missing,
    Pruned,
    Timeout,
    Unsupported,
    Auth,
    Transport,
    Unknown,
}

impl Want {
    fn fault(self) -> RpcFault {
        match self {
            Self::R => RpcFault::Range { suggested: None },
            Self::Rn(blocks) => RpcFault::Range { suggested: Some(Suggestion::Blocks(blocks)) },
            Self::S => RpcFault::Size { suggested: None },
            Self::Sr(from, to) => RpcFault::Size { suggested: Some(Suggestion::Range(from, to)) },
            Self::Sn(results) => RpcFault::Size { suggested: Some(Suggestion::Results(results)) },
            Self::Addresses => RpcFault::Addresses,
            Self::Rate => RpcFault::Rate { retry_after: None },
            Self::Billing => RpcFault::Billing,
            Self::Missing => RpcFault::Missing,
            Self::Pruned => RpcFault::Pruned,
            Self::Timeout => RpcFault::Timeout,
            Self::Unsupported => RpcFault::Unsupported,
            Self::Auth => RpcFault::Auth,
            Self::Transport => RpcFault::Transport,
            Self::Unknown => RpcFault::Unknown,
        }
    }
}

use Want::{
    Addresses, Auth, Billing, Missing, Pruned, R, Rate, Rn, S, Sn, Sr, Timeout, Transport, Unknown,
    Unsupported,
};

/// Row, JSON-RPC code (0: none), text (and data, after a bar), HTTP status (0: 200), meaning.
type Case = (u8, i64, &'static str, u16, Want);

#[rustfmt::skip]
const CASES: &[Case] = &[
    (1, -32000, "requested too many blocks from 1 to 5000, maximum is set to 2048", 0, Rn(2048)),
    (2, -32047, "Invalid eth_getLogs request. `fromBlock`-`toBlock` range too large. Max range: 800", 0, Rn(800)),
    (3, 0, "Maximum allowed number of requested blocks is 1,000", 0, Rn(1000)),
    (4, -32005, "query returned more than 10000 results. Try with this block range [0x1F4, 0x3e8].", 0, Sr(500, 1000)),
    (4, -32602, "Try with this block range [0x1F4,0x3e8]", 0, Sr(500, 1000)),
    (5, -32005, "query returned more than 10000 results", 0, Sn(10_000)),
    (6, -32005, "query timeout exceeded", 0, Timeout),
    (7, -32602, "range 20000 exceeds limit of 10000", 0, Rn(10_000)),
    (8, -32602, "This query contains 6000 filters. The current limit is 5000.", 0, Addresses),
    (9, -32600, "block range is too wide", 0, R),
    (10, 0, "maximum [from, to] blocks distance: 10000", 0, Rn(10_000)),
    (11, -32602, "query exceeds max results", 0, S),
    (12, -32602, "query exceeds max results 20000, retry with the range 100-149", 0, Sr(100, 149)),
    (13, -32602, "query exceeds max block range 100,000", 0, Rn(100_000)),
    (14, -32602, "Log response size exceeded. this block range should work: [0x64, 0x95]", 0, Sr(100, 149)),
    (14, -32602, "this block range should work: [0x95, 0x64]", 0, Sr(149, 100)),
    (15, -32602, "Log response size exceeded.", 0, S),
    (16, -32000, "Response size is larger than 150MB limit", 0, S),
    (17, -32600, "Under the Free tier plan, You can make eth_getLogs requests with up to a 10 block range.", 400, Rn(10)),
    (18, 0, "eth_getLogs is allowed up to a 2,000 block range", 0, Rn(2000)),
    (19, -32602, "exceeded maximum of 1000 addresses or topics per search position", 0, Addresses),
    (20, 429, "Your app has exceeded its compute units per second capacity.", 429, Rate),
    (21, 429, "Monthly capacity limit exceeded.", 429, Billing),
    (22, -32614, "eth_getLogs is limited to a 10,000 range", 413, Rn(10_000)),
    (22, -32614, "eth_getLogs and eth_newFilter are limited to a 5 blocks range", 0, Rn(5)),
    (23, -32007, "50/second request limit reached - reduce calls per second or upgrade your account", 0, Rate),
    (23, -32009, "method limit", 0, Rate),
    (24, -32612, "custom feature not enabled", 0, Unsupported),
    (24, -32613, "custom feature", 0, Unsupported),
    (25, -32602, "eth_getLogs limited to 1,024 blocks", 0, Rn(1024)),
    (26, 0, "this api key is on another chain", 0, Auth),
    (27, 0, "exceeds the range allowed for your plan (5000 > 1000)", 0, Rn(1000)),
    (28, 0, "Block range limit exceeded. See more details at https://docs.example/limits", 0, R),
    (29, 0, "", 413, S),
    (30, -32602, "please limit the query to at most 1,000 blocks", 0, Rn(1000)),
    (31, -32701, "Please specify an address, maximum block range: 50,000", 0, Rn(50_000)),
    (31, -32602, "exceed maximum block range: 50000", 0, Rn(50_000)),
    (32, -32000, "exceed maximum block range: 5000", 0, Rn(5000)),
    (33, -32600, "exceed max block range: 5000", 0, Rn(5000)),
    (34, 0, "block range greater than 2,000 max", 0, Rn(2000)),
    (35, 0, "block range exceeds 1000", 0, Rn(1000)),
    (36, 0, "eth_getLogs range is too large, max is 10k blocks", 0, Rn(10_000)),
    (37, 0, "eth_getLogs range is too large, max is 1k blocks", 0, Rn(1000)),
    (38, 0, "query must be smaller than size 1024", 0, Rn(1024)),
    (39, -32603, "block range is too wide (maximum 1024)", 0, Rn(1024)),
    (40, 0, "allowed block range threshold exceeded", 0, R),
    (41, 0, "range 20000 exceeded max allowed", 0, R),
    (42, 0, "range threshold exceeded", 0, R),
    (43, -32011, "no backend is currently healthy to serve traffic", 503, Rate),
    (44, -32614, "block range too large", 0, R),
    (45, -32000, "Block range is too large", 0, R),
    (46, -32020, "backend response too large", 0, S),
    (46, -32020, "", 0, S),
    (47, -32000, "logs matched by query exceeds limit of 10000", 0, Sn(10_000)),
    (48, -32000, "query returned more than 20000 results", 0, Sn(20_000)),
    (49, -32000, "response size should not greater than 10000000 bytes", 0, S),
    (50, 35, "ranges over 10000 blocks are not supported on freetier", 0, Rn(10_000)),
    (51, 0, "ChainException: Unexpected error (code=40000)", 0, Transport),
    (52, 0, "invalid block range", 0, R),
    (53, 0, "token is invalid", 0, Auth),
    (54, 0, "query would return more than 50000 logs", 0, Sn(50_000)),
    (54, 0, "60000 logs returned", 0, S),
    (54, 0, "too many logs", 0, S),
    (55, 0, "block range too large (5000), maximum allowed is 2000 blocks", 0, Rn(2000)),
    (56, 0, "logs over more", 0, S),
    (57, 0, "too many results", 0, S),
    (58, 0, "please try paginating", 0, S),
    (59, 0, "query exceeds limit", 0, R),
    (59, 0, "range limit exceeded", 0, R),
    (59, 0, "eth_getLogs is limited here", 0, R),
    (60, -32008, "Response is too big|\"Exceeded max limit of 167772160\"", 0, S),
    (60, -32008, "too large|\"Exceeded max limit of 167772160\"", 0, S),
    (61, -32602, "Query returned more than 10000 results. Try with this block range [0x10, 0x20].", 0, Sr(16, 32)),
    (62, 0, "specify less number of address", 0, Addresses),
    (63, -32005, "the block range is limited to 2000", 0, Rn(2000)),
    (64, -32600, "block range too high", 0, R),
    // Row 65 gives no error: the list is cut in silence (see `page::is_suspicious`, whose test names it).
    (66, -32602, "block range extends beyond current head block", 0, Missing),
    (66, -32602, "invalid block range params", 0, Missing),
    (67, 4444, "pruned history unavailable", 0, Pruned),
    (67, 4444, "", 0, Pruned),
    (68, -32000, "Receipt not available for From block 12345.", 0, Pruned),
    (69, -32000, "missing trie node 0xabc (path ) state 0xabc is not available", 0, Pruned),
    (69, -32000, "header not found", 0, Missing),
    (69, -32000, "could not find block", 0, Missing),
    (69, -32000, "unknown block", 0, Missing),
    (69, -32000, "hash 0xabc is not currently canonical", 0, Missing),
    (69, -32000, "requested data is not available", 0, Pruned),
    (70, -32000, "cannot query unfinalized data", 0, Missing),
    (70, -32000, "requested block 9 is after last accepted block 8", 0, Missing),
    (70, -32000, "block number is greater than latest", 0, Missing),
    (70, -32000, "height is not available", 0, Missing),
    (71, -39001, "finalized block not found", 0, Unsupported),
    (71, -39001, "safe block not found", 0, Unsupported),
    (71, -32000, "finalized is not a supported commitment", 0, Unsupported),
    (72, -32600, "authentication required", 0, Auth),
    (72, -32001, "Unsupported method", 0, Unsupported),
    (72, -32004, "", 0, Unsupported),
    (73, -32005, "project ID request rate exceeded", 0, Rate),
    (73, -32005, "", 0, Rate),
    (74, -32016, "over rate limit", 0, Rate),
    (74, -32012, "credits", 0, Rate),
    (74, -32055, "", 0, Rate),
    (74, 1008, "", 0, Rate),
    (74, 0, "daily request count exceeded, request rate limited", 0, Rate),
    (75, 0, "rate limit", 0, Rate),
    (75, 0, "rate exceeded", 0, Rate),
    (75, 0, "Too Many Requests", 0, Rate),
    (75, 0, "credits limited to 6000/sec", 0, Rate),
    (75, 0, "request limit", 0, Rate),
    (75, 0, "maximum number of concurrent requests", 0, Rate),
    (76, 0, "requests limited to 5/second", 0, Rate),
    (76, 0, "this app has exceeded", 0, Rate),
    (76, 0, "Exceeded the quota", 0, Rate),
    (76, 0, "you reached the quota", 0, Rate),
    (76, 0, "node is under too much load", 0, Rate),
    (76, 0, "request limit reached", 0, Rate),
    (76, 0, "No server available", 0, Rate),
    (76, 0, "upgrade your tier", 0, Rate),
    (76, 0, "limit exceeded", 0, Rate),
    (76, 0, "sender is over rate limit", 0, Rate),
    (77, 0, "error code: 1015", 403, Rate),
    (78, 0, "limit exceeded", 0, Rate),
    (78, 0, "capacity limit", 0, Rate),
    (79, 0, "", 402, Billing),
    (79, 0, "you have reached the free tier", 0, Billing),
    (79, 0, "over the limit for your current plan", 0, Billing),
    (79, 0, "see https://provider.example/billing", 429, Billing),
    (80, -32601, "method is not whitelisted", 0, Unsupported),
    (80, -32601, "trace_block is not included in your current plan", 0, Unsupported),
    (80, -32601, "not allowed to access method", 0, Unsupported),
    (80, -32601, "Unsupported method", 0, Unsupported),
    (80, -32601, "", 0, Unsupported),
    (81, 0, "invalid api key", 401, Auth),
    (81, 0, "key is inactive", 403, Auth),
    (81, 0, "unauthorized", 0, Auth),
    (81, 0, "", 401, Auth),
    (81, 0, "", 403, Auth),
    (82, 0, "execution timeout", 0, Timeout),
    (82, 0, "", 408, Timeout),
    (82, 0, "", 504, Timeout),
    (83, 0, "", 413, S),
    (84, 0, "error decoding response body", 0, Transport),
    (84, 0, "error sending request", 0, Transport),
    (84, 0, "", 500, Transport),
    (84, 0, "<html>Bad Gateway</html>", 502, Transport),
    (84, 0, "", 503, Transport),
    (85, -32000, "ServerError", 0, Unknown),
    // Besu: above --rpc-max-logs-range, 5,000 blocks where nothing else is set.
    (86, -32005, "Requested range exceeds maximum RPC range limit", 0, R),
];

/// The row whose provider gives no error at all.
const SILENT_ROW: u8 = 65;

/// A row's answer: zero stands for none; data behind a bar.
fn reply(code: i64, text: &str, status: u16) -> Reply<'_> {
    let (message, data) = text.split_once('|').map_or((text, None), |(message, data)| (message, Some(data)));
    Reply {
        code: (code != 0).then_some(code),
        message,
        data,
        status: (status != 0).then_some(status),
        retry_after: None,
    }
}

#[test]
fn every_row_is_classified() {
    for &(row, code, text, status, want) in CASES {
        assert_eq!(
            classify(reply(code, text, status)),
            want.fault(),
            "row {row}: {code} {text} (HTTP {status})"
        );
    }
}

/// What the layer that asks again sees is the class, never the code: -32005 is a rate limit and a range that is too large.
#[test]
fn only_what_may_pass_is_asked_again() {
    let url: SecretUrl = "https://node.example/".parse().expect("a sound URL");
    for &(row, code, text, status, want) in CASES {
        let fault = Fault::said(reply(code, text, status), &url);
        assert_eq!(fault.kind, want.fault(), "row {row}");
        let may_pass = matches!(want, Rate | Timeout | Transport | Unknown);
        assert_eq!(fault.is_passing(), may_pass, "row {row}: {text} ({want:?})");
    }
}

#[test]
fn no_row_is_forgotten() {
    for row in (1..=86).filter(|row| *row != SILENT_ROW) {
        assert!(CASES.iter().any(|case| case.0 == row), "row {row} has no case");
    }
}

#[test]
fn every_wording_is_reachable() {
    for known in super::KNOWN {
        let first = super::KNOWN.iter().find(|other| {
            let sample = known.text.replace(['#', '$'], "7").replace('~', " ");
            super::super::pattern::find(other.text, &sample).is_some()
        });
        let first = first.expect("a wording finds itself").text;
        assert_eq!(first, known.text, "an earlier wording hides this one");
    }
}
