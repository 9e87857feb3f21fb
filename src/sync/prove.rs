//! Proves that the logs of some contracts in a stretch of blocks are complete.
//!
//! Every header's hash is computed and hangs on the one below. A contract that is not in the bloom logged nothing;
//! else the block's receipts must have the root that the header commits to, and the logs in them are all there are.
//! Where a chain's headers cannot be recomputed or receipts cannot be had, an independent provider must list the same
//! logs. What none of these proves is not proved, and is never said to be; but for what Polygon's state syncs log, see
//! [`proof::beside`].

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use alloy::primitives::{Address, B256};

use super::{Sync, SyncError};
use crate::block::{BlockId, BlockRange, Position, RawLog, Sealed};
use crate::mutant::{Mutant, is};
use crate::proof::{self, Flaw, Method, Watched};
use crate::source::{Source, SourceError};
use crate::store::{Evidence, STRETCH_BLOCKS, Store};

/// Headers asked for and held at once; each has a bloom of 256 bytes.
pub(super) const HEADERS_AT_ONCE: u64 = 256;

/// What a chain's headers were seen to be good for.
#[derive(Debug)]
pub(super) struct Seen {
    /// The lowest block whose hash was computed from its fields: from there on one that does not fit is forged. A chain may have
    /// changed the form of its headers once (a migrated consensus, a merge, a move to another stack); what is older than that
    /// is of a form that nobody knows, and no forgery.
    hashes_from: AtomicU64,
    /// A block was seen whose bloom holds its logs: on such a chain an empty bloom proves absence.
    blooms_are_filled: AtomicBool,
}

impl Default for Seen {
    fn default() -> Self {
        Self { hashes_from: AtomicU64::new(u64::MAX), blooms_are_filled: AtomicBool::new(false) }
    }
}

/// Logs that are proved complete.
#[derive(Debug, Default)]
pub(super) struct ProvedLogs {
    /// Of the contracts that were asked for, in chain order.
    pub(super) logs: Vec<RawLog>,
    /// How it is known, in the order of blocks.
    pub(super) evidence: Vec<Evidence>,
}

/// What was found at one block.
struct Judged {
    method: Method,
    logs: Vec<RawLog>,
    requests: u64,
}

impl<S: Source, D: Store> Sync<S, D> {
    /// All logs of these contracts in a range of the provider's chain, with the proof.
    ///
    /// # Errors
    /// [`SyncError::Unprovable`] where neither this provider nor a comparison with others can prove it;
    /// [`SyncError::Disproved`] where what was given is wrong.
    pub(super) async fn prove_range(
        &self,
        range: BlockRange,
        watched: &Watched,
    ) -> Result<ProvedLogs, SyncError> {
        let mut proved = ProvedLogs::default();
        let mut parent = None;
        let mut from = range.from;
        while from <= range.to {
            let to = range.to.min(from.saturating_add(HEADERS_AT_ONCE - 1));
            let numbers: Vec<u64> = (from..=to).collect();
            let headers = self.source.sealed(&numbers).await?;
            for sealed in &headers {
                self.hangs_on(parent, sealed)?;
                parent = Some(sealed.header.id.hash);
            }
            self.prove_headers(&headers, watched, &mut proved).await?;
            if proof::beside::has_logs_beside(self.config.chain_id) {
                let listed = self.source.logs_in_range(BlockRange { from, to }, &watched.addresses()).await?;
                self.add_beside(&mut proved, &headers, listed)?;
            }
            from = to + 1;
        }
        proved.logs.retain(|log| watched.contains(&log.address));
        Ok(proved)
    }

