//! Carries out what commands, and migrations, ask of the worker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::waits::GRACE;
use super::{Daemon, GLANCE};
use crate::execute::{ExecuteError, Executor};
use crate::observe::Phase;
use crate::source::Source;
use crate::store::StoreError;
use crate::store::postgres::{PostgresStore, Request, Requests, check_schema_again};
use crate::sync::{Remedy, SyncError};

/// How long after its first failure what a migration asked for is tried again; twice as long after each further one.
const PAUSE_FIRST: Duration = Duration::from_secs(10 * 60);
/// It is tried so often at least.
const PAUSE_LONGEST: Duration = Duration::from_secs(6 * 3600);
/// The same while contracts are catching up: that is seen at once, and costs no try.
const PAUSE_CATCHING_UP: Duration = Duration::from_secs(10);

/// Until when what a migration asked for is left alone, once it could not be carried out. A try may take hours, and what
/// stood in its way need not pass soon (no room for a second copy of the tables): the chain is followed in between.
#[derive(Debug, Default)]
pub(super) struct PutOff {
    until: Option<Instant>,
    /// The pause after the last failure.
    pause: Duration,
}

/// What a worker knows of its requests.
#[derive(Debug, Default)]
pub(super) struct Begun {
    pub(super) put_off: PutOff,
    /// The one that was begun, and of which nothing was told yet.
    id: Option<Uuid>,
}

impl PutOff {
    fn is_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }

    /// A try failed; gives the pause until the next one.
    fn failed(&mut self, now: Instant) -> Duration {
        self.pause = (self.pause * 2).clamp(PAUSE_FIRST, PAUSE_LONGEST);
        self.until = Some(now + self.pause);
        self.pause
    }

    fn catching_up(&mut self, now: Instant) {
        self.until = Some(now + PAUSE_CATCHING_UP);
    }
}

impl<S: Source> Daemon<S> {
    /// The oldest request, if there is one that is not put off; whether the tables may have changed by it.
    pub(super) async fn execute_request(
        &self,
        store: &Arc<PostgresStore>,
        begun: &mut Begun,
    ) -> Result<bool, SyncError> {
        let Begun { put_off, id: under_way } = begun;
        let requests = Requests::new(self.pool.clone(), self.config.chain_id);
        if put_off.is_on(Instant::now()) && !requests.operators_wait().await? {
            return Ok(false);
        }
        let Some((id, request, left)) = requests.next().await? else { return Ok(false) };
        *under_way = Some(id);
        if request == Request::Upgrade
            && let Err(error) = check_schema_again(&self.pool).await
        {
            // It is for the program that the migration belongs to: this one would fill the tables that it knows, and nobody the
            // new ones.
            requests.postpone(id).await?;
            return Err(error.into());
        }
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
        let mut reach = |block| {
            board.tick();
            reached.send_replace(block);
        };
        let mut outcome = executor.execute(&request, &mut reach).await;
        if let Err(ExecuteError::Sync(SyncError::Store(StoreError::Unavailable { .. }))) = &outcome
            && matches!(request, Request::Rewind { .. })
        {
            // It may have been committed, and only the word of it be lost: who begins it again looks for that first.
            tokio::time::sleep(GLANCE).await;
            outcome = Executor { left: true, ..executor }.execute(&request, &mut reach).await;
        }
        self.board.executed();
        drop(reached);
        if reporter.await.is_err() {
            tracing::warn!("the progress of a request could not be reported");
        }
        match outcome {
            // Not the request has failed: the next worker carries it out.
            Err(ExecuteError::Sync(SyncError::Store(error @ StoreError::NotTheWriter))) => {
                return Err(error.into());
            }
            Err(error) if request == Request::Upgrade => self.put_off(&requests, id, error, put_off).await?,
            outcome => requests.finished(id, outcome.map_err(|error| told(&error))).await?,
        }
        *under_way = None;
        Ok(true)
    }

    /// Before the lease is given up by who is told to stop: what is under way is the next worker's to begin anew.
    pub(super) async fn leave_request(&self, begun: &Begun, epoch: Uuid) {
        let Some(id) = begun.id else { return };
        let requests = Requests::new(self.pool.clone(), self.config.chain_id);
        let left = tokio::time::timeout(GRACE, requests.left_in_order(id, epoch)).await;
        if !matches!(left, Ok(Ok(()))) {
            tracing::warn!("the request that was under way counts as ended by this worker");
        }
    }

    /// Nobody watches what a migration asked for: what can pass is tried again later, and what cannot is told in the log.
    async fn put_off(
        &self,
        requests: &Requests,
        id: Uuid,
        error: ExecuteError,
        put_off: &mut PutOff,
    ) -> Result<(), SyncError> {
        match error {
            ExecuteError::CatchingUp => {
                requests.postpone(id).await?;
                put_off.catching_up(Instant::now());
                Ok(())
            }
            ExecuteError::Sync(error) if error.remedy() == Remedy::Retry => {
                requests.postpone(id).await?;
                let pause_s = put_off.failed(Instant::now()).as_secs();
                self.board.error("retry");
                tracing::warn!(%error, pause_s, "tables of the new version could not be filled: tried again later, and the chain is followed meanwhile");
                Ok(())
            }
            error => {
                tracing::error!(%error, "tables of the new version could not be filled: run `asset-indexer rebuild` once this is mended");
                Ok(requests.finished(id, Err(error.to_string())).await?)
            }
        }
    }
}

/// A failure as a request keeps it: where it is of a kind ([`SyncError::kind`]), that goes before the words, so that the
/// command that watches can end with the exit code that it would have had without a worker.
pub fn told(error: &ExecuteError) -> String {
    match error {
        ExecuteError::Sync(error) => format!("{}: {error}", error.kind()),
        ExecuteError::OtherConfiguration { .. } => format!("configuration: {error}"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_migration_asked_for_is_put_off_longer_and_longer() {
        let now = Instant::now();
        let mut put_off = PutOff::default();
        assert!(!put_off.is_on(now), "the first try is made at once");
        for minutes in [10, 20, 40, 80, 160, 320, 360, 360] {
            let pause = Duration::from_secs(minutes * 60);
            assert_eq!(put_off.failed(now), pause);
            assert!(put_off.is_on(now + pause - Duration::from_secs(1)), "{minutes} minutes");
            assert!(!put_off.is_on(now + pause), "{minutes} minutes");
        }
        put_off.catching_up(now);
        assert!(put_off.is_on(now) && !put_off.is_on(now + PAUSE_CATCHING_UP));
    }
}
