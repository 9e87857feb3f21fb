//! Puts together what one transaction will fold: the logs of the watched contracts, and of every contract that these
//! announce, over as many hops as there are, with its whole history.
//!
//! Children log before they are announced, so an announcement re-reads its whole block; and a contract may be older
//! than whatever points to it, so its logs are searched from the floor, unless its deployment is in the same
//! transaction as its announcement. Where these are too many, they are left for later ([`super::older`]).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use alloy::primitives::{Address, B256, Bytes, U256};
use tracing::Instrument;
use uuid::Uuid;

use super::{Config, Sync, SyncError, stage};
use crate::block::{BlockId, BlockRange, Header, Position, RawLog};
use crate::decode::withhold::withhold;
use crate::discovery::announcements;
use crate::fact::{Entry, Fact, Role};
use crate::id;
use crate::mutant::{Mutant, is};
use crate::row::Time;
use crate::source::{Source, SourceError};
use crate::store::Store;
use crate::table::fold::claim_end;

/// When claims end by their own data, in seconds since the Unix epoch.
pub(super) fn claim_ends(words: &BTreeMap<U256, usize>) -> impl Fn(U256, &Bytes) -> Option<u64> {
    |topic, data| claim_end(words, topic, data).and_then(|end| u64::try_from(end.0).ok())
}

/// A contract that a batch brought in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub role: Role,
    /// The first block whose logs are read.
    pub from_block: u64,
    /// Whether they are read later: they are more than a step should hold.
    pub is_behind: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Assembled {
    /// In the chain's order.
    pub entries: Vec<Entry>,
    /// The contracts that were not watched before.
    pub found: BTreeMap<Address, Found>,
    /// Whether some are read later that would not be in a shorter range: they are many, each with few logs.
    pub is_crowded: bool,
}

impl Assembled {
    /// The roles of the contracts that were found.
    pub(super) fn roles(&self) -> impl Iterator<Item = (Address, Role)> {
        self.found.iter().map(|(address, found)| (*address, found.role))
    }

    /// The logs of the contracts that were watched before.
    pub(super) fn listed(&self) -> impl Iterator<Item = &RawLog> {
        self.entries.iter().map(|entry| &entry.log).filter(|log| !self.found.contains_key(&log.address))
    }
}

impl<S: Source, D: Store> Sync<S, D> {
    /// For a range of final blocks, given the logs of the contracts watched so far. `held` are blocks that the node had
    /// before the logs were read; none where they are not a node's.
    pub(super) async fn assemble_range(
        &self,
        range: BlockRange,
        logs: Vec<RawLog>,
        held: &[BlockId],
    ) -> Result<Assembled, SyncError> {
        let assembled = self.assemble_unchecked(range, logs, held).await?;
        self.refuse_moved(held).await?;
        Ok(assembled)
    }

    /// The same; whether the chain moved meanwhile is to be asked afterwards.
    pub(super) async fn assemble_unchecked(
        &self,
        range: BlockRange,
        logs: Vec<RawLog>,
        held: &[BlockId],
    ) -> Result<Assembled, SyncError> {
        let assembly = self.assembly(BTreeMap::new());
        self.assemble_from(assembly, range, logs, range.to + 1, held).await
    }

    /// The same from an assembly that has not begun; of contracts that are found our blocks above the range are read too, those
    /// below `top`.
    pub(super) async fn assemble_below(
        &self,
        assembly: Assembly,
        range: BlockRange,
        logs: Vec<RawLog>,
        top: u64,
        held: &[BlockId],
    ) -> Result<Assembled, SyncError> {
        let assembled = self.assemble_from(assembly, range, logs, top, held).await?;
        self.refuse_moved(held).await?;
        Ok(assembled)
    }

