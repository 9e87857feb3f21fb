//! The way back: taking applied migrations down again, and saying first what would be lost.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::migrate::{Migration, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::approval::Before;
use super::locks::{LOCK_RETRIES, until_free, wait_little_for_locks};
use super::schema::{APPLICATION, APPLIED, APPLIED_TO_APPLICATION, MIGRATIONS, exists, refused, versions};
use super::{failed, indexes, lift_timeouts};
use crate::retry::Delays;
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
    /// Nothing was changed: this would be lost, and was not all named as accepted.
    WouldLose(Vec<Loss>),
}

/// What a step down would lose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What it is accepted by: `schema.table` or `schema.table.column`, which hold rows and would be gone; or
    /// `schema.table:rows`, of which rows would not be what they are after going up again.
    pub name: String,
    /// The keys of those rows, where the table stays.
    pub rows: Vec<String>,
}

/// Takes every version above `target` back, newest first; `accepted` names what may be lost ([`Loss::name`]).
///
/// What would be lost is found by doing it in a transaction that is rolled back, and looking which tables and columns went;
/// and by going up again in it, and looking which rows did not come back as they were: what a migration put there comes
/// back, what somebody changed does not. Tables are locked as long as going down and up takes.
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
    lift_timeouts(connection).await.map_err(|e| failed("preparing the connection", &e))?;
    let (migrations, table) = part.migrations();
    let applied = versions(connection, table).await?;
    if target != 0 && !applied.contains(&target) {
        let reason = format!("version {target} is not among those applied: {applied:?}, or 0 for none");
        return Err(StoreError::Refused { during: "stepping down", reason });
    }
    refuse_beside_a_writer(connection).await?;
    indexes::build_all(connection).await?;
    // That may have taken long.
    refuse_beside_a_writer(connection).await?;
    refuse_beside_the_application(connection, part).await?;
    wait_little_for_locks(connection).await?;
    let steps: Vec<i64> = applied.into_iter().rev().filter(|version| *version > target).collect();
    let mut delays = Delays::new(LOCK_RETRIES);
    let lost = loop {
        match losses(connection, migrations, &steps).await {
            Ok(lost) => break lost,
            Err(error) => until_free(connection, error, &mut delays).await?,
        }
    };
    let unnamed = lost.iter().any(|loss| !accepted.contains(&loss.name));
    if unnamed {
        return Ok(SteppedDown::WouldLose(lost));
    }
    refuse_beside_the_application(connection, part).await?;
    let told = Before::look(connection).await?;
    wait_little_for_locks(connection).await?;
    let done = undo(connection, migrations, target).await;
    // Those that were taken back before another failed stay so.
    let approved = told.approve(connection).await;
    done.and(approved)?;
    Ok(SteppedDown::Done(steps))
}

