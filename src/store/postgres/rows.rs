//! Rows out of PostgreSQL, by declaration.

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres, Row as _};

use crate::amount::{Amount, Squares};
use crate::block::{BlockRange, Position};
use crate::json::Json;
use crate::row::{Column, ColumnType, Row, Table, TableDef, Value};
use crate::store::StoreError;
use crate::table::event::AssetEvent;
use crate::table::fold::Load;

/// The table's qualified name.
pub(super) fn name(table: &TableDef) -> String {
    format!("{}.{}", table.schema(), table.name)
}

/// Whether the table is partitioned by chain and block.
pub(super) fn is_partitioned_by_block(table: &TableDef) -> bool {
    table.key_len == 4 && table.columns[1].name == "block_number" && table.columns[2].name == "log_index"
}

/// The columns as a list for `select`, in a form that [`decode`] reads.
fn selected(table: &TableDef) -> String {
    let columns = table.columns.iter().map(|column| {
        let name = column.name;
        match column.column_type {
            ColumnType::Number | ColumnType::Squares | ColumnType::Numbers | ColumnType::Json => {
                format!("t.{name}::text")
            }
            ColumnType::Time => format!("extract(epoch from t.{name})::bigint"),
            ColumnType::Address | ColumnType::Hash => format!("t.{name}::bytea"),
            _ => format!("t.{name}"),
        }
    });
    columns.collect::<Vec<_>>().join(", ")
}

/// The SQL type of a column without its domain.
pub(crate) fn base_type(column: &Column) -> &'static str {
    match column.column_type {
        ColumnType::Bool => "boolean",
        ColumnType::Int => "bigint",
        ColumnType::Bytes | ColumnType::Address | ColumnType::Hash => "bytea",
        ColumnType::Text => "text",
        ColumnType::Number | ColumnType::Squares => "numeric",
        ColumnType::Numbers => "numeric[]",
        ColumnType::Time => "timestamp with time zone",
        ColumnType::Json => "jsonb",
        ColumnType::Uuid => "uuid",
    }
}

/// Answers a question of the fold: of versioned tables only open versions.
pub(super) async fn load(connection: &mut PgConnection, load: &Load) -> Result<Vec<Row>, sqlx::Error> {
    let open_only = load.table.thing_len.is_some();
    select(connection, load.table, &load.columns, &load.keys, open_only).await
}

/// Answers a question about ground that a rebuild has set aside.
pub(super) async fn load_kept(connection: &mut PgConnection, load: &Load) -> Result<Vec<Row>, sqlx::Error> {
    let place = super::rebuild::kept_name(load.table);
    select_from(connection, &place, load.table, &load.columns, &load.keys, false).await
}

/// Rows whose columns equal one of the keys.
pub(super) async fn select(
    connection: &mut PgConnection,
    table: &'static TableDef,
    columns: &[usize],
    keys: &[Row],
    open_only: bool,
) -> Result<Vec<Row>, sqlx::Error> {
    select_from(connection, &name(table), table, columns, keys, open_only).await
}

