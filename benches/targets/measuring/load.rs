//! The load: insert-select in three sessions at once, with the indexes put aside; then snapshots of the large register.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{CHAIN, Failed, Shape};

const BEFORE: &str = include_str!("../load/before.sql");
const CHAIN_ROWS: &str = include_str!("../load/chain.sql");
const MOVEMENTS: &str = include_str!("../load/movements.sql");
const PEOPLE: &str = include_str!("../load/people.sql");
const TRAILS: &str = include_str!("../load/trails.sql");
const AFTER: &str = include_str!("../load/after.sql");

/// Loads an empty, migrated database; gives how long it took.
///
/// # Errors
/// The database's.
pub async fn load(options: &PgConnectOptions, shape: &Shape, tells: bool) -> Result<Duration, Failed> {
    let began = Instant::now();
    let tell = |what: &str| {
        if tells {
            eprintln!("{:>5.0} s  {what}", began.elapsed().as_secs_f64());
        }
    };
    tell("staging");
    let mut connection = PgConnection::connect_with(options).await?;
    connection.execute(AssertSqlSafe(shape.put_into(BEFORE))).await?;
    tell("rows");
    tokio::try_join!(
        session(options, shape, &[CHAIN_ROWS]),
        session(options, shape, &[MOVEMENTS]),
        session(options, shape, &[PEOPLE, TRAILS]),
    )?;
    tell("indexes");
    connection.execute(AFTER).await?;
    tell("vacuum");
    connection.execute("vacuum analyze").await?;
    tell("snapshots");
    let take = format!("select from ops.take_snapshot({CHAIN})");
    while sqlx::query(AssertSqlSafe(take.clone())).fetch_optional(&mut connection).await?.is_some() {}
    connection.execute("vacuum analyze ops.register_positions").await?;
    connection.execute("checkpoint").await?;
    connection.close().await?;
    tell("loaded");
    Ok(began.elapsed())
}

async fn session(options: &PgConnectOptions, shape: &Shape, files: &[&str]) -> Result<(), Failed> {
    let mut connection = PgConnection::connect_with(options).await?;
    for sql in files {
        connection.execute(AssertSqlSafe(shape.put_into(sql))).await?;
    }
    Ok(connection.close().await?)
}
