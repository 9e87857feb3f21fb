//! What was done to a token beyond plain transfers.

use std::collections::BTreeSet;

use alloy::primitives::Address;
use serde_json::Value;

use crate::document;
use crate::events::Event;
use crate::row::{Here, Row, hex, number, row};
use crate::transfer;

/// What an operation is about; what is left out is null.
#[derive(Default)]
struct Parts {
    from: Option<Address>,
    to: Option<Address>,
    amount: Option<Value>,
    by: Option<Address>,
}

/// The kind of thing that a token's event did, and its row where it is more than a plain transfer.
///
/// `first_log` is the index of the token's first log in the transaction: by it the row names its transaction.
/// `agents` are the token's before the event.
pub(crate) fn of(
    role: &str,
    here: Here<'_>,
    event: &Event,
    first_log: &Value,
    agents: &BTreeSet<Address>,
) -> Option<(&'static str, Option<Row>)> {
    let address = |name: &str| Some(event.address(name));
    let amount = |name: &str| Some(number(event.number(name)));
    let (kind, parts) = match event.name {
        "Transfer" => {
            let (from, to) = (event.address("from"), event.address("to"));
            let units = amount("value");
            if from.is_zero() {
                ("mint", Parts { to: Some(to), amount: units, ..Parts::default() })
            } else if to.is_zero() {
                ("burn", Parts { from: Some(from), amount: units, ..Parts::default() })
            } else {
                let kind = transfer::kind(role, here, event, agents);
                if kind == "transfer" {
                    return Some((kind, None));
                }
                (kind, Parts { from: Some(from), to: Some(to), amount: units, by: None })
            }
        }
        "RecoverySuccess" => {
            let (lost, new) = (event.address("_lostWallet"), event.address("_newWallet"));
            if transfer::moved(role, here, lost, new) {
                return Some(("recovery", None));
            }
            ("recovery", Parts { from: Some(lost), to: Some(new), ..Parts::default() })
        }
        "AddressFrozen" => {
            let kind = if event.flag("_isFrozen") { "freeze_wallet" } else { "unfreeze_wallet" };
            (kind, Parts { to: address("_userAddress"), by: address("_owner"), ..Parts::default() })
        }
        "TokensFrozen" | "TokensUnfrozen" => {
            let kind = if event.name == "TokensFrozen" { "freeze_amount" } else { "unfreeze_amount" };
            (kind, Parts { to: address("_userAddress"), amount: amount("_amount"), ..Parts::default() })
        }
        "Paused" => ("pause", Parts { by: address("_userAddress"), ..Parts::default() }),
        "Unpaused" => ("unpause", Parts { by: address("_userAddress"), ..Parts::default() }),
        "AgentAdded" => ("add_agent", Parts { to: address("_agent"), ..Parts::default() }),
        "AgentRemoved" => ("remove_agent", Parts { from: address("_agent"), ..Parts::default() }),
        "OwnershipTransferred" => {
            let (from, to) = (address("previousOwner"), address("newOwner"));
            ("transfer_ownership", Parts { from, to, ..Parts::default() })
        }
        "IdentityRegistryAdded" => ("set_identity_registry", Parts::default()),
        "ComplianceAdded" => ("set_compliance", Parts::default()),
        "UpdatedTokenInformation" => ("update_information", Parts::default()),
        "DocumentUpdated" => ("document_set", Parts::default()),
        "DocumentRemoved" => ("document_removed", Parts::default()),
        "Approval" => return Some(("approve", None)),
        _ => return None,
    };
    let null = || Value::Null;
    let mut row = row! {
        "chain_id" => here.chain_id,
        "block_number" => here.number(),
        "log_index" => here.index(),
        "part" => 0,
        "asset_id" => hex(here.log.address),
        "transaction_id" => format!("{}:{first_log}", here.block.number),
        "operation_type" => kind,
        "from_address" => parts.from.map(hex),
        "to_address" => parts.to.map(hex),
        "amount" => parts.amount.unwrap_or_else(null),
        "executed_by" => parts.by.or_else(|| transfer::sender(role, here)).map(hex),
        "executed_at" => here.at(),
        "block_hash" => hex(here.block.hash),
        "transaction_hash" => here.transaction(),
    };
    if kind.starts_with("document") {
        row.insert("parameters", document::parameters(event));
    }
    Some((kind, Some(row)))
}

/// Which of the kinds of things that a transaction did may stand for all: documents are below whatever moves units or
/// freezes; of the others the order is not written down.
pub(crate) fn weightiest(kinds: &BTreeSet<&'static str>) -> BTreeSet<&'static str> {
    let is_document = |kind: &str| kind.starts_with("document");
    let moves_or_freezes = |kind: &str| {
        matches!(
            kind,
            "mint" | "burn" | "transfer" | "forced_transfer" | "undetermined_transfer" | "recovery"
        ) || kind.contains("freeze")
    };
    let is_outweighed = kinds.iter().any(|kind| moves_or_freezes(kind));
    kinds.iter().copied().filter(|kind| !(is_outweighed && is_document(kind))).collect()
}