async fn undo(connection: &mut PgConnection, migrations: &Migrator, target: i64) -> Result<(), StoreError> {
    let mut delays = Delays::new(LOCK_RETRIES);
    while let Err(error) = migrations.undo(&mut *connection, target).await {
        until_free(connection, refused("stepping down", error), &mut delays).await?;
    }
    Ok(())
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

/// What is counted as lost would not be all: the application goes on writing while versions are taken down one by one.
async fn refuse_beside_the_application(connection: &mut PgConnection, part: Part) -> Result<(), StoreError> {
    if part != Part::Application {
        return Ok(());
    }
    let sql = "select string_agg(distinct format('%s as %I', coalesce(nullif(a.application_name, ''), 'pid ' || a.pid), a.usename), ', ')
        from pg_stat_activity a join pg_roles r on r.oid = a.usesysid
        where a.datname = current_database() and a.pid <> pg_backend_pid() and a.backend_type = 'client backend'
            and a.usename <> session_user and not r.rolsuper
            and pg_has_role(r.oid, to_regrole('asset_indexer_app')::oid, 'usage')";
    let present: Option<String> = sqlx::query_scalar(sql)
        .fetch_one(connection)
        .await
        .map_err(|e| failed("looking for the application's sessions", &e))?;
    let Some(present) = present else { return Ok(()) };
    let reason = format!(
        "the application is connected ({present}), and what it writes meanwhile would be lost: stop it first"
    );
    Err(StoreError::Refused { during: "stepping down", reason })
}

/// What holds rows and would be gone, and rows that would not be what they are after going up again.
async fn losses(
    connection: &mut PgConnection,
    migrations: &Migrator,
    steps: &[i64],
) -> Result<Vec<Loss>, StoreError> {
    let mut trial = connection.begin().await.map_err(|e| failed("beginning a trial", &e))?;
    let before = things(&mut trial).await?;
    for version in steps {
        let down = migrations.iter().find(|m| m.version == *version && m.migration_type.is_down_migration());
        let Some(down) = down else {
            let reason = format!("version {version} is of a newer program: step down with that one");
            return Err(StoreError::Refused { during: "stepping down", reason });
        };
        try_out(&mut trial, down, "trying the step down").await?;
    }
    let after = things(&mut trial).await?;
    let mut touched = rewritten(&mut trial).await?;
    touched.retain(|table, _| after.contains(&(table.clone(), None)));
    for version in steps.iter().rev().filter(|_| !touched.is_empty()) {
        let up = migrations.iter().find(|m| m.version == *version && !m.migration_type.is_down_migration());
        // Outside of a transaction indexes are built and rows filled anew: nothing that a step down takes.
        if let Some(up) = up.filter(|up| !up.no_tx) {
            try_out(&mut trial, up, "trying the way up again").await?;
        }
    }
    for (table, rows) in &mut touched {
        *rows = rows_of(&mut trial, table).await?;
    }
    trial.rollback().await.map_err(|e| failed("taking the trial back", &e))?;
    let mut lost = gone(connection, &before, &after).await?;
    for (table, again) in touched {
        let now = rows_of(connection, &table).await?;
        let rows: Vec<String> = now.difference(&again).map(|(key, _)| key.clone()).collect();
        if !rows.is_empty() {
            lost.push(Loss { name: format!("{table}:rows"), rows });
        }
    }
    Ok(lost)
}

async fn try_out(
    trial: &mut PgConnection,
    migration: &Migration,
    during: &'static str,
) -> Result<(), StoreError> {
    sqlx::raw_sql(migration.sql.clone()).execute(trial).await.map(drop).map_err(|e| failed(during, &e))
}

/// Key and content of each row.
type Rows = BTreeSet<(String, String)>;

/// Our tables of which this transaction has changed or deleted rows.
async fn rewritten(trial: &mut PgConnection) -> Result<BTreeMap<String, Rows>, StoreError> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select distinct format('%I.%I', n.nspname, c.relname)
         from pg_stat_xact_user_tables s
         join pg_class c on c.oid = coalesce(pg_partition_root(s.relid), s.relid)
         join pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ('chain', 'ops', 'app') and s.n_tup_upd + s.n_tup_del > 0",
    )
    .fetch_all(trial)
    .await
    .map_err(|e| failed("looking which rows would be changed", &e))?;
    Ok(tables.into_iter().map(|table| (table, Rows::new())).collect())
}

async fn rows_of(connection: &mut PgConnection, table: &str) -> Result<Rows, StoreError> {
    let wrong = |e: sqlx::Error| failed("reading rows that would be changed", &e);
    // What only counts rows is another number after going up again, and says nothing by itself.
    let (key, counts): (Option<String>, Vec<String>) = sqlx::query_as(
        "select coalesce(named, key), case when named is null then '{}' else counts end
         from (
             select string_agg(format('t.%I', a.attname), ', ' order by k.n) as key,
                 string_agg(format('t.%I', a.attname), ', ' order by k.n) filter (where a.attidentity = '') as named,
                 coalesce(array_agg(a.attname::text) filter (where a.attidentity <> ''), '{}') as counts
             from pg_index i cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, n)
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
             where i.indrelid = $1::regclass and i.indisprimary
         ) primary_key",
    )
    .bind(table)
    .fetch_one(&mut *connection)
    .await
    .map_err(wrong)?;
    let sql = match key {
        Some(key) => format!("select concat_ws('/', {key}), (to_jsonb(t) - $1)::text from {table} t"),
        None => format!("select (to_jsonb(t) - $1)::text, '' from {table} t"),
    };
    let rows: Vec<(String, String)> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(counts).fetch_all(connection).await.map_err(wrong)?;
    Ok(rows.into_iter().collect())
}

/// Tables and columns that hold rows and are not there any more.
async fn gone(
    connection: &mut PgConnection,
    before: &BTreeSet<Thing>,
    after: &BTreeSet<Thing>,
) -> Result<Vec<Loss>, StoreError> {
    let mut lost = Vec::new();
    for (table, column) in before.difference(after) {
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
            let name = column.as_ref().map_or_else(|| table.clone(), |name| format!("{table}.{name}"));
            lost.push(Loss { name, rows: Vec::new() });
        }
    }
    Ok(lost)
}

/// A table, or a column of it.
type Thing = (String, Option<String>);

/// Our tables, and their columns but those that only count rows; quoted where they must be.
async fn things(connection: &mut PgConnection) -> Result<BTreeSet<Thing>, StoreError> {
    let found: Vec<Thing> = sqlx::query_as(
        "select format('%I.%I', n.nspname, c.relname), part.name
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         cross join lateral (
             select quote_ident(a.attname) from pg_attribute a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attidentity = ''
             union all select null
         ) part (name)
         where n.nspname in ('chain', 'ops', 'app') and c.relkind in ('r', 'p') and not c.relispartition",
    )
    .fetch_all(connection)
    .await
    .map_err(|e| failed("reading the catalogue", &e))?;
    Ok(found.into_iter().collect())
}
