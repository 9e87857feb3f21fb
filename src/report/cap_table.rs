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
struct Sums {
    holders: u64,
    balance: Amount,
    frozen: Amount,
}

impl Sums {
    /// Adds a position; none where it is no whole number.
    fn add(&mut self, balance: &str, frozen: &str) -> Option<()> {
        self.holders += 1;
        self.balance = self.balance.plus(amount(balance)?);
        if frozen != "0" {
            self.frozen = self.frozen.plus(amount(frozen)?);
        }
        Some(())
    }

    /// The sums, beside the supply.
    fn totals(&self, supply_base: &str) -> Totals {
        let balance_base = self.balance.to_string();
        Totals {
            holders: self.holders,
            frozen_base: self.frozen.to_string(),
            equal_supply: balance_base == supply_base,
            balance_base,
        }
    }
}

/// A body as it grows, a line a position, and the sums of what it tells.
pub(super) struct Body {
    /// The lines so far.
    pub(super) text: String,
    sums: Sums,
    is_whole: bool,
}

impl Body {
    /// One for the lower half of the wallets, with the header, and one for the upper half.
    pub(super) fn halves(header: &str) -> [Self; 2] {
        [format!("{header}\n"), String::new()].map(|text| Self {
            text,
            sums: Sums::default(),
            is_whole: true,
        })
    }

    /// Adds a position to the sums.
    pub(super) fn add(&mut self, balance: &str, frozen: &str) {
        self.is_whole &= self.sums.add(balance, frozen).is_some();
    }

    /// The lower half with the upper one behind it, and the sums of both.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where a position was no whole number of base units.
    pub(super) fn joined(mut self, upper: &Self, supply_base: &str) -> Result<(String, Totals), StoreError> {
        if !(self.is_whole && upper.is_whole) {
            return Err(not_whole());
        }
        self.text.push_str(&upper.text);
        self.sums.holders += upper.sums.holders;
        self.sums.balance = self.sums.balance.plus(upper.sums.balance);
        self.sums.frozen = self.sums.frozen.plus(upper.sums.frozen);
        Ok((self.text, self.sums.totals(supply_base)))
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
    let takers = Body::halves(HEADER).map(|body| Lines { decimals, share: Share::new(supply_base), body });
    let [lower, upper] = positions(readers, asset, block, takers).await?;
    lower.body.joined(&upper.body, supply_base)
}

/// The body and what its lines are written with.
struct Lines {
    decimals: Option<u32>,
    share: Share,
    body: Body,
}

impl Positions for Lines {
    fn take(&mut self, wallet: &Account, balance: &str, frozen: &str, wallet_frozen: bool) {
        self.body.add(balance, frozen);
        let text = &mut self.body.text;
        text.push_str(hex::Buffer::<20, true>::new().format(wallet));
        text.push(',');
        units(text, balance, self.decimals);
        text.push(',');
        text.push_str(balance);
        text.push(',');
        self.share.percentage(text, balance);
        text.push(',');
        units(text, frozen, self.decimals);
        text.push(',');
        text.push_str(frozen);
        text.push_str(if wallet_frozen { ",t\n" } else { ",f\n" });
    }
}
