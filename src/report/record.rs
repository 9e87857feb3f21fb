//! Puts a report beside the application's other records, where it is never changed again.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use uuid::Uuid;

use super::{Period, Report};
use crate::store::StoreError;
use crate::store::postgres::failed;

/// Rows of a report that are kept with it; a longer one is kept as its stamp and its first rows, and the digest stands for
/// the rest, which the register gives again.
pub const ROWS_MAX: usize = 10_000;

/// For whom, and as what.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The tenant; by default the login's.
    pub tenant: Option<Uuid>,
    /// To which authority: country (ISO 3166-1 alpha-2) and period; then it goes to `app.regulatory_reports`, else to
    /// `app.asset_reports`.
    pub authority: Option<(String, Period)>,
}

/// Where a report was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub id: Uuid,
}

/// Records a report.
///
/// # Errors
/// The database's: [`StoreError::Refused`] where the login is not a member of `asset_indexer_app`, or works for no tenant.
pub async fn record(
    options: &PgConnectOptions,
    report: &Report,
    recording: &Recording,
) -> Result<Recorded, StoreError> {
    let wrong = |error: sqlx::Error| failed("recording the report", &error);
    let options = options.clone().log_statements(tracing::log::LevelFilter::Off);
    let mut connection = PgConnection::connect_with(&options).await.map_err(wrong)?;
    refuse_other_tenant(&mut connection, recording).await?;
    let recorded = insert(&mut connection, report, recording).await.map_err(wrong)?;
    connection.close().await.map_err(wrong)?;
    Ok(recorded)
}

/// A login that is bound to a tenant works for that one whatever it asks for: the report would be recorded for another.
async fn refuse_other_tenant(connection: &mut PgConnection, recording: &Recording) -> Result<(), StoreError> {
    let Some(wanted) = recording.tenant else { return Ok(()) };
    let works_for: Option<Uuid> = sqlx::query_scalar(
        "select app.current_tenant() from set_config('app.tenant', $1, false) where set_config is not null",
    )
    .bind(wanted.to_string())
    .fetch_one(connection)
    .await
    .map_err(|error| failed("recording the report", &error))?;
    match works_for {
        Some(tenant) if tenant == wanted => Ok(()),
        tenant => Err(StoreError::Refused {
            during: "recording the report",
            reason: format!(
                "--tenant {wanted} is not the tenant that this login works for, which is {}: nothing was recorded",
                tenant.map_or("none".to_owned(), |tenant| tenant.to_string())
            ),
        }),
    }
}

async fn insert(
    connection: &mut PgConnection,
    report: &Report,
    recording: &Recording,
) -> Result<Recorded, sqlx::Error> {
    connection.execute("begin").await?;
    if let Some(tenant) = recording.tenant {
        sqlx::query("select set_config('app.tenant', $1, true)")
            .bind(tenant.to_string())
            .execute(&mut *connection)
            .await?;
    }
    let (stamp, data) = (&report.stamp, report.json_of(ROWS_MAX));
    let recorded = match &recording.authority {
        Some((jurisdiction, period)) => {
            let id = sqlx::query_scalar(
                "insert into app.regulatory_reports (report_type, jurisdiction, period, report_data)
                 values ($1, $2, $3, $4) returning id",
            )
            .bind(stamp.report)
            .bind(jurisdiction)
            .bind(&period.text)
            .bind(data)
            .fetch_one(&mut *connection)
            .await?;
            Recorded { table: "app.regulatory_reports", id }
        }
        None => {
            let id = sqlx::query_scalar(
                "insert into app.asset_reports (asset_id, report_type, report_data, chain_id, block_number, block_hash,
                     digest)
                 values ($1, $2, $3, $4, $5, $6, $7) returning id",
            )
            .bind(stamp.asset_id)
            .bind(stamp.report)
            .bind(data)
            .bind(i64::try_from(stamp.chain_id).unwrap_or(i64::MAX))
            .bind(i64::try_from(stamp.block).unwrap_or(i64::MAX))
            .bind(&stamp.block_hash)
            .bind(&stamp.sha256)
            .fetch_one(&mut *connection)
            .await?;
            Recorded { table: "app.asset_reports", id }
        }
    };
    connection.execute("commit").await?;
    Ok(recorded)
}
