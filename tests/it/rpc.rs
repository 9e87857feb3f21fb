//! The JSON-RPC source against a node that does what each test tells it.

mod fate;
mod limits;
mod receipts;

use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, Bytes};
use asset_indexer::block::{BlockRange, RawLog, Transaction};
use asset_indexer::retry::{Limit, Policy};
use asset_indexer::rpc::{Config, Finality, Rpc};
use asset_indexer::source::{CallAnswer, CallRequest, Source, SourceError};
use serde_json::{Value, json};

use crate::support::scripted_node::{Chain, Page, Said, ScriptedNode, error, hash, hex, id, range_of};

const TOKEN: Address = Address::repeat_byte(0x11);
const OTHER: Address = Address::repeat_byte(0x22);

/// Tries without waiting long.
const QUICK: Policy =
    Policy { first: Duration::from_millis(1), longest: Duration::from_millis(5), limit: Limit::Attempts(4) };

fn config(url: &str) -> Config {
    Config {
        url: url.parse().expect("a node's URL"),
        alias: "scripted".to_owned(),
        timeout: Duration::from_secs(2),
        poll_interval: Duration::from_millis(300),
        finality: Finality::Tag { fallback_depth: None },
        range_blocks_max: 1_000,
        requests_in_flight: 4,
        batch_size_max: 10,
        response_bytes_max: 1 << 20,
    }
}

fn rpc_with(node: &ScriptedNode, change: impl FnOnce(&mut Config)) -> Rpc {
    let mut config = config(&node.url("/"));
    change(&mut config);
    Rpc::new(config).expect("an HTTP client").with_retry(QUICK)
}

fn rpc(node: &ScriptedNode) -> Rpc {
    rpc_with(node, |_| {})
}

async fn node_with_logs(head: u64, blocks: impl IntoIterator<Item = u64>) -> ScriptedNode {
    ScriptedNode::start(Chain::with_logs(head, TOKEN, blocks)).await
}

fn range(from: u64, to: u64) -> BlockRange {
    BlockRange { from, to }
}

fn numbers(logs: &[RawLog]) -> Vec<u64> {
    logs.iter().map(|log| log.block.number).collect()
}

#[track_caller]
fn assert_inconsistent<T: std::fmt::Debug>(result: Result<T, SourceError>, part: &str) {
    match result {
        Err(SourceError::Inconsistent { reason, .. }) => assert!(reason.contains(part), "{reason}"),
        other => panic!("wanted an inconsistency with `{part}`, got {:.500}", format!("{other:?}")),
    }
}

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(result: Result<T, SourceError>, part: &str) {
    match result {
        Err(SourceError::Unavailable { reason, .. }) => assert!(reason.contains(part), "{reason}"),
        other => panic!("wanted an unavailable node with `{part}`, got {other:?}"),
    }
}

#[tokio::test]
async fn headers_come_in_bounded_batches_whatever_the_order_of_answers() {
    let node = node_with_logs(50, []).await;
    node.reverse_batches();
    let rpc = rpc(&node);
    let asked: Vec<u64> = (0..25).rev().collect();
    let headers = rpc.headers(&asked).await.expect("honest headers");
    assert_eq!(headers.iter().map(|header| header.id.number).collect::<Vec<_>>(), asked);
    assert!(headers.iter().all(|header| header.id == id(header.id.number)));
    let mut sizes = node.exchanges();
    sizes.sort_unstable();
    assert_eq!(sizes, [5, 10, 10]);
    assert_eq!(rpc.chain_id().await.expect("an id"), 31_337);
    assert_eq!(rpc.header(51).await.expect("an answer"), None);
    assert!(matches!(rpc.headers(&[3, 51]).await, Err(SourceError::BlockGone { number: 51, hash: None })));
}

#[tokio::test]
async fn a_missing_answer_of_a_batch_is_an_error() {
    let node = node_with_logs(50, []).await;
    node.on("eth_getBlockByNumber", |params, _| (params[0] == hex(7)).then_some(Said::Silence));
    assert_unavailable(rpc(&node).headers(&[6, 7, 8]).await, "lacks the answer");
}

