//! What a report is about: asset and block, looked up and refused where they cannot be reported about.

use alloy::primitives::Address;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::{At, Stamp};
use crate::id::asset_id;
use crate::store::StoreError;
use crate::store::postgres::failed;
use crate::verify::Snapshot;

/// As of when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// The newest final block; the newest of all where what is not final is wanted too.
    Newest,
    /// The end of a block.
    Block(u64),
    /// A time.
    Time(At),
}

/// What a report needs of what happened, beside positions and supply at its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// Nothing.
    None,
    /// All that happened to the asset.
    All,
    /// What happened from a day on, in the report's time zone.
    From(NaiveDate),
}

/// Why there is no such report.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// The database's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such asset.
    #[error("{0} is not a token that this register follows on chain {1}: api.assets lists them")]
    UnknownAsset(Address, u64),
    /// The block is not indexed yet.
    #[error(
        "block {asked} is not indexed yet: the checkpoint is {checkpoint}; wait, or ask for a lower block"
    )]
    NotIndexed {
        /// What was asked for.
        asked: u64,
        /// How far the tables reach.
        checkpoint: u64,
    },
    /// A time that blocks may still fill.
    #[error(
        "the chain is not indexed past {0} yet: blocks up to then may still come; wait, or ask for an earlier time"
    )]
    NotSettled(String),
    /// A reorg may still replace the block.
    #[error(
        "block {asked} is not final: {finalized} is the newest final block; wait, or give --not-final for a provisional \
         report"
    )]
    NotFinal {
        /// What was asked for.
        asked: u64,
        /// What is final.
        finalized: u64,
    },
    /// The answer would lack what is in archives alone.
    #[error(
        "facts of blocks below {0} are in archives alone, and this report would lack them: put them back with \
         `asset-indexer maintain --attach DIR`"
    )]
    Archived(u64),
    /// No such time zone.
    #[error(
        "the database knows no time zone {0:?}: give a name such as Europe/Zurich (pg_timezone_names lists them)"
    )]
    UnknownZone(String),
}

/// Looks asset and block up, in the snapshot; gives a stamp that lacks only what the report's body brings. A report that needs
/// of the `past` what is archived is refused.
///
/// # Errors
/// See [`SubjectError`].
pub async fn subject(
    snapshot: &mut Snapshot,
    asset: Address,
    as_of: AsOf,
    zone: &str,
    not_final: bool,
    past: Past,
) -> Result<Stamp, SubjectError> {
    let checkpoint = snapshot.at().number;
    let finalized = snapshot.checkpoint.finalized.number.min(checkpoint);
    check_zone(snapshot, zone).await?;
    let top = archived_below(snapshot).await?;
    let mut time = None;
    let block = match as_of {
        AsOf::Newest if not_final => checkpoint,
        AsOf::Newest => finalized,
        AsOf::Block(block) => block,
        AsOf::Time(at) => {
            let (instant, block) = block_at(snapshot, at, zone).await.map_err(archived(top))?;
            time = Some(instant.to_rfc3339());
            block.ok_or_else(|| SubjectError::NotSettled(instant.to_rfc3339()))?
        }
    };
    if block > checkpoint {
        return Err(SubjectError::NotIndexed { asked: block, checkpoint });
    }
    if block > finalized && !not_final {
        return Err(SubjectError::NotFinal { asked: block, finalized });
    }
    if let Some(top) = top
        && block + 1 < top
    {
        return Err(SubjectError::Archived(top));
    }
    if past != Past::None {
        needs(snapshot, asset, past, zone).await.map_err(archived(top))?;
    }
    let row = look_up(snapshot, asset, block).await?;
    let row = row.ok_or(SubjectError::UnknownAsset(asset, snapshot.chain_id))?;
    let mut stamp = stamp_of(&row).map_err(|error| failed("reading the asset", &error))?;
    stamp.chain_id = snapshot.chain_id;
    stamp.asset = format!("{asset:#x}");
    stamp.asset_id = asset_id(snapshot.chain_id, asset);
    stamp.as_of_block = block;
    stamp.as_of_time = time;
    stamp.finality = if block <= finalized { "final" } else { "provisional" };
    Ok(stamp)
}

/// The database refuses to answer without what is archived.
fn archived(top: Option<u64>) -> impl Fn(StoreError) -> SubjectError {
    move |error| match (&error, top) {
        (StoreError::Refused { reason, .. }, Some(top)) if reason.contains("SQLSTATE P0002") => {
            SubjectError::Archived(top)
        }
        _ => error.into(),
    }
}

/// Asks the database whether what happened is there.
async fn needs(snapshot: &mut Snapshot, asset: Address, past: Past, zone: &str) -> Result<(), StoreError> {
    let since = match past {
        Past::From(day) => Some(day),
        Past::None | Past::All => None,
    };
    sqlx::query("select chain.facts_reach_since($1, api.begin_of_day($2, $3), $4)")
        .bind(asset_id(snapshot.chain_id, asset))
        .bind(since)
        .bind(zone)
        .bind(since.is_some())
        .execute(&mut snapshot.connection)
        .await
        .map(drop)
        .map_err(|error| failed("asking for archives", &error))
}

