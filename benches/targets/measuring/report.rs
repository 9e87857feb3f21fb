//! How long a report takes, from the question to the digest and the first page.

use std::time::Instant;

use alloy::primitives::Address;
use asset_indexer::report::{AsOf, Kind, Past, ask, subject};
use asset_indexer::verify::Snapshot;
use sqlx::postgres::PgConnectOptions;

use super::draw::{Draw, Pools};
use super::shape::{ORDINARY, TOKEN};
use super::times::Run;
use super::{CHAIN, Failed, Manner, machine};

/// Rows of the page that is shown.
const PAGE: usize = 50;

/// What a report is about.
#[derive(Debug, Clone, Copy)]
pub enum About {
    /// The asset with many holders, as of any block.
    Large,
    /// One of the others, as of its newest.
    Ordinary,
}

impl About {
    fn draw(self, draw: &mut Draw<'_>, newest: u64) -> (Address, u64) {
        match self {
            Self::Large => (TOKEN, draw.block()),
            Self::Ordinary => (ORDINARY, newest),
        }
    }
}

/// Measures a report: by one, then by four at once.
///
/// # Errors
/// The database's; an asset that nobody holds.
pub async fn report(
    options: &PgConnectOptions,
    (kind, about): (&Kind, About),
    pools: &Pools,
    manner: Manner,
) -> Result<Vec<Run>, Failed> {
    let mut runs = Vec::new();
    for (clients, times) in [(1, manner.reports), (4, manner.reports.div_ceil(4))] {
        let asking = (0..clients).map(|client| reports(options, (kind, about), pools, client, times));
        runs.push(Run::together(futures_util::future::try_join_all(asking).await?));
    }
    Ok(runs)
}

async fn reports(
    options: &PgConnectOptions,
    (kind, about): (&Kind, About),
    pools: &Pools,
    client: u64,
    times: usize,
) -> Result<Run, Failed> {
    let mut draw = Draw::new(pools, client);
    let mut run = Run { clients: 1, waits_for_disk: None, taken: Vec::new(), rows: 0, server_ms: 0.0 };
    for _ in 0..times.max(1) {
        let (token, block) = about.draw(&mut draw, pools.shape.blocks());
        let mut snapshot = Snapshot::open(options, CHAIN).await?.ok_or("nothing is indexed")?;
        let server: i32 =
            sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut snapshot.connection).await?;
        let (asked, processor) = (Instant::now(), machine::processor_ms(server)?);
        let stamp = subject(&mut snapshot, token, AsOf::Block(block), "UTC", false, Past::None).await?;
        let report = ask(&mut snapshot, kind, stamp).await?;
        std::hint::black_box(report.table(PAGE));
        run.taken.push(asked.elapsed());
        run.server_ms += (machine::processor_ms(server)? - processor) / times.max(1) as f64;
        if report.stamp.rows == 0 {
            return Err(format!("nobody held {token} at block {block}").into());
        }
        run.rows += report.stamp.rows;
    }
    run.taken.sort_unstable();
    Ok(run)
}