#[tokio::test]
async fn a_node_without_batches_is_asked_one_by_one() {
    for (status, body) in [
        (
            200,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Batch requests are not supported"}}"#,
        ),
        (400, "expected an object"),
        (200, r#"[{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch too large"}}]"#),
    ] {
        let node = node_with_logs(50, []).await;
        node.page(move |request| {
            request.is_array().then(|| Page { status, retry_after: None, body: body.to_owned() })
        });
        let rpc = rpc_with(&node, |config| config.batch_size_max = 2);
        assert_eq!(rpc.headers(&[1, 2]).await.expect(body).len(), 2);
        let before = node.exchanges().len();
        assert_eq!(rpc.headers(&[3, 4]).await.expect(body).len(), 2);
        assert_eq!(node.exchanges()[before..], [1, 1], "no more batches after a refusal: {body}");
    }
}

#[tokio::test]
async fn too_large_a_batch_makes_batches_smaller() {
    let node = node_with_logs(50, []).await;
    node.page(|request| {
        let refused = request.as_array().is_some_and(|calls| calls.len() > 5);
        let body =
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch limit 5 exceeded"}}"#;
        refused.then(|| Page { status: 200, retry_after: None, body: body.to_owned() })
    });
    let rpc = rpc(&node);
    assert_eq!(rpc.headers(&(0..10).collect::<Vec<_>>()).await.expect("single answers").len(), 10);
    let before = node.exchanges().len();
    assert_eq!(rpc.headers(&(0..10).collect::<Vec<_>>()).await.expect("batches of five").len(), 10);
    assert_eq!(node.exchanges()[before..], [5, 5]);
}

#[tokio::test]
async fn the_final_block_is_the_tag_the_fallback_or_the_depth() {
    let node = node_with_logs(100, []).await;
    node.change(|chain| chain.finalized = Some(90));
    let view = rpc(&node).view().await.expect("a view");
    assert_eq!((view.head.id, view.finalized), (id(100), id(90)));
    let depth = rpc_with(&node, |config| config.finality = Finality::Depth(0)).view().await.expect("a view");
    assert_eq!(depth.finalized, id(100), "immediate finality");
    let deep =
        rpc_with(&node, |config| config.finality = Finality::Depth(1_000)).view().await.expect("a view");
    assert_eq!(deep.finalized, id(0), "a depth below genesis is genesis");

    node.change(|chain| chain.finalized = None);
    let fallback =
        |depth| rpc_with(&node, |config| config.finality = Finality::Tag { fallback_depth: depth });
    assert_eq!(fallback(Some(12)).view().await.expect("a view").finalized, id(88));
    let refused = fallback(None).view().await.expect_err("no finality").to_string();
    assert!(refused.contains("configure a finality depth"), "{refused}");

    for (code, text) in [
        (-39001, "finalized block not found"),
        (-32602, "invalid argument 0: hex string"),
        (-32000, "finalized is not a supported commitment"),
    ] {
        let node = node_with_logs(100, []).await;
        node.on("eth_getBlockByNumber", move |params, _| {
            (params[0] == "finalized").then(|| error(code, text))
        });
        let rpc = rpc_with(&node, |config| config.finality = Finality::Tag { fallback_depth: Some(3) });
        assert_eq!(rpc.view().await.expect(text).finalized, id(97));
    }
}

#[tokio::test]
async fn a_final_block_above_the_head_or_beside_it_is_no_view() {
    let node = node_with_logs(100, []).await;
    node.on("eth_getBlockByNumber", |params, chain| {
        (params[0] == "finalized").then(|| Said::Result(chain.block(101, false)))
    });
    assert_unavailable(rpc(&node).view().await, "above head");
    let node = node_with_logs(100, []).await;
    node.on("eth_getBlockByNumber", |params, chain| {
        let mut block = chain.block(100, false);
        block["hash"] = json!(hash(7));
        (params[0] == "finalized").then_some(Said::Result(block))
    });
    assert_inconsistent(rpc(&node).view().await, "differ at one height");
}

#[tokio::test]
async fn a_range_is_read_in_pages_and_in_order() {
    let blocks: Vec<u64> = (0..3_000).step_by(7).collect();
    let node = node_with_logs(5_000, blocks.clone()).await;
    let rpc = rpc_with(&node, |config| config.range_blocks_max = 250);
    let logs = rpc.logs_in_range(range(0, 2_999), &[OTHER, TOKEN, TOKEN]).await.expect("honest logs");
    assert_eq!(numbers(&logs), blocks);
    assert_eq!(node.ranges().len(), 12);
    assert!(rpc.logs_in_range(range(0, 2_999), &[]).await.expect("no contracts, no logs").is_empty());
    assert_eq!(node.ranges().len(), 12, "no contracts, no question");
}

/// Whoever has no use for more is not given, and the node not asked for, all of them.
#[tokio::test]
async fn a_list_that_has_enough_ends() {
    let blocks: Vec<u64> = (0..3_000).step_by(7).collect();
    let node = node_with_logs(5_000, blocks.clone()).await;
    let rpc = rpc_with(&node, |config| {
        config.range_blocks_max = 250;
        config.requests_in_flight = 1;
    });
    let some = rpc.logs_up_to(range(0, 2_999), &[TOKEN], 100).await.expect("honest logs");
    assert!(some.len() > 100 && some.len() < 150, "{} logs", some.len());
    assert_eq!(node.ranges().len(), 3);
    let all = rpc.logs_up_to(range(0, 2_999), &[TOKEN], blocks.len()).await.expect("honest logs");
    assert_eq!(numbers(&all), blocks, "as many as are of use are all of them");
}

#[tokio::test]
async fn many_addresses_are_asked_in_parts() {
    let node = node_with_logs(100, [5, 50]).await;
    let mut addresses: Vec<Address> =
        (0..2_200u64).map(|n| Address::left_padding_from(&n.to_be_bytes())).collect();
    addresses.push(TOKEN);
    let logs = rpc(&node).logs_in_range(range(0, 100), &addresses).await.expect("honest logs");
    assert_eq!(numbers(&logs), [5, 50]);
    let mut sizes: Vec<usize> = node.asked("eth_getLogs").iter().map(address_count).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [201, 1_000, 1_000]);

    let node = node_with_logs(100, [5, 50]).await;
    node.on("eth_getLogs", |params, _| match address_count(params) {
        0 => Some(error(-32701, "Please specify an address, maximum block range: 50,000")),
        1..=100 => None,
        _ => Some(error(-32602, "exceeded max addresses or topics per search position")),
    });
    let rpc = rpc(&node);
    assert_eq!(
        numbers(&rpc.logs_in_range(range(0, 100), &addresses).await.expect("smaller filters")),
        [5, 50]
    );
    rpc.logs_in_range(range(0, 100), &addresses).await.expect("smaller filters");
    let before = node.asked("eth_getLogs").len();
    assert_eq!(
        numbers(&rpc.logs_in_range(range(0, 100), &addresses).await.expect("smaller filters")),
        [5, 50]
    );
    assert!(
        node.asked("eth_getLogs")[before..].iter().all(|params| (1..=100).contains(&address_count(params))),
        "both limits are learnt"
    );
}

/// Ours, one log in each block, among others' logs.
async fn node_among_others(
    head: u64,
    blocks: impl IntoIterator<Item = u64>,
    others: impl IntoIterator<Item = (u64, u64)>,
) -> ScriptedNode {
    let node = node_with_logs(head, blocks).await;
    node.change(|chain| {
        chain.logs.extend(others.into_iter().map(|(number, index)| (number, index, OTHER)));
        chain.logs.sort_unstable();
    });
    node
}

