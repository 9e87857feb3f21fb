//! What became of a transaction, by a node whose URL may stand for several.

use alloy::primitives::{Address, B256};
use asset_indexer::source::{Fate, Source};
use serde_json::{Value, json};

use super::{ScriptedNode, node_with_logs, rpc};
use crate::support::scripted_node::{Said, hash, hex, id};

const SENT: B256 = B256::repeat_byte(0x5e);
const SENDER: Address = Address::repeat_byte(0x5d);

/// A node up to block 50 whose sender has sent eight, and that knows the receipt from the nth question on.
async fn node(known_from: usize) -> ScriptedNode {
    let node = node_with_logs(50, []).await;
    let mut asked = 0;
    node.on("eth_getTransactionCount", |_, _| Some(Said::Result(json!("0x8"))));
    node.on("eth_getTransactionReceipt", move |_, _| {
        asked += 1;
        let receipt = json!({ "blockNumber": hex(40), "blockHash": hash(40), "status": "0x1" });
        Some(Said::Result(if asked >= known_from { receipt } else { Value::Null }))
    });
    node
}

#[tokio::test]
async fn one_null_receipt_is_no_end() {
    let executed = Fate::Executed { block: id(40), succeeded: true };
    for (known_from, nonce, final_block, expected) in [
        (1, 7, 45, executed),
        // A backend that lags answered first.
        (2, 7, 45, executed),
        (usize::MAX, 7, 45, Fate::Replaced),
        // The one that answers has not got so far, whatever another counted.
        (usize::MAX, 7, 51, Fate::Pending),
        // Its turn has not come.
        (usize::MAX, 8, 45, Fate::Pending),
    ] {
        let node = node(known_from).await;
        let fate = rpc(&node).fate(SENT, Some((SENDER, nonce)), final_block).await.expect("an answer");
        assert_eq!(fate, expected, "known from {known_from}, nonce {nonce}, final {final_block}");
    }
}
