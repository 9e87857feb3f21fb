//! One value of one row of every table is changed behind the program's back, and verification names table and row. A
//! table that is new and not covered fails here.

use std::collections::BTreeSet;
use std::sync::Arc;

use asset_indexer::decode::Decoder;
use asset_indexer::row::{Class, Column, ColumnType, TableDef};
use asset_indexer::store::postgres::read_checkpoint;
use asset_indexer::store::{Cause, Store};
use asset_indexer::sync::fold_ground;
use asset_indexer::table;
use asset_indexer::verify::{Snapshot, audit, quick};
use serde_json::Value as Json;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor, PgPool};

use super::stage::{Stage, assert_clean, found, keys_in};
use crate::support::world::{CHAIN_ID, converge};
use simulation::chain::SimChain;

/// Another value of a column, as SQL over the present one.
fn other(column: &Column) -> String {
    let name = column.name;
    match column.column_type {
        // Of a column with a check, another value that it lets through.
        ColumnType::Text if name == "withheld" => {
            "case when withheld = 'drop' then 'digest' else 'drop' end".to_owned()
        }
        ColumnType::Bool => format!("not coalesce({name}, false)"),
        ColumnType::Int => format!("coalesce({name}, 0) + 1"),
        ColumnType::Bytes => format!("coalesce({name}, '') || '\\x01'"),
        ColumnType::Address | ColumnType::Hash => {
            let zeros = if column.column_type == ColumnType::Address { 20 } else { 32 };
            format!(
                "set_byte(coalesce({name}, decode(repeat('00', {zeros}), 'hex')), 0,
                     get_byte(coalesce({name}, decode(repeat('00', {zeros}), 'hex')), 0) # 1)"
            )
        }
        ColumnType::Text => format!("coalesce({name}, '') || 'x'"),
        ColumnType::Number | ColumnType::Squares => format!("coalesce({name}, 0) + 1"),
        ColumnType::Numbers => format!("coalesce({name}, '{{}}') || 1::numeric"),
        ColumnType::Time => format!("coalesce({name}, to_timestamp(0)) + interval '1 second'"),
        ColumnType::Json => format!("coalesce({name}, '{{}}') || '{{\"tampered\": true}}'"),
        ColumnType::Uuid => {
            format!(
                "overlay(coalesce({name}, '00000000-0000-8000-8000-000000000000')::text
                     placing case when right({name}::text, 1) = '0' then '1' else '0' end from 36)::uuid"
            )
        }
    }
}

fn key_of(table: &TableDef) -> String {
    let pairs = table.key_columns().iter().filter(|column| column.name != "chain_id").map(|column| {
        let name = column.name;
        match column.column_type {
            ColumnType::Address | ColumnType::Bytes | ColumnType::Hash => {
                format!("'{name}', '0x' || encode({name}::bytea, 'hex')")
            }
            _ => format!("'{name}', {name}"),
        }
    });
    format!("jsonb_build_object({})", pairs.collect::<Vec<_>>().join(", "))
}

/// Changes one column of the `nth` row, in the order of keys; gives the row's key. None where the table has no row.
async fn tamper(pool: &PgPool, table: &TableDef, column: &Column, nth: usize) -> Option<Json> {
    let keys: Vec<&str> = table.key_columns().iter().map(|column| column.name).collect();
    let keys = keys.join(", ");
    let name = format!("{}.{}", table.schema(), table.name);
    let sql = format!(
        "update {name} set {} = {} where ({keys}) = (
             select {keys} from {name} order by {keys} offset {nth} % greatest((select count(*) from {name}), 1) limit 1)
         returning {}",
        column.name,
        other(column),
        key_of(table),
    );
    let key = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_optional(pool).await;
    key.unwrap_or_else(|error| panic!("{name}.{}: {error}", column.name))
}

fn compared() -> impl Iterator<Item = &'static TableDef> {
    table::ALL.into_iter().filter(|table| table.class != Class::Operation)
}

