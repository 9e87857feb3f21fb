//! What follows from a provider's answers.

use alloy::consensus::Header as Fields;
use alloy::primitives::{Address, B256, Bytes};

use super::{Finding, Need, Refusal, Sample, Samples, heights, judge};
use crate::block::{BlockId, Ending, Header, RawLog, Receipt, Sealed};
use crate::proof::commitments;
use crate::source::{CallAnswer, View};

const NOWHERE: BlockId = BlockId { number: 0, hash: B256::ZERO };

/// A block with so many transactions, each with a log where `logging`.
fn sample(number: u64, transactions: u32, logging: bool) -> Sample {
    let log = |index: u32| RawLog {
        block: NOWHERE,
        log_index: index,
        transaction_hash: B256::with_last_byte(index as u8 + 1),
        transaction_index: index,
        address: Address::repeat_byte(1),
        topics: vec![B256::repeat_byte(2)],
        data: Bytes::new(),
        timestamp: None,
        withheld: None,
    };
    let receipt = |index: u32| Receipt {
        kind: 2,
        ending: Ending::Status(true),
        cumulative_gas: u64::from(index + 1) * 21_000,
        deposit: None,
        logs: if logging { vec![log(index)] } else { vec![] },
    };
    let mut receipts: Vec<Receipt> = (0..transactions).map(receipt).collect();
    let (receipts_root, logs_bloom) = commitments(&receipts);
    let fields = Fields { number, receipts_root, logs_bloom, ..Fields::default() };
    let id = BlockId { number, hash: fields.hash_slow() };
    receipts.iter_mut().flat_map(|receipt| &mut receipt.logs).for_each(|log| log.block = id);
    let logs = receipts.iter().flat_map(|receipt| receipt.logs.clone()).collect();
    let header = Header { id, parent: fields.parent_hash, timestamp: fields.timestamp };
    Sample {
        sealed: Sealed { header, fields: Some(Box::new(fields)) },
        receipts: Ok(receipts),
        logs: Some(Ok(logs)),
    }
}

fn refused(reason: &str) -> Refusal {
    Refusal { is_final: true, reason: reason.to_owned() }
}

fn samples(blocks: Vec<Sample>) -> Samples {
    let head = sample(9, 0, false).sealed.header;
    Samples {
        chain_id: Ok(1),
        genesis: Ok(Some(B256::repeat_byte(7))),
        view: Ok(View { head, finalized: head.id }),
        blocks: Ok(blocks),
        call: Ok(CallAnswer::Returned(Bytes::from_static(&[1]))),
        call_nowhere: Err(Refusal { is_final: false, reason: "unknown block".to_owned() }),
        history: Some(Ok(())),
        state: Some(Ok(Some(false))),
        batches: Some(true),
    }
}

#[test]
fn an_honest_provider_proves_everything() {
    let found = judge(&samples(vec![sample(1, 2, true), sample(2, 0, false), sample(3, 1, false)]));
    let all = [
        &found.headers,
        &found.receipts,
        &found.logs_by_hash,
        &found.calls_by_hash,
        &found.history,
        &found.state,
    ];
    assert_eq!(all, [&Finding::Yes; 6]);
    assert_eq!((found.proves(), found.proof().as_str()), (Some(true), "by receipts"));
    assert_eq!((found.chain_id, found.head, found.finalized), (Some(1), Some(9), Some(9)));
}

#[test]
fn empty_blocks_show_nothing_of_receipts_and_refuse_nothing() {
    let found = judge(&samples(vec![sample(1, 0, false), sample(2, 0, false)]));
    assert_eq!(found.receipts, Finding::Unknown("no sample has transactions".to_owned()));
    assert_eq!(found.logs_by_hash, Finding::Unknown("no sample has logs".to_owned()));
    assert_eq!(found.proves(), Some(true), "a chain that just began is not refused");
}

