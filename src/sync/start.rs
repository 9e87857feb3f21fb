//! Where following starts: checks the configured contracts against the chain, and sets the first checkpoint.

use std::collections::{BTreeMap, HashMap};

use alloy::primitives::Address;

use super::{Outcome, Sync, SyncError};
use crate::block::{BlockId, BlockRange};
use crate::fact::Role;
use crate::source::{Source, View};
use crate::store::{Start, Store};
use crate::table::fold::{Changes, Settings};

/// A contract that the configuration names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    /// What it is.
    pub role: Role,
    /// Where it is.
    pub address: Address,
    /// First block to read; `None` to find the block that created it.
    pub start_block: Option<u64>,
    /// Whether `start_block` may lie above the contract's first event.
    pub partial: bool,
}

/// A configured contract whose start was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) contract: Contract,
    pub(super) start_block: u64,
    /// The block before, where opening balances are observed; only of partial contracts.
    pub(super) opening: Option<BlockId>,
}

/// Why the configured contracts cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No code at the address.
    #[error(
        "there is no contract at {address} (configured as {role}) on chain {chain_id} at block {head}: \
         check the address and the RPC's chain"
    )]
    NoContract {
        /// The address.
        address: Address,
        /// The configured role.
        role: &'static str,
        /// The chain.
        chain_id: u64,
        /// The node's head.
        head: u64,
    },
    /// The start block would leave out what came before.
    #[error(
        "start block {start} of {address} is above its first event at block {first}: start at {first} or below, \
         or accept a register that is complete only from {start} on with --partial (partial = true)"
    )]
    StartsLate {
        /// The contract.
        address: Address,
        /// The configured start.
        start: u64,
        /// The first event's block.
        first: u64,
    },
    /// Opening balances cannot be asked for.
    #[error(
        "start block {start} of {address} needs the balances at the block before, and the node does not keep that \
         state: use a node that does (an archive node), or start at the first event, block {first}"
    )]
    NoOpening {
        /// The contract.
        address: Address,
        /// The configured start.
        start: u64,
        /// The first event's block.
        first: u64,
    },
    /// Opening balances would be asked for at a block that a reorg may take.
    #[error(
        "start block {start} of {address} leaves out older logs, and the block before it is not final yet (block {finalized} \
         is): start at block {} or below, or wait until it is", finalized + 1
    )]
    OpensAboveFinality {
        /// The contract.
        address: Address,
        /// The configured start.
        start: u64,
        /// The newest final block.
        finalized: u64,
    },
    /// The start is above the chain's head.
    #[error("start block {start} of {address} is above the chain's head {head}")]
    AboveHead {
        /// The contract.
        address: Address,
        /// The configured start.
        start: u64,
        /// The node's head.
        head: u64,
    },
    /// Nothing to follow.
    #[error(
        "no contract is configured: name at least one with [[contract]] in the file or --contract ROLE=ADDRESS"
    )]
    NoContracts,
    /// The configuration calls a watched contract something else.
    #[error(
        "{address} is configured as {configured}, and the tables hold it as {stored}: correct the role, or use a \
         fresh database"
    )]
    OtherRole {
        /// The contract.
        address: Address,
        /// The role in the configuration.
        configured: &'static str,
        /// The role in the tables.
        stored: String,
    },
    /// The node serves another chain than configured.
    #[error(
        "the node serves chain {found}, and the configuration says chain {configured}: check [chain] id and the RPC's URL"
    )]
    OtherChain {
        /// `[chain] id`.
        configured: u64,
        /// `eth_chainId`.
        found: u64,
    },
}

/// Reading begins so many blocks below the first that is wanted at the most, to begin at one that is final.
const LOWERED_BLOCKS_MAX: u64 = 10_000;

/// Contracts whose first events are searched together: all logs of a part of the past are in memory at once.
const SOUGHT_MAX: usize = 20;

