//! What a fold asks of the store and of the node, what it takes in answer, and what it gives in the end.

use std::collections::BTreeSet;

use alloy::primitives::{Address, Bytes};

use super::{Answer, Changes, Fold, Load};
use crate::block::{BlockId, Transaction};
use crate::fact::Entry;
use crate::row::{Class, Field, Row, Table, TableDef};
use crate::source::{CallAnswer, CallRequest};
use crate::table::event::{Observation, ObservationKey};
use crate::table::registry::{Registration, registrations_by_identity, registrations_in_doubt};
use crate::table::rows::{Missing, Rows, in_key_order};

impl Fold {
    /// The answer of the emitting contract at the end of the entry's block.
    pub(in crate::table) fn observe(&mut self, entry: &Entry, input: Vec<u8>) -> Result<Answer, Missing> {
        self.observe_at(entry.log.address, entry.log.block, input)
    }

    /// The answer of a contract at the end of a block: stored once as ground, then read from there.
    pub(in crate::table) fn observe_at(
        &mut self,
        target: Address,
        block: BlockId,
        input: Vec<u8>,
    ) -> Result<Answer, Missing> {
        let input = Bytes::from(input);
        let key = ObservationKey {
            chain_id: self.chain_id(),
            block_number: block.number,
            target,
            input: input.clone(),
        };
        if let Some(stored) = self.observations.get(&key)? {
            return Ok(Answer(stored.output));
        }
        let request = CallRequest { block, target, input };
        let Some(answer) = self.answers.get(&request) else {
            self.wanted_calls.insert(request);
            return Err(Missing);
        };
        let (outcome, output) = match answer {
            CallAnswer::Returned(output) => ("returned", Some(output.clone())),
            CallAnswer::Reverted => ("reverted", None),
            CallAnswer::StateUnavailable => ("unavailable", None),
        };
        self.observations.put(Observation {
            chain_id: key.chain_id,
            block_number: block.number,
            target,
            input: key.input,
            block_hash: block.hash,
            outcome: outcome.to_owned(),
            output: output.clone(),
        });
        Ok(Answer(output))
    }

    /// The wallets that the store maps to an identity in a storage; without one, those in doubt, whatever theirs is.
    pub(in crate::table) fn stored_wallets(
        &mut self,
        storage: Address,
        identity: Option<Address>,
    ) -> Result<Vec<Address>, Missing> {
        match self.wallet_sets.get(&(storage, identity)) {
            Some(wallets) => Ok(wallets.clone()),
            None => {
                self.wanted_wallet_sets.insert((storage, identity));
                Err(Missing)
            }
        }
    }
}

/// Applies one expression to each keyed set of rows.
macro_rules! each_rows {
    ($fold:ident, $rows:ident => $body:expr) => {{
        {
            let $rows = &mut $fold.assets;
            $body
        }
        {
            let $rows = &mut $fold.holders;
            $body
        }
        {
            let $rows = &mut $fold.days;
            $body
        }
        {
            let $rows = &mut $fold.documents;
            $body
        }
        {
            let $rows = &mut $fold.contracts;
            $body
        }
        {
            let $rows = &mut $fold.contract_links;
            $body
        }
        {
            let $rows = &mut $fold.permissions;
            $body
        }
        {
            let $rows = &mut $fold.registrations;
            $body
        }
        {
            let $rows = &mut $fold.providers;
            $body
        }
        {
            let $rows = &mut $fold.required_topics;
            $body
        }
        {
            let $rows = &mut $fold.modules;
            $body
        }
        {
            let $rows = &mut $fold.module_parameters;
            $body
        }
        {
            let $rows = &mut $fold.identities;
            $body
        }
        {
            let $rows = &mut $fold.identity_links;
            $body
        }
        {
            let $rows = &mut $fold.identity_keys;
            $body
        }
        {
            let $rows = &mut $fold.claims;
            $body
        }
        {
            let $rows = &mut $fold.revocations;
            $body
        }
        {
            let $rows = &mut $fold.inputs;
            $body
        }
        {
            let $rows = &mut $fold.observations;
            $body
        }
    }};
}

fn def_of<T: Table>(_: &Rows<T>) -> &'static TableDef {
    T::DEF
}

fn key_columns_of<T: Table>(_: &Rows<T>) -> Vec<usize> {
    (0..T::DEF.thing_len.unwrap_or(T::DEF.key_len)).collect()
}

