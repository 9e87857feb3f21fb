//! What an error of the driver means for the worker.

use super::archived;
use crate::store::StoreError;

/// The store's error for one of the driver's: whether it passes, what it says, and what to do.
pub fn failed(during: &'static str, error: &sqlx::Error) -> StoreError {
    let reason = error.to_string();
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default().into_owned();
            let reason = format!("{} (SQLSTATE {code})", database.message());
            if code == "23514" && database.message().starts_with("no partition of relation") {
                // Archived since this connection looked: partitions are made ahead of all other rows.
                let what = format!("while {during}: blocks are ({})", database.message());
                StoreError::Archived { what, partitions: "see ops.archived_partitions".to_owned() }
            } else if passes(&code) {
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

/// Whether what the server refused under a SQLSTATE may be done a moment later.
fn passes(code: &str) -> bool {
    // Also a transaction that was idle for too long, one that lasted longer than the server lets any last (somebody may set
    // that for a session that is open), and a standby that is not promoted yet.
    ["08", "40", "53", "55", "57"].iter().any(|class| code.starts_with(class))
        || ["25P03", "25P04", "25006"].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::passes;

    #[test]
    fn what_a_server_ends_for_its_length_passes() {
        // A statement, an idle transaction, a transaction, an idle session.
        for code in ["57014", "25P03", "25P04", "57P05"] {
            assert!(passes(code), "{code}");
        }
        for code in ["25P02", "42501", "23514"] {
            assert!(!passes(code), "{code}");
        }
    }
}
