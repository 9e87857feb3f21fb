//! Contracts that were added to the configuration later: read from their start while the head is followed, until the
//! checkpoint speaks for them.
//!
//! Every row belongs to the contract that caused it, so these contracts fold alone and disturb nobody; what spans
//! contracts is joined when it is read.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use alloy::primitives::Address;

use super::ahead::overfull_at;
use super::assemble::Assembled;
use super::rollback::no_final_header;
use super::{Outcome, Proving, Sync, SyncError, push_rows};
use crate::block::{BlockId, BlockRange, RawLog};
use crate::mutant::{Mutant, is};
use crate::row::{Field, Row, Table, TableDef};
use crate::source::{Source, View};
use crate::store::{Checkpoint, Commit, Section, Store};
use crate::table::contract::{Contract as ContractRow, Coverage, LateHistory};
use crate::table::event::{ConfiguredContract, TransactionInput, TransactionInputKey};
use crate::table::fold::Fold;
use crate::table::identity::Identity;

/// Of the logs that a step should hold, this part is the most contracts that one reads on.
const BEHIND_AT_ONCE: usize = 4;

/// What catching up found in the tables, and relies on.
struct Relied {
    contracts: BTreeSet<Address>,
    inputs: BTreeSet<TransactionInputKey>,
}

/// Contracts that were read up to finality, and what they came to there.
struct Joining {
    fold: Fold,
    watched: HashSet<Address>,
    before: Assembled,
}

impl<S: Source, D: Store> Sync<S, D> {
    /// Reads the next stretch of the contracts that are behind.
    pub(super) async fn catch_up(
        &mut self,
        checkpoint: &Checkpoint,
        view: &View,
    ) -> Result<Outcome, SyncError> {
        let read = Box::pin(self.read_behind(checkpoint, view)).await;
        self.sweep_if_double(checkpoint, read).await
    }

    async fn read_behind(&mut self, checkpoint: &Checkpoint, view: &View) -> Result<Outcome, SyncError> {
        let at = checkpoint.block.id.number;
        // What the node calls final is final for us only where our checkpoint is of its chain.
        match self.source.header(at).await? {
            Some(theirs) if theirs.id != checkpoint.block.id => return self.roll_back(checkpoint).await,
            Some(_) => {}
            // A node that is behind: what it lists may not be all.
            None => return Ok(Outcome::Idle),
        }
        let floor = self.floor(view).await?;
        let behind = self.next_behind(checkpoint, floor).await?;
        let Some(from) = behind.values().min().map(|through| through + 1) else { return Ok(Outcome::Idle) };
        let goal = floor.min(at);
        let (to, assembled) = self.read_stretch(&behind, from, goal, &[checkpoint.block.id]).await?;
        let reaches = to.max(from.saturating_sub(1)) >= goal;
        if from <= to {
            self.behind_blocks = self.blocks_after(BlockRange { from, to }, assembled.entries.len());
        }
        let mut fold = Fold::new(self.settings());
        fold.have_found(assembled.roles());
        self.fold_entries(&mut fold, &assembled.entries, None).await?;
        self.tell_of_behind(&assembled.found);
        let mut relied = Relied { contracts: fold.announced_again().collect(), inputs: fold.inputs_known() };
        let mut changes = fold.take();
        let through = (!reaches).then_some(to);
        self.cover(&mut changes, &assembled.found, through);
        self.note_late_history(&mut changes, &assembled.found, checkpoint).await?;
        push_rows(&mut changes, false, self.covered(&behind, through).await?);
        if reaches {
            let joined = self.joined_history(&behind, checkpoint).await?;
            push_rows(&mut changes, false, joined);
        }
        let mut sections = vec![Section { undo_block: None, changes }];
        let mut events = assembled.entries.len();
        if reaches {
            let watched = behind.keys().copied().collect();
            let joining = Joining { fold, watched, before: assembled };
            events +=
                self.join(&mut sections, joining, &mut relied, checkpoint, view.finalized, floor).await?;
        }
        if self.goes_with_the_head(relied, &sections, checkpoint, floor).await? {
            return self.make_way(checkpoint, floor).await;
        }
        self.commit(Commit {
            expected: checkpoint.block.id,
            next: checkpoint.block,
            finalized: view.finalized,
            sections,
            evidence: Vec::new(),
        })
        .await?;
        // Whoever runs to a bound asks at once whether anybody is still behind.
        self.known = None;
        self.learn(checkpoint).await?;
        let through = if reaches { at } else { to };
        Ok(Outcome::CaughtUp { through, joined: reaches, events })
    }

