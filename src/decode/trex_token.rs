//! The T-REX token (ERC-3643), 4.1 and, where the shape differs, 3.5.

use alloy::sol;

use super::{bound, documents, erc20};
use crate::block::RawLog;
use crate::fact::{Fact, Link};

sol!(
    #[allow(missing_docs)]
    Token,
    "abi/trex/token.json"
);

mod legacy {
    alloy::sol!(
        #[allow(missing_docs)]
        Token,
        "abi/trex/legacy_token.json"
    );
}

/// What an event of a T-REX token means.
pub(super) fn fact(event: &str, log: &RawLog) -> Option<Fact> {
    // One topic, nothing indexed: the layout of 3.5, whose first topics are those of 4.1.
    let is_legacy = log.topics.len() == 1;
    match event {
        "Transfer" | "Approval" => erc20::fact(event, log),
        "AddressFrozen" => bound::<Token::AddressFrozen>(log).map(|event| Fact::WalletFrozen {
            wallet: event._userAddress,
            frozen: event._isFrozen,
            by: event._owner,
        }),
        "TokensFrozen" => bound::<Token::TokensFrozen>(log)
            .map(|event| Fact::AmountFrozen { wallet: event._userAddress, amount: event._amount }),
        "TokensUnfrozen" => bound::<Token::TokensUnfrozen>(log)
            .map(|event| Fact::AmountUnfrozen { wallet: event._userAddress, amount: event._amount }),
        "Paused" => {
            bound::<Token::Paused>(log).map(|event| Fact::PauseSet { paused: true, by: event._userAddress })
        }
        "Unpaused" => bound::<Token::Unpaused>(log)
            .map(|event| Fact::PauseSet { paused: false, by: event._userAddress }),
        "RecoverySuccess" if is_legacy => bound::<legacy::Token::RecoverySuccess>(log)
            .map(|event| recovered(event._lostWallet, event._newWallet, event._investorOnchainID)),
        "RecoverySuccess" => bound::<Token::RecoverySuccess>(log)
            .map(|event| recovered(event._lostWallet, event._newWallet, event._investorOnchainID)),
        "UpdatedTokenInformation" if is_legacy => bound::<legacy::Token::UpdatedTokenInformation>(log)
            .map(|event| informed(event._newDecimals, event._newVersion, event._newOnchainID)),
        "UpdatedTokenInformation" => bound::<Token::UpdatedTokenInformation>(log)
            .map(|event| informed(event._newDecimals, event._newVersion, event._newOnchainID)),
        "IdentityRegistryAdded" => bound::<Token::IdentityRegistryAdded>(log)
            .map(|event| linked(Link::IdentityRegistry, event._identityRegistry)),
        "ComplianceAdded" => {
            bound::<Token::ComplianceAdded>(log).map(|event| linked(Link::Compliance, event._compliance))
        }
        "AgentAdded" => {
            bound::<Token::AgentAdded>(log).map(|event| Fact::AgentSet { agent: event._agent, active: true })
        }
        "AgentRemoved" => bound::<Token::AgentRemoved>(log)
            .map(|event| Fact::AgentSet { agent: event._agent, active: false }),
        "OwnershipTransferred" => bound::<Token::OwnershipTransferred>(log)
            .map(|event| Fact::OwnershipTransferred { previous: event.previousOwner, new: event.newOwner }),
        _ => documents::fact(event, log),
    }
}

fn recovered(
    lost: alloy::primitives::Address,
    new: alloy::primitives::Address,
    identity: alloy::primitives::Address,
) -> Fact {
    Fact::WalletRecovered { lost, new, identity }
}

fn informed(decimals: u8, version: String, onchain_id: alloy::primitives::Address) -> Fact {
    let version = super::text::storable(version.as_bytes(), super::text::SHORT_MAX);
    Fact::InformationUpdated { decimals, version, onchain_id }
}

fn linked(link: Link, target: alloy::primitives::Address) -> Fact {
    Fact::LinkSet { link, target, active: true }
}