impl<S: Source, D: Store> Sync<S, D> {
    /// Checks that the node serves the chain that is configured and that the tables hold.
    ///
    /// # Errors
    /// Another chain id or genesis, before anything is written.
    pub async fn check_chain(&self) -> Result<(), SyncError> {
        let stored = self.store.genesis().await?;
        if let Some(stored) = stored {
            self.source.expect_genesis(stored);
        }
        let found = self.source.chain_id().await?;
        let configured = self.config.chain_id;
        if found != configured {
            return Err(StartError::OtherChain { configured, found }.into());
        }
        if let Some(stored) = stored {
            let genesis = self.header_at(0).await?.id.hash;
            if stored != genesis {
                return Err(crate::store::StoreError::OtherChain {
                    stored: format!("chain {configured} with genesis {stored}"),
                    found: format!("chain {found} with genesis {genesis}"),
                }
                .into());
            }
        }
        Ok(())
    }

    /// Sets the first checkpoint, just below the first block that will be read.
    pub(super) async fn start(&mut self) -> Result<Outcome, SyncError> {
        if self.config.contracts.is_empty() {
            return Err(StartError::NoContracts.into());
        }
        let view = self.source.view().await?;
        let resolved = self.resolve(&self.config.contracts, &view, view.finalized.number).await?;
        let first = resolved.iter().map(|contract| contract.start_block).min().unwrap_or(1);
        // A checkpoint that a reorg takes would leave no block to go back to. Where nothing near is final, reorgs are not what
        // is to be feared, and all blocks from there would be read one by one.
        let unfinal = view.finalized.number.saturating_add(1);
        let first =
            if first.saturating_sub(unfinal) <= LOWERED_BLOCKS_MAX { first.min(unfinal) } else { first };
        // Block 0 holds no transaction, hence no log: it is the lowest checkpoint there is.
        let below = self.header_at(first.max(1) - 1).await?;
        let genesis = self.header_at(0).await?.id.hash;
        let mut changes = Changes::default();
        self.configured_rows(&mut changes, &resolved, below.id.number);
        let finalized = view.finalized;
        let defers_indexes = self.defers_indexes(below.id.number, finalized.number);
        self.store.start(&Start { genesis, block: below, finalized, changes, defers_indexes }).await?;
        self.configured = true;
        self.settings =
            Some(self.settings_of(resolved.iter().filter_map(|resolved| {
                resolved.opening.map(|opening| (resolved.contract.address, opening))
            })));
        Ok(Outcome::Started(below.id))
    }

    pub(super) fn settings_of(&self, openings: impl Iterator<Item = (Address, BlockId)>) -> Settings {
        Settings {
            chain_id: self.config.chain_id,
            claim_expiry: self.config.claim_expiry.clone(),
            openings: openings.collect(),
        }
    }

    /// Finds and checks each contract's first block.
    ///
    /// A start that is found, not configured, is never above the first block that is not final: a reorg can move a
    /// younger deployment, and the node asked may be on another branch than ours. Then more is read, never less.
    pub(super) async fn resolve(
        &self,
        contracts: &[Contract],
        view: &View,
        finalized: u64,
    ) -> Result<Vec<Resolved>, SyncError> {
        let head = view.head.id.number;
        let before = self.all_are_there(contracts, head).await?;
        let unstarted = contracts.iter().filter(|contract| contract.start_block.is_none());
        let created = self.creations(unstarted.map(|contract| contract.address).collect(), head).await?;
        let firsts = self.first_events_below(contracts, &before).await?;
        let mut resolved = Vec::with_capacity(contracts.len());
        for contract in contracts {
            let Some(start_block) = contract.start_block else {
                let created = created.get(&contract.address).copied().unwrap_or(self.config.floor_block);
                let start_block = created.min(finalized.saturating_add(1).max(self.config.floor_block));
                resolved.push(Resolved { contract: *contract, start_block, opening: None });
                continue;
            };
            let opening = match firsts.get(&contract.address) {
                Some(first) => {
                    let state_is_kept = before.get(&contract.address).is_some_and(Option::is_some);
                    Some(self.opening(contract, start_block, *first, state_is_kept, finalized).await?)
                }
                None => None,
            };
            resolved.push(Resolved { contract: *contract, start_block, opening });
        }
        Ok(resolved)
    }

