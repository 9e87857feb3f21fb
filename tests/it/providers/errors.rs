//! Errors that nobody knows: split, taken from receipts, counted; and what they are counted by.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, Bytes};
use asset_indexer::block::BlockRange;
use asset_indexer::providers::{Budget, Providers, Rules};
use asset_indexer::retry::{Limit, Policy};
use asset_indexer::rpc::{Config, Finality, Rpc};
use asset_indexer::source::{CallAnswer, CallRequest, Source};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::support::scripted_node::{Chain, Page, ScriptedNode, error, id, range_of};

const TOKEN: Address = Address::repeat_byte(0x11);
const STRANGE: &str = "the moon is in the wrong house for canary";

fn rpc(node: &ScriptedNode) -> Rpc {
    let config = Config {
        url: node.url("/").parse().expect("a node's URL"),
        alias: "strange".to_owned(),
        timeout: Duration::from_secs(2),
        poll_interval: Duration::from_millis(300),
        finality: Finality::Tag { fallback_depth: None },
        range_blocks_max: 8,
        requests_in_flight: 1,
        batch_size_max: 10,
        response_bytes_max: 1 << 20,
    };
    let quick = Policy {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(2),
        limit: Limit::Attempts(2),
    };
    Rpc::new(config).expect("an HTTP client").with_retry(quick)
}

#[tokio::test]
async fn an_unknown_error_halves_a_range_down_to_receipts_and_is_counted_without_its_text() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let node = ScriptedNode::start(Chain::with_logs(8, TOKEN, 1..=8)).await;
    // Whatever is asked of blocks 3 and 4 fails, the smallest question too.
    node.on("eth_getLogs", |params, _| {
        let (from, to) = range_of(&params[0]);
        (from <= 4 && to >= 3).then(|| error(-32077, STRANGE))
    });
    let logs = rpc(&node).logs_in_range(BlockRange { from: 1, to: 8 }, &[TOKEN]).await.expect("all of them");
    assert_eq!(logs.iter().map(|log| log.block.number).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    let failed = node.ranges().iter().filter(|(from, to)| *from <= 4 && *to >= 3).count();
    let sizes: Vec<u64> = node.ranges().iter().map(|(from, to)| to - from + 1).collect();
    assert!(
        sizes.contains(&8) && sizes.contains(&4) && sizes.contains(&2) && sizes.contains(&1),
        "{sizes:?}"
    );
    assert_eq!(
        node.asked("eth_getBlockReceipts").len(),
        2,
        "one for each block that could not be asked for less"
    );
    let told = recorder.handle().render();
    let counted = format!("asset_indexer_rpc_unclassified_errors_total{{provider=\"strange\"}} {failed}");
    assert!(told.contains(&counted), "{counted}\n{told}");
    assert!(!told.contains("canary") && !told.contains("moon"), "{told}");
}

#[tokio::test]
async fn a_known_error_is_not_counted_as_unknown() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let node = ScriptedNode::start(Chain::with_logs(8, TOKEN, 1..=8)).await;
    node.on("eth_getLogs", |params, _| {
        let (from, to) = range_of(&params[0]);
        (to > from).then(|| error(-32005, "query returned more than 10000 results"))
    });
    rpc(&node).logs_in_range(BlockRange { from: 1, to: 8 }, &[TOKEN]).await.expect("one by one");
    assert!(!recorder.handle().render().contains("unclassified"), "{}", recorder.handle().render());
}

/// A provider may ask for an hour of one method alone, and look well otherwise.
#[tokio::test]
async fn a_long_pause_that_one_asks_for_is_anothers_turn() {
    let nodes = [
        ScriptedNode::start(Chain::with_logs(8, TOKEN, [])).await,
        ScriptedNode::start(Chain::with_logs(8, TOKEN, [])).await,
    ];
    nodes[0].page(|request| {
        let calls = request.as_array().cloned().unwrap_or_else(|| vec![request.clone()]);
        let is_limited = calls.iter().any(|call| call["method"] == "eth_call");
        is_limited.then(|| Page { status: 429, retry_after: Some(3_600), body: "slow down".to_owned() })
    });
    let beside =
        |node: &ScriptedNode| (rpc(node).with_retry(Policy::REQUEST_BESIDE_OTHERS), Budget::default());
    let providers = Providers::new(nodes.iter().map(beside).collect(), None, Rules::default());
    // More than one batch, of which one may be under way at a time: the others meet the pause.
    let asked: Vec<CallRequest> = (0..35)
        .map(|number| CallRequest { block: id(8), target: TOKEN, input: Bytes::from(vec![number]) })
        .collect();
    let began = Instant::now();
    let working = async {
        loop {
            if providers.view().await.is_ok()
                && let Ok(answers) = providers.calls(&asked).await
            {
                return answers;
            }
        }
    };
    let answers = tokio::time::timeout(Duration::from_secs(15), working).await.expect("in time");
    assert_eq!(answers, vec![CallAnswer::Returned(Bytes::new()); asked.len()]);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(nodes[0].asked("eth_call").len(), 10, "the pause that it asked for is kept all the same");
    assert!(nodes[1].asked("eth_call").len() >= asked.len());
}
