//! The targets as the database states them, what was measured of each, and both as text.

use std::fmt;
use std::time::Duration;

use sqlx::PgConnection;

use super::size::Table;
use super::times::Run;
use super::{Failed, Shape};

/// A target that is a statement.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Stated {
    /// Its name.
    pub target: String,
    /// The published figure, in milliseconds.
    pub bound: f64,
    /// What is asked.
    pub question: String,
}

/// The targets that are statements, in the order of the questions.
///
/// # Errors
/// The database's.
pub async fn stated(connection: &mut PgConnection) -> Result<Vec<Stated>, Failed> {
    let sql = "select target, bound::float8, question from ops.targets where kind = 'time' order by target";
    Ok(sqlx::query_as(sql).fetch_all(connection).await?)
}

/// Records a run.
///
/// # Errors
/// The database's.
pub async fn record(
    connection: &mut PgConnection,
    target: &str,
    run: &Run,
    outcome: &Outcome,
) -> Result<(), Failed> {
    sqlx::query(
        "insert into ops.target_measurements (target, clients, waits_for_disk, times, p50_ms, p95_ms, p99_ms, row_count, scale,
             machine, postgres_version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, current_setting('server_version'))",
    )
    .bind(target)
    .bind(i32::try_from(run.clients)?)
    .bind(run.waits_for_disk)
    .bind(i64::try_from(run.taken.len())?)
    .bind(run.at(50))
    .bind(run.at(95))
    .bind(run.at(99))
    .bind(i64::try_from(run.rows)?)
    .bind(outcome.shape.scale)
    .bind(&outcome.machine)
    .execute(connection)
    .await?;
    Ok(())
}

/// Everything that was measured.
#[derive(Debug)]
pub struct Outcome {
    /// On what.
    pub machine: String,
    /// Of which load.
    pub shape: Shape,
    /// What the tables take.
    pub tables: Vec<Table>,
    loaded: Duration,
    runs: Vec<(Stated, Vec<Run>)>,
}

impl Outcome {
    /// Nothing but the load yet.
    pub fn new(machine: String, shape: &Shape, loaded: Duration, tables: Vec<Table>) -> Self {
        Self { machine, shape: *shape, tables, loaded, runs: Vec::new() }
    }

    /// Adds a target's runs.
    pub fn add(&mut self, stated: Stated, runs: Vec<Run>) {
        self.runs.push((stated, runs));
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{}; scale {}, {} holders, loaded in {:.0} s",
            self.machine,
            self.shape.scale,
            self.shape.holders,
            self.loaded.as_secs_f64()
        )?;
        writeln!(
            out,
            "\n{:<38} {:>12} {:>10} {:>12} {:>12}",
            "table", "rows", "MB", "bytes a row", "with indexes"
        )?;
        for table in &self.tables {
            let rows = table.rows.max(1) as f64;
            writeln!(
                out,
                "{:<38} {:>12} {:>10} {:>12.0} {:>12.0}",
                table.name,
                table.rows,
                table.bytes >> 20,
                table.heap as f64 / rows,
                table.bytes as f64 / rows
            )?;
        }
        writeln!(
            out,
            "\n{:<30} {:>7} {:>9} {:>9} {:>9} {:>9} {:>10} {:>9} {:>9}  ten times",
            "target, ms", "figure", "p50", "p95", "p99", "server", "p95 of 4", "no disk", "rows"
        )?;
        for (stated, runs) in &self.runs {
            self.line(out, stated, runs)?;
        }
        Ok(())
    }
}

impl Outcome {
    fn line(&self, out: &mut fmt::Formatter<'_>, stated: &Stated, runs: &[Run]) -> fmt::Result {
        let find = |clients: usize, relaxed: bool| {
            runs.iter().find(|run| run.clients == clients && (run.waits_for_disk == Some(false)) == relaxed)
        };
        let Some(one) = find(1, false) else { return Ok(()) };
        let p95 = |run: Option<&Run>| run.map_or_else(|| "-".to_owned(), |run| format!("{:.2}", run.at(95)));
        let is_ten_times = |run: &Run| run.at(95) * 10.0 <= stated.bound;
        let verdict = match one.at(95) {
            _ if is_ten_times(one) => "yes",
            _ if find(1, true).is_some_and(is_ten_times) => "yes, but for the disk",
            time if time < stated.bound => "no, within the figure",
            _ => "no, missed",
        };
        writeln!(
            out,
            "{:<30} {:>7} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>10} {:>9} {:>9}  {verdict}",
            stated.target,
            stated.bound,
            one.at(50),
            one.at(95),
            one.at(99),
            one.server_ms,
            p95(find(4, false)),
            p95(find(1, true)),
            one.rows
        )
    }
}
