//! Executes an operator's requests: the lease holder does, wherever the command was typed.

mod ancestor;

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::B256;
use serde_json::{Value as Json, json};

use crate::block::{BlockRange, Header, Position};
use crate::decode::Decoder;
use crate::derivation::listed;
use crate::source::{Source, SourceError};
use crate::store::postgres::{PostgresStore, Request};
use crate::store::{Cause, Checkpoint, Rollback, Store, StoreError};
use crate::sync::{Comparison, Config, Difference, Ground, Sync, SyncError, fold_ground};
use crate::table::event::AssetEvent;

/// Blocks compared at once.
const REREAD_BLOCKS: u64 = 2_000;
/// Differences that a report lists; the rest is counted.
const DIFFERENCES_MAX: usize = 100;
/// Events that one repair puts in and takes out at most, and bytes of their data: they are held in memory until all are known.
const MENDED_EVENTS_MAX: usize = 50_000;
const MENDED_BYTES_MAX: usize = 128 << 20;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The node, the database, or a contradiction between them.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// There is nothing to work on.
    #[error("the tables are empty: nothing is indexed on this chain yet")]
    Empty,
    /// The block is not below the checkpoint.
    #[error("block {to} is not below the checkpoint {checkpoint}: there is nothing to take back")]
    NothingAbove {
        /// The block that should stay.
        to: u64,
        /// The checkpoint.
        checkpoint: u64,
    },
    /// The node has no block that the tables have.
    #[error(
        "block {number}, not above {to}, is {ours} in the tables and {theirs} on the node, and they share none below: ask a \
         node that has this chain"
    )]
    NothingShared {
        /// The block that should stay.
        to: u64,
        /// The lowest block that was found to be another.
        number: u64,
        /// Its hash in the tables.
        ours: B256,
        /// Its hash on the node.
        theirs: B256,
    },
    /// The range is not indexed.
    #[error("blocks {from} to {to} are not all indexed: the checkpoint is {checkpoint}")]
    NotIndexed {
        /// First block asked for.
        from: u64,
        /// Last block asked for.
        to: u64,
        /// The checkpoint.
        checkpoint: u64,
    },
    /// A repair would hold too much in memory, and end its worker.
    #[error(
        "blocks {from} to {reached} alone differ in {events} events, with {bytes} bytes of data, and one repair mends {max} or \
         {bytes_max} bytes at most: nothing was changed; repair a shorter range at a time, or rewind below block {from} and let \
         all be read again",
        max = MENDED_EVENTS_MAX,
        bytes_max = MENDED_BYTES_MAX
    )]
    TooMuchToMend {
        /// First block of the range.
        from: u64,
        /// How far it was compared.
        reached: u64,
        /// Events to put in and to take out so far.
        events: usize,
        /// Bytes of data of those to put in.
        bytes: usize,
    },
    /// Rows would be derived with another configuration than the worker's.
    #[error(
        "rows of chain {chain_id} would be derived with another configuration than they were so far (ops.derivation): {parts}; \
         nothing was changed: run this with the worker's configuration, or start the worker with this one first"
    )]
    OtherConfiguration {
        /// The chain.
        chain_id: u64,
        /// Where they differ.
        parts: String,
    },
    /// A rebuild would lose track of them, and a comparison see half of them.
    #[error("contracts are still catching up: run this again when `asset-indexer status` shows none")]
    CatchingUp,
}

impl From<StoreError> for ExecuteError {
    fn from(error: StoreError) -> Self {
        Self::Sync(error.into())
    }
}

impl From<SourceError> for ExecuteError {
    fn from(error: SourceError) -> Self {
        Self::Sync(error.into())
    }
}

/// What a repair puts into the tables and takes out of them, as far as the range was compared.
#[derive(Debug, Default)]
struct Mending {
    /// By place: a contract that several stretches of the range announce comes with its whole history each time.
    add: BTreeMap<(u64, u32), AssetEvent>,
    remove: Vec<Position>,
    /// Of the data of what is added.
    bytes: usize,
}

impl Mending {
    fn take(&mut self, compared: Comparison) {
        for event in compared.add {
            self.add.entry((event.block_number, event.log_index)).or_insert_with(|| {
                self.bytes += event.data.len();
                event
            });
        }
        self.remove.extend(compared.remove);
    }

    fn refuse_too_much(&self, from: u64, reached: u64) -> Result<(), ExecuteError> {
        let (events, bytes) = (self.add.len() + self.remove.len(), self.bytes);
        if events > MENDED_EVENTS_MAX || bytes > MENDED_BYTES_MAX {
            return Err(ExecuteError::TooMuchToMend { from, reached, events, bytes });
        }
        Ok(())
    }

