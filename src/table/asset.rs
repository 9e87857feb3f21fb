//! Assets: one row a token, from its own logs and from the calls that tell what no log does.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;
use uuid::Uuid;

use super::fold::{Answer, Fold};
use super::rows::Missing;
use crate::amount::{Amount, Squares};
use crate::decode::calls;
use crate::fact::{Entry, Fact, Role};
use crate::row::Time;
use crate::{id, table};

table! {
    #[doc = "Tokenized assets, one row a token contract."]
    Asset, AssetKey: State "assets"
    key {
        chain_id: u64 = "The chain.",
        id: Uuid = "Computed from chain and contract address.",
    }
    columns {
        contract_address: Address = "The token contract.",
        asset_type: String = "erc20 or erc3643.",
        name: Option<String> = "Name, observed where the token first appears and at each change; null where it cannot be told.",
        symbol: Option<String> = "Symbol, as the name.",
        decimals: Option<u32> = "How many decimal places one unit has.",
        version: Option<String> = "T-REX version the token announced.",
        paused: Option<bool> = "Whether transfers are stopped; null where the contract has no pause or it cannot be told.",
        total_supply: Amount = "Sum of mints less burns, in base units.",
        holder_count: u64 = "Wallets with a balance other than zero.",
        complete_from: Option<u64> = "Set where indexing began after the first event on purpose: from this block on the register is complete, except for holders who have not moved since.",
        negative_balance: bool = "A wallet spent what no log had given it, at least once.",
        exceeds_uint256: bool = "A sum left what a contract can hold, at least once.",
        unreadable_logs: u64 = "Logs of the contract that could not be decoded; they are kept raw.",
        created_block: u64 = "Block of the contract's first log.",
        created_at: Time = "Block time of the contract's first log.",
        frozen: Amount = "Sum of the frozen parts of all holders' balances, in base units.",
        squares: Squares = "Sum of the squared balances of all holders, in base units squared: divided by the squared supply it is the concentration.",
    }
}

/// Name, symbol and decimals; none of what a token does not tell.
type Introduction = (Option<String>, Option<String>, Option<u32>);

impl Fold {
    /// The row of the asset that emitted a log; made from observations at its first log.
    pub(super) fn asset_of(&mut self, entry: &Entry) -> Result<Asset, Missing> {
        let id = entry.asset_id.unwrap_or_else(|| id::asset_id(self.chain_id(), entry.log.address));
        let key = AssetKey { chain_id: self.chain_id(), id };
        if let Some(asset) = self.assets.get(&key)? {
            return self.introduced(entry, asset);
        }
        if self.awaited_assets.contains(&id) {
            return Err(Missing);
        }
        let is_trex = entry.role == Role::TrexToken;
        let said = self.introduction(entry);
        let paused =
            if is_trex { Some(self.observe(entry, calls::pausedCall {}.abi_encode())) } else { None };
        let opening = self.opening(entry.log.address);
        let supply = opening
            .map(|block| self.observe_at(entry.log.address, block, calls::totalSupplyCall {}.abi_encode()));
        if said.is_err() || matches!(paused, Some(Err(_))) || matches!(supply, Some(Err(_))) {
            self.awaited_assets.insert(id);
        }
        let (name, symbol, decimals) = said?;
        let asset = Asset {
            chain_id: key.chain_id,
            id,
            contract_address: entry.log.address,
            asset_type: if is_trex { "erc3643" } else { "erc20" }.to_owned(),
            name,
            symbol,
            decimals,
            version: None,
            paused: paused.transpose()?.and_then(|answer| answer.word()).map(|word| !word.is_zero()),
            total_supply: supply
                .transpose()?
                .and_then(|answer| answer.word())
                .map_or(Amount::ZERO, Amount::from),
            holder_count: 0,
            complete_from: opening.map(|block| block.number + 1),
            negative_balance: false,
            exceeds_uint256: false,
            unreadable_logs: 0,
            created_block: entry.log.block.number,
            created_at: entry.time,
            frozen: Amount::ZERO,
            squares: Squares::ZERO,
        };
        // At once: a log whose wallets are still asked for must not let the next one ask for the asset again, at its block.
        self.assets.put(asset.clone());
        Ok(asset)
    }

