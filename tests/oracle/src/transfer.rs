//! By whose word units moved: a T-REX forced transfer logs a plain `Transfer` (domain.md, fact 4; decision 21).

use std::collections::BTreeSet;

use alloy::primitives::{Address, U256};

use crate::events::{Event, read};
use crate::input::{Log, Transaction};
use crate::row::Here;
use crate::words::{Datum, arguments};

/// What a transfer between two wallets was; `agents` are the token's before the log.
pub(crate) fn kind(role: &str, here: Here<'_>, event: &Event, agents: &BTreeSet<Address>) -> &'static str {
    let (from, to, amount) = (event.address("from"), event.address("to"), event.number("value"));
    if role == "trex_token" && is_recovery(role, here, from, to) {
        return "recovery";
    }
    if !is_candidate(role, here, event) {
        return "transfer";
    }
    let Some(transaction) = transaction(here) else {
        return "undetermined_transfer";
    };
    let is_through_agent = transaction.to.is_some_and(|called| {
        called != here.log.address
            && agents.contains(&called)
            && !is_dismissed(role, here, called)
            && is_asked_of_manager(transaction, from, to, amount)
    });
    if is_through_agent {
        return "forced_transfer";
    }
    told(transaction, here.log.address, from, to, amount).unwrap_or("undetermined_transfer")
}

/// Whether the token dismisses an agent after the log in the same transaction.
fn is_dismissed(role: &str, here: Here<'_>, agent: Address) -> bool {
    let later = here.block.logs.iter().filter(|log| {
        log.transaction_hash == here.log.transaction_hash
            && log.address == here.log.address
            && log.log_index > here.log.log_index
    });
    later
        .filter_map(|log| read(role, log))
        .any(|event| event.name == "AgentRemoved" && event.address("_agent") == agent)
}

/// Whether the call data is of T-REX's AgentManager and has it force this transfer; last in it is who calls.
fn is_asked_of_manager(transaction: &Transaction, from: Address, to: Address, amount: U256) -> bool {
    let wanted = [Datum::Address(from), Datum::Address(to), Datum::Wide(amount)];
    let args = |signature: &str| arguments(signature, &transaction.input);
    args("callForcedTransfer(address,address,uint256,address)").is_some_and(|it| it[..3] == wanted)
        || args("callBatchForcedTransfer(address[],address[],uint256[],address)")
            .is_some_and(|it| in_lists(&it[..3], &[&wanted[0], &wanted[1], &wanted[2]]))
}

/// Whether the token says in the same transaction that one wallet was replaced by the other.
fn is_recovery(role: &str, here: Here<'_>, from: Address, to: Address) -> bool {
    of_transaction(role, here).any(|event| {
        event.name == "RecoverySuccess"
            && event.address("_lostWallet") == from
            && event.address("_newWallet") == to
    })
}

/// Whether an event is a transfer that an agent may have forced: one between wallets of a T-REX token, no recovery, and
/// without the `Approval` of its sender by which `transferFrom` lowers an allowance. Its transaction is read.
fn is_candidate(role: &str, here: Here<'_>, event: &Event) -> bool {
    if role != "trex_token" || event.name != "Transfer" {
        return false;
    }
    let (from, to) = (event.address("from"), event.address("to"));
    let is_approved =
        || of_transaction(role, here).any(|other| other.name == "Approval" && other.address("owner") == from);
    !from.is_zero() && !to.is_zero() && !is_recovery(role, here, from, to) && !is_approved()
}

/// Who signed the transaction, where it is read because of one of the token's transfers.
pub(crate) fn sender(role: &str, here: Here<'_>) -> Option<Address> {
    let is_read = of_transaction(role, here).any(|event| is_candidate(role, here, &event));
    transaction(here).filter(|_| is_read).map(|transaction| transaction.from)
}

/// All that the token logged in the transaction.
fn of_transaction<'a>(role: &'a str, here: Here<'a>) -> impl Iterator<Item = Event> {
    let is_of_it = move |log: &&Log| {
        log.transaction_hash == here.log.transaction_hash && log.address == here.log.address
    };
    here.block.logs.iter().filter(is_of_it).filter_map(move |log| read(role, log))
}

fn transaction(here: Here<'_>) -> Option<&Transaction> {
    here.block.transactions.iter().find(|transaction| transaction.hash == here.log.transaction_hash)
}

/// What the call data says of a transfer; none where it says nothing.
fn told(
    transaction: &Transaction,
    token: Address,
    from: Address,
    to: Address,
    amount: U256,
) -> Option<&'static str> {
    if transaction.to != Some(token) {
        return None;
    }
    let args = |signature: &str| arguments(signature, &transaction.input);
    let (from, to, amount) = (Datum::Address(from), Datum::Address(to), Datum::Wide(amount));
    let own = from == Datum::Address(transaction.from);
    if args("transfer(address,uint256)").is_some_and(|it| own && it == [to.clone(), amount.clone()]) {
        return Some("transfer");
    }
    if args("transferFrom(address,address,uint256)")
        .is_some_and(|it| it == [from.clone(), to.clone(), amount.clone()])
    {
        return Some("transfer");
    }
    if args("batchTransfer(address[],uint256[])").is_some_and(|it| own && in_lists(&it, &[&to, &amount])) {
        return Some("transfer");
    }
    if args("forcedTransfer(address,address,uint256)")
        .is_some_and(|it| it == [from.clone(), to.clone(), amount.clone()])
    {
        return Some("forced_transfer");
    }
    if args("batchForcedTransfer(address[],address[],uint256[])")
        .is_some_and(|it| in_lists(&it, &[&from, &to, &amount]))
    {
        return Some("forced_transfer");
    }
    None
}

/// Whether these values stand at one place of lists that run side by side.
fn in_lists(lists: &[Datum], wanted: &[&Datum]) -> bool {
    let lists: Vec<&Vec<Datum>> = lists
        .iter()
        .filter_map(|list| match list {
            Datum::List(items) => Some(items),
            _ => None,
        })
        .collect();
    lists.len() == wanted.len()
        && (0..lists[0].len())
            .any(|place| lists.iter().zip(wanted).all(|(list, wanted)| list.get(place) == Some(*wanted)))
}

/// Whether the token moved units from one wallet to the other in this transaction.
pub(crate) fn moved(role: &str, here: Here<'_>, from: Address, to: Address) -> bool {
    of_transaction(role, here)
        .any(|event| event.name == "Transfer" && event.address("from") == from && event.address("to") == to)
}
