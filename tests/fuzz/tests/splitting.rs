//! A provider with any limit on blocks, whatever it says about it: every block is asked for once, in the end.

use std::time::Duration;

use asset_indexer::block::BlockRange;
use asset_indexer::rpc::{Finality, ScriptedAnswer};
use asset_indexer::source::Source;
use fuzz::mutate::Numbers;
use fuzz::rpc_script::{Asked, CONTRACTS, honest, rpc, wait};
use serde_json::{Value, json};

fn number(value: &Value) -> u64 {
    let text = value.as_str().expect("our own numbers are text");
    u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("our own numbers are hexadecimal")
}

/// The blocks of a question for logs.
fn wanted(asked: &Asked) -> Option<BlockRange> {
    let (_, params, _) = asked.iter().find(|(method, _, _)| method == "eth_getLogs")?;
    Some(BlockRange { from: number(&params[0]["fromBlock"]), to: number(&params[0]["toBlock"]) })
}

/// What a provider may say about a range that is too long: the truth, nothing, nonsense.
fn words(range: BlockRange, limit: u64, mood: usize, numbers: &mut Numbers) -> String {
    let BlockRange { from, to } = range;
    let any = from.saturating_add(numbers.draw() % 5_000);
    match mood {
        0 => format!("block range is limited to {limit}"),
        1 => "block range is too large".to_owned(),
        2 => format!("Try with this block range [{from:#x}, {:#x}].", from + limit - 1),
        3 => format!("this block range should work: [{to:#x}, {from:#x}]"),
        4 => format!("retry with the range {from}-{any}"),
        5 => format!("retry with the range {any}-{to}"),
        6 => format!("max range: {}", numbers.draw()),
        7 => "max range: 0".to_owned(),
        8 => "query timeout exceeded".to_owned(),
        _ => "whatever".to_owned(),
    }
}

#[test]
fn every_block_is_read_once_whatever_the_limit_and_the_words() {
    for case in 0..400 {
        let mut numbers = Numbers::new(3, case);
        let length = 1 + numbers.below(1_500) as u64;
        let from = match numbers.below(3) {
            0 => 0,
            1 => i64::MAX.unsigned_abs() - length,
            _ => numbers.draw() >> 20,
        };
        let range = BlockRange { from, to: from + length - 1 };
        // A limit so small that splitting takes few enough requests for one test.
        let limit = 1 + length / 40 + numbers.below(200) as u64;
        let (mood, page) = (numbers.below(10), 1 + numbers.draw() % 2_000);
        let draws = std::sync::Mutex::new(numbers);
        let (node, requests) = rpc(Finality::Depth(0), page, move |_, asked| match wanted(asked) {
            Some(range) if range.len() > limit => {
                let mut draws = draws.lock().expect("one thread");
                let error = json!({ "code": -32602, "message": words(range, limit, mood, &mut draws) });
                let answers: Vec<_> =
                    asked.iter().map(|(_, _, id)| json!({ "id": id, "error": error })).collect();
                ScriptedAnswer {
                    status: 200,
                    retry_after: None::<Duration>,
                    body: json!(answers).to_string().into(),
                }
            }
            _ => honest(asked),
        });
        let logs = wait(node.logs_in_range(range, &CONTRACTS))
            .unwrap_or_else(|error| panic!("case {case}: {error}"));
        assert!(logs.is_empty());
        let mut read: Vec<BlockRange> =
            requests.all().iter().filter_map(wanted).filter(|asked| asked.len() <= limit).collect();
        read.sort_by_key(|range| range.from);
        let mut next = range.from;
        for part in &read {
            assert_eq!(part.from, next, "case {case}: a gap or an overlap in {read:?}");
            next = part.to + 1;
        }
        assert_eq!(next, range.to + 1, "case {case}: {read:?}");
        // Growing and shrinking around the limit costs a few tries for each part.
        let (asked, parts) = (requests.all().len() as u64, length / limit.min(page) + 2);
        assert!(asked <= 10 * parts, "case {case}: {asked} requests for {length} blocks of {limit}");
    }
}
