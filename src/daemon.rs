//! Runs one chain's worker for as long as it may: waits for the lease, steps, retries, executes requests, stops.

mod derivation;
mod errors;
mod looks;
mod requests;
mod rounds;
mod security;
mod settings;
mod submitted;
mod upkeep;
mod waits;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use self::errors::Errors;
use self::requests::Begun;
pub use self::requests::told;
use self::rounds::Rounds;
use self::waits::{GRACE, SweepPace, for_a_turn, pausing, unless_given_up, with_signs_of_life};
use crate::decode::Decoder;
use crate::observe::{Board, Phase};
use crate::retry::{Delays, Policy};
use crate::source::Source;
use crate::store::StoreError;
use crate::store::postgres::{Lease, PostgresStore, check_schema_again};
use crate::sync::{Config, Looking, Outcome, Proving, Remedy, Sync, SyncError};

/// How often a standby tries to take the lease, and an idle worker looks for requests.
const GLANCE: Duration = Duration::from_millis(500);
/// How often a piece of work that takes long is said to be alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// What a worker works with.
pub struct Daemon<S> {
    /// The node.
    pub source: Arc<S>,
    /// The database, as the writer connects to it.
    pub database: PgConnectOptions,
    /// The database, for everything beside the writer.
    pub pool: PgPool,
    /// Reads logs.
    pub decoder: Arc<Decoder>,
    /// What to follow.
    pub config: Config,
    /// Most requests a second of the sweep that proves old blocks; zero for as many as the node answers.
    pub sweep_requests_per_second: u64,
    /// How often and how much contracts are asked what the tables say of them.
    pub looking: Looking,
    /// Where to report.
    pub board: Arc<Board>,
    /// Who we are, for people.
    pub holder: String,
    /// Digest of the effective configuration, without secrets; for people.
    pub configuration_digest: String,
}

impl<S> std::fmt::Debug for Daemon<S> {
    /// Without the database's options: they hold the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Daemon")
            .field("holder", &self.holder)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Why a run ended without an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It was asked to stop.
    Stopped,
    /// The bound was reached.
    Reached(u64),
    /// A bounded run met a halt.
    Halted(String),
}

/// A watcher of steps: for progress on a terminal.
pub type Watcher<'a> = &'a mut (dyn FnMut(&Outcome, Option<u64>) + Send);

impl<S: Source> Daemon<S> {
    /// Follows the chain until it is stopped, or to `until`.
    ///
    /// # Errors
    /// What no delay can mend; see [`Remedy::Stop`]. Losing the lease only puts the worker on standby.
    pub async fn run(
        &self,
        until: Option<u64>,
        stop: &CancellationToken,
        watcher: Watcher<'_>,
    ) -> Result<End, SyncError> {
        loop {
            let lease = Lease::new(self.pool.clone(), self.config.chain_id, self.holder.clone());
            match self.stand_by(&lease, stop).await {
                Ok(true) => {}
                Ok(false) => return Ok(End::Stopped),
                Err(error) => {
                    // It may be taken, and the schema not be ours.
                    give_up(&lease).await;
                    return Err(error);
                }
            }
            let lost = stop.child_token();
            let heart = tokio::spawn({
                let (lease, lost) = (lease.clone(), lost.clone());
                async move {
                    lease.keep().await;
                    lost.cancel();
                }
            });
            let ended = self.work(&lease, until, &lost, watcher).await;
            heart.abort();
            self.board.lease(false);
            give_up(&lease).await;
            match ended {
                Err(SyncError::Store(StoreError::NotTheWriter)) => {
                    tracing::warn!("another writer took over; standing by");
                }
                Ok(End::Stopped) if !stop.is_cancelled() => {
                    tracing::warn!("the lease was lost; standing by");
                }
                ended => return ended,
            }
        }
    }

    /// Waits for the lease, and takes it only over the schema that this program is built for: since it started, a newer one
    /// may have migrated the database. False when asked to stop.
    async fn stand_by(&self, lease: &Lease, stop: &CancellationToken) -> Result<bool, SyncError> {
        let mut delays = Delays::new(Policy::SUPERVISOR);
        let mut said = false;
        loop {
            self.board.tick();
            let taking = async {
                let taken = lease.acquire().await?;
                if taken {
                    check_schema_again(&self.pool).await?;
                }
                Ok::<bool, StoreError>(taken)
            };
            let Some(acquired) = unless_given_up(stop, self.alive(taking)).await else { return Ok(false) };
            let pause = match acquired {
                Ok(true) => {
                    self.board.problem(None, true);
                    self.board.lease(true);
                    tracing::info!(epoch = %lease.epoch(), "lease taken: this process writes");
                    return Ok(true);
                }
                Ok(false) => {
                    self.board.phase(Phase::Standby);
                    self.board.problem(None, true);
                    if !std::mem::replace(&mut said, true) {
                        self.board.superseded();
                        let holder = lease.current_holder().await.ok().flatten();
                        tracing::info!(holder, "another process writes this chain: standing by");
                    }
                    GLANCE
                }
                Err(error) => self.failed(error.into(), &mut delays)?,
            };
            if self.alive(pausing(stop, pause)).await {
                return Ok(false);
            }
        }
    }

