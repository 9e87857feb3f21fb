//! Checks that follow from the declarations of tables: each holds for every table that has the columns it is about.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row as _;

use super::{Check, Finding, Snapshot, key_text, name};
use crate::row::{Class, ColumnType, TableDef};
use crate::store::StoreError;
use crate::store::postgres::{base_type, failed};
use crate::table;

/// Tables whose rows equality speaks of.
fn compared() -> impl Iterator<Item = &'static TableDef> {
    table::ALL.into_iter().filter(|table| table.class != Class::Operation)
}

pub(super) async fn checks(snapshot: &mut Snapshot) -> Result<Vec<Check>, StoreError> {
    Ok(vec![
        nothing_above(snapshot).await?,
        versions(snapshot).await?,
        things_exist(snapshot).await?,
        declared(snapshot).await?,
        partitions(snapshot).await?,
    ])
}

/// Columns that hold the height of a block that was read.
fn heights(table: &'static TableDef) -> Vec<&'static str> {
    let of_config = |column: &str| column == "opening_block" || column == "complete_from";
    let columns = table.columns.iter().filter(|column| column.column_type == ColumnType::Int);
    columns
        .map(|column| column.name)
        .filter(|name| (name.ends_with("_block") || *name == "block_number") && !of_config(name))
        .collect()
}

async fn nothing_above(snapshot: &mut Snapshot) -> Result<Check, StoreError> {
    let mut check =
        Check::new("nothing_is_above_the_checkpoint", "No row is about a block above the checkpoint.");
    for table in compared() {
        let columns = heights(table);
        if columns.is_empty() {
            continue;
        }
        check.examined += 1;
        let above = columns.iter().map(|column| format!("t.{column} > $2")).collect::<Vec<_>>().join(" or ");
        let highest = columns.iter().map(|column| format!("t.{column}")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "select '{}', {}, greatest({highest}), greatest({highest})::text, $2::text,
                 'the row is about a block above the checkpoint'
             from {} t where t.chain_id = $1 and ({above})",
            table.name,
            key_text(table, "t"),
            name(table),
        );
        snapshot.find(&mut check, &sql).await?;
    }
    Ok(check)
}

async fn versions(snapshot: &mut Snapshot) -> Result<Check, StoreError> {
    let mut check =
        Check::new("versions_do_not_overlap", "Of every thing at most one version is in force at any block.");
    for table in compared() {
        let Some(things) = table.thing_len else { continue };
        check.examined += 1;
        let thing =
            table.columns[..things].iter().map(|c| format!("x.{}", c.name)).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "select '{}', {}, t.from_block, coalesce(t.to_block || ' ' || t.to_log, 'open'),
                 t.next_block || ' ' || t.next_log, 'the version does not end before the next one begins'
             from (
                 select x.*, lead(x.from_block) over w as next_block, lead(x.from_log) over w as next_log
                 from {} x where x.chain_id = $1
                 window w as (partition by {thing} order by x.from_block, x.from_log)
             ) t
             where t.next_block is not null
                     and (t.to_block is null or (t.to_block, t.to_log) > (t.next_block, t.next_log))
                 or (t.to_block, t.to_log) < (t.from_block, t.from_log)
                 or (t.to_block is null) <> (t.to_log is null) or (t.to_block is null) <> (t.to_at is null)",
            table.name,
            key_text(table, "t"),
            name(table),
        );
        snapshot.find(&mut check, &sql).await?;
    }
    Ok(check)
}

async fn things_exist(snapshot: &mut Snapshot) -> Result<Check, StoreError> {
    let mut check =
        Check::new("things_exist", "Every asset and identity that a row is about has its own row.");
    for table in compared() {
        for (column, things) in [("asset_id", "assets"), ("identity_id", "identities")] {
            if table.column(column).is_none() {
                continue;
            }
            check.examined += 1;
            let sql = format!(
                "select '{things}', jsonb_build_object('id', x.thing)::text, null::bigint, 'none', 'a row',
                     '{} speaks of a thing that {things} has not'
                 from (
                     select distinct t.{column} as thing from {} t where t.chain_id = $1 and t.{column} is not null
                 ) x where not exists (select from chain.{things} y where y.chain_id = $1 and y.id = x.thing)",
                table.name,
                name(table),
            );
            snapshot.find(&mut check, &sql).await?;
        }
    }
    Ok(check)
}

