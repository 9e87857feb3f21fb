//! Tells what the looks at the contracts come to.

use sqlx::PgPool;

use crate::observe::{Board, Look};
use crate::store::postgres::suspect_assets;
use crate::sync::Outcome;

/// Reports a look.
pub(super) fn report(board: &Board, outcome: &Outcome) {
    match outcome {
        Outcome::Reconciled { at, questions, resolved, doubt } => {
            board.looked(if doubt.is_some() { Look::Inconclusive } else { Look::Agreed });
            tracing::debug!(block = at.number, questions, resolved, doubt, "contracts were asked");
        }
        Outcome::Drifted { at, confirmed, suspected } => {
            board.looked(Look::Drifted);
            tracing::warn!(
                block = at.number,
                confirmed,
                suspected,
                "contracts answer otherwise than the tables say"
            );
        }
        _ => {}
    }
}

/// Counts the assets with a difference that stands.
pub(super) async fn count(board: &Board, pool: &PgPool, chain_id: u64) {
    if let Ok(count) = suspect_assets(pool, chain_id).await {
        board.suspect_assets(count);
    }
}
