//! Answers that no honest contract would give.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256};
use asset_indexer::amount::Amount;
use asset_indexer::fact::Role;
use asset_indexer::retry::Policy;
use asset_indexer::rpc::{self, Finality, Rpc};
use asset_indexer::source::{CallAnswer, CallRequest, Source as _};
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::table::asset::Asset;
use asset_indexer::table::event::Observation;
use scenario::emitter::TRANSFER;
use scenario::{Call, Node};

use super::wallet;
use crate::support::real::{node, rows};
use crate::support::scripted_node::{Chain, Said, ScriptedNode, error};
use crate::support::world::{config, converge, worker};
use simulation::events::account;

/// A token in bytecode: a call of four bytes is answered as told, a longer one logs a transfer of its words.
pub async fn mouth(node: &Node, answer: &[u8]) -> Address {
    // calldatasize < 5 jumps behind the log; the log takes words 0 to 2 as topics and word 3 as data.
    let mut runtime = vec![0x36, 0x60, 0x05, 0x11, 0x60, 0x1f, 0x57];
    runtime.extend([0x60, 0x20, 0x60, 0x60, 0x60, 0x00, 0x37]);
    runtime
        .extend([0x60, 0x40, 0x35, 0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x60, 0x20, 0x60, 0x00, 0xa3, 0x00]);
    assert_eq!(runtime.len(), 0x1d);
    runtime.extend([0x00, 0x00, 0x5b]);
    runtime.extend_from_slice(answer);
    let size = u16::try_from(runtime.len()).expect("code is below 64 KiB").to_be_bytes();
    // push size, push where the runtime begins, push 0, codecopy; push size, push 0, return.
    let mut code = vec![0x61, size[0], size[1], 0x60, 0x0e, 0x60, 0x00, 0x39];
    code.extend([0x61, size[0], size[1], 0x60, 0x00, 0xf3]);
    code.extend(runtime);
    node.deploy(&Call::deploy(node.account(0), code.into(), "a hostile token")).await.expect("it deploys")
}

/// Code that returns these bytes, which stand behind it.
fn returning(bytes: &[u8]) -> Vec<u8> {
    let size = u16::try_from(bytes.len()).expect("it fits").to_be_bytes();
    let at = 0x20 + 14;
    let mut code = vec![0x61, size[0], size[1], 0x60, at, 0x60, 0x00, 0x39];
    code.extend([0x61, size[0], size[1], 0x60, 0x00, 0xf3]);
    code.extend_from_slice(bytes);
    code
}

/// Tokens by what they answer to every question, and the name that is kept.
pub fn mouths() -> Vec<(Vec<u8>, Option<String>)> {
    let text = |bytes: &[u8]| {
        let word = |number: usize| U256::from(number).to_be_bytes::<32>();
        [&word(32)[..], &word(bytes.len()), bytes, &vec![0; bytes.len().next_multiple_of(32) - bytes.len()]]
            .concat()
    };
    let mut short = [0u8; 32];
    short[..5].copy_from_slice(b"MKR\0\xff");
    let lying = [U256::from(32).to_be_bytes::<32>(), U256::MAX.to_be_bytes::<32>()].concat();
    vec![
        (returning(&text(b"Go\0ld\xff")), Some("Go\\0ld\\xff".to_owned())),
        (returning(&text(&[b'n'; 20_000])), Some(format!("{}…", "n".repeat(1024)))),
        (returning(&short), Some("MKR\\0\\xff".to_owned())),
        (returning(&lying), None),
        (returning(&[0; 31]), None),
        (returning(&[]), None),
        // A megabyte of zeros is an empty name.
        (vec![0x62, 0x10, 0x00, 0x00, 0x60, 0x00, 0xf3], Some(String::new())),
        // Memory without end: the gas is gone.
        (vec![0x63, 0xff, 0xff, 0xff, 0xff, 0x51], None),
        // invalid opcode
        (vec![0xfe], None),
    ]
}

fn rpc_config(url: &str, response_bytes_max: usize) -> rpc::Config {
    rpc::Config {
        url: url.parse().expect("a node's URL"),
        alias: "node".to_owned(),
        timeout: Duration::from_secs(20),
        poll_interval: Duration::from_millis(100),
        finality: Finality::Tag { fallback_depth: Some(64) },
        range_blocks_max: 10_000,
        requests_in_flight: 4,
        batch_size_max: 50,
        response_bytes_max,
    }
}

