//! The published schema's targets against what is measured: a private PostgreSQL with fsync, loaded with what five years of
//! the published growth leave, and one asset with a million holders.
//!
//! `cargo bench --bench targets -- --scale 0.1`; every figure is beside the published one, and in `ops.targets` of the database
//! while it lives. Without `--bench` (as `cargo test` runs it) a tiny load is measured.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod measuring;

use std::process::ExitCode;
use std::time::Duration;

use asset_indexer::embedded::{Cluster, Options, SUPERUSER, Search, find_binaries};
use asset_indexer::store::postgres::{migrate, migrate_application};
use clap::Parser;
use measuring::{Failed, Manner, Outcome, Shape};
use sqlx::{Connection, Executor, PgConnection};

/// Measures the targets of the published schema.
#[derive(Debug, Parser)]
struct Arguments {
    /// How much of what five years leave (ten million rows a table at the most) is loaded.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Holders of the asset with many; each changed ten times.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    holders: u64,
    /// How often each client asks a statement.
    #[arg(long, default_value_t = 1_000)]
    times: usize,
    /// How often each report is made.
    #[arg(long, default_value_t = 8)]
    reports: usize,
    /// The longest that a client asks one thing, in seconds.
    #[arg(long, default_value_t = 60)]
    patience_s: u64,
    /// Loads nothing: measures a database that an earlier run left, under the same scale and holders. With `--keep` a run
    /// leaves its own.
    #[arg(long)]
    on: Option<String>,
    /// Of the statements, asks those whose target contains this; with `--on`.
    #[arg(long, default_value = "", requires = "on")]
    only: String,
    /// Keeps the private PostgreSQL with the loaded database `targets` in this directory.
    #[arg(long)]
    keep: Option<std::path::PathBuf>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if !arguments.bench {
        (arguments.scale, arguments.holders, arguments.times, arguments.reports) = (0.0001, 1_000, 3, 1);
    }
    match run(&arguments).await {
        Ok(outcome) => {
            print!("{outcome}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("targets benchmark: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Outcome, Failed> {
    if let Some(url) = &arguments.on {
        let (shape, manner) = (shape(arguments), manner(arguments));
        return measuring::measure(&url.parse()?, shape, manner, Duration::ZERO, &arguments.only).await;
    }
    let roots = [std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    let binaries = find_binaries(&Search { roots: &roots, ..Search::default() })?;
    let options = match &arguments.keep {
        Some(directory) => Options::persistent(binaries, directory.clone()),
        None => Options { durable: true, ..Options::scratch(binaries) },
    };
    let cluster = Cluster::start(options).await?;
    let measured = measure(arguments, &cluster).await;
    cluster.stop().await?;
    measured
}

async fn measure(arguments: &Arguments, cluster: &Cluster) -> Result<Outcome, Failed> {
    cluster.create_database("targets", None).await?;
    let options = cluster.connect_options(SUPERUSER, "targets");
    let mut connection = PgConnection::connect_with(&options).await?;
    migrate(&mut connection).await?;
    migrate_application(&mut connection).await?;
    // The load alone would otherwise write a checkpoint each gigabyte.
    connection.execute("alter system set max_wal_size = '16GB'").await?;
    connection.execute("select pg_reload_conf()").await?;
    connection.close().await?;
    measuring::run(&options, shape(arguments), manner(arguments)).await
}

fn shape(arguments: &Arguments) -> Shape {
    Shape::new(arguments.scale, arguments.holders)
}

fn manner(arguments: &Arguments) -> Manner {
    Manner {
        times: arguments.times,
        reports: arguments.reports,
        patience: Duration::from_secs(arguments.patience_s),
        tells: true,
    }
}