#[test]
fn a_header_of_another_form_proves_nothing() {
    let mut other = sample(1, 1, true);
    other.sealed.fields = None;
    let found = judge(&samples(vec![other, sample(2, 1, true)]));
    assert_eq!(
        found.headers,
        Finding::No("the hash of block 1 cannot be computed from its header".to_owned())
    );
    assert_eq!(found.proves(), Some(false));
    assert!(found.proof().starts_with("nothing by itself"), "{}", found.proof());
}

#[test]
fn receipts_that_are_not_the_blocks_or_not_given_prove_nothing() {
    let mut short = sample(1, 2, true);
    short.receipts.as_mut().expect("receipts").pop();
    let found = judge(&samples(vec![sample(2, 1, true), short, sample(3, 1, true)]));
    assert!(
        matches!(&found.receipts, Finding::No(reason) if reason.contains("receipts of block 1")),
        "{found:?}"
    );
    assert_eq!(found.proves(), Some(false));
    assert!(found.proof().starts_with("absence only, by bloom"), "{}", found.proof());
    let none = Sample { receipts: Err(refused("no such method")), ..sample(1, 1, true) };
    let found = judge(&samples(vec![none]));
    assert_eq!(
        (found.receipts.clone(), found.proves()),
        (Finding::No("no such method".to_owned()), Some(false))
    );
}

#[test]
fn logs_that_are_not_those_of_the_receipts_are_told() {
    let mut fewer = sample(1, 2, true);
    fewer.logs = Some(Ok(Vec::new()));
    let found = judge(&samples(vec![fewer, sample(2, 1, true)]));
    let reason = "the logs of block 1 are not those of its receipts".to_owned();
    assert_eq!((found.logs_by_hash.clone(), found.proves()), (Finding::No(reason), Some(true)));
}

#[test]
fn a_node_that_answers_calls_at_any_block_is_found_out() {
    let mut deaf = samples(vec![sample(1, 1, true)]);
    deaf.call_nowhere = deaf.call.clone();
    let reason = "it answers a call at a block that does not exist".to_owned();
    assert_eq!(judge(&deaf).calls_by_hash, Finding::No(reason));
    deaf.call = Err(refused("no hashes here"));
    deaf.call_nowhere = Err(refused("no hashes here"));
    assert_eq!(judge(&deaf).calls_by_hash, Finding::No("no hashes here".to_owned()));
}

#[test]
fn what_could_not_be_asked_is_unknown() {
    let gone = Refusal { is_final: false, reason: "connection refused".to_owned() };
    let mut down = samples(vec![]);
    (down.chain_id, down.view) = (Err(gone.clone()), Err(gone.clone()));
    (down.blocks, down.call, down.history, down.state) =
        (Err(gone.clone()), Err(gone.clone()), Some(Err(gone.clone())), None);
    let found = judge(&down);
    assert_eq!((found.proves(), found.chain_id, found.head), (None, None, None));
    assert_eq!(found.proof(), "unknown (connection refused)");
    assert_eq!(found.calls_by_hash, Finding::Unknown("connection refused".to_owned()));
    assert_eq!(judge(&samples(vec![])).headers, Finding::Unknown("there is no block yet".to_owned()));
}

#[test]
fn samples_stand_in_a_row_ever_further_back_and_at_the_beginning() {
    let view = |head: u64, finalized: u64| {
        let id = |number| BlockId { number, hash: B256::ZERO };
        View { head: Header { id: id(head), parent: B256::ZERO, timestamp: 0 }, finalized: id(finalized) }
    };
    let need = |first| Need { first_block: Some(first), contract: None };
    let found = heights(&view(1_100, 1_000), need(3));
    assert_eq!(found, [3, 488, 744, 872, 936, 968, 984, 993, 994, 995, 996, 997, 998, 999, 1_000]);
    assert_eq!(heights(&view(2, 0), Need::default()), [0, 1, 2]);
    assert_eq!(heights(&view(0, 0), need(5)), [0]);
    assert!(heights(&view(u64::MAX, u64::MAX - 5), need(1)).len() <= 16);
}