    async fn assemble_from(
        &self,
        mut assembly: Assembly,
        range: BlockRange,
        logs: Vec<RawLog>,
        top: u64,
        held: &[BlockId],
    ) -> Result<Assembled, SyncError> {
        let mut unread = logs;
        loop {
            self.read(&mut assembly, unread).await?;
            let found = self.announced(&mut assembly);
            if found.is_empty() {
                if let Some(anew) = self.begin_anew(&mut assembly)? {
                    unread = anew;
                    continue;
                }
                return Ok(assembly.done());
            }
            let all: HashSet<Address> = found.iter().map(|(address, _)| *address).collect();
            // One request for all that were deployed in this range, one for those that may be older.
            let (new, old): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|(_, found)| found.from_block >= range.from);
            let addresses =
                |list: Vec<(Address, Found)>| list.into_iter().map(|(a, _)| a).collect::<Vec<_>>();
            unread = self.range_logs(range, &addresses(new), held).instrument(stage::fetch()).await?;
            let since = BlockRange { from: self.config.floor_block.min(range.from), to: range.to };
            let older = self.older_logs(&mut assembly, since, addresses(old), held);
            unread.extend(older.instrument(stage::fetch()).await?);
            if top > range.to + 1 {
                unread.extend(self.window(range.to, top, &all).await?);
            }
        }
    }

    /// For one block above finality, given all of its logs, whoever emitted them, and the contracts to look at; those
    /// that `assembly` found before are of them. `held` as in [`Sync::assemble_range`].
    pub(super) async fn assemble_block(
        &self,
        block: Header,
        finalized: BlockId,
        logs: &[RawLog],
        mut watched: HashSet<Address>,
        mut assembly: Assembly,
        held: &[BlockId],
    ) -> Result<Assembled, SyncError> {
        watched.extend(assembly.found.keys());
        let of = |logs: &[RawLog], wanted: &HashSet<Address>| -> Vec<RawLog> {
            logs.iter().filter(|log| wanted.contains(&log.address)).cloned().collect()
        };
        let mut unread = of(logs, &watched);
        loop {
            self.read(&mut assembly, unread).await?;
            let found = self.announced(&mut assembly);
            if found.is_empty() {
                if let Some(anew) = self.begin_anew(&mut assembly)? {
                    unread = anew;
                    continue;
                }
                if !assembly.found.is_empty() {
                    // Their older history was listed by number, and what was called final may have moved all the same.
                    self.refuse_moved(held).await?;
                }
                return Ok(assembly.done());
            }
            let all: HashSet<Address> = found.iter().map(|(address, _)| *address).collect();
            unread = of(logs, &all);
            if is(Mutant::ChildrenFromAnnouncement) {
                let read = assembly.entries.keys().next_back().map_or(0, |last| last.log_index);
                unread.retain(|log| log.log_index > read);
            }
            let old: Vec<Address> = found
                .iter()
                .filter(|(_, found)| found.from_block < block.id.number)
                .map(|(address, _)| *address)
                .collect();
            if old.is_empty() {
                continue;
            }
            let top = finalized.number.min(block.id.number - 1);
            if self.config.floor_block <= top {
                let since = BlockRange { from: self.config.floor_block, to: top };
                unread.extend(self.older_logs(&mut assembly, since, old.clone(), held).await?);
            }
            let old: HashSet<Address> = old.into_iter().collect();
            unread.extend(self.window(top, block.id.number, &old).await?);
        }
    }

    /// The logs of these contracts in our blocks between finality and `below`, each block by its hash: a range by number
    /// could answer from another fork.
    async fn window(
        &self,
        finalized: u64,
        below: u64,
        addresses: &HashSet<Address>,
    ) -> Result<Vec<RawLog>, SyncError> {
        let mut logs = Vec::new();
        for header in self.store.headers().await? {
            if header.id.number > finalized && header.id.number < below && !is(Mutant::WindowSkipped) {
                let (found, _) = self.block_logs(header.id, addresses).await?;
                logs.extend(found.into_iter().filter(|log| addresses.contains(&log.address)));
            }
        }
        Ok(logs)
    }

    /// Lists by number are the chain's only where it is the same before and after them: also below finality it may move.
    pub(super) async fn refuse_moved(&self, before: &[BlockId]) -> Result<(), SyncError> {
        self.headers_unless_moved(before, None).await.map(drop)
    }

    /// The same; tells the headers, and that of one more block.
    pub(super) async fn headers_unless_moved(
        &self,
        before: &[BlockId],
        more: Option<u64>,
    ) -> Result<Vec<Header>, SyncError> {
        let mut numbers: Vec<u64> = before.iter().map(|block| block.number).chain(more).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let after = self.source.headers(&numbers).await?;
        for block in before {
            match after.iter().find(|header| header.id.number == block.number) {
                Some(header) if header.id == *block => {}
                Some(other) => return Err(self.moved(*block, other.id)),
                None => {
                    return Err(
                        SourceError::BlockGone { number: block.number, hash: Some(block.hash) }.into()
                    );
                }
            }
        }
        Ok(after)
    }

    pub(super) fn moved(&self, before: BlockId, after: BlockId) -> SyncError {
        SyncError::Contradiction(format!(
            "the chain moved while its blocks were read: block {} was {}, and is {} on {}",
            before.number,
            before.hash,
            after.hash,
            self.source.alias()
        ))
    }

    /// Decodes logs in the roles of their contracts and adds them to the assembly.
    pub(super) async fn read(&self, assembly: &mut Assembly, logs: Vec<RawLog>) -> Result<(), SyncError> {
        let times = self.times(&logs).instrument(stage::fetch()).await?;
        for log in logs {
            let Some(role) = self.role_of(assembly, log.address) else { continue };
            if self.is_before_opening(&log) {
                continue;
            }
            let hash = assembly.hashes.entry(log.block.number).or_insert(log.block.hash);
            if *hash != log.block.hash {
                return Err(SyncError::Contradiction(format!(
                    "block {} has two hashes in one answer, {hash} and {}",
                    log.block.number, log.block.hash
                )));
            }
            let seconds = log.timestamp.or_else(|| times.get(&log.block.number).copied());
            let time =
                Time::from_seconds(seconds.ok_or(SourceError::BlockGone {
                    number: log.block.number,
                    hash: Some(log.block.hash),
                })?);
            let asset_id = role.is_token().then(|| {
                let computed = || id::asset_id(self.config.chain_id, log.address);
                *assembly.assets.entry(log.address).or_insert_with(computed)
            });
            let log = self.without_withheld(role, log);
            let reading = self.decoder.read(role, &log);
            let position = log.position();
            let entry = Entry { log, time, role, asset_id, reading };
            if let Some(Fact::ContractDeployed { address }) = entry.fact() {
                assembly.deployed.insert((entry.log.transaction_hash, *address));
            }
            assembly.fresh.insert(position);
            // What was read of a block before its children were known stays: in its place nothing else can stand.
            if let Some(before) = assembly.entries.insert(position, entry)
                && let Some(after) = assembly.entries.get(&position)
                && !before.log.same_as(&after.log)
            {
                return Err(SyncError::Contradiction(format!(
                    "{} gave two logs for one place, block {} log {}: of {} and of {}",
                    self.source.alias(),
                    position.block_number,
                    position.log_index,
                    before.log.address,
                    after.log.address
                )));
            }
        }
        Ok(())
    }

    /// Block times of the logs that came without.
    async fn times(&self, logs: &[RawLog]) -> Result<BTreeMap<u64, u64>, SyncError> {
        let untimed: BTreeMap<u64, B256> = logs
            .iter()
            .filter(|log| log.timestamp.is_none())
            .map(|log| (log.block.number, log.block.hash))
            .collect();
        let numbers: Vec<u64> = untimed.keys().copied().collect();
        let mut times = BTreeMap::new();
        for header in self.source.headers(&numbers).await? {
            if untimed.get(&header.id.number) != Some(&header.id.hash) {
                return Err(SyncError::Contradiction(format!(
                    "block {} changed between its logs and its header",
                    header.id.number
                )));
            }
            times.insert(header.id.number, header.timestamp);
        }
        Ok(times)
    }

    /// The log without what the configuration withholds of claims; one that ground holds has lost its part already.
    fn without_withheld(&self, role: Role, log: RawLog) -> RawLog {
        if role != Role::Identity || self.config.claim_data.keeps_all() {
            return log;
        }
        let Config { claim_data, claim_expiry, .. } = &self.config;
        withhold(&log, |topic| claim_data.of(topic), claim_ends(claim_expiry)).unwrap_or(log)
    }

    /// The role of a contract whose logs are read now.
    fn role_of(&self, assembly: &Assembly, address: Address) -> Option<Role> {
        if assembly.found.get(&address).is_some_and(|found| found.is_behind) {
            return None;
        }
        let known = self.role_before(assembly, address);
        known.or_else(|| assembly.found.get(&address).map(|found| found.role))
    }

    fn is_before_opening(&self, log: &RawLog) -> bool {
        self.settings
            .as_ref()
            .and_then(|settings| settings.openings.get(&log.address))
            .is_some_and(|opening| log.block.number <= opening.number)
    }

    /// The contracts that the entries added last announce and that nobody watches yet.
    pub(super) fn announced(&self, assembly: &mut Assembly) -> Vec<(Address, Found)> {
        let mut new = Vec::new();
        for position in std::mem::take(&mut assembly.fresh) {
            let Some(entry) = assembly.entries.get(&position) else { continue };
            let Some(fact) = entry.fact() else { continue };
            let transaction = entry.log.transaction_hash;
            let mut latest = Vec::new();
            for (address, role) in announcements(entry.role, fact) {
                // Who is given two roles by one log has the first, in `contracts` as in `asset_events`.
                let is_given = latest.iter().any(|(given, _)| *given == address);
                if is_given || !self.may_give(assembly, address, role) {
                    continue;
                }
                let is_new = assembly.deployed.contains(&(transaction, address));
                let from_block = if is_new || is(Mutant::OldHistorySkipped) {
                    position.block_number
                } else {
                    self.config.floor_block
                };
                latest.push((address, Found { role, from_block, is_behind: false }));
            }
            for (address, found) in latest {
                assembly.found.insert(address, found);
                new.push((address, found));
            }
        }
        new
    }
}

