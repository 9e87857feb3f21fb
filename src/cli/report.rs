//! `report`: what the register says of an asset at the end of a block.

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use clap::{Args, ValueEnum};
use uuid::Uuid;

use super::Failure;
use super::setup::{self, Database};
use crate::config::Config;
use crate::report::{self as reports, AsOf, At, By, Kind, Past, Period, Recording, Report, SubjectError};
use crate::store::StoreError;
use crate::verify::Snapshot;

/// Rows that a table for people shows.
const SHOWN: usize = 50;

/// How an auditor recomputes the digest.
pub(super) const DIGEST: &str = "\
The digest:
  The canonical form of a report is its CSV: --format csv writes it and nothing else, in an order that the report defines,
  with amounts as decimal text and lines ended by a line feed. sha256 in the stamp is the SHA-256 of exactly these bytes:

      asset-indexer report cap-table --asset 0x… --block 100 --format csv --out cap-table.csv
      sha256sum cap-table.csv        # the sha256 of cap-table.csv.stamp.json

  Any installation that follows the same chain gives the same bytes for the same block. When the report was made and by
  which program is in the stamp (FILE.stamp.json beside --out, standard error otherwise), not under the digest. The table
  and JSON forms carry the digest of the same CSV.";

/// What is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Who holds what.
    CapTable,
    /// What the largest holders hold, and the Herfindahl-Hirschman index.
    Concentration,
    /// Whether those who hold may, with the reason.
    Compliance,
    /// What was issued and redeemed, by period.
    Issuance,
    /// The summary for authorities: country, verdict, freezes, concentration, issuance.
    Regulatory,
}

/// Whose position is a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Whose {
    /// A wallet's.
    Wallet,
    /// An investor's: all wallets that the registry maps to one identity.
    Investor,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// The canonical form.
    Csv,
    /// Stamp, columns and rows in one object.
    Json,
}

/// Length of a period of issuance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Every {
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Every {
    fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}

/// What `report` understands.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What to report.
    #[arg(value_enum)]
    name: Name,
    /// The token contract.
    #[arg(long, value_name = "ADDRESS")]
    asset: Address,
    /// As of the end of this block; by default the newest final one.
    #[arg(long, value_name = "BLOCK", conflicts_with = "at")]
    block: Option<u64>,
    /// As of a time: a day (its end), a time in --time-zone, or a time with its own offset.
    #[arg(long, value_name = "TIMESTAMP", value_parser = clap::value_parser!(At))]
    at: Option<At>,
    /// The time zone of --at, --every and --period, by its name.
    #[arg(long, value_name = "NAME", default_value = "UTC")]
    time_zone: String,
    /// Cap table and concentration: a row a wallet, or the wallets of one identity together.
    #[arg(long, value_enum, default_value = "wallet")]
    by: Whose,
    /// Issuance: length of the periods.
    #[arg(long, value_enum, default_value = "month")]
    every: Every,
    /// Regulatory: issuance in this period (2026, 2026-H1, 2026-Q3, 2026-07, 2026-07-01/2026-07-15), and as of its end
    /// where neither --block nor --at is given.
    #[arg(long, value_name = "PERIOD", value_parser = clap::value_parser!(Period))]
    period: Option<Period>,
    /// Also report of a block that a reorg may still replace; it is stamped as provisional.
    #[arg(long)]
    not_final: bool,
    /// How to write it.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Write it into a file; the stamp of a CSV goes beside it, as FILE.stamp.json.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also record it: in app.regulatory_reports with --jurisdiction and --period, else in app.asset_reports. The database's
    /// URL must then be that of a member of asset_indexer_app.
    #[arg(long)]
    record: bool,
    /// Record it for this tenant; by default the login's.
    #[arg(long, value_name = "UUID", requires = "record")]
    tenant: Option<Uuid>,
    /// Record it as a report to the authority of a country (ISO 3166-1 alpha-2).
    #[arg(long, value_name = "COUNTRY", requires_all = ["record", "period"], value_parser = country)]
    jurisdiction: Option<String>,
}

fn country(text: &str) -> Result<String, String> {
    match text.len() == 2 && text.bytes().all(|letter| letter.is_ascii_uppercase()) {
        true => Ok(text.to_owned()),
        false => Err("two capital letters, such as CH".to_owned()),
    }
}

impl From<SubjectError> for Failure {
    fn from(error: SubjectError) -> Self {
        match error {
            SubjectError::Store(error) => unread(error),
            SubjectError::NotIndexed { .. } | SubjectError::NotSettled(_) | SubjectError::NotFinal { .. } => {
                Self::new(Self::TEMPORARY, error)
            }
            SubjectError::UnknownAsset(..) | SubjectError::UnknownZone(_) => Self::new(2, error),
            SubjectError::Archived(_) => Self::new(Self::HALTED, error),
        }
    }
}

