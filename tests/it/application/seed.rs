//! The seed's schema against the catalogue: every table, column, type, key and named index is there, or a decision says
//! what is there instead.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgPool;

use crate::support::world::{database, pool};

const SEED: &str = include_str!("../../seed/schema.txt");
const DECISIONS: &str = include_str!("../../seed/decisions.txt");

/// The lines of a kept file, without remarks.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// What a table of the seed is here: a view of `api` before a table of `app`.
async fn relation(pool: &PgPool, table: &str) -> Option<String> {
    for schema in ["api", "app"] {
        let name = format!("{schema}.{table}");
        let is_there: bool = sqlx::query_scalar("select to_regclass($1) is not null")
            .bind(&name)
            .fetch_one(pool)
            .await
            .expect("the catalogue can be read");
        if is_there {
            return Some(name);
        }
    }
    None
}

/// Columns with their types.
async fn columns(pool: &PgPool, relation: &str) -> BTreeMap<String, String> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select attname::text, format_type(atttypid, atttypmod) from pg_attribute
         where attrelid = $1::regclass and attnum > 0 and not attisdropped",
    )
    .bind(relation)
    .fetch_all(pool)
    .await
    .expect("the catalogue can be read");
    rows.into_iter().collect()
}

async fn is_true(pool: &PgPool, sql: &'static str, relation: &str, name: &str) -> bool {
    sqlx::query_scalar(sql)
        .bind(relation)
        .bind(name)
        .fetch_one(pool)
        .await
        .expect("the catalogue can be read")
}

const HAS_FOREIGN_KEY: &str = "select exists (
    select from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid and a.attnum = any(k.conkey)
    where k.contype = 'f' and k.conrelid = $1::regclass and a.attname = $2)";
const IS_UNIQUE: &str = "select exists (
    select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and i.indnatts = 1 and a.attnum = i.indkey[0]
    where i.indisunique and i.indrelid = $1::regclass and a.attname = $2)";
const HAS_INDEX: &str = "select exists (
    select from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = $1::regclass and c.relname = $2)";

async fn differences_of(pool: &PgPool, table: &str, columns_told: &str, indexes_told: &str) -> Vec<String> {
    let Some(relation) = relation(pool, table).await else { return vec![format!("{table} is missing")] };
    let columns = columns(pool, &relation).await;
    let mut found = Vec::new();
    for told in columns_told.split_whitespace() {
        let (name, property) = told.split_once('(').unwrap_or((told, ""));
        let Some(column_type) = columns.get(name) else {
            found.push(format!("{table}.{name} is missing"));
            continue;
        };
        match property.trim_end_matches(')') {
            "U" if column_type != "uuid" => found.push(format!("{table}.{name} is {column_type}")),
            "FK" if !is_true(pool, HAS_FOREIGN_KEY, &relation, name).await => {
                found.push(format!("{table}.{name} is no foreign key"));
            }
            "unique" if !is_true(pool, IS_UNIQUE, &relation, name).await => {
                found.push(format!("{table}.{name} is not unique"));
            }
            _ => {}
        }
    }
    for told in indexes_told.split_whitespace() {
        if !is_true(pool, HAS_INDEX, &relation, &format!("{table}_{told}")).await {
            found.push(format!("{table} has no {told}"));
        }
    }
    found
}

/// Each difference has its decision (`difference => decision`, a line each), and each decision its difference.
pub fn assert_decided(found: &BTreeSet<String>, decisions: &str) {
    let decided: BTreeMap<&str, &str> = lines(decisions)
        .map(|line| line.split_once(" => ").expect("a difference and its decision"))
        .collect();
    let undecided: Vec<_> = found.iter().filter(|found| !decided.contains_key(found.as_str())).collect();
    assert!(undecided.is_empty(), "no decision names these differences from the seed: {undecided:#?}");
    let stale: Vec<_> = decided.keys().filter(|decided| !found.contains(**decided)).collect();
    assert!(stale.is_empty(), "decided, and there is no such difference: {stale:#?}");
}

#[tokio::test]
async fn every_difference_from_the_seed_has_its_decision() {
    let pool = pool(&database().await).await;
    let mut found = BTreeSet::new();
    let mut tables = 0;
    for line in lines(SEED) {
        let (table, rest) = line.split_once(": ").expect("a table and its columns");
        let (told, indexes) = rest.split_once('|').expect("columns and indexes");
        found.extend(differences_of(&pool, table, told, indexes).await);
        tables += 1;
    }
    assert_eq!(tables, 45, "the seed has 45 tables");
    assert_decided(&found, DECISIONS);
}

/// A decision that puts another index or key in the place of the seed's names it: it must be there.
#[tokio::test]
async fn what_a_decision_puts_in_its_place_is_there() {
    let pool = pool(&database().await).await;
    let mut named = 0;
    for line in lines(DECISIONS) {
        for index in line.split_whitespace().filter_map(|word| word.strip_prefix("index=")) {
            let is_there: bool = sqlx::query_scalar(
                "select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname in ('app', 'chain') and c.relname = $1 and c.relkind in ('i', 'I'))",
            )
            .bind(index)
            .fetch_one(&pool)
            .await
            .expect("the catalogue can be read");
            assert!(is_there, "there is no index {index}: {line}");
            named += 1;
        }
    }
    assert!(named > 15, "{named}");
}
