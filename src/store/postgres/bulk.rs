//! Rows into PostgreSQL in bulk: COPY into fact tables, COPY into a staging table and one upsert from there.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::{binary, int, rows};
use crate::row::{Row, TableDef, Value};

/// Bytes of COPY data sent at once.
const CHUNK_BYTES: usize = 1 << 20;

fn columns(table: &TableDef, prefix: &str) -> String {
    let names = table.columns.iter().map(|column| format!("{prefix}{}", column.name));
    names.collect::<Vec<_>>().join(", ")
}

/// The condition that two aliases name the same row.
pub(super) fn same_key(table: &TableDef, one: &str, other: &str) -> String {
    let equal = table.key_columns().iter().map(|column| format!("{one}.{0} = {other}.{0}", column.name));
    equal.collect::<Vec<_>>().join(" and ")
}

/// The key of an alias as JSON.
pub(super) fn key_json(table: &TableDef, alias: &str) -> String {
    let pairs = table.key_columns().iter().map(|column| format!("'{0}', {alias}.{0}", column.name));
    format!("jsonb_build_object({})", pairs.collect::<Vec<_>>().join(", "))
}

/// Adds rows that did not exist.
pub(super) async fn insert(
    connection: &mut PgConnection,
    table: &'static TableDef,
    rows: &[Row],
) -> Result<(), sqlx::Error> {
    copy(connection, &rows::name(table), table, rows).await
}

/// What the staging table of a table is called.
pub(super) fn stage(table: &TableDef) -> String {
    format!("pg_temp.stage_{}", table.name)
}

/// Makes it, for this connection; the end of a transaction empties it.
pub(super) async fn create_stage(
    connection: &mut PgConnection,
    table: &'static TableDef,
) -> Result<(), sqlx::Error> {
    let sql = format!(
        "create temporary table if not exists stage_{0} (like {1}) on commit delete rows",
        table.name,
        rows::name(table)
    );
    sqlx::query(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// Empties the staging table within a transaction. Statements that read it are planned anew after that.
pub(super) async fn empty_stage(
    connection: &mut PgConnection,
    table: &'static TableDef,
) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(format!("truncate {}", stage(table)))).execute(connection).await.map(drop)
}

