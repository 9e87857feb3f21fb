//! Compliance modules of T-REX 4: what they are, and what is set in them for whom.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use serde_json::Value;

use crate::events::Event;
use crate::input::Ask;
use crate::row::{Here, Row, Versions, hex, number, row};
use crate::token::ask_text;

/// What compliance modules leave behind.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    modules: BTreeMap<Address, Row>,
    parameters: Versions,
}

/// What a log says about one parameter.
struct Said {
    /// Whom it holds for: a compliance, a token, or (zero) everybody.
    scope: Address,
    parameter: &'static str,
    argument: String,
    what: What,
}

enum What {
    /// It is so.
    Is,
    /// It is no longer so.
    IsNot,
    /// It has this value, and the account that goes with it.
    Set { value: Value, account: Value },
}

impl Modules {
    /// Takes the next log of a module.
    pub(crate) fn take(&mut self, here: Here<'_>, event: Option<&Event>, ask: Ask<'_>) {
        let module = self.modules.entry(here.log.address).or_insert_with(|| {
            row! {
                "chain_id" => here.chain_id,
                "module" => hex(here.log.address),
                "name" => ask_text("name()", here, ask),
                "implementation" => Value::Null,
                "first_block" => here.number(),
                "first_at" => here.at(),
            }
        });
        let Some(event) = event else {
            return;
        };
        if event.name == "Upgraded" {
            module.insert("name", ask_text("name()", here, ask));
            module.insert("implementation", hex(event.address("implementation")));
        }
        if let Some(said) = said(event) {
            self.note(here, said);
        }
    }

    fn note(&mut self, here: Here<'_>, said: Said) {
        let thing = format!("{} {} {} {}", here.log.address, said.scope, said.parameter, said.argument);
        let mut row = row! {
            "module" => hex(here.log.address),
            "scope" => hex(said.scope),
            "parameter" => said.parameter,
            "argument" => said.argument,
            "value" => Value::Null,
            "account" => Value::Null,
        };
        match said.what {
            What::Is if self.parameters.open(&thing).is_some() => {}
            What::Is => self.parameters.begin(&thing, row, here),
            What::IsNot => {
                self.parameters.end(&thing, here);
            }
            What::Set { value, account } => {
                row.insert("value", value);
                row.insert("account", account);
                self.parameters.replace(&thing, row, here);
            }
        }
    }

    /// The rows of all tables about modules.
    pub(crate) fn into_tables(self) -> [(&'static str, Vec<Row>); 2] {
        [
            ("compliance_modules", self.modules.into_values().collect()),
            ("module_parameters", self.parameters.into_rows()),
        ]
    }
}

/// What an event says about a parameter; most of a module's events set none.
fn said(event: &Event) -> Option<Said> {
    let at = |name: &str| event.address(name);
    let account = |name: &str| account(event.address(name));
    let decimal = |name: &str| event.number(name).to_string();
    let is = |scope, parameter, argument| Some(Said { scope, parameter, argument, what: What::Is });
    let is_not = |scope, parameter, argument| Some(Said { scope, parameter, argument, what: What::IsNot });
    let set = |scope, parameter, argument, value| {
        let what = What::Set { value: number(event.number(value)), account: Value::Null };
        Some(Said { scope, parameter, argument, what })
    };
    let none = String::new;
    match event.name {
        "ComplianceBound" => is(at("_compliance"), "bound", none()),
        "ComplianceUnbound" => is_not(at("_compliance"), "bound", none()),
        "CountryAllowed" => is(at("_compliance"), "allowed_country", decimal("_country")),
        "CountryUnallowed" => is_not(at("_compliance"), "allowed_country", decimal("_country")),
        "AddedRestrictedCountry" => is(at("_compliance"), "restricted_country", decimal("_country")),
        "RemovedRestrictedCountry" => is_not(at("_compliance"), "restricted_country", decimal("_country")),
        "UserAllowed" => is(at("_compliance"), "allowed_user", account("_userAddress")),
        "UserDisallowed" => is_not(at("_compliance"), "allowed_user", account("_userAddress")),
        "ExchangeIDAdded" => is(Address::ZERO, "exchange", account("_newExchangeID")),
        "ExchangeIDRemoved" => is_not(Address::ZERO, "exchange", account("_exchangeID")),
        "TokenListed" => is(at("_tokenAddress"), "listed", account("_investorAddress")),
        "TokenUnlisted" => is_not(at("_tokenAddress"), "listed", account("_investorAddress")),
        "PresetCompleted" => is(at("_compliance"), "preset_completed", none()),
        "MaxBalanceSet" => set(at("_compliance"), "max_balance", none(), "_maxBalance"),
        "IDBalancePreSet" => set(at("_compliance"), "preset_balance", account("_id"), "_balance"),
        "SupplyLimitSet" => set(at("_compliance"), "supply_limit", none(), "_limit"),
        "TimeTransferLimitUpdated" => {
            set(at("compliance"), "transfer_limit", decimal("limitTime"), "limitValue")
        }
        "TimeTransferLimitRemoved" => is_not(at("compliance"), "transfer_limit", decimal("limitTime")),
        "ExchangeLimitUpdated" => {
            let argument = format!("{}/{}", account("_exchangeID"), decimal("_limitTime"));
            set(at("compliance"), "exchange_limit", argument, "_limitValue")
        }
        "ExchangeMonthlyLimitUpdated" => {
            let exchange = account("_exchangeID");
            set(at("compliance"), "exchange_monthly_limit", exchange, "_newExchangeMonthlyLimit")
        }
        "FeeUpdated" => {
            let what = What::Set { value: number(event.number("_rate")), account: hex(at("_collector")) };
            Some(Said { scope: at("compliance"), parameter: "fee", argument: none(), what })
        }
        "TokenListingConfigured" => set(at("_tokenAddress"), "listing", none(), "_listingType"),
        _ => None,
    }
}

/// An address as text in lower case.
fn account(address: Address) -> String {
    alloy::primitives::hex::encode_prefixed(address)
}
