//! Who may act on a contract: owners and agents, by version.

use alloy::primitives::{Address, B256};
use uuid::Uuid;

use super::fold::Fold;
use super::rows::Missing;
use crate::fact::Entry;
use crate::row::Versioned;
use crate::table;

table! {
    #[doc = "Agents and owners of tokens, registries, compliances and factories, by version."]
    AssetPermission, AssetPermissionKey: versioned "asset_permissions"
    key {
        chain_id: u64 = "The chain.",
        address: Address = "The contract that the permission is for.",
        permission_type: String = "agent or owner.",
        account: Address = "Who holds it.",
    }
    columns {
        asset_id: Option<Uuid> = "The asset, where the contract is a token.",
        granted_in: B256 = "Transaction that granted it.",
    }
}

pub(super) const AGENT: &str = "agent";
const OWNER: &str = "owner";

impl Fold {
    /// An account became agent, or stopped being one.
    pub(super) fn agent_set(&mut self, entry: &Entry, agent: Address, active: bool) -> Result<(), Missing> {
        self.permission_set(entry, AGENT, agent, active)
    }

    /// The contract has a new owner.
    pub(super) fn owner_changed(
        &mut self,
        entry: &Entry,
        previous: Address,
        new: Address,
    ) -> Result<(), Missing> {
        let ended = self.permission_set(entry, OWNER, previous, false);
        let began = self.permission_set(entry, OWNER, new, true);
        ended.and(began)
    }

    fn permission_set(
        &mut self,
        entry: &Entry,
        permission: &str,
        account: Address,
        active: bool,
    ) -> Result<(), Missing> {
        if account.is_zero() {
            return Ok(());
        }
        let key = AssetPermissionKey {
            chain_id: self.chain_id(),
            address: entry.log.address,
            permission_type: permission.to_owned(),
            account,
        };
        match (self.permissions.get(&key)?, active) {
            (Some(mut open), false) => {
                open.close(entry.position(), entry.time);
                self.permissions.put(open);
            }
            (None, true) => {
                let at = entry.position();
                self.permissions.put(AssetPermission {
                    chain_id: key.chain_id,
                    address: key.address,
                    permission_type: key.permission_type,
                    account,
                    from_block: at.block_number,
                    from_log: at.log_index,
                    asset_id: entry.asset_id,
                    granted_in: entry.log.transaction_hash,
                    from_at: entry.time,
                    to_block: None,
                    to_log: None,
                    to_at: None,
                });
            }
            (Some(_), true) | (None, false) => {}
        }
        Ok(())
    }
}
