//! How fast a backfill is, and what it costs: the released program reads ERC-20 transfers from a node on this machine
//! into a real PostgreSQL with fsync on, and the tables are compared with an independent fold.
//!
//! `cargo bench --bench backfill -- --logs 1000000`; `--help` lists the options. Settings of the program are passed
//! through the environment, for instance `ASSET_INDEXER__CHAIN__RANGE_LOGS_TARGET`. With `--identities 100000` it reads a
//! T-REX suite instead, whose identities are announced long after their claims: see [`suite`].
//!
//! Node, program and PostgreSQL share the machine's cores, so wall time depends on how many there are; CPU time does
//! not, and the floor (see [`floor`]) says how much of it nobody could save.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod chain;
mod check;
mod database;
mod floor;
mod follow;
mod json;
mod ledger;
mod measure;
mod node;
mod peer;
mod process;
mod register;
mod report;
mod socket;
#[path = "../drawing/splitmix.rs"]
mod splitmix;
mod stages;
mod suite;
mod wire;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;

use chain::{Chain, Shape};
use database::Database;
use follow::Pace;
use measure::Indexes;
use node::{Manner, Node};
use register::Register;
use report::Report;

/// Blocks of the ERC-20 workload.
const BLOCKS: u64 = 5_000;
/// Blocks of the suite.
const SUITE_BLOCKS: u64 = 10_000;

/// Measures a backfill of ERC-20 transfers, or of a T-REX suite.
#[derive(Debug, Parser)]
struct Arguments {
    /// Logs in all.
    #[arg(long, env = "BENCH_LOGS", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    logs: u64,
    /// Token contracts.
    #[arg(long, env = "BENCH_TOKENS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    tokens: u32,
    /// Wallets; a few of them trade most.
    #[arg(long, env = "BENCH_HOLDERS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..))]
    holders: u32,
    /// Blocks with logs: 5,000, or of a suite 10,000, where nothing else is said.
    #[arg(long, env = "BENCH_BLOCKS", value_parser = clap::value_parser!(u64).range(1..))]
    blocks: Option<u64>,
    /// Fills all blocks alike but for a sixteenth, instead of with none to twice as many logs as at the mean.
    #[arg(long)]
    even: bool,
    /// Measures a T-REX suite instead: so many identities, three claims each, two transfers for each; 0 for none.
    #[arg(long, env = "BENCH_IDENTITIES", default_value_t = 0, conflicts_with_all = ["follow", "peer", "even"])]
    identities: u32,
    /// The token of the suite points to its registry at last: all registrations and identities are older than what finds them.
    #[arg(long, requires = "identities")]
    late: bool,
    /// How long the node thinks about each HTTP request.
    #[arg(long, env = "BENCH_LATENCY_MS", default_value_t = 0)]
    latency_ms: u64,
    /// The most logs of one answer of the node.
    #[arg(long, env = "BENCH_LOGS_PER_RESPONSE", default_value_t = 10_000)]
    logs_per_response: usize,
    /// Whether the node says a block's time with its logs, as newer ones do.
    #[arg(long, env = "BENCH_BLOCK_TIMESTAMPS", default_value_t = true, action = clap::ArgAction::Set)]
    block_timestamps: bool,
    /// Whether the same rows are copied for comparison, which takes longer than the run.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    floors: bool,
    /// Measures following instead: so many of the blocks come one by one, at the pace of --block-ms.
    #[arg(long, default_value_t = 0)]
    follow: u64,
    /// Milliseconds between two blocks that are followed.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..))]
    block_ms: u64,
    /// Measures another indexer on the same workload afterwards; see benches/ponder.
    #[arg(long, conflicts_with = "follow")]
    peer: Option<PeerName>,
    /// The longest that the program may take.
    #[arg(long, env = "BENCH_TIMEOUT_S", default_value_t = 3_600)]
    timeout_s: u64,
    /// Given by `cargo bench`; without it only the workload and the node are checked.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Another indexer.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum PeerName {
    Ponder,
}

impl Arguments {
    fn shape(&self) -> Shape {
        let blocks = self.blocks.unwrap_or(BLOCKS);
        Shape { logs: self.logs, tokens: self.tokens, holders: self.holders, blocks, even: self.even }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }

