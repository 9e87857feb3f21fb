//! The compliance modules of T-REX 4.1: which rules they were given.

use alloy::primitives::{Address, U256};
use alloy::sol;

use super::bound;
use crate::block::RawLog;
use crate::fact::{Fact, Parameter};

sol!(
    #[allow(missing_docs)]
    Modules,
    "abi/trex/modules.json"
);

/// What an event of a compliance module means.
pub(super) fn fact(event: &str, log: &RawLog) -> Option<Fact> {
    match event {
        "Upgraded" => bound::<Modules::Upgraded>(log)
            .map(|event| Fact::Upgraded { implementation: event.implementation }),
        "MaxBalanceSet" | "IDBalancePreSet" | "SupplyLimitSet" | "FeeUpdated" | "TokenListingConfigured" => {
            value(event, log)
        }
        "TimeTransferLimitUpdated"
        | "TimeTransferLimitRemoved"
        | "ExchangeLimitUpdated"
        | "ExchangeMonthlyLimitUpdated" => limit(event, log),
        _ => presence(event, log),
    }
}

fn presence(event: &str, log: &RawLog) -> Option<Fact> {
    use Modules as Abi;
    let nothing = String::new();
    match event {
        "ComplianceBound" => {
            bound::<Abi::ComplianceBound>(log).map(|e| held(e._compliance, "bound", nothing, true))
        }
        "ComplianceUnbound" => {
            bound::<Abi::ComplianceUnbound>(log).map(|e| held(e._compliance, "bound", nothing, false))
        }
        "CountryAllowed" => bound::<Abi::CountryAllowed>(log)
            .map(|e| held(e._compliance, "allowed_country", e._country.to_string(), true)),
        "CountryUnallowed" => bound::<Abi::CountryUnallowed>(log)
            .map(|e| held(e._compliance, "allowed_country", e._country.to_string(), false)),
        "AddedRestrictedCountry" => bound::<Abi::AddedRestrictedCountry>(log)
            .map(|e| held(e._compliance, "restricted_country", e._country.to_string(), true)),
        "RemovedRestrictedCountry" => bound::<Abi::RemovedRestrictedCountry>(log)
            .map(|e| held(e._compliance, "restricted_country", e._country.to_string(), false)),
        "UserAllowed" => bound::<Abi::UserAllowed>(log)
            .map(|e| held(e._compliance, "allowed_user", account(e._userAddress), true)),
        "UserDisallowed" => bound::<Abi::UserDisallowed>(log)
            .map(|e| held(e._compliance, "allowed_user", account(e._userAddress), false)),
        "ExchangeIDAdded" => bound::<Abi::ExchangeIDAdded>(log)
            .map(|e| held(Address::ZERO, "exchange", account(e._newExchangeID), true)),
        "ExchangeIDRemoved" => bound::<Abi::ExchangeIDRemoved>(log)
            .map(|e| held(Address::ZERO, "exchange", account(e._exchangeID), false)),
        "TokenListed" => bound::<Abi::TokenListed>(log)
            .map(|e| held(e._tokenAddress, "listed", account(e._investorAddress), true)),
        "TokenUnlisted" => bound::<Abi::TokenUnlisted>(log)
            .map(|e| held(e._tokenAddress, "listed", account(e._investorAddress), false)),
        "PresetCompleted" => {
            bound::<Abi::PresetCompleted>(log).map(|e| held(e._compliance, "preset_completed", nothing, true))
        }
        _ => Some(Fact::Recorded),
    }
}

fn value(event: &str, log: &RawLog) -> Option<Fact> {
    use Modules as Abi;
    let nothing = String::new();
    match event {
        "MaxBalanceSet" => bound::<Abi::MaxBalanceSet>(log)
            .map(|e| set(e._compliance, "max_balance", nothing, Some(e._maxBalance))),
        "IDBalancePreSet" => bound::<Abi::IDBalancePreSet>(log)
            .map(|e| set(e._compliance, "preset_balance", account(e._id), Some(e._balance))),
        "SupplyLimitSet" => bound::<Abi::SupplyLimitSet>(log)
            .map(|e| set(e._compliance, "supply_limit", nothing, Some(e._limit))),
        "FeeUpdated" => bound::<Abi::FeeUpdated>(log).map(|e| Fact::ParameterSet {
            parameter: Parameter { scope: e.compliance, name: "fee", argument: nothing },
            value: Some(e._rate),
            account: Some(e._collector),
        }),
        "TokenListingConfigured" => bound::<Abi::TokenListingConfigured>(log)
            .map(|e| set(e._tokenAddress, "listing", nothing, Some(U256::from(e._listingType)))),
        _ => Some(Fact::Recorded),
    }
}

fn limit(event: &str, log: &RawLog) -> Option<Fact> {
    use Modules as Abi;
    match event {
        "TimeTransferLimitUpdated" => bound::<Abi::TimeTransferLimitUpdated>(log)
            .map(|e| set(e.compliance, "transfer_limit", e.limitTime.to_string(), Some(e.limitValue))),
        "TimeTransferLimitRemoved" => bound::<Abi::TimeTransferLimitRemoved>(log)
            .map(|e| set(e.compliance, "transfer_limit", e.limitTime.to_string(), None)),
        "ExchangeLimitUpdated" => bound::<Abi::ExchangeLimitUpdated>(log).map(|e| {
            let argument = format!("{}/{}", account(e._exchangeID), e._limitTime);
            set(e.compliance, "exchange_limit", argument, Some(e._limitValue))
        }),
        "ExchangeMonthlyLimitUpdated" => bound::<Abi::ExchangeMonthlyLimitUpdated>(log).map(|e| {
            let limit = Some(e._newExchangeMonthlyLimit);
            set(e.compliance, "exchange_monthly_limit", account(e._exchangeID), limit)
        }),
        _ => Some(Fact::Recorded),
    }
}

/// Small letters, so that one account has one spelling.
fn account(address: Address) -> String {
    format!("{address:#x}")
}

fn held(scope: Address, name: &'static str, argument: String, held: bool) -> Fact {
    Fact::ParameterHeld { parameter: Parameter { scope, name, argument }, held }
}

fn set(scope: Address, name: &'static str, argument: String, value: Option<U256>) -> Fact {
    Fact::ParameterSet { parameter: Parameter { scope, name, argument }, value, account: None }
}

#[cfg(test)]
mod tests;
