//! Logs beside the root of their block's receipts: what a state sync of Bor logs (Polygon), until its receipts came under the
//! root (PIP-74).
//!
//! Such a log is listed like any other, under the hash of a transaction that is none. Header and bloom do not know it: that
//! it is there is the word of the provider, and that there are no more of them, too.

use alloy::primitives::{B256, keccak256};

use crate::block::{BlockId, RawLog, Receipt};

/// Polygon PoS and its test network Amoy.
const CHAINS: [u64; 2] = [137, 80_002];

/// Whether the chain has, or had, such logs.
pub fn has_logs_beside(chain_id: u64) -> bool {
    CHAINS.contains(&chain_id)
}

/// The hash under which a block's state syncs are listed: Bor's `GetDerivedBorTxHash`.
pub fn state_sync(block: BlockId) -> B256 {
    keccak256([&b"matic-bor-receipt-"[..], &block.number.to_be_bytes(), block.hash.as_slice()].concat())
}

/// Whether the log is of a state sync.
pub fn is_beside(log: &RawLog) -> bool {
    log.transaction_hash == state_sync(log.block)
}

/// Takes the receipt of state syncs from a block's, where it is there: the last one.
pub(super) fn split(receipts: &mut Vec<Receipt>) -> Option<Receipt> {
    receipts.pop_if(|receipt| receipt.logs.first().is_some_and(is_beside))
}

/// The logs of a receipt that [`split`] took, in the places after `before` others of the block.
pub(super) fn placed(
    receipt: Receipt,
    id: BlockId,
    timestamp: u64,
    before: usize,
) -> Result<Vec<RawLog>, String> {
    let placed = |(at, log): (usize, RawLog)| {
        let place = before + at;
        if log.block != id || !is_beside(&log) {
            return Err(format!("log {place} of a state sync says that it is of block {:?}", log.block));
        }
        let log_index = u32::try_from(place).map_err(|_| format!("log {place} is too many"))?;
        Ok(RawLog { log_index, timestamp: Some(timestamp), ..log })
    };
    receipt.logs.into_iter().enumerate().map(placed).collect()
}
