//! The application's tables that are partitioned by month must not run out of months: whoever writes chains makes theirs
//! too, where schema `app` is there.

use std::time::Duration;

use sqlx::PgPool;

use crate::observe::Board;

/// How often partitions are looked after.
pub(super) const EVERY: Duration = Duration::from_secs(3600);
/// How many months are made ahead.
const AHEAD: i32 = 3;
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes what is missing, and tells how many months there are now. That it failed is told by the metric, which stays.
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
        }
        Ok::<(), sqlx::Error>(())
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the application's partitions could not be looked after"),
        Err(_) => tracing::warn!("the application's partitions could not be looked after in time"),
    }
}
