//! What an error of the driver means for the worker.

use super::archived;
use crate::store::StoreError;

/// The store's error for one of the driver's: whether it passes, what it says, and what to do.
pub fn failed(during: &'static str, error: &sqlx::Error) -> StoreError {
    let reason = error.to_string();
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default().into_owned();
            // Also a transaction that was idle for too long, and a standby that is not promoted yet.
            let passes = ["08", "40", "53", "55", "57"].iter().any(|class| code.starts_with(class))
                || ["25P03", "25006"].contains(&code.as_str());
            let reason = format!("{} (SQLSTATE {code})", database.message());
            if code == "23514" && database.message().starts_with("no partition of relation") {
                // Archived since this connection looked: partitions are made ahead of all other rows.
                let what = format!("while {during}: blocks are ({})", database.message());
                StoreError::Archived { what, partitions: "see ops.archived_partitions".to_owned() }
            } else if passes {
                StoreError::Unavailable { during, reason }
            } else {
                StoreError::Refused { during, reason }
            }
        }
        sqlx::Error::Configuration(inner) if inner.is::<archived::InTheWay>() => {
            inner.downcast_ref::<archived::InTheWay>().map_or_else(
                || StoreError::Refused { during, reason: reason.clone() },
                archived::InTheWay::error,
            )
        }
        sqlx::Error::Configuration(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            StoreError::Refused { during, reason }
        }
        _ => StoreError::Unavailable { during, reason },
    }
}
