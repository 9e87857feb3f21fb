//! Settles submitted transactions by the logs of final blocks, and asks the node what became of those that no watched
//! contract logged in, where schema `app` is there.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256};
use sqlx::PgPool;

use super::upkeep::application_has;
use crate::source::{Fate, Source, SourceError};

/// How often it is asked.
pub(super) const EVERY: Duration = Duration::from_secs(5);
/// How long one round may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A transaction to ask about, as the database spells it: hash, sender, nonce, and the newest final block.
type Pending = (String, Option<String>, Option<i64>, i64);

/// One round. What could not be asked or noted is asked again in the next.
pub(super) async fn follow<S: Source>(source: Arc<S>, pool: PgPool, chain_id: u64) {
    let following = async {
        if !application_has(&pool, "settle_logged").await? {
            return Ok(());
        }
        let chain_id = i64::try_from(chain_id).unwrap_or(i64::MAX);
        let settled: i64 =
            sqlx::query_scalar("select app.settle_logged($1)").bind(chain_id).fetch_one(&pool).await?;
        if settled > 0 {
            tracing::debug!(settled, "submitted transactions with logs in final blocks");
        }
        let pending: Vec<Pending> = sqlx::query_as(
            "select transaction_hash, sender, nonce, final_block from app.pending_transactions($1)",
        )
        .bind(chain_id)
        .fetch_all(&pool)
        .await?;
        for one in pending {
            match asked(&*source, &one).await {
                Ok(Some(fate)) => note(&pool, chain_id, &one, fate).await?,
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, transaction = one.0, "what became of a transaction could not be asked");
                    return Ok(());
                }
            }
        }
        Ok::<(), sqlx::Error>(())
    };
    match tokio::time::timeout(PATIENCE, following).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "submitted transactions could not be followed"),
        Err(_) => tracing::debug!("not all submitted transactions were asked about in time"),
    }
}

/// The node's answer; `None` for a hash that cannot be one, which the table's check rules out.
async fn asked<S: Source>(source: &S, pending: &Pending) -> Result<Option<Fate>, SourceError> {
    let (hash, sender, nonce, final_block) = pending;
    let Ok(hash) = hash.parse::<B256>() else { return Ok(None) };
    let sender = sender.as_deref().and_then(|text| text.parse::<Address>().ok());
    let sent = sender.zip(nonce.and_then(|nonce| u64::try_from(nonce).ok()));
    source.fate(hash, sent, u64::try_from(*final_block).unwrap_or_default()).await.map(Some)
}

async fn note(pool: &PgPool, chain_id: i64, pending: &Pending, fate: Fate) -> Result<(), sqlx::Error> {
    let (name, block) = match fate {
        Fate::Pending => (None, None),
        Fate::Executed { block, succeeded: true } => (Some("included"), Some(block)),
        Fate::Executed { block, succeeded: false } => (Some("failed"), Some(block)),
        Fate::Replaced => (Some("replaced"), None),
    };
    let changed: bool = sqlx::query_scalar("select app.note_fate($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(chain_id)
        .bind(&pending.0)
        .bind(&pending.1)
        .bind(pending.2)
        .bind(name)
        .bind(block.map(|block| i64::try_from(block.number).unwrap_or(i64::MAX)))
        .bind(block.map(|block| block.hash.to_string()))
        .bind(pending.3)
        .fetch_one(pool)
        .await?;
    if changed {
        tracing::info!(transaction = pending.0, fate = name.unwrap_or("pending"), "submitted transaction");
    }
    Ok(())
}