/// The same from another table of the same form.
pub(super) async fn select_from(
    connection: &mut PgConnection,
    place: &str,
    table: &'static TableDef,
    columns: &[usize],
    keys: &[Row],
    open_only: bool,
) -> Result<Vec<Row>, sqlx::Error> {
    let places: Vec<String> = (0..columns.len()).map(|place| format!("k{place}")).collect();
    let arrays: Vec<String> =
        columns.iter().enumerate().map(|(place, column)| array(&table.columns[*column], place + 1)).collect();
    let equal: Vec<String> = columns
        .iter()
        .zip(&places)
        .map(|(column, place)| format!("r.{} = k.{place}", table.columns[*column].name))
        .collect();
    // Said once more by name: a partial index is not used for what is only true of a parameter.
    let always: String = columns
        .iter()
        .enumerate()
        .filter(|(place, column)| {
            table.columns[**column].column_type == ColumnType::Bool
                && keys.iter().all(|key| key[*place] == Value::Bool(true))
        })
        .map(|(_, column)| format!(" and r.{}", table.columns[*column].name))
        .collect();
    // offset 0: each key is looked up by itself. A join as a whole may read the whole table, for every step of a load.
    let sql = format!(
        "select {} from unnest({}) as k({})
             cross join lateral (select r.* from {place} r where {}{always}{} offset 0) t",
        selected(table),
        arrays.join(", "),
        places.join(", "),
        equal.join(" and "),
        if open_only { " and r.to_block is null" } else { "" },
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (place, column) in columns.iter().enumerate() {
        query = bind(query, &table.columns[*column], keys, place);
    }
    let found = query.fetch_all(connection).await?;
    found.iter().map(|row| decode(table, row)).collect()
}

fn array(column: &Column, parameter: usize) -> String {
    match column.column_type {
        ColumnType::Number => format!("${parameter}::text[]::numeric[]"),
        ColumnType::Time => format!("${parameter}::text[]::timestamptz[]"),
        _ => format!("${parameter}::{}[]", base_type(column)),
    }
}

fn bind<'q>(
    query: Query<'q, Postgres, PgArguments>,
    column: &Column,
    keys: &[Row],
    place: usize,
) -> Query<'q, Postgres, PgArguments> {
    let values = keys.iter().map(|key| &key[place]);
    match column.column_type {
        ColumnType::Int => query.bind(
            values.map(|value| if let Value::Int(v) = value { Some(*v) } else { None }).collect::<Vec<_>>(),
        ),
        ColumnType::Bool => query.bind(
            values.map(|value| if let Value::Bool(v) = value { Some(*v) } else { None }).collect::<Vec<_>>(),
        ),
        ColumnType::Bytes | ColumnType::Address | ColumnType::Hash => query.bind(
            values
                .map(|value| if let Value::Bytes(v) = value { Some(v.to_vec()) } else { None })
                .collect::<Vec<_>>(),
        ),
        ColumnType::Uuid => query.bind(
            values.map(|value| if let Value::Uuid(v) = value { Some(*v) } else { None }).collect::<Vec<_>>(),
        ),
        _ => query.bind(
            values
                .map(|value| match value {
                    Value::Text(v) => Some(v.clone()),
                    Value::Number(v) => Some(v.to_string()),
                    Value::Time(v) => Some(time_text(*v)),
                    _ => None,
                })
                .collect::<Vec<_>>(),
        ),
    }
}

/// A time as PostgreSQL reads it, whatever the session's time zone.
pub(super) fn time_text(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    time.format("%Y-%m-%d %H:%M:%S+00").to_string()
}

/// Events of a range, in chain order.
pub(super) async fn ground(
    connection: &mut PgConnection,
    chain_id: u64,
    range: BlockRange,
    addresses: Option<Vec<Vec<u8>>>,
) -> Result<Vec<Row>, sqlx::Error> {
    let table = AssetEvent::DEF;
    let sql = format!(
        "select {} from {} t where chain_id = $1 and block_number between $2 and $3
             and ($4::bytea[] is null or address = any($4)) order by block_number, log_index",
        selected(table),
        name(table)
    );
    let found = sqlx::query(AssertSqlSafe(sql))
        .bind(super::int(chain_id))
        .bind(super::int(range.from))
        .bind(super::int(range.to))
        .bind(addresses)
        .fetch_all(connection)
        .await?;
    found.iter().map(|row| decode(table, row)).collect()
}

/// Events of a chain behind a place, in chain order.
///
/// # Errors
/// The driver's.
pub async fn read_events(
    connection: &mut PgConnection,
    chain_id: u64,
    after: Option<Position>,
    limit: u32,
) -> Result<Vec<AssetEvent>, sqlx::Error> {
    let after = after.map(|at| {
        let number = |number: u64| Value::Int(super::int(number));
        vec![number(chain_id), number(at.block_number), number(at.log_index.into()), Value::Int(i64::MAX)]
    });
    read_page(connection, chain_id, after.as_ref(), limit).await
}

