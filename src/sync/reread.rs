//! Reads indexed blocks again and compares them with what is stored: `backfill` over what is there.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use serde::Serialize;

use super::{Sync, SyncError};
use crate::block::{BlockRange, Position, RawLog};
use crate::fact::{Entry, Role};
use crate::source::Source;
use crate::store::Store;
use crate::table::contract::Coverage;
use crate::table::event::AssetEvent;

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
    /// The events to put into the tables.
    pub add: Vec<AssetEvent>,
    /// The events to take out of them.
    pub remove: Vec<Position>,
}

impl<S: Source, D: Store> Sync<S, D> {
    /// Compares a range of indexed blocks with the node; changes nothing.
    ///
    /// # Errors
    /// The node's and the database's.
    pub async fn compare(&mut self, range: BlockRange) -> Result<Comparison, SyncError> {
        let Some(checkpoint) = self.store.checkpoint().await? else { return Ok(Comparison::default()) };
        if !self.configured {
            self.configure(&checkpoint).await?;
        }
        self.learn(&checkpoint).await?;
        let starts: BTreeMap<Address, u64> =
            self.rows::<Coverage>().await?.into_iter().map(|row| (row.address, row.from_block)).collect();
        let mut theirs = self.source.logs_in_range(range, &self.watched()).await?;
        theirs.retain(|log| starts.get(&log.address).is_none_or(|from| log.block.number >= *from));
        let ours = self.store.ground_logs(range, None).await?;
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
        let mut add = Vec::new();
        for (place, log) in &theirs {
            match ours.get(place) {
                None => {
                    comparison.differences.push(difference("missing", log));
                    add.push(log.clone());
                }
                Some(stored) if !same_log(stored, log) => {
                    comparison.differences.push(difference("different", log));
                    comparison.remove.push(*place);
                    add.push(log.clone());
                }
                Some(_) => {}
            }
        }
        for (place, log) in ours.iter().filter(|(place, _)| !theirs.contains_key(place)) {
            comparison.differences.push(difference("extra", log));
            comparison.remove.push(*place);
        }
        comparison.differences.sort_by_key(|difference| (difference.block, difference.log_index));
        let entries = self.entries_to_add(range, add).await?;
        comparison.add = entries.iter().map(|entry| AssetEvent::of(self.config.chain_id, entry)).collect();
        Ok(comparison)
    }

    /// The missing logs, and those of every contract that they announce.
    async fn entries_to_add(&self, range: BlockRange, logs: Vec<RawLog>) -> Result<Vec<Entry>, SyncError> {
        if logs.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.assemble_range(range, logs).await?.entries)
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

    /// How many contracts are watched, and how many of them are catching up.
    pub fn contract_counts(&self) -> (usize, usize) {
        self.known.as_ref().map_or((0, 0), |known| (known.roles.len(), known.catching_up.len()))
    }
}

/// Whether two readings are of the same log; where one lacks the block's time, the rest decides.
fn same_log(one: &RawLog, other: &RawLog) -> bool {
    let timestamp = one.timestamp.or(other.timestamp);
    RawLog { timestamp, ..one.clone() }
        == RawLog { timestamp: other.timestamp.or(timestamp), ..other.clone() }
}
