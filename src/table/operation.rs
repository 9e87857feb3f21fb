//! Transactions and operations: what the logs of one transaction meant for one asset, taken together.
//!
//! A T-REX forced transfer logs a plain `Transfer`. What tells it from the holder's own is, in this order: an
//! `Approval` by the giver in the same transaction (an allowance transfer), a `RecoverySuccess` for the pair (a
//! recovery), or the transaction's call data where it calls the token itself, or an AgentManager that is the token's
//! agent, and asks for just this transfer: a module that the call passes through may force another. Else it is
//! undetermined, never guessed.

mod asked;

use std::collections::{BTreeMap, HashMap, HashSet};

use alloy::primitives::{Address, B256};
use serde_json::{Value, json};
use uuid::Uuid;

use super::fold::Fold;
use super::rows::Missing;
use crate::amount::Amount;
use crate::decode::text;
use crate::fact::{Entry, Fact, Link, Role};
use crate::id::fact_id;
use crate::json::Json;
use crate::row::{Table, Time};
use crate::table;
use asked::Asked;

table! {
    #[doc = "One row for each transaction that touched an asset, with what it was."]
    AssetTransaction, AssetTransactionKey: History "asset_transactions"
    key {
        chain_id: u64 = "The chain.",
        block_number: u64 = "Height of the block.",
        log_index: u32 = "Index of the asset's first log in the transaction.",
        part: u32 = "0: an asset has one row per transaction.",
    }
    columns {
        id: Uuid = "Computed from the first log's place.",
        asset_id: Uuid = "The asset.",
        block_hash: B256 = "Hash of the block.",
        block_timestamp: Time = "The block's time.",
        transaction_hash: B256 = "The transaction.",
        transaction_index: u32 = "Its position in the block.",
        operation_type: String = "The weightiest of what the transaction did to the asset.",
        event_count: u32 = "How many logs the asset emitted in it.",
        transfer_count: u32 = "How many of them moved units.",
        amount: Amount = "Sum of the units moved.",
    }
}

table! {
    #[doc = "What was more than a plain transfer: mint, burn, forced transfer, recovery, freeze, pause, roles, links."]
    AssetOperation, AssetOperationKey: History "asset_operations"
    key {
        chain_id: u64 = "The chain.",
        block_number: u64 = "Height of the block.",
        log_index: u32 = "Index of the log.",
        part: u32 = "0: a log is one operation.",
    }
    columns {
        id: Uuid = "Computed from the log's place.",
        asset_id: Uuid = "The asset.",
        transaction_id: Uuid = "The row of asset_transactions it belongs to.",
        operation_type: String = "What was done.",
        from_address: Option<Address> = "Whose units moved, or whose role ended.",
        to_address: Option<Address> = "Who received them, or who was concerned.",
        amount: Option<Amount> = "Units concerned.",
        parameters: Json = "Whatever else the event says.",
        executed_by: Option<Address> = "Who did it, where the log or the transaction's input tells.",
        executed_at: Time = "The block's time.",
        block_hash: B256 = "Hash of the block.",
        transaction_hash: B256 = "The transaction.",
    }
}

