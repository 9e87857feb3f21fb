//! The sweep behind the checkpoint: proves blocks that were read without proof, mends what a proof shows was missed, and
//! moves the watermark of what is proved without a gap.
//!
//! Runs when there is nothing above the checkpoint, one stretch a step, and only below finality.

use std::collections::{BTreeMap, HashSet};

use alloy::primitives::Address;

use super::assemble::Found;
use super::prove::ProvedLogs;
use super::{Outcome, Proving, Sync, SyncError, push_rows};
use crate::block::{BlockId, BlockRange, Position, RawLog};
use crate::mutant::{Mutant, is};
use crate::proof::{self, Method, Watched};
use crate::source::Source;
use crate::store::{Cause, Checkpoint, Commit, Evidence, Section, Store};
use crate::table::contract::{Coverage, LateHistory};
use crate::table::event::AssetEvent;
use crate::table::fold::Changes;

/// Looks at the head between two tries of what cannot be proved, at most: about a minute where a node is polled each second.
const RESTS_MAX: u32 = 64;

/// A try at what could not be proved is of so many times fewer blocks.
const SHORTER: u64 = 8;

/// What could not be proved at the last try. A try may cost a request for each of its blocks, so that it comes more and
/// more seldom.
#[derive(Debug)]
pub(super) struct Unproved {
    /// The first of its blocks.
    block: u64,
    /// The provider that could not prove it.
    provider: String,
    /// Looks after which it is tried again, doubled with each try.
    every: u32,
    /// Of these, what is left.
    rests: u32,
}

impl Unproved {
    /// After one more try.
    fn again(before: Option<Self>, block: u64, provider: String) -> Self {
        let same = |before: &Self| before.block == block && before.provider == provider;
        let every = before.filter(same).map_or(1, |before| before.every * 2).min(RESTS_MAX);
        Self { block, provider, every, rests: every }
    }

    /// Whether this look is one without a try. Another provider is tried at once.
    fn rests(&mut self, provider: &str) -> bool {
        self.rests = self.rests.saturating_sub(1);
        self.rests > 0 && self.provider == provider
    }
}

impl<S: Source, D: Store> Sync<S, D> {
    /// Proves the next stretch that is not proved, if there is one.
    async fn sweep(&mut self, checkpoint: &Checkpoint) -> Result<Outcome, SyncError> {
        if self.config.proving == Proving::Off {
            return Ok(Outcome::Idle);
        }
        let top = checkpoint.finalized.number.min(checkpoint.block.id.number);
        if checkpoint.verified.number < top {
            return self.sweep_gap(checkpoint, top).await;
        }
        self.sweep_late_history(checkpoint).await
    }

    /// What cannot be proved now stays unproved until a later look; that is no reason to follow the head more slowly.
    /// Contracts that were configured later come first: their history is proved with the others' then. Who is behind by
    /// the chain's word holds nothing up: anybody's contract may be.
    pub(super) async fn sweep_or_wait(&mut self, checkpoint: &Checkpoint) -> Result<Outcome, SyncError> {
        if self.catches_up_as_told() {
            return Ok(Outcome::Idle);
        }
        let provider = self.source.alias();
        if self.unproved.as_mut().is_some_and(|unproved| unproved.rests(&provider)) {
            return Ok(Outcome::Idle);
        }
        let before = self.unproved.take();
        let (block, error) = match self.sweep(checkpoint).await {
            Err(error @ (SyncError::Unprovable { block, .. } | SyncError::Disproved { block, .. })) => {
                (block, error)
            }
            swept => {
                let most = self.config.sweep_blocks_max.max(1);
                self.sweep_blocks = self.sweep_blocks.saturating_mul(2).min(most);
                return swept;
            }
        };
        // The next block that comes waits for a try to end.
        self.sweep_blocks = (self.sweep_blocks / SHORTER).max(1);
        if before.as_ref().is_none_or(|before| before.block != block) {
            tracing::warn!(%error, "not proved: tried again now and then");
        }
        self.unproved = Some(Unproved::again(before, block, provider));
        Ok(Outcome::Idle)
    }

