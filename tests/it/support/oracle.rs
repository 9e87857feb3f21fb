//! Between our types and the oracle's, which knows none of ours.

use std::collections::BTreeMap;

use asset_indexer::row::{Row, TableDef, Value};
use asset_indexer::source::CallAnswer;
use asset_indexer::sync::Config;
use asset_indexer::table;
use oracle::{Answer, Block, Chain, Configured, Log, Tables, Transaction, compare};
use serde_json::Value as Json;

use super::sim_chain::SimChain;

/// A simulated chain's present blocks, as the oracle takes them.
pub fn chain(source: &SimChain, config: &Config) -> Chain {
    let contracts = config.contracts.iter().map(|contract| Configured {
        role: contract.role.name().to_owned(),
        address: contract.address,
        start_block: contract.start_block.unwrap_or(0),
    });
    Chain {
        chain_id: config.chain_id,
        contracts: contracts.collect(),
        claim_expiry: config.claim_expiry.clone(),
        blocks: source.blocks().into_iter().map(block).collect(),
    }
}

fn block(
    (header, transactions, logs): (
        asset_indexer::block::Header,
        Vec<asset_indexer::block::Transaction>,
        Vec<asset_indexer::block::RawLog>,
    ),
) -> Block {
    Block {
        number: header.id.number,
        hash: header.id.hash,
        parent: header.parent,
        timestamp: header.timestamp,
        transactions: transactions
            .into_iter()
            .map(|it| Transaction {
                hash: it.hash,
                index: it.index.into(),
                from: it.from,
                to: it.to,
                input: it.input,
            })
            .collect(),
        logs: logs
            .into_iter()
            .map(|it| Log {
                log_index: it.log_index.into(),
                transaction_hash: it.transaction_hash,
                transaction_index: it.transaction_index.into(),
                address: it.address,
                topics: it.topics,
                data: it.data,
            })
            .collect(),
    }
}

/// What the oracle says the tables hold at a block of a simulated chain.
pub fn expected(source: &SimChain, config: &Config, through: u64) -> Tables {
    let ask = |target, input: &[u8], _block| match source.answer_to(target, input) {
        CallAnswer::Returned(bytes) => Answer::Returned(bytes),
        CallAnswer::Reverted => Answer::Reverted,
        CallAnswer::StateUnavailable => Answer::Unavailable,
    };
    oracle::tables(&chain(source, config), through, &ask)
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
        Value::Numbers(amounts) => amounts.iter().map(|amount| amount.to_string()).collect(),
        Value::Json(json) => json.clone(),
        Value::Uuid(id) => Json::from(id.to_string()),
    }
}

/// Compares a store's dump with the oracle's rows, and says all that differs.
pub fn assert_told(dump: &[(&'static str, Vec<Row>)], expected: &Tables, context: &str) {
    let ours = neutral(dump);
    let differences = compare::differences(&ours, expected);
    assert!(
        differences.is_empty(),
        "{context}: {} differences\n{}",
        differences.len(),
        compare::summary(&differences, 3)
    );
    let violations = oracle::check::violations(&ours);
    assert!(violations.is_empty(), "{context}: {}", violations.join("\n"));
}