/// A node that lists a thousand logs at the most, and says nothing of the rest.
fn cut_off(node: &ScriptedNode) {
    node.on("eth_getLogs", |params, chain| {
        let logs = chain.filtered(&params[0]);
        (logs.len() > 1_000).then(|| Said::Result(Value::Array(logs[..1_000].to_vec())))
    });
}

/// Takes large answers.
fn rpc_of_much(node: &ScriptedNode) -> Rpc {
    rpc_with(node, |config| {
        config.response_bytes_max = 1 << 24;
        // The node is of this process, and has much to say.
        config.timeout = Duration::from_secs(20);
    })
}

/// The contract among so many others that four filters cannot name them.
fn very_many_addresses() -> Vec<Address> {
    let others = (0..3_400u64).map(|n| Address::left_padding_from(&n.to_be_bytes()));
    others.chain([TOKEN]).collect()
}

#[tokio::test]
async fn of_very_many_contracts_everyones_logs_are_listed_where_that_takes_less() {
    let node = node_among_others(400, [5, 50, 300], (0..400).map(|number| (number, 1))).await;
    let rpc = rpc(&node);
    for (from, to, ours) in [(0, 200, vec![5, 50]), (201, 400, vec![300])] {
        let logs = rpc.logs_in_range(range(from, to), &very_many_addresses()).await.expect("honest logs");
        assert_eq!(numbers(&logs), ours, "ours alone");
    }
    assert!(node.asked("eth_getLogs").iter().all(|params| address_count(params) == 0));
    assert_eq!(node.ranges(), [(0, 15), (16, 79), (80, 200), (201, 400)], "a few blocks first");
    let one = rpc.logs_in_range(range(0, 400), &[TOKEN]).await.expect("honest logs");
    assert_eq!(numbers(&one), [5, 50, 300]);
    assert_eq!(node.asked("eth_getLogs").last().map(address_count), Some(1), "few contracts are named");
}

#[tokio::test]
async fn very_many_contracts_are_named_where_others_log_more() {
    let others = (0..=40).flat_map(|number| (1..201).map(move |index| (number, index)));
    let node = node_among_others(40, [5, 30], others).await;
    let rpc = rpc_of_much(&node);
    let logs = rpc.logs_in_range(range(0, 40), &very_many_addresses()).await.expect("honest logs");
    assert_eq!(numbers(&logs), [5, 30]);
    let sizes: Vec<usize> = node.asked("eth_getLogs").iter().map(address_count).collect();
    assert_eq!((sizes[0], sizes.len()), (0, 5), "{sizes:?}");
    assert_eq!(sizes[1..].iter().sum::<usize>(), 3_401, "each is named once");
}

#[tokio::test]
async fn silence_at_first_does_not_lead_to_listing_what_others_log_later() {
    let others = (400..=900).flat_map(|number| (1..61).map(move |index| (number, index)));
    let node = node_among_others(900, [5, 850], others).await;
    let rpc = rpc_of_much(&node);
    let logs = rpc.logs_in_range(range(0, 900), &very_many_addresses()).await.expect("honest logs");
    assert_eq!(numbers(&logs), [5, 850]);
    let everyones: Vec<(u64, u64)> = node
        .asked("eth_getLogs")
        .iter()
        .filter(|params| address_count(params) == 0)
        .map(|params| range_of(&params[0]))
        .collect();
    assert_eq!(everyones, [(0, 15), (16, 79), (80, 335), (336, 900)]);
    // The last window ended in a list that was too dense to go on with; later ranges name from the start.
    let before = node.asked("eth_getLogs").len();
    rpc.logs_in_range(range(400, 900), &very_many_addresses()).await.expect("honest logs");
    assert!(node.asked("eth_getLogs")[before..].iter().all(|params| address_count(params) > 0));
}

#[tokio::test]
async fn what_is_wrong_with_others_logs_does_not_stop_ours() {
    type Wrong = fn(&Value, &Chain) -> Option<Said>;
    let wrong: [(&str, Wrong); 4] = [
        ("not allowed", |_, _| Some(error(-32000, "log queries without address are not for your plan"))),
        ("empty by a proxy", |_, _| Some(Said::Result(json!([])))),
        ("two at one place", |params, chain| {
            let mut logs = chain.filtered(&params[0]);
            let mut odd = logs.first()?.clone();
            odd["data"] = json!("0x01");
            logs.push(odd);
            Some(Said::Result(json!(logs)))
        }),
        ("not logs", |_, _| Some(Said::Result(json!(["what"])))),
    ];
    for (what, wrong) in wrong {
        let node = node_with_logs(60, [5, 15, 50]).await;
        node.on("eth_getLogs", move |params, chain| match address_count(params) {
            0 => wrong(params, chain),
            _ => None,
        });
        let logs = rpc(&node).logs_in_range(range(0, 60), &very_many_addresses()).await.expect(what);
        assert_eq!(numbers(&logs), [5, 15, 50], "{what}");
    }
}

#[tokio::test]
async fn a_block_of_everyones_that_may_be_cut_off_comes_from_its_receipts() {
    let node = node_with_logs(20, []).await;
    node.change(|chain| {
        chain.logs.extend((0..1_200).map(|index| (7, index, if index == 1_100 { TOKEN } else { OTHER })));
    });
    cut_off(&node);
    let rpc = rpc_of_much(&node);
    let logs = rpc.logs_in_range(range(0, 20), &very_many_addresses()).await.expect("honest logs");
    assert_eq!(numbers(&logs), [7], "what was cut off is found");
}

