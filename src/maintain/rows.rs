//! Rows that go for good, in tables that are not partitioned: in batches, each a transaction of its own.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::{MaintainError, holds, run, tell, wrong};

/// Rows deleted in one transaction.
const BATCH: i64 = 1_000;

/// The logs that tell when a user was active.
pub const TELL_OF_ACTIVITY: [&str; 2] = ["app.login_history", "app.user_actions"];

/// Which rows of a table go, and since when they are of no use.
struct Rule {
    table: &'static str,
    /// When the row `t` began to be of use.
    beginning: &'static str,
    /// When it was of use last; null: it still is.
    activity: &'static str,
    /// Which rows go at all.
    which: &'static str,
}

const RULES: [Rule; 4] = [
    Rule { table: "app.sessions", beginning: "t.created_at", activity: "t.expires_at", which: "true" },
    Rule { table: "app.verifications", beginning: "t.created_at", activity: "t.expires_at", which: "true" },
    Rule {
        table: "chain.system_events",
        beginning: "t.timestamp",
        activity: "t.timestamp",
        // The audit trail refers to them, and `verify --level audit` looks for them.
        which: "t.event_type not in ('reorg', 'rewind', 'repair')",
    },
    Rule {
        table: "chain.system_errors",
        beginning: "t.occurred_at",
        activity: "t.resolved_at",
        which: "true",
    },
];

/// What of a table's rows is due.
#[derive(Debug)]
pub struct Rows {
    /// The table, with its schema.
    pub table: String,
    /// What they are past, in words.
    pub activity: String,
    /// Rows whose time is over and that no hold keeps.
    pub due: i64,
    /// Rows that a hold keeps.
    pub held: i64,
    /// The holds on the whole table; where there are any, nothing of it is due.
    pub kept: Vec<String>,
}

/// What is due of every table whose policy deletes rows.
///
/// # Errors
/// [`MaintainError::NoRule`], the database's.
pub async fn due(connection: &mut PgConnection) -> Result<Vec<Rows>, MaintainError> {
    let tables: Vec<(String, String)> = sqlx::query_as(
        "select table_name, activity from ops.retention_policies
         where unit = 'rows' and delete_after is not null and to_regclass(table_name) is not null order by table_name",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(wrong("reading the policies"))?;
    let mut found = Vec::new();
    for (table, activity) in tables {
        let rule = rule(&table)?;
        let kept = holds::on_table(connection, &table).await?;
        let held = held(rule, &holds::names(connection).await?);
        let sql = format!(
            "select count(*) filter (where not ({held})), count(*) filter (where {held}) from {table} t where {}",
            over(rule)
        );
        let (due, held): (i64, i64) = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_one(&mut *connection)
            .await
            .map_err(wrong("counting rows whose time is over"))?;
        let (due, held) = if kept.is_empty() { (due, held) } else { (0, due + held) };
        found.push(Rows { table, activity, due, held, kept });
    }
    Ok(found)
}

/// Deletes what is due of a table; returns how many rows.
///
/// # Errors
/// The database's; batches before stay deleted.
pub async fn delete(connection: &mut PgConnection, rows: &Rows) -> Result<u64, MaintainError> {
    let rule = rule(&rows.table)?;
    let table = &rows.table;
    // The holds are read again with each batch, during which none is placed: one that comes meanwhile counts at once.
    let sql = format!(
        "delete from {table} t where t.ctid = any (array(
             select t.ctid from {table} t where {} and not ({}) and not exists (
                 select from ops.legal_holds h where h.released_at is null and h.scope = 'table' and h.table_name = '{table}')
             limit {BATCH} for update skip locked))",
        over(rule),
        held(rule, &holds::names(connection).await?),
    );
    let mut deleted = 0;
    let during = "deleting rows whose time is over";
    loop {
        run(connection, during, format!("begin; {}", holds::LOCK)).await?;
        let batch = sqlx::query(AssertSqlSafe(sql.clone()))
            .execute(&mut *connection)
            .await
            .map_err(wrong(during))?
            .rows_affected();
        run(connection, during, "commit").await?;
        deleted += batch;
        if batch == 0 {
            break;
        }
    }
    run(connection, "telling the system's events", "begin").await?;
    tell(connection, None, "retention", &format!("deleted {deleted} rows of {table}")).await?;
    run(connection, "telling the system's events", "commit").await.map(|()| deleted)
}

/// How many users have been silent for as long as their policy says: they are erased, each by an operator's word.
///
/// # Errors
/// The database's.
pub async fn silent_subjects(connection: &mut PgConnection) -> Result<i64, MaintainError> {
    let is_there: bool = sqlx::query_scalar("select to_regclass('app.users') is not null")
        .fetch_one(&mut *connection)
        .await
        .map_err(wrong("looking for the application's tables"))?;
    if !is_there {
        return Ok(0);
    }
    sqlx::query_scalar(
        "select count(*) from app.users u cross join ops.retention_policies p
         where p.table_name = 'app.users' and u.status <> 'erased' and greatest(u.created_at, u.updated_at, u.last_activity_at,
             (select max(l.timestamp) from app.login_history l where l.user_id = u.id),
             (select max(a.timestamp) from app.user_actions a where a.user_id = u.id)) < now() - p.delete_after",
    )
    .fetch_one(connection)
    .await
    .map_err(wrong("counting users without activity"))
}

/// Notes in each user's row when they were active last, in batches. Months of logs go before a user's own time is over: what
/// tells of activity must not go with them.
///
/// # Errors
/// The database's; what was noted stays.
pub async fn note_activity(connection: &mut PgConnection) -> Result<(), MaintainError> {
    run(connection, "noting when users were active last", "call app.note_activity('maintain')").await
}

fn rule(table: &str) -> Result<&'static Rule, MaintainError> {
    RULES
        .iter()
        .find(|rule| rule.table == table)
        .ok_or_else(|| MaintainError::NoRule { table: table.to_owned() })
}

/// SQL: whether the time of row `t` is over.
fn over(rule: &Rule) -> String {
    format!(
        "{} and {} < now() - (select p.delete_after from ops.retention_policies p where p.table_name = '{}')",
        rule.which, rule.activity, rule.table
    )
}

/// SQL: whether a hold that is not on the whole table keeps row `t`.
fn held(rule: &Rule, names: &str) -> String {
    format!(
        "exists (select from ops.legal_holds h
             where h.released_at is null and (h.table_name is null or h.table_name = '{}') and case h.scope
                 when 'period' then {activity} >= h.from_time and {beginning} < h.to_time
                 when 'asset' then lower(t::text) like any ({names})
                 when 'subject' then lower(t::text) like any ({names})
                 else false end)",
        rule.table,
        beginning = rule.beginning,
        activity = rule.activity,
    )
}
