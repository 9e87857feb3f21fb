//! Reads indexed blocks again and compares them with what is stored: `backfill` over what is there.

use std::collections::{BTreeMap, HashSet};

use alloy::primitives::{Address, U256};
use serde::Serialize;

use super::assemble::{Assembly, claim_ends};
use super::{Assembled, Known, Sync, SyncError};
use crate::block::{BlockRange, Position, RawLog};
use crate::decode::withhold::withhold;
use crate::fact::{Entry, Role};
use crate::proof;
use crate::source::Source;
use crate::store::{Checkpoint, Store};
use crate::table::event::AssetEvent;

/// Blocks of ground that are looked through at once.
const BLOCKS_AT_ONCE: u64 = 2_000;

/// A log on which node and tables disagree.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Difference {
    /// `missing` in the tables, `extra` in them, or `different`.
    pub kind: &'static str,
    /// Height of the block.
    pub block: u64,
    /// Index of the log in its block.
    pub log_index: u32,
    /// The contract.
    pub address: Address,
}

/// What comparing a range brought to light.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Logs compared.
    pub logs: usize,
    /// Where node and tables disagree, in chain order.
    pub differences: Vec<Difference>,
    /// Logs that the tables lack, or hold otherwise.
    pub missing: Vec<RawLog>,
    /// The events to put into the tables, where they were asked for: the missing logs, and those of every contract that they
    /// announce.
    pub add: Vec<AssetEvent>,
    /// The events to take out of them.
    pub remove: Vec<Position>,
}

impl<S: Source, D: Store> Sync<S, D> {
    /// Compares a range of indexed blocks with the node; changes nothing. What would mend it is looked for where `mends`: of a
    /// contract that a missing log announces that is the whole history.
    ///
    /// # Errors
    /// The node's and the database's.
    pub async fn compare(&mut self, range: BlockRange, mends: bool) -> Result<Comparison, SyncError> {
        let Some(checkpoint) = self.store.checkpoint().await? else { return Ok(Comparison::default()) };
        if !self.configured {
            self.configure(&checkpoint).await?;
        }
        // A node that does not have our checkpoint lists less than there is, or what another chain holds.
        self.refuse_moved(&[checkpoint.block.id]).await?;
        let mut comparison = self.list_again(range).await?;
        let missing = std::mem::take(&mut comparison.missing);
        if !mends {
            // The lists were of our checkpoint's chain to the end.
            self.refuse_moved(&[checkpoint.block.id]).await?;
            return Ok(comparison);
        }
        let (whole, removed) = (Assembly::default(), &comparison.remove);
        let found = self.assemble_additions(whole, &checkpoint, range.from, missing, removed).await?;
        comparison.add =
            found.entries.iter().map(|entry| AssetEvent::of(self.config.chain_id, entry)).collect();
        Ok(comparison)
    }

    /// The missing logs, and those of every contract that they announce, up to the checkpoint. A log of such
    /// a contract in a place that another log has is left out: one of
    /// the two is wrong, and the sweep proves which.
    pub(super) async fn assemble_additions(
        &self,
        assembly: Assembly,
        checkpoint: &Checkpoint,
        from: u64,
        missing: Vec<RawLog>,
        removed: &[Position],
    ) -> Result<Assembled, SyncError> {
        let known: HashSet<Position> =
            missing.iter().map(RawLog::position).chain(removed.iter().copied()).collect();
        let held = [checkpoint.block.id];
        let Some(last) = missing.last().map(|log| log.block.number) else {
            // That nothing is missing was told by the same lists.
            self.refuse_moved(&held).await?;
            return Ok(Assembled::default());
        };
        let at = checkpoint.block.id.number;
        let to = checkpoint.finalized.number.min(at).max(last);
        let mut assembled =
            self.assemble_below(assembly, BlockRange { from, to }, missing, at + 1, &held).await?;
        let is_late = |entry: &Entry| !known.contains(&entry.log.position());
        let late: Vec<u64> = assembled
            .entries
            .iter()
            .filter(|entry| is_late(entry))
            .map(|entry| entry.log.block.number)
            .collect();
        if let (Some(first), Some(last)) = (late.first(), late.last()) {
            let taken = self.taken(BlockRange { from: *first, to: *last }).await?;
            assembled.entries.retain(|entry| !is_late(entry) || !taken.contains(&entry.log.position()));
        }
        Ok(assembled)
    }

