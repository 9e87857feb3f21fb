//! Proves indexed blocks anew and compares them with ground; changes nothing.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};

use super::reread::compare_logs;
use super::{Comparison, Sync, SyncError};
use crate::block::{BlockRange, RawLog};
use crate::source::Source;
use crate::store::{Evidence, Store};
use crate::table::contract::Coverage;

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
        let theirs = self.since_their_starts(proved.logs).await?;
        let ours = self.store.ground_logs(range, None).await?;
        let ours = ours.into_iter().filter(|log| is_ours(&log.address)).collect();
        Ok(Audited { comparison: compare_logs(ours, theirs), evidence: proved.evidence })
    }

    /// Compares ground with what this provider lists for a range of indexed blocks, without proof.
    ///
    /// # Errors
    /// The node's and the database's.
    pub async fn list_again(&mut self, range: BlockRange) -> Result<Comparison, SyncError> {
        let Some(checkpoint) = self.store.checkpoint().await? else { return Ok(Comparison::default()) };
        self.learn(&checkpoint).await?;
        let theirs = self.source.logs_in_range(range, &self.watched()).await?;
        let theirs = self.since_their_starts(theirs).await?;
        Ok(compare_logs(self.store.ground_logs(range, None).await?, theirs))
    }

    /// Without what contracts logged before their first block that is read: a node lists and proves that too, and it is
    /// not in the tables on purpose.
    pub(super) async fn since_their_starts(&self, mut logs: Vec<RawLog>) -> Result<Vec<RawLog>, SyncError> {
        let rows: Vec<Coverage> = self.rows().await?;
        let starts: BTreeMap<Address, u64> =
            rows.into_iter().map(|row| (row.address, row.from_block)).collect();
        logs.retain(|log| starts.get(&log.address).is_none_or(|from| log.block.number >= *from));
        Ok(logs)
    }
}
