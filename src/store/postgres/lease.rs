//! The right to write a chain's tables: held by one process at a time, told apart by a random epoch.
//!
//! A lease expires by the database's clock, so that a second replica takes over from one that died or was paused. What
//! keeps a paused writer harmless is not the clock but the epoch: every commit locks and checks it.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::{int, silence};
use crate::store::StoreError;

/// How long a lease lasts without a sign of life.
pub const LEASE: Duration = Duration::from_secs(5);

/// How long a writer's connection may be silent in the middle of a COPY once its lease is over, or another's.
const SILENCE: Duration = Duration::from_secs(10);

/// How often the holder of a lease gives a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// SQLSTATE of a lock that was waited for too long.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// What the connection that writes a chain is called in `pg_stat_activity`: several chains may share a database.
pub(super) fn writer_name(chain_id: u64) -> String {
    format!("asset-indexer writer {chain_id}")
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Lease {
    pool: PgPool,
    chain_id: u64,
    epoch: Uuid,
    holder: String,
}

impl Lease {
    /// A claim to write a chain's tables, not yet made good; `holder` is for people.
    pub fn new(pool: PgPool, chain_id: u64, holder: String) -> Self {
        Self { pool, chain_id, epoch: Uuid::new_v4(), holder }
    }

    /// What tells this writer from every other, also after a restore from a backup.
    pub fn epoch(&self) -> Uuid {
        self.epoch
    }

    /// Takes the lease when nobody holds it.
    ///
    /// # Errors
    /// The database's.
    pub async fn acquire(&self) -> Result<bool, StoreError> {
        let acquiring = async {
            match self.try_acquire().await {
                // The holder's transaction is under way. A living holder ends it and goes on; a paused one has to be
                // ended.
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(LOCK_NOT_AVAILABLE) => {
                    self.end_paused_writer().await.map(|()| false)
                }
                tried => tried,
            }
        };
        silence::answered("taking the lease", acquiring).await
    }

    async fn try_acquire(&self) -> Result<bool, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("set local lock_timeout = '1s'").execute(&mut *transaction).await?;
        let taken = sqlx::query(
            "insert into ops.leases as l (chain_id, epoch, holder, acquired_at, expires_at)
             values ($1, $2, $3, clock_timestamp(), clock_timestamp() + $4)
             on conflict (chain_id) do update
             set epoch = excluded.epoch, holder = excluded.holder, acquired_at = excluded.acquired_at,
                 expires_at = excluded.expires_at
             where l.expires_at < clock_timestamp() or l.epoch = excluded.epoch
             returning 1",
        )
        .bind(int(self.chain_id))
        .bind(self.epoch)
        .bind(&self.holder)
        .bind(LEASE)
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(taken.is_some())
    }

    /// Ends the connection of a writer whose lease is over and that has been silent in the middle of a COPY.
    async fn end_paused_writer(&self) -> Result<(), sqlx::Error> {
        self.end_silent("l.expires_at < clock_timestamp() - $3").await
    }

    /// Gives a sign of life. False when another holds the lease now.
    ///
    /// # Errors
    /// The database's.
    pub async fn renew(&self) -> Result<bool, StoreError> {
        let renewing = async {
            let mut connection = self.pool.acquire().await?;
            match extend(&mut connection, self.chain_id, self.epoch).await {
                Ok(()) => Ok(true),
                Err(sqlx::Error::RowNotFound) => Ok(false),
                Err(error) => Err(error),
            }
        };
        silence::answered("renewing the lease", renewing).await
    }

    /// Ends the connections of earlier writers that are silent in the middle of a COPY: a rebuild's locks no row of the
    /// lease, so that the lease was taken beside it, and its locks on the tables would stay.
    async fn end_silent_predecessors(&self) -> Result<(), StoreError> {
        let ours = format!("l.epoch = '{}' and a.backend_start < l.acquired_at", self.epoch);
        let ending = self.end_silent(&ours);
        silence::answered("looking for earlier writers", ending).await
    }

    /// Ends the chain's writers that are silent in the middle of a COPY, where their connection (a) and the chain's lease (l) are
    /// so: the server waits for their rows, and there neither a statement's nor an idle transaction's timeout counts.
    async fn end_silent(&self, are_so: &str) -> Result<(), sqlx::Error> {
        let sql = format!(
            "select pg_terminate_backend(a.pid) from pg_stat_activity a join ops.leases l on l.chain_id = $1
             where a.datname = current_database() and a.usename = current_user and a.application_name = $2
                 and a.state = 'active' and a.wait_event = 'ClientRead' and a.query_start < clock_timestamp() - $3
                 and {are_so}"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(int(self.chain_id))
            .bind(writer_name(self.chain_id))
            .bind(SILENCE)
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// Gives signs of life, and returns once the lease is another's.
    pub async fn keep(&self) {
        let mut looked = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            if looked.elapsed() > SILENCE {
                looked = tokio::time::Instant::now();
                if let Err(error) = self.end_silent_predecessors().await {
                    tracing::warn!(%error, "earlier writers could not be looked for");
                }
            }
            match self.renew().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "no sign of life could be given"),
            }
        }
    }

    /// Gives the lease up, so that another takes over at once.
    ///
    /// # Errors
    /// The database's.
    pub async fn release(&self) -> Result<(), StoreError> {
        let releasing =
            sqlx::query("update ops.leases set expires_at = '-infinity' where chain_id = $1 and epoch = $2")
                .bind(int(self.chain_id))
                .bind(self.epoch)
                .execute(&self.pool);
        silence::answered("releasing the lease", releasing).await.map(drop)
    }

    /// Who holds the lease now, if anybody.
    ///
    /// # Errors
    /// The database's.
    pub async fn current_holder(&self) -> Result<Option<String>, StoreError> {
        let reading = sqlx::query_scalar(
            "select holder from ops.leases where chain_id = $1 and expires_at >= clock_timestamp()",
        )
        .bind(int(self.chain_id))
        .fetch_optional(&self.pool);
        silence::answered("reading the lease", reading).await
    }
}

/// Locks our lease's row and moves its expiry; [`sqlx::Error::RowNotFound`] when it is another's.
pub(super) async fn extend(
    connection: &mut PgConnection,
    chain_id: u64,
    epoch: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update ops.leases set expires_at = clock_timestamp() + $3
         where chain_id = $1 and epoch = $2 and expires_at <> '-infinity' returning 1",
    )
    .bind(int(chain_id))
    .bind(epoch)
    .bind(LEASE)
    .fetch_one(connection)
    .await
    .map(drop)
}
