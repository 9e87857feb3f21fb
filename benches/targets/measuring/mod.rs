//! The published schema's targets measured: a load of five years, then each target asked as a platform asks it.
//!
//! Shared by the benchmark and by a test, which runs it small so that it cannot rot.

mod draw;
mod load;
mod machine;
mod report;
mod shape;
mod size;
mod statements;
mod table;
mod times;

use std::error::Error;
use std::time::Duration;

use asset_indexer::report::{By, Kind};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use report::About;
pub use shape::Shape;
pub use table::Outcome;

/// What can go wrong.
pub type Failed = Box<dyn Error + Send + Sync>;

/// The chain of the load.
const CHAIN: u64 = 1;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// How often a statement is asked by each client.
    pub times: usize,
    /// How often a report is made.
    pub reports: usize,
    /// The longest that the measuring of one target may take.
    pub patience: Duration,
    /// Whether it is told on standard error what is being done.
    pub tells: bool,
}

/// Loads an empty, migrated database and measures it. `options` are a superuser's.
///
/// # Errors
/// The database's; see [`measure`].
pub async fn run(options: &PgConnectOptions, shape: Shape, manner: Manner) -> Result<Outcome, Failed> {
    let loaded = load::load(options, &shape, manner.tells).await?;
    measure(options, shape, manner, loaded, "").await
}

/// Measures every target of `ops.targets` that is a statement, a size or a volume, and writes the figures into
/// `ops.target_measurements`; of the statements those alone whose target contains `only`.
///
/// # Errors
/// The database's; a target that nothing here knows how to ask.
pub async fn measure(
    options: &PgConnectOptions,
    shape: Shape,
    manner: Manner,
    loaded: Duration,
    only: &str,
) -> Result<Outcome, Failed> {
    let machine = machine::described()?;
    let mut connection = PgConnection::connect_with(options).await?;
    let mut outcome = Outcome::new(machine, &shape, loaded, size::tables(&mut connection).await?);
    size::record(&mut connection, &outcome).await?;
    let pools = draw::Pools::of(&mut connection, shape).await?;
    for stated in
        table::stated(&mut connection).await?.into_iter().filter(|stated| stated.target.contains(only))
    {
        if manner.tells {
            eprintln!("measuring {} …", stated.target);
        }
        let runs = match statements::of(&stated.question)? {
            statements::Asked::Statement(statement) => {
                times::statement(options, &statement, &pools, manner).await?
            }
            statements::Asked::Report(kind, about) => {
                report::report(options, (&kind, about), &pools, manner).await?
            }
        };
        for run in &runs {
            table::record(&mut connection, &stated.target, run, &outcome).await?;
        }
        outcome.add(stated, runs);
    }
    connection.close().await?;
    for (target, bound, kind) in more_reports() {
        if target.contains(only) {
            let runs = report::report(options, (&kind, About::Large), &pools, manner).await?;
            outcome.add(
                table::Stated { target: target.to_owned(), bound, question: kind.name().to_owned() },
                runs,
            );
        }
    }
    Ok(outcome)
}

/// Our own promises for the asset with many holders, for which the published schema has no figure.
fn more_reports() -> [(&'static str, f64, Kind); 3] {
    let regulatory = Kind::Regulatory { period: None, zone: "UTC".to_owned() };
    [
        ("promise: report cap-table", 1_000.0, Kind::CapTable(By::Wallet)),
        ("promise: report compliance", 5_000.0, Kind::Compliance),
        ("promise: report regulatory", 5_000.0, regulatory),
    ]
}