/// What can be done to an asset, weightiest first: a transaction is called by its weightiest operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Recovery,
    ForcedTransfer,
    UndeterminedTransfer,
    Burn,
    Mint,
    FreezeWallet,
    UnfreezeWallet,
    Transfer,
    FreezeAmount,
    UnfreezeAmount,
    Pause,
    Unpause,
    SetIdentityRegistry,
    SetCompliance,
    SetOnchainId,
    UpdateInformation,
    SetDocument,
    RemoveDocument,
    AddAgent,
    RemoveAgent,
    TransferOwnership,
    Approve,
    Other,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Recovery => "recovery",
            Kind::ForcedTransfer => "forced_transfer",
            Kind::UndeterminedTransfer => "undetermined_transfer",
            Kind::Burn => "burn",
            Kind::Mint => "mint",
            Kind::FreezeWallet => "freeze_wallet",
            Kind::UnfreezeWallet => "unfreeze_wallet",
            Kind::Transfer => "transfer",
            Kind::FreezeAmount => "freeze_amount",
            Kind::UnfreezeAmount => "unfreeze_amount",
            Kind::Pause => "pause",
            Kind::Unpause => "unpause",
            Kind::SetIdentityRegistry => "set_identity_registry",
            Kind::SetCompliance => "set_compliance",
            Kind::SetOnchainId => "set_onchain_id",
            Kind::UpdateInformation => "update_information",
            Kind::SetDocument => "document_set",
            Kind::RemoveDocument => "document_removed",
            Kind::AddAgent => "add_agent",
            Kind::RemoveAgent => "remove_agent",
            Kind::TransferOwnership => "transfer_ownership",
            Kind::Approve => "approve",
            Kind::Other => "other",
        }
    }

    /// Whether it has a row of its own beside the transaction's.
    fn is_operation(self) -> bool {
        !matches!(self, Kind::Transfer | Kind::Approve | Kind::Other)
    }
}

/// The logs of one transaction, by asset: judged together once the transaction is over.
#[derive(Debug, Default)]
pub(super) struct OpenTransaction {
    hash: B256,
    by_asset: BTreeMap<Uuid, Vec<Entry>>,
}

impl Fold {
    /// Keeps a token's log until its transaction is over; closes the one before.
    pub(super) fn transaction_grew(&mut self, entry: &Entry) -> Result<(), Missing> {
        if self.open_transaction.hash != entry.log.transaction_hash {
            let closed = self.transaction_over();
            self.open_transaction.hash = entry.log.transaction_hash;
            self.transaction_grew_by(entry);
            return closed;
        }
        self.transaction_grew_by(entry);
        Ok(())
    }

    fn transaction_grew_by(&mut self, entry: &Entry) {
        if let Some(asset) = entry.asset_id {
            self.open_transaction.by_asset.entry(asset).or_default().push(entry.judged());
        }
    }

    /// Judges the open transaction and writes its rows.
    pub(super) fn transaction_over(&mut self) -> Result<(), Missing> {
        let open = std::mem::take(&mut self.open_transaction);
        let mut outcome = Ok(());
        for (asset_id, entries) in open.by_asset {
            outcome = outcome.and(self.judge(asset_id, &entries));
        }
        outcome
    }

    fn judge(&mut self, asset_id: Uuid, entries: &[Entry]) -> Result<(), Missing> {
        let Some(first) = entries.first() else { return Ok(()) };
        let told = Told::by(entries);
        let input = if told.needs_input(entries) { self.input_of(first)? } else { None };
        let asked = match &input {
            Some(input) => self.asked(first.log.address, input)?,
            None => None,
        };
        if self.missed {
            // It is folded again, and what this pass writes is thrown away.
            return Ok(());
        }
        let kinds: Vec<Kind> = entries.iter().map(|entry| kind(entry, &told, asked.as_ref())).collect();
        let moved = |entry: &&Entry| matches!(entry.fact(), Some(Fact::Transferred { .. }));
        let amount = entries.iter().fold(Amount::ZERO, |sum, entry| match entry.fact() {
            Some(Fact::Transferred { amount, .. }) => sum.plus(Amount::from(*amount)),
            _ => sum,
        });
        let log = &first.log;
        let chain_id = self.chain_id();
        let id_of = |table, index| {
            fact_id(table, chain_id, log.block.number, log.block.hash, index, asset_id.as_bytes())
        };
        let transaction = AssetTransaction {
            chain_id: self.chain_id(),
            block_number: log.block.number,
            log_index: log.log_index,
            part: 0,
            id: id_of(AssetTransaction::DEF.name, log.log_index),
            asset_id,
            block_hash: log.block.hash,
            block_timestamp: first.time,
            transaction_hash: log.transaction_hash,
            transaction_index: log.transaction_index,
            operation_type: kinds.iter().min().map_or("other", |kind| kind.name()).to_owned(),
            event_count: u32::try_from(entries.len()).expect("a block holds fewer than 2^32 logs"),
            transfer_count: u32::try_from(entries.iter().filter(moved).count())
                .expect("a block holds fewer than 2^32 logs"),
            amount,
        };
        for (entry, kind) in entries.iter().zip(&kinds).filter(|(_, kind)| kind.is_operation()) {
            let detail = Detail::of(entry, *kind, &told);
            self.operations.push(AssetOperation {
                chain_id: transaction.chain_id,
                block_number: log.block.number,
                log_index: entry.log.log_index,
                part: 0,
                id: id_of(AssetOperation::DEF.name, entry.log.log_index),
                asset_id,
                transaction_id: transaction.id,
                operation_type: kind.name().to_owned(),
                from_address: detail.from,
                to_address: detail.to,
                amount: detail.amount,
                parameters: detail.parameters.into(),
                executed_by: detail.by.or(input.as_ref().map(|input| input.from_address)),
                executed_at: entry.time,
                block_hash: log.block.hash,
                transaction_hash: log.transaction_hash,
            });
        }
        self.transactions.push(transaction);
        Ok(())
    }
}