/// Replaces rows by key, through the staging table, which is empty. Above finality their images before the block go to the
/// undo journal first.
pub(super) async fn upsert(
    connection: &mut PgConnection,
    table: &'static TableDef,
    rows: &[Row],
    chain_id: u64,
    undo_block: Option<u64>,
) -> Result<(), sqlx::Error> {
    let stage = stage(table);
    copy(connection, &stage, table, rows).await?;
    if let Some(block) = undo_block {
        // offset 0: each key is looked up by itself; a join as a whole reads the whole table, for every block.
        let sql = format!(
            "insert into ops.undo (chain_id, block_number, table_name, key, before)
             select $1, $2, $3, {}, to_jsonb(t)
             from {stage} s left join lateral (select r.* from {} r where {} offset 0) t on true",
            key_json(table, "s"),
            rows::name(table),
            same_key(table, "r", "s"),
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(int(chain_id))
            .bind(int(block))
            .bind(table.name)
            .execute(&mut *connection)
            .await?;
    }
    let sql = format!("{} from {stage} s {}", into(table, "s."), on_conflict(table));
    sqlx::query(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// Replaces rows of one stretch of blocks that differ from what is stored, where rows may be added and taken but not updated.
pub(super) async fn replace(
    connection: &mut PgConnection,
    table: &'static TableDef,
    rows: &[Row],
    chain_id: u64,
) -> Result<(), sqlx::Error> {
    let Some(place) = table.column("block_number") else { return Ok(()) };
    let blocks =
        || rows.iter().filter_map(|row| if let Value::Int(at) = row[place] { Some(at) } else { None });
    let (Some(from), Some(to)) = (blocks().min(), blocks().max()) else { return Ok(()) };
    create_stage(connection, table).await?;
    let stage = stage(table);
    copy(connection, &stage, table, rows).await?;
    let name = rows::name(table);
    let delete = format!(
        "delete from {name} t using {stage} s where t.chain_id = $1 and t.block_number between $2 and $3
             and {} and ({}) is distinct from ({})",
        same_key(table, "t", "s"),
        columns(table, "t."),
        columns(table, "s."),
    );
    let insert = format!(
        "{} from {stage} s where not exists (
             select from {name} t where t.chain_id = $1 and t.block_number between $2 and $3 and {})",
        into(table, "s."),
        same_key(table, "t", "s"),
    );
    for sql in [delete, insert] {
        let query = sqlx::query(AssertSqlSafe(sql)).bind(int(chain_id)).bind(from).bind(to);
        query.execute(&mut *connection).await?;
    }
    empty_stage(connection, table).await
}

/// `insert into table (columns) select columns`, to be followed by `from …`.
pub(super) fn into(table: &TableDef, prefix: &str) -> String {
    into_place(&rows::name(table), table, prefix)
}

/// The same into another table of the same form.
pub(super) fn into_place(place: &str, table: &TableDef, prefix: &str) -> String {
    format!("insert into {place} ({}) select {}", columns(table, ""), columns(table, prefix))
}

/// The clause that replaces the row of the same key.
pub(super) fn on_conflict(table: &TableDef) -> String {
    let key: Vec<&str> = table.key_columns().iter().map(|column| column.name).collect();
    let rest: Vec<String> = table.columns[table.key_len..]
        .iter()
        .map(|column| format!("{0} = excluded.{0}", column.name))
        .collect();
    let action =
        if rest.is_empty() { "nothing".to_owned() } else { format!("update set {}", rest.join(", ")) };
    format!("on conflict ({}) do {action}", key.join(", "))
}

/// Journals inserted rows that are older than the block that brought them in (a contract found late): deleting by
/// block number would leave them when that block goes.
pub(super) async fn journal_late(
    connection: &mut PgConnection,
    table: &'static TableDef,
    inserted: &[Row],
    chain_id: u64,
    block: u64,
) -> Result<(), sqlx::Error> {
    let Some(place) = table.column("block_number") else { return Ok(()) };
    let late: Vec<String> = inserted
        .iter()
        .filter(|row| matches!(row[place], Value::Int(number) if number < int(block)))
        .map(|row| key_of(table, row).to_string())
        .collect();
    if late.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into ops.undo (chain_id, block_number, table_name, key, before)
         select $1, $2, $3, key::jsonb, null from unnest($4::text[]) as late(key)",
    )
    .bind(int(chain_id))
    .bind(int(block))
    .bind(table.name)
    .bind(late)
    .execute(connection)
    .await
    .map(drop)
}

/// A row's key as [`key_json`] writes it.
pub(super) fn key_of(table: &TableDef, row: &Row) -> serde_json::Value {
    let pairs = table.key_columns().iter().zip(row).map(|(column, value)| {
        let json = match value {
            Value::Int(number) => serde_json::json!(number),
            Value::Bytes(bytes) => serde_json::json!(format!("\\x{}", alloy::hex::encode(bytes))),
            Value::Uuid(id) => serde_json::json!(id.to_string()),
            Value::Text(text) => serde_json::json!(text),
            other => unreachable!("no key column is like {other:?}"),
        };
        (column.name.to_owned(), json)
    });
    serde_json::Value::Object(pairs.collect())
}

pub(super) async fn copy(
    connection: &mut PgConnection,
    target: &str,
    table: &TableDef,
    rows: &[Row],
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = format!("copy {target} ({}) from stdin with (format binary)", columns(table, ""));
    let mut copy = connection.copy_in_raw(&sql).await?;
    let mut buffer = Vec::with_capacity(CHUNK_BYTES + 4096);
    buffer.extend_from_slice(binary::HEADER);
    for row in rows {
        binary::row(&mut buffer, row);
        if buffer.len() >= CHUNK_BYTES {
            copy.send(buffer.as_slice()).await?;
            buffer.clear();
        }
    }
    buffer.extend_from_slice(&binary::TRAILER.to_be_bytes());
    copy.send(buffer.as_slice()).await?;
    copy.finish().await.map(drop)
}