/// Long enough that the play leaves rows in every table.
async fn stage() -> Stage {
    let stage = Stage::new(601, 220).await;
    let pool = stage.pool().await;
    let mut empty = Vec::new();
    for table in compared() {
        let sql = format!("select count(*) from {}.{}", table.schema(), table.name);
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&pool).await.expect("readable");
        if rows == 0 {
            empty.push(table.name);
        }
    }
    assert!(empty.is_empty(), "the play leaves no row in {empty:?}: verification of them is not tested");
    stage
}

#[tokio::test]
async fn a_changed_value_of_any_derived_column_is_found_and_named() {
    let stage = stage().await;
    let pool = stage.pool().await;
    let mut changed = Vec::new();
    for table in compared().filter(|table| matches!(table.class, Class::History | Class::State)) {
        // Each in a row of its own, as far as there are rows.
        for (nth, column) in table.columns[table.key_len..].iter().enumerate() {
            let key = tamper(&pool, table, column, nth).await.expect("there are rows");
            changed.push((table, column, key));
        }
    }
    assert!(changed.len() > 110, "{}", changed.len());
    let checks = stage.deep().await;
    let names = |table: &TableDef, column: &Column, key: &Json| {
        checks.iter().flat_map(|check| &check.findings).any(|finding| {
            finding.table.as_deref() == Some(table.name)
                && finding.key.as_deref().and_then(|key| serde_json::from_str(key).ok()).as_ref() == Some(key)
                && finding.ours.as_deref().is_some_and(|ours| {
                    ours.split(", ").any(|said| said.starts_with(&format!("{} ", column.name)))
                })
        })
    };
    let missed: Vec<String> = changed
        .iter()
        .filter(|(table, column, key)| !names(table, column, key))
        .map(|(table, column, key)| format!("{}.{} of {key}", table.name, column.name))
        .collect();
    assert!(missed.is_empty(), "not found: {missed:#?}");
    rebuild(&stage).await;
    assert_clean(&stage.deep().await, "rebuilt");
}

/// Puts the derived tables right again.
async fn rebuild(stage: &Stage) {
    let store = stage.worker.store();
    let checkpoint = store.checkpoint().await.expect("readable").expect("there");
    let headers = store.headers().await.expect("readable");
    let (decoder, none) = (Arc::new(Decoder::new(&[])), None::<Arc<SimChain>>);
    fold_ground(none, store, &decoder, &stage.config, &Cause::Rebuild, &checkpoint, &headers, &mut |_| {})
        .await
        .expect("ground is whole");
}

#[tokio::test]
async fn a_row_too_many_or_too_few_of_any_derived_table_is_found_and_named() {
    let stage = stage().await;
    let pool = stage.pool().await;
    let mut changed = Vec::new();
    for table in compared().filter(|table| matches!(table.class, Class::History | Class::State)) {
        let name = format!("{}.{}", table.schema(), table.name);
        let keys: Vec<&str> = table.key_columns().iter().map(|column| column.name).collect();
        let keys = keys.join(", ");
        let gone = format!(
            "delete from {name} where ({keys}) = (select {keys} from {name} order by {keys} limit 1) returning {}",
            key_of(table)
        );
        let gone: Json = sqlx::query_scalar(AssertSqlSafe(gone)).fetch_one(&pool).await.expect("a row");
        changed.push((table, gone));
        // The last column of the key that can be changed without another value's being wrong by itself.
        let last = table.columns[table.key_len - 1];
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|column| if column.name == last.name { other(column) } else { column.name.to_owned() })
            .collect();
        let open = if table.thing_len.is_some() { "where to_block is not null" } else { "" };
        let more = format!(
            "insert into {name} ({}) select {} from {name} {open} order by {keys} desc limit 1
             on conflict do nothing returning {}",
            names.join(", "),
            columns.join(", "),
            key_of(table)
        );
        let more: Option<Json> = sqlx::query_scalar(AssertSqlSafe(more))
            .fetch_optional(&pool)
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        if let Some(more) = more {
            changed.push((table, more));
        }
    }
    assert!(changed.len() > 25, "rows were added to most tables: {}", changed.len());
    let checks = stage.deep().await;
    let missed: Vec<String> = changed
        .into_iter()
        .filter(|(table, key)| !keys_in(&checks, table.name).contains(key))
        .map(|(table, key)| format!("{} {key}", table.name))
        .collect();
    assert!(missed.is_empty(), "not found: {missed:#?}");
}

