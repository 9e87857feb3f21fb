//! Checkpoints and headers out of PostgreSQL.

use alloy::primitives::B256;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::int;
use crate::block::{BlockId, Header};
use crate::store::{Checkpoint, Start, Status};

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

/// Sets a chain's first checkpoint.
pub(super) async fn insert(
    connection: &mut PgConnection,
    chain_id: u64,
    start: &Start,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into chain.checkpoints (chain_id, genesis_hash, block_number, block_hash, parent_hash,
             block_timestamp, finalized_number, finalized_hash, verified_number, verified_hash, origin_number,
             origin_hash, status)
         values ($1, $2, $3, $4, $5, to_timestamp($6), $7, $8, $3, $4, $3, $4, 'running')",
    )
    .bind(int(chain_id))
    .bind(start.genesis.as_slice())
    .bind(int(start.block.id.number))
    .bind(start.block.id.hash.as_slice())
    .bind(start.block.parent.as_slice())
    .bind(start.block.timestamp as f64)
    .bind(int(start.finalized.number))
    .bind(start.finalized.hash.as_slice())
    .execute(connection)
    .await
    .map(drop)
}

/// Hash of a chain's block 0, if the tables hold the chain.
pub(super) async fn genesis(
    connection: &mut PgConnection,
    chain_id: u64,
) -> Result<Option<B256>, sqlx::Error> {
    let row = sqlx::query("select genesis_hash from chain.checkpoints where chain_id = $1")
        .bind(int(chain_id))
        .fetch_optional(connection)
        .await?;
    row.map(|row| hash(&row, 0)).transpose()
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

/// The blocks nearest to a height of which the tables tell the hash, by a log, by a proof, by a header that is kept or because
/// reading began there: the newest one at it or below, and the oldest one at it or above.
pub(super) async fn known_around(
    connection: &mut PgConnection,
    chain_id: u64,
    height: u64,
) -> Result<[Option<BlockId>; 2], sqlx::Error> {
    // Of events one step in the index of each partition; the other tables are small. A header tells its parent's hash, too.
    let nearest = async |connection: &mut PgConnection, compared: &str, order: &str| {
        let arm = |hash: &str, number: &str, table: &str| {
            format!(
                "(select {number} as number, {hash}::bytea as hash from {table}
                  where chain_id = $1 and {number} {compared} $2 order by {number} {order} limit 1)"
            )
        };
        let sql = format!(
            "select number, hash from ({} union all {} union all {} union all {} union all {}) known
             order by number {order} limit 1",
            arm("block_hash", "block_number", "chain.asset_events"),
            arm("block_hash", "to_block", "ops.evidence"),
            arm("block_hash", "block_number", "ops.headers"),
            arm("parent_hash", "block_number - 1", "ops.headers"),
            arm("origin_hash", "origin_number", "chain.checkpoints"),
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(int(chain_id)).bind(int(height));
        let row = query.fetch_optional(connection).await?;
        row.map(|row| Ok::<_, sqlx::Error>(BlockId { number: unsigned(&row, 0)?, hash: hash(&row, 1)? }))
            .transpose()
    };
    Ok([nearest(connection, "<=", "desc").await?, nearest(connection, ">=", "asc").await?])
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
