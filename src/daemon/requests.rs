//! Carries out what commands, and migrations, ask of the worker.

use std::sync::Arc;

use uuid::Uuid;

use super::Daemon;
use crate::execute::{ExecuteError, Executor};
use crate::observe::Phase;
use crate::source::Source;
use crate::store::StoreError;
use crate::store::postgres::{PostgresStore, Request, Requests};
use crate::sync::{Remedy, SyncError};

impl<S: Source> Daemon<S> {
    /// The oldest request, if there is one; whether the tables may have changed by it.
    pub(super) async fn execute_request(&self, store: &Arc<PostgresStore>) -> Result<bool, SyncError> {
        let requests = Requests::new(self.pool.clone(), self.config.chain_id);
        let Some((id, request, left)) = requests.next().await? else { return Ok(false) };
        self.board.phase(Phase::Executing);
        tracing::info!(?request, "executing an operator's request");
        let executor = Executor {
            node: Some(self.source.clone()),
            store: store.clone(),
            decoder: self.decoder.clone(),
            config: self.config.clone(),
            left,
        };
        let (reached, mut seen) = tokio::sync::watch::channel(0u64);
        let reporter = {
            let requests = requests.clone();
            tokio::spawn(async move {
                while seen.changed().await.is_ok() {
                    let block = *seen.borrow_and_update();
                    if requests.progressed(id, block).await.is_err() {
                        return;
                    }
                }
            })
        };
        let board = self.board.clone();
        let outcome = executor
            .execute(&request, &mut |block| {
                board.tick();
                reached.send_replace(block);
            })
            .await;
        drop(reached);
        if reporter.await.is_err() {
            tracing::warn!("the progress of a request could not be reported");
        }
        if let Err(ExecuteError::Sync(SyncError::Store(StoreError::NotTheWriter))) = outcome {
            // Not the request has failed: the next worker carries it out.
            return Err(StoreError::NotTheWriter.into());
        }
        match outcome {
            Err(error) if request == Request::Upgrade => put_off(&requests, id, error).await?,
            outcome => requests.finished(id, outcome.map_err(|error| told(&error))).await?,
        }
        Ok(true)
    }
}

/// A failure as a request keeps it: where it is of a kind ([`SyncError::kind`]), that goes before the words, so that the
/// command that watches can end with the exit code that it would have had without a worker.
pub fn told(error: &ExecuteError) -> String {
    match error {
        ExecuteError::Sync(error) => format!("{}: {error}", error.kind()),
        error => error.to_string(),
    }
}

/// Nobody watches what a migration asked for: what can pass is waited for, and what cannot is told in the log.
async fn put_off(requests: &Requests, id: Uuid, error: ExecuteError) -> Result<(), SyncError> {
    match error {
        ExecuteError::CatchingUp => Ok(requests.postpone(id).await?),
        ExecuteError::Sync(error) if error.remedy() == Remedy::Retry => {
            requests.postpone(id).await?;
            Err(error)
        }
        error => {
            tracing::error!(%error, "tables of the new version could not be filled: run `asset-indexer rebuild` once this is mended");
            Ok(requests.finished(id, Err(error.to_string())).await?)
        }
    }
}
