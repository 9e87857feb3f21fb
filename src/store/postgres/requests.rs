//! The one door for commands that write chain tables while a worker is alive: the worker executes, the command watches.

use serde_json::Value as Json;
use sqlx::types::Json as SqlJson;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::{int, silence};
use crate::store::StoreError;

/// What a command asks of the worker.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    /// Read a range again, compare it with the tables, and mend what differs where asked.
    Reread {
        /// First block.
        from: u64,
        /// Last block.
        to: u64,
        /// Whether to mend.
        repair: bool,
    },
    /// Take everything above a block back.
    Rewind {
        /// The block that stays.
        to: u64,
        /// Why, for the audit trail.
        reason: String,
    },
    /// Let a halted chain go on as it is.
    Resume {
        /// Why, for the system's events.
        reason: String,
    },
    /// Derive all tables anew from ground.
    Rebuild,
    /// The same, asked for by a migration that made tables or columns which ground has to fill: it waits for contracts
    /// that are catching up, where an operator is told.
    Upgrade,
}

/// How far a request is.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestState {
    /// `waiting`, `running`, `done` or `failed`.
    pub status: String,
    /// Last block done, while running.
    pub progress: Option<u64>,
    /// What came out, or why it failed.
    pub result: Option<Json>,
}

/// The requests of one chain.
#[derive(Debug, Clone)]
pub struct Requests {
    pool: PgPool,
    chain_id: u64,
}

impl Requests {
    /// Over a pool.
    pub fn new(pool: PgPool, chain_id: u64) -> Self {
        Self { pool, chain_id }
    }

    /// Hands a request in.
    ///
    /// # Errors
    /// The database's.
    pub async fn submit(&self, request: &Request) -> Result<Uuid, StoreError> {
        let id = Uuid::new_v4();
        let submitting = sqlx::query("insert into ops.requests (id, chain_id, request) values ($1, $2, $3)")
            .bind(id)
            .bind(int(self.chain_id))
            .bind(SqlJson(request))
            .execute(&self.pool);
        silence::answered("handing in a request", submitting).await.map(|_| id)
    }

    /// The oldest request that waits, or that a worker left unfinished, now marked as running; and whether one was left:
    /// it may have been carried out, and only the word of it be missing.
    ///
    /// # Errors
    /// The database's.
    pub async fn next(&self) -> Result<Option<(Uuid, Request, bool)>, StoreError> {
        let reading = sqlx::query(
            "with next as (
                 select id, status from ops.requests where chain_id = $1 and status in ('waiting', 'running')
                 order by submitted_at, id limit 1
             )
             update ops.requests r
             set status = 'running', started_at = coalesce(r.started_at, clock_timestamp())
             from next where r.id = next.id
             returning r.id, r.request, next.status = 'running'",
        )
        .bind(int(self.chain_id))
        .fetch_optional(&self.pool);
        let Some(row) = silence::answered("reading requests", reading).await? else { return Ok(None) };
        let (id, SqlJson(request)) = (row.get::<Uuid, _>(0), row.get::<SqlJson<Request>, _>(1));
        Ok(Some((id, request, row.get(2))))
    }

    /// Marks one request as running, like [`Requests::next`]; `None` when it is finished, else whether it was left.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(&self, id: Uuid) -> Result<Option<bool>, StoreError> {
        let beginning = sqlx::query_scalar(
            "with this as (select id, status from ops.requests where id = $1 and status in ('waiting', 'running'))
             update ops.requests r
             set status = 'running', started_at = coalesce(r.started_at, clock_timestamp())
             from this where r.id = this.id
             returning this.status = 'running'",
        )
        .bind(id)
        .fetch_optional(&self.pool);
        silence::answered("taking a request over", beginning).await
    }

    /// Puts a request that cannot be carried out yet behind all others.
    ///
    /// # Errors
    /// The database's.
    pub async fn postpone(&self, id: Uuid) -> Result<(), StoreError> {
        let postponing = sqlx::query(
            "update ops.requests set status = 'waiting', submitted_at = clock_timestamp()
             where id = $1 and status = 'running'",
        )
        .bind(id)
        .execute(&self.pool);
        silence::answered("postponing a request", postponing).await.map(drop)
    }

    /// Tells how far a request is.
    ///
    /// # Errors
    /// The database's.
    pub async fn progressed(&self, id: Uuid, block: u64) -> Result<(), StoreError> {
        let reporting = sqlx::query("update ops.requests set progress = $2 where id = $1")
            .bind(id)
            .bind(int(block))
            .execute(&self.pool);
        silence::answered("reporting progress", reporting).await.map(drop)
    }

    /// Ends a request that is running. What another worker finished stays as that one left it.
    ///
    /// # Errors
    /// The database's.
    pub async fn finished(&self, id: Uuid, outcome: Result<Json, String>) -> Result<(), StoreError> {
        let (status, result) = match outcome {
            Ok(result) => ("done", result),
            Err(reason) => ("failed", Json::String(reason)),
        };
        let finishing = sqlx::query(
            "update ops.requests set status = $2, result = $3, finished_at = clock_timestamp()
             where id = $1 and status = 'running'",
        )
        .bind(id)
        .bind(status)
        .bind(SqlJson(result))
        .execute(&self.pool);
        silence::answered("finishing a request", finishing).await.map(drop)
    }

    /// How far a request is; `None` for an unknown one.
    ///
    /// # Errors
    /// The database's.
    pub async fn state(&self, id: Uuid) -> Result<Option<RequestState>, StoreError> {
        let reading = sqlx::query("select status, progress, result from ops.requests where id = $1")
            .bind(id)
            .fetch_optional(&self.pool);
        let row = silence::answered("reading a request", reading).await?;
        Ok(row.map(|row| RequestState {
            status: row.get(0),
            progress: row.get::<Option<i64>, _>(1).and_then(|block| u64::try_from(block).ok()),
            result: row.get::<Option<SqlJson<Json>>, _>(2).map(|json| json.0),
        }))
    }
}