    /// What reading brought, unless the store refused a row of it as a double: that may belong where a log was put that
    /// the chain does not have. What is not proved yet is proved first then, and mended; what is above finality is read
    /// again; only then the refusal counts.
    pub(super) async fn sweep_if_double(
        &mut self,
        checkpoint: &Checkpoint,
        read: Result<Outcome, SyncError>,
    ) -> Result<Outcome, SyncError> {
        let error = match read {
            Err(SyncError::Store(refused)) if refused.is_duplicate() => SyncError::Store(refused),
            read => return read,
        };
        tracing::error!(%error, "the next blocks that are not proved are proved first");
        // Not with the contracts that the refused rows would have brought in.
        self.learn(checkpoint).await?;
        match self.sweep(checkpoint).await {
            Ok(Outcome::Idle) | Err(_) => self.read_again(checkpoint).await?.ok_or(error),
            swept => swept,
        }
    }

    /// The blocks above the watermark, up to the next that are proved already.
    async fn sweep_gap(&mut self, checkpoint: &Checkpoint, top: u64) -> Result<Outcome, SyncError> {
        let verified = checkpoint.verified;
        let from = verified.number + 1;
        let known = self.store.evidence(BlockRange { from, to: from }).await?.into_iter().next();
        if known.as_ref().is_some_and(|known| known.range.from <= from) {
            // It reaches the watermark and does not go on from it: they are of two chains.
            return self.start_over(verified, "the block above it is proved to hang on another").await;
        }
        let top = known.as_ref().map_or(top, |known| known.range.from - 1).min(top);
        let to = top.min(from.saturating_add(self.sweep_blocks - 1));
        let range = BlockRange { from, to };
        let watched: Watched = self.watched().into_iter().collect();
        let proved = self.prove_old(range, &watched).await?;
        let hangs = proved.evidence.first().is_some_and(|first| first.parent == verified.hash);
        if !hangs && !is(Mutant::LinksUnchecked) {
            return self.start_over(verified, "the provider's block above it hangs on another").await;
        }
        if let Some(last) = proved.evidence.last().map(Evidence::last) {
            let meets = if to == checkpoint.block.id.number {
                last == checkpoint.block.id
            } else {
                known.is_none_or(|known| known.range.from != to + 1 || known.parent == last.hash)
            };
            if !meets && !is(Mutant::LinksUnchecked) {
                return self.start_over(last, "it does not lead to the checkpoint").await;
            }
            self.refuse_outvoted(last).await?;
        }
        // What is proved of another chain says nothing about ours.
        self.refuse_moved(&[checkpoint.block.id]).await?;
        if let Some(repaired) = Box::pin(self.mend(checkpoint, range, &watched, &proved)).await? {
            return Ok(repaired);
        }
        let requests = proved.evidence.iter().map(|stretch| stretch.requests).sum();
        self.write_evidence(checkpoint, Changes::default(), proved.evidence).await?;
        Ok(Outcome::Verified { range, requests })
    }

    /// Blocks that are proved for all contracts but those that were found later.
    async fn sweep_late_history(&mut self, checkpoint: &Checkpoint) -> Result<Outcome, SyncError> {
        // Of who is behind a proof would find missing what is to be read yet.
        let is_read = |address: &Address| {
            let known = self.known.as_ref();
            known.is_some_and(|k| k.roles.contains_key(address) && !k.catching_up.contains_key(address))
        };
        let late: Vec<LateHistory> = self.rows().await?;
        let late: Vec<LateHistory> = late
            .into_iter()
            .filter(|row| row.next_block <= row.through_block)
            .filter(|row| is_read(&row.address))
            .collect();
        let Some(from) = late.iter().map(|row| row.next_block).min() else { return Ok(Outcome::Idle) };
        let top = late.iter().map(|row| row.through_block).max().unwrap_or(from);
        let to = top
            .min(from.saturating_add(self.sweep_blocks - 1))
            .min(checkpoint.verified.number)
            .min(checkpoint.finalized.number);
        if to < from {
            return Ok(Outcome::Idle);
        }
        let range = BlockRange { from, to: self.known_end(from, to).await? };
        let to = range.to;
        let watched: Watched = late.iter().map(|row| row.address).collect();
        let proved = self.prove_old(range, &watched).await?;
        if let Some(last) = proved.evidence.last().map(Evidence::last) {
            if last.number == checkpoint.verified.number && last != checkpoint.verified {
                return self.start_over(checkpoint.verified, "the provider has another block there").await;
            }
            self.refuse_outvoted(last).await?;
        }
        // What is proved of another chain says nothing about ours.
        self.refuse_strange(&proved, &[checkpoint.block.id]).await?;
        self.refuse_moved(&[checkpoint.block.id]).await?;
        if let Some(repaired) = Box::pin(self.mend(checkpoint, range, &watched, &proved)).await? {
            return Ok(repaired);
        }
        let done = late.into_iter().map(|row| LateHistory { next_block: row.next_block.max(to + 1), ..row });
        let mut changes = Changes::default();
        push_rows(&mut changes, false, done);
        let requests = proved.evidence.iter().map(|stretch| stretch.requests).sum();
        self.write_evidence(checkpoint, changes, Vec::new()).await?;
        Ok(Outcome::Verified { range, requests })
    }