    /// All logs of one block with the proof, the block's hash being known; only those of `watched` where two providers
    /// had to be compared.
    pub(super) async fn prove_block(
        &self,
        block: BlockId,
        watched: &Watched,
    ) -> Result<ProvedLogs, SyncError> {
        let headers = self.source.sealed(&[block.number]).await?;
        if headers.first().map(|sealed| sealed.header.id) != Some(block) {
            return Err(SourceError::BlockGone { number: block.number, hash: Some(block.hash) }.into());
        }
        let mut proved = ProvedLogs::default();
        self.prove_headers(&headers, watched, &mut proved).await?;
        // Two providers listed it, or its receipts told of it.
        let is_told = proved.evidence.iter().any(|stretch| stretch.method == Method::Quorum)
            || proved.logs.iter().any(proof::beside::is_beside);
        if proof::beside::has_logs_beside(self.config.chain_id) && !is_told {
            let listed = self.source.logs_of_block(block).await?;
            self.add_beside(&mut proved, &headers, listed)?;
        }
        Ok(proved)
    }

    /// Refuses what is proved of blocks that do not lead to the next one whose hash is known: of `held`, or of what is
    /// proved already. That each header hangs on the one below says nothing of whose chain they are.
    pub(super) async fn refuse_strange(
        &self,
        proved: &ProvedLogs,
        held: &[BlockId],
    ) -> Result<(), SyncError> {
        let Some(stretch) = proved.evidence.last() else { return Ok(()) };
        let last = stretch.last();
        let above = BlockRange { from: last.number, to: last.number };
        let known = held.iter().copied().chain(self.known_blocks(above).await?);
        let Some(next) = known.filter(|block| block.number >= last.number).min_by_key(|block| block.number)
        else {
            return Ok(());
        };
        // A header whose hash cannot be computed leads nowhere; another provider has the last block too then.
        let is_ours = if next.number > last.number && stretch.method == Method::Quorum {
            true
        } else {
            self.leads_to(last, next).await?
        };
        if is_ours || is(Mutant::LinksUnchecked) {
            return Ok(());
        }
        self.source.blame("its headers do not lead to a block that is known");
        Err(SyncError::Contradiction(format!(
            "block {} ({}) of {} does not lead to block {} ({})",
            last.number,
            last.hash,
            self.source.alias(),
            next.number,
            next.hash
        )))
    }

    /// The highest block of a range whose hash is known, so that what is proved up to it needs no more headers; its end
    /// where none is.
    pub(super) async fn known_end(&self, from: u64, to: u64) -> Result<u64, SyncError> {
        let known = self.known_blocks(BlockRange { from, to }).await?;
        Ok(known.map(|block| block.number).filter(|number| (from..=to).contains(number)).max().unwrap_or(to))
    }

    /// The ends of what is proved that lie in a range, and the lowest above it.
    async fn known_blocks(&self, blocks: BlockRange) -> Result<impl Iterator<Item = BlockId>, SyncError> {
        let below = |stretch: &Evidence| {
            let number = stretch.range.from.checked_sub(1)?;
            Some(BlockId { number, hash: stretch.parent })
        };
        let known = self.store.evidence(blocks).await?;
        Ok(known.into_iter().flat_map(move |stretch| [below(&stretch), Some(stretch.last())]).flatten())
    }

    /// Whether a block is an ancestor of another, by the hashes of all headers between.
    pub(super) async fn leads_to(&self, block: BlockId, to: BlockId) -> Result<bool, SyncError> {
        let mut reached = block;
        while reached.number < to.number {
            let last = to.number.min(reached.number + HEADERS_AT_ONCE);
            let numbers: Vec<u64> = (reached.number + 1..=last).collect();
            for sealed in self.source.sealed(&numbers).await? {
                if proof::header(&sealed).is_err() || sealed.header.parent != reached.hash {
                    return Ok(false);
                }
                reached = sealed.header.id;
            }
        }
        Ok(reached == to)
    }

    fn hangs_on(&self, parent: Option<B256>, sealed: &Sealed) -> Result<(), SyncError> {
        let header = sealed.header;
        if parent.is_none_or(|parent| parent == header.parent) || is(Mutant::LinksUnchecked) {
            return Ok(());
        }
        let number = header.id.number;
        self.source.blame("its headers do not hang together");
        Err(SyncError::Contradiction(format!(
            "block {number} ({}) does not hang on the block that {} gave at height {}",
            header.id.hash,
            self.source.alias(),
            number.saturating_sub(1)
        )))
    }

