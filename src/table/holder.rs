//! Holders: balance, frozen part and freeze of each wallet, and how they came to be.
//!
//! ERC-20 `Transfer` is the only driver of balances. A row outlives a balance of zero, because a freeze does.

use alloy::primitives::{Address, B256};
use alloy::sol_types::SolCall;
use uuid::Uuid;

use super::asset::Asset;
use super::fold::Fold;
use super::rows::Missing;
use crate::amount::Amount;
use crate::decode::calls;
use crate::fact::{Entry, Fact};
use crate::id::fact_id;
use crate::mutant::{Mutant, is};
use crate::row::{Table, Time};
use crate::table;

table! {
    #[doc = "The register: one row for each wallet that ever held, or was frozen in, an asset."]
    AssetHolder, AssetHolderKey: State "asset_holders"
    key {
        chain_id: u64 = "The chain.",
        asset_id: Uuid = "The asset.",
        holder: Address = "The wallet.",
    }
    columns {
        balance: Amount = "Units held; below zero where the logs do not explain what was spent.",
        frozen: Amount = "Units of the balance that the holder may not move.",
        wallet_frozen: bool = "Whether the wallet is frozen as a whole.",
        first_block: u64 = "Block of the log that made the row.",
        updated_block: u64 = "Block of the last log that changed it.",
        updated_at: Time = "Block time of that log.",
    }
}

table! {
    #[doc = "The register's past: a row per change of a wallet's balance, frozen part or freeze, with all three after it."]
    OwnershipHistory, OwnershipHistoryKey: History "ownership_history"
    key {
        chain_id: u64 = "The chain.",
        asset_id: Uuid = "The asset.",
        holder: Address = "The wallet.",
        block_number: u64 = "Block of the log.",
        log_index: u32 = "Index of the log in its block.",
    }
    columns {
        id: Uuid = "Computed from asset, wallet and the log's place.",
        balance: Amount = "Units held after the log.",
        frozen: Amount = "Units frozen after the log.",
        wallet_frozen: bool = "Whether the wallet was frozen after the log.",
        block_hash: B256 = "Hash of the block.",
        timestamp: Time = "The block's time.",
        transaction_hash: B256 = "Transaction of the log.",
    }
}

impl AssetHolder {
    /// Whether the wallet holds nothing and nothing of it is frozen.
    fn is_empty(&self) -> bool {
        self.balance.is_zero() && self.frozen.is_zero() && !self.wallet_frozen
    }
}

/// A wallet's position as a log finds it.
struct Position {
    holder: AssetHolder,
    /// Balance and frozen part that the asset's figures have of it: those of its row. One without a row is in none of them,
    /// whatever its opening balance is.
    counted: Option<(Amount, Amount)>,
}

impl Fold {
    fn position(&mut self, entry: &Entry, asset: &Asset, wallet: Address) -> Result<Position, Missing> {
        let key = AssetHolderKey { chain_id: self.chain_id(), asset_id: asset.id, holder: wallet };
        if let Some(holder) = self.holders.get(&key)? {
            return Ok(Position { counted: Some((holder.balance, holder.frozen)), holder });
        }
        let mut holder = AssetHolder {
            chain_id: key.chain_id,
            asset_id: asset.id,
            holder: wallet,
            balance: Amount::ZERO,
            frozen: Amount::ZERO,
            wallet_frozen: false,
            first_block: entry.log.block.number,
            updated_block: entry.log.block.number,
            updated_at: entry.time,
        };
        // Where indexing began late on purpose, a wallet's opening position is what the chain said just before.
        if let Some(opening) = self.opening(entry.log.address) {
            let target = entry.log.address;
            let balance =
                self.observe_at(target, opening, calls::balanceOfCall { account: wallet }.abi_encode());
            if asset.asset_type == "erc3643" {
                let frozen =
                    self.observe_at(target, opening, calls::getFrozenTokensCall { wallet }.abi_encode());
                let flag = self.observe_at(target, opening, calls::isFrozenCall { wallet }.abi_encode());
                holder.frozen = frozen?.word().map_or(Amount::ZERO, Amount::from);
                holder.wallet_frozen = flag?.word().is_some_and(|word| !word.is_zero());
            }
            holder.balance = balance?.word().map_or(Amount::ZERO, Amount::from);
        }
        Ok(Position { holder, counted: None })
    }

