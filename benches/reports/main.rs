//! How long the past of a large register takes to read: one asset, a million wallets, ten changes each.
//!
//! `cargo bench --bench reports`; `--holders` and `--rounds` make it smaller. Measures the program's own path from
//! question to digest in this process (stamp, positions, totals, body, SHA-256, the largest holders), `api.balance_at` and
//! the functions of `api`, at blocks spread over the whole history; wall time, and CPU time of this process and of
//! PostgreSQL, which other work on the machine does not change.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use alloy::primitives::Address;
use asset_indexer::embedded::{Cluster, Options, SUPERUSER, Search, find_binaries};
use asset_indexer::id::asset_id;
use asset_indexer::report::{AsOf, By, Kind, Past, ask, subject};
use asset_indexer::store::postgres::migrate;
use asset_indexer::verify::Snapshot;
use clap::Parser;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

const LOAD: &str = include_str!("load.sql");
const CHAIN: u64 = 1;
const TOKEN: Address = Address::repeat_byte(0xa5);
type Failed = Box<dyn Error + Send + Sync>;

/// Measures reports of a large register.
#[derive(Debug, Parser)]
struct Arguments {
    /// Wallets that hold the asset.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    holders: u64,
    /// Changes of each.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// How often each question is asked.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    times: u64,
    /// Given by `cargo bench`; without it a small register is read once.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if !arguments.bench {
        (arguments.holders, arguments.rounds, arguments.times) = (1_000, 3, 1);
    }
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reports benchmark: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failed> {
    let roots = [std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    let binaries = find_binaries(&Search { roots: &roots, ..Search::default() })?;
    let cluster = Cluster::start(Options::scratch(binaries)).await?;
    let measured = measure(arguments, &cluster).await;
    cluster.stop().await?;
    measured
}

async fn measure(arguments: &Arguments, cluster: &Cluster) -> Result<(), Failed> {
    cluster.create_database("reports", None).await?;
    let options = cluster.connect_options(SUPERUSER, "reports");
    let mut connection = PgConnection::connect_with(&options).await?;
    migrate(&mut connection).await?;
    load(arguments, &mut connection).await?;
    let head: i64 =
        sqlx::query_scalar("select block_number from chain.checkpoints").fetch_one(&mut connection).await?;
    // Spread over the history by the golden ratio, never the same twice.
    let blocks: Vec<i64> = (1..=arguments.times)
        .map(|n| 1 + (n.wrapping_mul(6_180_339_887) % head.cast_unsigned()).cast_signed())
        .collect();
    println!("{:<44} {:>9} {:>9} {:>9} {:>9}", "question", "p50 ms", "p95 ms", "own CPU", "server CPU");
    let mut own = Vec::new();
    for block in &blocks {
        let mut snapshot = Snapshot::open(&options, CHAIN).await?.ok_or("nothing is indexed")?;
        let server = backend(&mut snapshot.connection).await?;
        let began = Taken::now(server)?;
        let as_of = AsOf::Block(block.cast_unsigned());
        let stamp = subject(&mut snapshot, TOKEN, as_of, "UTC", false, Past::None).await?;
        let report = ask(&mut snapshot, &Kind::CapTable(By::Wallet), stamp).await?;
        std::hint::black_box(report.table(50));
        own.push(began.until(server)?);
        let totals = report.stamp.totals.as_ref().ok_or("a cap table has totals")?;
        println!("  block {block}: {} holders, sha256 {}", totals.holders, report.stamp.sha256);
    }
    told("report cap-table: totals, digest, first page", own);
    for (name, sql) in [
        ("api.balance_at, one holder", "select * from api.balance_at($ASSET, $HOLDER, $BLOCK)"),
        ("api.cap_table, first page", "select * from api.cap_table($ASSET, $BLOCK, 100)"),
        ("api.register_totals", "select * from api.register_totals($ASSET, $BLOCK)"),
        ("api.concentration", "select * from api.concentration($ASSET, $BLOCK)"),
        (
            "api.block_at",
            "select * from api.block_at(1, timestamptz '2026-01-01' + $BLOCK * interval '12 s')",
        ),
    ] {
        let server = backend(&mut connection).await?;
        let mut times = Vec::new();
        for (n, block) in blocks.iter().enumerate() {
            let holder = format!("(select api.hex(substr(sha256('holder{n}'), 1, 20)))");
            let holder: String = sqlx::query_scalar(AssertSqlSafe(holder)).fetch_one(&mut connection).await?;
            let sql = sql
                .replace("$ASSET", &asset())
                .replace("$BLOCK", &block.to_string())
                .replace("$HOLDER", &format!("'{holder}'"));
            let began = Taken::now(server)?;
            connection.execute(AssertSqlSafe(sql)).await?;
            times.push(began.until(server)?);
        }
        told(name, times);
    }
    connection.close().await?;
    Ok(())
}

async fn load(arguments: &Arguments, connection: &mut PgConnection) -> Result<(), Failed> {
    let sql = LOAD
        .replace("$HOLDERS$", &arguments.holders.to_string())
        .replace("$CHANGES$", &(arguments.holders * arguments.rounds).to_string())
        .replace("$ASSET$", &asset())
        .replace("$TOKEN$", &format!("'\\x{}'::bytea", alloy::hex::encode(TOKEN)));
    let began = Instant::now();
    connection.execute(AssertSqlSafe(sql)).await?;
    connection.execute("vacuum analyze").await?;
    println!(
        "{} changes were loaded in {:.0} s",
        arguments.holders * arguments.rounds,
        began.elapsed().as_secs_f64()
    );
    let began = Instant::now();
    let mut taken = 0;
    while sqlx::query("select from ops.take_snapshot(1)").fetch_optional(&mut *connection).await?.is_some() {
        taken += 1;
    }
    connection.execute("vacuum analyze ops.register_positions").await?;
    let (snapshots, history): (i64, i64) = sqlx::query_as(
        "select pg_total_relation_size('ops.register_positions'),
             (select sum(pg_total_relation_size(inhrelid))::bigint from pg_inherits
              where inhparent = 'chain.ownership_history'::regclass)",
    )
    .fetch_one(&mut *connection)
    .await?;
    println!(
        "{taken} snapshots were taken in {:.0} s: {} MB beside {} MB of history",
        began.elapsed().as_secs_f64(),
        snapshots >> 20,
        history >> 20
    );
    Ok(())
}

fn asset() -> String {
    format!("'{}'::uuid", asset_id(CHAIN, TOKEN))
}

async fn backend(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("select pg_backend_pid()").fetch_one(connection).await
}

/// What something took: on the wall, of this process, of the server's process.
struct Taken {
    began: Instant,
    own: Duration,
    server: Duration,
}

impl Taken {
    fn now(server: i32) -> std::io::Result<Self> {
        Ok(Self { began: Instant::now(), own: cpu("self")?, server: cpu(&server.to_string())? })
    }

    fn until(&self, server: i32) -> std::io::Result<[Duration; 3]> {
        Ok([self.began.elapsed(), cpu("self")? - self.own, cpu(&server.to_string())? - self.server])
    }
}

/// CPU time of a process: user and system, in ticks of a hundredth of a second.
fn cpu(process: &str) -> std::io::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 =
        after_name.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

fn told(name: &str, mut times: Vec<[Duration; 3]>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100][0].as_secs_f64() * 1e3;
    let mean = |place: usize| {
        times.iter().map(|taken| taken[place].as_secs_f64() * 1e3).sum::<f64>() / times.len() as f64
    };
    println!("{name:<44} {:>9.1} {:>9.1} {:>9.1} {:>9.1}", at(50), at(95), mean(1), mean(2));
}
