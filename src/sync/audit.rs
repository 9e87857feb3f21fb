//! Proves indexed blocks anew and compares them with ground; changes nothing.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};

use super::reread::compare_logs;
use super::{Comparison, Sync, SyncError};
use crate::block::BlockRange;
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
        let starts = self.starts().await?;
        let watched = self.watched();
        let is_ours = |address: &Address| watched.binary_search(address).is_ok();
        let mut theirs = proved.logs;
        theirs.retain(|log| starts.get(&log.address).is_none_or(|from| log.block.number >= *from));
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
        let starts = self.starts().await?;
        let mut theirs = self.source.logs_in_range(range, &self.watched()).await?;
        theirs.retain(|log| starts.get(&log.address).is_none_or(|from| log.block.number >= *from));
        Ok(compare_logs(self.store.ground_logs(range, None).await?, theirs))
    }

    /// The first block of every watched contract that is in the tables.
    pub(super) async fn starts(&self) -> Result<BTreeMap<Address, u64>, SyncError> {
        let rows: Vec<Coverage> = self.rows().await?;
        Ok(rows.into_iter().map(|row| (row.address, row.from_block)).collect())
    }
}
