//! Brings the configured contracts into the tables: at the start, when one is added, and after a reorg that took one.

use std::collections::HashMap;

use alloy::primitives::Address;

use super::start::Resolved;
use super::{Contract, Known, StartError, Sync, SyncError, push_rows};
use crate::block::BlockId;
use crate::fact::Role;
use crate::mutant::{Mutant, is};
use crate::row::{Field, Table};
use crate::source::Source;
use crate::store::{Checkpoint, Commit, Section, Store, StoreError};
use crate::table::contract::{Contract as ContractRow, Coverage};
use crate::table::event::ConfiguredContract;
use crate::table::fold::{Changes, Load};

impl<S: Source, D: Store> Sync<S, D> {
    /// The rows of configured contracts; one whose start is at or below the checkpoint has to catch up.
    pub(super) fn configured_rows(&self, changes: &mut Changes, resolved: &[Resolved], at: u64) {
        let chain_id = self.config.chain_id;
        push_rows(
            changes,
            false,
            resolved.iter().map(|resolved| ConfiguredContract {
                chain_id,
                address: resolved.contract.address,
                role: resolved.contract.role.name().to_owned(),
                opening_block: resolved.opening.map(|opening| opening.number),
                opening_hash: resolved.opening.map(|opening| opening.hash),
            }),
        );
        push_rows(
            changes,
            false,
            resolved.iter().map(|resolved| {
                let contract = &resolved.contract;
                ContractRow::configured(chain_id, contract.address, contract.role.name().to_owned())
            }),
        );
        push_rows(
            changes,
            false,
            resolved.iter().map(|resolved| Coverage {
                chain_id,
                address: resolved.contract.address,
                from_block: resolved.start_block,
                through_block: (resolved.start_block <= at && !is(Mutant::CoverageAtOnce))
                    .then(|| resolved.start_block.saturating_sub(1)),
            }),
        );
    }

    /// Compares the configuration with the tables, and adds what is new: later, where the node's chain is not ours now. The
    /// first block of a contract is a number, and on another branch it is another one.
    pub(super) async fn configure(&mut self, checkpoint: &Checkpoint) -> Result<(), SyncError> {
        let stored: Vec<ConfiguredContract> = self.rows().await?;
        let contracts: Vec<ContractRow> = self.rows().await?;
        let roles: HashMap<Address, String> =
            contracts.into_iter().map(|row| (row.address, row.role)).collect();
        let is_stored = |contract: &Contract| {
            stored.iter().any(|row| row.address == contract.address) && roles.contains_key(&contract.address)
        };
        for contract in &self.config.contracts {
            let (address, configured) = (contract.address, contract.role.name());
            if let Some(stored) = roles.get(&address).filter(|stored| *stored != configured) {
                let stored = stored.clone();
                return Err(StartError::OtherRole { address, configured, stored }.into());
            }
        }
        let new: Vec<Contract> =
            self.config.contracts.iter().filter(|contract| !is_stored(contract)).copied().collect();
        let mut openings: Vec<(Address, BlockId)> = stored.iter().filter_map(opening_of).collect();
        let at = checkpoint.block.id;
        let mut is_added = new.is_empty();
        if !new.is_empty() && self.is_nodes(at).await? {
            let view = self.source.view().await?;
            let mut resolved = self.resolve(&new, &view, checkpoint.finalized.number).await?;
            for known in resolved.iter_mut().filter(|one| roles.contains_key(&one.contract.address)) {
                // The chain announced it, and all of it is in the tables: there is nothing to open.
                if known.opening.take().is_some() {
                    tracing::warn!(address = %known.contract.address,
                        "the contract is known already, from its first event on: `partial` changes nothing");
                }
            }
            is_added = self.is_nodes(at).await?;
            if is_added {
                openings.extend(resolved.iter().filter_map(|resolved| {
                    resolved.opening.map(|opening| (resolved.contract.address, opening))
                }));
                self.add(checkpoint, &resolved, &roles).await?;
            }
        }
        self.settings = Some(self.settings_of(openings.into_iter()));
        self.configured = is_added;
        self.known = None;
        // It was folded as the contracts were configured before.
        self.ahead = None;
        Ok(())
    }