    async fn prove_headers(
        &self,
        headers: &[Sealed],
        watched: &Watched,
        proved: &mut ProvedLogs,
    ) -> Result<(), SyncError> {
        let mut unproved: Vec<&Sealed> = Vec::new();
        for sealed in headers {
            match self.judge(sealed, watched).await? {
                Some(judged) => {
                    self.compare_elsewhere(&unproved, watched, proved).await?;
                    unproved.clear();
                    self.note(proved, &[sealed], self.source.alias(), judged);
                }
                None => unproved.push(sealed),
            }
        }
        self.compare_elsewhere(&unproved, watched, proved).await
    }

    /// By bloom, else by receipts; `None` where this chain or provider has no such proof.
    async fn judge(&self, sealed: &Sealed, watched: &Watched) -> Result<Option<Judged>, SyncError> {
        let (block, seen) = (sealed.header.id, &self.seen);
        let header = match proof::header(sealed) {
            Ok(header) => header,
            Err(flaw) if self.has_known_form(block.number).await? => {
                self.source.blame("its header is not that of the block's hash");
                return Err(SyncError::Disproved { block: block.number, reason: flaw.to_string() });
            }
            Err(_) => return Ok(None),
        };
        seen.hashes_from.fetch_min(block.number, Ordering::Relaxed);
        // A chain that fills no blooms commits to receipts all the same: an empty bloom proves nothing there.
        let filled = seen.blooms_are_filled.load(Ordering::Relaxed);
        let bloom_counts = header.is_empty() || !header.has_empty_bloom() || filled;
        if !header.may_have_logs(watched) && bloom_counts {
            return Ok(Some(Judged { method: Method::Bloom, logs: Vec::new(), requests: 1 }));
        }
        let receipts = match self.source.receipts(block).await {
            Ok(receipts) => receipts,
            Err(SourceError::Refused { method, reason, .. }) => {
                tracing::debug!(
                    block = block.number,
                    method,
                    reason,
                    "no receipts: a second provider must prove it"
                );
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let are_known = proof::are_of_known_form(self.config.chain_id, &receipts);
        match header.logs(receipts) {
            Ok(logs) => {
                seen.blooms_are_filled.fetch_or(!header.has_empty_bloom(), Ordering::Relaxed);
                Ok(Some(Judged { method: Method::Receipts, logs, requests: 2 }))
            }
            Err(flaw @ Flaw::Root { .. } | flaw @ Flaw::Places { .. }) if are_known => {
                self.source.blame("its receipts are not those of the block");
                Err(SyncError::Disproved { block: block.number, reason: flaw.to_string() })
            }
            Err(flaw) => {
                tracing::debug!(block = block.number, %flaw, "no proof by receipts");
                Ok(None)
            }
        }
    }

    /// Whether a header at this height, or below, was computed: in this process, or for what is proved.
    async fn has_known_form(&self, number: u64) -> Result<bool, SyncError> {
        let from = &self.seen.hashes_from;
        if number < from.load(Ordering::Relaxed) {
            let near = BlockRange { from: number.saturating_sub(STRETCH_BLOCKS), to: number };
            let computed = self.store.evidence(near).await?;
            let computed = computed.iter().filter(|stretch| stretch.method != Method::Quorum);
            if let Some(lowest) = computed.map(|stretch| stretch.range.from).min() {
                from.fetch_min(lowest, Ordering::Relaxed);
            }
        }
        Ok(number >= from.load(Ordering::Relaxed))
    }

    /// Blocks that nothing here proves: two providers must list the same.
    async fn compare_elsewhere(
        &self,
        headers: &[&Sealed],
        watched: &Watched,
        proved: &mut ProvedLogs,
    ) -> Result<(), SyncError> {
        let (Some(first), Some(last)) = (headers.first(), headers.last()) else { return Ok(()) };
        let (from, to) = (first.header.id.number, last.header.id.number);
        let range = BlockRange { from, to };
        let addresses: Vec<Address> = watched.addresses();
        let unprovable = |reason: String| SyncError::Unprovable { block: from, reason };
        let Some(other) = self.source.second_opinion(range, &addresses).await? else {
            return Err(unprovable(format!(
                "neither headers nor receipts of {} prove its logs, and there is no second provider to compare with",
                self.source.alias()
            )));
        };
        let ours = self.source.logs_in_range(range, &addresses).await?;
        let blocks: HashSet<BlockId> = headers.iter().map(|sealed| sealed.header.id).collect();
        if let Some(log) = ours.iter().find(|log| !blocks.contains(&log.block)) {
            // What is compared would be noted of other blocks.
            return Err(
                SourceError::BlockGone { number: log.block.number, hash: Some(log.block.hash) }.into()
            );
        }
        if !same_logs(&ours, &other.logs) {
            let reason = format!(
                "{} lists {} logs of blocks {from} to {to}, and {} lists {}: one of them is wrong",
                self.source.alias(),
                ours.len(),
                other.provider,
                other.logs.len()
            );
            return Err(SyncError::Disproved { block: from, reason });
        }
        let witnesses = self.source.witnesses(last.header.id).await?;
        if witnesses.agree == 0 {
            return Err(unprovable(format!("no other provider knows block {:?}", last.header.id)));
        }
        let provider = format!("{}+{}", self.source.alias(), other.provider);
        let judged = Judged { method: Method::Quorum, logs: ours, requests: 3 };
        self.note(proved, headers, provider, judged);
        Ok(())
    }

    /// Adds what is listed beside the roots of these headers, on the provider's word: no bloom and no root tells of it. It
    /// comes behind all that is under a root.
    fn add_beside(
        &self,
        proved: &mut ProvedLogs,
        headers: &[Sealed],
        listed: Vec<RawLog>,
    ) -> Result<(), SyncError> {
        if let Some(last) = proved.evidence.last_mut() {
            last.requests += 1;
        }
        let mut next: HashMap<u64, u32> = HashMap::new();
        for log in &proved.logs {
            let above = next.entry(log.block.number).or_default();
            *above = (*above).max(log.log_index.saturating_add(1));
        }
        let known: HashSet<Position> = proved.logs.iter().map(RawLog::position).collect();
        for log in listed.into_iter().filter(proof::beside::is_beside) {
            let BlockId { number, hash } = log.block;
            if !headers.iter().any(|sealed| sealed.header.id == log.block) {
                return Err(SourceError::BlockGone { number, hash: Some(hash) }.into());
            }
            if known.contains(&log.position()) {
                continue;
            }
            if next.get(&number).is_some_and(|above| log.log_index < *above) {
                self.source.blame("it lists a state sync's log among those of transactions");
                let reason = format!("log {} of a state sync is not behind all others", log.log_index);
                return Err(SyncError::Disproved { block: number, reason });
            }
            proved.logs.push(log);
        }
        proved.logs.sort_by_key(RawLog::position);
        Ok(())
    }

    /// Adds what is proved of blocks in a row; neighbours that are known in one way are one stretch.
    fn note(&self, proved: &mut ProvedLogs, headers: &[&Sealed], provider: String, judged: Judged) {
        let (Some(first), Some(last)) = (headers.first(), headers.last()) else { return };
        proved.logs.extend(judged.logs);
        let next = Evidence {
            range: BlockRange { from: first.header.id.number, to: last.header.id.number },
            parent: first.header.parent,
            hash: last.header.id.hash,
            method: judged.method,
            provider,
            requests: judged.requests,
        };
        match proved.evidence.last_mut().filter(|known| known.continues_with(&next)) {
            Some(known) => {
                known.range.to = next.range.to;
                known.hash = next.hash;
                known.requests += next.requests;
            }
            None => proved.evidence.push(next),
        }
    }
}

/// Equality where one provider may say a block's time with its logs and the other not.
fn same_logs(one: &[RawLog], other: &[RawLog]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.same_as(other))
}