impl Arguments {
    fn kind(&self) -> Kind {
        let by = match self.by {
            Whose::Wallet => By::Wallet,
            Whose::Investor => By::Investor,
        };
        let zone = self.time_zone.clone();
        match self.name {
            Name::CapTable => Kind::CapTable(by),
            Name::Concentration => Kind::Concentration(by),
            Name::Compliance => Kind::Compliance,
            Name::Issuance => Kind::Issuance { period: self.every.name(), zone },
            Name::Regulatory => Kind::Regulatory { period: self.period.clone(), zone },
        }
    }

    fn past(&self) -> Past {
        match (self.name, &self.period) {
            (Name::Issuance, _) | (Name::Regulatory, None) => Past::All,
            (Name::Regulatory, Some(period)) => Past::From(period.first),
            (Name::CapTable | Name::Concentration | Name::Compliance, _) => Past::None,
        }
    }

    fn as_of(&self) -> AsOf {
        match (self.block, self.at, &self.period) {
            (Some(block), ..) => AsOf::Block(block),
            (None, Some(at), _) => AsOf::Time(at),
            (None, None, Some(period)) => AsOf::Time(At::Day(period.last)),
            (None, None, None) => AsOf::Newest,
        }
    }
}

/// See the module.
pub(super) async fn report(config: &Config, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.period.is_some() && arguments.name != Name::Regulatory {
        return Err(Failure::new(2, "--period is for the regulatory report; issuance has --every"));
    }
    let database = Database::open(config).await?;
    let ended = run(config, arguments, &database).await;
    database.close().await;
    ended
}

async fn run(config: &Config, arguments: &Arguments, database: &Database) -> Result<(), Failure> {
    let chain_id = setup::chain_without_node(config, &database.pool).await?;
    let snapshot = Snapshot::open(&database.options, chain_id).await?;
    let Some(mut snapshot) = snapshot else { return Err(crate::execute::ExecuteError::Empty.into()) };
    let stamp = reports::subject(
        &mut snapshot,
        arguments.asset,
        arguments.as_of(),
        &arguments.time_zone,
        arguments.not_final,
        arguments.past(),
    )
    .await?;
    let report = reports::ask(&mut snapshot, &arguments.kind(), stamp).await.map_err(unread)?;
    drop(snapshot);
    write(arguments, &report)?;
    if arguments.record {
        let authority = arguments.jurisdiction.clone().zip(arguments.period.clone());
        let recording = Recording { tenant: arguments.tenant, authority };
        let recorded = reports::record(&database.options, &report, &recording).await.map_err(unrecorded)?;
        eprintln!("recorded in {} as {}", recorded.table, recorded.id);
    }
    Ok(())
}

/// Reports need a reader's rights and no more.
fn unread(error: StoreError) -> Failure {
    match &error {
        StoreError::Refused { reason, .. } if reason.contains("SQLSTATE 42501") => {
            let remedy = "grant asset_indexer_reader to the role of the database's URL";
            Failure::new(Failure::PERMISSION, format!("{error}; {remedy}"))
        }
        _ => error.into(),
    }
}

fn unrecorded(error: StoreError) -> Failure {
    match &error {
        StoreError::Refused { reason, .. } => {
            let remedy = "use the URL of a login role that is a member of asset_indexer_app, and give --tenant where the \
                          login belongs to none";
            let is_right = ["SQLSTATE 42501", "SQLSTATE 23502", "SQLSTATE 23503"];
            let code = match is_right.iter().any(|code| reason.contains(code)) {
                true => Failure::PERMISSION,
                false => Failure::CONFIG,
            };
            Failure::new(code, format!("{error}; {remedy}"))
        }
        _ => error.into(),
    }
}

fn write(arguments: &Arguments, report: &Report) -> Result<(), Failure> {
    let text = match arguments.format {
        Format::Table => report.table(SHOWN),
        Format::Json => format!("{:#}\n", report.json()),
        Format::Csv => String::new(),
    };
    // A CSV of a million rows is not copied.
    let text = if arguments.format == Format::Csv { &report.body } else { &text };
    match &arguments.out {
        None => {
            print!("{text}");
            if arguments.format == Format::Csv {
                eprint!("{}", report.stamp.lines());
            }
        }
        Some(file) => {
            put(file, text)?;
            if arguments.format == Format::Csv {
                let mut beside = file.clone().into_os_string();
                beside.push(".stamp.json");
                let stamp = serde_json::to_string_pretty(&report.stamp).unwrap_or_default();
                put(Path::new(&beside), &format!("{stamp}\n"))?;
            }
            eprint!("{}", report.stamp.lines());
        }
    }
    Ok(())
}

/// Writes a file anew.
pub(super) fn put(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text)
        .map_err(|error| Failure::new(Failure::CANNOT_WRITE, format!("{}: {error}", file.display())))
}
