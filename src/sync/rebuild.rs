//! Derives every table anew from ground: an index of our own asset_events, with the same code that indexes a chain.

use std::collections::HashMap;
use std::sync::Arc;

use alloy::primitives::Address;

use super::configure::rows_of;
use super::{Config, Proving, Sync, SyncError, push_rows};
use crate::block::{BlockId, BlockRange, Header, RawLog, Receipt, Sealed, Transaction};
use crate::decode::Decoder;
use crate::decode::withhold::ClaimData;
use crate::row::{Field, Row, Table};
use crate::source::{CallAnswer, CallRequest, Source, SourceError, View};
use crate::store::{Cause, Checkpoint, Commit, Section, Store, StoreError};
use crate::table::contract::{Contract as ContractRow, Coverage};
use crate::table::event::{ConfiguredContract, Observation, TransactionInput};
use crate::table::fold::{Changes, Load};

/// Blocks whose inputs are asked of the node at once. Few: the transaction of a rebuild ends when it is silent for 20 s, and of
/// so few blocks a provider that does not answer is left before that.
const BLOCKS_AT_ONCE: usize = 5;

/// Ground as a source: logs come from the tables; a call or an input that ground does not hold comes from a node, where
/// there is one.
#[derive(Debug)]
pub struct Ground<S, D> {
    node: Option<Arc<S>>,
    store: Arc<D>,
    chain_id: u64,
}

impl<S: Source, D: Store> Ground<S, D> {
    /// Over a store; without a node it works offline.
    pub fn new(node: Option<Arc<S>>, store: Arc<D>, chain_id: u64) -> Self {
        Self { node, store, chain_id }
    }

    fn not_kept(method: &'static str) -> SourceError {
        SourceError::Refused {
            provider: "ground".to_owned(),
            method,
            reason: "the tables do not hold this answer; run with an RPC URL, so that it can be asked"
                .to_owned(),
        }
    }

    fn unreadable(method: &'static str, error: &StoreError) -> SourceError {
        SourceError::Unavailable { provider: "ground".to_owned(), method, reason: error.to_string() }
    }

    async fn logs(
        &self,
        range: BlockRange,
        addresses: Option<&[Address]>,
    ) -> Result<Vec<RawLog>, SourceError> {
        let logs = self.store.ground_logs(range, addresses).await;
        logs.map_err(|error| Self::unreadable("asset_events", &error))
    }

    /// Rows of ground that the rebuild set aside.
    async fn kept<T: Table>(&self, columns: Vec<usize>, keys: Vec<Row>) -> Result<Vec<T>, SourceError> {
        let rows = self.store.kept(&Load { table: T::DEF, columns, keys }).await;
        let rows = rows.map_err(|error| Self::unreadable(T::DEF.name, &error))?;
        let typed: Option<Vec<T>> = rows.into_iter().map(T::from_row).collect();
        typed.ok_or_else(|| Self::unreadable(T::DEF.name, &StoreError::misfit(T::DEF)))
    }

    async fn kept_answers(
        &self,
        requests: &[CallRequest],
    ) -> Result<HashMap<CallRequest, CallAnswer>, SourceError> {
        let key = |request: &CallRequest| {
            let (block, input) = (request.block.number, &request.input);
            vec![self.chain_id.to_value(), block.to_value(), request.target.to_value(), input.to_value()]
        };
        let kept: Vec<Observation> = self.kept(vec![0, 1, 2, 3], requests.iter().map(key).collect()).await?;
        let answered = kept.into_iter().map(|row| {
            let block = BlockId { number: row.block_number, hash: row.block_hash };
            let answer = match (row.outcome.as_str(), row.output) {
                ("returned", Some(output)) => CallAnswer::Returned(output),
                ("unavailable", _) => CallAnswer::StateUnavailable,
                _ => CallAnswer::Reverted,
            };
            (CallRequest { block, target: row.target, input: row.input }, answer)
        });
        Ok(answered.collect())
    }

    /// The transactions of these blocks that were once asked for, by height.
    async fn kept_inputs(
        &self,
        wanted: &[(BlockId, Vec<u32>)],
    ) -> Result<HashMap<u64, Vec<Transaction>>, SourceError> {
        let key = |block: &BlockId| vec![self.chain_id.to_value(), block.number.to_value()];
        let keys = wanted.iter().map(|(block, _)| key(block)).collect();
        let kept: Vec<TransactionInput> = self.kept(vec![0, 1], keys).await?;
        let blocks: HashMap<u64, BlockId> = wanted.iter().map(|(block, _)| (block.number, *block)).collect();
        let mut found: HashMap<u64, Vec<Transaction>> = HashMap::new();
        for row in kept {
            let Some(block) = blocks.get(&row.block_number) else { continue };
            found.entry(row.block_number).or_default().push(Transaction {
                block: *block,
                hash: row.transaction_hash,
                index: row.transaction_index,
                from: row.from_address,
                to: row.to_address,
                input: row.input,
            });
        }
        Ok(found)
    }

