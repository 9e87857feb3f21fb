//! What tables need now and then: the log of commits is trimmed and snapshots of large registers are made; where schema
//! `app` is there, months ahead, seals of the trails, violations that the chain shows, and what issuers, topics and keys
//! did to verdicts.

use std::future::Future;
use std::time::Duration;

use sqlx::PgPool;

use crate::observe::{ApplicationLook, Board};

/// How often partitions are looked after.
pub(super) const EVERY: Duration = Duration::from_secs(3600);
/// How many months are made ahead.
const AHEAD: i32 = 3;
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one snapshot, or one sweep, may take.
const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(600);

/// Whether schema `app` is there and has a function of that name. By the catalogue: where there is no application, there is
/// no right on its schema either.
pub(super) async fn application_has(pool: &PgPool, function: &str) -> Result<bool, sqlx::Error> {
    let sql = "select exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname = 'app' and p.proname = $1)";
    sqlx::query_scalar(sql).bind(function).fetch_one(pool).await
}

/// Whether a look at the application can be taken: schema `app` has the table that it is about. By the catalogue, too.
///
/// # Errors
/// The database's, and where the function that tells of the table is not there: somebody took it away, which is not to pass for
/// a database without the application.
pub(super) async fn can_look(pool: &PgPool, table: &str, function: &str) -> Result<bool, sqlx::Error> {
    let sql = "select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'app' and c.relname = $1)";
    let is_there: bool = sqlx::query_scalar(sql).bind(table).fetch_one(pool).await?;
    if is_there && !application_has(pool, function).await? {
        return Err(sqlx::Error::Configuration(format!("app.{function} is not there").into()));
    }
    Ok(is_there)
}

