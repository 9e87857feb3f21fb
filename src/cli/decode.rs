//! `decode`: what would be written for a transaction.

use std::sync::Arc;

use alloy::primitives::B256;
use serde_json::{Value as Json, json};

use super::Failure;
use super::setup::{self, Database};
use crate::config::Config;
use crate::fact::{Reading, Role};
use crate::row::{Row, TableDef, Value};
use crate::store::memory::MemoryStore;
use crate::sync::{Preview, Sync};

/// See the module.
pub(super) async fn decode(config: &Config, transaction: B256, json: bool) -> Result<(), Failure> {
    let (node, chain_id) = setup::node(config).await?;
    let Some(block) = node.pinned().block_of_transaction(transaction).await? else {
        let message = format!("the node knows no mined transaction {transaction} on chain {chain_id}");
        return Err(Failure::new(Failure::FINDINGS, message));
    };
    let watched = watched(config, chain_id).await;
    let mut sync = Sync::new(
        node,
        Arc::new(MemoryStore::new()),
        setup::decoder(config),
        setup::sync_config(config, chain_id),
    );
    let preview = sync.preview(block, transaction, watched).await?;
    let report = report(&preview, block.number, transaction);
    if json {
        println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        print!("{}", words(&report));
    }
    Ok(())
}

/// The contracts that the tables know; without a database only the configured ones and what they announce count.
async fn watched(config: &Config, chain_id: u64) -> Vec<(alloy::primitives::Address, Role)> {
    let Ok(database) = Database::open(config).await else { return Vec::new() };
    let rows: Vec<(Vec<u8>, String)> =
        sqlx::query_as("select address::bytea, role from chain.contracts where chain_id = $1")
            .bind(i64::try_from(chain_id).unwrap_or(i64::MAX))
            .fetch_all(&database.pool)
            .await
            .unwrap_or_default();
    database.close().await;
    rows.into_iter()
        .filter_map(|(address, role)| {
            Some((alloy::primitives::Address::try_from(address.as_slice()).ok()?, Role::from_name(&role)?))
        })
        .collect()
}

fn report(preview: &Preview, block: u64, transaction: B256) -> Json {
    let events: Vec<Json> = preview
        .assembled
        .entries
        .iter()
        .map(|entry| {
            let (event, data, fact) = match &entry.reading {
                Reading::Event { name, data, fact } => (json!(name), data.value(), format!("{fact:?}")),
                Reading::Unreadable(why) => (Json::Null, Json::Null, format!("unreadable: {}", why.name())),
            };
            json!({
                "log_index": entry.log.log_index, "address": entry.log.address, "role": entry.role.name(),
                "event": event, "data": data, "fact": fact,
            })
        })
        .collect();
    let tables: serde_json::Map<String, Json> = preview
        .changes
        .inserts
        .iter()
        .chain(&preview.changes.upserts)
        .filter(|(table, rows)| table.name != "asset_events" && !rows.is_empty())
        .map(|(table, rows)| (table.name.to_owned(), rows.iter().map(|row| named(table, row)).collect()))
        .collect();
    json!({ "transaction": transaction, "block": block, "events": events, "rows": tables })
}

fn named(table: &TableDef, row: &Row) -> Json {
    let shown =
        table.columns.iter().zip(row).filter(|(_, value)| **value != Value::Null).map(|(column, value)| {
            let value = match value {
                Value::Null => Json::Null,
                Value::Bool(value) => json!(value),
                Value::Int(value) => json!(value),
                Value::Bytes(value) => json!(alloy::hex::encode_prefixed(value)),
                Value::Text(value) => json!(value),
                Value::Number(value) => json!(value.to_string()),
                Value::Squares(value) => json!(value.to_string()),
                Value::Numbers(values) => values.iter().map(|value| json!(value.to_string())).collect(),
                Value::Time(value) => {
                    json!(chrono::DateTime::from_timestamp(*value, 0).map(|time| time.to_rfc3339()))
                }
                Value::Json(value) => value.value(),
                Value::Uuid(value) => json!(value.to_string()),
            };
            (column.name.to_owned(), value)
        });
    Json::Object(shown.collect())
}

fn words(report: &Json) -> String {
    let mut text = format!(
        "transaction {} in block {}\n",
        report["transaction"].as_str().unwrap_or(""),
        report["block"]
    );
    for event in report["events"].as_array().into_iter().flatten() {
        text.push_str(&format!(
            "  log {:>3}  {} {}  {}\n           {}\n",
            event["log_index"],
            event["role"].as_str().unwrap_or(""),
            event["address"].as_str().unwrap_or(""),
            event["event"].as_str().unwrap_or("(unreadable)"),
            event["fact"].as_str().unwrap_or(""),
        ));
    }
    text.push_str("rows, as from empty tables:\n");
    for (table, rows) in report["rows"].as_object().into_iter().flatten() {
        for row in rows.as_array().into_iter().flatten() {
            text.push_str(&format!("  {table} {row}\n"));
        }
    }
    text
}
