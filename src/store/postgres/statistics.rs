//! What the planner knows of tables that a load fills faster than autovacuum looks at them: without it, it takes a table of a
//! hundred thousand registrations for empty, and joins each question with all of it.

use super::PostgresStore;
use crate::store::Commit;

/// Rows of a commit from which on tables may have grown beyond what is known of them.
const ROWS_MIN: usize = 2_000;

impl PostgresStore {
    /// After a large commit: has the tables analyzed that have grown by half since they were. What goes wrong costs time alone.
    pub(super) async fn refresh_statistics(&self, commit: &Commit) {
        let upserts = commit.sections.iter().flat_map(|section| &section.changes.upserts);
        if upserts.map(|(_, rows)| rows.len()).sum::<usize>() < ROWS_MIN {
            return;
        }
        let analyzed = self
            .with("looking at tables that have grown", async |connection, _| {
                sqlx::query_scalar::<_, i64>("select ops.analyze_grown()").fetch_one(connection).await
            })
            .await;
        match analyzed {
            Ok(count) => tracing::debug!(count, "tables analyzed"),
            Err(error) => tracing::warn!(%error, "tables that have grown are left to autovacuum"),
        }
    }
}