#[tokio::test]
async fn a_changed_value_of_any_column_of_ground_is_found_and_named() {
    let stage = stage().await;
    let pool = stage.pool().await;
    let (mut missed, mut tried) = (Vec::new(), 0);
    for table in compared().filter(|table| table.class == Class::Ground) {
        let name = format!("{}.{}", table.schema(), table.name);
        let backup = format!("create table public.backup as select * from {name}");
        pool.execute(AssertSqlSafe(backup)).await.expect("the superuser may");
        for (nth, column) in table.columns[table.key_len..].iter().enumerate() {
            let key = tamper(&pool, table, column, nth + 3).await.expect("there are rows");
            let mut checks = stage.quick().await;
            checks.extend(stage.receipts().await);
            if !keys_in(&checks, table.name).contains(&key) {
                checks.extend(stage.deep().await);
            }
            tried += 1;
            if !keys_in(&checks, table.name).contains(&key) {
                missed.push((format!("{}.{} of {key}", table.name, column.name), found(&checks)));
            }
            for sql in
                [format!("delete from {name}"), format!("insert into {name} select * from public.backup")]
            {
                pool.execute(AssertSqlSafe(sql)).await.expect("the superuser may");
            }
        }
        pool.execute("drop table public.backup").await.expect("the superuser may");
    }
    assert!(tried > 20, "{tried}");
    assert!(missed.is_empty(), "not found: {missed:#?}");
    let mut checks = stage.quick().await;
    checks.extend(stage.receipts().await);
    assert_clean(&checks, "put right again");
}