/// The catalogue of the database against the declarations.
async fn declared(snapshot: &mut Snapshot) -> Result<Check, StoreError> {
    let mut check = Check::new(
        "catalogue_is_as_declared",
        "Every table is in the catalogue with its class and has the columns it is declared with.",
    );
    let rows = sqlx::query(
        "select n.nspname || '.' || c.relname, k.class,
             array(
                 select a.attname || ' ' || format_type(coalesce(nullif(y.typbasetype, 0), y.oid), null)
                     || case when a.attnotnull then '' else ' null' end
                 from pg_attribute a join pg_type y on y.oid = a.atttypid
                 where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         left join ops.table_classes k on k.table_name = n.nspname || '.' || c.relname
         where n.nspname in ('chain', 'ops', 'app') and c.relkind in ('r', 'p') and not c.relispartition",
    )
    .fetch_all(&mut snapshot.connection)
    .await
    .map_err(|error| failed("reading the catalogue", &error))?;
    let mut found: BTreeMap<String, (Option<String>, Vec<String>)> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    check.examined = found.len() as u64;
    for table in table::ALL {
        let Some((class, mut columns)) = found.remove(&name(table)) else {
            let message = format!("table {} is declared and not there", name(table));
            check.find(Finding::of(check.name, message).row(table.name, ""));
            continue;
        };
        let mut wanted: Vec<String> = table.columns.iter().map(sql_column).collect();
        // A column that came later stands last in the catalogue; all statements name theirs.
        columns.sort_unstable();
        wanted.sort_unstable();
        if class.as_deref() != Some(table.class.name()) || columns != wanted {
            let is = format!("{} {}", class.unwrap_or_default(), columns.join(", "));
            let should = format!("{} {}", table.class.name(), wanted.join(", "));
            let message = format!("table {} is not as it is declared", name(table));
            check.find(Finding::of(check.name, message).row(table.name, "").values(is, should));
        }
    }
    for (table, (class, _)) in found {
        if class.is_none() {
            let message = format!("table {table} has no class in ops.table_classes");
            check.find(Finding::of(check.name, message).row(&table, ""));
        }
    }
    Ok(check)
}

fn sql_column(column: &crate::row::Column) -> String {
    format!("{} {}{}", column.name, base_type(column), if column.nullable { " null" } else { "" })
}

/// The fact tables are made in step: where one has a partition, all have.
async fn partitions(snapshot: &mut Snapshot) -> Result<Check, StoreError> {
    let mut check =
        Check::new("partitions_are_there", "The tables of facts have the same partitions of the chain.");
    let rows = sqlx::query(
        "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where c.relnamespace = 'chain'::regnamespace and c.relkind = 'r'",
    )
    .fetch_all(&mut snapshot.connection)
    .await
    .map_err(|error| failed("reading the partitions", &error))?;
    let parents: Vec<&str> = table::ALL
        .into_iter()
        .filter(|table| {
            let key: Vec<&str> = table.key_columns().iter().map(|column| column.name).collect();
            key == ["chain_id", "block_number", "log_index", "part"]
        })
        .map(|table| table.name)
        .collect();
    let mut slots: BTreeMap<&str, BTreeSet<u64>> =
        parents.iter().map(|parent| (*parent, BTreeSet::new())).collect();
    for row in rows {
        let partition: String = row.get(0);
        for parent in &parents {
            let prefix = format!("{parent}_{}_", snapshot.chain_id);
            let slot = partition.strip_prefix(&prefix).and_then(|slot| slot.parse().ok());
            if let (Some(slot), Some(of)) = (slot, slots.get_mut(parent)) {
                of.insert(slot);
            }
        }
    }
    let all: BTreeSet<u64> = slots.values().flatten().copied().collect();
    for (parent, of) in &slots {
        check.examined += of.len() as u64;
        for slot in all.difference(of) {
            let message = format!("partition {slot} of {parent} is missing");
            check.find(Finding::of(check.name, message).row(parent, format!("{{\"partition\": {slot}}}")));
        }
    }
    Ok(check)
}
