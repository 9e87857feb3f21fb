//! What must hold whenever the tables have changed.

use std::collections::HashMap;
use std::sync::Arc;

use alloy::primitives::Address;
use asset_indexer::block::BlockId;
use asset_indexer::proof::Method;
use asset_indexer::row::{ColumnType, Table, TableDef};
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::store::{ALL_BLOCKS, Checkpoint, Evidence, Store};
use asset_indexer::table::contract::{Coverage, LateHistory};
use asset_indexer::table::event::{AssetEvent, ConfiguredContract};

use crate::chain::{Block, Branch};
use crate::provider::Tainted;
use crate::reference::spelled;

/// Columns that an answer to a call decides: nothing proves those.
const FROM_CALLS: &[(&str, &str)] = &[
    ("observations", "*"),
    ("assets", "name"),
    ("compliance_modules", "name"),
    ("assets", "symbol"),
    ("assets", "decimals"),
    ("assets", "paused"),
    ("registrations", "country"),
];

/// Whether a comparison leaves a column out, after lies of these kinds.
pub fn masked(tainted: Tainted) -> impl Fn(&TableDef, &str) -> bool {
    move |table, column| {
        (tainted.calls && FROM_CALLS.contains(&(table.name, column)))
            || (tainted.times && is_time(table, column))
            || (tainted.asked_in_vain
                && column == "+"
                && matches!(table.name, "observations" | "transaction_inputs"))
    }
}

fn is_time(table: &TableDef, column: &str) -> bool {
    table.column(column).is_some_and(|place| table.columns[place].column_type == ColumnType::Time)
}

/// What was seen at the last look: some things only ever move up.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    finalized: Option<BlockId>,
    verified: u64,
}

impl Seen {
    /// Anything may be below what was seen: an operator or a failover took it back.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Blocks were taken back, or evidence was.
    pub fn forget_verified(&mut self) {
        self.verified = 0;
    }

    /// Checkpoint, finality and watermark against one another, the branch, and what was seen before.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(
        &mut self,
        checkpoint: &Checkpoint,
        branch: &Branch,
        evidence: &[Evidence],
        tainted: Tainted,
    ) -> Result<(), String> {
        let (at, finalized, verified) =
            (checkpoint.block.id.number, checkpoint.finalized, checkpoint.verified);
        let of_branch = |number: u64| branch.get(number as usize).map(|block| block.header.id);
        if verified.number > at {
            return Err(format!("verified {} is above the checkpoint {at}", verified.number));
        }
        // A checkpoint that a lie put on another branch is not what was proved.
        if of_branch(verified.number) != Some(verified) && !(tainted.logs && tainted.finality) {
            return Err(format!("verified block {} is not of our branch", verified.number));
        }
        if verified.number < self.verified {
            return Err(format!("verified went from {} to {}", self.verified, verified.number));
        }
        let before = self.finalized.unwrap_or(finalized);
        if finalized.number < before.number || (finalized.number == before.number && finalized != before) {
            return Err(format!("finalized went from {before:?} to {finalized:?}"));
        }
        if finalized.number <= at && of_branch(finalized.number) != Some(finalized) && !tainted.finality {
            return Err(format!("finalized block {} is not of our branch", finalized.number));
        }
        (self.finalized, self.verified) = (Some(finalized), verified.number);
        let mut above = None;
        for stretch in evidence {
            let (from, to) = (stretch.range.from, stretch.range.to);
            if above.is_some_and(|above| from <= above) || from > to || to > at {
                return Err(format!(
                    "evidence of blocks {from} to {to} overlaps, or is above the checkpoint"
                ));
            }
            if !(tainted.logs && tainted.finality)
                && to <= verified.number
                && stretch.method != Method::Quorum
                && of_branch(to) != Some(stretch.last())
            {
                return Err(format!("evidence up to block {to} is of another branch"));
            }
            above = Some(to);
        }
        Ok(())
    }
}

/// No row speaks of a block above the checkpoint.
///
/// # Errors
/// The row.
pub fn nothing_above(ours: &MemoryStore, at: u64) -> Result<(), String> {
    for table in asset_indexer::table::ALL.into_iter().filter(|table| table.is_append_only()) {
        let Some(place) = table.column("block_number") else { continue };
        let above = |value: &asset_indexer::row::Value| matches!(value, asset_indexer::row::Value::Int(number) if *number > at as i64);
        let found = ours.with_rows(table, |rows| {
            rows.values().find(|row| above(&row[place])).map(|row| spelled(table, row))
        });
        if let Some(row) = found {
            return Err(format!("{} has a row above the checkpoint {at}: {row}", table.name));
        }
    }
    Ok(())
}

fn rows<T: Table>(of: &MemoryStore) -> Vec<T> {
    of.with_rows(T::DEF, |rows| rows.values().filter_map(|row| T::from_row((**row).clone())).collect())
}

/// Whether a contract is still catching up, or is to begin with it: a reorg took the announcement of one that was
/// configured later, and the next step adds it anew.
pub fn is_catching_up(ours: &MemoryStore) -> bool {
    !behind(ours).is_empty()
}

