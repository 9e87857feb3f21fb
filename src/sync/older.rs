//! The logs that contracts had before the step that finds them: read within it, or, where they are more than a step should
//! hold, left to catching up, in stretches.
//!
//! Every row belongs to the contract that caused it, so that the one comes to the same as the other. What is read later leaves no
//! undo journal: who is found above finality, and may go with its block, catches up once that is final.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy::primitives::Address;

use super::assemble::{Assembled, Assembly, Found};
use super::{Proving, Sync, SyncError};
use crate::block::{BlockId, BlockRange, RawLog};
use crate::mutant::{Mutant, is};
use crate::source::Source;
use crate::store::Store;

/// So often large ones are told from the others, which costs a list each time; then all that are left are too many.
const ROUNDS_MAX: u32 = 3;

impl Found {
    /// The last block that is read of it, as coverage says it; none where the checkpoint speaks for it.
    pub(super) fn read_through(&self) -> Option<u64> {
        let is_left = self.is_behind && !is(Mutant::BehindCovered);
        is_left.then(|| self.from_block.saturating_sub(1))
    }
}

impl Assembled {
    /// Whether older logs of a contract are left for later.
    pub(super) fn leaves_behind(&self) -> bool {
        self.found.values().any(|found| found.is_behind)
    }
}

impl Assembly {
    /// Leaves what these contracts logged before for later.
    fn leave_behind(&mut self, contracts: &BTreeSet<Address>) {
        for address in contracts {
            if let Some(found) = self.found.get_mut(address) {
                found.is_behind = true;
            }
        }
    }
}

impl<S: Source, D: Store> Sync<S, D> {
    /// The logs of contracts that were found, from before the step that finds them; none of those that are left for later.
    pub(super) async fn older_logs(
        &self,
        assembly: &mut Assembly,
        since: BlockRange,
        mut contracts: Vec<Address>,
        held: &[BlockId],
    ) -> Result<Vec<RawLog>, SyncError> {
        let mut rounds = 0;
        while let Some(most) = assembly.older_max
            && !contracts.is_empty()
        {
            rounds += 1;
            let logs = self.source.logs_up_to(since, &contracts, most).await?;
            if logs.len() <= most {
                if self.config.proving != Proving::BeforeCommit {
                    return Ok(logs);
                }
                // That they are few is the node's word; what they are is proved.
                break;
            }
            let mut left = too_many(&logs, most);
            if left.is_empty() || rounds == ROUNDS_MAX {
                assembly.is_crowded = true;
                left = contracts.iter().copied().collect();
            }
            contracts.retain(|address| !left.contains(address));
            assembly.leave_behind(&left);
        }
        self.range_logs(since, &contracts, held).await
    }

    /// One that goes on from contracts found before, and leaves logs for later where they are too many.
    pub(super) fn assembly(&self, found: BTreeMap<Address, Found>) -> Assembly {
        Assembly::with(found, Some(self.config.older_logs_max))
    }

    /// Contracts that an operator should know of: they are in the tables, and not all that they logged.
    pub(super) fn tell_of_behind(&self, found: &BTreeMap<Address, Found>) {
        let behind: Vec<&Address> =
            found.iter().filter(|(_, found)| found.is_behind).map(|(address, _)| address).collect();
        if let Some(first) = behind.first() {
            tracing::info!(%first, contracts = behind.len(), most = self.config.older_logs_max,
                "contracts were found with more older logs than a step should hold: they catch up");
        }
    }
}

/// The contracts that have a large part of logs that are too many together; none where each has few.
fn too_many(logs: &[RawLog], most: usize) -> BTreeSet<Address> {
    let mut counts: HashMap<Address, usize> = HashMap::new();
    for log in logs {
        *counts.entry(log.address).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > most / 4).map(|(address, _)| address).collect()
}
