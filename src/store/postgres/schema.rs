//! Migrations, and the check that a database has the schema this program was built for.

use std::sync::LazyLock;

use sqlx::migrate::{Migrate, MigrateError, Migration, Migrator};
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Row as _};

use super::approval::Before;
use super::locks::{LOCK_RETRIES, until_free, wait_for_locks, wait_little_for_locks};
use super::{failed, indexes, lift_timeouts, silence};
use crate::retry::Delays;
use crate::store::StoreError;

/// Forward migrations, each with its way back, embedded in the binary.
pub(super) static MIGRATIONS: LazyLock<Migrator> =
    LazyLock::new(|| counted_in(sqlx::migrate!("./migrations"), APPLIED));
/// The application's tables, in schema `app`, and the views that join them with the chain's: for platforms that have no
/// tables of their own. They count their versions by themselves.
pub(super) static APPLICATION: LazyLock<Migrator> =
    LazyLock::new(|| counted_in(sqlx::migrate!("./migrations/app"), APPLIED_TO_APPLICATION));
/// Not in `public`, where a platform's own tools would offer to rename or drop them.
const SCHEMA: &str = "asset_indexer";
pub(super) const APPLIED: &str = "asset_indexer.migrations";
pub(super) const APPLIED_TO_APPLICATION: &str = "asset_indexer.app_migrations";
/// Where the first versions of this program counted.
const APPLIED_BEFORE: &str = "public._sqlx_migrations";

fn counted_in(mut migrations: Migrator, table: &'static str) -> Migrator {
    migrations.create_schema(SCHEMA);
    migrations.dangerous_set_table_name(table);
    migrations
}

/// The oldest server that is supported, as `server_version_num` counts.
const OLDEST_SERVER: i32 = 150_000;

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Versions that were applied now.
    pub applied: Vec<i64>,
    /// The schema's version now.
    pub version: i64,
}

fn newest(migrations: &Migrator) -> i64 {
    migrations.iter().filter(|m| !m.migration_type.is_down_migration()).map(|m| m.version).max().unwrap_or(0)
}

/// The statements that make the roles, for administrators whose `migrate` may not.
pub fn role_sql() -> &'static str {
    include_str!("../../../migrations/roles.sql")
}

/// The version of the schema that this program is built for.
pub fn schema_version() -> i64 {
    newest(&MIGRATIONS)
}

/// Refuses servers that are too old.
///
/// # Errors
/// [`StoreError::OtherSchema`] with the version found.
pub async fn check_version(connection: &mut PgConnection) -> Result<(), StoreError> {
    let row =
        sqlx::query("select current_setting('server_version_num')::int, current_setting('server_version')")
            .fetch_one(connection)
            .await
            .map_err(|e| failed("reading the server's version", &e))?;
    let (number, text): (i32, String) = (row.get(0), row.get(1));
    if number < OLDEST_SERVER {
        return Err(StoreError::OtherSchema {
            found: format!("on PostgreSQL {text}"),
            needed: "PostgreSQL 15 or newer".to_owned(),
            remedy: "upgrade the server",
        });
    }
    Ok(())
}

/// Brings the schema to this program's version: what the indexer writes and what people read of it.
///
/// # Errors
/// [`StoreError::Refused`] where rights are missing or a migration was changed after it was applied;
/// [`StoreError::OtherSchema`] where the database is newer than the program.
pub async fn migrate(connection: &mut PgConnection) -> Result<Migrated, StoreError> {
    check_version(connection).await?;
    move_versions(connection).await?;
    bring_up(connection, &MIGRATIONS, APPLIED).await
}

/// Brings the application's tables (schema `app`) to this program's version; [`migrate`] comes first. Where they are made anew,
/// the rights that logins have then are those that the owner approves.
///
/// # Errors
/// As [`migrate`].
pub async fn migrate_application(connection: &mut PgConnection) -> Result<Migrated, StoreError> {
    let is_new = versions(connection, APPLIED_TO_APPLICATION).await?.is_empty();
    let migrated = bring_up(connection, &APPLICATION, APPLIED_TO_APPLICATION).await?;
    if is_new {
        sqlx::query("select app.keep_rights()")
            .execute(connection)
            .await
            .map_err(|error| failed("approving the rights that there are", &error))?;
    }
    Ok(migrated)
}