/// An assembly under way.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    pub(super) entries: BTreeMap<Position, Entry>,
    pub(super) found: BTreeMap<Address, Found>,
    /// Contracts that were found before it began.
    pub(super) before: BTreeMap<Address, Found>,
    /// Which of several roles a contract has, and how often that was found out.
    pub(super) settled: BTreeMap<Address, Role>,
    pub(super) settlings: u32,
    /// Whether a contract that was found was given two roles.
    pub(super) is_contested: bool,
    /// More logs than these, from before the step, are left for later; none where all are read.
    pub(super) older_max: Option<usize>,
    /// See [`Assembled`].
    pub(super) is_crowded: bool,
    fresh: BTreeSet<Position>,
    deployed: HashSet<(B256, Address)>,
    hashes: BTreeMap<u64, B256>,
    /// Ids of the assets that logged.
    assets: HashMap<Address, Uuid>,
}

impl Assembly {
    /// One that goes on from contracts found before.
    pub(super) fn with(found: BTreeMap<Address, Found>, older_max: Option<usize>) -> Self {
        Self { before: found.clone(), found, older_max, ..Self::default() }
    }

    pub(super) fn done(self) -> Assembled {
        let entries = self.entries.into_values().collect();
        Assembled { entries, found: self.found, is_crowded: self.is_crowded }
    }
}
