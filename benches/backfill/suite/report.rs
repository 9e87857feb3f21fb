//! The table that is printed, with the targets beside.

use std::fmt;

use super::Shape;
use crate::measure::Run;
use crate::node::{Asked, Manner};
use crate::report::{circumstances, grouped, mib};

/// CPU seconds that the backfill may take, of the program and PostgreSQL together.
const CPU_MAX: f64 = 60.0;
/// Identities whose older logs one request should ask for.
const BACK_SCAN_IDENTITIES: u64 = 500;
/// Seconds until the tables know of an issuer's removal.
const REMOVAL_MAX: f64 = 5.0;

/// Everything that was measured.
pub struct Report {
    /// The workload.
    pub shape: Shape,
    /// How the node answered.
    pub manner: Manner,
    /// Logs in all.
    pub logs: u64,
    /// Wallets with a row in the register.
    pub holders: u64,
    /// How many of them were verified before an issuer's removal, and after it.
    pub verified: [u64; 2],
    /// Blocks in which a wallet gave something to another.
    pub blocks_with_movements: u64,
    /// The backfill of all blocks but the last.
    pub run: Run,
    /// What the node was asked meanwhile.
    pub asked: Asked,
    /// The run for the last block.
    pub removal: Run,
    /// HTTP requests of that run.
    pub removal_exchanges: u64,
    /// Bytes of the database in the end.
    pub size: u64,
    /// Of PostgreSQL.
    pub version: String,
    /// Where its data lay.
    pub file_system: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { identities, transfers, blocks, late } = self.shape;
        let late = if late { ", and all of it found at last" } else { "" };
        let claims = u64::from(identities) * super::TOPICS as u64;
        let [identities, transfers, claims, blocks, logs] =
            [identities.into(), transfers.into(), claims, blocks, self.logs].map(grouped);
        writeln!(
            f,
            "workload    a T-REX suite: {identities} identities announced after their {claims} claims{late}, {transfers} transfers; \
             {logs} logs in {blocks} blocks"
        )?;
        let [holders, verified, left] = [self.holders, self.verified[0], self.verified[1]].map(grouped);
        writeln!(
            f,
            "result      equal to an independent fold: {holders} holders, of whom {verified} are verified, and {left} after the \
             removal of an issuer"
        )?;
        circumstances(f, self.manner, &self.version, &self.file_system)?;
        writeln!(f, "\n{:<46}{:>12}{:>10}", "backfill", "", "target")?;
        self.costs(f)?;
        self.requests(f)?;
        writeln!(f, "\n{:<46}{:>12}{:>10}", "the block of an issuer's removal", "", "target")?;
        target(f, "wall, s", 2, self.removal.cost.wall.as_secs_f64(), REMOVAL_MAX)?;
        figure(f, "CPU of the program, s", 2, self.removal.cost.client_cpu)?;
        figure(f, "CPU of PostgreSQL, s", 2, self.removal.cost.postgres_cpu)?;
        figure(f, "peak memory of the program, MiB", 0, self.removal.peak_kib as f64 / 1024.0)?;
        count(f, "HTTP requests", self.removal_exchanges)
    }
}

impl Report {
    fn costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cost = &self.run.cost;
        figure(f, "wall, s", 2, cost.wall.as_secs_f64())?;
        figure(f, "CPU of the program, s", 2, cost.client_cpu)?;
        figure(f, "CPU of PostgreSQL, s", 2, cost.postgres_cpu)?;
        target(f, "CPU of both, s", 2, cost.client_cpu + cost.postgres_cpu, CPU_MAX)?;
        figure(f, "peak memory of the program, MiB", 0, self.run.peak_kib as f64 / 1024.0)?;
        figure(f, "WAL, MiB", 0, mib(cost.wal))?;
        figure(f, "database, MiB", 0, mib(self.size))?;
        figure(f, "CPU of the node, s", 2, self.run.node_cpu)
    }

    fn requests(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = &self.asked;
        let wanted = u64::from(self.shape.identities).div_ceil(BACK_SCAN_IDENTITIES);
        target(f, "back-scans: eth_getLogs of identities' past", 0, asked.back_scans as f64, wanted as f64)?;
        figure(
            f,
            "identities in one of them",
            1,
            asked.back_scanned as f64 / asked.back_scans.max(1) as f64,
        )?;
        count(f, "eth_getLogs of everyone", asked.of_everyone)?;
        count(f, "blocks asked for with their transactions", asked.whole_blocks)?;
        count(f, "blocks with transfers between wallets", self.blocks_with_movements)?;
        count(f, "HTTP requests", asked.exchanges)?;
        figure(f, "answers, MiB", 0, mib(asked.bytes))?;
        count(f, "logs in answers", asked.logs)?;
        for (method, times) in &asked.methods {
            count(f, method, *times)?;
        }
        write!(f, "{}", self.run.stages)
    }
}

fn figure(f: &mut fmt::Formatter<'_>, name: &str, digits: usize, value: f64) -> fmt::Result {
    writeln!(f, "{name:<46}{value:>12.digits$}")
}

fn count(f: &mut fmt::Formatter<'_>, name: &str, value: u64) -> fmt::Result {
    writeln!(f, "{name:<46}{:>12}", grouped(value))
}

/// A figure with the most that it should be.
fn target(f: &mut fmt::Formatter<'_>, name: &str, digits: usize, value: f64, most: f64) -> fmt::Result {
    let verdict = if value <= most { "met" } else { "missed" };
    writeln!(f, "{name:<46}{value:>12.digits$}{most:>10.0}  {verdict}")
}
