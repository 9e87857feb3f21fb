//! The graph of contracts: who was announced by whom, and who points to whom.

use alloy::primitives::Address;

use super::fold::Fold;
use super::rows::Missing;
use crate::block::Position;
use crate::fact::{Entry, Link, Role};
use crate::row::Versioned;
use crate::table;

table! {
    #[doc = "Every contract whose logs are followed, and the earliest log that announced it."]
    Contract, ContractKey: State "contracts"
    key {
        chain_id: u64 = "The chain.",
        address: Address = "The contract.",
    }
    columns {
        role: String = "What it is to the register.",
        announced_by: Option<Address> = "Contract whose log announced it; null where the configuration did.",
        announced_block: Option<u64> = "Block of the earliest log that announced it.",
        announced_log: Option<u32> = "Index of that log.",
        announced_as: Option<String> = "Name of the announcing event.",
    }
}

table! {
    #[doc = "Which blocks of a contract have been read. One without a through follows the checkpoint."]
    Coverage, CoverageKey: Operation "coverage"
    key {
        chain_id: u64 = "The chain.",
        address: Address = "The contract.",
    }
    columns {
        from_block: u64 = "First block read.",
        through_block: Option<u64> = "Last block read while catching up; null once the checkpoint speaks for it.",
    }
}

table! {
    #[doc = "Contracts found after blocks below were proved without them: what of their history is still to be proved."]
    LateHistory, LateHistoryKey: Operation "late_history"
    key {
        chain_id: u64 = "The chain.",
        address: Address = "The contract.",
    }
    columns {
        next_block: u64 = "First block not proved for it.",
        through_block: u64 = "Last block to be proved for it; done when next_block is above.",
    }
}

table! {
    #[doc = "Pointers between contracts, by version: a token's registry, a registry's storage, a compliance's modules."]
    ContractLink, ContractLinkKey: versioned "contract_links"
    key {
        chain_id: u64 = "The chain.",
        address: Address = "The contract that points.",
        link: String = "What the pointer means.",
        slot: Address = "The target where many are possible, the zero address where one is.",
    }
    columns {
        target: Address = "The contract pointed to.",
    }
}

impl Contract {
    /// A contract that the configuration names: no log announced it.
    pub(crate) fn configured(chain_id: u64, address: Address, role: String) -> Self {
        Self {
            chain_id,
            address,
            role,
            announced_by: None,
            announced_block: None,
            announced_log: None,
            announced_as: None,
        }
    }
}

impl Fold {
    /// Notes that a log announced a contract; the earliest announcement is the one that stays, of those of its role.
    pub(super) fn announced(&mut self, entry: &Entry, address: Address, role: Role) -> Result<(), Missing> {
        if self.found.get(&address).is_some_and(|found| *found != role) {
            return Ok(());
        }
        let key = ContractKey { chain_id: self.chain_id(), address };
        let known = self.contracts.get(&key)?;
        let at = entry.position();
        if let Some(known) = &known {
            self.announced_again.insert(address);
            let earlier = match (known.announced_block, known.announced_log) {
                (Some(block_number), Some(log_index)) => at < Position { block_number, log_index },
                _ => false,
            };
            if !earlier || known.role != role.name() {
                return Ok(());
            }
        }
        let event = match &entry.reading {
            crate::fact::Reading::Event { name, .. } => Some(name.clone()),
            crate::fact::Reading::Unreadable(_) => None,
        };
        self.contracts.put(Contract {
            chain_id: key.chain_id,
            address,
            role: role.name().to_owned(),
            announced_by: Some(entry.log.address),
            announced_block: Some(at.block_number),
            announced_log: Some(at.log_index),
            announced_as: event,
        });
        Ok(())
    }

    /// Sets, moves or cuts a pointer of the emitting contract.
    pub(super) fn link_set(
        &mut self,
        entry: &Entry,
        link: Link,
        target: Address,
        active: bool,
    ) -> Result<(), Missing> {
        let slot = if link.is_many() { target } else { Address::ZERO };
        let key = ContractLinkKey {
            chain_id: self.chain_id(),
            address: entry.log.address,
            link: link.name().to_owned(),
            slot,
        };
        let open = self.contract_links.get(&key)?;
        // To point to nobody is to cut whatever is linked; to cut nobody is to cut nothing.
        let (cuts_any, active) = (active && target.is_zero(), active && !target.is_zero());
        if active && open.as_ref().is_some_and(|open| open.target == target) {
            return Ok(());
        }
        if let Some(mut open) = open {
            if !active && !cuts_any && open.target != target {
                return Ok(()); // what was cut is not what is linked now
            }
            open.close(entry.position(), entry.time);
            self.contract_links.put(open);
        }
        if active {
            let at = entry.position();
            self.contract_links.put(ContractLink {
                chain_id: key.chain_id,
                address: key.address,
                link: key.link,
                slot,
                from_block: at.block_number,
                from_log: at.log_index,
                target,
                from_at: entry.time,
                to_block: None,
                to_log: None,
                to_at: None,
            });
        }
        Ok(())
    }
}