pub(super) async fn exists(connection: &mut PgConnection, table: &str) -> Result<bool, StoreError> {
    sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(table)
        .fetch_one(connection)
        .await
        .map_err(|e| failed("looking whether a table is there", &e))
}

/// Takes the table of applied migrations out of `public`, where an earlier program left it there.
async fn move_versions(connection: &mut PgConnection) -> Result<(), StoreError> {
    if !exists(connection, APPLIED_BEFORE).await? || exists(connection, APPLIED).await? {
        return Ok(());
    }
    // Of another program, perhaps: only ours has our first migration.
    let ours = connection.list_applied_migrations(APPLIED_BEFORE).await;
    let ours = ours.map_err(|error| refused("reading the table of migrations", error))?;
    let first = MIGRATIONS.iter().map(|migration| migration.version).min();
    if !ours.iter().any(|migration| Some(migration.version) == first) {
        return Ok(());
    }
    let sql = "create schema if not exists asset_indexer;
         alter table public._sqlx_migrations set schema asset_indexer;
         alter table asset_indexer._sqlx_migrations rename to migrations";
    sqlx::raw_sql(sql).execute(connection).await.map_err(|e| failed("moving the table of migrations", &e))?;
    Ok(())
}

async fn bring_up(
    connection: &mut PgConnection,
    migrations: &Migrator,
    table: &'static str,
) -> Result<Migrated, StoreError> {
    lift_timeouts(connection).await.map_err(|e| failed("preparing the connection", &e))?;
    let before = versions(connection, table).await?;
    refuse_newer(before.last().copied(), migrations)?;
    let is_missing = |migration: &Migration| !before.contains(&migration.version);
    if migrations
        .iter()
        .any(|migration| !migration.migration_type.is_down_migration() && is_missing(migration))
    {
        indexes::build_all(connection).await?;
    }
    let told = Before::look(connection).await?;
    let done = run_all(connection, migrations, &before).await;
    let after = match versions(connection, table).await {
        Ok(after) => after,
        Err(error) => return Err(done.err().unwrap_or(error)),
    };
    // Those that were applied before another failed stay applied.
    let approved = if after == before { Ok(()) } else { told.approve(connection).await };
    done.and(approved)?;
    let applied = after.iter().filter(|version| !before.contains(version)).copied().collect();
    Ok(Migrated { applied, version: after.last().copied().unwrap_or(0) })
}

async fn run_all(
    connection: &mut PgConnection,
    migrations: &Migrator,
    before: &[i64],
) -> Result<(), StoreError> {
    let mut delays = Delays::new(LOCK_RETRIES);
    // What is done outside of a transaction may take long, and is prepared for by itself.
    let beside =
        migrations.iter().filter(|migration| is_beside(migration) && !before.contains(&migration.version));
    let stops: Vec<Option<&Migration>> = beside.map(Some).chain([None]).collect();
    for stop in stops {
        let up_to = stop.map_or(i64::MAX, |migration| migration.version - 1);
        wait_little_for_locks(connection).await?;
        run_to(connection, migrations, up_to, &mut delays).await?;
        if let Some(migration) = stop {
            wait_for_locks(connection).await?;
            drop_unfinished_indexes(connection, migration).await?;
            run_to(connection, migrations, migration.version, &mut delays).await?;
        }
    }
    Ok(())
}

/// An upward migration of one statement that is not run in a transaction: an index that is built beside readers and writers,
/// or rows that are filled in batches.
fn is_beside(migration: &Migration) -> bool {
    migration.no_tx && !migration.migration_type.is_down_migration()
}

async fn run_to(
    connection: &mut PgConnection,
    migrations: &Migrator,
    version: i64,
    delays: &mut Delays,
) -> Result<(), StoreError> {
    while let Err(error) = migrations.run_to(version, &mut *connection).await {
        until_free(connection, refused("migrating", error), delays).await?;
    }
    Ok(())
}

