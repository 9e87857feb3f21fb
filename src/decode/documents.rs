//! Documents of a token (ERC-1643): <https://github.com/ethereum/EIPs/issues/1643>. Any token may log them.

use alloy::primitives::{B256, Bytes};
use alloy::sol;
use alloy::sol_types::SolValue;

use super::bound;
use crate::block::RawLog;
use crate::fact::Fact;

sol!(
    #[allow(missing_docs)]
    Documents,
    "abi/erc1643.json"
);

/// What an event about a document means; every other event is only recorded.
pub(super) fn fact(event: &str, log: &RawLog) -> Option<Fact> {
    let (name, document_hash, active) =
        match event {
            "DocumentUpdated" => bound::<Documents::DocumentUpdated>(log)
                .map(|event| (event.name, event.documentHash, true))?,
            "DocumentRemoved" => bound::<Documents::DocumentRemoved>(log)
                .map(|event| (event.name, event.documentHash, false))?,
            _ => return Some(Fact::Recorded),
        };
    Some(Fact::DocumentSet { name, uri: uri(log)?, document_hash, active })
}

/// The URI as bytes, which are encoded as text is: it need not be UTF-8.
fn uri(log: &RawLog) -> Option<Bytes> {
    let (uri, _) = <(Bytes, B256)>::abi_decode_params(&log.data).ok()?;
    Some(uri)
}
