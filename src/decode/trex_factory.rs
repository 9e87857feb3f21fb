//! The T-REX factory and the ONCHAINID factory: where contracts are announced.

use alloy::sol;

use super::{bound, trex_token};
use crate::block::RawLog;
use crate::fact::{Fact, Role};

sol!(
    #[allow(missing_docs)]
    Factory,
    "abi/trex/factory.json"
);

mod onchainid {
    alloy::sol!(
        #[allow(missing_docs)]
        Factory,
        "abi/onchainid/factory.json"
    );
}

/// What an event of a factory means.
pub(super) fn fact(role: Role, event: &str, log: &RawLog) -> Option<Fact> {
    match (role, event) {
        (_, "OwnershipTransferred") => trex_token::fact(event, log),
        (_, "Deployed") => bound::<onchainid::Factory::Deployed>(log)
            .map(|event| Fact::ContractDeployed { address: event._addr }),
        (Role::TrexFactory, "TREXSuiteDeployed") => {
            bound::<Factory::TREXSuiteDeployed>(log).map(|event| Fact::SuiteDeployed {
                token: event._token,
                identity_registry: event._ir,
                storage: event._irs,
                trusted_issuers: event._tir,
                claim_topics: event._ctr,
                compliance: event._mc,
            })
        }
        (Role::IdFactory, "WalletLinked") => {
            bound::<onchainid::Factory::WalletLinked>(log).map(|event| Fact::IdentityLinked {
                account: event.wallet,
                identity: event.identity,
                is_token: false,
                active: true,
            })
        }
        (Role::IdFactory, "WalletUnlinked") => {
            bound::<onchainid::Factory::WalletUnlinked>(log).map(|event| Fact::IdentityLinked {
                account: event.wallet,
                identity: event.identity,
                is_token: false,
                active: false,
            })
        }
        (Role::IdFactory, "TokenLinked") => {
            bound::<onchainid::Factory::TokenLinked>(log).map(|event| Fact::IdentityLinked {
                account: event.token,
                identity: event.identity,
                is_token: true,
                active: true,
            })
        }
        _ => Some(Fact::Recorded),
    }
}