    /// A proxy may log before it is initialized, as Circle's tokens do (`AdminChanged`, which no ABI of a token explains): it has
    /// no name, no symbol and no decimals then. It is asked again when units of it come to be.
    fn introduced(&mut self, entry: &Entry, mut asset: Asset) -> Result<Asset, Missing> {
        let is_empty = |text: &Option<String>| text.as_deref().unwrap_or_default().is_empty();
        let said_nothing =
            is_empty(&asset.name) && is_empty(&asset.symbol) && asset.decimals.unwrap_or_default() == 0;
        let is_strange = said_nothing && asset.unreadable_logs > 0;
        let is_minted = matches!(entry.fact(), Some(Fact::Transferred { from, amount, .. }) if from.is_zero() && !amount.is_zero());
        let is_held = asset.total_supply != Amount::ZERO || asset.holder_count != 0;
        let is_first_block = asset.created_block == entry.log.block.number;
        // After a miss the figures are not those of this log, and a question would be asked at a block where nobody needs it.
        if !is_strange || !is_minted || is_held || is_first_block || self.missed {
            return Ok(asset);
        }
        (asset.name, asset.symbol, asset.decimals) = self.introduction(entry)?;
        self.assets.put(asset.clone());
        Ok(asset)
    }

    /// Name, symbol and decimals, as the token tells them at a log's block. All are asked for before one is missed.
    fn introduction(&mut self, entry: &Entry) -> Result<Introduction, Missing> {
        let name = self.observe(entry, calls::nameCall {}.abi_encode());
        let symbol = self.observe(entry, calls::symbolCall {}.abi_encode());
        let decimals = self.observe(entry, calls::decimalsCall {}.abi_encode());
        let decimals = decimals?.word().and_then(|word| u8::try_from(word).ok());
        Ok((name?.text(), symbol?.text(), decimals.map(u32::from)))
    }

    /// What a token says of itself.
    pub(super) fn token_changed(&mut self, entry: &Entry) -> Result<(), Missing> {
        // What most logs say: who takes them puts the asset, with its new figures.
        if let Some(
            Fact::Transferred { .. }
            | Fact::WalletFrozen { .. }
            | Fact::AmountFrozen { .. }
            | Fact::AmountUnfrozen { .. },
        ) = entry.fact()
        {
            return Ok(());
        }
        let mut asset = self.asset_of(entry)?;
        match entry.fact() {
            None => asset.unreadable_logs += 1,
            Some(Fact::PauseSet { paused, .. }) => asset.paused = Some(*paused),
            Some(Fact::InformationUpdated { decimals, version, .. }) => {
                let name = self.observe(entry, calls::nameCall {}.abi_encode());
                let symbol = self.observe(entry, calls::symbolCall {}.abi_encode());
                // Initialized after its first logs, it may have been paused in silence: T-REX's `init` does.
                let is_initialized = asset.version.is_none()
                    && asset.unreadable_logs > 0
                    && asset.created_block != entry.log.block.number
                    && entry.role == Role::TrexToken
                    && !self.missed;
                let paused = is_initialized.then(|| self.observe(entry, calls::pausedCall {}.abi_encode()));
                asset.name = name?.text();
                asset.symbol = symbol?.text();
                if let Some(said) = paused.transpose()?.and_then(|answer| answer.word()) {
                    asset.paused = Some(!said.is_zero());
                }
                asset.decimals = Some(u32::from(*decimals));
                asset.version = Some(version.clone());
            }
            Some(_) => return Ok(()),
        }
        self.assets.put(asset);
        Ok(())
    }
}

impl Answer {
    /// The first word of what was returned.
    pub(super) fn word(&self) -> Option<U256> {
        let bytes = self.0.as_ref()?;
        (bytes.len() >= 32).then(|| U256::from_be_slice(&bytes[..32]))
    }

    /// The answer as an address.
    pub(super) fn address(&self) -> Option<Address> {
        self.word().map(|word| Address::from_word(word.into()))
    }

    /// The answer as text: an ABI string, else the bytes32 that early tokens return. At most 1 KiB is kept.
    pub(super) fn text(&self) -> Option<String> {
        let bytes: &Bytes = self.0.as_ref()?;
        let raw = match calls::nameCall::abi_decode_returns(bytes) {
            Ok(text) => text.to_vec(),
            Err(_) if bytes.len() == 32 => {
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                bytes[..end].to_vec()
            }
            Err(_) => return None,
        };
        Some(crate::decode::text::storable(&raw, crate::decode::text::SHORT_MAX))
    }
}

#[cfg(test)]
mod tests;
