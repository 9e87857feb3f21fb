//! Tables: one file per family holds its rows, its declarations and its part of the fold.
//!
//! Knows facts and rows. Knows no ABI but the calls that facts leave to observe, no RPC, no SQL text, no clock.
//!
//! Invariant: every row belongs to the contract whose log caused it. What spans contracts (a verdict, a holder's
//! share) is joined when it is read, so a contract found late is folded alone.

pub mod asset;
pub mod contract;
pub mod day;
pub mod document;
pub mod event;
pub mod fold;
pub mod holder;
pub mod identity;
pub mod module;
pub mod operation;
pub mod permission;
pub mod registry;
pub mod rows;

use crate::row::{Table, TableDef};

/// Every declared table, in an order in which they can be written.
pub const ALL: [&TableDef; 26] = [
    event::ConfiguredContract::DEF,
    event::AssetEvent::DEF,
    event::Observation::DEF,
    event::TransactionInput::DEF,
    contract::Contract::DEF,
    contract::Coverage::DEF,
    contract::LateHistory::DEF,
    contract::ContractLink::DEF,
    asset::Asset::DEF,
    holder::AssetHolder::DEF,
    day::AssetDay::DEF,
    document::AssetDocument::DEF,
    holder::OwnershipHistory::DEF,
    operation::AssetTransaction::DEF,
    operation::AssetOperation::DEF,
    permission::AssetPermission::DEF,
    registry::Registration::DEF,
    registry::VerificationProvider::DEF,
    registry::RequiredTopic::DEF,
    module::ComplianceModule::DEF,
    module::ModuleParameter::DEF,
    identity::Identity::DEF,
    identity::IdentityLink::DEF,
    identity::IdentityKeyRow::DEF,
    identity::IdentityClaim::DEF,
    identity::ClaimRevocation::DEF,
];

/// The declared table of that name.
pub fn by_name(name: &str) -> Option<&'static TableDef> {
    ALL.into_iter().find(|def| def.name == name)
}
