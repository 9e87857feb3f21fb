//! Indexes that a first load does without: [`Store::build_index`](crate::store::Store::build_index).

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::{failed, schema};
use crate::retry::Delays;
use crate::store::{Built, StoreError};

/// Drops the indexes of an empty database whose upkeep a load pays dearly, and writes down what builds them.
pub(super) async fn defer(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let deferred: Option<i64> =
        sqlx::query_scalar("select ops.defer_indexes()").fetch_one(connection).await?;
    match deferred {
        None => tracing::warn!(
            "somebody uses the tables: the first load keeps their indexes up, and takes longer"
        ),
        Some(0) => {}
        Some(count) => {
            tracing::info!(count, "a first load: so many indexes are built when it is nearly done")
        }
    }
    Ok(())
}

/// Builds the next one.
pub(super) async fn build(connection: &mut PgConnection) -> Result<Built, sqlx::Error> {
    let next = sqlx::query("select name, built from ops.build_index()").fetch_optional(connection).await?;
    Ok(match next {
        None => Built::Nothing,
        Some(row) if row.get(1) => Built::Index(row.get(0)),
        Some(row) => Built::Hindered(row.get(0)),
    })
}

/// Builds all of them: a change of the schema finds the schema whole.
///
/// # Errors
/// The database's; [`StoreError::Unavailable`] where somebody keeps using a table.
pub(super) async fn build_all(connection: &mut PgConnection) -> Result<(), StoreError> {
    if !schema::exists(connection, "ops.deferred_indexes").await? {
        return Ok(());
    }
    let during = "building indexes that a first load did without";
    let mut delays = Delays::new(schema::LOCK_RETRIES);
    loop {
        match build(connection).await.map_err(|error| failed(during, &error))? {
            Built::Nothing => return Ok(()),
            Built::Index(index) => tracing::info!(index, "built: a first load did without it"),
            Built::Hindered(index) => {
                let Some(delay) = delays.next(None) else {
                    let reason =
                        format!("somebody uses the table of {index}: end long transactions and try again");
                    return Err(StoreError::Unavailable { during, reason });
                };
                tokio::time::sleep(delay).await;
            }
        }
    }
}
