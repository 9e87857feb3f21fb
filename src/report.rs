//! Reports: what the register says of an asset at the end of a block, exact, stamped, and with a digest that an auditor
//! recomputes.
//!
//! The body of a report is a CSV text in one canonical form: a header, a line a row in the order that the report's kind
//! says, amounts as decimal text, lines ended by `\n`. Its SHA-256 is the report's digest, so `sha256sum` on the CSV file
//! gives it again, and two installations of one chain give the same file. When it was made, and by which program, is in
//! the [`Stamp`] beside it and not in the body.
//!
//! Reads alone, from one snapshot of the database. Knows no RPC and no command line.

pub mod cap_table;
pub mod compliance;
mod copy;
mod csv;
mod instant;
mod number;
mod positions;
mod question;
mod readers;
mod record;
mod registry;
pub mod regulatory;
mod subject;

use std::borrow::Cow;

use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use csv::{fields, pages};
pub use instant::{At, Period};
pub use question::{By, Kind, ask};
pub use readers::Readers;
pub use record::{Recorded, Recording, record};
pub use subject::{AsOf, Past, SubjectError, subject};

/// What a report is about and how much it can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stamp {
    /// Which report.
    pub report: &'static str,
    /// The chain (EIP-155 id).
    pub chain_id: u64,
    /// Hash of its block 0, `0x` text.
    pub genesis_hash: String,
    /// The token contract, `0x` text.
    pub asset: String,
    /// Its id in the tables.
    #[serde(serialize_with = "as_text")]
    pub asset_id: Uuid,
    /// Its name and symbol, where the contract told them.
    pub name: Option<String>,
    /// See `name`.
    pub symbol: Option<String>,
    /// Decimal places of one unit; `None` where they are not known: then only base units are told.
    pub decimals: Option<u32>,
    /// The block that was asked for, or that a time led to: the report speaks of its end.
    pub as_of_block: u64,
    /// The time that was asked for, as an instant.
    pub as_of_time: Option<String>,
    /// The newest block up to `as_of_block` whose hash the tables know: nothing watched happened between the two.
    pub block: u64,
    /// Its hash, `0x` text.
    pub block_hash: String,
    /// `final`, or `provisional` while a reorg may still replace the block.
    pub finality: &'static str,
    /// Whether the tables hold everything of the asset up to that block.
    pub complete: bool,
    /// What speaks against trusting it, in words; empty where nothing does.
    pub suspect: Vec<String>,
    /// Total supply then, in base units.
    pub supply_base: String,
    /// Rows of the body, without its header.
    pub rows: u64,
    /// Sums over the body, where the kind has any.
    pub totals: Option<cap_table::Totals>,
    /// SHA-256 of the CSV body, in hexadecimal.
    pub sha256: String,
    /// When the report was made, by this machine's clock.
    pub generated_at: String,
    /// The program and its version.
    pub program: String,
}

fn as_text<S: serde::Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// A report: its body in canonical form, and what it is about.
#[derive(Debug, Clone)]
pub struct Report {
    /// What it is about.
    pub stamp: Stamp,
    /// The CSV body.
    pub body: String,
}

impl Report {
    /// Stamps a body.
    pub fn new(mut stamp: Stamp, body: String) -> Self {
        stamp.rows = lines(body.as_bytes()).saturating_sub(1);
        stamp.sha256 = alloy::hex::encode(Sha256::digest(body.as_bytes()));
        Self { stamp, body }
    }

    /// As one JSON object: the stamp, the columns, and the rows as arrays of text, null where a field is empty.
    pub fn json(&self) -> serde_json::Value {
        self.json_of(usize::MAX)
    }

    /// The same with the first rows alone.
    pub fn json_of(&self, rows_max: usize) -> serde_json::Value {
        let mut lines = self.body.lines();
        let columns = lines.next().map(fields).unwrap_or_default();
        let rows: Vec<Vec<Option<String>>> = lines
            .take(rows_max)
            .map(|line| fields(line).into_iter().map(|text| (!text.is_empty()).then_some(text)).collect())
            .collect();
        serde_json::json!({ "stamp": self.stamp, "columns": columns, "rows": rows })
    }