    async fn work(
        &self,
        lease: &Lease,
        until: Option<u64>,
        stop: &CancellationToken,
        watcher: Watcher<'_>,
    ) -> Result<End, SyncError> {
        let store = PostgresStore::new(self.database.clone(), self.config.chain_id, lease.epoch());
        let store = Arc::new(store.deriving(self.config.derivation(&self.decoder)));
        let mut sync =
            Sync::new(self.source.clone(), store.clone(), self.decoder.clone(), self.config.clone())
                .looking(self.looking);
        let mut delays = Delays::new(Policy::SUPERVISOR);
        let (mut checked, mut rounds, mut begun) = (false, Rounds::default(), Begun::default());
        let mut pace = SweepPace::new(self.sweep_requests_per_second);
        let mut errors = Errors::new(&self.pool, self.config.chain_id);
        while !stop.is_cancelled() {
            self.board.tick();
            self.alive(self.go_round(&mut rounds, stop)).await;
            let began = Instant::now();
            sync.rest_from_sweeping(pace.rests_until(began).is_some());
            let once = self.once(&mut sync, &store, (&mut checked, &mut begun), until);
            let Some(once) = unless_given_up(stop, self.alive(once)).await else { break };
            let stepped = match once {
                Ok(outcome) => outcome,
                Err(error) => {
                    // Else the head would stand still with the tables, and the chain not seem to be ahead.
                    self.show_head(&sync);
                    unless_given_up(stop, errors.note(error.kind(), &error.to_string())).await;
                    let pause = self.failed(error, &mut delays)?;
                    if self.alive(pausing(stop, pause)).await {
                        break;
                    }
                    continue;
                }
            };
            delays.reset();
            errors.passed().await;
            self.report(&mut sync, &stepped, began.elapsed());
            let position = sync.position().map(|header| header.id.number);
            watcher(&stepped, position);
            if let (Some(until), Some(at)) = (until, position)
                && at >= until
                && sync.catches_up() == Some(false)
            {
                return Ok(End::Reached(at));
            }
            match stepped {
                Outcome::Idle | Outcome::Disputed { .. } => {
                    let due = pace.rests_until(Instant::now());
                    self.alive(for_a_turn(stop, self.source.wait_for_head(), due)).await;
                }
                // The head comes first, then what contracts are asked; what they take is taken from the sweep.
                Outcome::Verified { requests, .. } => pace.spent(began, requests),
                Outcome::Halted { reason } if until.is_some() => return Ok(End::Halted(reason)),
                Outcome::Halted { .. } => {
                    pausing(stop, GLANCE).await;
                }
                _ => {}
            }
        }
        self.leave_request(&begun, lease.epoch()).await;
        Ok(End::Stopped)
    }

    /// A piece of the loop. While it waits, for a node, for the database or for a rebuild that takes an hour, the loop is said
    /// to turn: such waits have limits of their own, and a restart would only begin them anew. It is not said while a thread is
    /// stuck; that the chain stands still is told by an alert.
    async fn alive<T>(&self, piece: impl Future<Output = T>) -> T {
        with_signs_of_life(SIGN_OF_LIFE, || self.board.tick(), piece).await
    }

    /// An operator's request if there is one, else one step.
    async fn once(
        &self,
        sync: &mut Sync<S, PostgresStore>,
        store: &Arc<PostgresStore>,
        (checked, begun): (&mut bool, &mut Begun),
        until: Option<u64>,
    ) -> Result<Outcome, SyncError> {
        if !*checked {
            sync.check_chain().await?;
            derivation::note(store).await?;
            *checked = true;
        }
        let executed = self.execute_request(store, begun).await;
        if !matches!(executed, Ok(false)) {
            // Also after an error: the tables may be others' by now, and only that it is done could not be told.
            sync.forget();
            executed?;
        }
        sync.step(until).await
    }

    /// Tells of the node's newest block, as the last step saw it.
    fn show_head(&self, sync: &Sync<S, PostgresStore>) {
        if let Some(view) = sync.view() {
            self.board.head(view.head.id.number, view.head.timestamp, view.finalized.number);
        }
    }

