//! Compliance modules: what they call themselves, and which rules they were given, by version.
//!
//! One module contract serves many compliances, so every parameter says whose it is (`scope`).

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;

use super::fold::Fold;
use super::rows::Missing;
use crate::amount::Amount;
use crate::decode::calls;
use crate::fact::{Entry, Fact, Parameter};
use crate::row::{Time, Versioned};
use crate::table;

table! {
    #[doc = "Contracts that compliances use as modules, one row a contract, from its first log on."]
    ComplianceModule, ComplianceModuleKey: State "compliance_modules"
    key {
        chain_id: u64 = "The chain.",
        module: Address = "The module's contract.",
    }
    columns {
        name: Option<String> = "What it calls itself, observed at its first log and at each upgrade; null where it does not tell (T-REX before 4.1).",
        implementation: Option<Address> = "Where its proxy was last pointed to; null where no log told.",
        first_block: u64 = "Block of the contract's first log.",
        first_at: Time = "Block time of that log.",
    }
}

table! {
    #[doc = "Rules that compliance modules were given (T-REX 4.1.6), by version."]
    ModuleParameter, ModuleParameterKey: versioned "module_parameters"
    key {
        chain_id: u64 = "The chain.",
        module: Address = "The module's contract.",
        scope: Address = "Whom it holds for: the compliance; the token where the module asks by token; the zero address where it holds for all.",
        parameter: String = "bound, preset_completed, allowed_country, restricted_country, allowed_user, exchange, listed, max_balance, preset_balance, supply_limit, transfer_limit, exchange_limit, exchange_monthly_limit, fee or listing.",
        argument: String = "Country (ISO 3166-1 numeric), account (0x text, small letters), seconds, or account/seconds; empty where there is none.",
    }
    columns {
        value: Option<Amount> = "Base units; of a fee, parts of 10,000; of a listing 1 for allowed alone, 2 for all but. Null where being there says it all.",
        account: Option<Address> = "Of a fee, who collects it.",
    }
}

impl Fold {
    /// A module logged something: its first log makes its row, and each upgrade may give it another name.
    pub(super) fn module_logged(&mut self, entry: &Entry) -> Result<(), Missing> {
        let key = ComplianceModuleKey { chain_id: self.chain_id(), module: entry.log.address };
        let known = self.modules.get(&key)?;
        let upgraded = match entry.fact() {
            Some(Fact::Upgraded { implementation }) => Some(*implementation),
            _ => None,
        };
        if known.is_some() && upgraded.is_none() {
            return Ok(());
        }
        let name = self.observe(entry, calls::nameCall {}.abi_encode());
        let mut module = known.unwrap_or(ComplianceModule {
            chain_id: key.chain_id,
            module: key.module,
            name: None,
            implementation: None,
            first_block: entry.log.block.number,
            first_at: entry.time,
        });
        module.name = name.as_ref().ok().and_then(super::fold::Answer::text);
        module.implementation = upgraded.or(module.implementation);
        // Also while the answer is awaited: later logs ask nothing in the meantime.
        self.modules.put(module);
        name.map(drop)
    }

    fn open_parameter(
        &mut self,
        entry: &Entry,
        parameter: &Parameter,
    ) -> Result<Option<ModuleParameter>, Missing> {
        self.module_parameters.get(&ModuleParameterKey {
            chain_id: self.chain_id(),
            module: entry.log.address,
            scope: parameter.scope,
            parameter: parameter.name.to_owned(),
            argument: parameter.argument.clone(),
        })
    }

    /// A rule that is there or is not: told twice, it stays the same.
    pub(super) fn parameter_held(
        &mut self,
        entry: &Entry,
        parameter: &Parameter,
        held: bool,
    ) -> Result<(), Missing> {
        match (self.open_parameter(entry, parameter)?, held) {
            (Some(open), false) => self.parameter_ended(entry, open),
            (None, true) => self.parameter_began(entry, parameter, None, None),
            (Some(_), true) | (None, false) => {}
        }
        Ok(())
    }

    /// A rule with a value was set, or (with none) taken away: each log begins a version, also with the same value.
    pub(super) fn parameter_set(
        &mut self,
        entry: &Entry,
        parameter: &Parameter,
        value: Option<U256>,
        account: Option<Address>,
    ) -> Result<(), Missing> {
        if let Some(open) = self.open_parameter(entry, parameter)? {
            self.parameter_ended(entry, open);
        }
        if let Some(value) = value {
            self.parameter_began(entry, parameter, Some(value.into()), account);
        }
        Ok(())
    }

    fn parameter_ended(&mut self, entry: &Entry, mut open: ModuleParameter) {
        open.close(entry.position(), entry.time);
        self.module_parameters.put(open);
    }

    fn parameter_began(
        &mut self,
        entry: &Entry,
        parameter: &Parameter,
        value: Option<Amount>,
        account: Option<Address>,
    ) {
        let at = entry.position();
        self.module_parameters.put(ModuleParameter {
            chain_id: self.chain_id(),
            module: entry.log.address,
            scope: parameter.scope,
            parameter: parameter.name.to_owned(),
            argument: parameter.argument.clone(),
            from_block: at.block_number,
            from_log: at.log_index,
            value,
            account,
            from_at: entry.time,
            to_block: None,
            to_log: None,
            to_at: None,
        });
    }
}

#[cfg(test)]
mod tests;
