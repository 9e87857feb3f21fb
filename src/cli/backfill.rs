//! `backfill`: a bounded run, or a comparison of what is indexed, with progress.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::operate::{self, Handed};
use super::run::{daemon, stop_on_signal};
use super::setup::Database;
use super::{Failure, derivation, setup};
use crate::config::Config;
use crate::daemon::End;
use crate::source::Source;
use crate::store::postgres::{Lease, Request};
use crate::sync::Outcome;

/// How often progress is logged where there is no terminal.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// Blocks done of blocks wanted: a bar on a terminal, log lines elsewhere.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    from: u64,
    to: u64,
    events: u64,
    began: Instant,
    logged: Instant,
}

impl Progress {
    pub(super) fn new(from: u64, to: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(to.saturating_sub(from) + 1);
            let style =
                ProgressStyle::with_template("{bar:40} {pos}/{len} blocks  {msg}  {per_sec}  ETA {eta}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, from, to, events: 0, began: Instant::now(), logged: Instant::now() }
    }

    pub(super) fn reached(&mut self, block: u64, events: u64) {
        self.events += events;
        let done = (block + 1).saturating_sub(self.from);
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let rate = self.events as f64 / seconds;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(format!("{rate:.0} events/s"));
        } else if self.logged.elapsed() > LOG_EVERY {
            self.logged = Instant::now();
            let left = self.to.saturating_sub(block) as f64;
            let eta_seconds = (left * seconds / done.max(1) as f64) as u64;
            tracing::info!(
                block,
                to = self.to,
                events = self.events,
                events_per_second = rate as u64,
                eta_seconds,
                "backfilling"
            );
        }
    }

    pub(super) fn done(&self, words: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        println!("{words}");
    }
}

/// See the module.
pub(super) async fn backfill(
    mut config: Config,
    from: u64,
    to: Option<u64>,
    repair: bool,
    accepts_configuration: bool,
) -> Result<(), Failure> {
    let (node, chain_id) = setup::node(&config).await?;
    let head = node.view().await?.head.id.number;
    if from > head {
        let message =
            format!("--from {from} is above the chain's head {head}: there is nothing to index yet");
        return Err(Failure::new(2, message));
    }
    let to = match to {
        Some(to) if to < from => {
            return Err(Failure::new(2, format!("--to {to} is below --from {from}")));
        }
        Some(to) if to > head => {
            let message =
                format!("--to {to} is above the chain's head {head}; leave it out to go to the head");
            return Err(Failure::new(2, message));
        }
        to => to.unwrap_or(head),
    };
    drop(node);
    let database = Database::open(&config).await?;
    database.refuse_superuser(&config).await?;
    let checkpoint = operate::checkpoint(&database.pool, chain_id).await?;
    let held = Lease::new(database.pool.clone(), chain_id, setup::holder()).current_holder().await?;
    let indexed = checkpoint.filter(|at| *at >= from);
    if held.is_none() && checkpoint.is_some() && !accepts_configuration {
        // What is indexed here counts as a worker's: a repair after it would find nothing to refuse.
        derivation::refuse(&config, &database.pool, chain_id).await?;
    }
    let behind = operate::is_behind(&database.pool, chain_id, &config).await?;
    let ended = match (held, indexed) {
        (Some(holder), _) => {
            eprintln!("a worker ({holder}) is alive: it does the work, this command watches");
            operate::wait_for_checkpoint(&database.pool, chain_id, from, to).await
        }
        (None, Some(at)) if at >= to && !behind => Ok(()),
        (None, _) => {
            if checkpoint.is_none() {
                for contract in &mut config.contracts {
                    contract.start_block = Some(from);
                }
            } else if let Some(at) = checkpoint.filter(|at| at + 1 < from) {
                database.close().await;
                let message = format!(
                    "--from {from} would leave a gap: the tables reach block {at}; start at {} or below",
                    at + 1
                );
                return Err(Failure::new(2, message));
            }
            index(&config, &database, from, to).await
        }
    };
    let ended = match (ended, indexed) {
        (Ok(()), Some(at)) => reread(&config, &database, chain_id, from, at.min(to), repair).await,
        (ended, _) => ended,
    };
    database.close().await;
    ended
}

/// Runs the worker to a bound.
async fn index(config: &Config, database: &Database, from: u64, to: u64) -> Result<(), Failure> {
    let stop = stop_on_signal()?;
    let daemon = daemon(config, database, &stop).await?;
    let mut progress = Progress::new(from, to);
    let ended = daemon
        .run(Some(to), &stop, &mut |outcome, position| {
            let events = match outcome {
                Outcome::Backfilled { events, .. }
                | Outcome::Followed { events, .. }
                | Outcome::CaughtUp { events, .. } => *events as u64,
                _ => 0,
            };
            if let Some(block) = position {
                progress.reached(block, events);
            }
        })
        .await?;
    stop.cancel();
    match ended {
        End::Reached(at) => {
            progress.done(&format!("blocks {from} to {at} are indexed: {} events", progress.events));
            Ok(())
        }
        End::Stopped => Err(Failure::new(
            Failure::TEMPORARY,
            "stopped before the range was complete; run it again to go on",
        )),
        End::Halted(reason) => Err(Failure::new(Failure::HALTED, reason)),
    }
}

async fn reread(
    config: &Config,
    database: &Database,
    chain_id: u64,
    from: u64,
    to: u64,
    repair: bool,
) -> Result<(), Failure> {
    let request = Request::Reread { from, to, repair };
    let handed = Handed { config, database, chain_id, accepts_configuration: false };
    let report = handed.execute(&request, Progress::new(from, to)).await?;
    let found = report["differences"].as_u64().unwrap_or_default();
    println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default());
    match (found, report["repaired"].as_bool()) {
        (0, _) | (_, Some(true)) => Ok(()),
        _ => Err(Failure::new(
            Failure::FINDINGS,
            format!("{found} differences between the node and the tables; --repair mends them"),
        )),
    }
}
