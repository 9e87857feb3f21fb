//! Transfers that T-REX's AgentManager forces: by the call data of a transaction that does not call the token itself.

use alloy::primitives::U256;
use alloy::sol_types::SolCall;

use super::*;
use crate::block::{RawLog, Transaction};
use crate::decode::calls::{callBatchForcedTransferCall, callForcedTransferCall, forcedTransferCall};
use crate::id;
use crate::source::CallAnswer;
use crate::table::fold::{Settings, trial};

const TOKEN: Address = Address::repeat_byte(0x70);
const MANAGER: Address = Address::repeat_byte(0x3a);
const SIGNER: Address = Address::repeat_byte(0x51);
const X: Address = Address::repeat_byte(0xa1);
const Y: Address = Address::repeat_byte(0xa2);
const FORCED: &str = "forced_transfer";
const UNDETERMINED: &str = "undetermined_transfer";

/// A log of the token; all logs of a block are of one transaction.
fn logged(block: u64, log_index: u32, fact: Fact) -> Entry {
    let entry = trial::entry((TOKEN, Role::TrexToken), block, log_index, trial::event(fact));
    let transaction_hash = B256::from(U256::from(block));
    let log = RawLog { transaction_hash, ..entry.log };
    Entry { log, asset_id: Some(id::asset_id(1, TOKEN)), ..entry }
}

fn moved(block: u64, log_index: u32, from: Address, to: Address, amount: u64) -> Entry {
    logged(block, log_index, Fact::Transferred { from, to, amount: U256::from(amount) })
}

fn agent(block: u64, log_index: u32, agent: Address, active: bool) -> Entry {
    logged(block, log_index, Fact::AgentSet { agent, active })
}

/// `callForcedTransfer(X, Y, 100, …)`.
fn forced() -> Vec<u8> {
    callForcedTransferCall { from: X, to: Y, amount: U256::from(100), onchainId: SIGNER }.abi_encode()
}

/// What the transfers were and who made them, where every transaction called `to` with `input`.
fn judged(to: Address, input: &[u8], entries: &[Entry]) -> Vec<(String, Option<Address>)> {
    let mut fold = Fold::new(Settings { chain_id: 1, ..Settings::default() });
    for round in 0.. {
        assert!(round < 10, "the fold asks without an end");
        if fold.fold(entries).is_ok() {
            break;
        }
        for load in fold.loads() {
            assert!(fold.loaded(&load, Vec::new()));
        }
        for call in fold.wanted_calls() {
            fold.answered(call, CallAnswer::Reverted);
        }
        for (block, index) in fold.wanted_inputs() {
            let (to, input) = (Some(to), input.to_vec().into());
            fold.fetched(Transaction { block, hash: B256::ZERO, index, from: SIGNER, to, input });
        }
    }
    let changes = fold.take();
    let tables = changes.inserts.iter().filter(|(def, _)| def.name == AssetOperation::DEF.name);
    let rows = tables.flat_map(|(_, rows)| rows.clone());
    let rows = rows.map(|row| AssetOperation::from_row(row).expect("as declared"));
    rows.filter(|row| row.operation_type.ends_with("transfer"))
        .map(|row| (row.operation_type, row.executed_by))
        .collect()
}

fn kinds(to: Address, input: &[u8], entries: &[Entry]) -> Vec<String> {
    judged(to, input, entries).into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn a_manager_that_is_an_agent_forces_what_it_is_asked_to() {
    let entries = [agent(5, 0, MANAGER, true), moved(6, 0, X, Y, 100)];
    assert_eq!(judged(MANAGER, &forced(), &entries), [(FORCED.to_owned(), Some(SIGNER))]);
    let another = [agent(5, 0, MANAGER, true), moved(6, 0, X, Y, 99)];
    assert_eq!(kinds(MANAGER, &forced(), &another), [UNDETERMINED], "it was asked for another amount");
    let as_token = forcedTransferCall { from: X, to: Y, amount: U256::from(100) }.abi_encode();
    assert_eq!(kinds(MANAGER, &as_token, &entries), [UNDETERMINED], "a manager has no such function");
    assert_eq!(kinds(TOKEN, &as_token, &entries), [FORCED]);
}

/// Anybody can write a contract with such a function; one that was an agent before, or became one later, forced none.
#[test]
fn a_contract_like_a_manager_that_is_no_agent_proves_nothing() {
    let kind = |entries: &[Entry]| kinds(MANAGER, &forced(), entries).concat();
    let transfer = || moved(6, 1, X, Y, 100);
    let given = || agent(5, 0, MANAGER, true);
    assert_eq!(kind(&[transfer()]), UNDETERMINED, "never an agent");
    assert_eq!(kind(&[agent(5, 0, SIGNER, true), transfer()]), UNDETERMINED, "another is");
    assert_eq!(kind(&[given(), agent(5, 1, MANAGER, false), transfer()]), UNDETERMINED, "no longer");
    assert_eq!(kind(&[transfer(), agent(7, 0, MANAGER, true)]), UNDETERMINED, "not yet");
    assert_eq!(kind(&[transfer(), agent(6, 2, MANAGER, true)]), UNDETERMINED, "later in the transaction");
    assert_eq!(kind(&[given(), transfer(), agent(6, 2, MANAGER, false)]), UNDETERMINED, "not to its end");
    assert_eq!(kind(&[agent(6, 0, MANAGER, true), transfer()]), FORCED, "since the log before");
    assert_eq!(kind(&[given(), transfer(), agent(7, 0, MANAGER, false)]), FORCED, "until the next block");
    assert_eq!(kind(&[given(), agent(6, 0, SIGNER, true), transfer()]), FORCED, "beside another");
}

#[test]
fn of_a_batch_each_transfer_that_was_asked_for_is_forced() {
    let input = callBatchForcedTransferCall {
        from: vec![X, Y],
        to: vec![Y, X],
        amounts: vec![U256::from(100), U256::from(7)],
        onchainId: SIGNER,
    };
    let input = input.abi_encode();
    // The last is what a compliance module takes on the way.
    let moves = [moved(6, 0, X, Y, 100), moved(6, 1, Y, X, 7), moved(6, 2, X, SIGNER, 1)];
    let given: Vec<Entry> = [agent(5, 0, MANAGER, true)].into_iter().chain(moves.clone()).collect();
    assert_eq!(kinds(MANAGER, &input, &given), [FORCED, FORCED, UNDETERMINED]);
    assert_eq!(kinds(MANAGER, &input, &moves), [UNDETERMINED; 3]);
}