    fn report(&self, sync: &mut Sync<S, PostgresStore>, outcome: &Outcome, took: Duration) {
        let board = &self.board;
        board.problem(None, true);
        board.stepped();
        self.show_head(sync);
        if let Some(position) = sync.position() {
            board.checkpoint(position.id.number, position.timestamp);
        }
        // Without proofs the watermark stays where it began, and the gauge unknown.
        if self.config.proving != Proving::Off
            && let Some(verified) = sync.verified()
        {
            board.verified(verified);
        }
        board.disputed(matches!(outcome, Outcome::Disputed { .. }));
        let tally = sync.take_tally();
        tally.rows.iter().for_each(|(table, count)| board.rows(table, *count));
        tally.events.iter().for_each(|(role, count)| board.events(role, *count));
        tally.unreadable.iter().for_each(|(reason, count)| board.undecodable(reason, *count));
        let (watched, catching_up) = sync.contract_counts();
        board.contracts(watched, catching_up);
        match outcome {
            Outcome::Started(block) => tracing::info!(block = block.number, "first checkpoint set"),
            Outcome::Backfilled { range, events } => {
                board.phase(Phase::Backfilling);
                board.committed("backfill", range.len(), took);
                tracing::debug!(from = range.from, to = range.to, events, "backfilled");
            }
            Outcome::Followed { block, events } => {
                board.phase(Phase::Following);
                board.committed("follow", 1, took);
                tracing::debug!(block = block.number, hash = %block.hash, events, "followed");
            }
            Outcome::RolledBack { from, ancestor, is_reorg: false } => {
                tracing::info!(
                    from = from.number,
                    ancestor = ancestor.number,
                    "taken back, to be read again"
                );
            }
            Outcome::RolledBack { from, ancestor, is_reorg: true } => {
                let depth = from.number - ancestor.number;
                board.reorg(depth);
                tracing::warn!(depth, from = from.number, ancestor = ancestor.number, "reorg: rolled back");
            }
            Outcome::IndexBuilt { name } => {
                tracing::info!(
                    name,
                    seconds = took.as_secs_f32(),
                    "index built: the first load did without it"
                );
            }
            Outcome::CaughtUp { through, joined, events } => {
                board.committed("backfill", 0, took);
                tracing::info!(through, joined, events, "late contracts caught up");
            }
            Outcome::Verified { range, requests } => {
                board.swept(range.len());
                tracing::debug!(from = range.from, to = range.to, requests, "proved complete");
            }
            Outcome::Repaired { range, added, removed } => {
                board.repaired();
                let (from, to) = (range.from, range.to);
                tracing::error!(
                    from,
                    to,
                    added,
                    removed,
                    "a provider had withheld or altered logs: repaired"
                );
            }
            Outcome::Reconciled { .. } | Outcome::Drifted { .. } => looks::report(board, outcome),
            Outcome::Unproved { reason } => {
                board.unproved();
                tracing::error!(reason, "evidence is collected anew");
            }
            Outcome::Disputed { reason } => tracing::warn!(reason, "a deep reorg waits"),
            Outcome::Idle => board.phase(Phase::Following),
            Outcome::Halted { reason } => {
                if board.status().phase != Phase::Halted {
                    tracing::error!(reason, "halted: only an operator can go on");
                }
                board.phase(Phase::Halted);
                board.problem(Some(reason.clone()), true);
            }
        }
    }

    /// How long to wait before trying again; the error itself when waiting is no remedy.
    fn failed(&self, error: SyncError, delays: &mut Delays) -> Result<Duration, SyncError> {
        let reachable = !matches!(error, SyncError::Store(_));
        self.board.problem(Some(error.to_string()), reachable);
        match error.remedy() {
            Remedy::Retry => {
                self.board.error("retry");
                let pause = delays.next(None).unwrap_or(Policy::SUPERVISOR.longest);
                if delays.tries() <= 3 || delays.tries().is_multiple_of(10) {
                    tracing::warn!(%error, tries = delays.tries(), pause_ms = pause.as_millis() as u64, "trying again");
                }
                Ok(pause)
            }
            Remedy::Stop => {
                self.board.error("stop");
                Err(error)
            }
        }
    }
}

/// Gives the lease up, if it is ours.
async fn give_up(lease: &Lease) {
    match tokio::time::timeout(GRACE, lease.release()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the lease could not be released; it expires by itself"),
        Err(_) => tracing::warn!("the lease could not be released in time; it expires by itself"),
    }
}