/// What the logs of a transaction say about its transfers, looked up by wallet: a contract that logs a hundred thousand
/// transfers in one transaction must not make each of them search all the others.
struct Told {
    recovered: HashMap<(Address, Address), Address>,
    approved: HashSet<Address>,
    moved: HashSet<(Address, Address)>,
}

impl Told {
    fn by(entries: &[Entry]) -> Self {
        let (mut recovered, mut approved, mut moved) = (HashMap::new(), HashSet::new(), HashSet::new());
        for fact in entries.iter().filter_map(Entry::fact) {
            match fact {
                Fact::WalletRecovered { lost, new, identity } => {
                    recovered.entry((*lost, *new)).or_insert(*identity);
                }
                Fact::Approved { owner, .. } => drop(approved.insert(*owner)),
                Fact::Transferred { from, to, .. } => drop(moved.insert((*from, *to))),
                _ => {}
            }
        }
        Self { recovered, approved, moved }
    }

    /// The identity whose wallet was recovered by a transfer.
    fn recovered_identity(&self, from: Address, to: Address) -> Option<Address> {
        self.recovered.get(&(from, to)).copied()
    }

    /// Whether a transfer among these logs could be the holder's own or forced, and only the call data tells.
    fn needs_input(&self, entries: &[Entry]) -> bool {
        entries.iter().any(|entry| entry.role == Role::TrexToken && self.is_candidate(entry))
    }

    fn is_candidate(&self, entry: &Entry) -> bool {
        let Some(Fact::Transferred { from, to, .. }) = entry.fact() else { return false };
        !from.is_zero()
            && !to.is_zero()
            && self.recovered_identity(*from, *to).is_none()
            && !self.approved.contains(from)
    }
}

