//! Days: what happened to an asset on each day on which something did, and its figures at the end of it.
//!
//! A day without events has no row: whoever reads fills the gaps (`api.daily_series`), so nothing here changes because
//! time passes. The day is that of the block's own time, in UTC.

use alloy::primitives::Address;
use uuid::Uuid;

use super::asset::Asset;
use super::fold::Fold;
use super::rows::Missing;
use crate::amount::{Amount, Squares};
use crate::fact::Entry;
use crate::id;
use crate::row::Time;
use crate::table;

table! {
    #[doc = "One row for each day (UTC) on which units of an asset moved or were frozen: what happened, and the asset's figures after it."]
    AssetDay, AssetDayKey: State "asset_days"
    key {
        chain_id: u64 = "The chain.",
        asset_id: Uuid = "The asset.",
        day: Time = "The day's first instant, UTC, by the block's time.",
    }
    columns {
        transfers: u64 = "Transfer logs of the day, mints and burns among them, also those of nothing.",
        minted: Amount = "Units that came from the zero address.",
        burned: Amount = "Units that went to the zero address.",
        volume: Amount = "Units that moved between wallets.",
        total_supply: Amount = "Supply after the day's last log that counts here, in base units.",
        holder_count: u64 = "Wallets with a balance other than zero after that log.",
        frozen: Amount = "Sum of the frozen parts of balances after that log, in base units.",
        squares: Squares = "Sum of the squared balances of all holders after that log, in base units squared.",
        updated_block: u64 = "Block of that log.",
    }
}

impl AssetDay {
    /// Counts a transfer.
    pub(super) fn count(&mut self, from: Address, to: Address, amount: Amount) {
        self.transfers += 1;
        if from.is_zero() {
            self.minted = self.minted.plus(amount);
        }
        if to.is_zero() {
            self.burned = self.burned.plus(amount);
        }
        if !from.is_zero() && !to.is_zero() {
            self.volume = self.volume.plus(amount);
        }
    }
}

impl Fold {
    /// The row of the day of a token's log; a new one has nothing in it.
    pub(super) fn day_of(&mut self, entry: &Entry) -> Result<AssetDay, Missing> {
        let asset_id = entry.asset_id.unwrap_or_else(|| id::asset_id(self.chain_id(), entry.log.address));
        let key = AssetDayKey { chain_id: self.chain_id(), asset_id, day: entry.time.day() };
        let stored = self.days.get(&key)?;
        Ok(stored.unwrap_or(AssetDay {
            chain_id: key.chain_id,
            asset_id,
            day: key.day,
            transfers: 0,
            minted: Amount::ZERO,
            burned: Amount::ZERO,
            volume: Amount::ZERO,
            total_supply: Amount::ZERO,
            holder_count: 0,
            frozen: Amount::ZERO,
            squares: Squares::ZERO,
            updated_block: 0,
        }))
    }

    /// Stores a day with the asset's figures after the log.
    pub(super) fn day_ends(&mut self, entry: &Entry, mut day: AssetDay, asset: &Asset) {
        day.total_supply = asset.total_supply;
        day.holder_count = asset.holder_count;
        day.frozen = asset.frozen;
        day.squares = asset.squares;
        day.updated_block = entry.log.block.number;
        self.days.put(day);
    }
}
