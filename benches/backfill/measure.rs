//! The two things that are measured: the program's backfill, and its floor.

use std::error::Error;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use tokio::process::{Child, Command};

use crate::chain::Chain;
use crate::database::{Database, settle, wal_bytes};
use crate::floor;
use crate::ledger::{CHAIN_ID, Ledger};
use crate::process::{ended_children_cpu, own_cpu, peak_memory_kib};
use crate::stages::{self, Stages};

/// Blocks of one partition, as the migrations make them.
const PARTITION_BLOCKS: u64 = 1_000_000;
/// How often memory is looked at.
const GLANCE: Duration = Duration::from_millis(20);
/// How much of the program's log is shown when it fails.
const LOG_SHOWN_MAX: usize = 4_000;

/// What a piece of work took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// From its start to its end.
    pub wall: Duration,
    /// CPU seconds of the program that asked.
    pub client_cpu: f64,
    /// CPU seconds of PostgreSQL.
    pub postgres_cpu: f64,
    /// Bytes of WAL.
    pub wal: u64,
}

/// What a backfill took.
#[derive(Debug, Clone)]
pub struct Run {
    /// The program and PostgreSQL.
    pub cost: Cost,
    /// CPU seconds of the node.
    pub node_cpu: f64,
    /// The most memory the program had at once, in KiB.
    pub peak_kib: u64,
    /// Where its time went.
    pub stages: Stages,
}

/// What was used up when a piece of work began.
pub struct Meter {
    wal: u64,
    ended_children: f64,
    own: f64,
    postgres: f64,
    began: Instant,
}

impl Meter {
    /// Begins, with nothing left to be written out.
    ///
    /// # Errors
    /// The database's, the system's.
    pub async fn start(
        database: &Database,
        connection: &mut PgConnection,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let wal = settle(connection).await?;
        let (ended_children, own, postgres) = (ended_children_cpu()?, own_cpu()?, database.cpu()?);
        Ok(Self { wal, ended_children, own, postgres, began: Instant::now() })
    }

    /// How long ago that was.
    pub fn wall(&self) -> Duration {
        self.began.elapsed()
    }

    /// What a program that has ended took, which asked the node in this process; `wall` was the end of its work.
    ///
    /// # Errors
    /// The database's, the system's.
    pub async fn of_child(
        &self,
        wall: Duration,
        peak_kib: u64,
        database: &Database,
        connection: &mut PgConnection,
    ) -> Result<Run, Box<dyn Error + Send + Sync>> {
        let client_cpu = ended_children_cpu()? - self.ended_children;
        let cost = self.cost(wall, client_cpu, database, connection).await?;
        Ok(Run { cost, node_cpu: own_cpu()? - self.own, peak_kib, stages: Stages::default() })
    }

    async fn cost(
        &self,
        wall: Duration,
        client_cpu: f64,
        database: &Database,
        connection: &mut PgConnection,
    ) -> Result<Cost, Box<dyn Error + Send + Sync>> {
        let postgres_cpu = database.cpu()? - self.postgres;
        Ok(Cost { wall, client_cpu, postgres_cpu, wal: wal_bytes(connection).await? - self.wal })
    }
}

/// Runs the program's backfill from a block to the newest one.
///
/// # Errors
/// When it fails or takes too long (it asks again for as long as that may help), with the end of its log.
pub async fn backfill(
    ledger: &dyn Ledger,
    from: u64,
    node_url: &str,
    patience: Duration,
    database: &Database,
    name: &str,
    connection: &mut PgConnection,
) -> Result<Run, Box<dyn Error + Send + Sync>> {
    let log = database.scratch()?.join("program.log");
    let command = ["backfill", "--from", &from.to_string()];
    let mut command = program(&command, ledger, node_url, database, name, &log)?;
    command.env(stages::LOG_LEVEL.0, stages::LOG_LEVEL.1);
    let meter = Meter::start(database, connection).await?;
    let mut child = command.spawn()?;
    let Ok(ended) = tokio::time::timeout(patience, watch(&mut child)).await else {
        child.kill().await?;
        return Err(format!("the program was not done after {patience:?}: {}", tail(&log)).into());
    };
    let (status, peak_kib) = ended?;
    let run = meter.of_child(meter.wall(), peak_kib, database, connection).await?;
    if !status.success() {
        return Err(format!("the program ended with {status}: {}", tail(&log)).into());
    }
    Ok(Run { stages: Stages::read(BufReader::new(File::open(&log)?))?, ..run })
}

/// The released program that is to carry a command out for a ledger's contracts, telling of it in a file.
///
/// # Errors
/// The file system's.
pub fn program(
    command: &[&str],
    ledger: &dyn Ledger,
    node_url: &str,
    database: &Database,
    name: &str,
    log: &Path,
) -> std::io::Result<Command> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_asset-indexer"));
    program.args(command).args(["--listen", "off"]);
    for (role, contract) in ledger.starting_points() {
        program.arg("--contract").arg(format!("{}={contract}", role.name()));
    }
    program
        .env("DATABASE_URL", database.url(name))
        .env("RPC_URL", node_url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(log)?)
        .kill_on_drop(true);
    Ok(program)
}

async fn watch(child: &mut Child) -> std::io::Result<(std::process::ExitStatus, u64)> {
    let process = child.id().unwrap_or_default();
    eprintln!("measuring process {process}");
    let mut peak_kib = 0;
    loop {
        tokio::select! {
            ended = child.wait() => return Ok((ended?, peak_kib)),
            () = tokio::time::sleep(GLANCE) => {
                peak_kib = peak_memory_kib(process).unwrap_or(0).max(peak_kib);
            }
        }
    }
}

/// The end of a program's log, for an error.
pub fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    text[text.ceil_char_boundary(text.len().saturating_sub(LOG_SHOWN_MAX))..].to_owned()
}

/// When the indexes of a floor are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexes {
    /// Before the rows.
    KeptUp,
    /// Those that the program defers too, after them.
    BuiltAfter,
}

/// Copies the rows of a run into the empty tables of another database.
///
/// # Errors
/// The database's; and when not every row arrived.
pub async fn copying(
    chain: &Chain,
    database: &Database,
    dumps: &[floor::Dump],
    indexes: Indexes,
    connection: &mut PgConnection,
) -> Result<Cost, Box<dyn Error + Send + Sync>> {
    for block in (0..=chain.head()).step_by(PARTITION_BLOCKS as usize) {
        sqlx::query("select ops.ensure_partitions($1, $2)")
            .bind(CHAIN_ID as i64)
            .bind(block as i64)
            .execute(&mut *connection)
            .await?;
    }
    if indexes == Indexes::BuiltAfter {
        sqlx::query("select ops.defer_indexes()").execute(&mut *connection).await?;
    }
    let meter = Meter::start(database, connection).await?;
    let rows = floor::load(connection, dumps).await?;
    floor::build_indexes(connection).await?;
    let cost = meter.cost(meter.wall(), own_cpu()? - meter.own, database, connection).await?;
    let found = floor::count(connection, dumps).await?;
    if found != rows {
        return Err(format!("{rows} rows were copied for the floor, and {found} are there").into());
    }
    Ok(cost)
}
