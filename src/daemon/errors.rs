//! Writes down what goes wrong, one row a kind until it has passed (`chain.system_errors`). Beside the work, never in its
//! way: where the database does not answer, the log and the metrics have it all the same.

use std::time::Duration;

use sqlx::PgPool;

/// How long it may take to write one down.
const PATIENCE: Duration = Duration::from_secs(2);
/// Characters of a message that are kept.
const MESSAGE: usize = 4_000;

/// The errors of one chain's worker.
#[derive(Debug)]
pub(super) struct Errors<'a> {
    pool: &'a PgPool,
    chain_id: i64,
    /// Whether rows may be open: also those of a worker before this one.
    open: bool,
}

impl<'a> Errors<'a> {
    pub(super) fn new(pool: &'a PgPool, chain_id: u64) -> Self {
        Self { pool, chain_id: i64::try_from(chain_id).unwrap_or(i64::MAX), open: true }
    }

    /// One more of a kind.
    pub(super) async fn note(&mut self, kind: &'static str, message: &str) {
        self.open = true;
        let writing = sqlx::query(
            "insert into chain.system_errors (chain_id, error_type, error_message) values ($1, $2, $3)
             on conflict (source, chain_id, error_type) where resolved_at is null
             do update set error_message = excluded.error_message, last_at = clock_timestamp(),
                 occurrences = system_errors.occurrences + 1",
        )
        .bind(self.chain_id)
        .bind(kind)
        .bind(message.chars().filter(|c| *c != '\0').take(MESSAGE).collect::<String>())
        .execute(self.pool);
        drop(tokio::time::timeout(PATIENCE, writing).await);
    }

    /// A step succeeded: whatever it was has passed.
    pub(super) async fn passed(&mut self) {
        if !self.open {
            return;
        }
        let writing = sqlx::query(
            "update chain.system_errors set resolved_at = clock_timestamp()
             where chain_id = $1 and source = 'asset-indexer' and resolved_at is null",
        )
        .bind(self.chain_id)
        .execute(self.pool);
        self.open = !matches!(tokio::time::timeout(PATIENCE, writing).await, Ok(Ok(_)));
    }
}
