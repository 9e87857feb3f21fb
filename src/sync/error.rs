//! Why a step could not be made, and what the supervisor does about it.

use super::StartError;
use crate::source::SourceError;
use crate::store::StoreError;

/// Why a step could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The node's part.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The database's part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The configuration cannot be followed.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Neither this provider nor a comparison with others can prove that a block's logs are complete.
    #[error("the logs of block {block} cannot be proved complete: {reason}")]
    Unprovable {
        /// The first block that is not proved.
        block: u64,
        /// What is missing.
        reason: String,
    },
    /// What a provider gave is proved wrong, or two providers differ: nothing of it is used.
    #[error("the logs of block {block} were not accepted: {reason}")]
    Disproved {
        /// The block.
        block: u64,
        /// What does not fit.
        reason: String,
    },
    /// An answer of the node contradicts what is stored.
    #[error("the node's answer contradicts the tables: {0}")]
    Contradiction(String),
}

/// What the supervisor does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Ask again after a delay: it may pass.
    Retry,
    /// End the process: another writer is at work, or the set-up is wrong and only people can mend it.
    Stop,
}

impl SyncError {
    /// The kind, as `system_errors` counts it.
    pub fn kind(&self) -> &'static str {
        match self {
            SyncError::Source(SourceError::Unavailable { .. }) => "provider_unavailable",
            SyncError::Source(SourceError::Refused { .. }) => "provider_refused",
            SyncError::Source(SourceError::Pruned { .. }) => "provider_pruned",
            SyncError::Source(SourceError::BlockGone { .. }) => "block_gone",
            SyncError::Source(SourceError::Inconsistent { .. }) => "provider_inconsistent",
            SyncError::Store(StoreError::Unavailable { .. }) => "database_unavailable",
            SyncError::Store(StoreError::Refused { .. }) => "database_refused",
            SyncError::Store(StoreError::NotTheWriter) => "not_the_writer",
            SyncError::Store(StoreError::OtherChain { .. }) => "other_chain",
            SyncError::Store(StoreError::OtherSchema { .. }) => "other_schema",
            SyncError::Store(StoreError::Archived { .. }) => "archived",
            SyncError::Store(StoreError::Corrupt { .. }) => "database_corrupt",
            SyncError::Start(_) => "configuration",
            SyncError::Unprovable { .. } => "unprovable",
            SyncError::Disproved { .. } => "disproved",
            SyncError::Contradiction(_) => "contradiction",
        }
    }

    /// See [`Remedy`].
    pub fn remedy(&self) -> Remedy {
        match self {
            SyncError::Source(
                SourceError::Unavailable { .. }
                | SourceError::BlockGone { .. }
                | SourceError::Inconsistent { .. }
                | SourceError::Refused { .. },
            )
            | SyncError::Store(StoreError::Unavailable { .. })
            | SyncError::Unprovable { .. }
            | SyncError::Disproved { .. }
            | SyncError::Contradiction(_) => Remedy::Retry,
            SyncError::Source(SourceError::Pruned { .. })
            | SyncError::Store(
                StoreError::Refused { .. }
                | StoreError::NotTheWriter
                | StoreError::OtherChain { .. }
                | StoreError::OtherSchema { .. }
                | StoreError::Archived { .. }
                | StoreError::Corrupt { .. },
            )
            | SyncError::Start(_) => Remedy::Stop,
        }
    }
}
