//! The cap table by wallet: merged, summed and written here while the database reads, because only so a register of a
//! million wallets takes about a second. `api.cap_table` says the same a page at a time; a test compares the two.

use alloy::hex;
use serde::Serialize;
use uuid::Uuid;

use super::number::{Share, amount, units};
use super::positions::{Account, Positions, not_whole, positions};
use super::readers::Readers;
use crate::amount::Amount;
use crate::store::StoreError;

/// The header of the body.
pub const HEADER: &str = "wallet,balance,balance_base,percentage,frozen,frozen_base,wallet_frozen";

/// Sums of a cap table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Rows with a balance: wallets or investors.
    pub holders: u64,
    /// What they hold together, in base units.
    pub balance_base: String,
    /// What of it is frozen, in base units.
    pub frozen_base: String,
    /// Whether the balances are the total supply.
    pub equal_supply: bool,
}

impl Totals {
    /// The sums of a body that has columns `balance_base` and `frozen_base`; `None` for one that has not.
    pub fn of(body: &str, supply_base: &str) -> Option<Self> {
        let mut lines = body.lines().map(super::fields);
        let header = lines.next()?;
        let place = |name: &str| header.iter().position(|column| column == name);
        let (balance_at, frozen_at) = (place("balance_base")?, place("frozen_base")?);
        let mut sums = Sums::default();
        for row in lines {
            sums.add(row.get(balance_at)?, row.get(frozen_at)?)?;
        }
        Some(sums.totals(supply_base))
    }
}

/// Sums of positions as they come.
#[derive(Default)]
pub(super) struct Sums {
    holders: u64,
    balance: Amount,
    frozen: Amount,
}

impl Sums {
    /// Adds a position; none where it is no whole number.
    pub(super) fn add(&mut self, balance: &str, frozen: &str) -> Option<()> {
        self.holders += 1;
        self.balance = self.balance.plus(amount(balance)?);
        if frozen != "0" {
            self.frozen = self.frozen.plus(amount(frozen)?);
        }
        Some(())
    }

    /// Adds those of other positions.
    pub(super) fn plus(&mut self, other: &Self) {
        self.holders += other.holders;
        self.balance = self.balance.plus(other.balance);
        self.frozen = self.frozen.plus(other.frozen);
    }

    /// The sums, beside the supply.
    pub(super) fn totals(&self, supply_base: &str) -> Totals {
        let balance_base = self.balance.to_string();
        Totals {
            holders: self.holders,
            frozen_base: self.frozen.to_string(),
            equal_supply: balance_base == supply_base,
            balance_base,
        }
    }
}

/// The body of the cap table of an asset at the end of a block, in the order of wallets, and its sums.
///
/// # Errors
/// The database's; [`StoreError::Corrupt`] for a position that is no whole number of base units.
pub async fn by_wallet(
    readers: &mut Readers<'_>,
    asset: Uuid,
    block: i64,
    decimals: Option<u32>,
    supply_base: &str,
) -> Result<(String, Totals), StoreError> {
    let takers = [format!("{HEADER}\n"), String::new()].map(|body| Lines {
        decimals,
        share: Share::new(supply_base),
        sums: Sums::default(),
        body,
        is_whole: true,
    });
    let [mut lines, upper] = positions(readers, asset, block, takers).await?;
    if !(lines.is_whole && upper.is_whole) {
        return Err(not_whole());
    }
    lines.body.push_str(&upper.body);
    lines.sums.plus(&upper.sums);
    Ok((lines.body, lines.sums.totals(supply_base)))
}

/// The body as it grows.
struct Lines {
    decimals: Option<u32>,
    share: Share,
    sums: Sums,
    body: String,
    is_whole: bool,
}

impl Positions for Lines {
    fn take(&mut self, wallet: &Account, balance: &str, frozen: &str, wallet_frozen: bool) {
        self.is_whole &= self.sums.add(balance, frozen).is_some();
        self.body.push_str(hex::Buffer::<20, true>::new().format(wallet));
        self.body.push(',');
        units(&mut self.body, balance, self.decimals);
        self.body.push(',');
        self.body.push_str(balance);
        self.body.push(',');
        self.share.percentage(&mut self.body, balance);
        self.body.push(',');
        units(&mut self.body, frozen, self.decimals);
        self.body.push(',');
        self.body.push_str(frozen);
        self.body.push_str(if wallet_frozen { ",t\n" } else { ",f\n" });
    }
}