    fn cause(self, reason: String) -> Cause {
        Cause::Repair { add: self.add.into_values().collect(), remove: self.remove, reason }
    }
}

/// What a request works with.
#[derive(Debug)]
pub struct Executor<S: Source> {
    /// The node; a plain rebuild does without.
    pub node: Option<Arc<S>>,
    /// The tables, held under the lease.
    pub store: Arc<PostgresStore>,
    /// Reads logs.
    pub decoder: Arc<Decoder>,
    /// The worker's configuration.
    pub config: Config,
    /// Whether a worker began the request before and was gone: it may have been carried out already.
    pub left: bool,
}

impl<S: Source> Executor<S> {
    /// Carries a request out; `progress` is told each block reached.
    ///
    /// # Errors
    /// [`ExecuteError`]; the tables are then what they were.
    pub async fn execute(
        &self,
        request: &Request,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Json, ExecuteError> {
        match request {
            Request::Reread { from, to, repair } => {
                self.reread(BlockRange { from: *from, to: *to }, *repair, progress).await
            }
            Request::Rewind { to, reason } => self.rewind(*to, reason, progress).await,
            Request::Resume { reason } => {
                self.store.resume(reason).await?;
                Ok(json!({ "resumed": true }))
            }
            Request::Rebuild | Request::Upgrade => {
                let (checkpoint, headers) = self.present().await?;
                let events = self.rebuild(&Cause::Rebuild, checkpoint, headers, progress).await?;
                Ok(json!({ "events": events }))
            }
        }
    }

    async fn present(&self) -> Result<(Checkpoint, Vec<Header>), ExecuteError> {
        let checkpoint = self.store.checkpoint().await?.ok_or(ExecuteError::Empty)?;
        Ok((checkpoint, self.store.headers().await?))
    }

    /// The node, which must serve the chain of the tables: another one's answers would replace them.
    async fn node(&self) -> Result<Arc<S>, ExecuteError> {
        let node = self.node.clone().ok_or_else(|| {
            let reason = "no RPC URL is configured".to_owned();
            ExecuteError::from(SourceError::Refused { provider: "none".to_owned(), method: "any", reason })
        })?;
        let sync = Sync::new(node.clone(), self.store.clone(), self.decoder.clone(), self.config.clone());
        sync.check_chain().await?;
        Ok(node)
    }

    async fn reread(
        &self,
        range: BlockRange,
        repair: bool,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Json, ExecuteError> {
        let (checkpoint, headers) = self.present().await?;
        let at = checkpoint.block.id.number;
        if range.to > at {
            return Err(ExecuteError::NotIndexed { from: range.from, to: range.to, checkpoint: at });
        }
        self.store.refuse_archived(range).await?;
        self.refuse_catching_up().await?;
        if repair {
            self.refuse_other_configuration().await?;
        }
        let mut sync =
            Sync::new(self.node().await?, self.store.clone(), self.decoder.clone(), self.config.clone());
        let (mut first, mut found, mut logs): (Vec<Difference>, usize, usize) = (Vec::new(), 0, 0);
        let mut mending = Mending::default();
        let mut from = range.from;
        while from <= range.to {
            let to = range.to.min(from + REREAD_BLOCKS - 1);
            let mut compared = sync.compare(BlockRange { from, to }, repair).await?;
            (logs, found) = (logs + compared.logs, found + compared.differences.len());
            let listed = compared.differences.len().min(DIFFERENCES_MAX - first.len());
            first.extend(compared.differences.drain(..listed));
            if repair {
                mending.take(compared);
                mending.refuse_too_much(range.from, to)?;
            }
            progress(to);
            from = to + 1;
        }
        let repaired = repair && found > 0;
        if repaired {
            let reason = format!("backfill --from {} --to {} --repair", range.from, range.to);
            // No proof covers what this node lists, nor the contracts that it may announce.
            self.refuse_catching_up().await?;
            self.store.forget_evidence(&format!("{reason} changes what was proved")).await?;
            self.rebuild(&mending.cause(reason), checkpoint, headers, progress).await?;
        }
        Ok(json!({
            "from": range.from, "to": range.to, "logs": logs, "differences": found, "repaired": repaired,
            "first_differences": first,
        }))
    }

    async fn rewind(
        &self,
        to: u64,
        reason: &str,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Json, ExecuteError> {
        let (checkpoint, headers) = self.present().await?;
        let at = checkpoint.block.id;
        // It may have gone further down than it was told.
        if self.left && to >= at.number {
            return Ok(json!({ "from": null, "to": at.number, "from_journal": true }));
        }
        if to >= at.number {
            return Err(ExecuteError::NothingAbove { to, checkpoint: at.number });
        }
        let ours = headers.iter().find(|header| header.id.number == to).copied();
        let journalled = ours.is_some() && to >= checkpoint.finalized.number;
        if !journalled {
            self.refuse_other_configuration().await?;
        }
        let ancestor = match ours {
            Some(ours) => ours,
            None => self.shared(to).await?,
        };
        let to = ancestor.id.number;
        let rollback =
            Rollback { expected: at, ancestor, replaced_by: ancestor.id.hash, reason: reason.to_owned() };
        if journalled {
            self.store.rewind(&rollback).await?;
        } else {
            let cut = Checkpoint {
                block: ancestor,
                finalized: if checkpoint.finalized.number > to { ancestor.id } else { checkpoint.finalized },
                verified: checkpoint.verified,
                status: checkpoint.status,
            };
            let headers: Vec<_> = headers.into_iter().filter(|header| header.id.number <= to).collect();
            // Also while contracts catch up: a halted chain could not end that, and they stay behind.
            self.refold(&Cause::Rewind(rollback), &cut, &headers, progress).await?;
        }
        Ok(json!({ "from": at.number, "to": to, "from_journal": journalled }))
    }

    async fn rebuild(
        &self,
        cause: &Cause,
        checkpoint: Checkpoint,
        headers: Vec<Header>,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<usize, ExecuteError> {
        self.refuse_catching_up().await?;
        self.refold(cause, &checkpoint, &headers, progress).await
    }

    async fn refold(
        &self,
        cause: &Cause,
        checkpoint: &Checkpoint,
        headers: &[Header],
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<usize, ExecuteError> {
        let node = self.node.clone();
        let (store, decoder, config) = (&self.store, &self.decoder, &self.config);
        Ok(fold_ground(node, store, decoder, config, cause, checkpoint, headers, progress).await?)
    }

    /// What is not a rebuild in name must not change rows that it is not about.
    async fn refuse_other_configuration(&self) -> Result<(), ExecuteError> {
        let other = self.store.other_parts().await?;
        if other.is_empty() {
            return Ok(());
        }
        Err(ExecuteError::OtherConfiguration { chain_id: self.config.chain_id, parts: listed(&other) })
    }

    async fn refuse_catching_up(&self) -> Result<(), ExecuteError> {
        let mut sync = Sync::new(
            Arc::new(Ground::<S, _>::new(None, self.store.clone(), self.config.chain_id)),
            self.store.clone(),
            self.decoder.clone(),
            self.config.clone(),
        );
        sync.watched_roles().await?;
        if sync.catches_up_as_told() { Err(ExecuteError::CatchingUp) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, Bytes};
    use uuid::Uuid;

    use super::*;
    use crate::row::Time;

    fn event(block_number: u64, bytes: usize) -> AssetEvent {
        AssetEvent {
            chain_id: 1,
            block_number,
            log_index: 0,
            part: 0,
            id: Uuid::nil(),
            asset_id: None,
            block_hash: B256::ZERO,
            block_timestamp: Time(0),
            transaction_hash: B256::ZERO,
            transaction_index: 0,
            address: Address::ZERO,
            role: "erc20".to_owned(),
            event_type: None,
            event_data: None,
            unreadable: None,
            topic0: None,
            topic1: None,
            topic2: None,
            topic3: None,
            data: Bytes::from(vec![0; bytes]),
            withheld: None,
        }
    }

    fn found(add: Vec<AssetEvent>, remove: usize) -> Comparison {
        let place = |log_index| Position { block_number: 0, log_index };
        Comparison { add, remove: (0..remove as u32).map(place).collect(), ..Comparison::default() }
    }

    #[test]
    fn what_one_repair_may_hold_is_bounded() {
        let mut mending = Mending::default();
        // What several stretches find alike counts once.
        for _ in 0..3 {
            mending.take(found((0..1_000).map(|block| event(block, 10)).collect(), 0));
        }
        assert_eq!((mending.add.len(), mending.bytes), (1_000, 10_000));
        mending.take(found(Vec::new(), MENDED_EVENTS_MAX - 1_000));
        mending.refuse_too_much(5, 9).expect("as many as may be");
        mending.take(found(vec![event(1_000, 0)], 0));
        let refused = mending.refuse_too_much(5, 9).expect_err("one more").to_string();
        assert!(refused.contains("blocks 5 to 9 alone differ in 50001 events"), "{refused}");
        assert!(refused.contains("nothing was changed; repair a shorter range"), "{refused}");

        let mut mending = Mending::default();
        mending.take(found(vec![event(1, MENDED_BYTES_MAX + 1)], 0));
        assert!(mending.refuse_too_much(1, 1).is_err(), "few events may be large");
    }
}
