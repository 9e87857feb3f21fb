//! How long a statement takes: by one client, warm, then by four at once; writes also without waiting for the disk.
//!
//! Statements are prepared once and keep their plan (`plan_cache_mode = force_generic_plan`, as the tests plan the documented
//! questions): planning the wide views anew takes several times as long as asking them.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::draw::{Draw, Pools};
use super::statements::Statement;
use super::{Failed, Manner, machine};

/// The least that is measured, however long one takes.
const TIMES_MIN: usize = 3;
/// Askings before those that count.
const WARM: usize = 8;

/// What one kind of asking took.
#[derive(Debug, Clone)]
pub struct Run {
    /// How many asked at once.
    pub clients: usize,
    /// Of a write: whether its commit waited for the disk.
    pub waits_for_disk: Option<bool>,
    /// How long each asking took, the shortest first.
    pub taken: Vec<Duration>,
    /// Rows that came, or were written.
    pub rows: u64,
    /// Processor time of the server for one asking.
    pub server_ms: f64,
}

impl Run {
    /// The time that so many of a hundred askings did not exceed, in milliseconds.
    pub fn at(&self, share: usize) -> f64 {
        let place = (self.taken.len() * share).div_ceil(100).max(1) - 1;
        self.taken.get(place).map_or(0.0, |taken| taken.as_secs_f64() * 1e3)
    }

    /// Runs of several clients as one.
    pub fn together(runs: Vec<Self>) -> Self {
        let clients = runs.len();
        let mut all = Self { clients, waits_for_disk: None, taken: Vec::new(), rows: 0, server_ms: 0.0 };
        for run in runs {
            all.waits_for_disk = run.waits_for_disk;
            all.rows += run.rows;
            all.server_ms += run.server_ms / clients as f64;
            all.taken.extend(run.taken);
        }
        all.taken.sort_unstable();
        all
    }
}

/// Measures a statement in all its manners.
///
/// # Errors
/// The database's.
pub async fn statement(
    options: &PgConnectOptions,
    statement: &Statement,
    pools: &Pools,
    manner: Manner,
) -> Result<Vec<Run>, Failed> {
    let manners: &[(usize, Option<bool>)] = match statement.writes {
        true => &[(1, Some(true)), (4, Some(true)), (1, Some(false))],
        false => &[(1, None), (4, None)],
    };
    let mut runs = Vec::new();
    for (clients, waits) in manners {
        let asking =
            (0..*clients).map(|client| client_runs(options, statement, pools, manner, client, *waits));
        runs.push(Run::together(futures_util::future::try_join_all(asking).await?));
    }
    Ok(runs)
}

async fn client_runs(
    options: &PgConnectOptions,
    statement: &Statement,
    pools: &Pools,
    manner: Manner,
    client: usize,
    waits: Option<bool>,
) -> Result<Run, Failed> {
    let mut connection = PgConnection::connect_with(options).await?;
    let server: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await?;
    let commit = if waits == Some(false) { "off" } else { "on" };
    let settings = format!(
        "select set_config('app.tenant', md5('tenant0')::uuid::text, false);
         set synchronous_commit = {commit}; set plan_cache_mode = force_generic_plan; set role {}",
        statement.role
    );
    connection.execute(AssertSqlSafe(settings)).await?;
    let mut draw = Draw::new(pools, client as u64);
    let times = (manner.times / statement.seldom).max(TIMES_MIN);
    let mut run = Run { clients: 1, waits_for_disk: waits, taken: Vec::new(), rows: 0, server_ms: 0.0 };
    for _ in 0..WARM.min(times) {
        ask(&mut connection, statement, (statement.draw)(&mut draw)).await?;
    }
    let (began, processor) = (Instant::now(), machine::processor_ms(server)?);
    while run.taken.len() < times && (run.taken.len() < TIMES_MIN || began.elapsed() < manner.patience) {
        let parameters = (statement.draw)(&mut draw);
        let asked = Instant::now();
        run.rows += ask(&mut connection, statement, parameters).await?;
        run.taken.push(asked.elapsed());
    }
    run.server_ms = (machine::processor_ms(server)? - processor) / run.taken.len() as f64;
    connection.close().await?;
    run.taken.sort_unstable();
    Ok(run)
}

async fn ask(
    connection: &mut PgConnection,
    statement: &Statement,
    parameters: Vec<String>,
) -> Result<u64, Failed> {
    let mut query = sqlx::query(AssertSqlSafe(statement.sql.clone()));
    for parameter in parameters {
        query = query.bind(parameter);
    }
    match statement.writes {
        true => Ok(query.execute(connection).await?.rows_affected()),
        false => Ok(query.fetch_all(connection).await?.len() as u64),
    }
}