    /// The transactions of a few blocks: those that are kept, and of the node what is not.
    async fn some_transactions(
        &self,
        wanted: &[(BlockId, Vec<u32>)],
    ) -> Result<Vec<Vec<Transaction>>, SourceError> {
        let mut kept = self.kept_inputs(wanted).await?;
        let mut found = Vec::with_capacity(wanted.len());
        let mut asked = Vec::new();
        for (block, places) in wanted {
            let kept = kept.remove(&block.number).unwrap_or_default();
            let has = |place: &u32| kept.iter().any(|transaction| transaction.index == *place);
            let has_all = places.iter().all(has);
            if !has_all {
                asked.push((*block, places.clone()));
            }
            found.push(has_all.then_some(kept));
        }
        let answers = match &self.node {
            _ if asked.is_empty() => Vec::new(),
            Some(node) => node.transactions_at(&asked).await?,
            None => return Err(Self::not_kept("transactions")),
        };
        let mut answers = answers.into_iter();
        Ok(found.into_iter().map(|kept| kept.or_else(|| answers.next()).unwrap_or_default()).collect())
    }
}

impl<S: Source, D: Store> Source for Ground<S, D> {
    async fn chain_id(&self) -> Result<u64, SourceError> {
        Ok(self.chain_id)
    }

    async fn view(&self) -> Result<View, SourceError> {
        Err(Self::not_kept("view"))
    }

    async fn header(&self, _: u64) -> Result<Option<Header>, SourceError> {
        Err(Self::not_kept("header"))
    }

    async fn headers(&self, numbers: &[u64]) -> Result<Vec<Header>, SourceError> {
        if numbers.is_empty() { Ok(Vec::new()) } else { Err(Self::not_kept("headers")) }
    }

    async fn logs_of_block(&self, block: BlockId) -> Result<Vec<RawLog>, SourceError> {
        self.logs(BlockRange { from: block.number, to: block.number }, None).await
    }

    async fn logs_in_range(
        &self,
        range: BlockRange,
        addresses: &[Address],
    ) -> Result<Vec<RawLog>, SourceError> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        self.logs(range, Some(addresses)).await
    }

    async fn calls(&self, requests: &[CallRequest]) -> Result<Vec<CallAnswer>, SourceError> {
        let mut known = self.kept_answers(requests).await?;
        let unknown: Vec<CallRequest> =
            requests.iter().filter(|request| !known.contains_key(*request)).cloned().collect();
        if !unknown.is_empty() {
            let node = self.node.as_ref().ok_or_else(|| Self::not_kept("eth_call"))?;
            let answers = node.calls(&unknown).await?;
            known.extend(unknown.into_iter().zip(answers));
        }
        let answers = requests.iter().map(|request| known.get(request).cloned());
        answers.collect::<Option<Vec<_>>>().ok_or_else(|| Self::not_kept("eth_call"))
    }

    async fn transactions(&self, block: BlockId) -> Result<Vec<Transaction>, SourceError> {
        Ok(self.transactions_at(&[(block, Vec::new())]).await?.pop().unwrap_or_default())
    }

    async fn transactions_at(
        &self,
        wanted: &[(BlockId, Vec<u32>)],
    ) -> Result<Vec<Vec<Transaction>>, SourceError> {
        let mut found = Vec::with_capacity(wanted.len());
        for some in wanted.chunks(BLOCKS_AT_ONCE) {
            found.extend(self.some_transactions(some).await?);
        }
        Ok(found)
    }

    async fn has_code(&self, _: Address, _: u64) -> Result<Option<bool>, SourceError> {
        Ok(None)
    }

    async fn sealed(&self, _: &[u64]) -> Result<Vec<Sealed>, SourceError> {
        Err(Self::not_kept("sealed headers"))
    }

    async fn receipts(&self, _: BlockId) -> Result<Vec<Receipt>, SourceError> {
        Err(Self::not_kept("receipts"))
    }

    fn alias(&self) -> String {
        "ground".to_owned()
    }

    async fn wait_for_head(&self) {}
}

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
    let read = what_is_read(&**store, config.chain_id, checkpoint).await?;
    store.begin_rebuild(cause).await?;
    let ground = Ground::new(node, store.clone(), config.chain_id);
    // Ground was proved, or not, when it was read. What it holds of claims is withheld on an operator's word alone.
    let claim_data = match cause {
        Cause::Rebuild => config.claim_data.clone(),
        Cause::Rewind(_) | Cause::Repair { .. } => ClaimData::default(),
    };
    let config = Config { proving: Proving::Off, claim_data, ..config.clone() };
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
type Read = HashMap<Address, Coverage>;

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
    Ok(rows.into_iter().map(clipped).collect())
}

/// Contracts that are behind stay so.
fn stay_behind(changes: &mut Changes, read: &Read) {
    for (table, rows) in &mut changes.upserts {
        if *table != Coverage::DEF {
            continue;
        }
        let Some(place) = Coverage::DEF.column("through_block") else { continue };
        for row in rows {
            let address = Coverage::from_row(row.clone()).map(|row| row.address);
            if let Some(through) = address.and_then(|address| read.get(&address)?.through_block) {
                row[place] = through.to_value();
            }
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
            read.get(&row.address).cloned().unwrap_or_else(|| Coverage {
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