#[tokio::test]
async fn transactions_are_asked_by_place_where_few_are_wanted_and_else_by_block() {
    const BY_PLACE: &str = "eth_getTransactionByBlockHashAndIndex";
    let node = || async {
        let node = node_with_logs(100, [10, 20]).await;
        node.change(|chain| chain.logs.extend((1..9).map(|index| (20, index, TOKEN))));
        node
    };
    let placed = |asked: &Value, chain: &Chain| {
        let number = (0..=100).find(|number| json!(hash(*number)) == asked[0])?;
        let place: u64 = u64::from_str_radix(asked[1].as_str()?.trim_start_matches("0x"), 16).ok()?;
        chain.block(number, true)["transactions"].get(place as usize).cloned()
    };
    let wanted = [(id(10), vec![0]), (id(20), vec![6, 2]), (id(20), vec![0, 1, 2, 3, 4, 5])];
    let indices = |found: &[Vec<Transaction>]| -> Vec<Vec<u32>> {
        found.iter().map(|of| of.iter().map(|one| one.index).collect()).collect()
    };
    let honest = node().await;
    honest.on(BY_PLACE, move |asked, chain| Some(Said::Result(placed(asked, chain).unwrap_or(Value::Null))));
    let found = rpc(&honest).transactions_at(&wanted).await.expect("transactions");
    assert_eq!(indices(&found), [vec![0], vec![6, 2], vec![0, 1, 2, 3, 4, 5]]);
    assert_eq!((honest.asked(BY_PLACE).len(), honest.asked("eth_getBlockByHash").len()), (3, 1));

    type Wrong = fn(Value) -> Said;
    let wrong: [(&str, Wrong); 5] = [
        ("unknown", |_| error(-32601, "the method does not exist")),
        ("not for you", |_| error(-32000, "something else is wrong")),
        ("nothing there", |_| Said::Result(Value::Null)),
        ("another place", |mut one| {
            one["transactionIndex"] = json!("0x7");
            Said::Result(one)
        }),
        ("of no block", |mut one| {
            one["blockHash"] = Value::Null;
            Said::Result(one)
        }),
    ];
    for (what, wrong) in wrong {
        let node = node().await;
        node.on(BY_PLACE, move |asked, chain| Some(wrong(placed(asked, chain).unwrap_or(Value::Null))));
        let rpc = rpc(&node);
        let found = rpc.transactions_at(&wanted).await.expect(what);
        let mut sorted = indices(&found);
        sorted.iter_mut().for_each(|places| places.sort_unstable());
        assert_eq!(sorted, [vec![0], vec![2, 6], vec![0, 1, 2, 3, 4, 5]], "{what}");
        assert_eq!(node.asked("eth_getBlockByHash").len(), 3, "{what}: whole blocks tell");
        let before = node.asked(BY_PLACE).len();
        rpc.transactions_at(&wanted).await.expect(what);
        assert_eq!(node.asked(BY_PLACE).len() == before, what == "unknown", "{what}: asked in vain once");
    }
    let gone = rpc(&honest).transactions_at(&[(id(101), vec![0])]).await;
    assert!(matches!(gone, Err(SourceError::BlockGone { .. })), "{gone:?}");
}

#[tokio::test]
async fn everyones_list_of_a_round_length_is_not_believed_though_ours_are_few_of_it() {
    let others = (0..20).flat_map(|number| (1..61).map(move |index| (number, index)));
    let node = node_among_others(30, [25], others).await;
    cut_off(&node);
    let rpc = rpc_of_much(&node);
    let logs = rpc.logs_in_range(range(0, 15), &very_many_addresses()).await.expect("honest logs");
    assert!(logs.is_empty());
    let logs = rpc.logs_in_range(range(0, 30), &very_many_addresses()).await.expect("honest logs");
    assert_eq!(numbers(&logs), [25], "what was cut off is found");
}

fn address_count(params: &Value) -> usize {
    params[0]["address"].as_array().map_or(0, Vec::len)
}

/// A node that refuses ranges of more than `most` blocks in the words of `refusal(from, to)`.
async fn limited(most: u64, refusal: impl Fn(u64, u64) -> Said + Send + 'static) -> ScriptedNode {
    let node = node_with_logs(5_000, (0..2_000).step_by(50)).await;
    node.on("eth_getLogs", move |params, _| {
        let (from, to) = range_of(&params[0]);
        (to - from + 1 > most).then(|| refusal(from, to))
    });
    node
}

async fn read_limited(node: &ScriptedNode) -> Rpc {
    let rpc = rpc_with(node, |config| config.requests_in_flight = 1);
    let logs = rpc.logs_in_range(range(0, 1_999), &[TOKEN]).await.expect("logs in smaller pages");
    assert_eq!(numbers(&logs), (0..2_000).step_by(50).collect::<Vec<_>>());
    rpc
}

#[tokio::test]
async fn a_refused_range_is_halved_and_the_limit_learnt() {
    let node = limited(130, |_, _| error(-32000, "block range is too wide")).await;
    let rpc = read_limited(&node).await;
    let before = node.ranges();
    assert_eq!(before[0], (0, 999));
    assert_eq!(before[1], (0, 499));
    rpc.logs_in_range(range(0, 1_999), &[TOKEN]).await.expect("logs in smaller pages");
    let refused = node.ranges()[before.len()..].iter().filter(|(from, to)| to - from + 1 > 130).count();
    assert!(refused <= 3, "the second time nearly nothing is refused: {refused} times");
}

#[tokio::test]
async fn a_suggested_range_is_followed_and_a_named_limit_kept() {
    let node = limited(300, |_, _| error(-32614, "eth_getLogs is limited to a 300 range")).await;
    read_limited(&node).await;
    let ranges = node.ranges();
    assert_eq!(ranges[..2], [(0, 999), (0, 299)]);
    assert!(ranges[1..].iter().all(|(from, to)| to - from < 300 || *from == 300), "{ranges:?}");

    let node = limited(200, |from, to| {
        let text = format!("this block range should work: [{}, {}]", hex(from), hex((from + 149).min(to)));
        error(-32602, &format!("Log response size exceeded. {text}"))
    })
    .await;
    read_limited(&node).await;
    assert_eq!(node.ranges()[..2], [(0, 999), (0, 149)]);
}

