//! ERC-20: <https://eips.ethereum.org/EIPS/eip-20>.

use alloy::primitives::U256;
use alloy::sol;

use super::{bound, documents};
use crate::block::RawLog;
use crate::fact::Fact;
use crate::mutant::{Mutant, is};

sol!(
    #[allow(missing_docs)]
    Erc20,
    "abi/erc20.json"
);

/// What an ERC-20 event means.
pub(super) fn fact(event: &str, log: &RawLog) -> Option<Fact> {
    match event {
        "Transfer" => bound::<Erc20::Transfer>(log).map(|event| Fact::Transferred {
            from: event.from,
            to: event.to,
            amount: if is(Mutant::AmountTruncated) {
                event.value & U256::from(u64::MAX)
            } else {
                event.value
            },
        }),
        "Approval" => bound::<Erc20::Approval>(log).map(|event| Fact::Approved {
            owner: event.owner,
            spender: event.spender,
            amount: event.value,
        }),
        _ => documents::fact(event, log),
    }
}
