//! The compliance of very many holders: verdicts and lines are made here while the positions come. What `chain.judge` says of
//! one identity is said of all; a test compares the two.

use std::fmt::Write as _;
use std::sync::Arc;

use alloy::hex;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::cap_table::{Body, Totals};
use super::number::units;
use super::positions::{Account, Positions, positions};
use super::readers::Readers;
use super::registry::Registry;
use crate::store::StoreError;
use crate::store::postgres::failed;

/// The header of the body.
pub const HEADER: &str =
    "wallet,identity,country,verdict,wallet_frozen,balance,balance_base,frozen,frozen_base,reason";

/// Whether an asset has so many holders that [`body`] is the quicker way.
///
/// # Errors
/// The database's.
pub async fn is_large(connection: &mut PgConnection, asset: Uuid) -> Result<bool, StoreError> {
    let sql = "select coalesce((select chain.has_many_holders($1)), false)";
    let asked = sqlx::query_scalar(sql).bind(asset).fetch_one(connection).await;
    asked.map_err(|error| failed("asking how many hold the asset", &error))
}

/// The body of the compliance report of an asset at the end of a block, in the order of wallets, and its sums; none where
/// more topics are required than are judged here.
///
/// # Errors
/// The database's; [`StoreError::Corrupt`] for a position that is no whole number of base units.
pub async fn body(
    readers: &mut Readers<'_>,
    asset: Uuid,
    block: i64,
    decimals: Option<u32>,
    supply_base: &str,
) -> Result<Option<(String, Totals)>, StoreError> {
    let Some(registry) = Registry::read(readers, asset, block).await? else { return Ok(None) };
    let registry = Arc::new(registry);
    let takers = Body::halves(HEADER).map(|body| Lines { registry: Arc::clone(&registry), decimals, body });
    let [lower, upper] = positions(readers, asset, block, takers).await?;
    lower.body.joined(&upper.body, supply_base).map(Some)
}

/// The body and what its lines are written with.
struct Lines {
    registry: Arc<Registry>,
    decimals: Option<u32>,
    body: Body,
}

impl Positions for Lines {
    fn take(&mut self, wallet: &Account, balance: &str, frozen: &str, wallet_frozen: bool) {
        self.body.add(balance, frozen);
        let registered = self.registry.of(wallet);
        let judgement = self.registry.judge(registered);
        let body = &mut self.body.text;
        body.push_str(hex::Buffer::<20, true>::new().format(wallet));
        body.push(',');
        if let Some(registered) = registered {
            body.push_str(hex::Buffer::<20, true>::new().format(&registered.identity));
        }
        body.push(',');
        // Writing to a string does not fail.
        if let Some(country) = registered.and_then(|registered| registered.country) {
            let _ = write!(body, "{country}");
        }
        body.push(',');
        body.push_str(judgement.verdict());
        body.push_str(if wallet_frozen { ",t," } else { ",f," });
        units(body, balance, self.decimals);
        body.push(',');
        body.push_str(balance);
        body.push(',');
        units(body, frozen, self.decimals);
        body.push(',');
        body.push_str(frozen);
        body.push(',');
        let _ = write!(body, "{judgement}");
        body.push('\n');
    }
}
