//! Rows and bytes of the tables that the published sizes and volumes speak of.

use sqlx::{AssertSqlSafe, PgConnection};

use super::{Failed, Outcome};

/// What a table takes.
#[derive(Debug, Clone)]
pub struct Table {
    /// Schema and table.
    pub name: String,
    /// Rows.
    pub rows: i64,
    /// Bytes of the rows themselves.
    pub heap: i64,
    /// Bytes with all indexes.
    pub bytes: i64,
}

/// Every table that holds a row, the largest first.
///
/// # Errors
/// The database's.
pub async fn tables(connection: &mut PgConnection) -> Result<Vec<Table>, Failed> {
    let found: Vec<(String, i64, i64)> = sqlx::query_as(
        "select n.nspname || '.' || c.relname, sum(pg_relation_size(coalesce(p.relid, c.oid)))::bigint,
             sum(pg_total_relation_size(coalesce(p.relid, c.oid)))::bigint
         from pg_class c
         join pg_namespace n on n.oid = c.relnamespace
         left join lateral pg_partition_tree(c.oid) p on true
         where n.nspname in ('chain', 'app', 'ops') and c.relkind in ('r', 'p') and not c.relispartition
         group by 1 having sum(pg_relation_size(coalesce(p.relid, c.oid))) > 0
         order by 3 desc, 1",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut tables = Vec::new();
    for (name, heap, bytes) in found {
        let sql = format!("select count(*) from {name}");
        let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
        tables.push(Table { name, rows, heap, bytes });
    }
    Ok(tables)
}

/// Records the sizes and volumes.
///
/// # Errors
/// The database's; a table that holds nothing.
pub async fn record(connection: &mut PgConnection, outcome: &Outcome) -> Result<(), Failed> {
    let stated: Vec<(String, String)> = sqlx::query_as(
        "select target, question from ops.targets where kind in ('size', 'volume') order by target",
    )
    .fetch_all(&mut *connection)
    .await?;
    for (target, question) in stated {
        let (mut rows, mut bytes) = (0, 0);
        for name in question.split(' ') {
            let table = outcome.tables.iter().find(|table| table.name == name);
            let table = table.ok_or_else(|| format!("{target}: the load left nothing in {name}"))?;
            rows += table.rows;
            bytes += table.bytes;
        }
        sqlx::query(
            "insert into ops.target_measurements (target, row_count, bytes, scale, machine, postgres_version)
             values ($1, $2, $3, $4, $5, current_setting('server_version'))",
        )
        .bind(target)
        .bind(rows)
        .bind(bytes)
        .bind(outcome.shape.scale)
        .bind(&outcome.machine)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
