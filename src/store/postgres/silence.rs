//! Notices that nobody answers any more.
//!
//! A peer that is lost without a word (its power, a firewall that forgot the connection) leaves a socket on which
//! nothing ever arrives. The writer would wait for it for ever, and meanwhile keep its lease through another
//! connection. Long work is not silence, though: folding a large register anew may keep one statement busy for long. So
//! the writer's work has no deadline. While it lasts, the server is asked over a connection of its own what the writer's
//! backend does; only when it waits for us, is gone, or nobody can be asked, the connection is given up.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row as _};
use tokio::time::{sleep, timeout};

use super::{failed, lift_timeouts};
use crate::store::StoreError;

/// How long work may last before the server is asked about it, and between two questions.
const GLANCE: Duration = Duration::from_secs(5);

/// How long the server may take to accept a connection.
const ACCEPT: Duration = Duration::from_secs(10);

/// How long it may take to answer a question about a connection, on a new one.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a small statement beside the writer may take: a sign of life, a look at the requests. It may have to wait
/// for the writer's own transaction.
const SMALL: Duration = Duration::from_secs(20);

/// So many questions in a row without any answer, and nobody is there.
const UNANSWERED_MAX: u32 = 3;

/// What the server says of the writer's backend.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    /// It works, or waits for something of the server's own.
    Works,
    /// It waits for us, since this moment and with so many bytes of a COPY read.
    Waits(String),
    /// It is not there.
    Gone,
}

/// Connects within bounded time, for work that may take long; also tells the number of the server's process.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<(PgConnection, i32), sqlx::Error> {
    let connecting = async {
        let mut connection = PgConnection::connect_with(options).await?;
        lift_timeouts(&mut connection).await?;
        let process = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await?;
        Ok((connection, process))
    };
    timeout(ACCEPT, connecting).await.unwrap_or_else(|_| Err(silent("it takes no connections")))
}

/// What the work on a connection comes to, or an error once the connection is dead. The connection must then be
/// dropped, as after any error.
pub(super) async fn watched<T>(
    options: &PgConnectOptions,
    process: i32,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::select! {
        done = work => done,
        silence = silence(options, process) => Err(silence),
    }
}

async fn silence(options: &PgConnectOptions, process: i32) -> sqlx::Error {
    let (mut waits, mut unanswered) = (None, 0);
    loop {
        sleep(GLANCE).await;
        match timeout(ANSWER, look(options, process)).await {
            Ok(Ok(Seen::Gone)) => return silent("its process for this connection is gone"),
            Ok(Ok(Seen::Waits(since))) if waits.as_ref() == Some(&since) => {
                return silent("it waits for us, and we for it: the connection is dead");
            }
            Ok(Ok(Seen::Waits(since))) => (waits, unanswered) = (Some(since), 0),
            // Too many connections, say: it is alive.
            Ok(Ok(Seen::Works) | Err(sqlx::Error::Database(_))) => (waits, unanswered) = (None, 0),
            Ok(Err(_)) | Err(_) => unanswered += 1,
        }
        if unanswered == UNANSWERED_MAX {
            return silent("it answers on no connection");
        }
    }
}

async fn look(options: &PgConnectOptions, process: i32) -> Result<Seen, sqlx::Error> {
    let options = options.clone().application_name("asset-indexer");
    let mut connection = PgConnection::connect_with(&options).await?;
    let row = sqlx::query(
        "select coalesce(state like 'idle%' or state = 'active' and wait_event = 'ClientRead', false),
             format('%s %s', state_change, (select bytes_processed from pg_stat_progress_copy where pid = $1))
         from pg_stat_activity where pid = $1 and usename = current_user",
    )
    .bind(process)
    .fetch_optional(&mut connection)
    .await?;
    // Its answer came, so the way is open; that the server hears of the end is not worth waiting for.
    drop(connection.close_hard().await);
    Ok(match row {
        None => Seen::Gone,
        Some(row) if row.try_get(0)? => Seen::Waits(row.try_get(1)?),
        Some(_) => Seen::Works,
    })
}

/// The answer to a small statement, or an error when it does not come.
pub(super) async fn answered<T>(
    during: &'static str,
    asking: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match timeout(SMALL, asking).await {
        Ok(answer) => answer.map_err(|error| failed(during, &error)),
        Err(_) => {
            let reason = format!("no answer within {} s", SMALL.as_secs());
            Err(StoreError::Unavailable { during, reason })
        }
    }
}

fn silent(what: &str) -> sqlx::Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, format!("the server is silent: {what}")).into()
}