/// What work gives that ends in time. Else `failed` is told in the log, and it is done the next time: nothing depends on it.
pub(super) async fn in_time<T>(
    patience: Duration,
    failed: &str,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Option<T> {
    match tokio::time::timeout(patience, work).await {
        Ok(Ok(done)) => return Some(done),
        Ok(Err(error)) => tracing::warn!(%error, "{failed}"),
        Err(_) => tracing::warn!("{failed} in time"),
    }
    None
}

/// How many indexes wait for the end of the first load: what reads much would read whole tables until then.
pub(super) async fn deferred_indexes(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let count: i64 = sqlx::query_scalar("select count(*) from ops.deferred_indexes").fetch_one(pool).await?;
    Ok(count.unsigned_abs())
}

/// Trims the log of commits and makes the snapshots that are due unless they are switched off, one transaction each; takes long where a large register
/// was just backfilled, so nobody waits for it. What fails is done the next time: without snapshots the register's past
/// is read more slowly, and no less right.
pub(super) async fn snapshots(pool: PgPool, chain_id: u64, take: bool) {
    let working = async {
        let trimmed: i64 = sqlx::query_scalar("select ops.trim_commits()").fetch_one(&pool).await?;
        let swept: i64 = sqlx::query_scalar("select ops.sweep_snapshots()").fetch_one(&pool).await?;
        tracing::debug!(trimmed, swept, "log of commits and snapshots");
        if !take {
            return Ok(());
        }
        // The supply of old blocks would be counted without what is in archives alone, and the snapshot outlive that.
        let archived: Option<i64> = sqlx::query_scalar("select api.archived_below($1)")
            .bind(i64::try_from(chain_id).unwrap_or(i64::MAX))
            .fetch_one(&pool)
            .await?;
        if archived.is_some() {
            return Ok(());
        }
        loop {
            let taking = sqlx::query_as::<_, (uuid::Uuid, i64, i64)>(
                "select asset_id, block_number, positions from ops.take_snapshot($1)",
            )
            .bind(i64::try_from(chain_id).unwrap_or(i64::MAX))
            .fetch_optional(&pool);
            let Ok(taken) = tokio::time::timeout(SNAPSHOT_PATIENCE, taking).await else {
                tracing::warn!("a snapshot of a register was not made in time");
                return Ok(());
            };
            let Some((asset, block, positions)) = taken? else { return Ok(()) };
            tracing::info!(%asset, block, positions, "snapshot of a register");
        }
    };
    if let Err::<(), sqlx::Error>(error) = working.await {
        tracing::warn!(%error, "snapshots of registers could not be looked after");
    }
}

/// Opens and clears the violations that the chain shows, where schema `app` is there. A large register takes a while, so
/// nobody waits for it; what fails is found the next time.
pub(super) async fn violations(pool: PgPool, chain_id: u64) {
    let finding = async {
        if application_has(&pool, "find_violations").await? {
            let (opened, cleared): (i64, i64) =
                sqlx::query_as("select opened, cleared from app.find_violations($1)")
                    .bind(i64::try_from(chain_id).unwrap_or(i64::MAX))
                    .fetch_one(&pool)
                    .await?;
            if opened + cleared > 0 {
                tracing::info!(opened, cleared, "violations that the chain shows");
            }
        }
        Ok::<(), sqlx::Error>(())
    };
    in_time(SNAPSHOT_PATIENCE, "violations that the chain shows could not be looked for", finding).await;
}

/// Logs what events of wide effect did to the verdicts of registries, where schema `app` is there; a piece a transaction, so
/// that what is done stays done.
pub(super) async fn verdicts(pool: PgPool, chain_id: u64) {
    let logging = async {
        if !application_has(&pool, "log_verdicts").await? {
            return Ok(());
        }
        loop {
            let logged: i32 = sqlx::query_scalar("select app.log_verdicts($1)")
                .bind(i64::try_from(chain_id).unwrap_or(i64::MAX))
                .fetch_one(&pool)
                .await?;
            if logged == 0 {
                return Ok::<(), sqlx::Error>(());
            }
            tracing::info!(logged, "what issuers, topics and keys did to verdicts");
        }
    };
    in_time(SNAPSHOT_PATIENCE, "changes of verdicts could not all be logged", logging).await;
}

/// Makes the months that are missing, tells how many there are now, and seals the trails unless that is switched off; each
/// whatever became of the others. That months could not be made or counted is told by a metric; what could not be sealed is
/// sealed the next time.
pub(super) async fn look_after(board: &Board, pool: &PgPool, seals: bool) {
    let making = async {
        if can_look(pool, "monthly_tables", "ensure_months").await? {
            let made: i32 =
                sqlx::query_scalar("select app.ensure_months($1)").bind(AHEAD).fetch_one(pool).await?;
            tracing::debug!(made, "partitions of the application's monthly tables");
        }
        Ok::<(), sqlx::Error>(())
    };
    let made = in_time(PATIENCE, "the application's months could not be made", making).await;
    let counting = async {
        if !can_look(pool, "monthly_tables", "months_ahead").await? {
            return Ok(None);
        }
        sqlx::query_scalar::<_, i32>("select app.months_ahead()").fetch_one(pool).await.map(Some)
    };
    // Also where they could not be made: then they run out.
    let counted = in_time(PATIENCE, "the application's months could not be counted", counting).await;
    if let Some(Some(ahead)) = counted {
        board.partitions_ahead(ahead);
    }
    board.unseen(ApplicationLook::Months, made.is_none() || counted.is_none());
    if seals {
        let sealing = async {
            if application_has(pool, "seal_trail").await? {
                seal(pool).await?;
            }
            Ok::<(), sqlx::Error>(())
        };
        in_time(PATIENCE, "the application's trails could not be sealed", sealing).await;
    }
}

/// The newest seal is told in the log, out of reach of whoever may alter tables.
async fn seal(pool: &PgPool) -> Result<(), sqlx::Error> {
    for trail in ["audit_trail", "system_changes"] {
        let last: Option<i64> =
            sqlx::query_scalar("select app.trail_end($1)").bind(trail).fetch_one(pool).await?;
        let seals: i64 = sqlx::query_scalar("select app.seal_trail($1, $2)")
            .bind(trail)
            .bind(last)
            .fetch_one(pool)
            .await?;
        if seals > 0 {
            let digest: Option<String> =
                sqlx::query_scalar("select app.newest_seal($1)").bind(trail).fetch_one(pool).await?;
            tracing::info!(trail, last, digest, "sealed");
        }
    }
    Ok(())
}
