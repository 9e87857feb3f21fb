//! What the application's tables need now and then, where schema `app` is there: months ahead, and seals of the trails.

use std::time::Duration;

use sqlx::PgPool;

use crate::observe::Board;

/// How often partitions are looked after.
pub(super) const EVERY: Duration = Duration::from_secs(3600);
/// How many months are made ahead.
const AHEAD: i32 = 3;
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the months that are missing, tells how many there are now, and seals the trails. That months could not be made is
/// told by the metric, which stays; what could not be sealed is sealed the next time.
pub(super) async fn look_after(board: &Board, pool: &PgPool) {
    let looking = async {
        // By the catalogue: where there is no application, there is no right on its schema either.
        let is_there: bool = sqlx::query_scalar(
            "select exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
             where n.nspname = 'app' and p.proname = 'ensure_months')",
        )
        .fetch_one(pool)
        .await?;
        if is_there {
            let made: i32 =
                sqlx::query_scalar("select app.ensure_months($1)").bind(AHEAD).fetch_one(pool).await?;
            let ahead: i32 = sqlx::query_scalar("select app.months_ahead()").fetch_one(pool).await?;
            board.partitions_ahead(ahead);
            tracing::debug!(made, ahead, "partitions of the application's monthly tables");
            seal(pool).await?;
        }
        Ok::<(), sqlx::Error>(())
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the application's tables could not be looked after"),
        Err(_) => tracing::warn!("the application's tables could not be looked after in time"),
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