    /// Units moved.
    pub(super) fn transferred(
        &mut self,
        entry: &Entry,
        from: Address,
        to: Address,
        amount: Amount,
    ) -> Result<(), Missing> {
        let (asset, day) = (self.asset_of(entry), self.day_of(entry));
        if asset.is_err()
            && let Some(asset_id) = entry.asset_id
        {
            for holder in [from, to].into_iter().filter(|wallet| !wallet.is_zero()) {
                drop(self.holders.get(&AssetHolderKey { chain_id: self.chain_id(), asset_id, holder }));
            }
        }
        let mut asset = asset?;
        let giver = if from.is_zero() { None } else { Some(self.position(entry, &asset, from)) };
        let taker = if to.is_zero() { None } else { Some(self.position(entry, &asset, to)) };
        let (giver, taker, mut day) = (giver.transpose()?, taker.transpose()?, day?);
        day.count(from, to, amount);
        if from.is_zero() {
            asset.total_supply = asset.total_supply.plus(amount);
        }
        if to.is_zero() && !is(Mutant::SupplyIgnoresBurns) {
            asset.total_supply = asset.total_supply.minus(amount);
        }
        // A transfer to oneself moves nothing; taking and giving the same row twice would double or lose it.
        if from != to {
            if let Some(mut giver) = giver {
                let holder = &mut giver.holder;
                holder.balance = holder.balance.minus(amount);
                if is(Mutant::NegativeClamped) && holder.balance.is_negative() {
                    holder.balance = Amount::ZERO;
                }
                if is(Mutant::FreezeEndsWithBalance) && holder.balance.is_zero() {
                    holder.frozen = Amount::ZERO;
                }
                self.position_changed(entry, &mut asset, giver, !amount.is_zero());
            }
            if let Some(mut taker) = taker {
                taker.holder.balance = taker.holder.balance.plus(amount);
                self.position_changed(entry, &mut asset, taker, !amount.is_zero());
            }
        } else if let Some(mut giver) = giver {
            let holder = &mut giver.holder;
            if is(Mutant::SelfTransferCredited) {
                holder.balance = holder.balance.plus(amount);
            }
            asset.negative_balance |= holder.balance.minus(amount).is_negative();
            self.position_changed(entry, &mut asset, giver, false);
        }
        asset.exceeds_uint256 |= asset.total_supply.exceeds_uint256();
        asset.negative_balance |= asset.total_supply.is_negative();
        self.day_ends(entry, day, &asset);
        self.assets.put(asset);
        Ok(())
    }

    /// A freeze, whole or partial, set or lifted.
    pub(super) fn freeze_changed(&mut self, entry: &Entry) -> Result<(), Missing> {
        let (wallet, change) = match entry.fact() {
            Some(Fact::WalletFrozen { wallet, frozen, .. }) => (*wallet, Err(*frozen)),
            Some(Fact::AmountFrozen { wallet, amount }) => (*wallet, Ok(Amount::from(*amount))),
            Some(Fact::AmountUnfrozen { wallet, amount }) => {
                (*wallet, Ok(Amount::ZERO.minus(Amount::from(*amount))))
            }
            _ => return Ok(()),
        };
        let (asset, day) = (self.asset_of(entry), self.day_of(entry));
        let mut asset = asset?;
        let mut position = self.position(entry, &asset, wallet)?;
        let day = day?;
        let holder = &mut position.holder;
        let changed = match change {
            Ok(delta) => {
                holder.frozen = holder.frozen.plus(delta);
                !delta.is_zero()
            }
            Err(frozen) => std::mem::replace(&mut holder.wallet_frozen, frozen) != frozen,
        };
        self.position_changed(entry, &mut asset, position, changed);
        self.day_ends(entry, day, &asset);
        self.assets.put(asset);
        Ok(())
    }

    /// Stores a wallet's position, a row of its past where something changed or the wallet is new, and the asset's
    /// figures.
    fn position_changed(
        &mut self,
        entry: &Entry,
        asset: &mut Asset,
        Position { mut holder, counted }: Position,
        changed: bool,
    ) {
        // Anybody can name any wallet in a transfer of nothing: that makes nobody a holder.
        if !changed && holder.is_empty() {
            return;
        }
        // What a wallet was opened with begins its past, also where the log that named it moved nothing: the register
        // as of a block is read from there.
        let changed = changed || counted.is_none();
        let (balance, frozen) = counted.unwrap_or((Amount::ZERO, Amount::ZERO));
        match (balance.is_zero(), holder.balance.is_zero()) {
            (true, false) => asset.holder_count += 1,
            (false, true) => asset.holder_count = asset.holder_count.saturating_sub(1),
            _ => {}
        }
        asset.squares = asset.squares.moved(balance, holder.balance);
        asset.frozen = asset.frozen.minus(frozen).plus(holder.frozen);
        asset.negative_balance |= holder.balance.is_negative() || holder.frozen.is_negative();
        asset.exceeds_uint256 |= holder.balance.exceeds_uint256() || holder.frozen.exceeds_uint256();
        if changed {
            holder.updated_block = entry.log.block.number;
            holder.updated_at = entry.time;
            if self.missed {
                self.holders.put(holder);
                return;
            }
            let block = entry.log.block;
            let mut subject = asset.id.as_bytes().to_vec();
            subject.extend_from_slice(holder.holder.as_slice());
            self.history.push(OwnershipHistory {
                chain_id: holder.chain_id,
                asset_id: asset.id,
                holder: holder.holder,
                block_number: block.number,
                log_index: entry.log.log_index,
                id: fact_id(
                    OwnershipHistory::DEF.name,
                    holder.chain_id,
                    block.number,
                    block.hash,
                    entry.log.log_index,
                    &subject,
                ),
                balance: holder.balance,
                frozen: holder.frozen,
                wallet_frozen: holder.wallet_frozen,
                block_hash: block.hash,
                timestamp: entry.time,
                transaction_hash: entry.log.transaction_hash,
            });
        }
        self.holders.put(holder);
    }
}
