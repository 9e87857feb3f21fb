//! What the register answers, printed for whoever sees it for the first time.

use alloy::primitives::{Address, hex};

use crate::Result;
use crate::names::{Names, country, reason, topic_name};
use crate::register::{Asset, Holder, Operation, Register};
use crate::text::{Table, amount, broken, say, short, shortened};

/// The cap table of each token.
pub(crate) async fn cap_tables(register: &mut Register, assets: &[Asset], names: &Names) -> Result<()> {
    for (place, asset) in assets.iter().enumerate() {
        if place > 0 {
            say!("");
        }
        let is_regulated = asset.identity_registry.is_some();
        let kind = if is_regulated { "T-REX token" } else { "plain ERC-20 token" };
        say!("  {} ({}), supply {}", asset.name, asset.symbol, amount(&asset.supply));
        say!("  {kind} {}\n", asset.contract_address);
        let holders = register.holders(asset.id).await?;
        if is_regulated { regulated(&holders, names) } else { plain(&holders, names) }
    }
    Ok(())
}

fn regulated(holders: &[Holder], names: &Names) {
    let columns = ["holder", "wallet", ">balance", ">frozen", "wallet is", ">share %", "verified", "country"];
    let mut table = Table::new(columns);
    for holder in holders {
        table.row([
            names.of(&holder.holder_address),
            short(&holder.holder_address),
            amount(&holder.balance),
            amount(&holder.frozen),
            freedom(holder.wallet_frozen),
            holder.percentage.clone().unwrap_or_default(),
            yes_or_no(holder.verified),
            holder.country.map_or_else(|| "-".to_owned(), country),
        ]);
    }
    table.print();
    let mut doubted = holders.iter().filter(|holder| holder.verified != Some(true)).peekable();
    if doubted.peek().is_some() {
        say!("\n  Why not verified:");
    }
    for holder in doubted {
        let why = holder.reason.as_deref().map(reason).unwrap_or_default();
        say!("    {:<12}  {why}", names.of(&holder.holder_address));
    }
}

fn plain(holders: &[Holder], names: &Names) {
    let mut table = Table::new(["holder", "wallet", ">balance", ">share %"]);
    for holder in holders {
        table.row([
            names.of(&holder.holder_address),
            short(&holder.holder_address),
            amount(&holder.balance),
            holder.percentage.clone().unwrap_or_default(),
        ]);
    }
    table.print();
}

fn freedom(is_frozen: bool) -> String {
    if is_frozen { "frozen" } else { "free" }.to_owned()
}

fn yes_or_no(answer: Option<bool>) -> String {
    match answer {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    }
    .to_owned()
}

/// How one position came to be.
pub(crate) async fn history(register: &mut Register, asset: &Asset, wallet: Address) -> Result<()> {
    let columns = [">block", "time", ">balance", ">frozen", "wallet is", "by", "transaction", "finality"];
    let mut table = Table::new(columns);
    for change in register.history(asset.id, wallet).await? {
        table.row([
            change.block_number.to_string(),
            change.at,
            amount(&change.balance),
            amount(&change.frozen),
            freedom(change.wallet_frozen),
            change.cause.unwrap_or_default().replace('_', " "),
            short(&change.transaction_hash),
            change.finality,
        ]);
    }
    table.print();
    Ok(())
}

/// What was done to a token, in words; those of its deployment in one line.
pub(crate) async fn operations(register: &mut Register, asset: &Asset, names: &Names) -> Result<()> {
    let operations = register.operations(asset.id).await?;
    let (birth, life): (Vec<_>, Vec<_>) =
        operations.iter().partition(|operation| operation.block_number == asset.created_block);
    let place = |block: i64| format!("  {block:>5}  ");
    let deployed = format!("deployed, with owner, agent and registries ({} rows)", birth.len());
    say!("{}{deployed}", place(asset.created_block));
    for operation in life {
        say!("{}", broken(&words(operation, names), &place(operation.block_number), "         "));
    }
    Ok(())
}

/// An operation in words.
fn words(operation: &Operation, names: &Names) -> String {
    let name =
        |address: &Option<String>| address.as_deref().map(|address| names.of(address)).unwrap_or_default();
    let (from, to) = (name(&operation.from_address), name(&operation.to_address));
    let units = operation.amount.as_deref().map(amount).unwrap_or_default();
    let what = match (operation.operation_type.as_str(), &operation.amount) {
        ("mint", _) => format!("minted {units} to {to}"),
        ("burn", _) => format!("burned {units} of {from}"),
        ("forced_transfer", _) => format!("forced transfer of {units} from {from} to {to}"),
        ("undetermined_transfer", _) => format!("{units} from {from} to {to}, not known by whose word"),
        ("recovery", Some(_)) => format!("recovery of {units} from {from} to {to}"),
        ("recovery", None) => format!("recovery of {from} as {to} announced"),
        ("freeze_wallet", _) => format!("wallet of {to} frozen"),
        ("unfreeze_wallet", _) => format!("wallet of {to} freed"),
        ("freeze_amount", _) => format!("{units} of {to} frozen"),
        ("unfreeze_amount", _) => format!("{units} of {to} freed"),
        ("pause", _) => "transfers paused".to_owned(),
        ("unpause", _) => "transfers allowed again".to_owned(),
        ("add_agent", _) => format!("agent appointed: {to}"),
        ("remove_agent", _) => format!("agent dismissed: {from}"),
        ("set_compliance", _) => "compliance contract changed".to_owned(),
        ("update_information", _) => "name, symbol or identity changed".to_owned(),
        (other, _) => other.replace('_', " "),
    };
    let by = operation.executed_by.as_deref().map(|who| format!(", by {}", names.of(who)));
    format!("{what}{}", by.unwrap_or_default())
}

/// All claims, and what each is worth.
pub(crate) async fn claims(register: &mut Register, names: &Names) -> Result<()> {
    let columns = ["identity", "claim", "issuer", ">since", "status", "key good", "counts", "says"];
    let mut table = Table::new(columns);
    for claim in register.claims().await? {
        let counts = claim.status == "valid" && claim.signed_by_issuer == Some(true);
        table.row([
            names.of(&claim.identity),
            topic_name(&claim.claim_type),
            names.of(&claim.issuer),
            claim.from_block.to_string(),
            claim.status,
            yes_or_no(claim.signed_by_issuer),
            yes_or_no(Some(counts)),
            readable(&claim.claim_data),
        ]);
    }
    table.print();
    Ok(())
}

/// A claim's data: what it says of whom, without the name, or the bytes if they are no text.
fn readable(data: &str) -> String {
    let bytes = hex::decode(data).unwrap_or_default();
    match String::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => {
            text.split_once(": ").map_or_else(|| text.clone(), |(_, particulars)| particulars.to_owned())
        }
        _ => shortened(data, 20),
    }
}

/// The newest transactions.
pub(crate) async fn transactions(register: &mut Register, most: i64) -> Result<()> {
    let columns = [">block", "token", "kind", ">moved", ">events", ">transfers", "transaction", "status"];
    let mut table = Table::new(columns);
    for transaction in register.transactions(most).await? {
        let moved = transaction.amount.as_deref().map(amount).unwrap_or_default();
        table.row([
            transaction.block_number.to_string(),
            transaction.symbol.unwrap_or_default(),
            transaction.operation_type.replace('_', " "),
            if transaction.transfer_count > 0 { moved } else { String::new() },
            transaction.event_count.to_string(),
            transaction.transfer_count.to_string(),
            short(&transaction.transaction_hash),
            transaction.status,
        ]);
    }
    table.print();
    Ok(())
}
