//! `status`: how far the tables are.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use sqlx::{PgPool, Row as _};

use super::setup::{self, Database};
use super::{Failure, derivation};
use crate::config::Config;
use crate::derivation::listed;
use crate::source::Source;
use crate::store::postgres::{Lease, failed};

/// Everything `status` tells; `--json` prints it as it stands.
#[derive(Debug, Serialize)]
struct Report {
    chain_id: u64,
    status: String,
    halt_reason: Option<String>,
    head: Option<u64>,
    finalized: u64,
    verified: u64,
    late_histories: i64,
    checkpoint: u64,
    checkpoint_hash: String,
    lag_blocks: Option<u64>,
    lag_seconds: Option<u64>,
    age_seconds: u64,
    writer: Option<String>,
    contracts: i64,
    catching_up: i64,
    assets: i64,
    flagged_assets: i64,
    holders: i64,
    identities: i64,
    open_claims: i64,
    events: i64,
    unreadable_events: i64,
    open_requests: i64,
    deferred_indexes: i64,
    mixed_configuration: Vec<String>,
    other_configuration: Vec<String>,
    node_problem: Option<String>,
}

/// See the module.
pub(super) async fn status(config: &Config, json: bool) -> Result<(), Failure> {
    let database = Database::open(config).await?;
    let read = read(config, &database.pool).await;
    database.close().await;
    let report = read?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        print!("{}", table(&report));
    }
    Ok(())
}

async fn read(config: &Config, pool: &PgPool) -> Result<Report, Failure> {
    let chain_id = setup::chain_without_node(config, pool).await?;
    let (head, node_problem) = match head(config).await {
        Ok(head) => (head, None),
        Err(failure) => (None, Some(failure.message)),
    };
    let configured = derivation::look(config, pool, chain_id).await?;
    let writer = Lease::new(pool.clone(), chain_id, String::new()).current_holder().await?;
    let row = sqlx::query(
        "select c.status, c.halt_reason, c.finalized_number, c.block_number, '0x' || encode(c.block_hash, 'hex'),
             extract(epoch from c.block_timestamp)::bigint,
             (select count(*) from chain.contracts x where x.chain_id = c.chain_id),
             (select count(*) from ops.coverage x where x.chain_id = c.chain_id and through_block is not null),
             (select count(*) from chain.assets x where x.chain_id = c.chain_id),
             (select count(*) from chain.assets x where x.chain_id = c.chain_id
                 and (negative_balance or exceeds_uint256 or unreadable_logs > 0)),
             (select count(*) from chain.asset_holders x where x.chain_id = c.chain_id and balance <> 0),
             (select count(*) from chain.identities x where x.chain_id = c.chain_id),
             (select count(*) from chain.identity_claims x where x.chain_id = c.chain_id and to_block is null),
             (select count(*) from chain.asset_events x where x.chain_id = c.chain_id),
             (select count(*) from chain.asset_events x where x.chain_id = c.chain_id and unreadable is not null),
             (select count(*) from ops.requests x where x.chain_id = c.chain_id and status in ('waiting', 'running')),
             c.verified_number,
             (select count(*) from ops.late_history x where x.chain_id = c.chain_id and next_block <= through_block),
             (select count(*) from ops.deferred_indexes)
         from chain.checkpoints c where c.chain_id = $1",
    )
    .bind(i64::try_from(chain_id).unwrap_or(i64::MAX))
    .fetch_optional(pool)
    .await
    .map_err(|error| Failure::from(failed("reading the status", &error)))?;
    let Some(row) = row else {
        let message = format!("nothing is indexed on chain {chain_id} yet");
        return Err(Failure::new(Failure::FINDINGS, message));
    };
    let number = |place: usize| u64::try_from(row.get::<i64, _>(place)).unwrap_or_default();
    let (checkpoint, time) = (number(3), number(5));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(Report {
        chain_id,
        status: row.get(0),
        halt_reason: row.get(1),
        head: head.map(|(number, _)| number),
        finalized: number(2),
        verified: number(16),
        late_histories: row.get(17),
        checkpoint,
        checkpoint_hash: row.get(4),
        lag_blocks: head.map(|(number, _)| number.saturating_sub(checkpoint)),
        lag_seconds: head.map(|(number, at)| if number > checkpoint { at.saturating_sub(time) } else { 0 }),
        age_seconds: now.saturating_sub(time),
        writer,
        contracts: row.get(6),
        catching_up: row.get(7),
        assets: row.get(8),
        flagged_assets: row.get(9),
        holders: row.get(10),
        identities: row.get(11),
        open_claims: row.get(12),
        events: row.get(13),
        unreadable_events: row.get(14),
        open_requests: row.get(15),
        deferred_indexes: row.get(18),
        mixed_configuration: configured.mixed,
        other_configuration: configured.other.iter().map(ToString::to_string).collect(),
        node_problem,
    })
}

/// Number and time of the node's head; nothing without a configured node.
async fn head(config: &Config) -> Result<Option<(u64, u64)>, Failure> {
    if config.providers.is_empty() {
        return Ok(None);
    }
    let (node, _) = setup::node(config).await?;
    let view = node.view().await?;
    Ok(Some((view.head.id.number, view.head.timestamp)))
}

fn verified(report: &Report) -> String {
    match report.late_histories {
        0 => format!("{}", report.verified),
        late => format!("{}, but for the older history of {late} contracts", report.verified),
    }
}

fn table(report: &Report) -> String {
    let unknown = || "unknown".to_owned();
    let lag = match (report.lag_blocks, report.lag_seconds) {
        (Some(blocks), Some(seconds)) => format!("{blocks} blocks, {seconds} s"),
        _ => unknown(),
    };
    let mut lines = vec![
        ("chain", report.chain_id.to_string()),
        ("status", report.status.clone()),
        ("writer", report.writer.clone().unwrap_or_else(|| "none".to_owned())),
        ("head", report.head.map_or_else(unknown, |head| head.to_string())),
        ("finalized", report.finalized.to_string()),
        ("checkpoint", format!("{} {}", report.checkpoint, report.checkpoint_hash)),
        ("verified", verified(report)),
        ("lag", lag),
        ("checkpoint's age", format!("{} s", report.age_seconds)),
        ("contracts", format!("{} ({} catching up)", report.contracts, report.catching_up)),
        ("assets", format!("{} ({} flagged)", report.assets, report.flagged_assets)),
        ("holders", report.holders.to_string()),
        ("identities", format!("{} with {} open claims", report.identities, report.open_claims)),
        ("events", format!("{} ({} unreadable)", report.events, report.unreadable_events)),
    ];
    if let Some(reason) = &report.halt_reason {
        lines.push(("halted because", reason.clone()));
    }
    if let Some(problem) = &report.node_problem {
        lines.push(("node", problem.clone()));
    }
    if report.deferred_indexes > 0 {
        lines.push(("indexes", format!("{} wait for the end of the first load", report.deferred_indexes)));
    }
    if report.open_requests > 0 {
        lines.push(("open requests", report.open_requests.to_string()));
    }
    if !report.mixed_configuration.is_empty() {
        let parts = listed(&report.mixed_configuration);
        let words = "some rows are derived with an earlier one, until `asset-indexer rebuild`";
        lines.push(("configuration", format!("{words}: {parts}")));
    }
    if !report.other_configuration.is_empty() {
        let parts = listed(&report.other_configuration);
        lines.push(("configured here", format!("otherwise than rows are derived: {parts}")));
    }
    lines.iter().map(|(name, value)| format!("{name:<17} {value}\n")).collect()
}
