//! By whose word units moved: a T-REX forced transfer logs a plain `Transfer` (domain.md, fact 4; decision 21).

use alloy::primitives::{Address, U256};

use crate::events::{Event, read};
use crate::input::Transaction;
use crate::row::Here;
use crate::words::{Datum, arguments};

/// What a transfer between two wallets was, and who ordered it where that is told.
pub(crate) fn kind(role: &str, here: Here<'_>, event: &Event) -> (&'static str, Option<Address>) {
    if role != "trex_token" {
        return ("transfer", None);
    }
    let (from, to, amount) = (event.address("from"), event.address("to"), event.number("value"));
    let same_transaction = |name: &'static str| {
        here.block
            .logs
            .iter()
            .filter(|log| {
                log.transaction_hash == here.log.transaction_hash && log.address == here.log.address
            })
            .filter_map(|log| read(role, log))
            .filter(move |event| event.name == name)
    };
    if same_transaction("RecoverySuccess")
        .any(|it| it.address("_lostWallet") == from && it.address("_newWallet") == to)
    {
        return ("recovery", None);
    }
    if same_transaction("Approval").next().is_some() {
        return ("transfer", None);
    }
    let transaction =
        here.block.transactions.iter().find(|transaction| transaction.hash == here.log.transaction_hash);
    transaction
        .and_then(|transaction| told(transaction, here.log.address, from, to, amount))
        .unwrap_or(("undetermined_transfer", None))
}

/// What the call data says of a transfer; none where it says nothing.
fn told(
    transaction: &Transaction,
    token: Address,
    from: Address,
    to: Address,
    amount: U256,
) -> Option<(&'static str, Option<Address>)> {
    if transaction.to != Some(token) {
        return None;
    }
    let sender = transaction.from;
    let args = |signature: &str| arguments(signature, &transaction.input);
    let (from, to, amount) = (Datum::Address(from), Datum::Address(to), Datum::Wide(amount));
    let own = from == Datum::Address(sender);
    if args("transfer(address,uint256)").is_some_and(|it| own && it == [to.clone(), amount.clone()]) {
        return Some(("transfer", None));
    }
    if args("transferFrom(address,address,uint256)")
        .is_some_and(|it| it == [from.clone(), to.clone(), amount.clone()])
    {
        return Some(("transfer", None));
    }
    if args("batchTransfer(address[],uint256[])").is_some_and(|it| own && in_lists(&it, &[&to, &amount])) {
        return Some(("transfer", None));
    }
    if args("forcedTransfer(address,address,uint256)")
        .is_some_and(|it| it == [from.clone(), to.clone(), amount.clone()])
    {
        return Some(("forced_transfer", Some(sender)));
    }
    if args("batchForcedTransfer(address[],address[],uint256[])")
        .is_some_and(|it| in_lists(&it, &[&from, &to, &amount]))
    {
        return Some(("forced_transfer", Some(sender)));
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
