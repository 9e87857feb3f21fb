//! Proves indexed blocks anew and compares them with ground; changes nothing.

use std::collections::{BTreeMap, HashSet};

use alloy::primitives::{Address, B256};

use super::{Comparison, Sync, SyncError};
use crate::block::{BlockRange, Position, RawLog};
use crate::source::Source;
use crate::store::{Evidence, Store};
use crate::table::contract::Coverage;
use crate::table::event::ConfiguredContract;

/// What proving a range anew brought to light.
#[derive(Debug, Default)]
pub struct Audited {
    /// Where what is proved and ground differ.
    pub comparison: Comparison,
    /// How it is proved, in the order of blocks; stretches hang together by hashes.
    pub evidence: Vec<Evidence>,
}

impl Audited {
    /// Hash of the block below the range.
    pub fn parent(&self) -> Option<B256> {
        self.evidence.first().map(|stretch| stretch.parent)
    }

    /// Hash of the range's last block.
    pub fn hash(&self) -> Option<B256> {
        self.evidence.last().map(|stretch| stretch.hash)
    }
}

impl<S: Source, D: Store> Sync<S, D> {
    /// Proves a range of indexed blocks anew, against this provider's chain, and compares its logs with ground.
    ///
    /// # Errors
    /// The node's and the database's; [`SyncError::Unprovable`] and [`SyncError::Disproved`] where there is no proof.
    pub async fn audit(&mut self, range: BlockRange) -> Result<Audited, SyncError> {
        let Some(checkpoint) = self.store.checkpoint().await? else { return Ok(Audited::default()) };
        self.learn(&checkpoint).await?;
        let proved = self.prove_range(range, &self.watched().into_iter().collect()).await?;
        let watched = self.watched();
        let is_ours = |address: &Address| watched.binary_search(address).is_ok();
        let ours = self.store.ground_logs(range, None).await?;
        let ours: Vec<RawLog> = ours.into_iter().filter(|log| is_ours(&log.address)).collect();
        let theirs = self.since_their_starts(proved.logs, &ours).await?;
        Ok(Audited { comparison: self.compare_logs(ours, theirs), evidence: proved.evidence })
    }

    /// Compares ground with what this provider lists for a range of indexed blocks, without proof.
    ///
    /// # Errors
    /// The node's and the database's.
    pub async fn list_again(&mut self, range: BlockRange) -> Result<Comparison, SyncError> {
        let Some(checkpoint) = self.store.checkpoint().await? else { return Ok(Comparison::default()) };
        self.learn(&checkpoint).await?;
        let theirs = self.source.logs_in_range(range, &self.watched()).await?;
        let mut ours = self.store.ground_logs(range, None).await?;
        // Of who is behind the tables hold a part, and the node was not asked.
        let is_behind =
            |log: &RawLog| self.known.as_ref().is_some_and(|k| k.catching_up.contains_key(&log.address));
        ours.retain(|log| !is_behind(log));
        let theirs = self.since_their_starts(theirs, &ours).await?;
        Ok(self.compare_logs(ours, theirs))
    }

    /// Without what contracts logged before their first block that is read and that is not in `ours`: a node lists and
    /// proves that too, and it is not in the tables on purpose. What is there stays: a reorg may have moved a deployment
    /// below the start that was found for it.
    ///
    /// Where reading starts at a deployment that a node told us of, nothing is left out on purpose: an earlier log shows
    /// that the node was wrong.
    pub(super) async fn since_their_starts(
        &self,
        mut logs: Vec<RawLog>,
        ours: &[RawLog],
    ) -> Result<Vec<RawLog>, SyncError> {
        let held: HashSet<Position> = ours.iter().map(RawLog::position).collect();
        let rows: Vec<Coverage> = self.rows().await?;
        let mut starts: BTreeMap<Address, u64> =
            rows.into_iter().map(|row| (row.address, row.from_block)).collect();
        for contract in self.rows::<ConfiguredContract>().await? {
            if let Some(start) =
                starts.get_mut(&contract.address).filter(|_| contract.opening_block.is_none())
            {
                *start = (*start).min(self.config.floor_block);
            }
        }
        let is_read = |log: &RawLog| starts.get(&log.address).is_none_or(|from| log.block.number >= *from);
        logs.retain(|log| is_read(log) || held.contains(&log.position()));
        Ok(logs)
    }
}
