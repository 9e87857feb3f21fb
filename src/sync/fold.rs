//! Drives the pure fold: gives it what it misses, until nothing is missing.

use std::collections::{BTreeMap, HashMap};

use alloy::primitives::Address;
use tracing::Instrument;

use super::assemble::Found;
use super::pending::Pending;
use super::{Assembled, Sync, SyncError, push_rows, stage};
use crate::fact::Entry;
use crate::mutant::{Mutant, is};
use crate::row::Row;
use crate::source::{CallAnswer, CallRequest, Source, SourceError};
use crate::store::{Store, StoreError};
use crate::table::contract::Coverage;
use crate::table::fold::{Changes, Fold, Load};

/// More rounds than any chain of needs of one log is long: rows, then a call that depends on them, then an input.
const ROUNDS_MAX: usize = 64;

/// What a log needs may depend on what another one came to: its rows, and an answer.
const ROUNDS_OF_A_LOG: usize = 2;

impl<S: Source, D: Store> Sync<S, D> {
    /// The rows of an assembly whose contracts are all followed from now on.
    pub(super) async fn fold(&self, assembled: &Assembled) -> Result<Changes, SyncError> {
        self.fold_over(assembled, None).await
    }

    /// The same over the rows of a commit that is under way, if there is one.
    pub(super) async fn fold_over(
        &self,
        assembled: &Assembled,
        pending: Option<&Pending<'_>>,
    ) -> Result<Changes, SyncError> {
        let mut fold = Fold::new(self.settings());
        fold.have_found(assembled.roles());
        let folding = self.fold_entries(&mut fold, &assembled.entries, pending);
        Box::pin(folding).instrument(stage::fold()).await?;
        let mut changes = fold.take();
        self.cover(&mut changes, &assembled.found, None);
        Ok(changes)
    }

    /// Coverage of the contracts that were found: `through` is the last block read while they catch up, with others or alone.
    pub(super) fn cover<'a>(
        &self,
        changes: &mut Changes,
        found: impl IntoIterator<Item = (&'a Address, &'a Found)>,
        through: Option<u64>,
    ) {
        let rows = found.into_iter().map(|(address, found)| Coverage {
            chain_id: self.config.chain_id,
            address: *address,
            from_block: found.from_block,
            through_block: found.read_through().or(through),
        });
        push_rows(changes, false, rows);
    }

    /// Folds entries, loading rows and asking the node until nothing is missing.
    pub(super) async fn fold_entries(
        &self,
        fold: &mut Fold,
        entries: &[Entry],
        pending: Option<&Pending<'_>>,
    ) -> Result<(), SyncError> {
        let most = ROUNDS_MAX + ROUNDS_OF_A_LOG * entries.len();
        for _ in 0..most {
            if fold.fold(entries).is_ok() {
                return Ok(());
            }
            for load in fold.loads() {
                let rows = self.load(&load, pending).instrument(stage::load()).await?;
                if !fold.loaded(&load, rows) {
                    return Err(StoreError::misfit(load.table).into());
                }
            }
            let calls = fold.wanted_calls();
            if !calls.is_empty() {
                let answers = self.source.calls(&calls).instrument(stage::fetch()).await?;
                for (call, answer) in calls.into_iter().zip(answers) {
                    self.refuse_unknown_opening(&call, &answer)?;
                    fold.answered(call, answer);
                }
            }
            self.fetch_inputs(fold).instrument(stage::fetch()).await?;
        }
        Err(SyncError::Contradiction(format!(
            "folding {} logs needed more than {most} rounds of loading: this is a bug, please report it",
            entries.len()
        )))
    }

    async fn load(&self, load: &Load, pending: Option<&Pending<'_>>) -> Result<Vec<Row>, StoreError> {
        let Some(pending) = pending else { return self.store.load(load).await };
        let left = pending.unanswered(load);
        let stored =
            if left.keys.is_empty() { Vec::new() } else { self.store.load_beside(&left, pending.at).await? };
        Ok(if is(Mutant::PendingForgotten) { stored } else { pending.lay_over(load, stored) })
    }

    /// A wallet's opening balance is never guessed: where the node cannot tell it, an operator finds one that can.
    fn refuse_unknown_opening(&self, call: &CallRequest, answer: &CallAnswer) -> Result<(), SourceError> {
        let opening = self.settings.as_ref().and_then(|settings| settings.openings.get(&call.target));
        if *answer != CallAnswer::StateUnavailable || opening != Some(&call.block) {
            return Ok(());
        }
        Err(SourceError::Pruned {
            provider: "the node".to_owned(),
            method: "eth_call",
            block: call.block.number,
            reason: format!(
                "opening balances of {}, which is followed only from there on, are read there",
                call.target
            ),
        })
    }

    async fn fetch_inputs(&self, fold: &mut Fold) -> Result<(), SyncError> {
        let mut wanted: BTreeMap<_, Vec<u32>> = BTreeMap::new();
        for (block, index) in fold.wanted_inputs() {
            wanted.entry(block).or_default().push(index);
        }
        let wanted: Vec<_> = wanted.into_iter().collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let found = self.source.transactions_at(&wanted).await?;
        for ((block, indices), transactions) in wanted.into_iter().zip(found) {
            let by_index: HashMap<u32, _> =
                transactions.into_iter().map(|transaction| (transaction.index, transaction)).collect();
            for index in indices {
                let found = by_index.get(&index).ok_or_else(|| {
                    SyncError::Contradiction(format!(
                        "block {} has logs of transaction {index}, and its list of transactions has not",
                        block.number
                    ))
                })?;
                fold.fetched(found.clone());
            }
        }
        Ok(())
    }
}
