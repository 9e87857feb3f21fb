//! Logs as the contracts of T-REX, ONCHAINID and ERC-20 emit them, for the simulated chain.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolEvent;

use crate::chain::NewLog;

/// Events of its ABI file.
pub mod erc20 {
    alloy::sol!(Abi, "../../abi/erc20.json");
    pub use Abi::*;
}
/// Events of its ABI file.
pub mod documents {
    alloy::sol!(Abi, "../../abi/erc1643.json");
    pub use Abi::*;
}
/// Events of its ABI file.
pub mod metadata {
    alloy::sol!(Abi, "../../abi/erc4906.json");
    pub use Abi::*;
}
/// Events of its ABI file.
pub mod token {
    alloy::sol!(Abi, "../../abi/trex/token.json");
    pub use Abi::*;
}
/// Events of its ABI file.
pub mod registry {
    alloy::sol!(Abi, "../../abi/trex/identity_registry.json");
    pub use Abi::*;
}
/// Events of its ABI file.
pub mod storage {
    alloy::sol!(Abi, "../../abi/trex/identity_registry_storage.json");
    pub use Abi::*;
}
/// Events of its ABI file.
pub mod issuers {
    alloy::sol!(Abi, "../../abi/trex/trusted_issuers_registry.json");
    pub use Abi::*;
}
/// Events of its ABI file.
pub mod topics {
    alloy::sol!(Abi, "../../abi/trex/claim_topics_registry.json");
    pub use Abi::*;
}
/// Events of its ABI file.
pub mod compliance {
    alloy::sol!(Abi, "../../abi/trex/compliance.json");
    pub use Abi::*;
}
/// Events of its ABI file.
pub mod modules {
    alloy::sol!(Abi, "../../abi/trex/modules.json");
    pub use Abi::*;
}
/// Events of its ABI file.
pub mod factory {
    alloy::sol!(Abi, "../../abi/trex/factory.json");
    pub use Abi::*;
}
/// Events of its ABI file.
pub mod identity {
    alloy::sol!(Abi, "../../abi/onchainid/identity.json");
    pub use Abi::*;
}

/// The log of an event.
pub fn log(address: Address, event: impl SolEvent) -> NewLog {
    let data = event.encode_log_data();
    NewLog { address, topics: data.topics().to_vec(), data: data.data }
}

/// A log of any shape.
pub fn raw(address: Address, topics: Vec<B256>, data: impl Into<Bytes>) -> NewLog {
    NewLog { address, topics, data: data.into() }
}

/// An address that is easy to tell in a failure's output.
pub fn account(kind: u8, number: u64) -> Address {
    let mut bytes = [0u8; 20];
    bytes[0] = kind;
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    Address::from(bytes)
}

/// An ERC-20 transfer.
pub fn transfer(token: Address, from: Address, to: Address, value: u64) -> NewLog {
    log(token, erc20::Transfer { from, to, value: U256::from(value) })
}

/// A claim about an identity.
pub fn claim_added(identity: Address, issuer: Address, topic: u64, nonce: u64) -> NewLog {
    let id = keccak256([issuer.as_slice(), &topic.to_be_bytes()].concat());
    log(
        identity,
        self::identity::ClaimAdded {
            claimId: id,
            topic: U256::from(topic),
            scheme: U256::from(1),
            issuer,
            signature: Bytes::from(nonce.to_be_bytes().to_vec()),
            data: Bytes::from(vec![1, 2, 3]),
            uri: format!("https://example.com/{nonce}"),
        },
    )
}

/// A token's log of a document that it sets.
pub fn document(token: Address, name: &[u8], uri: &str, hash: u8) -> NewLog {
    let event = documents::DocumentUpdated {
        name: B256::right_padding_from(name),
        uri: uri.to_owned(),
        documentHash: B256::repeat_byte(hash),
    };
    log(token, event)
}