    /// For people: the stamp, then rows in columns: of a cap table the largest, else the first.
    pub fn table(&self, rows_max: usize) -> String {
        let mut text = self.stamp.lines();
        text.push('\n');
        text.push_str(&pages(&largest(&self.body, rows_max), rows_max));
        let more = self.stamp.rows.saturating_sub(rows_max as u64);
        if more > 0 {
            text.push_str(&format!("… and {more} more: --format csv writes all\n"));
        }
        text
    }
}

/// Line ends, counted in bytes of a register of the processor: a body may have a hundred megabytes.
fn lines(body: &[u8]) -> u64 {
    let of = |part: &[u8]| part.iter().fold(0_u8, |n, byte| n.wrapping_add(u8::from(*byte == b'\n')));
    body.chunks(usize::from(u8::MAX)).map(|part| u64::from(of(part))).sum()
}

/// The header and the rows with the largest `balance_base`, the largest first; for a body without holders as it is.
fn largest(body: &str, rows_max: usize) -> Cow<'_, str> {
    let header = body.lines().next().unwrap_or_default();
    let columns = fields(header);
    let place = columns.iter().position(|column| column == "balance_base");
    let (Some(place), true) = (place, matches!(columns[0].as_str(), "wallet" | "investor")) else {
        return Cow::Borrowed(body);
    };
    // What stands before the amount holds no comma in quotes; what stands after it may.
    let mut rows: Vec<(&str, &str)> = Vec::with_capacity(2 * rows_max + 1);
    let order = |one: &(&str, &str), other: &(&str, &str)| {
        number::by_number(other.0, one.0).then_with(|| one.1.cmp(other.1))
    };
    for line in body.lines().skip(1) {
        rows.push((line.split(',').nth(place).unwrap_or_default(), line));
        if rows.len() > 2 * rows_max {
            rows.sort_unstable_by(order);
            rows.truncate(rows_max);
        }
    }
    rows.sort_unstable_by(order);
    rows.truncate(rows_max);
    let lines: Vec<&str> = std::iter::once(header).chain(rows.iter().map(|row| row.1)).collect();
    Cow::Owned(format!("{}\n", lines.join("\n")))
}

impl Stamp {
    /// For people, a line a fact.
    pub fn lines(&self) -> String {
        let named = match (&self.name, &self.symbol) {
            (Some(name), Some(symbol)) => format!("{} ({name}, {symbol})", self.asset),
            _ => self.asset.clone(),
        };
        let trust = match (self.complete, self.suspect.is_empty()) {
            (true, true) => "complete".to_owned(),
            (true, false) => format!("SUSPECT: {}", self.suspect.join("; ")),
            (false, _) => format!("INCOMPLETE: {}", self.suspect.join("; ")),
        };
        let mut lines = vec![
            ("report", self.report.to_owned()),
            ("asset", named),
            ("chain", format!("{}, genesis {}", self.chain_id, self.genesis_hash)),
            ("as of block", format!("{} ({})", self.as_of_block, self.finality)),
        ];
        if let Some(time) = &self.as_of_time {
            lines.push(("as of time", time.clone()));
        }
        lines.push(("block hash", format!("{} of block {}", self.block_hash, self.block)));
        lines.push(("supply", format!("{} base units", self.supply_base)));
        if let Some(totals) = &self.totals {
            let agrees = if totals.equal_supply { "equal to the supply" } else { "NOT the supply" };
            lines.push((
                "balances",
                format!("{} base units of {} holders, {agrees}", totals.balance_base, totals.holders),
            ));
        }
        lines.push(("register", trust));
        lines.push(("rows", self.rows.to_string()));
        lines.push(("sha256", self.sha256.clone()));
        lines.push(("made", format!("{} by {}", self.generated_at, self.program)));
        lines.iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect()
    }
}