#[tokio::test]
async fn quick_names_what_it_alone_looks_at() {
    let options = Stage::new(611, 80).await.options().await;
    for (sql, check) in [
        ("update chain.asset_holders set balance = balance + 1 where ctid = (
              select h.ctid from chain.asset_holders h join chain.assets a on a.id = h.asset_id
              where a.complete_from is null limit 1)", "supply_is_sum_of_balances"),
        ("update chain.checkpoints set status = 'halted', halt_reason = 'a test'", "not_halted"),
        ("update ops.evidence set block_hash = decode(repeat('ab', 32), 'hex')
          where from_block = (select min(from_block) from ops.evidence)", "evidence_hangs_together"),
        ("update chain.checkpoints set verified_number = verified_number - 1", "evidence_hangs_together"),
        ("update ops.undo set block_number = 1 where ctid = (select min(ctid) from ops.undo)", "undo_is_above_finality"),
        ("delete from ops.headers where block_number = (select block_number from chain.checkpoints)", "headers_hang_together"),
        ("update ops.headers set parent_hash = decode(repeat('ab', 32), 'hex')
          where block_number = (select block_number from chain.checkpoints)", "headers_hang_together"),
        ("update chain.assets set created_block = 1000000", "nothing_is_above_the_checkpoint"),
        ("drop index chain.registrations_open;
          insert into chain.registrations
          select (jsonb_populate_record(r, jsonb_build_object('from_log', r.from_log + 1))).*
          from chain.registrations r where to_block is null limit 1", "versions_do_not_overlap"),
        ("delete from ops.table_classes where table_name = 'chain.assets'", "catalogue_is_as_declared"),
        ("alter table chain.assets add column extra text", "catalogue_is_as_declared"),
        ("create table chain.stray (chain_id bigint)", "catalogue_is_as_declared"),
        ("delete from ops.coverage where address = (select address from chain.contracts limit 1)", "contracts_are_covered"),
        ("delete from chain.identities where id = (select identity_id from chain.registrations limit 1)", "things_exist"),
        ("update chain.asset_events set id = gen_random_uuid()
          where ctid = (select ctid from chain.asset_events order by block_number limit 1)", "event_ids_are_computed"),
        ("update chain.ownership_history set block_hash = decode(repeat('ab', 32), 'hex')
          where ctid = (select ctid from chain.ownership_history order by block_number limit 1)", "blocks_have_one_hash"),
        ("update chain.asset_transactions set event_count = event_count + 1", "transactions_count_their_events"),
        ("delete from chain.asset_holders where ctid = (select min(ctid) from chain.asset_holders)", "history_has_its_holder"),
        ("update chain.asset_holders set frozen = frozen + 1", "holders_equal_their_history"),
        ("update chain.assets set holder_count = holder_count + 1", "holders_are_counted"),
        ("update chain.assets set frozen = frozen + 1", "sums_are_of_all_holders"),
        ("update chain.assets set squares = squares + 1", "sums_are_of_all_holders"),
        ("delete from chain.asset_days where minted > burned", "days_make_the_figures"),
        ("update chain.asset_days set holder_count = holder_count + 1", "days_make_the_figures"),
        ("update chain.assets set unreadable_logs = unreadable_logs + 1", "events_are_decoded_or_say_why_not"),
        ("delete from chain.contracts where address = (select address from chain.asset_events limit 1)",
            "events_are_of_known_contracts"),
        ("update chain.transaction_inputs set transaction_index = transaction_index + 1000", "inputs_belong_to_events"),
        ("insert into ops.drift (chain_id, asset_id, what, ours, theirs, block_number, block_hash, provider)
          values (31337, gen_random_uuid(), 'total_supply', '1', '2', 3, decode(repeat('ab', 32), 'hex'), 'x')",
            "no_drift_stands"),
        ("create table chain.asset_events_31337_7 partition of chain.asset_events_31337
              for values from (7000000) to (8000000)", "partitions_are_there"),
    ] {
        let mut snapshot = tampered(&options, sql).await;
        let checks = quick::quick(&mut snapshot).await.expect("the database answers");
        let names: BTreeSet<&str> =
            checks.iter().filter(|check| check.found > 0).map(|check| check.name).collect();
        assert!(names.contains(check), "{sql}: found by {names:?}, not by {check}");
    }
}

/// The tables after a statement, in a transaction that is given up: what one does must not be found by another check's
/// eye.
async fn tampered(options: &PgConnectOptions, sql: &'static str) -> Snapshot {
    let mut connection = PgConnection::connect_with(options).await.expect("a connection");
    connection
        .execute("begin; set local session_replication_role = replica")
        .await
        .expect("the superuser may");
    connection.execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let checkpoint = read_checkpoint(&mut connection, CHAIN_ID).await.expect("readable").expect("there");
    Snapshot { connection, chain_id: CHAIN_ID, checkpoint, options: options.clone() }
}

#[tokio::test]
async fn a_past_that_was_rewritten_is_found() {
    let mut stage = Stage::new(621, 60).await;
    let blocks = stage.play.blocks(7);
    stage.chain.reorg(5, blocks);
    converge(&mut stage.worker).await;
    assert_clean(&stage.audit().await, "a reorg");
    let options = stage.options().await;
    for (sql, check) in [
        (
            "insert into chain.asset_events
             select r.* from chain.audit_trail t
             cross join lateral jsonb_populate_record(null::chain.asset_events, t.old_state) r
             where t.entity_type = 'asset_events' and t.action = 'withdrawn' order by t.id limit 1
             on conflict (chain_id, block_number, log_index, part) do update set id = excluded.id",
            "withdrawn_is_gone",
        ),
        ("delete from chain.system_events where event_type = 'reorg'", "trail_is_told_as_events"),
        (
            "update chain.audit_trail set old_state = null where id = (select min(id) from chain.audit_trail)",
            "trail_holds_its_states",
        ),
        (
            "update chain.audit_trail set entity_type = 'shadows' where id = (select min(id) from chain.audit_trail)",
            "trail_holds_its_states",
        ),
        (
            "update chain.audit_trail set block_number = block_number + 100 where entity_type = 'asset_events'",
            "reorgs_left_their_rows",
        ),
    ] {
        let mut snapshot = tampered(&options, sql).await;
        let checks = audit::audit(&mut snapshot).await.expect("the database answers");
        let names: BTreeSet<&str> =
            checks.iter().filter(|check| check.found > 0).map(|check| check.name).collect();
        assert!(names.contains(check), "{sql}: found by {names:?}, not by {check}");
    }
}