fn kind(entry: &Entry, told: &Told, asked: Option<&Asked>) -> Kind {
    match entry.fact() {
        Some(Fact::Transferred { from, to, amount }) => match (from.is_zero(), to.is_zero()) {
            (true, _) => Kind::Mint,
            (false, true) => Kind::Burn,
            (false, false) if told.recovered_identity(*from, *to).is_some() => Kind::Recovery,
            (false, false) if entry.role != Role::TrexToken || told.approved.contains(from) => Kind::Transfer,
            (false, false) => match asked.filter(|asked| asked.is_for(entry, *from, *to, *amount)) {
                Some(asked) if asked.is_forced() => Kind::ForcedTransfer,
                Some(_) => Kind::Transfer,
                None => Kind::UndeterminedTransfer,
            },
        },
        Some(Fact::WalletFrozen { frozen: true, .. }) => Kind::FreezeWallet,
        Some(Fact::WalletFrozen { frozen: false, .. }) => Kind::UnfreezeWallet,
        Some(Fact::AmountFrozen { .. }) => Kind::FreezeAmount,
        Some(Fact::AmountUnfrozen { .. }) => Kind::UnfreezeAmount,
        Some(Fact::PauseSet { paused: true, .. }) => Kind::Pause,
        Some(Fact::PauseSet { paused: false, .. }) => Kind::Unpause,
        // The transfer is the recovery; the announcement counts only where nothing moved.
        Some(Fact::WalletRecovered { lost, new, .. }) if told.moved.contains(&(*lost, *new)) => Kind::Other,
        Some(Fact::WalletRecovered { .. }) => Kind::Recovery,
        Some(Fact::InformationUpdated { .. }) => Kind::UpdateInformation,
        Some(Fact::DocumentSet { active: true, .. }) => Kind::SetDocument,
        Some(Fact::DocumentSet { active: false, .. }) => Kind::RemoveDocument,
        Some(Fact::AgentSet { active: true, .. }) => Kind::AddAgent,
        Some(Fact::AgentSet { active: false, .. }) => Kind::RemoveAgent,
        Some(Fact::OwnershipTransferred { .. }) => Kind::TransferOwnership,
        Some(Fact::LinkSet { link: Link::IdentityRegistry, .. }) => Kind::SetIdentityRegistry,
        Some(Fact::LinkSet { link: Link::Compliance, .. }) => Kind::SetCompliance,
        Some(Fact::LinkSet { link: Link::OnchainId, .. }) => Kind::SetOnchainId,
        Some(Fact::Approved { .. }) => Kind::Approve,
        _ => Kind::Other,
    }
}

/// The columns of an operation that depend on what it was.
struct Detail {
    from: Option<Address>,
    to: Option<Address>,
    amount: Option<Amount>,
    by: Option<Address>,
    parameters: Value,
}

impl Detail {
    fn of(entry: &Entry, kind: Kind, told: &Told) -> Self {
        let mut detail = Self { from: None, to: None, amount: None, by: None, parameters: json!({}) };
        match entry.fact() {
            Some(Fact::Transferred { from, to, amount }) => {
                detail.from = (kind != Kind::Mint).then_some(*from);
                detail.to = (kind != Kind::Burn).then_some(*to);
                detail.amount = Some(Amount::from(*amount));
                if let Some(identity) = told.recovered_identity(*from, *to) {
                    detail.parameters = json!({ "identity": identity });
                }
            }
            Some(Fact::WalletFrozen { wallet, by, .. }) => {
                detail.to = Some(*wallet);
                detail.by = Some(*by);
            }
            Some(Fact::AmountFrozen { wallet, amount } | Fact::AmountUnfrozen { wallet, amount }) => {
                detail.to = Some(*wallet);
                detail.amount = Some(Amount::from(*amount));
            }
            Some(Fact::PauseSet { by, .. }) => detail.by = Some(*by),
            Some(Fact::WalletRecovered { lost, new, identity }) => {
                detail.from = Some(*lost);
                detail.to = Some(*new);
                detail.parameters = json!({ "identity": identity });
            }
            Some(Fact::InformationUpdated { decimals, version, onchain_id }) => {
                detail.parameters =
                    json!({ "decimals": decimals, "version": version, "onchain_id": onchain_id });
            }
            Some(Fact::DocumentSet { name, uri, document_hash, .. }) => {
                let uri = text::storable(uri, text::LONG_MAX);
                detail.parameters = json!({ "name": name, "uri": uri, "document_hash": document_hash });
            }
            Some(Fact::AgentSet { agent, active }) => {
                let place = if *active { &mut detail.to } else { &mut detail.from };
                *place = Some(*agent);
            }
            Some(Fact::OwnershipTransferred { previous, new }) => {
                detail.from = Some(*previous);
                detail.to = Some(*new);
            }
            Some(Fact::LinkSet { target, .. }) => detail.parameters = json!({ "target": target }),
            _ => {}
        }
        detail
    }
}

#[cfg(test)]
mod tests;
