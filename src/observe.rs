//! What operators see: metrics, `/live`, `/ready`, `/status`.
//!
//! A leaf: knows metric names and HTTP, no chain and no SQL. Whoever works reports to the [`Board`].
//!
//! Liveness says only that the loop turns: it never depends on the database or the node, or an outage there would
//! become a restart storm here. Lag is exported as raw block times too, because a gauge computed in a loop that died
//! stands still at "no lag".

mod application;
mod http;
mod providers;
mod reconciliation;
mod series;
mod superseded;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde::Serialize;

pub use application::Look as ApplicationLook;
pub use http::serve;
pub use reconciliation::Look;
use series::*;

/// A loop that has not turned for so long is dead.
const TICK_MAX: Duration = Duration::from_secs(60);

/// What the worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Looking at node and database.
    Starting,
    /// Another writer holds the lease.
    Standby,
    /// Reading final blocks in ranges.
    Backfilling,
    /// At the head.
    Following,
    /// Executing an operator's request.
    Executing,
    /// Stopped until an operator acts.
    Halted,
}

/// What `/status` tells.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// What the worker is doing.
    pub phase: Phase,
    /// The chain (EIP-155 id).
    pub chain_id: u64,
    /// The node's newest block.
    pub head: Option<u64>,
    /// The newest final block.
    pub finalized: Option<u64>,
    /// The last block in the tables.
    pub checkpoint: Option<u64>,
    /// Up to here every block's logs are proved complete.
    pub verified: Option<u64>,
    /// Blocks between checkpoint and head.
    pub lag_blocks: Option<u64>,
    /// Seconds between the block times of checkpoint and head.
    pub lag_seconds: Option<u64>,
    /// Why it halted, or the error that is being retried; without secrets.
    pub problem: Option<String>,
    /// Whether the last use of the database succeeded.
    pub database_reachable: bool,
    /// How the providers stand.
    pub providers: Vec<crate::providers::Standing>,
}

#[derive(Debug)]
struct Inner {
    status: Status,
    head_timestamp: u64,
    checkpoint_timestamp: u64,
    /// Whether the chain is halted: also while a request is carried out over it.
    halted: bool,
    ticked: Instant,
    /// Kinds of findings of security that were told of.
    finding_kinds: BTreeSet<String>,
}

/// Where the worker reports and HTTP reads.
#[derive(Debug)]
pub struct Board {
    chain: String,
    inner: Mutex<Inner>,
}

impl Board {
    /// A board for one chain; all of its series exist from now on.
    pub fn new(chain_id: u64) -> Arc<Self> {
        let status = Status {
            phase: Phase::Starting,
            chain_id,
            head: None,
            finalized: None,
            checkpoint: None,
            verified: None,
            lag_blocks: None,
            lag_seconds: None,
            problem: None,
            database_reachable: false,
            providers: Vec::new(),
        };
        let inner = Inner {
            status,
            head_timestamp: 0,
            checkpoint_timestamp: 0,
            halted: false,
            ticked: Instant::now(),
            finding_kinds: BTreeSet::new(),
        };
        let board = Self { chain: chain_id.to_string(), inner: Mutex::new(inner) };
        board.begin_series();
        Arc::new(board)
    }

