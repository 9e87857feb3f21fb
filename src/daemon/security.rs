//! What the application's logs and the catalogue tell of security, where schema `app` is there: numbers for the metric.

use std::time::Duration;

use sqlx::PgPool;

use crate::observe::Board;

/// How often it is looked at.
pub(super) const EVERY: Duration = Duration::from_secs(60);
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts the findings of the last hour. What could not be counted keeps its last figure, and is told in the log.
pub(super) async fn look(board: &Board, pool: &PgPool) {
    let looking = async {
        // By the catalogue: where there is no application, there is no right on its schema either.
        let is_there: bool = sqlx::query_scalar(
            "select exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
             where n.nspname = 'app' and p.proname = 'security_figures')",
        )
        .fetch_one(pool)
        .await?;
        if !is_there {
            return Ok(Vec::new());
        }
        sqlx::query_as::<_, (String, i64)>("select kind, figure from app.security_figures()")
            .fetch_all(pool)
            .await
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(Ok(figures)) => {
            figures.into_iter().for_each(|(kind, figure)| board.security_findings(kind, figure))
        }
        Ok(Err(error)) => tracing::warn!(%error, "the findings of security could not be counted"),
        Err(_) => tracing::warn!("the findings of security could not be counted in time"),
    }
}
