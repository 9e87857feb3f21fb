//! Finds the first block at whose end a contract answers otherwise than the tables say, and what its logs were.

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;
use sqlx::Row as _;
use uuid::Uuid;

use super::{Check, Finding, Snapshot};
use crate::amount::Amount;
use crate::block::BlockRange;
use crate::decode::calls;
use crate::reconcile::{Ground, probed};
use crate::row::{Row, Table};
use crate::source::{CallAnswer, CallRequest, Source};
use crate::store::postgres::{failed, read_page, read_probes};
use crate::store::{Store, StoreError};
use crate::sync::{Sync, SyncError};
use crate::table::holder::AssetHolder;

/// Wallets of an asset that are bisected, at most.
const WALLETS_MAX: usize = 10;

/// The asset that is looked into.
struct Asset {
    id: Uuid,
    token: Address,
    created: u64,
}

/// Looks into the supply of the asset at a token, and into one wallet, or into every wallet that differs now.
///
/// # Errors
/// The node's and the database's.
pub async fn bisect<S: Source, D: Store>(
    sync: &mut Sync<S, D>,
    snapshot: &mut Snapshot,
    token: Address,
    wallet: Option<Address>,
) -> Result<Check, SyncError> {
    let mut check = Check::new(
        "first_divergence",
        "At no block does the contract answer another supply or balance than the tables say.",
    );
    let wrong = |error: sqlx::Error| failed("reading the asset", &error);
    let row = sqlx::query(
        "select id, created_block from chain.assets where chain_id = $1 and contract_address = $2",
    )
    .bind(snapshot.chain())
    .bind(token.as_slice())
    .fetch_optional(&mut snapshot.connection)
    .await
    .map_err(wrong)?;
    let Some(row) = row else { return Ok(check.unfinished(format!("{token:#x} is no asset of the tables"))) };
    let created = u64::try_from(row.get::<i64, _>(1)).unwrap_or_default();
    let asset = Asset { id: row.get(0), token, created };
    let probes = read_probes(&mut snapshot.connection, snapshot.chain_id).await.map_err(wrong)?;
    if let Ground::None(reason) = probed(&**sync.source(), &probes).await? {
        let reason = format!("{reason}; a bisection needs a node that keeps old states (an archive node)");
        return Ok(check.unfinished(reason));
    }
    if wallet.is_none() {
        one(sync, snapshot, &asset, None, &mut check).await?;
    }
    let wallets = match wallet {
        Some(wallet) => vec![wallet],
        None => differing(sync, snapshot, &asset).await?,
    };
    for wallet in wallets {
        one(sync, snapshot, &asset, Some(wallet), &mut check).await?;
    }
    Ok(check)
}

/// The wallets whose balance differs at the checkpoint.
async fn differing<S: Source, D: Store>(
    sync: &Sync<S, D>,
    snapshot: &mut Snapshot,
    asset: &Asset,
) -> Result<Vec<Address>, SyncError> {
    let mut found = Vec::new();
    let mut after: Option<Row> = None;
    while found.len() < WALLETS_MAX {
        let page: Vec<AssetHolder> =
            read_page(&mut snapshot.connection, snapshot.chain_id, after.as_ref(), 500)
                .await
                .map_err(|error| failed("reading holders", &error))?;
        let Some(last) = page.last() else { break };
        after = Some(AssetHolder::key_values(&last.key()));
        let rows: Vec<AssetHolder> = page.into_iter().filter(|row| row.asset_id == asset.id).collect();
        let requests: Vec<CallRequest> = rows
            .iter()
            .map(|row| CallRequest {
                block: snapshot.at(),
                target: asset.token,
                input: calls::balanceOfCall { account: row.holder }.abi_encode().into(),
            })
            .collect();
        let answers = sync.source().calls(&requests).await?;
        found.extend(
            rows.iter()
                .zip(answers)
                .filter(|(row, answer)| said(answer).is_some_and(|theirs| theirs != row.balance))
                .map(|(row, _)| row.holder),
        );
    }
    found.truncate(WALLETS_MAX);
    Ok(found)
}

/// A word; nothing returned is nothing held, as of a contract that is not there yet.
fn said(answer: &CallAnswer) -> Option<Amount> {
    match answer {
        CallAnswer::Returned(bytes) if bytes.len() >= 32 => {
            Some(Amount::from(U256::from_be_slice(&bytes[..32])))
        }
        CallAnswer::Returned(_) | CallAnswer::Reverted => Some(Amount::ZERO),
        CallAnswer::StateUnavailable => None,
    }
}

