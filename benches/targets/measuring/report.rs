//! How long a report about the asset with many holders takes, from the question to the digest and the first page.

use std::time::Instant;

use asset_indexer::report::{AsOf, Kind, Past, ask, subject};
use asset_indexer::verify::Snapshot;
use sqlx::postgres::PgConnectOptions;

use super::draw::{Draw, Pools};
use super::shape::TOKEN;
use super::times::Run;
use super::{CHAIN, Failed, Manner, machine};

/// Rows of the page that is shown.
const PAGE: usize = 50;

/// Measures a report: by one, then by four at once.
///
/// # Errors
/// The database's; an asset that nobody holds.
pub async fn report(
    options: &PgConnectOptions,
    kind: &Kind,
    pools: &Pools,
    manner: Manner,
) -> Result<Vec<Run>, Failed> {
    let mut runs = Vec::new();
    for (clients, times) in [(1, manner.reports), (4, manner.reports.div_ceil(4))] {
        let asking = (0..clients).map(|client| reports(options, kind, pools, client, times));
        runs.push(Run::together(futures_util::future::try_join_all(asking).await?));
    }
    Ok(runs)
}

async fn reports(
    options: &PgConnectOptions,
    kind: &Kind,
    pools: &Pools,
    client: u64,
    times: usize,
) -> Result<Run, Failed> {
    let mut draw = Draw::new(pools, client);
    let mut run = Run { clients: 1, waits_for_disk: None, taken: Vec::new(), rows: 0, server_ms: 0.0 };
    for _ in 0..times.max(1) {
        let block = draw.block();
        let mut snapshot = Snapshot::open(options, CHAIN).await?.ok_or("nothing is indexed")?;
        let server: i32 =
            sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut snapshot.connection).await?;
        let (asked, processor) = (Instant::now(), machine::processor_ms(server)?);
        let stamp = subject(&mut snapshot, TOKEN, AsOf::Block(block), "UTC", false, Past::None).await?;
        let report = ask(&mut snapshot, kind, stamp).await?;
        std::hint::black_box(report.table(PAGE));
        run.taken.push(asked.elapsed());
        run.server_ms += (machine::processor_ms(server)? - processor) / times.max(1) as f64;
        if report.stamp.rows == 0 {
            return Err(format!("nobody held the asset at block {block}").into());
        }
        run.rows += report.stamp.rows;
    }
    run.taken.sort_unstable();
    Ok(run)
}
