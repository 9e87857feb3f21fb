//! Receipts as evidence, from nodes that give them in their own ways.

use asset_indexer::block::{BlockId, Receipt};
use asset_indexer::source::{Source, SourceError};
use serde_json::{Value, json};

use super::rpc;
use crate::support::scripted_node::{Chain, Said, ScriptedNode, error, hash, hex};

const BLOCK: u64 = 7;

fn receipt(of: u64) -> Value {
    json!({ "blockHash": hash(of), "transactionIndex": "0x0", "status": "0x1", "cumulativeGasUsed": "0x5208",
            "type": "0x2", "logs": [] })
}

/// Takes a number and no hash, as some nodes do; the receipts that it gives there are of a block.
async fn by_number(of: u64) -> ScriptedNode {
    let node = ScriptedNode::start(Chain::with_logs(100, super::TOKEN, [])).await;
    node.on("eth_getBlockReceipts", move |params, _| {
        if params[0] != json!(hex(BLOCK)) {
            return Some(error(-32602, "invalid argument 0: hex number > 64 bits"));
        }
        Some(Said::Result(json!([receipt(of)])))
    });
    node
}

async fn receipts(node: &ScriptedNode, times: usize) -> Vec<Result<Vec<Receipt>, SourceError>> {
    let (rpc, block) = (rpc(node), BlockId { number: BLOCK, hash: hash(BLOCK) });
    let mut answers = Vec::new();
    for _ in 0..times {
        answers.push(rpc.receipts(block).await);
    }
    answers
}

#[tokio::test]
async fn a_node_that_takes_no_hash_is_asked_by_number_from_then_on() {
    let node = by_number(BLOCK).await;
    for answer in receipts(&node, 3).await {
        assert_eq!(answer.expect("receipts by number").len(), 1);
    }
    let asked = node.asked("eth_getBlockReceipts");
    let by_hash = asked.iter().filter(|params| params[0] == json!(hash(BLOCK))).count();
    let by_number = asked.iter().filter(|params| params[0] == json!(hex(BLOCK))).count();
    assert_eq!((by_hash, by_number), (1, 3), "{asked:?}");
}

/// What stands at a height may change: it is no lie, and no receipt of the block that was asked for.
#[tokio::test]
async fn receipts_by_number_of_another_block_are_none_of_the_one_asked_for() {
    let node = by_number(8).await;
    let answer = receipts(&node, 1).await.remove(0);
    assert!(matches!(answer, Err(SourceError::BlockGone { number: BLOCK, .. })), "{answer:?}");

    let node = by_number(BLOCK).await;
    node.on("eth_getBlockByNumber", |params, chain| {
        let mut block = chain.block(BLOCK, false);
        block["hash"] = json!(hash(8));
        (params[0] == json!(hex(BLOCK))).then_some(Said::Result(block))
    });
    let answer = receipts(&node, 1).await.remove(0);
    assert!(matches!(answer, Err(SourceError::BlockGone { number: BLOCK, .. })), "{answer:?}");
}

#[tokio::test]
async fn a_node_that_takes_neither_refuses() {
    let node = ScriptedNode::start(Chain::with_logs(100, super::TOKEN, [])).await;
    node.on("eth_getBlockReceipts", |_, _| Some(error(-32602, "invalid params")));
    let answer = receipts(&node, 1).await.remove(0);
    assert!(matches!(answer, Err(SourceError::Refused { .. })), "{answer:?}");
}