    /// Like [`Self::prove_range`], of blocks that a node may not have, or not give, any more: the register of today does not wait
    /// for their proof. A node that gives nothing at all is told of by the next look at the head.
    async fn prove_old(&self, range: BlockRange, watched: &Watched) -> Result<ProvedLogs, SyncError> {
        self.prove_range(range, watched).await.map_err(|error| match error {
            SyncError::Source(error) => {
                SyncError::Unprovable { block: range.from, reason: error.to_string() }
            }
            other => other,
        })
    }

    async fn write_evidence(
        &mut self,
        checkpoint: &Checkpoint,
        changes: Changes,
        evidence: Vec<Evidence>,
    ) -> Result<(), SyncError> {
        self.commit(Commit {
            expected: checkpoint.block.id,
            next: checkpoint.block,
            finalized: checkpoint.finalized,
            sections: vec![Section { undo_block: None, changes }],
            evidence,
        })
        .await
    }

    /// The provider's headers are consistent, and the other providers have another block there.
    async fn refuse_outvoted(&self, block: BlockId) -> Result<(), SyncError> {
        let witnesses = self.source.witnesses(block).await?;
        if witnesses.disagree == 0 || witnesses.agree > 0 {
            return Ok(());
        }
        self.source.blame("no other provider knows its final block");
        let reason = format!(
            "{} gives {} there, and {} other providers give another block",
            self.source.alias(),
            block.hash,
            witnesses.disagree
        );
        Err(SyncError::Disproved { block: block.number, reason })
    }

    /// What is proved does not hang together with the chain.
    async fn start_over(&mut self, block: BlockId, what: &str) -> Result<Outcome, SyncError> {
        let witnesses = self.source.witnesses(block).await?;
        if witnesses.agree > 0 {
            self.source.blame("its headers do not hang together with what is proved");
            return Err(SyncError::Contradiction(format!(
                "{} does not have block {} ({}), which other providers have",
                self.source.alias(),
                block.number,
                block.hash
            )));
        }
        let reason = format!(
            "block {} ({}) was proved, and {what}; everything is proved again from the first block on",
            block.number, block.hash
        );
        self.store.forget_evidence(&reason).await?;
        Ok(Outcome::Unproved { reason })
    }

    /// Compares what is proved with the tables, and mends them where they differ.
    async fn mend(
        &mut self,
        checkpoint: &Checkpoint,
        range: BlockRange,
        watched: &Watched,
        proved: &ProvedLogs,
    ) -> Result<Option<Outcome>, SyncError> {
        let (ours, others): (Vec<_>, Vec<_>) = self
            .store
            .ground_logs(range, None)
            .await?
            .into_iter()
            .partition(|log| watched.contains(&log.address));
        let mut theirs = self.since_their_starts(proved.logs.clone(), &ours).await?;
        if proof::beside::has_logs_beside(self.config.chain_id) {
            // What nothing proves takes nobody's place.
            let taken: HashSet<Position> = others.iter().map(RawLog::position).collect();
            theirs.retain(|log| !taken.contains(&log.position()) || !proof::beside::is_beside(log));
        }
        let mut comparison = self.compare_logs(ours, theirs);
        // Where a log is proved to stand, no other contract's can.
        let missing: HashSet<Position> = comparison.missing.iter().map(RawLog::position).collect();
        comparison.remove.extend(others.iter().map(RawLog::position).filter(|at| missing.contains(at)));
        if comparison.differences.is_empty() || is(Mutant::VerifiedUnseen) {
            return Ok(None);
        }
        let last = proved.evidence.last().map(Evidence::last);
        if let Some(last) = last
            && !self.leads_to(last, checkpoint.block.id).await?
        {
            // A proof speaks of its own header only: a fork of somebody's own must not mend the chain's rows.
            return self.start_over(last, "it does not lead to the checkpoint").await.map(Some);
        }
        let (first, count) = (&comparison.differences[0], comparison.differences.len());
        if proved.evidence.iter().any(|stretch| stretch.method == Method::Quorum) {
            return Err(SyncError::Disproved {
                block: first.block,
                reason: format!(
                    "two providers agree on logs that differ from the tables in {count} places, and no header proves \
                     it; look into it, then run `asset-indexer backfill --from {} --to {} --repair`",
                    range.from, range.to
                ),
            });
        }
        let reason = format!(
            "blocks {} to {} are proved to differ from the tables in {count} places, first at block {} log {} of {} \
             ({}); proved with answers of {}",
            range.from,
            range.to,
            first.block,
            first.log_index,
            first.address,
            first.kind,
            self.source.alias()
        );
        tracing::error!(reason, "repairing");
        let mut changes = Changes::default();
        push_rows(&mut changes, false, self.read_earlier(&comparison.missing).await?);
        let (assembly, removed) = (self.assembly(BTreeMap::new()), &comparison.remove);
        let found =
            self.assemble_additions(assembly, checkpoint, range.from, comparison.missing, removed).await?;
        // Also where everything is proved before its commit: of what is above finality, or in a place that is taken, some
        // was left out.
        push_rows(&mut changes, false, self.late_history(starts_of(&found.found), checkpoint).await?);
        // Whoever folds ground anew leaves those behind that are read later.
        self.cover(&mut changes, found.found.iter().filter(|(_, found)| found.is_behind), None);
        // Before the repair: of a contract that nobody watches yet such rows mean nothing.
        self.write_evidence(checkpoint, changes, Vec::new()).await?;
        let add: Vec<AssetEvent> =
            found.entries.iter().map(|entry| AssetEvent::of(self.config.chain_id, entry)).collect();
        let (added, removed) = (add.len(), comparison.remove.len());
        let cause = Cause::Repair { add, remove: comparison.remove, reason };
        let headers = self.store.headers().await?;
        Box::pin(self.refold(&cause, checkpoint, &headers, &mut |_| {})).await?;
        Ok(Some(Outcome::Repaired { range, added, removed }))
    }

