//! Any error text of a provider to a question for logs.
//!
//! Input, as text: a line with JSON-RPC code (0: none) and HTTP status (0: 200), then message, a bar, and data. The
//! provider says it once and is honest from then on; so whatever it suggested, the whole range must have been read.

use asset_indexer::block::BlockRange;
use asset_indexer::rpc::{Finality, ScriptedAnswer};
use asset_indexer::source::Source;
use serde_json::json;

use crate::rpc_script::{Asked, CONTRACTS, SECRETS, honest, rpc, wait};
use crate::safe::assert_tellable;

pub(crate) const WORDS: &[&str] = &[
    "try with this block range [0x1000, 0x103f]",
    "[0x1000, 0x1001]",
    "[0x1080,0x1000]",
    "[0x0, 0xffffffffffffffff]",
    "retry with the range 4096-4200",
    "limited to a ",
    "maximum is set to ",
    "max range: ",
    "0",
    "1",
    "10k",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "0000000000000000000000000",
    "1,0,0,0",
    "logs returned",
    "batch",
    "revert",
    "rate limit",
    "canarypath0",
    "\u{202e}",
    "\u{1b}[2J",
    "\n",
    "\0",
    "more than # logs",
    "finalized",
    "block not found",
    "/billing",
];

/// A quarter of a thousand blocks: enough for a suggestion to have room.
const RANGE: BlockRange = BlockRange { from: 4096, to: 4345 };

/// Says the text to the first question: what is asked next is the same, or a strict part of it that begins where it
/// began; in the end every block was read once, or the error may be told.
pub fn rpc_error_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (first, words) = text.split_once('\n').unwrap_or(("0 0", &text));
    let mut numbers = first.split_whitespace();
    let code: i64 = numbers.next().and_then(|code| code.parse().ok()).unwrap_or(0);
    let status: u16 =
        numbers.next().and_then(|status| status.parse().ok()).filter(|status| *status != 0).unwrap_or(200);
    let (message, data) =
        words.split_once('|').map_or((words, None), |(message, data)| (message, Some(data)));
    let (message, data) = (message.to_owned(), data.map(str::to_owned));
    let (node, requests) = rpc(Finality::Depth(0), 1_000_000, move |number, asked| match number {
        0 => refused(asked, code, status, &message, data.as_deref()),
        _ => honest(asked),
    });
    let outcome = wait(node.logs_in_range(RANGE, &CONTRACTS));
    let asked = requests.all();
    let ranges: Vec<(BlockRange, usize)> = asked.iter().flat_map(filter).collect();
    let (whole, most) = ranges[0];
    assert_eq!((whole, most), (RANGE, CONTRACTS.len()));
    if let Some((next, _)) = ranges.get(1) {
        assert_eq!(next.from, RANGE.from, "a part that begins elsewhere: {next:?}");
        assert!(next.to <= RANGE.to, "more than was asked for: {next:?}");
    }
    match outcome {
        Ok(logs) => {
            assert!(logs.is_empty());
            covers_once(&ranges[1..]);
        }
        Err(error) => {
            assert_tellable(&error.to_string(), &SECRETS);
            assert_eq!(ranges.len(), 1, "an honest node was not believed: {error}");
        }
    }
}

fn refused(asked: &Asked, code: i64, status: u16, message: &str, data: Option<&str>) -> ScriptedAnswer {
    if code == 0 && status != 200 {
        return ScriptedAnswer { status, retry_after: None, body: message.as_bytes().to_vec() };
    }
    let answers: Vec<_> = asked
        .iter()
        .map(|(_, _, id)| match data {
            Some(data) => json!({ "id": id, "error": { "code": code, "message": message, "data": data } }),
            None => json!({ "id": id, "error": { "code": code, "message": message } }),
        })
        .collect();
    ScriptedAnswer { status, retry_after: None, body: json!(answers).to_string().into_bytes() }
}

/// The blocks and the number of contracts of each question for logs.
fn filter(asked: &Asked) -> Vec<(BlockRange, usize)> {
    let number = |value: &serde_json::Value| {
        let text = value.as_str().expect("our own numbers are text");
        u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("our own numbers are hexadecimal")
    };
    let of = asked.iter().filter(|(method, _, _)| method == "eth_getLogs");
    let filters = of.map(|(_, params, _)| {
        let filter = &params[0];
        let range = BlockRange { from: number(&filter["fromBlock"]), to: number(&filter["toBlock"]) };
        (range, filter["address"].as_array().expect("addresses").len())
    });
    filters.collect()
}

/// Every block and contract was asked for once; a text about batches may have had the first question asked singly.
fn covers_once(ranges: &[(BlockRange, usize)]) {
    let mut pairs: u64 = ranges.iter().map(|(range, contracts)| range.len() * *contracts as u64).sum();
    let wanted = RANGE.len() * CONTRACTS.len() as u64;
    // A single block whose logs are refused is read from its receipts; here none is refused twice.
    assert!(pairs >= wanted, "blocks were left out: {ranges:?}");
    pairs -= wanted;
    assert_eq!(pairs, 0, "blocks were read twice: {ranges:?}");
    let mut next = RANGE.from;
    let mut sorted: Vec<BlockRange> = ranges.iter().map(|(range, _)| *range).collect();
    sorted.sort_by_key(|range| (range.from, range.to));
    sorted.dedup();
    for range in sorted {
        assert_eq!(range.from, next, "a gap or an overlap: {ranges:?}");
        next = range.to + 1;
    }
    assert_eq!(next, RANGE.to + 1);
}