/// Rows of a chain behind a key, in the order of keys.
///
/// # Errors
/// The driver's.
pub async fn read_page<T: Table>(
    connection: &mut PgConnection,
    chain_id: u64,
    after: Option<&Row>,
    limit: u32,
) -> Result<Vec<T>, sqlx::Error> {
    let rows = page(connection, T::DEF, chain_id, after, limit).await?;
    let typed: Option<Vec<T>> = rows.into_iter().map(T::from_row).collect();
    typed.ok_or_else(|| sqlx::Error::Decode(StoreError::misfit(T::DEF).into()))
}

async fn page(
    connection: &mut PgConnection,
    table: &'static TableDef,
    chain_id: u64,
    after: Option<&Row>,
    limit: u32,
) -> Result<Vec<Row>, sqlx::Error> {
    let key: Vec<&str> = table.key_columns().iter().map(|column| column.name).collect();
    let behind = after.map_or_else(String::new, |_| {
        let places: Vec<String> =
            table.key_columns().iter().enumerate().map(|(at, column)| element(column, at + 3)).collect();
        format!(" and ({}) > ({})", key.join(", "), places.join(", "))
    });
    let sql = format!(
        "select {} from {} t where chain_id = $1{behind} order by {} limit $2",
        selected(table),
        name(table),
        key.join(", ")
    );
    let mut query = sqlx::query(AssertSqlSafe(sql)).bind(super::int(chain_id)).bind(i64::from(limit));
    if let Some(after) = after {
        let rows = std::slice::from_ref(after);
        for (place, column) in table.key_columns().iter().enumerate() {
            query = bind(query, column, rows, place);
        }
    }
    let found = query.fetch_all(connection).await?;
    found.iter().map(|row| decode(table, row)).collect()
}

/// The first element of an array that is bound as [`array()`] says.
fn element(column: &Column, parameter: usize) -> String {
    format!("({})[1]", array(column, parameter))
}

/// A row as values, in column order.
fn decode(table: &TableDef, row: &PgRow) -> Result<Row, sqlx::Error> {
    table.columns.iter().enumerate().map(|(place, column)| value(column, row, place)).collect()
}

fn value(column: &Column, row: &PgRow, place: usize) -> Result<Value, sqlx::Error> {
    let text = |place: usize| row.try_get::<Option<String>, _>(place);
    let wrong = |reason: String| sqlx::Error::Decode(reason.into());
    let value = match column.column_type {
        ColumnType::Bool => row.try_get::<Option<bool>, _>(place)?.map(Value::Bool),
        ColumnType::Int => row.try_get::<Option<i64>, _>(place)?.map(Value::Int),
        ColumnType::Bytes | ColumnType::Address | ColumnType::Hash => {
            row.try_get::<Option<&[u8]>, _>(place)?.map(|bytes| Value::Bytes(bytes.into()))
        }
        ColumnType::Text => text(place)?.map(Value::Text),
        ColumnType::Number => {
            let amount = text(place)?.map(|text| text.parse::<Amount>()).transpose();
            amount.map_err(|e| wrong(e.to_string()))?.map(|amount| Value::Number(Box::new(amount)))
        }
        ColumnType::Squares => {
            let squares = text(place)?.map(|text| text.parse::<Squares>()).transpose();
            squares.map_err(|e| wrong(e.to_string()))?.map(|value| Value::Squares(Box::new(value)))
        }
        ColumnType::Numbers => {
            let list = text(place)?.map(|text| numbers(&text)).transpose();
            list.map_err(wrong)?.map(Value::Numbers)
        }
        ColumnType::Time => row.try_get::<Option<i64>, _>(place)?.map(Value::Time),
        ColumnType::Json => {
            let json = text(place)?.map(|text| Json::parse(&text)).transpose();
            json.map_err(|e| wrong(e.to_string()))?.map(Value::Json)
        }
        ColumnType::Uuid => row.try_get::<Option<uuid::Uuid>, _>(place)?.map(Value::Uuid),
    };
    Ok(value.unwrap_or(Value::Null))
}

/// PostgreSQL's text of a numeric array.
fn numbers(text: &str) -> Result<Vec<Amount>, String> {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let inner = inner.ok_or_else(|| format!("{text:?} is no array"))?;
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    inner.split(',').map(|number| number.parse::<Amount>().map_err(|e| e.to_string())).collect()
}