    /// Whether a block of ours is of the node's chain.
    async fn is_nodes(&self, block: BlockId) -> Result<bool, SyncError> {
        let theirs = self.source.header(block.number).await?;
        Ok(theirs.is_some_and(|theirs| theirs.id == block))
    }

    async fn add(
        &self,
        checkpoint: &Checkpoint,
        resolved: &[Resolved],
        roles: &HashMap<Address, String>,
    ) -> Result<(), SyncError> {
        let at = checkpoint.block.id;
        let mut changes = Changes::default();
        self.configured_rows(&mut changes, resolved, at.number);
        // What the chain had announced already has its whole history: only its cause is new.
        for (table, rows) in &mut changes.upserts {
            if *table == Coverage::DEF {
                rows.retain(|row| {
                    Coverage::from_row(row.clone()).is_some_and(|row| !roles.contains_key(&row.address))
                });
            }
        }
        // One that is said to begin above the checkpoint has nothing to catch up with, and may have logged below all the same.
        let mut beginning = Vec::new();
        for resolved in resolved.iter().filter(|resolved| resolved.start_block > at.number) {
            let address = resolved.contract.address;
            if resolved.opening.is_none() && !roles.contains_key(&address) {
                beginning.push((address, self.unseen_from(resolved.start_block).await?));
            }
        }
        push_rows(&mut changes, false, self.late_history(beginning.into_iter(), checkpoint).await?);
        let sections = vec![Section { undo_block: None, changes }];
        let commit = Commit {
            expected: at,
            next: checkpoint.block,
            finalized: checkpoint.finalized,
            sections,
            evidence: Vec::new(),
        };
        for resolved in resolved {
            let contract = &resolved.contract;
            tracing::info!(address = %contract.address, role = contract.role.name(), from = resolved.start_block,
                "contract added");
        }
        Ok(self.store.commit(&commit).await?)
    }

    /// Reads the watched contracts, unless they are known as of this checkpoint.
    pub(super) async fn learn(&mut self, checkpoint: &Checkpoint) -> Result<(), SyncError> {
        let at = checkpoint.block.id;
        if self.known.as_ref().is_some_and(|known| known.at == at) {
            return Ok(());
        }
        let contracts: Vec<ContractRow> = self.rows().await?;
        let coverage: Vec<Coverage> = self.rows().await?;
        let mut roles = HashMap::with_capacity(contracts.len());
        let mut announced = HashMap::new();
        for row in contracts {
            announced.extend(row.announced_block.map(|block| (row.address, block)));
            let role = Role::from_name(&row.role).ok_or_else(|| StoreError::Corrupt {
                table: ContractRow::DEF.name,
                reason: format!("{} has the unknown role {:?}", row.address, row.role),
            })?;
            roles.insert(row.address, role);
        }
        let catching_up: HashMap<Address, u64> = coverage
            .into_iter()
            .filter(|row| roles.contains_key(&row.address))
            .filter_map(|row| row.through_block.map(|through| (row.address, through)))
            .collect();
        announced.retain(|address, _| catching_up.contains_key(address));
        self.known = Some(Known { at, roles, catching_up, announced });
        Ok(())
    }

    /// All rows of a small table of this chain.
    pub(super) async fn rows<T: Table>(&self) -> Result<Vec<T>, SyncError> {
        Ok(rows_of(&*self.store, self.config.chain_id).await?)
    }
}

/// All rows of a small table of a chain.
pub(super) async fn rows_of<T: Table, D: Store>(store: &D, chain_id: u64) -> Result<Vec<T>, StoreError> {
    let load = Load { table: T::DEF, columns: vec![0], keys: vec![vec![chain_id.to_value()]] };
    let typed: Option<Vec<T>> = store.load(&load).await?.into_iter().map(T::from_row).collect();
    typed.ok_or_else(|| StoreError::misfit(T::DEF))
}

pub(super) fn opening_of(row: &ConfiguredContract) -> Option<(Address, BlockId)> {
    Some((row.address, BlockId { number: row.opening_block?, hash: row.opening_hash? }))
}