impl Fold {
    /// The rows that were missing, as questions to the store.
    pub fn loads(&self) -> Vec<Load> {
        let fold = self;
        let mut loads = Vec::new();
        macro_rules! wanted {
            ($($rows:ident)+) => { $(
                let keys = fold.$rows.wanted();
                if !keys.is_empty() {
                    loads.push(Load {
                        table: def_of(&fold.$rows),
                        columns: key_columns_of(&fold.$rows),
                        keys,
                    });
                }
            )+ };
        }
        wanted!(assets holders days documents contracts contract_links permissions registrations providers required_topics
            modules module_parameters identities identity_links identity_keys claims revocations inputs observations);
        loads.extend(self.wallet_set_loads());
        loads
    }

    fn wallet_set_loads(&self) -> impl Iterator<Item = Load> {
        let chain_id = self.settings.chain_id.to_value();
        let (mut of_identities, mut in_doubt) = (Vec::new(), Vec::new());
        for (storage, identity) in &self.wanted_wallet_sets {
            let (keys, last) = match identity {
                Some(identity) => (&mut of_identities, identity.to_value()),
                None => (&mut in_doubt, true.to_value()),
            };
            keys.push(vec![chain_id.clone(), storage.to_value(), last]);
        }
        let asked = [(registrations_by_identity(), of_identities), (registrations_in_doubt(), in_doubt)];
        asked.into_iter().filter(|(_, keys)| !keys.is_empty()).map(|((table, columns), keys)| Load {
            table,
            columns: columns.to_vec(),
            keys,
        })
    }

    /// Takes the store's answer to one of [`Fold::loads`]. False when rows do not fit the table's declaration.
    pub fn loaded(&mut self, load: &Load, rows: Vec<Row>) -> bool {
        for ((table, columns), is_in_doubt) in
            [(registrations_by_identity(), false), (registrations_in_doubt(), true)]
        {
            if load.table == table && load.columns == columns {
                return self.wallet_sets_loaded(rows, is_in_doubt);
            }
        }
        let fold = self;
        let mut answer = Some(rows);
        each_rows!(fold, rows => {
            if def_of(rows) == load.table
                && let Some(answer) = answer.take()
            {
                return rows.load(answer);
            }
        });
        false
    }

    fn wallet_sets_loaded(&mut self, rows: Vec<Row>, is_in_doubt: bool) -> bool {
        let (answered, wanted): (BTreeSet<_>, _) = std::mem::take(&mut self.wanted_wallet_sets)
            .into_iter()
            .partition(|(_, identity)| identity.is_none() == is_in_doubt);
        self.wanted_wallet_sets = wanted;
        self.wallet_sets.extend(answered.into_iter().map(|set| (set, Vec::new())));
        rows.into_iter().all(|row| {
            let Some(row) = Registration::from_row(row) else { return false };
            let identity = (!is_in_doubt).then_some(row.identity);
            self.wallet_sets.entry((row.storage, identity)).or_default().push(row.wallet);
            self.registrations.told(row);
            true
        })
    }

    /// Calls to be answered before the next attempt.
    pub fn wanted_calls(&mut self) -> Vec<CallRequest> {
        std::mem::take(&mut self.wanted_calls).into_iter().collect()
    }

    /// Takes the answer to a call.
    pub fn answered(&mut self, request: CallRequest, answer: CallAnswer) {
        self.answers.insert(request, answer);
    }

    /// Transactions whose input is needed before the next attempt, as block and position.
    pub fn wanted_inputs(&mut self) -> Vec<(BlockId, u32)> {
        std::mem::take(&mut self.wanted_inputs).into_iter().collect()
    }

    /// Takes a transaction that was wanted.
    pub fn fetched(&mut self, transaction: Transaction) {
        self.fetched_inputs.insert((transaction.block, transaction.index), transaction);
    }

    /// What was folded, to be written; the fold then starts from there.
    pub fn take(&mut self) -> Changes {
        let fold = self;
        let mut upserts: Vec<(&'static TableDef, Vec<Row>)> = Vec::new();
        each_rows!(fold, rows => {
            let changed = rows.take();
            if !changed.is_empty() {
                upserts.push((def_of(rows), changed));
            }
        });
        let (inserts, upserts): (Vec<_>, Vec<_>) =
            upserts.into_iter().partition(|(table, _)| table.class == Class::Ground);
        let mut changes = Changes { inserts, upserts };
        fn rows<T: Table>(changes: &mut Changes, rows: &mut Vec<T>) {
            if !rows.is_empty() {
                changes.inserts.push((T::DEF, in_key_order(std::mem::take(rows))));
            }
        }
        rows(&mut changes, &mut fold.events);
        rows(&mut changes, &mut fold.history);
        rows(&mut changes, &mut fold.transactions);
        rows(&mut changes, &mut fold.operations);
        fold.wallet_sets.clear();
        changes
    }
}
