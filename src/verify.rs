//! Verification: whether the tables are what they must be, told check by check.
//!
//! Reads and compares; changes nothing. Everything of one run is read from one snapshot of the database, so that a
//! worker may go on beside it. Knows the tables by their declaration, their meaning only where a check says so.
//!
//! Invariant: a check that could not be finished is never told as clean.

pub mod against;
pub mod audit;
pub mod bisect;
mod catalogue;
pub mod contracts;
pub mod deep;
pub mod digest;
mod evidence;
pub mod ground;
pub mod quick;
pub mod receipts;
pub mod report;

use serde::Serialize;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row as _};

use crate::block::BlockId;
use crate::row::TableDef;
use crate::store::postgres::{KEEP_PARTITIONS, failed, read_checkpoint};
use crate::store::{Checkpoint, StoreError};

/// Findings of one check that are listed; the rest is counted.
pub const LISTED_MAX: usize = 100;

/// One thing that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check that found it.
    pub check: &'static str,
    /// The table, without schema; where one is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The row's key, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The block it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<u64>,
    /// What the tables say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ours: Option<String>,
    /// What they should say, or somebody else says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theirs: Option<String>,
    /// In words.
    pub message: String,
}

impl Finding {
    /// A finding that is told in words alone.
    pub fn of(check: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { check, table: None, key: None, block: None, ours: None, theirs: None, message }
    }

    /// About a row.
    #[must_use]
    pub fn row(mut self, table: &str, key: impl Into<String>) -> Self {
        self.table = Some(table.to_owned());
        self.key = Some(key.into());
        self
    }

    /// About a block.
    #[must_use]
    pub fn block(mut self, block: u64) -> Self {
        self.block = Some(block);
        self
    }

    /// What is there, and what should be.
    #[must_use]
    pub fn values(mut self, ours: impl Into<String>, theirs: impl Into<String>) -> Self {
        self.ours = Some(ours.into());
        self.theirs = Some(theirs.into());
        self
    }
}

/// How one check went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name, for programs.
    pub name: &'static str,
    /// What it says when it is clean.
    pub sentence: &'static str,
    /// How many things it looked at.
    pub examined: u64,
    /// How many of them are not as they must be.
    pub found: u64,
    /// Why it could not be finished; then what it found may not be all.
    pub unfinished: Option<String>,
    /// What it did not look at, where it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// The first of what was found.
    #[serde(skip)]
    pub findings: Vec<Finding>,
}

impl Check {
    /// A check that has looked at nothing yet.
    pub fn new(name: &'static str, sentence: &'static str) -> Self {
        Self { name, sentence, examined: 0, found: 0, unfinished: None, remark: None, findings: Vec::new() }
    }

    /// Notes something.
    pub fn find(&mut self, finding: Finding) {
        self.found += 1;
        if self.findings.len() < LISTED_MAX {
            self.findings.push(finding);
        }
    }

    /// Notes that it cannot be finished; the first reason stands.
    pub fn give_up(&mut self, reason: impl Into<String>) {
        self.unfinished.get_or_insert_with(|| reason.into());
    }

    /// The same, for a check that must give an answer at once.
    #[must_use]
    pub fn unfinished(mut self, reason: impl Into<String>) -> Self {
        self.give_up(reason);
        self
    }
}

/// An invariant as SQL: what breaks it is a row of `table, key, block, ours, theirs, message`.
pub(crate) struct Rule {
    name: &'static str,
    sentence: &'static str,
    /// How many things are looked at; `$1` is the chain.
    examined: &'static str,
    /// `$1` is the chain, `$2` the checkpoint's number.
    broken: &'static str,
}

/// What all checks of a run said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Checks that were made.
    pub checks: usize,
    /// Things found.
    pub found: u64,
    /// Names of the checks that could not be finished.
    pub unfinished: Vec<&'static str>,
}

impl Verdict {
    /// Of some checks.
    pub fn of(checks: &[Check]) -> Self {
        Self {
            checks: checks.len(),
            found: checks.iter().map(|check| check.found).sum(),
            unfinished: checks
                .iter()
                .filter(|check| check.unfinished.is_some())
                .map(|check| check.name)
                .collect(),
        }
    }
}

const BEGIN: &str = "begin transaction isolation level repeatable read, read only";
/// The node may take its time between two statements; nobody waits for this transaction.
const UNHURRIED: &str = "set local idle_in_transaction_session_timeout = 0";

/// The tables of one chain at one instant.
#[derive(Debug)]
pub struct Snapshot {
    /// The connection, inside a transaction that only reads.
    pub connection: PgConnection,
    /// The chain.
    pub chain_id: u64,
    /// How far the tables reach.
    pub checkpoint: Checkpoint,
    /// Where a second connection leads.
    pub options: PgConnectOptions,
}

