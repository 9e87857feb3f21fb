//! What the register answers, printed for whoever sees it for the first time.

use alloy::primitives::Address;

use crate::Result;
use crate::names::{Names, country, topic_name};
use crate::register::{Asset, Operation, Register};
use crate::text::{Table, amount, broken, count, paragraph, short, shortened};

/// The cap table of each token.
pub(crate) async fn cap_tables(register: &mut Register, assets: &[Asset], names: &Names) -> Result<()> {
    for asset in assets {
        let kind = if asset.identity_registry.is_some() { "T-REX token" } else { "plain ERC-20" };
        println!("{} ({}), {kind}, supply {}", asset.name, asset.symbol, amount(&asset.supply));
        println!("{}\n", asset.contract_address);
        let mut table = Table::new([
            "holder",
            "wallet",
            ">balance",
            ">frozen",
            "wallet is",
            ">share %",
            "verified",
            "country",
        ]);
        for holder in register.holders(asset.id).await? {
            table.row([
                names.of(&holder.holder_address),
                short(&holder.holder_address),
                amount(&holder.balance),
                amount(&holder.frozen),
                if holder.wallet_frozen { "frozen" } else { "free" }.to_owned(),
                holder.percentage.unwrap_or_default(),
                match holder.verified {
                    Some(true) => "yes",
                    Some(false) => "no",
                    None => "-",
                }
                .to_owned(),
                holder.country.map_or_else(|| "-".to_owned(), country),
            ]);
        }
        table.print();
        println!();
    }
    Ok(())
}

/// How one position came to be.
pub(crate) async fn history(register: &mut Register, asset: &Asset, wallet: Address) -> Result<()> {
    let mut table =
        Table::new(["block", "time", ">balance", ">frozen", "wallet is", "by", "transaction", "finality"]);
    for change in register.history(asset.id, wallet).await? {
        table.row([
            change.block_number.to_string(),
            change.at,
            amount(&change.balance),
            amount(&change.frozen),
            if change.wallet_frozen { "frozen" } else { "free" }.to_owned(),
            change.cause.unwrap_or_default().replace('_', " "),
            short(&change.transaction_hash),
            change.finality,
        ]);
    }
    table.print();
    Ok(())
}

/// What was done to a token, in words.
pub(crate) async fn operations(register: &mut Register, asset: &Asset, names: &Names) -> Result<()> {
    let operations = register.operations(asset.id).await?;
    for operation in &operations {
        if let Some(words) = words(operation, names) {
            let place = format!("  {:>5}  ", operation.block_number);
            println!("{}", broken(&words, &place, "         "));
        }
    }
    Ok(())
}

/// An operation as a sentence; none for those that only set the token up.
fn words(operation: &Operation, names: &Names) -> Option<String> {
    let name =
        |address: &Option<String>| address.as_deref().map_or_else(|| "?".to_owned(), |it| names.of(it));
    let (from, to) = (name(&operation.from_address), name(&operation.to_address));
    let units = operation.amount.as_deref().map(amount).unwrap_or_default();
    let what = match operation.operation_type.as_str() {
        "forced_transfer" => format!("forced transfer of {units} from {from} to {to}"),
        "recovery" => format!("recovery of {units} from {from} to {to}"),
        "burn" => format!("burn of {units} from {from}"),
        "freeze_wallet" => format!("wallet frozen: {to}"),
        "unfreeze_wallet" => format!("wallet freed: {to}"),
        "freeze_amount" => format!("{units} frozen of {to}"),
        "unfreeze_amount" => format!("{units} freed of {to}"),
        "pause" => "all transfers paused".to_owned(),
        "unpause" => "transfers go on".to_owned(),
        "undetermined_transfer" => format!("{units} from {from} to {to}, undetermined by whose word"),
        other => format!("{other} {from} {to} {units} {}", operation.parameters),
    };
    let by = operation.executed_by.as_deref().map(|who| format!(", by {}", names.of(who)));
    Some(format!("{what}{}", by.unwrap_or_default()))
}

/// All claims, and what each is worth.
pub(crate) async fn claims(register: &mut Register, names: &Names) -> Result<()> {
    let mut table = Table::new(["identity", "claim", "issuer", "status", "signed", "since", "says"]);
    for claim in register.claims().await? {
        table.row([
            names.of(&claim.identity),
            topic_name(&claim.claim_type),
            names.of(&claim.issuer),
            claim.status,
            match claim.signed_by_issuer {
                Some(true) => "yes",
                Some(false) => "no",
                None => "-",
            }
            .to_owned(),
            claim.from_block.to_string(),
            readable(&claim.claim_data),
        ]);
    }
    table.print();
    Ok(())
}

/// A claim's data as text if it is some.
fn readable(data: &str) -> String {
    let bytes = alloy::primitives::hex::decode(data).unwrap_or_default();
    match String::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text,
        _ => shortened(data, 30),
    }
}

/// The newest transactions.
pub(crate) async fn transactions(register: &mut Register, most: i64) -> Result<()> {
    let total = usize::try_from(register.transaction_count().await?)?;
    paragraph(&format!("The newest of {}.\n", count(total, "transaction")));
    println!();
    let mut table = Table::new([
        ">block",
        "token",
        "what it was",
        ">moved",
        ">events",
        ">transfers",
        "transaction",
        "status",
    ]);
    for transaction in register.transactions(most).await? {
        table.row([
            transaction.block_number.to_string(),
            transaction.symbol.unwrap_or_default(),
            transaction.operation_type.replace('_', " "),
            transaction.amount.as_deref().map(amount).unwrap_or_default(),
            transaction.event_count.to_string(),
            transaction.transfer_count.to_string(),
            short(&transaction.transaction_hash),
            transaction.status,
        ]);
    }
    table.print();
    Ok(())
}