    /// The places that ground holds a log for.
    async fn taken(&self, range: BlockRange) -> Result<HashSet<Position>, SyncError> {
        let mut taken = HashSet::new();
        let mut from = range.from;
        while from <= range.to {
            let to = range.to.min(from.saturating_add(BLOCKS_AT_ONCE - 1));
            let logs = self.store.ground_logs(BlockRange { from, to }, None).await?;
            taken.extend(logs.iter().map(RawLog::position));
            from = to + 1;
        }
        Ok(taken)
    }

    /// The watched contracts and what they are.
    ///
    /// # Errors
    /// The database's.
    pub async fn watched_roles(&mut self) -> Result<Vec<(Address, Role)>, SyncError> {
        let Some(checkpoint) = self.store.checkpoint().await? else { return Ok(Vec::new()) };
        self.learn(&checkpoint).await?;
        let known = self.known.as_ref();
        Ok(known.map(|known| known.roles.iter().map(|(a, r)| (*a, *r)).collect()).unwrap_or_default())
    }

    /// Compares logs of the tables with those that should be there.
    pub(super) fn compare_logs(&self, ours: Vec<RawLog>, theirs: Vec<RawLog>) -> Comparison {
        compare_logs(ours, theirs, &self.config.claim_expiry)
    }

    /// Whether any contract is catching up; none where that is to be learnt by the next step.
    pub fn catches_up(&self) -> Option<bool> {
        self.known.as_ref().map(|known| !known.catching_up.is_empty())
    }

    /// Whether a contract is catching up that was configured; who is behind by the chain's word may be anybody's.
    pub fn catches_up_as_told(&self) -> bool {
        let is_told =
            |known: &Known| known.catching_up.keys().any(|address| !known.announced.contains_key(address));
        self.known.as_ref().is_some_and(is_told)
    }

    /// How many contracts are watched, and how many of them are catching up.
    pub fn contract_counts(&self) -> (usize, usize) {
        self.known.as_ref().map_or((0, 0), |known| (known.roles.len(), known.catching_up.len()))
    }
}

/// Of a log whose claim is withheld in `ours`, what is left of the other is compared.
fn compare_logs(ours: Vec<RawLog>, theirs: Vec<RawLog>, ends: &BTreeMap<U256, usize>) -> Comparison {
    let is_same = |stored: &RawLog, log: &RawLog| {
        let left = stored.withheld.and_then(|how| withhold(log, |_| Some(how), claim_ends(ends)));
        stored.same_as(left.as_ref().unwrap_or(log))
    };
    let by_place = |logs: Vec<RawLog>| -> BTreeMap<Position, RawLog> {
        logs.into_iter().map(|log| (log.position(), log)).collect()
    };
    let (ours, theirs) = (by_place(ours), by_place(theirs));
    let mut comparison = Comparison { logs: theirs.len(), ..Comparison::default() };
    let difference = |kind, log: &RawLog| Difference {
        kind,
        block: log.block.number,
        log_index: log.log_index,
        address: log.address,
    };
    for (place, log) in &theirs {
        match ours.get(place) {
            None => {
                comparison.differences.push(difference("missing", log));
                comparison.missing.push(log.clone());
            }
            Some(stored) if !is_same(stored, log) => {
                comparison.differences.push(difference("different", log));
                comparison.remove.push(*place);
                comparison.missing.push(log.clone());
            }
            Some(_) => {}
        }
    }
    // Of what is beside the root nothing proves that it is not there.
    let is_extra = |log: &RawLog| !theirs.contains_key(&log.position()) && !proof::beside::is_beside(log);
    for (place, log) in ours.iter().filter(|(_, log)| is_extra(log)) {
        comparison.differences.push(difference("extra", log));
        comparison.remove.push(*place);
    }
    comparison.differences.sort_by_key(|difference| (difference.block, difference.log_index));
    comparison
}