#[tokio::test]
async fn a_dense_beginning_does_not_keep_the_rest_small() {
    let node = node_with_logs(5_000, [5, 900]).await;
    node.on("eth_getLogs", |params, _| {
        let (from, to) = range_of(&params[0]);
        let text = format!("this block range should work: [{}, {}]", hex(from), hex(from + 9));
        (from < 10 && to >= 10).then(|| error(-32602, &text))
    });
    let logs = rpc(&node).logs_in_range(range(0, 999), &[TOKEN]).await.expect("growing pages");
    assert_eq!(numbers(&logs), [5, 900]);
    assert!(node.ranges().len() < 12, "{:?}", node.ranges());
}

#[tokio::test]
async fn an_inverted_foreign_or_useless_suggestion_only_halves() {
    for suggest in [
        |from: u64, to: u64| (to, from),
        |_: u64, _: u64| (0, 1_000_000),
        |from: u64, to: u64| (from, to),
        |from: u64, to: u64| (from + 5, to),
    ] {
        let node = limited(600, move |from, to| {
            let (one, two) = suggest(from, to);
            error(-32602, &format!("this block range should work: [{}, {}]", hex(one), hex(two)))
        })
        .await;
        read_limited(&node).await;
        assert_eq!(node.ranges()[..2], [(0, 999), (0, 499)]);
    }
}

#[tokio::test]
async fn an_unknown_error_splits_and_a_dense_block_comes_from_its_receipts() {
    let node = node_with_logs(5_000, [3, 333, 999]).await;
    node.change(|chain| chain.logs.insert(1, (333, 1, OTHER)));
    node.change(|chain| chain.logs.sort_unstable());
    node.on("eth_getLogs", |params, _| {
        let (from, to) = range_of(&params[0]);
        (from..=to).contains(&333).then(|| error(-32000, "something odd"))
    });
    let rpc = rpc(&node);
    let logs = rpc.logs_in_range(range(0, 999), &[TOKEN]).await.expect("receipts help");
    assert_eq!(numbers(&logs), [3, 333, 999]);
    assert!(logs.iter().all(|log| log.address == TOKEN), "receipts are filtered");
    assert_eq!(node.asked("eth_getBlockReceipts"), [json!([hex(333)])]);
    assert!(
        node.ranges().len() < 60,
        "one dense block does not make the rest small: {}",
        node.ranges().len()
    );
}

#[tokio::test]
async fn receipts_must_be_complete_and_of_the_block() {
    type Spoil = fn(Vec<Value>) -> Value;
    let cases: [(Spoil, &str); 3] = [
        (
            |mut receipts| {
                receipts.pop();
                json!(receipts)
            },
            "receipts for",
        ),
        (
            |mut receipts| {
                receipts[0]["blockHash"] = json!(hash(1));
                json!(receipts)
            },
            "of another block",
        ),
        (
            |mut receipts| {
                receipts[0]["logs"][0]["blockHash"] = json!(hash(1));
                json!(receipts)
            },
            "of another block",
        ),
    ];
    for (spoil, part) in cases {
        let node = node_with_logs(100, [7]).await;
        node.on("eth_getLogs", |_, _| Some(error(-32008, "Response is too big")));
        node.on("eth_getBlockReceipts", move |_, chain| {
            Some(Said::Result(spoil(vec![
                json!({ "blockHash": hash(7), "logs": [chain.log(chain.logs[0])] }),
            ])))
        });
        assert_inconsistent(rpc(&node).logs_in_range(range(7, 7), &[TOKEN]).await, part);
    }
}

#[tokio::test]
async fn a_page_that_answers_another_question_is_never_used() {
    type Spoil = fn(&mut Value);
    let cases: [(Spoil, &str); 6] = [
        (|log| log["blockNumber"] = json!(hex(2_000)), "outside the range"),
        (|log| log["address"] = json!(OTHER), "not asked for"),
        (|log| log["blockHash"] = json!(hash(1)), "another block than the header"),
        (|log| log["blockHash"] = Value::Null, "pending"),
        (|log| log["removed"] = json!(true), "removed"),
        (|log| log["logIndex"] = Value::Null, "without transaction or index"),
    ];
    for (spoil, part) in cases {
        let node = node_with_logs(2_000, [100]).await;
        node.on("eth_getLogs", move |params, chain| {
            let mut logs = chain.filtered(&params[0]);
            logs.iter_mut().for_each(spoil);
            Some(Said::Result(json!(logs)))
        });
        assert_inconsistent(rpc(&node).logs_in_range(range(0, 100), &[TOKEN]).await, part);
    }
}

#[tokio::test]
async fn disorder_and_repetition_are_mended_and_conflict_is_not() {
    let node = node_with_logs(100, [1, 2, 3]).await;
    node.on("eth_getLogs", |params, chain| {
        let mut logs = chain.filtered(&params[0]);
        logs.reverse();
        logs.push(logs[0].clone());
        Some(Said::Result(json!(logs)))
    });
    let logs = rpc(&node).logs_in_range(range(0, 100), &[TOKEN]).await.expect("mended");
    assert_eq!(numbers(&logs), [1, 2, 3]);

    let node = node_with_logs(100, [1]).await;
    node.on("eth_getLogs", |params, chain| {
        let mut logs = chain.filtered(&params[0]);
        logs.push(logs[0].clone());
        logs[1]["data"] = json!("0x01");
        Some(Said::Result(json!(logs)))
    });
    assert_inconsistent(rpc(&node).logs_in_range(range(0, 100), &[TOKEN]).await, "two different logs");
}