    fn manner(&self) -> Manner {
        Manner {
            latency: Duration::from_millis(self.latency_ms),
            logs_max: self.logs_per_response,
            block_timestamps: self.block_timestamps,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("backfill benchmark: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error + Send + Sync>> {
    chain::check()?;
    check::check().await?;
    stages::check()?;
    suite::check::check()?;
    suite::check::read().await?;
    if !arguments.bench {
        println!("the workload and the node are as they should be; cargo bench --bench backfill measures");
        return Ok(());
    }
    let database = Database::start().await?;
    let measured = match (arguments.identities, arguments.follow) {
        (0, 0) => measure(arguments, &database).await.map(|report| report.to_string()),
        (0, _) => follow(arguments, &database).await.map(|followed| followed.to_string()),
        _ => measure_suite(arguments, &database).await.map(|report| report.to_string()),
    };
    database.stop().await?;
    print!("{}", measured?);
    Ok(())
}

async fn follow(
    arguments: &Arguments,
    database: &Database,
) -> Result<follow::Followed, Box<dyn Error + Send + Sync>> {
    let chain = Arc::new(Chain::new(arguments.shape()));
    let (node, address) = Node::serve(chain.clone(), arguments.manner()).await?;
    let pace = Pace { blocks: arguments.follow, every: Duration::from_millis(arguments.block_ms) };
    let (url, patience) = (format!("ws://{address}"), arguments.patience());
    let mut run = database.create("run").await?;
    let mut followed = follow::follow(&chain, &node, &url, pace, patience, database, "run").await?;
    Register::of(&chain).compare(&mut run).await?;
    let mut alone = database.create("floor").await?;
    follow::commit_alone(&mut followed, &chain, &mut run, &mut alone).await?;
    Ok(followed)
}

async fn measure_suite(
    arguments: &Arguments,
    database: &Database,
) -> Result<suite::report::Report, Box<dyn Error + Send + Sync>> {
    let shape = suite::Shape::of(arguments.identities, arguments.blocks.unwrap_or(SUITE_BLOCKS))?;
    let shape = suite::Shape { late: arguments.late, ..shape };
    suite::measure::measure(shape, arguments.manner(), arguments.patience(), database).await
}

async fn measure(arguments: &Arguments, database: &Database) -> Result<Report, Box<dyn Error + Send + Sync>> {
    let silence = arguments.peer.map_or(0, |PeerName::Ponder| peer::SILENCE_BLOCKS);
    let chain = Arc::new(Chain::new(arguments.shape()).with_silence(silence));
    let register = Register::of(&chain);
    let (node, address) = Node::serve(chain.clone(), arguments.manner()).await?;
    let mut connection = database.create("run").await?;
    let (url, patience) = (format!("http://{address}"), arguments.patience());
    let run = measure::backfill(&*chain, 1, &url, patience, database, "run", &mut connection).await?;
    register.compare(&mut connection).await?;
    let size = database::size_bytes(&mut connection).await?;
    let version = database::version(&mut connection).await?;
    let kinds: &[Indexes] = if arguments.floors { &[Indexes::KeptUp, Indexes::BuiltAfter] } else { &[] };
    let dumps = match kinds {
        [] => Vec::new(),
        _ => floor::dump(&mut connection, &database.scratch()?).await?,
    };
    drop(connection);
    database.remove("run").await?;
    let mut floors = Vec::new();
    for indexes in kinds.iter().copied() {
        let mut connection = database.create("floor").await?;
        floors.push(measure::copying(&chain, database, &dumps, indexes, &mut connection).await?);
        drop(connection);
        database.remove("floor").await?;
    }
    let peer = match arguments.peer {
        Some(PeerName::Ponder) => {
            let (node, address) = Node::serve(chain.clone(), arguments.manner()).await?;
            let url = format!("http://{address}");
            let run = peer::ponder(&chain, &register, &url, patience, database, "peer").await?;
            Some((run, node.asked()))
        }
        None => None,
    };
    Ok(Report {
        shape: arguments.shape(),
        manner: arguments.manner(),
        changes: register.changes(),
        positions: register.positions(),
        run,
        floors,
        asked: node.asked(),
        peer,
        size,
        version,
        file_system: process::file_system(database.directory()),
    })
}
