//! Executes an operator's requests: the lease holder does, wherever the command was typed.

use std::sync::Arc;

use alloy::primitives::B256;
use serde_json::{Value as Json, json};

use crate::block::{BlockId, BlockRange, Header};
use crate::decode::Decoder;
use crate::source::{Source, SourceError};
use crate::store::postgres::{PostgresStore, Request};
use crate::store::{Cause, Checkpoint, Rollback, Store, StoreError};
use crate::sync::{Config, Difference, Ground, Sync, SyncError, fold_ground};

/// Blocks compared at once.
const REREAD_BLOCKS: u64 = 2_000;
/// Differences that a report lists; the rest is counted.
const DIFFERENCES_MAX: usize = 100;

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
    /// The chain changed further down than the block that should stay.
    #[error(
        "block {number}, not above {to}, is {ours} in the tables and {theirs} on the node: the chain changed further down, and \
         what is in the tables from there on is not its; rewind to a block below {number}, or ask a node that has this chain"
    )]
    ChangedBelow {
        /// The block that should stay.
        to: u64,
        /// A block at or below it that the two have differently.
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
        let mut sync =
            Sync::new(self.node().await?, self.store.clone(), self.decoder.clone(), self.config.clone());
        let (mut differences, mut logs): (Vec<Difference>, usize) = (Vec::new(), 0);
        let (mut add, mut remove) = (Vec::new(), Vec::new());
        let mut from = range.from;
        while from <= range.to {
            let to = range.to.min(from + REREAD_BLOCKS - 1);
            let compared = sync.compare(BlockRange { from, to }).await?;
            logs += compared.logs;
            differences.extend(compared.differences);
            add.extend(compared.add);
            remove.extend(compared.remove);
            progress(to);
            from = to + 1;
        }
        add.sort_by_key(|event| (event.block_number, event.log_index));
        add.dedup_by_key(|event| (event.block_number, event.log_index));
        let found = differences.len();
        let repaired = repair && found > 0;
        if repaired {
            let reason = format!("backfill --from {} --to {} --repair", range.from, range.to);
            // No proof covers what this node lists, nor the contracts that it may announce.
            self.refuse_catching_up().await?;
            self.store.forget_evidence(&format!("{reason} changes what was proved")).await?;
            self.rebuild(&Cause::Repair { add, remove, reason }, checkpoint, headers, progress).await?;
        }
        differences.truncate(DIFFERENCES_MAX);
        Ok(json!({
            "from": range.from, "to": range.to, "logs": logs, "differences": found, "repaired": repaired,
            "first_differences": differences,
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
            return Ok(json!({ "from": to, "to": to, "from_journal": true }));
        }
        if to >= at.number {
            return Err(ExecuteError::NothingAbove { to, checkpoint: at.number });
        }
        let ours = headers.iter().find(|header| header.id.number == to).copied();
        let (ancestor, journalled) = match ours {
            Some(ours) => (ours, to >= checkpoint.finalized.number),
            None => (self.shared(to).await?, false),
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

    /// The newest block, at a height whose header is not kept or below it, that the tables and the node are known to share. It
    /// is the one at that height where they share one above: a hash stands for all that is below it. Else it is the newest one
    /// below of which the tables tell the hash: nothing is in them between the two.
    async fn shared(&self, to: u64) -> Result<Header, ExecuteError> {
        let node = self.node().await?;
        let header = async |number| {
            let header = node.header(number).await?;
            Ok::<_, ExecuteError>(header.ok_or(SourceError::BlockGone { number, hash: None })?)
        };
        let [below, above] = self.store.known_around(to).await?;
        if let Some(above) = above
            && node.header(above.number).await?.is_some_and(|there| there.id == above)
        {
            return header(to).await;
        }
        let Some(below) = below else { return header(to).await };
        let there = header(below.number).await?;
        if there.id != below {
            let BlockId { number, hash } = below;
            return Err(ExecuteError::ChangedBelow { to, number, ours: hash, theirs: there.id.hash });
        }
        Ok(there)
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

    async fn refuse_catching_up(&self) -> Result<(), ExecuteError> {
        let mut sync = Sync::new(
            Arc::new(Ground::<S, _>::new(None, self.store.clone(), self.config.chain_id)),
            self.store.clone(),
            self.decoder.clone(),
            self.config.clone(),
        );
        sync.watched_roles().await?;
        if sync.contract_counts().1 > 0 { Err(ExecuteError::CatchingUp) } else { Ok(()) }
    }
}