/// A token's row and what became of the questions about it, over a node that gives answers up.
async fn observed(node: rpc::Config, contract: Address) -> (Vec<Asset>, BTreeSet<String>) {
    let first =
        Policy { first: Duration::from_millis(5), longest: Duration::from_millis(10), ..Policy::REQUEST };
    let rpc =
        Arc::new(Rpc::new(node).expect("an HTTP client").with_retry(first).with_patience(Duration::ZERO));
    let settings = config(&[(Role::Erc20, contract)]);
    let mut worker = worker(rpc, Arc::new(MemoryStore::new()), settings);
    converge(&mut worker).await;
    let observations: Vec<Observation> = rows(&**worker.store()).await;
    (rows(&**worker.store()).await, observations.into_iter().map(|row| row.outcome).collect())
}

#[tokio::test]
async fn an_answer_that_exhausts_the_node_or_us_stops_nothing() {
    let node = node().await;
    // 64 KiB of zeros: 128 KiB of JSON, more than is taken.
    let large = mouth(&node, &[0x62, 0x01, 0x00, 0x00, 0x60, 0x00, 0xf3]).await;
    let words = [TRANSFER, B256::ZERO, wallet(1).into_word(), B256::with_last_byte(7)].concat();
    node.send(&Call::raw(node.account(0), large, words.into(), "a hostile mint")).await.expect("it logs");
    let (assets, outcomes) = observed(rpc_config(&node.url(), 1 << 16), large).await;
    assert_eq!((assets[0].name.as_deref(), assets[0].total_supply), (None, Amount::from(7)));
    assert_eq!(outcomes, BTreeSet::from(["unavailable".to_owned()]));

    let contract = account(7, 7);
    let scripted = ScriptedNode::start(Chain::with_logs(9, contract, [3])).await;
    scripted.on("eth_call", |_, _| Some(error(-32000, "execution aborted (timeout = 5s)")));
    let (assets, outcomes) = observed(rpc_config(&scripted.url("/"), 1 << 20), contract).await;
    assert_eq!((assets[0].name.as_deref(), assets[0].unreadable_logs), (None, 1));
    assert_eq!(outcomes, BTreeSet::from(["unavailable".to_owned()]));
}

/// Besu's answer to a call that ends in an invalid opcode. Where the node fails at every call, the chain waits for it.
#[tokio::test]
async fn an_internal_error_is_the_contracts_where_another_call_is_answered() {
    let contract = account(7, 7);
    let scripted = ScriptedNode::start(Chain::with_logs(9, contract, [3])).await;
    let is_well = Arc::new(AtomicBool::new(false));
    let works = is_well.clone();
    scripted.on("eth_call", move |parameters, _| {
        let is_control = parameters[0]["to"].as_str() == Some("0x0000000000000000000000000000000000000004");
        Some(match is_control && works.load(Ordering::Relaxed) {
            true => Said::Result(parameters[0]["data"].clone()),
            false => error(-32603, "Internal error"),
        })
    });
    let rpc = Rpc::new(rpc_config(&scripted.url("/"), 1 << 20)).expect("an HTTP client");
    let rpc = rpc.with_retry(Policy { first: Duration::from_millis(5), ..Policy::REQUEST });
    let view = rpc.view().await.expect("the node answers");
    let request =
        CallRequest { block: view.head.id, target: contract, input: Bytes::from_static(&[6, 7, 8, 9]) };
    let failed = rpc.calls(std::slice::from_ref(&request)).await;
    assert!(failed.is_err(), "{failed:?}");

    is_well.store(true, Ordering::Relaxed);
    let failed = rpc.calls(std::slice::from_ref(&request)).await;
    assert!(failed.is_err(), "that may pass: {failed:?}");
    let rpc = rpc.with_patience(Duration::ZERO);
    let given_up = rpc.calls(&[request]).await.expect("the node answers another call");
    assert_eq!(given_up, [CallAnswer::StateUnavailable]);
    let (assets, outcomes) = observed(rpc_config(&scripted.url("/"), 1 << 20), contract).await;
    assert_eq!((assets[0].name.as_deref(), assets[0].unreadable_logs), (None, 1));
    assert_eq!(outcomes, BTreeSet::from(["unavailable".to_owned()]));
}
