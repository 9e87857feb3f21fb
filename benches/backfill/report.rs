//! The table that is printed.

use std::fmt;

use crate::chain::Shape;
use crate::measure::{Cost, Run};
use crate::node::{Asked, Manner};
use crate::process::cpu_model;

/// What the environment variables that set the program up begin with.
const SETTING: &str = "ASSET_INDEXER__";

/// Everything that was measured.
pub struct Report {
    /// The workload.
    pub shape: Shape,
    /// How the node answered.
    pub manner: Manner,
    /// Rows of the wallets' past.
    pub changes: u64,
    /// Wallets with a row.
    pub positions: usize,
    /// The program.
    pub run: Run,
    /// The same rows, copied: with indexes kept up, and built after.
    pub floors: Vec<Cost>,
    /// What the node was asked.
    pub asked: Asked,
    /// Another indexer, and what it asked the node.
    pub peer: Option<(Run, Asked)>,
    /// Bytes of the database after the run.
    pub size: u64,
    /// Of PostgreSQL.
    pub version: String,
    /// Where its data lay.
    pub file_system: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { logs, tokens, holders, blocks, even } = self.shape;
        let [logs, tokens, holders, blocks] = [logs, tokens.into(), holders.into(), blocks].map(grouped);
        let alike = if even { ", filled alike" } else { "" };
        writeln!(
            f,
            "workload    {logs} ERC-20 transfers of {tokens} tokens among {holders} wallets in {blocks} blocks{alike}"
        )?;
        let (changes, positions) = (grouped(self.changes), grouped(self.positions as u64));
        writeln!(
            f,
            "result      equal to an independent fold: {positions} positions, {changes} changes of them"
        )?;
        circumstances(f, self.manner, &self.version, &self.file_system)?;
        write!(f, "\n{:<42}{:>12}", "", "backfill")?;
        match self.floors.as_slice() {
            [] => writeln!(f)?,
            _ => writeln!(f, "{:>12}{:>12}{:>9}", "floor (a)", "floor (b)", "ratio")?,
        }
        self.costs(f)?;
        writeln!(f)?;
        let line =
            |f: &mut fmt::Formatter<'_>, name: &str, value: String| writeln!(f, "{name:<42}{value:>12}");
        line(f, "peak memory of the program, MiB", format!("{:.0}", self.run.peak_kib as f64 / 1024.0))?;
        line(f, "database, MiB", format!("{:.0}", mib(self.size)))?;
        line(f, "CPU of the node, s", format!("{:.2}", self.run.node_cpu))?;
        line(f, "HTTP requests", grouped(self.asked.exchanges))?;
        line(f, "answers, MiB", format!("{:.0}", mib(self.asked.bytes)))?;
        line(f, "logs in answers", grouped(self.asked.logs))?;
        for (method, count) in &self.asked.methods {
            line(f, method, grouped(*count))?;
        }
        write!(f, "{}", self.run.stages)?;
        self.peer.as_ref().map_or(Ok(()), |(run, asked)| self.beside(f, run, asked))
    }
}

impl Report {
    /// Another indexer beside the program, in the same run.
    fn beside(&self, f: &mut fmt::Formatter<'_>, peer: &Run, asked: &Asked) -> fmt::Result {
        writeln!(f, "\n{:<42}{:>12}{:>12}{:>9}", "", "backfill", "Ponder", "ratio")?;
        let millions = self.shape.logs as f64 / 1e6;
        let mut both = |name: &str, digits: usize, ours: f64, theirs: f64| {
            let ratio = theirs / ours;
            writeln!(f, "{name:<42}{ours:>12.digits$}{theirs:>12.digits$}{ratio:>9.1}")
        };
        let (ours, theirs) = (&self.run.cost, &peer.cost);
        both("wall, s", 2, ours.wall.as_secs_f64(), theirs.wall.as_secs_f64())?;
        both("CPU s per million logs: program", 1, ours.client_cpu / millions, theirs.client_cpu / millions)?;
        both(
            "CPU s per million logs: PostgreSQL",
            1,
            ours.postgres_cpu / millions,
            theirs.postgres_cpu / millions,
        )?;
        let cpu = |cost: &Cost| (cost.client_cpu + cost.postgres_cpu) / millions;
        both("CPU s per million logs: both", 1, cpu(ours), cpu(theirs))?;
        both("WAL, MiB", 0, mib(ours.wal), mib(theirs.wal))?;
        both("peak memory, MiB", 0, self.run.peak_kib as f64 / 1024.0, peer.peak_kib as f64 / 1024.0)?;
        both("HTTP requests", 0, self.asked.exchanges as f64, asked.exchanges as f64)
    }

    fn costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millions = self.shape.logs as f64 / 1e6;
        let logs = self.shape.logs as f64;
        // The one that takes less CPU counts.
        let cpu = |cost: &&Cost| cost.client_cpu + cost.postgres_cpu;
        let better = self.floors.iter().min_by(|one, other| cpu(one).total_cmp(&cpu(other)));
        let mut both = |name: &str, digits: usize, of: &dyn Fn(&Cost) -> f64| {
            let run = of(&self.run.cost);
            write!(f, "{name:<42}{run:>12.digits$}")?;
            for floor in &self.floors {
                write!(f, "{:>12.digits$}", of(floor))?;
            }
            match better {
                Some(floor) => writeln!(f, "{:>9.2}", run / of(floor)),
                None => writeln!(f),
            }
        };
        both("wall, s", 2, &|cost| cost.wall.as_secs_f64())?;
        both("events per second", 0, &|cost| logs / cost.wall.as_secs_f64())?;
        both("CPU s per million logs: program", 1, &|cost| cost.client_cpu / millions)?;
        both("CPU s per million logs: PostgreSQL", 1, &|cost| cost.postgres_cpu / millions)?;
        both("CPU s per million logs: both", 1, &|cost| (cost.client_cpu + cost.postgres_cpu) / millions)?;
        both("WAL, MiB", 0, &|cost| mib(cost.wal))
    }
}

/// Under what the figures came about: node, machine, settings.
pub fn circumstances(
    f: &mut fmt::Formatter<'_>,
    manner: Manner,
    version: &str,
    file_system: &str,
) -> fmt::Result {
    let Manner { latency, logs_max, block_timestamps } = manner;
    let times = if block_timestamps { "with" } else { "without" };
    let (latency, logs_max) = (latency.as_millis(), grouped(logs_max as u64));
    writeln!(f, "node        {latency} ms latency, at most {logs_max} logs an answer, {times} block times")?;
    let (cores, model) = (std::thread::available_parallelism().map_or(0, |cores| cores.get()), cpu_model());
    writeln!(f, "machine     {cores} cores ({model}), PostgreSQL {version}, fsync on, {file_system}")?;
    for (name, value) in std::env::vars().filter(|(name, _)| name.starts_with(SETTING)) {
        writeln!(f, "setting     {name}={value}")?;
    }
    Ok(())
}

/// Bytes in MiB.
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
