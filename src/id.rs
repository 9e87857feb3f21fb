//! Ids computed from what a row is about: indexing twice gives the same ids.

use alloy::primitives::{Address, B256, keccak256};
use uuid::Uuid;

/// The id of a fact: time-ordered, because facts arrive in the chain's order.
///
/// UUIDv8: 48 bits of block number, 12 low bits of the log index, the rest a hash of everything that names the fact.
/// The block hash is part of it, so a log that a reorg moved is another fact.
pub fn fact_id(
    table: &str,
    chain_id: u64,
    block_number: u64,
    block_hash: B256,
    log_index: u32,
    subject: &[u8],
) -> Uuid {
    let mut named = Vec::with_capacity(table.len() + 48 + subject.len());
    named.extend_from_slice(table.as_bytes());
    named.extend_from_slice(&chain_id.to_be_bytes());
    named.extend_from_slice(block_hash.as_slice());
    named.extend_from_slice(&log_index.to_be_bytes());
    named.extend_from_slice(subject);
    let digest = keccak256(named);
    let mut bytes = [0u8; 16];
    bytes[..6].copy_from_slice(&block_number.to_be_bytes()[2..]);
    bytes[6..8].copy_from_slice(&(log_index as u16 & 0x0fff).to_be_bytes());
    bytes[8..].copy_from_slice(&digest[..8]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The id of a thing with a place on the chain (asset, identity): a hash of its natural key, never of the block that
/// found it.
pub fn thing_id(table: &str, chain_id: u64, address: Address) -> Uuid {
    let mut named = Vec::with_capacity(table.len() + 28);
    named.extend_from_slice(table.as_bytes());
    named.extend_from_slice(&chain_id.to_be_bytes());
    named.extend_from_slice(address.as_slice());
    let digest = keccak256(named);
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The id of the asset at an address.
pub fn asset_id(chain_id: u64, address: Address) -> Uuid {
    thing_id("assets", chain_id, address)
}

/// The id of the identity at an address.
pub fn identity_id(chain_id: u64, address: Address) -> Uuid {
    thing_id("identities", chain_id, address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fact_ids_are_ordered_by_block_and_name_everything() {
        let hash = B256::repeat_byte(7);
        let id = |block, hash, log| fact_id("asset_events", 1, block, hash, log, &[]);
        assert!(id(5, hash, 9) < id(6, hash, 0) && id(5, hash, 1) < id(5, hash, 2));
        assert_eq!(id(5, hash, 1).get_version_num(), 8);
        assert_ne!(id(5, hash, 1), id(5, B256::ZERO, 1));
        assert_ne!(id(5, hash, 1), fact_id("ownership_history", 1, 5, hash, 1, &[]));
        assert_ne!(id(5, hash, 1), id(5, hash, 1 + 0x1000), "the index's high bits are in the hash");
    }
}
