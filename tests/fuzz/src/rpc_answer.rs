//! Any answers of a node to any question.
//!
//! Input, as text: a line that says what is asked (first letter) and the HTTP status, then one body or several,
//! divided by lines of `---`; they are said in turn. `$1` to `$9` stand for the ids of the request.

use asset_indexer::block::{BlockId, Header, RawLog};
use asset_indexer::rpc::{Finality, Rpc, ScriptedAnswer};
use asset_indexer::source::{CallRequest, Source, SourceError};
use serde_json::Value;

use crate::rpc_script::{Asked, BLOCK, CONTRACTS, RANGE, Requests, SECRETS, rpc, wait};
use crate::safe::assert_tellable;

pub(crate) const WORDS: &[&str] = &[
    "null",
    "[]",
    "{}",
    "true",
    "-1",
    "1e999",
    "\"0x\"",
    "\"0x0\"",
    "\"0x7fffffffffffffff\"",
    "\"0xffffffffffffffff\"",
    "\"0x10000000000000000\"",
    "\"removed\":true",
    "\"id\":\"$1\"",
    "\"id\":$2",
    "\"id\":null",
    "\"result\":",
    "\"error\":{\"code\":-32005,\"message\":\"",
    "\"topics\":[]",
    "[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
    "\u{202e}",
    "\\u0000",
    "\\ud800",
    "canarypath0",
    "https://canaryuser:canarypw@node.example/v2/canarypath0?key=canaryquery",
    "---\n",
    "\u{1b}[31m",
    "\"blockNumber\":\"0x5\"",
    "\"logIndex\":\"0x0\"",
];

/// Asks: what comes back is in order and within what was asked, or an error that may be told.
pub fn rpc_answer(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (first, bodies) = text.split_once('\n').unwrap_or((&text, ""));
    let status = first.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(200);
    let bodies: Vec<String> = bodies.split("\n---\n").map(str::to_owned).collect();
    let said = bodies.clone();
    let finality =
        if first.ends_with("depth") { Finality::Depth(2) } else { Finality::Tag { fallback_depth: Some(1) } };
    let (node, requests) = rpc(finality, 1_000, move |number, asked| ScriptedAnswer {
        status,
        retry_after: None,
        body: filled(&said[number % said.len()], asked).into_bytes(),
    });
    let outcome = match first.bytes().next() {
        Some(b'r') => {
            wait(node.logs_in_range(RANGE, &CONTRACTS)).map(|logs| range(&logs, &bodies, &requests))
        }
        Some(b'b') => wait(node.logs_of_block(BLOCK)).map(|logs| block(&logs)),
        Some(b'v') => wait(node.view()).map(|view| {
            assert!(view.finalized.number <= view.head.id.number, "{view:?}");
            assert_holdable(&[view.head.id, view.finalized]);
        }),
        Some(b'h') => wait(headers(&node)),
        Some(b't') => wait(node.transactions(BLOCK)).map(|transactions| {
            assert!(transactions.iter().all(|transaction| transaction.block == BLOCK));
            assert!(transactions.windows(2).all(|pair| pair[0].index < pair[1].index));
        }),
        Some(b'c') => {
            let call = |target| CallRequest { block: BLOCK, target, input: vec![1, 2, 3, 4].into() };
            wait(node.calls(&CONTRACTS.map(call))).map(|answers| assert_eq!(answers.len(), 2))
        }
        Some(b'o') => wait(node.has_code(CONTRACTS[0], 5)).map(drop),
        Some(b'p') => {
            wait(node.block_of_transaction(BLOCK.hash)).map(|block| assert_holdable(block.as_slice()))
        }
        _ => wait(node.chain_id()).map(|id| assert!(i64::try_from(id).is_ok(), "chain {id}")),
    };
    if let Err(error) = outcome {
        assert_tellable(&error.to_string(), &SECRETS);
        assert!(!SECRETS.iter().any(|secret| format!("{error:?}").contains(secret)), "{error:?}");
    }
}

fn filled(body: &str, asked: &Asked) -> String {
    let mut body = body.to_owned();
    for (place, (_, _, id)) in asked.iter().enumerate().take(9) {
        body = body.replace(&format!("${}", place + 1), &id.to_string());
    }
    body
}

async fn headers(node: &Rpc) -> Result<(), SourceError> {
    let wanted = [5, 4];
    let headers = node.headers(&wanted).await?;
    assert_eq!(headers.iter().map(|header: &Header| header.id.number).collect::<Vec<_>>(), wanted);
    if let Some(header) = node.header(5).await? {
        assert_eq!(header.id.number, 5);
    }
    Ok(())
}

/// The tables hold numbers of blocks as signed integers of 64 bits.
fn assert_holdable(blocks: &[BlockId]) {
    for block in blocks {
        assert!(i64::try_from(block.number).is_ok(), "a block that no table can hold: {block:?}");
    }
}

fn in_order(logs: &[RawLog]) {
    assert!(logs.windows(2).all(|pair| pair[0].position() < pair[1].position()), "out of order: {logs:?}");
    assert!(logs.iter().all(|log| log.topics.len() <= 4));
    let one_hash =
        |pair: &[RawLog]| pair[0].block.number != pair[1].block.number || pair[0].block == pair[1].block;
    assert!(logs.windows(2).all(one_hash), "two hashes at one height: {logs:?}");
}

fn block(logs: &[RawLog]) {
    in_order(logs);
    assert!(logs.iter().all(|log| log.block == BLOCK), "of another block: {logs:?}");
}

fn range(logs: &[RawLog], bodies: &[String], requests: &Requests) {
    in_order(logs);
    for log in logs {
        assert!(
            RANGE.contains(log.block.number) && CONTRACTS.contains(&log.address),
            "not asked for: {log:?}"
        );
    }
    // One request, one answer: then we can count for ourselves.
    if let [asked] = requests.all().as_slice()
        && let Ok(Value::Array(answers)) = serde_json::from_str(&filled(&bodies[0], asked))
    {
        let (id, text) = (asked[0].2, asked[0].2.to_string());
        let is_ours = |answer: &&Value| answer["id"] == id || answer["id"] == text;
        let Some(Value::Array(listed)) = answers.iter().find(is_ours).map(|answer| &answer["result"]) else {
            return;
        };
        let place = |log: &Value| ["blockNumber", "logIndex"].map(|name| number(&log[name]));
        let places: std::collections::BTreeSet<_> = listed.iter().map(place).collect();
        assert_eq!(places.len(), logs.len(), "logs were lost: {bodies:?}");
    }
}

/// A quantity; nodes write it in hexadecimal, some as a number.
fn number(value: &Value) -> Option<u64> {
    let text = value.as_str()?;
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}