    fn begin_series(&self) {
        let others = [HEAD_TIMESTAMP, LAST_COMMIT, HALTED, LEASE_HELD, EXECUTING];
        for name in others.into_iter().chain(superseded::OF_THE_WRITER) {
            gauge!(name, "chain" => self.chain.clone()).set(0);
        }
        // The first stays so where nothing is to be proved: a zero would say that the sweep stands still. The second does with
        // who never writes.
        for name in [VERIFIED_BLOCK, LAST_STEP] {
            gauge!(name, "chain" => self.chain.clone()).set(f64::NAN);
        }
        for mode in ["backfill", "follow"] {
            counter!(BLOCKS, "chain" => self.chain.clone(), "mode" => mode).absolute(0);
        }
        for reason in crate::fact::Unreadable::ALL {
            counter!(UNDECODABLE, "chain" => self.chain.clone(), "reason" => reason.name()).absolute(0);
        }
        for role in crate::fact::Role::ALL {
            counter!(EVENTS, "chain" => self.chain.clone(), "role" => role.name()).absolute(0);
        }
        for table in crate::table::ALL {
            counter!(ROWS_WRITTEN, "table" => table.name).absolute(0);
        }
        for remedy in ["retry", "stop"] {
            counter!(ERRORS, "remedy" => remedy).absolute(0);
        }
        for name in [REORGS, VERIFIED_BLOCKS, REPAIRS, UNPROVED] {
            counter!(name, "chain" => self.chain.clone()).absolute(0);
        }
        self.begin_reconciliation();
        self.begin_looks_at_the_application();
        // Asking for a histogram is enough for its series to exist.
        drop(histogram!(REORG_DEPTH, "chain" => self.chain.clone()));
        for mode in ["backfill", "follow"] {
            drop(histogram!(COMMIT_DURATION, "mode" => mode));
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Fields are plain values, assigned one by one: a panic elsewhere leaves them readable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop turned.
    pub fn tick(&self) {
        self.inner().ticked = Instant::now();
    }

    /// The worker does something else now.
    pub fn phase(&self, phase: Phase) {
        let halted = {
            let mut inner = self.inner();
            inner.status.phase = phase;
            // What a request changes of that, the next step tells.
            inner.halted = phase == Phase::Halted || inner.halted && phase == Phase::Executing;
            inner.halted
        };
        gauge!(HALTED, "chain" => self.chain.clone()).set(u8::from(halted));
        gauge!(EXECUTING, "chain" => self.chain.clone()).set(u8::from(phase == Phase::Executing));
    }

    /// A request was carried out, or could not be: what comes next is told by the next step. Errors that repeat after it are no
    /// work that takes long.
    pub fn executed(&self) {
        gauge!(EXECUTING, "chain" => self.chain.clone()).set(0);
    }

    /// What is wrong, or nothing any more.
    pub fn problem(&self, problem: Option<String>, database_reachable: bool) {
        let mut inner = self.inner();
        inner.status.problem = problem;
        inner.status.database_reachable = database_reachable;
    }

    /// What the node says.
    pub fn head(&self, number: u64, timestamp: u64, finalized: u64) {
        let mut inner = self.inner();
        inner.status.head = Some(number);
        inner.status.finalized = Some(finalized);
        inner.head_timestamp = timestamp;
        gauge!(HEAD_BLOCK, "chain" => self.chain.clone()).set(number as f64);
        gauge!(HEAD_TIMESTAMP, "chain" => self.chain.clone()).set(timestamp as f64);
        gauge!(FINALIZED_BLOCK, "chain" => self.chain.clone()).set(finalized as f64);
        self.lag(&mut inner);
    }

    /// What the tables reach.
    pub fn checkpoint(&self, number: u64, timestamp: u64) {
        let mut inner = self.inner();
        inner.status.checkpoint = Some(number);
        inner.checkpoint_timestamp = timestamp;
        gauge!(CHECKPOINT_BLOCK, "chain" => self.chain.clone()).set(number as f64);
        gauge!(CHECKPOINT_TIMESTAMP, "chain" => self.chain.clone()).set(timestamp as f64);
        self.lag(&mut inner);
    }

    fn lag(&self, inner: &mut Inner) {
        let (Some(head), Some(checkpoint)) = (inner.status.head, inner.status.checkpoint) else { return };
        let blocks = head.saturating_sub(checkpoint);
        let seconds =
            if blocks == 0 { 0 } else { inner.head_timestamp.saturating_sub(inner.checkpoint_timestamp) };
        inner.status.lag_blocks = Some(blocks);
        inner.status.lag_seconds = Some(seconds);
        gauge!(LAG_BLOCKS, "chain" => self.chain.clone()).set(blocks as f64);
        gauge!(LAG_SECONDS, "chain" => self.chain.clone()).set(seconds as f64);
    }

    /// A transaction was committed.
    pub fn committed(&self, mode: &'static str, blocks: u64, took: Duration) {
        counter!(BLOCKS, "chain" => self.chain.clone(), "mode" => mode).increment(blocks);
        histogram!(COMMIT_DURATION, "mode" => mode).record(took.as_secs_f64());
        gauge!(LAST_COMMIT, "chain" => self.chain.clone()).set(seconds_now());
    }

    /// A step succeeded, also one that found nothing to do.
    pub fn stepped(&self) {
        gauge!(LAST_STEP, "chain" => self.chain.clone()).set(seconds_now());
    }

    /// How far everything is proved complete.
    pub fn verified(&self, number: u64) {
        self.inner().status.verified = Some(number);
        gauge!(VERIFIED_BLOCK, "chain" => self.chain.clone()).set(number as f64);
    }

    /// Blocks behind the checkpoint were proved.
    pub fn swept(&self, blocks: u64) {
        counter!(VERIFIED_BLOCKS, "chain" => self.chain.clone()).increment(blocks);
    }

    /// The tables were mended on a proof.
    pub fn repaired(&self) {
        counter!(REPAIRS, "chain" => self.chain.clone()).increment(1);
    }

    /// Evidence is collected anew.
    pub fn unproved(&self) {
        counter!(UNPROVED, "chain" => self.chain.clone()).increment(1);
    }

    /// Whether a deep reorg waits for a second word.
    pub fn disputed(&self, disputed: bool) {
        gauge!(DISPUTED, "chain" => self.chain.clone()).set(u8::from(disputed));
    }

    /// Logs of a role were written.
    pub fn events(&self, role: &'static str, count: u64) {
        counter!(EVENTS, "chain" => self.chain.clone(), "role" => role).increment(count);
    }

    /// Logs could not be decoded.
    pub fn undecodable(&self, reason: &'static str, count: u64) {
        counter!(UNDECODABLE, "chain" => self.chain.clone(), "reason" => reason).increment(count);
    }

    /// Rows were written.
    pub fn rows(&self, table: &'static str, count: u64) {
        counter!(ROWS_WRITTEN, "table" => table).increment(count);
    }

    /// Blocks were taken back.
    pub fn reorg(&self, depth: u64) {
        counter!(REORGS, "chain" => self.chain.clone()).increment(1);
        histogram!(REORG_DEPTH, "chain" => self.chain.clone()).record(depth as f64);
    }

    /// An error, and what is done about it.
    pub fn error(&self, remedy: &'static str) {
        counter!(ERRORS, "remedy" => remedy).increment(1);
    }

    /// Whether this process may write.
    pub fn lease(&self, held: bool) {
        gauge!(LEASE_HELD, "chain" => self.chain.clone()).set(u8::from(held));
        // A writer whose first step never succeeds is told of by its age, as one whose later steps do not; who gave the lease up
        // makes no steps.
        gauge!(LAST_STEP, "chain" => self.chain.clone()).set(if held { seconds_now() } else { f64::NAN });
        if held && self.inner().head_timestamp == 0 {
            // Not unknown any more: a writer that comes to know no head is told of.
            gauge!(HEAD_TIMESTAMP, "chain" => self.chain.clone()).set(0);
        }
    }

    /// How many contracts are watched, and how many of them are catching up.
    pub fn contracts(&self, watched: usize, catching_up: usize) {
        gauge!(CONTRACTS, "chain" => self.chain.clone()).set(watched as f64);
        gauge!(CATCHING_UP, "chain" => self.chain.clone()).set(catching_up as f64);
    }

    /// How many assets carry a flag (a negative balance, a sum beyond uint256, unreadable logs).
    pub fn flagged_assets(&self, count: u64) {
        gauge!(FLAGGED_ASSETS, "chain" => self.chain.clone()).set(count as f64);
    }

    /// How many indexes wait for the end of the first load.
    pub fn deferred_indexes(&self, count: u64) {
        gauge!(DEFERRED_INDEXES, "chain" => self.chain.clone()).set(count as f64);
    }

    /// The present status.
    pub fn status(&self) -> Status {
        self.inner().status.clone()
    }

    fn is_live(&self) -> bool {
        self.inner().ticked.elapsed() < TICK_MAX
    }

    fn is_ready(&self) -> bool {
        let inner = self.inner();
        inner.status.database_reachable
            && !inner.halted
            && inner.status.phase != Phase::Starting
            && inner.ticked.elapsed() < TICK_MAX
    }
}

/// Unix time in seconds, by this machine's clock.
fn seconds_now() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64()
}

/// The recorder could not be installed, or the address not be bound.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// A recorder was there already, or buckets were refused.
    #[error("metrics cannot be recorded: {0}")]
    Recorder(String),
    /// The address is taken or not ours.
    #[error("{address} cannot be listened on (http.listen): {reason}")]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
}

/// Begins to record metrics.
///
/// # Errors
/// [`ObserveError::Recorder`].
pub fn record() -> Result<PrometheusHandle, ObserveError> {
    let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
    let depths = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 32.0, 64.0, 128.0];
    let failed = |error: metrics_exporter_prometheus::BuildError| ObserveError::Recorder(error.to_string());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &seconds)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Suffix("_depth_blocks".to_owned()), &depths)
        })
        .map_err(failed)?
        .install_recorder()
        .map_err(failed)?;
    series::describe();
    let revision = option_env!("ASSET_INDEXER_REVISION").unwrap_or("unknown");
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION"), "revision" => revision).set(1);
    Ok(handle)
}