    /// The contracts of which the next stretch is read, each with the last block read: a part of those that are behind, and none
    /// that a block above the floor brought in, itself or by what it led to. What is read of them leaves no undo journal.
    async fn next_behind(
        &self,
        checkpoint: &Checkpoint,
        floor: u64,
    ) -> Result<HashMap<Address, u64>, SyncError> {
        let Some(known) = &self.known else { return Ok(HashMap::new()) };
        let most = self.config.range_logs_target.div_ceil(BEHIND_AT_ONCE);
        let all = is(Mutant::CatchUpAboveFinality);
        let may = |address: &Address| all || known.announced.get(address).is_none_or(|block| *block <= floor);
        let behind = known.catching_up.iter().filter(|(address, _)| may(address));
        let groups = in_turn(behind.map(|(address, through)| (*address, *through)).collect(), |address| {
            !known.announced.contains_key(address)
        });
        for group in groups.iter().flat_map(|group| group.chunks(most)) {
            let mut group: HashMap<Address, u64> = group.iter().copied().collect();
            if checkpoint.block.id.number > floor && !all {
                let addresses: Vec<Address> = group.keys().copied().collect();
                for address in self.brought_above(&addresses, floor).await? {
                    group.remove(&address);
                }
            }
            if !group.is_empty() {
                return Ok(group);
            }
        }
        Ok(HashMap::new())
    }

    /// Those of these contracts whose rows the undo journal holds as they were before blocks above the floor.
    async fn brought_above(&self, contracts: &[Address], floor: u64) -> Result<Vec<Address>, SyncError> {
        let chain_id = self.config.chain_id.to_value();
        let (mut brought, mut unknown) = (Vec::new(), vec![contracts]);
        while let Some(part) = unknown.pop() {
            let keys: Vec<Row> =
                part.iter().map(|address| vec![chain_id.clone(), address.to_value()]).collect();
            if part.is_empty() || !self.store.is_journaled(ContractRow::DEF, &keys, floor).await? {
                continue;
            }
            match part {
                [one] => brought.push(*one),
                part => {
                    let (one, other) = part.split_at(part.len() / 2);
                    unknown.extend([one, other]);
                }
            }
        }
        Ok(brought)
    }

    /// The logs of the contracts that are behind, from a block on, with what they lead to: up to the goal, or about as much
    /// as a step should hold; and where that ends.
    pub(super) async fn read_stretch(
        &self,
        behind: &HashMap<Address, u64>,
        from: u64,
        goal: u64,
        held: &[BlockId],
    ) -> Result<(u64, Assembled), SyncError> {
        let is_proved_first = self.config.proving == Proving::BeforeCommit;
        // What is proved ends where something is known, and is proved to the end.
        let blocks = if is_proved_first { self.config.range_blocks_max } else { self.behind_blocks };
        let mut to = goal.min(from.saturating_add(blocks.max(1) - 1));
        if from > to {
            return Ok((to, Assembled::default()));
        }
        if is_proved_first && to < goal {
            to = self.known_end(from, to).await?;
        }
        let addresses: Vec<Address> = behind.keys().copied().collect();
        let mut logs = self.range_logs(BlockRange { from, to }, &addresses, held).await?;
        logs.retain(|log| is_unread(behind, log));
        // Where they are too many they are cut, which a list in another order would not bear.
        logs.sort_by_key(RawLog::position);
        let may_end = |end: &u64, to: u64| !is_proved_first && (from..to).contains(end);
        let mut end = overfull_at(&logs, self.config.range_logs_target).filter(|end| may_end(end, to));
        loop {
            if let Some(end) = end {
                to = end;
                logs.truncate(logs.partition_point(|log| log.block.number <= end));
            }
            let assembled = self.assemble_range(BlockRange { from, to }, logs, held).await?;
            // What they lead to may be more than they are.
            end = self.end_of_a_step(&assembled).filter(|end| may_end(end, to));
            if end.is_none() {
                return Ok((to, assembled));
            }
            logs = assembled.listed().cloned().collect();
        }
    }

