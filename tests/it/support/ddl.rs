//! The SQL that a declaration stands for: what a migration has to say about a table.

use asset_indexer::row::{Class, Column, ColumnType, TableDef};

/// The column's type as migrations spell it, with the chain's domains.
pub fn sql_type(column: &Column) -> &'static str {
    match column.column_type {
        ColumnType::Bool => "boolean",
        ColumnType::Int => "bigint",
        ColumnType::Bytes => "bytea",
        ColumnType::Address => "chain.address",
        ColumnType::Hash => "chain.hash32",
        ColumnType::Text => "text",
        ColumnType::Number | ColumnType::Squares => "numeric",
        ColumnType::Numbers => "numeric[]",
        ColumnType::Time => "timestamptz",
        ColumnType::Json => "jsonb",
        ColumnType::Uuid => "uuid",
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.trim().replace('\'', "''"))
}

/// What a migration says of a column.
pub fn column_comment(table: &TableDef, column: &Column) -> String {
    let name = format!("{}.{}.{}", table.schema(), table.name, column.name);
    format!("comment on column {name} is {};\n", quoted(column.comment))
}

/// `create table`, its comments, and its class, as the migration must hold them.
pub fn create_table(table: &TableDef) -> String {
    let name = format!("{}.{}", table.schema(), table.name);
    let mut sql = format!("create table {name} (\n");
    for column in table.columns {
        let null = if column.nullable { "" } else { " not null" };
        sql.push_str(&format!("    {} {}{null},\n", column.name, sql_type(column)));
    }
    let key: Vec<&str> = table.key_columns().iter().map(|column| column.name).collect();
    sql.push_str(&format!("    primary key ({})\n)", key.join(", ")));
    let by_block = key.as_slice() == ["chain_id", "block_number", "log_index", "part"];
    if by_block {
        sql.push_str(" partition by list (chain_id)");
    } else if table.name == "ownership_history" {
        sql.push_str(" partition by hash (asset_id)");
    } else if table.class == Class::State {
        sql.push_str(" with (fillfactor = 80)");
    }
    sql.push_str(";\n");
    sql.push_str(&format!("comment on table {name} is {};\n", quoted(table.comment)));
    for column in table.columns {
        sql.push_str(&column_comment(table, column));
    }
    if let Some(things) = table.thing_len {
        sql.push_str(&format!(
            "create unique index {0}_open on {name} ({1}) where to_block is null;\n",
            table.name,
            key[..things].join(", ")
        ));
    }
    sql
}
