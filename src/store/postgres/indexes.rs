//! Indexes that a first load does without: [`Store::build_index`](crate::store::Store::build_index).

use sqlx::postgres::PgConnection;
use sqlx::{Executor, Row as _};

use super::{PostgresStore, failed, locks, schema};
use crate::retry::Delays;
use crate::store::{Built, StoreError};

/// Whether there are indexes to build.
const WAIT: &str = "select exists (select from ops.deferred_indexes)";

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

impl PostgresStore {
    /// Builds the next one under the lease.
    pub(super) async fn build_next(&self) -> Result<Built, StoreError> {
        let built = self.build_one().await;
        if let Ok(Built::Index(_)) = &built
            && self.has_built_all().await
        {
            // In a transaction of its own: the key that was built last keeps readers out until its own ends.
            self.analyze(true).await;
        }
        built
    }

    async fn has_built_all(&self) -> bool {
        let left = self.with("looking for indexes to build", async |connection, _| {
            sqlx::query_scalar::<_, bool>(WAIT).fetch_one(connection).await
        });
        left.await.is_ok_and(|left| !left)
    }

    async fn build_one(&self) -> Result<Built, StoreError> {
        self.with("building an index", async |connection, _| {
            // Outside of a transaction, since as good as always none waits.
            if !sqlx::query_scalar::<_, bool>(WAIT).fetch_one(&mut *connection).await? {
                return Ok(Built::Nothing);
            }
            // Not in the transaction: a lock for so long would hide the signs of life from everybody.
            self.hold_lease(connection).await?;
            connection.execute("begin").await?;
            let built = match build(connection).await {
                // A full disk, a statement's time: the chain goes on without the index.
                Err(sqlx::Error::Database(error)) => {
                    connection.execute("rollback").await?;
                    return Ok(Built::Hindered(error.message().to_owned()));
                }
                built => built?,
            };
            self.hold_lease(connection).await?;
            connection.execute("commit").await?;
            Ok(built)
        })
        .await
    }
}

/// Builds the next one.
async fn build(connection: &mut PgConnection) -> Result<Built, sqlx::Error> {
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
    let mut delays = Delays::new(locks::LOCK_RETRIES);
    loop {
        match build(connection).await.map_err(|error| failed(during, &error))? {
            Built::Nothing => return Ok(()),
            Built::Index(index) => {
                delays.reset();
                tracing::info!(index, "built: a first load did without it");
            }
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
