//! Checkpoints and headers out of PostgreSQL.

use alloy::primitives::B256;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::int;
use crate::block::{BlockId, Header};
use crate::store::{Checkpoint, Status};

pub(super) fn unsigned(row: &PgRow, place: usize) -> Result<u64, sqlx::Error> {
    u64::try_from(row.try_get::<i64, _>(place)?).map_err(|e| sqlx::Error::Decode(e.into()))
}

pub(super) fn hash(row: &PgRow, place: usize) -> Result<B256, sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(place)?;
    B256::try_from(bytes.as_slice()).map_err(|e| sqlx::Error::Decode(e.into()))
}

/// How far a chain's tables reach.
///
/// # Errors
/// The driver's.
pub async fn read_checkpoint(
    connection: &mut PgConnection,
    chain_id: u64,
) -> Result<Option<Checkpoint>, sqlx::Error> {
    let row = sqlx::query(
        "select block_number, block_hash, parent_hash, extract(epoch from block_timestamp)::bigint,
             finalized_number, finalized_hash, verified_number, verified_hash, status, halt_reason
         from chain.checkpoints where chain_id = $1",
    )
    .bind(int(chain_id))
    .fetch_optional(connection)
    .await?;
    row.map(|row| checkpoint_of(&row)).transpose()
}

/// The headers that are kept, ascending.
pub(super) async fn headers(
    connection: &mut PgConnection,
    chain_id: u64,
) -> Result<Vec<Header>, sqlx::Error> {
    let rows = sqlx::query(
        "select block_number, block_hash, parent_hash, block_timestamp from ops.headers
         where chain_id = $1 order by block_number",
    )
    .bind(int(chain_id))
    .fetch_all(connection)
    .await?;
    rows.iter().map(header_of).collect()
}

/// The newest block at or below one of which the tables tell the hash: by a log, by a proof, or because reading began there.
pub(super) async fn newest_known(
    connection: &mut PgConnection,
    chain_id: u64,
    below: u64,
) -> Result<Option<BlockId>, sqlx::Error> {
    let row = sqlx::query(
        "select known.block_number, known.block_hash from (
             (select block_number, block_hash::bytea from chain.asset_events
              where chain_id = $1 and block_number <= $2 order by block_number desc limit 1)
             union all
             (select to_block, block_hash::bytea from ops.evidence
              where chain_id = $1 and to_block <= $2 order by to_block desc limit 1)
             union all
             select origin_number, origin_hash::bytea from chain.checkpoints
             where chain_id = $1 and origin_number <= $2
         ) known order by 1 desc limit 1",
    )
    .bind(int(chain_id))
    .bind(int(below))
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok(BlockId { number: unsigned(&row, 0)?, hash: hash(&row, 1)? })).transpose()
}

fn header_of(row: &PgRow) -> Result<Header, sqlx::Error> {
    Ok(Header {
        id: BlockId { number: unsigned(row, 0)?, hash: hash(row, 1)? },
        parent: hash(row, 2)?,
        timestamp: unsigned(row, 3)?,
    })
}

fn checkpoint_of(row: &PgRow) -> Result<Checkpoint, sqlx::Error> {
    let status = match row.try_get::<String, _>(8)?.as_str() {
        "running" => Status::Running,
        _ => Status::Halted {
            reason: row.try_get::<Option<String>, _>(9)?.unwrap_or_else(|| "unknown".to_owned()),
        },
    };
    Ok(Checkpoint {
        block: header_of(row)?,
        finalized: BlockId { number: unsigned(row, 4)?, hash: hash(row, 5)? },
        verified: BlockId { number: unsigned(row, 6)?, hash: hash(row, 7)? },
        status,
    })
}
