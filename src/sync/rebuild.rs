//! Derives every table anew from ground: an index of our own asset_events, with the same code that indexes a chain.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use alloy::primitives::Address;

use super::assemble::Found;
use super::configure::rows_of;
use super::ground::Ground;
use super::{Config, Proving, Sync, SyncError, push_rows};
use crate::block::{BlockRange, Header};
use crate::decode::Decoder;
use crate::decode::withhold::ClaimData;
use crate::row::Table;
use crate::source::Source;
use crate::store::{Cause, Checkpoint, Commit, Section, Store};
use crate::table::contract::{Contract as ContractRow, Coverage};
use crate::table::event::ConfiguredContract;
use crate::table::fold::Changes;

impl<S: Source, D: Store> Sync<S, D> {
    /// Derives all tables anew in one transaction, after ground was cut or mended as the cause says; a call or an input
    /// that ground does not hold is asked of this worker's node. Returns how many logs were folded.
    ///
    /// # Errors
    /// The node's and the database's; the tables are then what they were.
    pub(super) async fn refold(
        &mut self,
        cause: &Cause,
        checkpoint: &Checkpoint,
        headers: &[Header],
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<usize, SyncError> {
        let node = Some(self.source.clone());
        let events =
            fold_ground(node, &self.store, &self.decoder, &self.config, cause, checkpoint, headers, progress);
        let events = events.await?;
        self.forget();
        Ok(events)
    }
}

/// Derives all tables anew in one transaction, after ground was cut or mended as the cause says; returns how many logs
/// were folded.
///
/// # Errors
/// The database's, and that ground does not hold what the fold asks for; the tables are then what they were.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of a worker, which a command without a node has not whole"
)]
pub async fn fold_ground<S: Source, D: Store>(
    node: Option<Arc<S>>,
    store: &Arc<D>,
    decoder: &Arc<Decoder>,
    config: &Config,
    cause: &Cause,
    checkpoint: &Checkpoint,
    headers: &[Header],
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<usize, SyncError> {
    let mut read = what_is_read(&**store, config.chain_id, checkpoint).await?;
    if let Cause::Repair { add, .. } = cause {
        // A mend before, which did not come to its end, may have left them behind; here they come with all that they logged.
        for event in add {
            if let Some(row) = read.rows.get_mut(&event.address)
                && row.through_block.is_some_and(|through| event.block_number > through)
            {
                row.through_block = None;
            }
        }
    }
    store.begin_rebuild(cause).await?;
    let ground = Ground::new(node, store.clone(), config.chain_id);
    // Ground was proved, or not, when it was read. What it holds of claims is withheld on an operator's word alone.
    let claim_data = match cause {
        Cause::Rebuild => config.claim_data.clone(),
        Cause::Rewind(_) | Cause::Repair { .. } => ClaimData::default(),
    };
    // Where a raised floor would leave out what was read below it before.
    let floor_block = lowest_announced(&**store, config.chain_id, &read).await?;
    let floor_block = floor_block.map_or(config.floor_block, |lowest| lowest.min(config.floor_block));
    read.is_raised = floor_block < config.floor_block;
    let config = Config { proving: Proving::Off, claim_data, floor_block, ..config.clone() };
    let mut sync = Sync::new(Arc::new(ground), store.clone(), decoder.clone(), config);
    match sync.rebuild(checkpoint, headers, &read, progress).await {
        Ok(events) => {
            store.finish_rebuild(cause).await?;
            Ok(events)
        }
        Err(error) => {
            store.abort_rebuild().await;
            Err(error)
        }
    }
}

/// What has been read of each contract.
struct Read {
    rows: HashMap<Address, Coverage>,
    /// Whether some was read from below the floor of now.
    is_raised: bool,
}

/// What has been read now, as of a checkpoint that may be below the present one. A rebuild begins where reading began,
/// and leaves behind who is catching up: ground holds their logs only so far.
async fn what_is_read<D: Store>(
    store: &D,
    chain_id: u64,
    checkpoint: &Checkpoint,
) -> Result<Read, SyncError> {
    let rows: Vec<Coverage> = rows_of(store, chain_id).await?;
    let at = checkpoint.block.id.number;
    let clipped = |row: Coverage| {
        let through_block = row.through_block.map(|through| through.min(at));
        (row.address, Coverage { through_block, ..row })
    };
    Ok(Read { rows: rows.into_iter().map(clipped).collect(), is_raised: false })
}

/// The first block that was read of any contract that the chain announced.
async fn lowest_announced<D: Store>(store: &D, chain_id: u64, read: &Read) -> Result<Option<u64>, SyncError> {
    let configured: Vec<ConfiguredContract> = rows_of(store, chain_id).await?;
    let configured: HashSet<Address> = configured.into_iter().map(|row| row.address).collect();
    let announced = read.rows.values().filter(|row| !configured.contains(&row.address));
    Ok(announced.map(|row| row.from_block).min())
}

/// Contracts that are behind stay so; and where the floor was raised, who was found since then is read from there on, though
/// others were read from below.
fn stay_behind(changes: &mut Changes, read: &Read) {
    for (table, rows) in &mut changes.upserts {
        if *table != Coverage::DEF {
            continue;
        }
        for row in rows {
            let Some(derived) = Coverage::from_row(row.clone()) else { continue };
            let Some(known) = read.rows.get(&derived.address) else { continue };
            let from_block =
                if read.is_raised { derived.from_block.max(known.from_block) } else { derived.from_block };
            *row = Coverage { from_block, through_block: known.through_block, ..derived }.into_row();
        }
    }
}

impl<S: Source, D: Store> Sync<Ground<S, D>, D> {
    /// Every contract, also one that is behind: ground holds what was read of it.
    fn all_contracts(&self) -> Vec<Address> {
        let mut all: Vec<Address> =
            self.known.as_ref().map(|known| known.roles.keys().copied().collect()).unwrap_or_default();
        all.sort_unstable();
        all
    }

    /// Folds all of ground, up to the checkpoint, into tables that the store has emptied; `progress` is told each block
    /// reached; returns how many logs were folded. What is above finality is journalled again, block by block, so that a later reorg can take it back.
    ///
    /// # Errors
    /// The database's; or that ground does not hold what the fold asks for.
    async fn rebuild(
        &mut self,
        checkpoint: &Checkpoint,
        headers: &[Header],
        read: &Read,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<usize, SyncError> {
        let mut first = self.rebuild_contracts(checkpoint, read).await?;
        self.learn(checkpoint).await?;
        let at = checkpoint.block.id.number;
        let final_top = at.min(checkpoint.finalized.number);
        let mut events = 0;
        while first <= final_top {
            let to = final_top.min(first.saturating_add(self.range_blocks - 1));
            let range = BlockRange { from: first, to };
            let logs = self.source.logs_in_range(range, &self.all_contracts()).await?;
            let assembled = self.assemble_range(range, logs, &[]).await?;
            self.range_blocks = self.blocks_after(range, assembled.entries.len());
            events += assembled.entries.len();
            let mut changes = self.fold(&assembled).await?;
            stay_behind(&mut changes, read);
            self.write_rebuilt(checkpoint, None, changes).await?;
            self.adopt(checkpoint.block.id, &assembled.found);
            events += self.rebuild_behind(checkpoint, assembled.found, to, read).await?;
            progress(to);
            first = to + 1;
        }
        for header in headers {
            if header.id.number <= final_top || header.id.number > at {
                continue;
            }
            let logs = self.source.logs_of_block(header.id).await?;
            let watched = self.all_contracts().into_iter().collect();
            let assembled = self
                .assemble_block(*header, checkpoint.finalized, &logs, watched, Default::default(), &[])
                .await?;
            events += assembled.entries.len();
            let mut changes = self.fold(&assembled).await?;
            stay_behind(&mut changes, read);
            self.write_rebuilt(checkpoint, Some(header.id.number), changes).await?;
            self.adopt(checkpoint.block.id, &assembled.found);
            progress(header.id.number);
        }
        Ok(events)
    }

    /// The older logs of contracts that a range found, up to its end, in stretches, where they are more than a step should hold.
    async fn rebuild_behind(
        &mut self,
        checkpoint: &Checkpoint,
        mut found: BTreeMap<Address, Found>,
        goal: u64,
        read: &Read,
    ) -> Result<usize, SyncError> {
        found.retain(|_, found| found.is_behind);
        if found.is_empty() {
            return Ok(0);
        }
        let through = |(address, found): (&Address, &Found)| Some((*address, found.read_through()?));
        let mut behind: HashMap<Address, u64> = found.iter().filter_map(through).collect();
        let mut events = 0;
        while let Some(from) = behind.values().min().map(|through| through + 1).filter(|from| *from <= goal) {
            let (to, assembled) = Box::pin(self.read_stretch(&behind, from, goal, &[])).await?;
            self.behind_blocks = self.blocks_after(BlockRange { from, to }, assembled.entries.len());
            events += assembled.entries.len();
            let mut changes = self.fold(&assembled).await?;
            stay_behind(&mut changes, read);
            self.write_rebuilt(checkpoint, None, changes).await?;
            self.adopt(checkpoint.block.id, &assembled.found);
            behind.values_mut().for_each(|through| *through = to.max(*through));
            behind.extend(assembled.found.iter().map(|(a, found)| (*a, found.read_through().unwrap_or(to))));
            found.extend(assembled.found.into_iter().filter(|(_, found)| found.is_behind));
        }
        found.values_mut().for_each(|found| found.is_behind = false);
        let mut changes = Changes::default();
        self.cover(&mut changes, &found, None);
        stay_behind(&mut changes, read);
        self.write_rebuilt(checkpoint, None, changes).await?;
        Ok(events)
    }

    async fn write_rebuilt(
        &self,
        checkpoint: &Checkpoint,
        undo_block: Option<u64>,
        changes: Changes,
    ) -> Result<(), SyncError> {
        let commit = Commit {
            expected: checkpoint.block.id,
            next: checkpoint.block,
            finalized: checkpoint.finalized,
            sections: vec![Section { undo_block, changes }],
            evidence: Vec::new(),
        };
        Ok(self.store.commit(&commit).await?)
    }

    /// The configured contracts as ground holds them; returns the first block to read.
    async fn rebuild_contracts(&mut self, checkpoint: &Checkpoint, read: &Read) -> Result<u64, SyncError> {
        let configured: Vec<ConfiguredContract> = self.rows().await?;
        let coverage = |row: &ConfiguredContract| {
            read.rows.get(&row.address).cloned().unwrap_or_else(|| Coverage {
                chain_id: row.chain_id,
                address: row.address,
                from_block: row.opening_block.map_or(0, |opening| opening.saturating_add(1)),
                through_block: None,
            })
        };
        let first = configured.iter().map(|row| coverage(row).from_block).min().unwrap_or(0);
        let openings = configured.iter().filter_map(super::configure::opening_of).collect::<Vec<_>>();
        self.settings = Some(self.settings_of(openings.into_iter()));
        let mut changes = Changes::default();
        push_rows(
            &mut changes,
            false,
            configured.iter().map(|row| ContractRow::configured(row.chain_id, row.address, row.role.clone())),
        );
        push_rows(&mut changes, false, configured.iter().map(coverage));
        self.write_rebuilt(checkpoint, None, changes).await?;
        self.configured = true;
        self.known = None;
        Ok(first)
    }
}