    /// The height above which blocks can be taken back: that of the newest final block; that where reading began, where that was
    /// above finality. Headers are kept from there on.
    async fn floor(&self, view: &View) -> Result<u64, SyncError> {
        let headers = self.store.headers().await?;
        let lowest = headers.first().map_or(0, |header| header.id.number);
        Ok(view.finalized.number.max(lowest))
    }

    /// Whether a block that a reorg may take back brought in, or changed, what catching up relies on or writes: a contract that
    /// both announce, an identity that both know, a transaction that both asked for. Its undo journal would take that away, and
    /// what was read of it.
    async fn goes_with_the_head(
        &self,
        relied: Relied,
        sections: &[Section],
        checkpoint: &Checkpoint,
        floor: u64,
    ) -> Result<bool, SyncError> {
        if checkpoint.block.id.number <= floor {
            return Ok(false);
        }
        let chain_id = self.config.chain_id.to_value();
        let contracts =
            relied.contracts.iter().map(|address| vec![chain_id.clone(), address.to_value()]).collect();
        let identities = sections
            .iter()
            .flat_map(|section| &section.changes.upserts)
            .filter(|(table, _)| *table == Identity::DEF)
            .flat_map(|(table, rows)| rows.iter().map(|row| row[..table.key_len].to_vec()))
            .collect();
        // One of a block that may go itself goes with that.
        let inputs = relied.inputs.into_iter().filter(|key| key.block_number <= floor);
        let written: [(&'static TableDef, Vec<Row>); 3] = [
            (ContractRow::DEF, contracts),
            (Identity::DEF, identities),
            (TransactionInput::DEF, inputs.map(|key| TransactionInput::key_values(&key)).collect()),
        ];
        for (table, keys) in written {
            if !keys.is_empty() && self.store.is_journaled(table, &keys, floor).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The blocks above finality are taken back, and follow again once what catches up stands below them.
    async fn make_way(&mut self, checkpoint: &Checkpoint, floor: u64) -> Result<Outcome, SyncError> {
        let headers = self.store.headers().await?;
        let highest = headers.into_iter().rfind(|header| header.id.number <= floor);
        let ancestor = highest.ok_or_else(|| no_final_header(floor))?;
        // The next step is this one again.
        self.caught_up_last = false;
        let reason = "a contract that was configured later had announced what these blocks announced: they follow again";
        self.take_back(checkpoint, ancestor, ancestor.id.hash, reason).await
    }

    /// The blocks above the floor, each with its own undo, so that a later reorg takes back just what it should.
    async fn join(
        &self,
        sections: &mut Vec<Section>,
        Joining { mut fold, watched, before }: Joining,
        relied: &mut Relied,
        checkpoint: &Checkpoint,
        finalized: BlockId,
        floor: u64,
    ) -> Result<usize, SyncError> {
        let at = checkpoint.block.id.number;
        let mut found = before.found;
        let mut events = 0;
        for block in self.store.headers().await? {
            if block.id.number <= floor || block.id.number > at {
                continue;
            }
            let known = found.keys().copied().collect::<HashSet<_>>();
            let (logs, _) = self.block_logs(block.id, &watched.union(&known).copied().collect()).await?;
            let assembly = self.assembly(std::mem::take(&mut found));
            let held = [checkpoint.block.id];
            let mut assembled =
                self.assemble_block(block, finalized, &logs, watched.clone(), assembly, &held).await?;
            fold.have_found(assembled.roles());
            self.fold_entries(&mut fold, &assembled.entries, None).await?;
            relied.contracts.extend(fold.announced_again());
            events += assembled.entries.len();
            found = assembled.found.clone();
            assembled.found.retain(|address, _| !known.contains(address));
            let mut changes = fold.take();
            self.cover(&mut changes, &assembled.found, None);
            self.note_late_history(&mut sections[0].changes, &assembled.found, checkpoint).await?;
            let undo_block = (!is(Mutant::CatchUpWithoutUndo)).then_some(block.id.number);
            sections.push(Section { undo_block, changes });
        }
        // The fold keeps those of all sections.
        relied.inputs = fold.inputs_known();
        Ok(events)
    }

    /// What of the contracts that join now was not proved with the blocks that are proved already; all of it, since the
    /// first of it may have been read when nothing had to be proved before its commit.
    async fn joined_history(
        &self,
        behind: &HashMap<Address, u64>,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<LateHistory>, SyncError> {
        let rows: Vec<Coverage> = self.rows().await?;
        let configured: Vec<ConfiguredContract> = self.rows().await?;
        let mut joining = Vec::new();
        for row in rows.into_iter().filter(|row| behind.contains_key(&row.address)) {
            let is_told =
                configured.iter().any(|one| one.address == row.address && one.opening_block.is_none());
            let from = if is_told { self.unseen_from(row.from_block).await? } else { row.from_block };
            joining.push((row.address, from));
        }
        self.late_history(joining.into_iter(), checkpoint).await
    }

    async fn covered(
        &self,
        behind: &HashMap<Address, u64>,
        through: Option<u64>,
    ) -> Result<Vec<Coverage>, SyncError> {
        let rows: Vec<Coverage> = self.rows().await?;
        Ok(rows
            .into_iter()
            .filter(|row| behind.contains_key(&row.address))
            .map(|row| Coverage {
                through_block: through
                    .map(|through| row.through_block.map_or(through, |was| was.max(through))),
                ..row
            })
            .collect())
    }
}

/// The contracts that are behind, in groups that are read on together, one group after the other: those that were configured, with
/// all that are not further behind; then by how far they were read, so that who is nearly there does not begin anew with each that
/// is found. As a step reads on so many at most: each has a row that says how far it was read, which every step writes.
fn in_turn(
    mut behind: Vec<(Address, u64)>,
    is_configured: impl Fn(&Address) -> bool,
) -> Vec<Vec<(Address, u64)>> {
    behind.sort_unstable_by_key(|(address, through)| (Reverse(*through), *address));
    let configured = behind.iter().filter(|(address, _)| is_configured(address));
    let least = configured.map(|(_, through)| *through).min();
    let together = |one: &(Address, u64), other: &(Address, u64)| {
        one.1 == other.1 || least.is_some_and(|least| one.1 >= least && other.1 >= least)
    };
    behind.chunk_by(together).map(<[_]>::to_vec).collect()
}

fn is_unread(behind: &HashMap<Address, u64>, log: &RawLog) -> bool {
    let skipped = u64::from(is(Mutant::CatchUpSkipsFirst));
    behind.get(&log.address).is_some_and(|through| log.block.number > *through + skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u8) -> Address {
        Address::repeat_byte(number)
    }

    /// The numbers of the contracts of each group; `configured` are of a configuration.
    fn turns(behind: &[(u8, u64)], configured: &[u8]) -> Vec<Vec<u8>> {
        let behind = behind.iter().map(|(number, through)| (account(*number), *through)).collect();
        let groups = in_turn(behind, |address| configured.contains(&address[0]));
        groups.into_iter().map(|group| group.into_iter().map(|(address, _)| address[0]).collect()).collect()
    }

    #[test]
    fn who_is_nearly_there_does_not_wait_for_who_begins() {
        assert_eq!(turns(&[(1, 0), (2, 90), (3, 0), (4, 90)], &[]), [vec![2, 4], vec![1, 3]]);
        assert!(turns(&[], &[]).is_empty());
    }

    #[test]
    fn configured_contracts_are_read_together_and_with_what_they_led_to() {
        assert_eq!(turns(&[(1, 10), (2, 50), (3, 50), (4, 0)], &[1, 2]), [vec![2, 3, 1], vec![4]]);
    }
}