async fn one<S: Source, D: Store>(
    sync: &mut Sync<S, D>,
    snapshot: &mut Snapshot,
    asset: &Asset,
    wallet: Option<Address>,
    check: &mut Check,
) -> Result<(), SyncError> {
    let about = match wallet {
        None => format!("the supply of {:#x}", asset.token),
        Some(wallet) => format!("the balance of {wallet:#x} in {:#x}", asset.token),
    };
    let (mut agrees, mut differs) = (asset.created.saturating_sub(1), snapshot.at().number);
    let mut values = (Amount::ZERO, Amount::ZERO);
    for (block, is_end) in [(differs, true), (agrees, false)] {
        let ours = ours(snapshot, asset, wallet, block).await?;
        let Some(theirs) = theirs(sync, snapshot, asset, wallet, block).await? else {
            check.give_up(format!("the node does not keep the state of block {block}: ask an archive node"));
            return Ok(());
        };
        check.examined += 1;
        match (is_end, ours == theirs) {
            (true, true) => return Ok(()),
            (true, false) => values = (ours, theirs),
            (false, true) => {}
            (false, false) => {
                let message = format!("{about} differs before the first event that the tables hold");
                check.find(
                    Finding::of(check.name, message)
                        .block(block)
                        .values(ours.to_string(), theirs.to_string()),
                );
                return Ok(());
            }
        }
    }
    while differs - agrees > 1 {
        let middle = agrees + (differs - agrees) / 2;
        let ours = ours(snapshot, asset, wallet, middle).await?;
        let Some(theirs) = theirs(sync, snapshot, asset, wallet, middle).await? else {
            let message = format!(
                "{about} differs since a block in {} to {differs}, whose states the node does not keep",
                agrees + 1
            );
            check.give_up(message);
            return Ok(());
        };
        check.examined += 1;
        if ours == theirs {
            agrees = middle;
        } else {
            differs = middle;
            values = (ours, theirs);
        }
    }
    let why = explained(sync, differs).await?;
    let message = format!("{about} differs from block {differs} on: {why}");
    let key = match wallet {
        None => format!("{{\"id\": \"{}\"}}", asset.id),
        Some(wallet) => format!("{{\"asset_id\": \"{}\", \"holder\": \"{wallet:#x}\"}}", asset.id),
    };
    let table = if wallet.is_some() { "asset_holders" } else { "assets" };
    let finding = Finding::of(check.name, message).row(table, key).block(differs);
    check.find(finding.values(values.0.to_string(), values.1.to_string()));
    Ok(())
}

/// What the block's receipts prove of its logs.
async fn explained<S: Source, D: Store>(sync: &mut Sync<S, D>, block: u64) -> Result<String, SyncError> {
    match sync.audit(BlockRange { from: block, to: block }).await {
        Ok(audited) if audited.comparison.differences.is_empty() => Ok(
            "its logs are proved complete and none explains it: the contract changes balances without a log"
                .to_owned(),
        ),
        Ok(audited) => {
            let logs = audited.comparison.differences.iter().map(|difference| {
                format!("log {} of {:#x} is {}", difference.log_index, difference.address, difference.kind)
            });
            Ok(logs.collect::<Vec<_>>().join(", "))
        }
        Err(error @ (SyncError::Unprovable { .. } | SyncError::Disproved { .. })) => {
            Ok(format!("and its logs cannot be proved: {error}"))
        }
        Err(error) => Err(error),
    }
}

async fn ours(
    snapshot: &mut Snapshot,
    asset: &Asset,
    wallet: Option<Address>,
    block: u64,
) -> Result<Amount, StoreError> {
    let wrong = |error: sqlx::Error| failed("reading the past", &error);
    let query = match wallet {
        None => sqlx::query_scalar("select total_supply::text from chain.supply_as_of($1, $2, null)"),
        Some(_) => sqlx::query_scalar("select balance_base::text from api.balance_at($1, $3, $2)"),
    };
    let mut query = query.bind(asset.id).bind(i64::try_from(block).unwrap_or(i64::MAX));
    if let Some(wallet) = wallet {
        query = query.bind(format!("{wallet:#x}"));
    }
    let text: Option<String> = query.fetch_optional(&mut snapshot.connection).await.map_err(wrong)?;
    let amount = text.map_or(Ok(Amount::ZERO), |text| text.parse::<Amount>());
    amount.map_err(|error| StoreError::Corrupt { table: "ownership_history", reason: error.to_string() })
}

async fn theirs<S: Source, D: Store>(
    sync: &Sync<S, D>,
    snapshot: &Snapshot,
    asset: &Asset,
    wallet: Option<Address>,
    number: u64,
) -> Result<Option<Amount>, SyncError> {
    let at = snapshot.at();
    let block = if number == at.number {
        at
    } else {
        let header = sync.source().header(number).await?;
        header.ok_or(crate::source::SourceError::BlockGone { number, hash: None })?.id
    };
    let input = match wallet {
        None => calls::totalSupplyCall {}.abi_encode(),
        Some(account) => calls::balanceOfCall { account }.abi_encode(),
    };
    let request = CallRequest { block, target: asset.token, input: input.into() };
    let answers = sync.source().calls(&[request]).await?;
    Ok(answers.first().and_then(said))
}