#[tokio::test]
async fn a_backend_that_lags_behind_is_noticed() {
    let node = node_with_logs(80, [10]).await;
    assert_unavailable(
        rpc(&node).logs_in_range(range(0, 100), &[TOKEN]).await,
        "does not have block 100 yet",
    );
    let (mut asks, late) = (0, node_with_logs(100, [10, 95]).await);
    late.rule(move |asked, chain| {
        asks += usize::from(asked.method == "eth_getLogs");
        let behind = Chain { head: 80, logs: vec![chain.logs[0]], ..chain.clone() };
        (asks <= 2).then(|| behind.answer(asked))
    });
    let logs = rpc(&late).logs_in_range(range(0, 100), &[TOKEN]).await.expect("it catches up");
    assert_eq!(numbers(&logs), [10, 95]);
}

#[tokio::test]
async fn a_list_of_round_length_is_asked_again_in_halves() {
    // Cuts every list at 1,000 in silence.
    let node = node_with_logs(5_000, 0..1_600).await;
    node.on("eth_getLogs", |params, chain| {
        let mut logs = chain.filtered(&params[0]);
        logs.truncate(1_000);
        Some(Said::Result(json!(logs)))
    });
    let rpc = rpc_with(&node, |config| config.range_blocks_max = 4_000);
    let logs = rpc.logs_in_range(range(0, 3_999), &[TOKEN]).await.expect("nothing is lost");
    assert_eq!(numbers(&logs), (0..1_600).collect::<Vec<_>>());

    // A chain that happens to have 1,000 logs is not disturbed.
    let node = node_with_logs(5_000, (0..4_000).step_by(4)).await;
    let rpc = rpc_with(&node, |config| config.range_blocks_max = 4_000);
    assert_eq!(rpc.logs_in_range(range(0, 3_999), &[TOKEN]).await.expect("all").len(), 1_000);
    assert_eq!(rpc.logs_in_range(range(0, 3_999), &[TOKEN]).await.expect("all").len(), 1_000);
    assert_eq!(node.ranges()[3], (0, 3_999), "and the pages stay large");

    // Halves that lack what the whole had.
    let node = node_with_logs(5_000, 0..1_000).await;
    node.on("eth_getLogs", |params, _| (range_of(&params[0]).0 > 0).then(|| Said::Result(json!([]))));
    let rpc = rpc_with(&node, |config| config.range_blocks_max = 1_000);
    assert_inconsistent(rpc.logs_in_range(range(0, 999), &[TOKEN]).await, "not in its half's");
}

#[tokio::test]
async fn a_rate_limit_is_waited_out() {
    let node = node_with_logs(100, [10]).await;
    let mut times = 0;
    node.page(move |_| {
        times += 1;
        let limited = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"project rate limit"}}"#;
        (times <= 2).then(|| Page {
            status: 429,
            retry_after: (times == 1).then_some(1),
            body: limited.to_owned(),
        })
    });
    let began = Instant::now();
    let logs = rpc(&node).logs_in_range(range(0, 100), &[TOKEN]).await.expect("after the wait");
    assert_eq!(numbers(&logs), [10]);
    assert!(began.elapsed() >= Duration::from_secs(1), "the wish of the server is respected");
    assert_eq!(node.ranges(), [(0, 100); 3], "a rate limit does not split the range");
}

#[tokio::test]
async fn a_pause_holds_every_request() {
    let node = node_with_logs(100, []).await;
    let mut times = 0;
    node.page(move |_| {
        times += 1;
        let body = "too many requests".to_owned();
        (times == 1).then_some(Page { status: 429, retry_after: Some(1), body })
    });
    let rpc = rpc(&node);
    let began = Instant::now();
    let other = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        rpc.header(1).await.expect("after the pause");
        began.elapsed()
    };
    let (id, waited) = tokio::join!(rpc.chain_id(), other);
    assert_eq!(id.expect("after the pause"), 31_337);
    assert!(waited >= Duration::from_secs(1), "another request must not break the pause: {waited:?}");
}

#[tokio::test]
async fn a_rate_limit_without_end_makes_the_node_unavailable() {
    let node = node_with_logs(100, [10]).await;
    node.on("eth_chainId", |_, _| Some(error(-32005, "rate limit exceeded")));
    assert_unavailable(rpc(&node).chain_id().await, "rate limit");
    assert_eq!(node.asked("eth_chainId").len(), 4);
    for (status, text) in [(401, "invalid api key"), (402, "pay"), (200, "Monthly capacity limit exceeded.")]
    {
        let node = node_with_logs(100, []).await;
        let body =
            json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32000, "message": text } }).to_string();
        node.page(move |_| Some(Page { status, retry_after: None, body: body.clone() }));
        assert!(matches!(rpc(&node).chain_id().await, Err(SourceError::Refused { .. })), "{text}");
        assert_eq!(node.asked("eth_chainId").len(), 1, "what does not pass is not asked again: {text}");
    }
}

#[tokio::test]
async fn logs_of_a_block_are_bound_to_its_hash() {
    let node = node_with_logs(100, [10]).await;
    node.change(|chain| chain.logs.push((10, 1, OTHER)));
    let rpc = rpc(&node);
    let logs = rpc.logs_of_block(id(10)).await.expect("honest logs");
    assert_eq!(
        logs.iter().map(|log| (log.log_index, log.address)).collect::<Vec<_>>(),
        [(0, TOKEN), (1, OTHER)]
    );
    assert!(rpc.logs_of_block(id(11)).await.expect("an empty block").is_empty());
    assert!(matches!(
        rpc.logs_of_block(id(101)).await,
        Err(SourceError::BlockGone { number: 101, hash: Some(_) })
    ));

    let node = node_with_logs(100, [10]).await;
    node.on("eth_getLogs", |_, chain| Some(Said::Result(json!([chain.log((12, 0, TOKEN))]))));
    assert_inconsistent(self::rpc(&node).logs_of_block(id(10)).await, "asked for the logs of");
}

