//! `run`: the daemon.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::setup::{self, Database, Node};
use super::{Failure, providers};
use crate::config::Config;
use crate::daemon::{Daemon, End};
use crate::observe::{self, Board};

/// Everything a worker needs, put together.
pub(super) async fn daemon(
    config: &Config,
    database: &Database,
    stop: &CancellationToken,
) -> Result<Daemon<Node>, Failure> {
    let (source, chain_id) = setup::node(config).await?;
    providers::refuse_unprovable(config, &source).await?;
    let handle = observe::record().map_err(|error| Failure::new(70, error))?;
    let board = Board::new(chain_id);
    providers::watch(config, &source, &board, stop);
    if let Some(address) = config.http.listen {
        let bound = observe::serve(address, board.clone(), handle, stop.clone())
            .await
            .map_err(|error| Failure::new(Failure::CONFIG, error))?;
        tracing::info!(%bound, "serving /live /ready /status /metrics");
    }
    Ok(Daemon {
        source,
        database: database.options.clone(),
        pool: database.pool.clone(),
        decoder: setup::decoder(config),
        config: setup::sync_config(config, chain_id),
        sweep_requests_per_second: config.proof.requests_per_second,
        looking: config.looking,
        board,
        holder: setup::holder(),
        configuration_digest: config.digest(),
    })
}

/// Cancelled by SIGTERM, SIGINT, or SIGHUP where that is not ignored (`nohup`): who closes a terminal takes back what is not
/// done, as who presses Ctrl-C. A second signal ends the process at once.
pub(super) fn stop_on_signal() -> Result<CancellationToken, Failure> {
    let stop = CancellationToken::new();
    let failed = |error: std::io::Error| Failure::new(71, format!("signals cannot be received: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut hangup =
        if ignores_hangup() { None } else { Some(signal(SignalKind::hangup()).map_err(failed)?) };
    let token = stop.clone();
    tokio::spawn(async move {
        let mut hung_up = async || match &mut hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        };
        for again in [false, true] {
            let code = tokio::select! {
                _ = terminate.recv() => 143,
                _ = interrupt.recv() => 130,
                _ = hung_up() => 129,
            };
            if again {
                std::process::exit(code);
            }
            tracing::info!("asked to stop: the present transaction is finished or given up");
            token.cancel();
        }
    });
    Ok(stop)
}

/// Whether SIGHUP was ignored when the process began, as the kernel tells; to listen for it would end that.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & 1 == 1))
}

/// What was set up, or nothing when asked to stop meanwhile.
async fn unless_stopped<T>(
    stop: &CancellationToken,
    setting_up: impl Future<Output = Result<T, Failure>>,
) -> Result<Option<T>, Failure> {
    tokio::select! {
        ready = setting_up => ready.map(Some),
        () = stop.cancelled() => Ok(None),
    }
}

/// Follows the chain until stopped.
pub(super) async fn run(config: Config) -> Result<(), Failure> {
    let stop = stop_on_signal()?;
    let Some(database) = unless_stopped(&stop, Database::open(&config)).await? else { return Ok(()) };
    database.refuse_superuser(&config).await?;
    if let Some(url) = database.private_url() {
        tracing::info!(url, "no database URL is configured: using a private PostgreSQL");
    }
    let Some(daemon) = unless_stopped(&stop, daemon(&config, &database, &stop)).await? else {
        database.close().await;
        return Ok(());
    };
    tracing::info!(
        chain = daemon.config.chain_id,
        contracts = daemon.config.contracts.len(),
        version = env!("CARGO_PKG_VERSION"),
        "started"
    );
    let ended = daemon.run(None, &stop, &mut |_, _| {}).await;
    drop(daemon);
    stop.cancel();
    database.close().await;
    match ended? {
        End::Stopped | End::Reached(_) => {
            tracing::info!("stopped");
            Ok(())
        }
        End::Halted(reason) => Err(Failure::new(Failure::HALTED, reason)),
    }
}
