//! How large the load is: the published volumes, grown for five years at the published rates.

use alloy::primitives::Address;
use asset_indexer::id::asset_id;

use super::CHAIN;

/// The contract of the asset with many holders.
pub const TOKEN: Address = Address::repeat_byte(0xa5);
/// The contract of one of the others.
pub const ORDINARY: Address = Address::repeat_byte(0xa6);
/// Years of growth.
const YEARS: u32 = 5;
/// The most rows of a table.
const ROWS_MAX: u64 = 10_000_000;
/// Changes of each holder of the asset with many.
const ROUNDS: u64 = 10;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// 1: all of it.
    pub scale: f64,
    /// Holders of the asset with many.
    pub holders: u64,
    /// Users, of four tenants.
    pub users: u64,
    /// Assets.
    pub assets: u64,
    /// Movements of the other assets.
    pub transactions: u64,
    /// Events of the indexer itself.
    pub system_events: u64,
    /// Actions of users; a tenth as many logins and accesses.
    pub user_actions: u64,
    /// Checks; a hundredth as many violations.
    pub compliance_logs: u64,
    /// Rows of the trail.
    pub audit_rows: u64,
}

impl Shape {
    /// A part of what five years leave, and an asset with so many holders.
    pub fn new(scale: f64, holders: u64) -> Self {
        let part = |rows: u64, least: u64| ((rows as f64 * scale) as u64).max(least);
        Self {
            scale,
            // Below that the load's blocks would not suffice.
            holders: holders.max(1_000),
            users: part(grown(10_000, 100), 200),
            assets: part(grown(5_000, 200), 80),
            transactions: part(grown(100_000, 500), 1_000),
            system_events: part(daily(10_000), 1_000),
            user_actions: part(daily(50_000), 1_000),
            compliance_logs: part(daily(2_000), 1_000),
            audit_rows: part(grown(500_000, 300), 1_000),
        }
    }

    /// The last block.
    pub fn blocks(&self) -> u64 {
        self.changes() / 100 + 1
    }

    /// Changes of the register of the asset with many holders.
    pub fn changes(&self) -> u64 {
        self.holders * ROUNDS
    }

    /// SQL of the load with the figures in their places.
    pub fn put_into(&self, sql: &str) -> String {
        let numbers = [
            ("$HOLDERS$", self.holders),
            ("$USERS$", self.users),
            ("$ASSETS$", self.assets),
            ("$TRANSACTIONS$", self.transactions),
            ("$SYSTEM_EVENTS$", self.system_events),
            ("$USER_ACTIONS$", self.user_actions),
            ("$COMPLIANCE_LOGS$", self.compliance_logs),
            ("$AUDIT_ROWS$", self.audit_rows),
            ("$BLOCKS$", self.blocks()),
            ("$CHANGES$", self.changes()),
            ("$ROUNDS$", ROUNDS),
        ];
        let sql =
            numbers.iter().fold(sql.to_owned(), |sql, (name, number)| sql.replace(name, &number.to_string()));
        let named = |sql: String, (asset, contract): (&str, &str), token: Address| {
            sql.replace(asset, &format!("'{}'::uuid", asset_id(CHAIN, token)))
                .replace(contract, &format!("'\\x{}'::bytea", alloy::hex::encode(token)))
        };
        named(named(sql, ("$ASSET$", "$TOKEN$"), TOKEN), ("$ORDINARY_ASSET$", "$ORDINARY_TOKEN$"), ORDINARY)
    }
}

/// Records after five years of growth by so many percent each.
fn grown(records: u64, percent: u64) -> u64 {
    (0..YEARS).fold(records, |records, _| records * (100 + percent) / 100).min(ROWS_MAX)
}

/// Records of five years, so many a day.
fn daily(records: u64) -> u64 {
    (records * 365 * u64::from(YEARS)).min(ROWS_MAX)
}