#[tokio::test]
async fn an_empty_list_for_a_block_whose_bloom_is_not_zero_is_not_believed() {
    let node = node_with_logs(100, [10]).await;
    node.on("eth_getLogs", |_, _| Some(Said::Result(json!([]))));
    assert_unavailable(rpc(&node).logs_of_block(id(10)).await, "bloom");

    let (mut asks, late) = (0, node_with_logs(100, [10]).await);
    late.on("eth_getLogs", move |_, _| {
        asks += 1;
        (asks < 3).then(|| Said::Result(json!([])))
    });
    assert_eq!(numbers(&rpc(&late).logs_of_block(id(10)).await.expect("late logs")), [10]);

    // Chains that never fill the bloom are taken as they are.
    let node = node_with_logs(100, [10]).await;
    node.on("eth_getBlockByHash", |_, chain| {
        let mut block = chain.block(10, false);
        block["logsBloom"] = json!("0x");
        Some(Said::Result(block))
    });
    assert_eq!(numbers(&rpc(&node).logs_of_block(id(10)).await.expect("logs")), [10]);
}

#[tokio::test]
async fn too_many_logs_of_one_block_come_from_its_receipts() {
    let node = node_with_logs(100, [10]).await;
    node.on("eth_getLogs", |_, _| Some(error(-32005, "query returned more than 10000 results")));
    assert_eq!(numbers(&rpc(&node).logs_of_block(id(10)).await.expect("receipts")), [10]);
    assert_eq!(node.asked("eth_getBlockReceipts"), [json!([hash(10)])]);
}

#[tokio::test]
async fn a_body_above_the_cap_is_split_and_never_read_whole() {
    let streaming = node_with_logs(1_000, 0..999).await;
    streaming.stream_bodies();
    let node = node_with_logs(1_000, 0..999).await;
    for node in [&streaming, &node] {
        let rpc = rpc_with(node, |config| config.response_bytes_max = 60_000);
        let logs = rpc.logs_in_range(range(0, 999), &[TOKEN]).await.expect("smaller pages");
        assert_eq!(logs.len(), 999);
        assert!(node.ranges().len() > 4, "whole pages would not fit: {:?}", node.ranges());
    }
    let all: Vec<u64> = (0..20).collect();
    let rpc = rpc_with(&node, |config| (config.response_bytes_max, config.batch_size_max) = (3_000, 20));
    assert_eq!(rpc.headers(&all).await.expect("smaller batches").len(), 20);
    let rpc = rpc_with(&node, |config| config.response_bytes_max = 100);
    let refused = rpc.header(1).await.expect_err("nothing fits").to_string();
    assert!(refused.contains("raise response_bytes_max"), "{refused}");
}

