//! What the planner knows of tables that a load fills faster than autovacuum looks at them: without it, it takes a table of a
//! hundred thousand registrations for empty, and joins each question with all of it.

use super::PostgresStore;
use crate::store::Commit;

/// Rows of a commit from which on tables may have grown beyond what is known of them.
const ROWS_MIN: usize = 2_000;

impl PostgresStore {
    /// After a large commit: has the tables analyzed that have four times the rows the planner knows of. What goes wrong costs
    /// time alone. Not in a rebuild: until its transaction ends, nothing of it is counted.
    pub(super) async fn refresh_statistics(&self, commit: &Commit) {
        let upserts = commit.sections.iter().flat_map(|section| &section.changes.upserts);
        if upserts.map(|(_, rows)| rows.len()).sum::<usize>() < ROWS_MIN {
            return;
        }
        self.analyze(false).await;
    }

    /// Has tables analyzed: all of them, or those that have grown much.
    pub(super) async fn analyze(&self, all: bool) {
        let analyzed = self
            .with("looking at tables that have grown", async |connection, inner| {
                if inner.rebuilding {
                    return Ok(0);
                }
                // What a session wrote is told once a second at most, and a step may take less.
                sqlx::query("select pg_stat_force_next_flush()").execute(&mut *connection).await?;
                let sql = "select ops.analyze_grown($1)";
                sqlx::query_scalar::<_, i64>(sql).bind(all).fetch_one(connection).await
            })
            .await;
        match analyzed {
            Ok(count) => tracing::debug!(count, "tables analyzed"),
            Err(error) => tracing::warn!(%error, "tables that have grown are left to autovacuum"),
        }
    }
}