fn behind(ours: &MemoryStore) -> Vec<Address> {
    let covered: HashMap<Address, bool> =
        rows::<Coverage>(ours).into_iter().map(|row| (row.address, row.through_block.is_none())).collect();
    let catching_up = covered.iter().filter(|(_, is_covered)| !**is_covered).map(|(address, _)| *address);
    let configured = rows::<ConfiguredContract>(ours).into_iter().map(|row| row.address);
    catching_up.chain(configured.filter(|address| !covered.contains_key(address))).collect()
}

/// How many contracts the tables hold as configured.
pub fn configured(ours: &MemoryStore) -> usize {
    rows::<ConfiguredContract>(ours).len()
}

/// Reading starts at or below each configured contract's first log, on whatever branch that is now.
///
/// # Errors
/// The contract that logged before.
pub fn starts(ours: &MemoryStore, branch: &Branch, tainted: Tainted) -> Result<(), String> {
    if tainted.code || tainted.finality {
        return Ok(());
    }
    let configured: Vec<Address> =
        rows::<ConfiguredContract>(ours).into_iter().map(|row| row.address).collect();
    for contract in rows::<Coverage>(ours).into_iter().filter(|row| configured.contains(&row.address)) {
        let logged = |block: &&Arc<Block>| block.logs.iter().any(|log| log.address == contract.address);
        let Some(first) = branch.iter().find(logged).map(|block| block.header.id.number) else { continue };
        if first < contract.from_block {
            let (address, start) = (contract.address, contract.from_block);
            return Err(format!("{address} logs at {first} and is read from {start} on"));
        }
    }
    Ok(())
}

/// What of late contracts' history is still to be proved: from which block on.
pub fn unproved_history(ours: &MemoryStore) -> HashMap<Address, u64> {
    let known: Vec<Address> = rows::<Coverage>(ours).into_iter().map(|row| row.address).collect();
    rows::<LateHistory>(ours)
        .into_iter()
        .filter(|row| row.next_block <= row.through_block && known.contains(&row.address))
        .map(|row| (row.address, row.next_block))
        .collect()
}

/// Every event that the tables call proved is the chain's, and none of the chain's is missing: `theirs` are the tables of
/// an honest index up to the last proved block.
///
/// # Errors
/// The event.
pub fn verified_events(
    ours: &MemoryStore,
    theirs: &MemoryStore,
    verified: u64,
    but_times: bool,
) -> Result<(), String> {
    let late = unproved_history(ours);
    let behind = behind(ours);
    // What is not read or not proved yet of a late contract may announce others: those are not missed before it is.
    let known: Vec<Address> = rows::<Coverage>(ours).into_iter().map(|row| row.address).collect();
    // Nor what a configuration names that the tables have not seen yet, or that a failover took from them.
    let all_are_known = late.is_empty() && behind.is_empty() && configured(ours) >= configured(theirs);
    let is_due = |address: &Address| all_are_known || known.contains(address);
    let is_proved = |event: &AssetEvent| {
        is_due(&event.address)
            && event.block_number <= verified
            && !behind.contains(&event.address)
            && late.get(&event.address).is_none_or(|from| event.block_number < *from)
    };
    let theirs_all: Vec<AssetEvent> = rows(theirs);
    let watched: Vec<Address> = rows::<Coverage>(theirs).into_iter().map(|row| row.address).collect();
    let key = |event: &AssetEvent| (event.block_number, event.log_index, event.part);
    let theirs: HashMap<_, _> = theirs_all.iter().map(|event| (key(event), event)).collect();
    let ours_all: Vec<AssetEvent> = rows(ours);
    let mut found = 0;
    for event in ours_all.iter().filter(|event| is_proved(event) && watched.contains(&event.address)) {
        match theirs.get(&key(event)) {
            Some(same) if *same == event => found += 1,
            Some(same)
                if but_times
                    && AssetEvent { block_timestamp: same.block_timestamp, ..event.clone() } == **same =>
            {
                found += 1;
            }
            Some(other) => {
                return Err(format!("a verified event is wrong: {event:?} should be {other:?}"));
            }
            None => return Err(format!("a verified event is not the chain's: {event:?}")),
        }
    }
    let expected = theirs_all.iter().filter(|event| is_proved(event)).count();
    if found != expected {
        let ours: Vec<_> = ours_all.iter().map(key).collect();
        let missing =
            theirs_all.iter().filter(|event| is_proved(event)).find(|event| !ours.contains(&key(event)));
        return Err(format!("a verified block lacks an event: {missing:?}"));
    }
    Ok(())
}

/// What the tables say of themselves.
///
/// # Errors
/// The store's.
pub async fn present(ours: &MemoryStore) -> Option<(Checkpoint, Vec<Evidence>)> {
    let checkpoint = ours.checkpoint().await.ok().flatten()?;
    Some((checkpoint, ours.evidence(ALL_BLOCKS).await.unwrap_or_default()))
}
