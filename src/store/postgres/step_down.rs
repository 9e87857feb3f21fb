//! The way back: taking applied migrations down again, and saying first what would be lost.

use std::collections::BTreeSet;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::failed;
use super::schema::{
    APPLICATION, APPLIED, APPLIED_TO_APPLICATION, MIGRATIONS, exists, refused, versions,
    wait_little_for_locks, with_remedy,
};
use crate::store::StoreError;

/// Whose migrations are taken down. The application's tables stand on the chain's: they go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What the indexer writes and what people read of it.
    Chain,
    /// The application's tables.
    Application,
}

impl Part {
    fn migrations(self) -> (&'static Migrator, &'static str) {
        match self {
            Self::Chain => (&MIGRATIONS, APPLIED),
            Self::Application => (&APPLICATION, APPLIED_TO_APPLICATION),
        }
    }
}

/// What a step down ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SteppedDown {
    /// Versions that were taken back, newest first.
    Done(Vec<i64>),
    /// Nothing was changed: these tables (`schema.table`) and columns (`schema.table.column`) hold rows and would be gone,
    /// and were not all named as accepted.
    WouldLose(Vec<String>),
}

/// Takes every version above `target` back, newest first; `accepted` names the tables and columns that may be lost with
/// their rows.
///
/// What would be lost is found by doing it in a transaction that is rolled back, and looking which tables and columns went.
///
/// # Errors
/// The database's; [`StoreError::Refused`] for a target that was never applied, while a daemon writes, and where something of
/// somebody else's stands on what would go.
pub async fn step_down(
    connection: &mut PgConnection,
    part: Part,
    target: i64,
    accepted: &[String],
) -> Result<SteppedDown, StoreError> {
    let (migrations, table) = part.migrations();
    let applied = versions(connection, table).await?;
    if target != 0 && !applied.contains(&target) {
        let reason = format!("version {target} is not among those applied: {applied:?}, or 0 for none");
        return Err(StoreError::Refused { during: "stepping down", reason });
    }
    refuse_beside_a_writer(connection).await?;
    wait_little_for_locks(connection).await?;
    let steps: Vec<i64> = applied.into_iter().rev().filter(|version| *version > target).collect();
    let lost = losses(connection, migrations, &steps).await?;
    let unnamed = lost.iter().any(|thing| !accepted.contains(thing));
    if unnamed {
        return Ok(SteppedDown::WouldLose(lost));
    }
    migrations
        .undo(&mut *connection, target)
        .await
        .map_err(|error| with_remedy(refused("stepping down", error)))?;
    Ok(SteppedDown::Done(steps))
}

/// A daemon of this version would go on writing into a schema that it does not know.
async fn refuse_beside_a_writer(connection: &mut PgConnection) -> Result<(), StoreError> {
    if !exists(connection, "ops.leases").await? {
        return Ok(());
    }
    let sql = "select exists (select from ops.leases where expires_at > now())";
    let writes: bool = sqlx::query_scalar(sql)
        .fetch_one(connection)
        .await
        .map_err(|e| failed("looking for a writer", &e))?;
    if !writes {
        return Ok(());
    }
    let reason = "a daemon holds the lease of this database: stop it first, and start the version that fits \
                  afterwards";
    Err(StoreError::Refused { during: "stepping down", reason: reason.to_owned() })
}

/// Tables and columns that hold rows and would be gone.
async fn losses(
    connection: &mut PgConnection,
    migrations: &Migrator,
    steps: &[i64],
) -> Result<Vec<String>, StoreError> {
    let mut trial = connection.begin().await.map_err(|e| failed("beginning a trial", &e))?;
    let before = things(&mut trial).await?;
    for version in steps {
        let down = migrations.iter().find(|m| m.version == *version && m.migration_type.is_down_migration());
        let Some(down) = down else {
            let reason = format!("version {version} is of a newer program: step down with that one");
            return Err(StoreError::Refused { during: "stepping down", reason });
        };
        sqlx::raw_sql(down.sql.clone())
            .execute(&mut *trial)
            .await
            .map_err(|e| with_remedy(failed("trying the step down", &e)))?;
    }
    let after = things(&mut trial).await?;
    trial.rollback().await.map_err(|e| failed("taking the trial back", &e))?;
    let mut lost = Vec::new();
    for (table, column) in before.difference(&after) {
        let whole = !after.contains(&(table.clone(), None));
        // A table that goes is named once, by itself; its columns come with it.
        if whole == column.is_some() {
            continue;
        }
        let condition = column.as_ref().map_or(String::new(), |name| format!(" where {name} is not null"));
        let sql = format!("select exists (select from {table}{condition})");
        let holds: bool = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut *connection)
            .await
            .map_err(|e| failed("looking what would be lost", &e))?;
        if holds {
            lost.push(column.as_ref().map_or_else(|| table.clone(), |name| format!("{table}.{name}")));
        }
    }
    Ok(lost)
}

/// Our tables, and their columns; quoted where they must be.
async fn things(connection: &mut PgConnection) -> Result<BTreeSet<(String, Option<String>)>, StoreError> {
    let found: Vec<(String, Option<String>)> = sqlx::query_as(
        "select format('%I.%I', n.nspname, c.relname), part.name
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         cross join lateral (
             select quote_ident(a.attname) from pg_attribute a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
             union all select null
         ) part (name)
         where n.nspname in ('chain', 'ops', 'app') and c.relkind in ('r', 'p') and not c.relispartition",
    )
    .fetch_all(connection)
    .await
    .map_err(|e| failed("reading the catalogue", &e))?;
    Ok(found.into_iter().collect())
}
