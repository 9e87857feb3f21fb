//! A worker that begins says what it derives rows with; where the last one derived them otherwise, it warns and goes on: to add
//! an ABI is ordinary.

use crate::derivation::listed;
use crate::store::StoreError;
use crate::store::postgres::{Noted, PostgresStore};

/// Keeps what rows are derived with, and tells in the log where rows of before may be derived otherwise.
pub(super) async fn note(store: &PostgresStore) -> Result<(), StoreError> {
    let Noted { changed, mixed } = store.note_derivation().await?;
    if !changed.is_empty() {
        tracing::warn!(
            parts = listed(&changed),
            "rows are derived with another configuration from now on, and those of before stay as they are: run `asset-indexer \
             rebuild`, which derives all of them with this one"
        );
    } else if !mixed.is_empty() {
        tracing::warn!(
            parts = listed(&mixed),
            "some rows are derived with an earlier configuration: `asset-indexer rebuild` derives all of them with this one"
        );
    }
    Ok(())
}
