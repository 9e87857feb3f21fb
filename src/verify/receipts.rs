//! Level `receipts`: every block of a range is proved anew, and every stored answer asked again, at the node.

use alloy::primitives::B256;
use sqlx::Row as _;

use super::ground::event_key;
use super::{Check, Finding, Snapshot};
use crate::block::{BlockId, BlockRange};
use crate::row::{Row, Table};
use crate::source::{CallAnswer, CallRequest, Source};
use crate::store::Store;
use crate::store::postgres::{failed, read_page};
use crate::sync::{Sync, SyncError};
use crate::table::event::{ConfiguredContract, Observation};

/// Blocks proved at once.
const BLOCKS: u64 = 512;
/// Stored answers asked again at once.
const PAGE: u32 = 200;

/// Proves the logs of a range anew against headers and receipts, and compares them with ground. `progress` is told each
/// block reached.
///
/// # Errors
/// The database's, and that the node cannot be reached; not what its answers fail to prove, which is found.
pub async fn logs<S: Source, D: Store>(
    sync: &mut Sync<S, D>,
    snapshot: &Snapshot,
    range: BlockRange,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Check, SyncError> {
    let mut check = Check::new(
        "logs_are_proved",
        "The events of every block are exactly the logs that its header commits to, and the blocks hang together.",
    );
    let mut below: Option<B256> = None;
    let mut from = range.from;
    while from <= range.to {
        let to = range.to.min(from.saturating_add(BLOCKS - 1));
        match sync.audit(BlockRange { from, to }).await {
            Ok(audited) => {
                if let (Some(below), Some(parent)) = (below, audited.parent())
                    && below != parent
                {
                    let finding = Finding::of(check.name, "the node's block does not hang on the one below");
                    check.find(finding.block(from).values(parent.to_string(), below.to_string()));
                }
                below = audited.hash();
                for difference in &audited.comparison.differences {
                    let message = match difference.kind {
                        "missing" => "a log that the block commits to is not in the tables",
                        "extra" => "an event is in the tables that the block does not commit to",
                        _ => "the event is not the log that the block commits to",
                    };
                    let key = event_key(difference.block, difference.log_index, 0);
                    let finding = Finding::of(check.name, message).row("asset_events", key);
                    let what = format!("{} log of {}", difference.kind, difference.address);
                    check.find(finding.block(difference.block).values(what, "as committed to"));
                }
                check.examined += to - from + 1;
            }
            Err(SyncError::Unprovable { block, reason }) => {
                check.give_up(format!("the logs of block {block} cannot be proved: {reason}"));
                below = None;
            }
            Err(SyncError::Disproved { block, reason }) => {
                check.find(Finding::of(check.name, format!("the node's own answers: {reason}")).block(block));
                below = None;
            }
            Err(SyncError::Contradiction(reason)) => {
                check.find(Finding::of(check.name, reason).block(from));
                below = None;
            }
            Err(error) => return Err(error),
        }
        progress(to);
        from = to + 1;
    }
    let at = snapshot.at();
    if let (true, Some(hash)) = (range.to == at.number, below)
        && hash != at.hash
    {
        let finding = Finding::of(check.name, "the node has another block where the checkpoint is");
        let finding = finding.row("checkpoints", "{}").block(at.number);
        check.find(finding.values(at.hash.to_string(), hash.to_string()));
    }
    Ok(check)
}

/// Asks every stored answer again, at its block's hash.
///
/// # Errors
/// The node's and the database's.
pub async fn observations<S: Source>(node: &S, snapshot: &mut Snapshot) -> Result<Check, SyncError> {
    let mut check = Check::new(
        "observations_stand",
        "Every stored answer of a contract is what it answers at that block.",
    );
    let mut after: Option<Row> = None;
    loop {
        let page: Vec<Observation> =
            read_page(&mut snapshot.connection, snapshot.chain_id, after.as_ref(), PAGE)
                .await
                .map_err(|error| failed("reading observations", &error))?;
        let Some(last) = page.last() else { return Ok(check) };
        after = Some(Observation::key_values(&last.key()));
        check.examined += page.len() as u64;
        let mut numbers: Vec<u64> = page.iter().map(|row| row.block_number).collect();
        numbers.dedup();
        let headers = node.headers(&numbers).await?;
        let (here, elsewhere): (Vec<&Observation>, Vec<&Observation>) = page.iter().partition(|row| {
            let block = BlockId { number: row.block_number, hash: row.block_hash };
            headers.iter().any(|header| header.id == block)
        });
        for row in elsewhere {
            let finding = Finding::of(check.name, "the answer is of another block than the node has there");
            let finding = finding.row(Observation::DEF.name, observation_key(row)).block(row.block_number);
            check.find(finding.values(row.block_hash.to_string(), "another hash"));
        }
        let calls: Vec<CallRequest> = here
            .iter()
            .map(|row| CallRequest {
                block: BlockId { number: row.block_number, hash: row.block_hash },
                target: row.target,
                input: row.input.clone(),
            })
            .collect();
        for (row, answer) in here.iter().zip(node.calls(&calls).await?) {
            judge(&mut check, row, &answer);
        }
    }
}

fn observation_key(row: &Observation) -> String {
    format!(
        "{{\"input\": \"{}\", \"target\": \"{:#x}\", \"block_number\": {}}}",
        row.input, row.target, row.block_number
    )
}

fn judge(check: &mut Check, row: &Observation, answer: &CallAnswer) {
    let (outcome, output) = match answer {
        CallAnswer::Returned(output) => ("returned", Some(output)),
        CallAnswer::Reverted => ("reverted", None),
        CallAnswer::StateUnavailable => ("unavailable", None),
    };
    // What could not be told when it was asked may be told by another node: no contradiction.
    if row.outcome == "unavailable" && row.output.is_none() {
        return;
    }
    if outcome == "unavailable" {
        check.give_up(format!("the node does not keep the state of block {}", row.block_number));
        return;
    }
    if (row.outcome.as_str(), row.output.as_ref()) != (outcome, output) {
        let said = |outcome: &str, output: Option<&alloy::primitives::Bytes>| {
            let text = format!("{outcome} {}", output.map(ToString::to_string).unwrap_or_default());
            text.chars().take(200).collect::<String>()
        };
        let finding = Finding::of(check.name, "the contract answers otherwise at that block");
        let finding = finding.row(Observation::DEF.name, observation_key(row)).block(row.block_number);
        check.find(finding.values(said(&row.outcome, row.output.as_ref()), said(outcome, output)));
    }
}

/// Reads every stored transaction again, and the blocks where opening balances were asked.
///
/// # Errors
/// The node's and the database's.
pub async fn inputs<S: Source>(node: &S, snapshot: &mut Snapshot) -> Result<Check, SyncError> {
    let mut check = Check::new(
        "inputs_stand",
        "Every stored transaction is the one in its block, and every opening names the block it was asked at.",
    );
    let wrong = |error: sqlx::Error| failed("reading inputs", &error);
    let rows = sqlx::query(
        "select i.block_number, i.transaction_index, i.transaction_hash::bytea, i.from_address::bytea,
             i.to_address::bytea, i.input,
             (select e.block_hash::bytea from chain.asset_events e
              where e.chain_id = i.chain_id and e.block_number = i.block_number limit 1)
         from chain.transaction_inputs i where i.chain_id = $1 order by 1, 2",
    )
    .bind(snapshot.chain())
    .fetch_all(&mut snapshot.connection)
    .await
    .map_err(wrong)?;
    let mut held: Option<(BlockId, Vec<crate::block::Transaction>)> = None;
    for row in rows {
        check.examined += 1;
        let number = u64::try_from(row.get::<i64, _>(0)).unwrap_or_default();
        let index = u32::try_from(row.get::<i64, _>(1)).unwrap_or_default();
        let Some(hash) = row.get::<Option<Vec<u8>>, _>(6) else { continue };
        let block = BlockId { number, hash: hash.as_slice().try_into().unwrap_or_default() };
        if held.as_ref().is_none_or(|(at, _)| *at != block) {
            held = Some((block, node.transactions(block).await?));
        }
        let theirs = held.iter().flat_map(|(_, list)| list).find(|transaction| transaction.index == index);
        let ours = (
            row.get::<Vec<u8>, _>(2),
            row.get::<Vec<u8>, _>(3),
            row.get::<Option<Vec<u8>>, _>(4),
            row.get::<Vec<u8>, _>(5),
        );
        let theirs = theirs.map(|theirs| {
            let to = theirs.to.map(|to| to.to_vec());
            (theirs.hash.to_vec(), theirs.from.to_vec(), to, theirs.input.to_vec())
        });
        if theirs.as_ref() != Some(&ours) {
            let key = format!("{{\"block_number\": {number}, \"transaction_index\": {index}}}");
            let finding = Finding::of(check.name, "the transaction in the block is another one");
            check.find(finding.row("transaction_inputs", key).block(number));
        }
    }
    let configured: Vec<ConfiguredContract> =
        read_page(&mut snapshot.connection, snapshot.chain_id, None, 100_000).await.map_err(wrong)?;
    for row in configured {
        let (Some(number), Some(opening)) = (row.opening_block, row.opening_hash) else { continue };
        check.examined += 1;
        let theirs = node.header(number).await?.map(|header| header.id.hash);
        if theirs != Some(opening) {
            let key = format!("{{\"address\": \"{:#x}\"}}", row.address);
            let finding = Finding::of(check.name, "opening balances were asked at another block");
            let finding = finding.row(ConfiguredContract::DEF.name, key).block(number);
            let theirs = theirs.map_or_else(|| "none".to_owned(), |hash| hash.to_string());
            check.find(finding.values(opening.to_string(), theirs));
        }
    }
    Ok(check)
}