    /// Contracts of which a log was proved below the first block read: reading starts there.
    async fn read_earlier(&self, missing: &[RawLog]) -> Result<Vec<Coverage>, SyncError> {
        let rows: Vec<Coverage> = self.rows().await?;
        let lowered = |row: Coverage| {
            let logs = missing.iter().filter(|log| log.address == row.address).map(|log| log.block.number);
            let from_block = logs.min().filter(|first| *first < row.from_block)?;
            Some(Coverage { from_block, ..row })
        };
        Ok(rows.into_iter().filter_map(lowered).collect())
    }

    /// What of these contracts' history lies in blocks that were proved without them: rows to be proved later.
    pub(super) async fn late_history(
        &self,
        contracts: impl Iterator<Item = (Address, u64)>,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<LateHistory>, SyncError> {
        let at = checkpoint.block.id.number;
        let older: Vec<(Address, u64)> = contracts.filter(|(_, from_block)| *from_block <= at).collect();
        if older.is_empty() || is(Mutant::LateHistoryForgotten) {
            return Ok(Vec::new());
        }
        let proved = self.store.proved().await?;
        let through_block = proved.map_or(0, |proved| proved.to).max(checkpoint.verified.number);
        let chain_id = self.config.chain_id;
        let row = |(address, next_block)| LateHistory { chain_id, address, next_block, through_block };
        Ok(older.into_iter().map(row).filter(|row| row.next_block <= row.through_block).collect())
    }

    /// The first block in which a configured contract may have logged unseen. Where it begins was told by one provider, and
    /// nothing proves it: what was proved without the contract may hold logs of it below that.
    pub(super) async fn unseen_from(&self, start: u64) -> Result<u64, SyncError> {
        let proved = self.store.proved().await?;
        Ok(proved.map_or(start, |proved| proved.from.min(start)))
    }

    /// The same for every contract that a batch found. Proved before the commit, it is proved already; read without proof,
    /// it is not, whatever was proved without it.
    ///
    /// These rows belong among changes that leave no undo journal: another block than that which may be taken back may come to
    /// have announced the contract, and of one that is not known any more they mean nothing.
    pub(super) async fn note_late_history(
        &self,
        changes: &mut Changes,
        found: &BTreeMap<Address, Found>,
        checkpoint: &Checkpoint,
    ) -> Result<(), SyncError> {
        if self.config.proving != Proving::BeforeCommit {
            push_rows(changes, false, self.late_history(starts_of(found), checkpoint).await?);
        }
        Ok(())
    }
}

/// The contracts that a batch found and read, with the first block that is read of each.
fn starts_of(found: &BTreeMap<Address, Found>) -> impl Iterator<Item = (Address, u64)> {
    found.iter().filter(|(_, found)| !found.is_behind).map(|(address, found)| (*address, found.from_block))
}