/// The first block above the facts that are in archives alone.
async fn archived_below(snapshot: &mut Snapshot) -> Result<Option<u64>, SubjectError> {
    let top: Option<i64> = sqlx::query_scalar("select api.archived_below($1)")
        .bind(i64::try_from(snapshot.chain_id).unwrap_or(i64::MAX))
        .fetch_one(&mut snapshot.connection)
        .await
        .map_err(|error| failed("asking for archives", &error))?;
    Ok(top.and_then(|top| u64::try_from(top).ok()))
}

async fn check_zone(snapshot: &mut Snapshot, zone: &str) -> Result<(), SubjectError> {
    let is_known: bool = sqlx::query_scalar("select exists (select from pg_timezone_names where name = $1)")
        .bind(zone)
        .fetch_one(&mut snapshot.connection)
        .await
        .map_err(|error| failed("asking for the time zone", &error))?;
    // The name is put into questions as it is.
    match is_known && !zone.contains('\'') {
        true => Ok(()),
        false => Err(SubjectError::UnknownZone(zone.to_owned())),
    }
}

/// The instant, and the block; none where the chain has not left the instant behind yet.
async fn block_at(
    snapshot: &mut Snapshot,
    at: At,
    zone: &str,
) -> Result<(DateTime<Utc>, Option<u64>), StoreError> {
    let chain = snapshot.chain();
    let wrong = |error: sqlx::Error| failed("looking for the block of a time", &error);
    let connection = &mut snapshot.connection;
    let instant: DateTime<Utc> = match at {
        At::Instant(instant) => instant,
        At::Day(day) => sqlx::query_scalar("select api.end_of_day($1, $2)")
            .bind(day)
            .bind(zone)
            .fetch_one(&mut *connection)
            .await
            .map_err(wrong)?,
        At::Local(time) => sqlx::query_scalar("select $1::timestamp at time zone $2")
            .bind(time)
            .bind(zone)
            .fetch_one(&mut *connection)
            .await
            .map_err(wrong)?,
    };
    let found: Option<(i64, bool)> = sqlx::query_as("select block_number, settled from api.block_at($1, $2)")
        .bind(chain)
        .bind(instant)
        .fetch_optional(connection)
        .await
        .map_err(wrong)?;
    let block = found.filter(|(_, settled)| *settled).and_then(|(block, _)| u64::try_from(block).ok());
    Ok((instant, block))
}

async fn look_up(snapshot: &mut Snapshot, asset: Address, block: u64) -> Result<Option<PgRow>, StoreError> {
    sqlx::query(
        "select a.name, a.symbol, a.decimals, api.hex(k.genesis_hash), b.block_number, api.hex(b.block_hash),
             chain.supply_at(a.id, $3)::text, a.complete_from,
             coalesce(c.catching_up and c.covered_through < $3, false),
             a.negative_balance, a.exceeds_uint256, a.unreadable_logs,
             (select count(*) from api.drift d
                 where d.chain_id = a.chain_id and d.asset_id = a.id and d.resolved_at is null)
         from chain.assets a
         join chain.checkpoints k on k.chain_id = a.chain_id
         left join api.contracts c on c.chain_id = a.chain_id and c.address_bytes = a.contract_address
         cross join lateral chain.known_block(a.chain_id, $3) b
         where a.chain_id = $1 and a.id = $2",
    )
    .bind(snapshot.chain())
    .bind(asset_id(snapshot.chain_id, asset))
    .bind(i64::try_from(block).unwrap_or(i64::MAX))
    .fetch_optional(&mut snapshot.connection)
    .await
    .map_err(|error| failed("reading the asset", &error))
}

fn stamp_of(row: &PgRow) -> Result<Stamp, sqlx::Error> {
    let (complete_from, behind): (Option<i64>, bool) = (row.try_get(7)?, row.try_get(8)?);
    let mut suspect = Vec::new();
    if let Some(block) = complete_from {
        suspect.push(format!(
            "indexed from block {block} on: earlier holders that have not moved since may be missing"
        ));
    }
    if behind {
        suspect.push("the contract's past is still being read".to_owned());
    }
    if row.try_get(9)? {
        suspect.push("a wallet spent what no log had given it".to_owned());
    }
    if row.try_get(10)? {
        suspect.push("a sum left what a contract can hold".to_owned());
    }
    let unreadable: i64 = row.try_get(11)?;
    if unreadable > 0 {
        suspect.push(format!("{unreadable} logs of the contract could not be decoded"));
    }
    let drift: i64 = row.try_get(12)?;
    if drift > 0 {
        suspect.push(format!("the contract answers otherwise than the tables in {drift} places (api.drift)"));
    }
    let decimals: Option<i64> = row.try_get(2)?;
    Ok(Stamp {
        report: "",
        chain_id: 0,
        genesis_hash: row.try_get(3)?,
        asset: String::new(),
        asset_id: uuid::Uuid::nil(),
        name: row.try_get(0)?,
        symbol: row.try_get(1)?,
        decimals: decimals.and_then(|decimals| u32::try_from(decimals).ok()),
        as_of_block: 0,
        as_of_time: None,
        block: u64::try_from(row.try_get::<i64, _>(4)?).unwrap_or_default(),
        block_hash: row.try_get(5)?,
        finality: "provisional",
        complete: !behind && complete_from.is_none(),
        suspect,
        supply_base: row.try_get(6)?,
        rows: 0,
        totals: None,
        sha256: String::new(),
        generated_at: Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        program: format!("asset-indexer {}", env!("CARGO_PKG_VERSION")),
    })
}