#[tokio::test]
async fn pages_of_proxies_and_half_answers_are_not_answers() {
    for body in ["<!DOCTYPE html><html>Just a moment...</html>", "", "{\"jsonrpc\":\"2.0\",\"id\":1,\"resu"] {
        let node = node_with_logs(100, []).await;
        node.page(move |_| Some(Page { status: 200, retry_after: None, body: body.to_owned() }));
        assert_unavailable(rpc(&node).chain_id().await, "not a JSON-RPC answer");
    }
    let (mut times, node) = (0, node_with_logs(100, [10]).await);
    node.page(move |_| {
        times += 1;
        (times < 3).then(|| Page {
            status: 502,
            retry_after: None,
            body: "<html>Bad Gateway</html>".to_owned(),
        })
    });
    assert_eq!(numbers(&rpc(&node).logs_of_block(id(10)).await.expect("it passes")), [10]);
    let node = node_with_logs(100, []).await;
    node.page(|_| {
        Some(Page { status: 200, retry_after: None, body: r#"{"id":77777,"result":"0x1"}"#.to_owned() })
    });
    assert_unavailable(rpc(&node).chain_id().await, "another id");
}

fn call(number: u64) -> CallRequest {
    CallRequest { block: id(number), target: TOKEN, input: Bytes::from(vec![number as u8]) }
}

#[tokio::test]
async fn calls_are_pinned_and_each_answer_has_its_meaning() {
    let node = node_with_logs(100, []).await;
    node.reverse_batches();
    node.on("eth_call", |params, _| {
        Some(match params[0]["data"].as_str().unwrap_or_default() {
            "0x01" => Said::Result(json!("0xabcd")),
            "0x02" => Said::Error(
                json!({ "code": 3, "message": "execution reverted: rate limit", "data": "0x08c379a0" }),
            ),
            "0x03" => error(-32000, "missing trie node 0x12 (path )"),
            "0x04" => error(-32602, "BlockOutOfRangeError: block height is 100 but requested was 4"),
            "0x05" => error(-32603, "EVM error InvalidFEOpcode"),
            _ => Said::Result(json!("0x")),
        })
    });
    let requests: Vec<CallRequest> = (1..=6).map(call).collect();
    let answers = rpc(&node).calls(&requests).await.expect("answers");
    let returned = |bytes: Vec<u8>| CallAnswer::Returned(bytes.into());
    assert_eq!(
        answers,
        [
            returned(vec![0xab, 0xcd]),
            CallAnswer::Reverted,
            CallAnswer::StateUnavailable,
            CallAnswer::StateUnavailable,
            CallAnswer::Reverted,
            returned(vec![]),
        ]
    );
    let pin = json!({ "blockHash": hash(1), "requireCanonical": false });
    assert_eq!(node.asked("eth_call")[0][1], pin);
}

#[tokio::test]
async fn a_call_at_a_block_that_the_node_lost_or_has_not_yet() {
    let node = node_with_logs(100, []).await;
    node.on("eth_call", |_, _| Some(error(-32000, "header not found")));
    assert!(matches!(rpc(&node).calls(&[call(200)]).await, Err(SourceError::BlockGone { number: 200, .. })));
    assert_eq!(rpc(&node).calls(&[call(20)]).await.expect("an answer"), [CallAnswer::StateUnavailable]);
    let (mut times, late) = (0, node_with_logs(100, []).await);
    late.rule(move |asked, chain| {
        times += usize::from(asked.method == "eth_call");
        let behind = Chain { head: 50, ..chain.clone() };
        match asked.method.as_str() {
            _ if times > 3 => None,
            "eth_call" => Some(error(-32000, "header not found")),
            _ => Some(behind.answer(asked)),
        }
    });
    assert_eq!(
        rpc(&late).calls(&[call(60)]).await.expect("it catches up"),
        [CallAnswer::Returned(Bytes::new())]
    );
}

#[tokio::test]
async fn code_and_transactions_of_a_block() {
    let node = node_with_logs(100, [10]).await;
    node.change(|chain| chain.logs.push((10, 1, TOKEN)));
    let rpc = rpc(&node);
    let transactions = rpc.transactions(id(10)).await.expect("transactions of any type");
    assert_eq!(transactions.iter().map(|transaction| transaction.index).collect::<Vec<_>>(), [0, 1]);
    assert_eq!((transactions[0].to, transactions[0].input.as_ref()), (None, &[1u8][..]));
    assert!(matches!(rpc.transactions(id(101)).await, Err(SourceError::BlockGone { .. })));
    assert_eq!(rpc.has_code(TOKEN, 5).await.expect("an answer"), Some(true));
    let accounts = [(TOKEN, 5), (OTHER, 7), (TOKEN, 9)];
    assert_eq!(rpc.have_code(&accounts).await.expect("answers"), [Some(true); 3]);
    assert_eq!(node.exchanges().last(), Some(&3), "asked at once");
    for (text, known) in [("missing trie node", None), ("header not found", None)] {
        let node = node_with_logs(100, []).await;
        node.on("eth_getCode", move |_, _| Some(error(-32000, text)));
        assert_eq!(self::rpc(&node).has_code(TOKEN, 5).await.expect("an answer"), known, "{text}");
    }
    let node = node_with_logs(100, []).await;
    node.on("eth_getCode", |_, _| Some(Said::Result(json!("0x"))));
    assert_eq!(self::rpc(&node).has_code(TOKEN, 5).await.expect("an answer"), Some(false));
}

#[tokio::test]
async fn pruned_history_is_told_apart() {
    let node = node_with_logs(100, []).await;
    node.on("eth_getLogs", |_, _| Some(error(4444, "pruned history unavailable")));
    match rpc(&node).logs_in_range(range(3, 50), &[TOKEN]).await {
        Err(SourceError::Pruned { block: 3, .. }) => {}
        other => panic!("wanted pruned history, got {other:?}"),
    }
}

#[tokio::test]
async fn the_wait_ends_with_a_new_head_or_the_interval() {
    let node = node_with_logs(100, []).await;
    let rpc = rpc(&node);
    rpc.view().await.expect("a view");
    let began = Instant::now();
    rpc.wait_for_head().await;
    assert!(began.elapsed() >= Duration::from_millis(290), "no new head: the whole interval");
    // The shortest of some: a busy machine may make one of them late.
    let mut shortest = Duration::MAX;
    for head in 101..106 {
        node.change(|chain| chain.head = head);
        let began = Instant::now();
        rpc.wait_for_head().await;
        shortest = shortest.min(began.elapsed());
    }
    assert!(shortest < Duration::from_millis(200), "a new head ends the wait: {shortest:?}");
    let began = Instant::now();
    rpc.wait_for_head().await;
    assert!(began.elapsed() >= Duration::from_millis(290), "it rings once for one head");
    node.page(|_| Some(Page { status: 500, retry_after: None, body: String::new() }));
    let began = Instant::now();
    rpc.wait_for_head().await;
    assert!(began.elapsed() >= Duration::from_millis(290), "a broken node does not make a busy loop");
}

#[tokio::test]
async fn no_secret_of_the_url_is_ever_shown() {
    let node = node_with_logs(100, []).await;
    let url =
        node.url("/v2/canarypath1?key=canaryquery2").replace("http://", "http://canaryuser3:canarypass4@");
    let shown = |rpc: &Rpc, error: SourceError| {
        for text in
            [error.to_string(), format!("{error:?}"), format!("{rpc:?}"), format!("{:?}", config(&url))]
        {
            assert!(!text.contains("canary"), "{text}");
        }
    };
    for page in [
        Page { status: 401, retry_after: None, body: format!("unauthorized: {url}") },
        Page {
            status: 200,
            retry_after: None,
            body: "<html>/v2/canarypath1?key=canaryquery2</html>".to_owned(),
        },
        Page {
            status: 200,
            retry_after: None,
            body: r#"{"id":1,"error":{"code":-1,"message":"no key canarypath1"}}"#.to_owned(),
        },
    ] {
        node.page(move |_| Some(page.clone()));
        let rpc = Rpc::new(config(&url)).expect("an HTTP client").with_retry(QUICK);
        shown(&rpc, rpc.chain_id().await.expect_err("a refusal"));
    }
    drop(node);
    for gone in [url.clone(), url.replace("http://", "ws://")] {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let rpc = Rpc::new(config(&gone)).expect("a client").with_retry(QUICK);
        shown(&rpc, rpc.chain_id().await.expect_err("nobody is there"));
    }
}

#[tokio::test]
async fn a_node_that_hangs_is_given_up() {
    // Accepts connections and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    for scheme in ["http://", "ws://", "wss://"] {
        let url = url.replace("http://", scheme);
        let mut config = config(&url);
        config.timeout = Duration::from_millis(100);
        let rpc = Rpc::new(config).expect("a client").with_retry(QUICK);
        let began = Instant::now();
        assert!(matches!(rpc.view().await, Err(SourceError::Unavailable { .. })), "{url}");
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_genesis_hash_is_the_first_header() {
    let node = node_with_logs(100, []).await;
    let genesis = rpc(&node).header(0).await.expect("an answer").expect("a block");
    assert_eq!(genesis.id.hash, hash(0));
    assert_ne!(genesis.parent, B256::ZERO, "the scripted chain has its own parents");
}