impl Snapshot {
    /// Opens one; `None` where nothing is indexed on the chain.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(options: &PgConnectOptions, chain_id: u64) -> Result<Option<Self>, StoreError> {
        let options = options
            .clone()
            .application_name("asset-indexer verify")
            .log_statements(tracing::log::LevelFilter::Off);
        let wrong = |error: sqlx::Error| failed("opening a snapshot", &error);
        let mut connection = PgConnection::connect_with(&options).await.map_err(wrong)?;
        connection.execute(BEGIN).await.map_err(wrong)?;
        connection.execute(KEEP_PARTITIONS).await.map_err(wrong)?;
        connection.execute(UNHURRIED).await.map_err(wrong)?;
        let checkpoint = read_checkpoint(&mut connection, chain_id).await.map_err(wrong)?;
        Ok(checkpoint.map(|checkpoint| Self { connection, chain_id, checkpoint, options }))
    }

    /// A second connection that sees the same instant. This one has to outlive it: it keeps partitions from going.
    ///
    /// # Errors
    /// The database's, and where a pooler or balancer gave a connection to another server.
    pub(crate) async fn second(&mut self) -> Result<PgConnection, sqlx::Error> {
        let server = "select pg_export_snapshot(), pg_postmaster_start_time()::text";
        let (id, here): (String, String) = sqlx::query_as(server).fetch_one(&mut self.connection).await?;
        let mut second = PgConnection::connect_with(&self.options).await?;
        second.execute(BEGIN).await?;
        // Before any question: a transaction that has seen something takes no other's view. The id is digits and hyphens.
        second.execute(AssertSqlSafe(format!("set transaction snapshot '{id}'"))).await?;
        second.execute(UNHURRIED).await?;
        // Ids are counted by each server, and another one may have given the same.
        let there: String =
            sqlx::query_scalar("select pg_postmaster_start_time()::text").fetch_one(&mut second).await?;
        if here == there {
            Ok(second)
        } else {
            Err(sqlx::Error::Configuration("the second connection led to another server".into()))
        }
    }

    /// The block that the tables speak of.
    pub fn at(&self) -> BlockId {
        self.checkpoint.block.id
    }

    /// The chain as PostgreSQL's bigint.
    pub(crate) fn chain(&self) -> i64 {
        i64::try_from(self.chain_id).unwrap_or(i64::MAX)
    }

    /// A count.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(&mut self, sql: &str) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .bind(self.chain())
            .fetch_one(&mut self.connection)
            .await
            .map_err(|error| failed("counting what a check looks at", &error))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Checks that rules are kept.
    pub(crate) async fn keep(&mut self, rules: &[Rule]) -> Result<Vec<Check>, StoreError> {
        let mut checks = Vec::new();
        for rule in rules {
            let mut check = Check::new(rule.name, rule.sentence);
            check.examined = self.count(rule.examined).await?;
            self.find(&mut check, rule.broken).await?;
            checks.push(check);
        }
        Ok(checks)
    }

    /// Findings of a query of `table, key, block, ours, theirs, message`, with the chain as `$1` and the checkpoint's
    /// number as `$2`.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn find(&mut self, check: &mut Check, sql: &str) -> Result<(), StoreError> {
        let sql = format!(
            "select q.*, count(*) over () from ({sql}) q (table_name, key, block, ours, theirs, message),
                 (select $1::bigint, $2::bigint) as given limit {LISTED_MAX}"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(self.chain())
            .bind(i64::try_from(self.at().number).unwrap_or(i64::MAX))
            .fetch_all(&mut self.connection)
            .await
            .map_err(|error| failed("looking for what is not as it must be", &error))?;
        let mut total = 0;
        for row in rows {
            total = u64::try_from(row.get::<i64, _>(6)).unwrap_or_default();
            check.findings.push(Finding {
                check: check.name,
                table: row.get(0),
                key: row.get(1),
                block: row.get::<Option<i64>, _>(2).and_then(|block| u64::try_from(block).ok()),
                ours: row.get(3),
                theirs: row.get(4),
                message: row.get::<Option<String>, _>(5).unwrap_or_default(),
            });
        }
        check.findings.truncate(LISTED_MAX);
        check.found += total;
        Ok(())
    }
}

/// SQL for the key of a row as JSON text, with bytes as people write them; without the chain, which is told once.
pub(crate) fn key_text(table: &TableDef, alias: &str) -> String {
    use crate::row::ColumnType::{Address, Bytes, Hash};
    let pairs = table.key_columns().iter().filter(|column| column.name != "chain_id").map(|column| {
        let name = column.name;
        match column.column_type {
            Address | Bytes | Hash => format!("'{name}', '0x' || encode({alias}.{name}::bytea, 'hex')"),
            _ => format!("'{name}', {alias}.{name}"),
        }
    });
    format!("jsonb_build_object({})::text", pairs.collect::<Vec<_>>().join(", "))
}

/// The table's qualified name.
pub(crate) fn name(table: &TableDef) -> String {
    format!("{}.{}", table.schema(), table.name)
}