/// An index that was being built when its migration was interrupted is there and not valid: building it again would find its
/// name taken.
async fn drop_unfinished_indexes(
    connection: &mut PgConnection,
    migration: &Migration,
) -> Result<(), StoreError> {
    let during = "looking for unfinished indexes";
    let unfinished: Vec<(String, String)> = sqlx::query_as(
        "select format('%I.%I', n.nspname, c.relname), c.relname::text
         from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
         where not i.indisvalid and n.nspname in ('chain', 'ops', 'app')
             and not exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid)",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(|e| failed(during, &e))?;
    for (index, name) in unfinished {
        if migration.sql.as_str().split_whitespace().any(|word| word == name) {
            tracing::warn!(index, "left unfinished when it was interrupted; built again");
            let sql = format!("drop index concurrently {index}");
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut *connection)
                .await
                .map_err(|e| failed("dropping an unfinished index", &e))?;
        }
    }
    Ok(())
}

/// Checks, without changing anything, that the schema is this program's.
///
/// # Errors
/// [`StoreError::OtherSchema`] with the remedy.
pub async fn check_schema(connection: &mut PgConnection) -> Result<(), StoreError> {
    check_version(connection).await?;
    let found = versions(connection, APPLIED).await?;
    let of_application = versions(connection, APPLIED_TO_APPLICATION).await?;
    check_newest(found.last().copied(), of_application.last().copied())
}

/// Checks again that the schema is this program's, as [`check_schema`] found it once: it may have been migrated beside a
/// program that runs, which then must neither write nor carry out what the migration asked of its own program.
///
/// # Errors
/// As [`check_schema`], but for the server's version.
pub async fn check_schema_again(pool: &PgPool) -> Result<(), StoreError> {
    let reading = async {
        let mut connection = pool.acquire().await?;
        let (found, has_application): (Option<i64>, bool) = sqlx::query_as(
            "select max(version), to_regclass('asset_indexer.app_migrations') is not null from asset_indexer.migrations",
        )
        .fetch_one(&mut *connection)
        .await?;
        let of_application: Option<i64> = if has_application {
            let sql = "select max(version) from asset_indexer.app_migrations";
            sqlx::query_scalar(sql).fetch_one(&mut *connection).await?
        } else {
            None
        };
        Ok::<_, sqlx::Error>((found, of_application))
    };
    let (found, of_application) = silence::answered("checking the schema", reading).await?;
    check_newest(found, of_application)
}

/// Whether the newest versions that were applied to the schema, and to the application's, are this program's.
fn check_newest(found: Option<i64>, of_application: Option<i64>) -> Result<(), StoreError> {
    refuse_newer(found, &MIGRATIONS)?;
    refuse_newer(of_application, &APPLICATION)?;
    let needed = newest(&MIGRATIONS);
    if found != Some(needed) {
        return Err(StoreError::OtherSchema {
            found: found.map_or("not there yet".to_owned(), |version| format!("version {version}")),
            needed: format!("version {needed}"),
            remedy: "run `asset-indexer migrate` with the owner's ADMIN_DATABASE_URL",
        });
    }
    Ok(())
}

fn refuse_newer(found: Option<i64>, migrations: &Migrator) -> Result<(), StoreError> {
    match found {
        Some(version) if version > newest(migrations) => Err(StoreError::OtherSchema {
            found: format!("version {version}"),
            needed: format!("version {}", newest(migrations)),
            remedy: "the database was migrated by a newer program: run that one",
        }),
        _ => Ok(()),
    }
}

pub(super) fn refused(during: &'static str, error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(during, &error),
        error => StoreError::Refused { during, reason: error.to_string() },
    }
}

pub(super) async fn versions(
    connection: &mut PgConnection,
    table: &'static str,
) -> Result<Vec<i64>, StoreError> {
    if !exists(connection, table).await? {
        return Ok(Vec::new());
    }
    let applied = connection.list_applied_migrations(table).await;
    let applied = applied.map_err(|error| refused("reading the table of migrations", error))?;
    let mut versions: Vec<i64> = applied.into_iter().map(|migration| migration.version).collect();
    versions.sort_unstable();
    Ok(versions)
}
