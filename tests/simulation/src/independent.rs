//! The independent oracle's word on the tables: an adapter between our types and the oracle's, which knows none of ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::Bytes;
use asset_indexer::row::{Row, TableDef, Value};
use asset_indexer::source::CallAnswer;
use asset_indexer::sync::Config;
use asset_indexer::table;
use oracle::{Answer, Chain, Configured, Log, Tables, Transaction, compare};
use serde_json::Value as Json;

use crate::chain::{Block, Branch, SimChain};

/// Rows of tables, as [`asset_indexer::store::Store::dump`] gives them.
pub type Dump = Vec<(&'static str, Vec<Row>)>;

/// A branch of a simulated chain, as the oracle takes it.
fn chain(branch: &Branch, config: &Config) -> Chain {
    let contracts = config.contracts.iter().map(|contract| Configured {
        role: contract.role.name().to_owned(),
        address: contract.address,
        start_block: contract.start_block.unwrap_or(0),
    });
    Chain {
        chain_id: config.chain_id,
        contracts: contracts.collect(),
        claim_expiry: config.claim_expiry.clone(),
        blocks: branch.iter().map(block).collect(),
    }
}

fn block(block: &Arc<Block>) -> oracle::Block {
    let header = block.header;
    let transaction = |it: &asset_indexer::block::Transaction| Transaction {
        hash: it.hash,
        index: it.index.into(),
        from: it.from,
        to: it.to,
        input: it.input.clone(),
    };
    let log = |it: &asset_indexer::block::RawLog| Log {
        log_index: it.log_index.into(),
        transaction_hash: it.transaction_hash,
        transaction_index: it.transaction_index.into(),
        address: it.address,
        topics: it.topics.clone(),
        data: it.data.clone(),
    };
    oracle::Block {
        number: header.id.number,
        hash: header.id.hash,
        parent: header.parent,
        timestamp: header.timestamp,
        transactions: block.transactions.iter().map(transaction).collect(),
        logs: block.logs.iter().map(log).collect(),
    }
}

/// What the oracle says the tables hold at a block of a branch.
pub fn expected(source: &SimChain, branch: &Branch, config: &Config, through: u64) -> Tables {
    let answer = |target, input: &[u8], number: u64| {
        let hash = branch.get(number as usize).map(|block| block.header.id.hash).unwrap_or_default();
        match source.call(hash, target, &Bytes::copy_from_slice(input)) {
            CallAnswer::Returned(bytes) => Answer::Returned(bytes),
            CallAnswer::Reverted => Answer::Reverted,
            CallAnswer::StateUnavailable => Answer::Unavailable,
        }
    };
    oracle::tables(&chain(branch, config), through, &answer)
}

/// A dump of a store in the oracle's neutral form: uuids that name other rows become the natural keys of those rows,
/// a row's own uuid goes, and so does the wording of why a log is unreadable.
pub fn neutral(dump: &[(&'static str, Vec<Row>)]) -> Tables {
    let names = natural_keys(dump);
    let mut tables = Tables::new();
    for (name, _) in compare::KEYS {
        let table = definition(name);
        let rows = rows(dump, name).iter().map(|row| neutral_row(table, row, &names)).collect();
        tables.insert(*name, rows);
    }
    tables
}

fn definition(name: &str) -> &'static TableDef {
    table::ALL.into_iter().find(|table| table.name == name).expect("the oracle covers tables that are ours")
}

fn rows<'a>(dump: &'a [(&'static str, Vec<Row>)], name: &str) -> &'a [Row] {
    &dump.iter().find(|(table, _)| *table == name).expect("the table was dumped").1
}

/// What each uuid stands for.
fn natural_keys(dump: &[(&'static str, Vec<Row>)]) -> BTreeMap<uuid::Uuid, Json> {
    let mut names = BTreeMap::new();
    let mut add = |table: &str, key: &dyn Fn(&[Json]) -> Json, columns: &[&str]| {
        let def = definition(table);
        let place = |column: &str| def.column(column).expect("a column of the table");
        for row in rows(dump, table) {
            let Value::Uuid(id) = &row[place("id")] else { panic!("{table}.id is no uuid") };
            let values: Vec<_> = columns.iter().map(|column| json(&row[place(column)])).collect();
            names.insert(*id, key(&values));
        }
    };
    add("assets", &|it| it[0].clone(), &["contract_address"]);
    add("identities", &|it| it[0].clone(), &["onchain_id"]);
    let place = |it: &[Json]| Json::from(format!("{}:{}", it[0], it[1]));
    add("asset_transactions", &place, &["block_number", "log_index"]);
    names
}

fn neutral_row(table: &'static TableDef, row: &Row, names: &BTreeMap<uuid::Uuid, Json>) -> oracle::Row {
    let mut neutral = oracle::Row::new();
    for (column, value) in table.columns.iter().zip(row) {
        let value = match value {
            _ if column.name == "id" => continue,
            Value::Uuid(id) => names.get(id).cloned().unwrap_or_else(|| Json::from(oracle::NO_ROW)),
            Value::Text(_) if column.name == "unreadable" => Json::from(true),
            value => json(value),
        };
        neutral.insert(column.name, value);
    }
    neutral
}

fn json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::from(*flag),
        Value::Int(number) | Value::Time(number) => Json::from(*number),
        Value::Bytes(bytes) => Json::from(alloy::primitives::hex::encode_prefixed(bytes)),
        Value::Text(text) => Json::from(text.as_str()),
        Value::Number(amount) => Json::from(amount.to_string()),
        Value::Squares(squares) => Json::from(squares.to_string()),
        Value::Numbers(amounts) => amounts.iter().map(|amount| amount.to_string()).collect(),
        Value::Json(json) => json.value(),
        Value::Uuid(id) => Json::from(id.to_string()),
    }
}

/// Compares a dump with the oracle's rows, except for columns that are masked.
///
/// # Errors
/// All that differs, and what the tables contradict in themselves.
pub fn agree(
    dump: &[(&'static str, Vec<Row>)],
    expected: &Tables,
    masked: &dyn Fn(&TableDef, &str) -> bool,
) -> Result<(), String> {
    let ours = neutral(dump);
    let mut differences = compare::differences(&ours, expected);
    differences.retain(|found| !found.column.is_some_and(|column| masked(definition(found.table), column)));
    if !differences.is_empty() {
        return Err(format!(
            "the independent oracle differs in {} places\n{}",
            differences.len(),
            compare::summary(&differences, 3)
        ));
    }
    let violations = oracle::check::violations(&ours);
    if violations.is_empty() { Ok(()) } else { Err(violations.join("\n")) }
}
