//! Taking blocks back: the same few statements for every declared table.
//!
//! What was withdrawn is kept as evidence in `audit_trail` before it goes.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::bulk::{into, key_json, key_of, on_conflict, same_key};
use super::{commit, evidence, int, rows};
use crate::mutant::{Mutant, is};
use crate::row::{Row, TableDef};
use crate::store::Rollback;
use crate::table;

/// Restores the tables to what they were at the ancestor; the checkpoint has been moved already.
pub(super) async fn take_back(
    connection: &mut PgConnection,
    chain_id: u64,
    rollback: &Rollback,
) -> Result<(), sqlx::Error> {
    let message = format!(
        "blocks {} to {} ({}) were taken back to {}; {} stands there now: {}",
        rollback.ancestor.id.number + 1,
        rollback.expected.number,
        rollback.expected.hash,
        rollback.ancestor.id.hash,
        rollback.replaced_by,
        rollback.reason,
    );
    let journaled = journaled(connection, chain_id, rollback).await?;
    for table in table::ALL {
        if table.is_append_only() {
            keep_withdrawn(connection, chain_id, rollback, table).await?;
        }
        if journaled.iter().any(|name| name == table.name) {
            restore(connection, chain_id, rollback, table).await?;
        }
        if table.is_append_only() {
            delete_above(connection, chain_id, rollback, &rows::name(table)).await?;
        }
    }
    for table in ["ops.undo", "ops.headers"] {
        delete_above(connection, chain_id, rollback, table).await?;
    }
    forget_snapshots(connection, chain_id, int(rollback.ancestor.id.number)).await?;
    evidence::unprove_above(connection, chain_id, rollback.ancestor.id).await?;
    let kind = if rollback.reason == "reorg" { "reorg" } else { "rewind" };
    system_event(connection, chain_id, kind, "warning", &message).await?;
    commit::log(connection, chain_id, kind).await
}

/// Deletes the register's snapshots above a block; below zero all of them, and none is made until the transaction ends.
pub(super) async fn forget_snapshots(
    connection: &mut PgConnection,
    chain_id: u64,
    above: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("select ops.forget_snapshots($1, $2)")
        .bind(int(chain_id))
        .bind(above)
        .execute(connection)
        .await
        .map(drop)
}

/// Copies the rows of withdrawn blocks into the audit trail.
pub(super) async fn keep_withdrawn(
    connection: &mut PgConnection,
    chain_id: u64,
    rollback: &Rollback,
    table: &'static TableDef,
) -> Result<(), sqlx::Error> {
    let sql = format!(
        "insert into chain.audit_trail (chain_id, entity_type, entity_id, action, old_state, new_state, block_number,
             replaced_by, actor)
         select $1, '{}', {}::text, 'withdrawn', to_jsonb(t), null, t.block_number, $3, $4
         from {} t where t.chain_id = $1 and t.block_number > $2",
        table.name,
        key_json(table, "t"),
        rows::name(table),
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(int(chain_id))
        .bind(int(rollback.ancestor.id.number))
        .bind(rollback.replaced_by.as_slice())
        .bind(&rollback.reason)
        .execute(connection)
        .await
        .map(drop)
}

/// The tables that have images above the ancestor: the journal is read once for these, and not once for every table.
async fn journaled(
    connection: &mut PgConnection,
    chain_id: u64,
    rollback: &Rollback,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar("select distinct table_name from ops.undo where chain_id = $1 and block_number > $2")
        .bind(int(chain_id))
        .bind(int(rollback.ancestor.id.number))
        .fetch_all(connection)
        .await
}

/// Whether the journal has images of any of these rows, given by their keys, of blocks above one.
pub(super) async fn is_journaled(
    connection: &mut PgConnection,
    chain_id: u64,
    table: &'static TableDef,
    keys: &[Row],
    above: u64,
) -> Result<bool, sqlx::Error> {
    let keys: Vec<String> = keys.iter().map(|key| key_of(table, key).to_string()).collect();
    sqlx::query_scalar(
        "select exists (select from ops.undo where chain_id = $1 and block_number > $2 and table_name = $3
             and key = any (select named::jsonb from unnest($4::text[]) named))",
    )
    .bind(int(chain_id))
    .bind(int(above))
    .bind(table.name)
    .bind(keys)
    .fetch_one(connection)
    .await
}

/// Restores the rows of one table from the journal: of each key the first image of the lowest block above the ancestor.
async fn restore(
    connection: &mut PgConnection,
    chain_id: u64,
    rollback: &Rollback,
    table: &'static TableDef,
) -> Result<(), sqlx::Error> {
    let name = rows::name(table);
    let newest = if is(Mutant::NewestImage) { " desc" } else { "" };
    let images = format!(
        "with image as (
             select distinct on (key) key, before, block_number from ops.undo
             where chain_id = $1 and block_number > $2 and table_name = '{}'
             order by key, block_number{newest}, image
         )",
        table.name
    );
    let audit = format!(
        "{images} insert into chain.audit_trail (chain_id, entity_type, entity_id, action, old_state, new_state,
             block_number, replaced_by, actor)
         select $1, '{}', image.key::text, case when image.before is null then 'withdrawn' else 'restored' end,
             to_jsonb(t), image.before, image.block_number, $3, $4
         from image cross join lateral jsonb_populate_record(null::{name}, image.key) k
         join {name} t on {}",
        table.name,
        same_key(table, "t", "k"),
    );
    sqlx::query(AssertSqlSafe(audit))
        .bind(int(chain_id))
        .bind(int(rollback.ancestor.id.number))
        .bind(rollback.replaced_by.as_slice())
        .bind(&rollback.reason)
        .execute(&mut *connection)
        .await?;
    let delete = format!(
        "{images} delete from {name} t using image
             cross join lateral jsonb_populate_record(null::{name}, image.key) k
         where image.before is null and {}",
        same_key(table, "t", "k"),
    );
    run(connection, delete, chain_id, rollback).await?;
    if table.is_append_only() {
        return Ok(()); // there was nothing before; and to ask for an update is more than the writer may
    }
    let put_back = format!(
        "{images} {} from image cross join lateral jsonb_populate_record(null::{name}, image.before) b
         where image.before is not null {}",
        into(table, "b."),
        on_conflict(table),
    );
    run(connection, put_back, chain_id, rollback).await
}

/// Deletes what blocks above the ancestor brought.
pub(super) async fn delete_above(
    connection: &mut PgConnection,
    chain_id: u64,
    rollback: &Rollback,
    table: &str,
) -> Result<(), sqlx::Error> {
    let sql = format!("delete from {table} where chain_id = $1 and block_number > $2");
    run(connection, sql, chain_id, rollback).await
}

async fn run(
    connection: &mut PgConnection,
    sql: String,
    chain_id: u64,
    rollback: &Rollback,
) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(sql))
        .bind(int(chain_id))
        .bind(int(rollback.ancestor.id.number))
        .execute(connection)
        .await
        .map(drop)
}

/// Writes down something that the indexer itself did.
pub(super) async fn system_event(
    connection: &mut PgConnection,
    chain_id: u64,
    event_type: &str,
    severity: &str,
    message: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into chain.system_events (chain_id, event_type, event_data, source, severity)
         values ($1, $2, jsonb_build_object('message', $3::text), 'asset-indexer', $4)",
    )
    .bind(int(chain_id))
    .bind(event_type)
    .bind(message)
    .bind(severity)
    .execute(connection)
    .await
    .map(drop)
}
