//! The one door for commands that write chain tables while a worker is alive: the worker executes, the command watches.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use sqlx::types::Json as SqlJson;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::{int, silence};
use crate::store::StoreError;

/// How often a request is begun: one that a worker left unfinished so often has ended all of them, and would end the next.
const STARTS_MAX: i64 = 3;

/// What is told of such a request.
const ENDED_ITS_WORKERS: &str = "worker_ended: a worker began it three times, and ended each time before it did (out of \
    memory, or killed); it is not begun again: look at what ended the worker, and hand it in anew, or for less";

/// What is told of a request that was taken back while it waited.
const WITHDRAWN: &str = "withdrawn";

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

/// A request that was taken up.
struct Taken {
    id: Uuid,
    request: Request,
    /// A worker began it before, and is gone.
    left: bool,
    /// Workers ended over it too often: it is failed instead.
    given_up: bool,
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
        self.submit_as(id, request).await.map(|()| id)
    }

    /// The same under an id of the caller's, who can ask for it when it is not known whether the database took it.
    ///
    /// # Errors
    /// The database's.
    pub async fn submit_as(&self, id: Uuid, request: &Request) -> Result<(), StoreError> {
        let submitting = sqlx::query("insert into ops.requests (id, chain_id, request) values ($1, $2, $3)")
            .bind(id)
            .bind(int(self.chain_id))
            .bind(SqlJson(request))
            .execute(&self.pool);
        silence::answered("handing in a request", submitting).await.map(drop)
    }

    /// The database's time: requests are compared by it.
    ///
    /// # Errors
    /// The database's.
    pub async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        let asking = sqlx::query_scalar("select clock_timestamp()").fetch_one(&self.pool);
        silence::answered("reading the time", asking).await
    }

    /// Keeps what a command carried out itself, where no worker was alive: what is told of requests ("days wait until a rebuild is
    /// done") is told of it too.
    ///
    /// # Errors
    /// The database's.
    pub async fn carried_out(
        &self,
        request: &Request,
        began: DateTime<Utc>,
        result: &Json,
    ) -> Result<(), StoreError> {
        let keeping = sqlx::query(
            "insert into ops.requests (id, chain_id, request, status, submitted_at, started_at, finished_at, result)
             values ($1, $2, $3, 'done', $4, $4, clock_timestamp(), $5)",
        )
        .bind(Uuid::new_v4())
        .bind(int(self.chain_id))
        .bind(SqlJson(request))
        .bind(began)
        .bind(SqlJson(result))
        .execute(&self.pool);
        silence::answered("keeping what was carried out", keeping).await.map(drop)
    }

    /// The oldest request that waits, or that a worker left unfinished, now marked as running; and whether one was left:
    /// it may have been carried out, and only the word of it be missing. One that was left three times is failed, and the
    /// next one taken, unless a migration asked for it.
    ///
    /// # Errors
    /// The database's.
    pub async fn next(&self) -> Result<Option<(Uuid, Request, bool)>, StoreError> {
        while let Some(taken) = self.take(None).await? {
            if !taken.given_up {
                return Ok(Some((taken.id, taken.request, taken.left)));
            }
        }
        Ok(None)
    }

    /// Marks one request as running, like [`Requests::next`]; `None` when it is finished or failed, else whether it was left.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(&self, id: Uuid) -> Result<Option<bool>, StoreError> {
        let taken = self.take(Some(id)).await?;
        Ok(taken.filter(|taken| !taken.given_up).map(|taken| taken.left))
    }

    /// Takes a request up, or the oldest; counted in the same statement, which is committed before the work begins.
    async fn take(&self, only: Option<Uuid>) -> Result<Option<Taken>, StoreError> {
        // Locked where it is read: one that is withdrawn at this moment is not taken, and the other way round.
        let taking = sqlx::query(
            "with next as (
                 select o.id, o.status, o.status = 'running' and coalesce(s.starts, 0) >= $3
                     and o.request ->> 'kind' is distinct from 'upgrade' as given_up
                 from ops.requests o left join ops.request_starts s on s.request_id = o.id
                 where o.chain_id = $1 and o.status in ('waiting', 'running') and ($2::uuid is null or o.id = $2)
                 order by o.submitted_at, o.id limit 1
                 for update of o
             ),
             counted as (
                 insert into ops.request_starts as s (request_id, starts) select id, 1 from next where not given_up
                 on conflict (request_id) do update set starts = s.starts + 1
             )
             update ops.requests r
             set status = case when next.given_up then 'failed' else 'running' end,
                 started_at = coalesce(r.started_at, clock_timestamp()),
                 result = case when next.given_up then to_jsonb($4::text) else r.result end,
                 finished_at = case when next.given_up then clock_timestamp() else r.finished_at end
             from next where r.id = next.id
             returning r.id, r.request, next.status = 'running', next.given_up",
        )
        .bind(int(self.chain_id))
        .bind(only)
        .bind(STARTS_MAX)
        .bind(ENDED_ITS_WORKERS)
        .fetch_optional(&self.pool);
        let Some(row) = silence::answered("reading requests", taking).await? else { return Ok(None) };
        let SqlJson(request) = row.get::<SqlJson<Request>, _>(1);
        let taken = Taken { id: row.get(0), request, left: row.get(2), given_up: row.get(3) };
        if taken.given_up {
            tracing::error!(id = %taken.id, request = ?taken.request, reason = ENDED_ITS_WORKERS, "a request is given up");
        }
        Ok(Some(taken))
    }

    /// Takes a request back that no worker has begun; false where there is none such. What a migration asked for stays: the
    /// tables need it.
    ///
    /// # Errors
    /// The database's.
    pub async fn withdraw(&self, id: Uuid) -> Result<bool, StoreError> {
        let withdrawing = sqlx::query(
            "update ops.requests set status = 'failed', result = to_jsonb($3::text), finished_at = clock_timestamp()
             where chain_id = $1 and id = $2 and status = 'waiting' and request ->> 'kind' is distinct from 'upgrade'",
        )
        .bind(int(self.chain_id))
        .bind(id)
        .bind(WITHDRAWN)
        .execute(&self.pool);
        silence::answered("withdrawing a request", withdrawing).await.map(|done| done.rows_affected() > 0)
    }

    /// Whether an operator's request waits. If so, it is taken before what a migration asked for, which is put behind it.
    ///
    /// # Errors
    /// The database's.
    pub async fn operators_wait(&self) -> Result<bool, StoreError> {
        let asking = sqlx::query_scalar(
            "with operators as (
                 select exists (
                     select from ops.requests
                     where chain_id = $1 and status in ('waiting', 'running') and request ->> 'kind' <> 'upgrade') as there
             ), behind as (
                 update ops.requests set submitted_at = clock_timestamp()
                 where chain_id = $1 and status = 'waiting' and request ->> 'kind' = 'upgrade'
                     and (select there from operators)
             )
             select there from operators",
        )
        .bind(int(self.chain_id))
        .fetch_one(&self.pool);
        silence::answered("looking for requests", asking).await
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

    /// A worker that is told to stop leaves what it had begun: that is no end that the request brought about, and not counted,
    /// unless the request was first begun more than a day ago (it may be what made somebody stop the worker each time). Said while
    /// the lease is held, before the next one begins it; without the lease nothing is changed.
    ///
    /// # Errors
    /// The database's.
    pub async fn left_in_order(&self, id: Uuid, epoch: Uuid) -> Result<(), StoreError> {
        let leaving = sqlx::query(
            "update ops.request_starts s set starts = s.starts - 1
             from ops.requests r join ops.leases l on l.chain_id = r.chain_id
             where r.id = $2 and s.request_id = r.id and r.chain_id = $1 and l.epoch = $3 and r.status = 'running'
                 and s.starts > 0 and r.started_at > clock_timestamp() - interval '1 day'",
        )
        .bind(int(self.chain_id))
        .bind(id)
        .bind(epoch)
        .execute(&self.pool);
        silence::answered("leaving a request", leaving).await.map(drop)
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
