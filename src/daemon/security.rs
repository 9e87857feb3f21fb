//! What the application's logs and the catalogue tell of security, where schema `app` is there: numbers for the metric.

use std::time::Duration;

use sqlx::PgPool;

use super::upkeep::{can_look, in_time};
use crate::observe::{ApplicationLook, Board};

/// How often it is looked at.
pub(super) const EVERY: Duration = Duration::from_secs(60);
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts the findings of the last hour. What could not be counted keeps its last figure, so that no alert ends by it; that it
/// could not is told by a metric, and in the log.
pub(super) async fn look(board: &Board, pool: &PgPool) {
    let looking = async {
        if !can_look(pool, "kept_rights", "security_figures").await? {
            return Ok(Vec::new());
        }
        sqlx::query_as::<_, (String, i64)>("select kind, figure from app.security_figures()")
            .fetch_all(pool)
            .await
    };
    let figures = in_time(PATIENCE, "the findings of security could not be counted", looking).await;
    board.unseen(ApplicationLook::Security, figures.is_none());
    for (kind, figure) in figures.into_iter().flatten() {
        board.security_findings(kind, figure);
    }
}
