//! Watching a request that was handed to the worker; and taking it back when nobody watches it any more.

use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::backfill::Progress;
use super::operate::{GLANCE, Handed, as_told};
use super::run::stop_on_signal;
use super::{Failure, derivation};
use crate::store::postgres::{Lease, Request, Requests};

/// How long a chain may be without a worker before a command that waits for one does the work itself: a standby, or the
/// worker's restart, comes first.
const ORPHANED: Duration = Duration::from_secs(10);
/// How long the database may be away before watching ends: a restart, or another server in its place, comes first.
const AWAY: Duration = Duration::from_secs(60);

/// What a look at a request shows.
enum Seen {
    /// It has ended, well or not.
    Ended(Result<Json, Failure>),
    /// It waits, or is being carried out, and a worker is alive.
    Open,
    /// No worker is alive.
    Orphaned,
    /// None was for long, and the lease is ours now.
    Ours,
}

impl Handed<'_> {
    /// Has the worker carry a request out; when the worker is gone and none follows, takes its place. When watching ends before
    /// the request (a signal, a database that stays away), the request is taken back: an order that nobody waits for, and that
    /// was perhaps met in another way, must not be carried out hours later.
    pub(super) async fn watch(
        &self,
        lease: &Lease,
        request: &Request,
        mut progress: Progress,
    ) -> Result<Json, Failure> {
        let stop = stop_on_signal()?;
        let requests = Requests::new(self.database.pool.clone(), self.chain_id);
        // Known before the database has it, which may take it without saying so.
        let id = Uuid::new_v4();
        let watched = match requests.submit_as(id, request).await {
            Ok(()) => self.follow(lease, &requests, (id, request), &stop, &mut progress).await,
            Err(error) => Err(error.into()),
        };
        match watched {
            Ok(ended) => ended,
            Err(why) => Err(left(&requests, id, why).await),
        }
    }

    /// How a request ended; an error where watching it ended before.
    async fn follow(
        &self,
        lease: &Lease,
        requests: &Requests,
        (id, request): (Uuid, &Request),
        stop: &CancellationToken,
        progress: &mut Progress,
    ) -> Result<Result<Json, Failure>, Failure> {
        let (mut worked, mut answered) = (Instant::now(), Instant::now());
        let mut is_away = false;
        loop {
            let is_orphaned = worked.elapsed() > ORPHANED;
            let seen = tokio::select! {
                seen = look(lease, requests, id, is_orphaned, &mut *progress) => seen,
                () = stop.cancelled() => {
                    return Err(Failure::new(Failure::TEMPORARY, "stopped before the request was done"));
                }
            };
            match seen {
                Ok(Seen::Ended(ended)) => return Ok(ended),
                Ok(Seen::Open) => worked = Instant::now(),
                Ok(Seen::Orphaned) => {}
                Ok(Seen::Ours) => {
                    let done = self.take_over(lease, requests, (id, request), stop, progress).await;
                    if let Err(error) = lease.release().await {
                        tracing::warn!(%error, "the lease could not be released; it expires by itself");
                    }
                    if let Some(done) = done? {
                        return Ok(done);
                    }
                    worked = Instant::now();
                }
                Err(failure) if failure.code == Failure::UNAVAILABLE && answered.elapsed() < AWAY => {
                    if !std::mem::replace(&mut is_away, true) {
                        tracing::warn!(
                            reason = failure.message,
                            "the request cannot be watched now; trying again"
                        );
                    }
                    // Nobody can tell whether a worker is alive; it has to come back as we have.
                    worked = Instant::now();
                    continue;
                }
                Err(failure) => return Err(failure),
            }
            (answered, is_away) = (Instant::now(), false);
        }
    }

    /// Whether rows would be derived here with another configuration than the worker's that the request was made to.
    async fn would_be_refused(&self, request: &Request) -> Result<bool, Failure> {
        let derives = matches!(
            request,
            Request::Rebuild | Request::Rewind { .. } | Request::Reread { repair: true, .. }
        );
        Ok(derives
            && !self.accepts_configuration
            && derivation::is_other(self.config, &self.database.pool, self.chain_id).await?)
    }

    /// Carries out what a worker that is gone left; nothing when it finished it after all.
    async fn take_over(
        &self,
        lease: &Lease,
        requests: &Requests,
        (id, request): (Uuid, &Request),
        stop: &CancellationToken,
        progress: &mut Progress,
    ) -> Result<Option<Result<Json, Failure>>, Failure> {
        if self.would_be_refused(request).await? {
            tracing::warn!(
                "no worker is alive, and this command is configured otherwise than the last one (`asset-indexer status`): the request \
                 waits for a worker"
            );
            return Ok(None);
        }
        let Some(left) = requests.begin(id).await? else { return Ok(None) };
        tracing::info!("no worker is alive any more: carrying the request out here");
        let done = tokio::select! {
            done = self.carry_out(lease, request, left, progress) => done,
            // The connection goes with the work, and takes back what it has not committed.
            () = stop.cancelled() => {
                let message = "stopped while the request was carried out here: what was not committed is taken back, and no worker \
                               goes on with it";
                Err(Failure::new(Failure::TEMPORARY, message))
            }
        };
        if done.is_err() && !lease.renew().await? {
            // We were taken for dead ourselves: the request is another worker's again.
            return Ok(None);
        }
        requests
            .finished(id, done.as_ref().map(Json::clone).map_err(|failure| failure.message.clone()))
            .await?;
        Ok(Some(done))
    }
}

/// Looks at a request, a glance after the last time; takes the lease of one that no worker was alive for, for long.
async fn look(
    lease: &Lease,
    requests: &Requests,
    id: Uuid,
    is_orphaned: bool,
    progress: &mut Progress,
) -> Result<Seen, Failure> {
    tokio::time::sleep(GLANCE).await;
    let Some(state) = requests.state(id).await? else {
        return Err(Failure::new(Failure::TEMPORARY, "the request is gone from ops.requests"));
    };
    if let Some(block) = state.progress {
        progress.reached(block, 0);
    }
    match state.status.as_str() {
        "done" => return Ok(Seen::Ended(Ok(state.result.unwrap_or_default()))),
        "failed" => {
            let reason = state.result.and_then(|r| r.as_str().map(str::to_owned)).unwrap_or_default();
            return Ok(Seen::Ended(Err(as_told(&reason))));
        }
        _ => {}
    }
    if lease.current_holder().await?.is_some() {
        return Ok(Seen::Open);
    }
    Ok(if is_orphaned && lease.acquire().await? { Seen::Ours } else { Seen::Orphaned })
}

/// Takes back a request that is watched no more, and says with the reason what becomes of it.
async fn left(requests: &Requests, id: Uuid, why: Failure) -> Failure {
    let becomes = match requests.withdraw(id).await {
        Ok(true) => "the request was withdrawn before anything was done".to_owned(),
        Ok(false) => match requests.state(id).await {
            Ok(None) => "nothing was handed in".to_owned(),
            Ok(Some(state)) if state.status != "running" => {
                format!("request {id} has ended: {}", state.status)
            }
            Ok(Some(_)) | Err(_) => format!(
                "request {id} has begun, and is carried out all the same: `asset-indexer requests` shows it"
            ),
        },
        Err(_) => format!(
            "request {id} is handed in, or may be, and will still be carried out: while it waits, \
             `asset-indexer requests --withdraw {id}` takes it back"
        ),
    };
    Failure::new(why.code, format!("{}; {becomes}", why.message))
}
