//! What each kind of report asks, in what order its rows stand, and the canonical body of the answer.

use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::cap_table::{self, Totals};
use super::copy::copied;
use super::readers::Readers;
use super::{Period, Report, Stamp, compliance, regulatory};
use crate::store::StoreError;
use crate::store::postgres::failed;
use crate::verify::Snapshot;

/// What is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Who holds what.
    CapTable(By),
    /// What the largest hold, and how concentrated all is.
    Concentration(By),
    /// Whether those who hold may.
    Compliance,
    /// What was issued and redeemed, by period.
    Issuance {
        /// hour, day, week, month, quarter or year.
        period: &'static str,
        /// Name of the time zone in which periods begin.
        zone: String,
    },
    /// The summary that authorities ask for: holders by country and verdict, freezes, concentration, issuance.
    Regulatory {
        /// Issuance in this period; all of it without one.
        period: Option<Period>,
        /// Name of the time zone of its days.
        zone: String,
    },
}

/// Whose position is a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A wallet's.
    Wallet,
    /// An investor's: the wallets of one identity together.
    Investor,
}

impl Kind {
    /// Its name in stamps and tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::CapTable(By::Wallet) => "cap_table",
            Self::CapTable(By::Investor) => "cap_table_by_investor",
            Self::Concentration(By::Wallet) => "concentration",
            Self::Concentration(By::Investor) => "concentration_by_investor",
            Self::Compliance => "compliance",
            Self::Issuance { .. } => "issuance",
            Self::Regulatory { .. } => "regulatory",
        }
    }

    /// The question, of an asset (uuid text) at the end of a block. `zone` comes from the server's own list of names.
    fn sql(&self, asset: Uuid, block: i64) -> String {
        match self {
            Self::CapTable(By::Wallet) => format!(
                "select holder_address as wallet, balance, balance_base, percentage, frozen, frozen_base, wallet_frozen
                 from api.cap_table('{asset}', {block}, null) order by holder_bytes"
            ),
            Self::CapTable(By::Investor) => format!(
                "select investor, is_identity, wallets, balance, balance_base, percentage, frozen, frozen_base, country
                 from api.cap_table_by_investor('{asset}', {block}, null) order by investor, is_identity"
            ),
            Self::Concentration(by) => format!(
                "select measure, holders, balance, balance_base, percentage
                 from api.concentration('{asset}', {block}, {})",
                *by == By::Investor
            ),
            Self::Compliance => format!(
                "select holder_address as wallet, identity, country, verdict, wallet_frozen, balance, balance_base,
                     frozen, frozen_base, reason
                 from api.holder_compliance('{asset}', {block}) order by holder_bytes"
            ),
            Self::Issuance { period, zone } => format!(
                "select to_char(period_start at time zone '{zone}', 'YYYY-MM-DD HH24:MI') as period_start, mints, minted,
                     minted_base, burns, burned, burned_base, net_base, supply, supply_base
                 from api.issuance('{asset}', {block}, '{period}', '{zone}') i order by i.period_start"
            ),
            Self::Regulatory { period, zone } => {
                let (first, last) = match period {
                    Some(period) => (format!("'{}'", period.first), format!("'{}'", period.last)),
                    None => ("null".to_owned(), "null".to_owned()),
                };
                format!(
                    "select section, item, holders, amount, amount_base, percentage
                     from api.regulatory_summary('{asset}', {block}, {first}, {last}, '{zone}')"
                )
            }
        }
    }

    /// The canonical body as the database alone writes it.
    ///
    /// # Errors
    /// The database's.
    pub async fn body(
        &self,
        connection: &mut PgConnection,
        asset: Uuid,
        block: i64,
    ) -> Result<String, StoreError> {
        let sql = format!("copy ({}) to stdout with (format csv, header)", self.sql(asset, block));
        copied(connection, &sql).await.map_err(|error| failed("reading the report", &error))
    }
}

/// Asks, and stamps the answer.
///
/// # Errors
/// The database's, and [`cap_table::by_wallet`]'s.
pub async fn ask(snapshot: &mut Snapshot, kind: &Kind, mut stamp: Stamp) -> Result<Report, StoreError> {
    let block = i64::try_from(stamp.as_of_block).unwrap_or(i64::MAX);
    let asset = stamp.asset_id;
    let by_us = matches!(kind, Kind::CapTable(By::Wallet) | Kind::Compliance | Kind::Regulatory { .. });
    let is_large = by_us && compliance::is_large(&mut snapshot.connection, asset).await?;
    let mut readers =
        if is_large { Readers::two(snapshot).await } else { Readers::alone(&mut snapshot.connection) };
    let (decimals, supply) = (stamp.decimals, stamp.supply_base.as_str());
    // What is made here instead of by the database, and its sums.
    let made = match kind {
        Kind::CapTable(By::Wallet) => {
            Some(with_totals(cap_table::by_wallet(&mut readers, asset, block, decimals, supply).await?))
        }
        Kind::Compliance if is_large => {
            compliance::body(&mut readers, asset, block, decimals, supply).await?.map(with_totals)
        }
        Kind::Regulatory { period, zone } if is_large => {
            let within = (period.as_ref(), zone.as_str());
            let body = regulatory::body(&mut readers, asset, block, (decimals, supply), within).await?;
            body.map(|body| (body, None))
        }
        _ => None,
    };
    let (body, totals) = match made {
        Some(made) => made,
        None => {
            let body = kind.body(readers.first(), asset, block).await?;
            let has_totals = matches!(kind, Kind::CapTable(_) | Kind::Compliance);
            let totals = if has_totals { Totals::of(&body, supply) } else { None };
            (body, totals)
        }
    };
    stamp.totals = totals;
    stamp.report = kind.name();
    Ok(Report::new(stamp, body))
}

fn with_totals((body, totals): (String, Totals)) -> (String, Option<Totals>) {
    (body, Some(totals))
}