    /// Refuses an address without a contract, and a start above the head; tells which contracts were there before the
    /// block that they start with, those that start above the floor. Asked of all at once.
    async fn all_are_there(
        &self,
        contracts: &[Contract],
        head: u64,
    ) -> Result<HashMap<Address, Option<bool>>, SyncError> {
        let accounts: Vec<_> = contracts.iter().map(|contract| (contract.address, head)).collect();
        let there = self.source.have_code(&accounts).await?;
        let mut before = Vec::new();
        for (contract, there) in contracts.iter().zip(there) {
            let address = contract.address;
            if there == Some(false) {
                let (chain_id, role) = (self.config.chain_id, contract.role.name());
                return Err(StartError::NoContract { address, role, chain_id, head }.into());
            }
            match contract.start_block {
                Some(start) if start > head => {
                    return Err(StartError::AboveHead { address, start, head }.into());
                }
                Some(start) if start > self.config.floor_block => before.push((address, start - 1)),
                _ => {}
            }
        }
        let known = self.source.have_code(&before).await?;
        Ok(before.into_iter().zip(known).map(|((address, _), known)| (address, known)).collect())
    }

    /// The block below the first one of a contract whose older logs, the first of them in block `first`, are left out on
    /// purpose.
    async fn opening(
        &self,
        contract: &Contract,
        start: u64,
        first: u64,
        state_is_kept: bool,
        finalized: u64,
    ) -> Result<BlockId, SyncError> {
        let address = contract.address;
        if !contract.partial {
            return Err(StartError::StartsLate { address, start, first }.into());
        }
        if !state_is_kept {
            return Err(StartError::NoOpening { address, start, first }.into());
        }
        if start - 1 > finalized {
            return Err(StartError::OpensAboveFinality { address, start, finalized }.into());
        }
        Ok(self.header_at(start - 1).await?.id)
    }

    /// The blocks that created contracts, by bisection, of all at once; the floor where the node does not keep old state.
    async fn creations(
        &self,
        addresses: Vec<Address>,
        head: u64,
    ) -> Result<HashMap<Address, u64>, SyncError> {
        let floor = self.config.floor_block;
        let mut created = HashMap::new();
        // Of each the highest block known to be without it, the lowest known to be with it, and the next one to ask for.
        let mut open: Vec<_> = addresses.into_iter().map(|address| (address, floor, head, floor)).collect();
        while !open.is_empty() {
            let accounts: Vec<_> = open.iter().map(|(address, _, _, asked)| (*address, *asked)).collect();
            let known = self.source.have_code(&accounts).await?;
            let mut left = Vec::new();
            for ((address, without, with, asked), known) in open.into_iter().zip(known) {
                let (without, with) = match known {
                    Some(true) => (without, asked),
                    Some(false) => (asked, with),
                    None => {
                        tracing::warn!(%address, floor, "the node keeps no old state: reading from the floor block");
                        (floor, floor)
                    }
                };
                if with.saturating_sub(without) > 1 {
                    left.push((address, without, with, without + (with - without) / 2));
                } else {
                    created.insert(address, with);
                }
            }
            open = left;
        }
        Ok(created)
    }

    /// The blocks of the first events below where reading is to start, of contracts that may have been there before: of those
    /// with one start together.
    async fn first_events_below(
        &self,
        contracts: &[Contract],
        before: &HashMap<Address, Option<bool>>,
    ) -> Result<HashMap<Address, u64>, SyncError> {
        let mut by_start: BTreeMap<u64, Vec<Address>> = BTreeMap::new();
        for contract in contracts {
            if let Some(start) = contract.start_block
                && before.get(&contract.address).is_some_and(|was_there| *was_there != Some(false))
            {
                by_start.entry(start).or_default().push(contract.address);
            }
        }
        let mut firsts = HashMap::new();
        let groups =
            by_start.iter().flat_map(|(start, all)| all.chunks(SOUGHT_MAX).map(|some| (*start, some)));
        for (start, some) in groups {
            let mut sought = some.to_vec();
            // In parts, because a long history does not fit in memory, and the first log is all that is wanted.
            let mut from = self.config.floor_block;
            while from < start && !sought.is_empty() {
                let to = (start - 1).min(from.saturating_add(16 * self.config.range_blocks_max - 1));
                for log in self.source.logs_in_range(BlockRange { from, to }, &sought).await? {
                    firsts.entry(log.address).or_insert(log.block.number);
                }
                sought.retain(|address| !firsts.contains_key(address));
                from = to + 1;
            }
        }
        Ok(firsts)
    }
}
