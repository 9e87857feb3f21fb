//! Contracts that others give different roles: which one they have (the README's decision 28).
//!
//! A contract has the role that it was given first. A log gives from when it was known: from its own place in the chain on, or,
//! where it is older than what led to its emitter, from that on; of what became known together, what took fewer steps is first,
//! then what stands earlier. So the same is found block by block and in long ranges.

use std::collections::{BTreeMap, HashMap};

use alloy::primitives::Address;

use super::assemble::Assembly;
use super::{Sync, SyncError};
use crate::block::{Position, RawLog};
use crate::discovery::announcements;
use crate::fact::{Reading, Role};
use crate::source::Source;
use crate::store::Store;

/// More often than any chain of contradictions is long.
const SETTLINGS_MAX: u32 = 1_000;

/// When a contract became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Discovery {
    /// From here on the log that gave it a role was known.
    since: Position,
    /// How many contracts led to it from the one that was known there.
    steps: u32,
    /// The log, and which of the contracts that it announces.
    log: Position,
    place: usize,
}

/// What is announced, in the order in which it became known.
type Waiting = BTreeMap<Discovery, (Address, Role)>;

impl<S: Source, D: Store> Sync<S, D> {
    /// The role of a contract that was known before an assembly began.
    pub(super) fn role_before(&self, assembly: &Assembly, address: Address) -> Option<Role> {
        let known = self.known.as_ref().and_then(|known| known.roles.get(&address).copied());
        known.or_else(|| assembly.before.get(&address).map(|found| found.role))
    }

    /// Whether a contract is found when it is given this role: it has none yet, nor will be given another.
    pub(super) fn may_give(&self, assembly: &mut Assembly, address: Address, role: Role) -> bool {
        if let Some(known) = self.role_before(assembly, address) {
            if known != role {
                tracing::warn!(%address, role = known.name(), given = role.name(),
                    "a contract is given a second role, and keeps the one that it has");
            }
            return false;
        }
        let given = assembly.found.get(&address).map(|found| found.role);
        let settled = assembly.settled.get(&address).copied();
        assembly.is_contested |= given.or(settled).is_some_and(|other| other != role);
        given.is_none() && settled.is_none_or(|settled| settled == role)
    }

    /// Begins anew, with the roles that contracts have, where some were read in another; gives the logs to begin with.
    ///
    /// # Errors
    /// [`SyncError::Contradiction`] where that does not end, which would be a bug.
    pub(super) fn begin_anew(&self, assembly: &mut Assembly) -> Result<Option<Vec<RawLog>>, SyncError> {
        if !assembly.is_contested {
            return Ok(None);
        }
        let first = self.first_roles(assembly);
        let found = || assembly.found.iter().filter(|(address, _)| !assembly.before.contains_key(*address));
        if found()
            .map(|(address, found)| (*address, found.role))
            .eq(first.iter().map(|(a, role)| (*a, *role)))
        {
            for (address, role) in first.iter().filter(|(address, _)| assembly.settled.contains_key(*address))
            {
                tracing::warn!(%address, role = role.name(),
                    "a contract may be given a second role, and keeps the one that was known first");
            }
            return Ok(None);
        }
        if assembly.settlings == SETTLINGS_MAX {
            return Err(SyncError::Contradiction(format!(
                "the roles of {} contracts contradict each other without end: this is a bug, please report it",
                first.len()
            )));
        }
        let logs = assembly.entries.values().map(|entry| &entry.log);
        let logs = logs.filter(|log| self.role_before(assembly, log.address).is_some()).cloned().collect();
        let settlings = assembly.settlings + 1;
        *assembly = Assembly::with(std::mem::take(&mut assembly.before), assembly.older_max);
        (assembly.settled, assembly.settlings) = (first, settlings);
        Ok(Some(logs))
    }

    /// The role of every contract that the logs of an assembly lead to.
    fn first_roles(&self, assembly: &Assembly) -> BTreeMap<Address, Role> {
        let mut logs: HashMap<Address, Vec<&RawLog>> = HashMap::new();
        for entry in assembly.entries.values() {
            logs.entry(entry.log.address).or_default().push(&entry.log);
        }
        let mut waiting = Waiting::new();
        for (address, logs) in &logs {
            if let Some(role) = self.role_before(assembly, *address) {
                self.wait(&mut waiting, role, logs, None);
            }
        }
        let mut first = BTreeMap::new();
        while let Some((discovery, (address, role))) = waiting.pop_first() {
            if self.role_before(assembly, address).is_none() && !first.contains_key(&address) {
                first.insert(address, role);
                self.wait(&mut waiting, role, logs.get(&address).map_or(&[], Vec::as_slice), Some(discovery));
            }
        }
        first
    }

    /// Adds what the logs of a contract announce, read in a role that it has since a discovery.
    fn wait(&self, waiting: &mut Waiting, role: Role, logs: &[&RawLog], since: Option<Discovery>) {
        for log in logs {
            let Reading::Event { fact, .. } = self.decoder.read(role, log) else { continue };
            let at = log.position();
            let (from, steps) = match since {
                Some(discovery) if discovery.since >= at => (discovery.since, discovery.steps + 1),
                _ => (at, 0),
            };
            for (place, (address, role)) in announcements(role, &fact).into_iter().enumerate() {
                waiting.entry(Discovery { since: from, steps, log: at, place }).or_insert((address, role));
            }
        }
    }
}
