//! What the call data of a transaction asks for: read where its logs do not tell.

use alloy::primitives::{Address, U256};

use crate::block::Position;
use crate::decode::calls::{TokenCall, manager_call, token_call};
use crate::fact::Entry;
use crate::row::Versioned;
use crate::table::event::{TransactionInput, TransactionInputKey};
use crate::table::fold::Fold;
use crate::table::permission::{AGENT, AssetPermissionKey};
use crate::table::rows::Missing;

/// What a transaction asked a token to move.
pub(super) struct Asked {
    caller: Address,
    call: TokenCall,
    /// Of a call to a manager: the log by which the token made it its agent.
    agent_since: Option<Position>,
}

impl Asked {
    /// Whether it asked for the transfer that an entry says. A manager that was no agent by then could not have forced
    /// it.
    pub(super) fn is_for(&self, entry: &Entry, from: Address, to: Address, amount: U256) -> bool {
        self.agent_since.is_none_or(|since| since < entry.position())
            && self.call.asks_for(self.caller, from, to, amount)
    }

    /// Whether an agent asked, not the holder or whom the holder allowed.
    pub(super) fn is_forced(&self) -> bool {
        self.call.forced
    }
}

impl Fold {
    /// What a transaction asked a token to move: by calling it, or by calling a manager that is its agent, and still is
    /// at the transaction's end. That another contract has a function like the manager's proves nothing.
    pub(super) fn asked(
        &mut self,
        token: Address,
        input: &TransactionInput,
    ) -> Result<Option<Asked>, Missing> {
        let (caller, Some(called)) = (input.from_address, input.to_address) else { return Ok(None) };
        if called == token {
            return Ok(token_call(&input.input).map(|call| Asked { caller, call, agent_since: None }));
        }
        let Some(call) = manager_call(&input.input) else { return Ok(None) };
        let key = AssetPermissionKey {
            chain_id: self.chain_id(),
            address: token,
            permission_type: AGENT.to_owned(),
            account: called,
        };
        let agent = self.permissions.get(&key)?;
        Ok(agent.map(|agent| Asked { caller, call, agent_since: Some(agent.began()) }))
    }

    /// The stored input of a log's transaction, or the need for it. `None` only where the node had no such transaction.
    pub(in crate::table) fn input_of(&mut self, entry: &Entry) -> Result<Option<TransactionInput>, Missing> {
        let key = TransactionInputKey {
            chain_id: self.chain_id(),
            block_number: entry.log.block.number,
            transaction_index: entry.log.transaction_index,
        };
        if let Some(stored) = self.inputs.get(&key)? {
            return Ok(Some(stored));
        }
        let place = (entry.log.block, entry.log.transaction_index);
        match self.fetched_inputs.get(&place) {
            Some(transaction) => {
                let row = TransactionInput {
                    chain_id: key.chain_id,
                    block_number: key.block_number,
                    transaction_index: key.transaction_index,
                    transaction_hash: transaction.hash,
                    from_address: transaction.from,
                    to_address: transaction.to,
                    input: transaction.input.clone(),
                };
                self.inputs.put(row.clone());
                Ok(Some(row))
            }
            None => {
                self.wanted_inputs.insert(place);
                Err(Missing)
            }
        }
    }
}
