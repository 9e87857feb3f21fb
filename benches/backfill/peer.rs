//! Another indexer on the same workload: Ponder, as `benches/ponder` sets it up, with rows, balances and their past.
//!
//! It is given what costs it least: one schema, no index but the keys, none of what our tables hold beyond. It is done when it says
//! so (`/ready`), and its balances are compared with the independent fold before anything is printed.

use std::error::Error;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use alloy::primitives::Address;
use alloy::transports::http::reqwest;
use sqlx::PgConnection;
use tokio::process::{Child, Command};

use crate::chain::Chain;
use crate::database::Database;
use crate::ledger::{CHAIN_ID, Ledger};
use crate::measure::{Meter, Run, tail};
use crate::process::peak_memory_kib;
use crate::register::Register;

/// Blocks below the newest that Ponder takes for not final on a chain that it does not know: the workload ends so far below.
pub const SILENCE_BLOCKS: u64 = 32;
/// How often it is asked whether it is done.
const GLANCE: Duration = Duration::from_millis(100);
/// The schema that its tables are in.
const SCHEMA: &str = "peer";

/// Runs Ponder until it has indexed the workload, and checks what it left.
///
/// # Errors
/// When it is not installed, fails, takes too long, or is wrong.
pub async fn ponder(
    chain: &Chain,
    register: &Register,
    node_url: &str,
    patience: Duration,
    database: &Database,
    name: &str,
) -> Result<Run, Box<dyn Error + Send + Sync>> {
    let mut connection = database.create_bare(name).await?;
    let log = database.scratch()?.join("peer.log");
    // Free a moment ago; whoever takes it meanwhile makes the run fail.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let mut command = command(chain, node_url, &database.admin_url(name), port, &log)?;
    let meter = Meter::start(database, &mut connection).await?;
    let mut child = command.spawn().map_err(|error| format!("node does not start: {error}"))?;
    let ready = tokio::time::timeout(patience, ready(&mut child, port)).await;
    let wall = meter.wall();
    child.kill().await?;
    let peak_kib = match ready {
        Ok(Some(peak_kib)) => peak_kib,
        Ok(None) => return Err(format!("Ponder ended before it was done: {}", tail(&log)).into()),
        Err(_) => return Err(format!("Ponder was not done after {patience:?}: {}", tail(&log)).into()),
    };
    let run = meter.of_child(wall, peak_kib, database, &mut connection).await?;
    compare(register, &mut connection).await?;
    Ok(run)
}

fn command(
    chain: &Chain,
    node_url: &str,
    database_url: &str,
    port: u16,
    log: &Path,
) -> Result<Command, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/ponder");
    let program = root.join("node_modules/ponder/dist/esm/bin/ponder.js");
    if !program.exists() {
        return Err("Ponder is not installed: make bench-peers fetches it".to_owned());
    }
    let tokens: Vec<String> = chain.tokens().iter().map(Address::to_string).collect();
    let told = File::create(log).and_then(|file| Ok((file.try_clone()?, file)));
    let (out, err) = told.map_err(|error| format!("{}: {error}", log.display()))?;
    let mut command = Command::new("node");
    command
        .arg(program)
        .args(["start", "--schema", SCHEMA, "--hostname", "127.0.0.1", "--port", &port.to_string()])
        .args(["--log-format", "json", "--log-level", "warn"])
        .current_dir(root)
        .env("DATABASE_URL", database_url)
        .env("PEER_RPC_URL", node_url)
        .env("PEER_CHAIN_ID", CHAIN_ID.to_string())
        .env("PEER_TOKENS", tokens.join(","))
        .env("PEER_END_BLOCK", (chain.head() - SILENCE_BLOCKS).to_string())
        .env("PONDER_TELEMETRY_DISABLED", "true")
        .env("NODE_ENV", "production")
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .kill_on_drop(true);
    Ok(command)
}

/// Waits until it says that it is done; its peak memory in KiB, or nothing when it ended.
async fn ready(child: &mut Child, port: u16) -> Option<u64> {
    let process = child.id()?;
    let url = format!("http://127.0.0.1:{port}/ready");
    let client = reqwest::Client::new();
    let mut peak_kib = 0;
    loop {
        tokio::select! {
            _ = child.wait() => return None,
            () = tokio::time::sleep(GLANCE) => {}
        }
        peak_kib = peak_memory_kib(process).unwrap_or(0).max(peak_kib);
        if client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            return Some(peak_kib);
        }
    }
}

async fn compare(
    register: &Register,
    connection: &mut PgConnection,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (logs, changes): (i64, i64) =
        sqlx::query_as("select (select count(*) from peer.transfer), (select count(*) from peer.past)")
            .fetch_one(&mut *connection)
            .await?;
    let rows: Vec<(String, String, String)> =
        sqlx::query_as("select token, holder, balance::text from peer.holding").fetch_all(connection).await?;
    let held =
        rows.iter().map(|(token, holder, balance)| Ok(((token.parse()?, holder.parse()?), balance.parse()?)));
    let held: Vec<((Address, Address), u128)> = held.collect::<Result<_, Box<dyn Error + Send + Sync>>>()?;
    Ok(register.compare_peer(logs as u64, &held, changes as u64)?)
}
