//! What is proved about the completeness of blocks: stretches that hang together by hashes, and how far they reach.

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::checkpoint::{hash, unsigned};
use super::int;
use crate::block::{BlockId, BlockRange};
use crate::mutant::{Mutant, is};
use crate::proof::Method;
use crate::store::Evidence;

/// Writes a stretch down and moves the watermark over every gap that it closes.
pub(super) async fn prove(
    connection: &mut PgConnection,
    chain_id: u64,
    evidence: &Evidence,
) -> Result<(), sqlx::Error> {
    sqlx::query("select ops.prove($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(int(chain_id))
        .bind(int(evidence.range.from))
        .bind(int(evidence.range.to))
        .bind(evidence.parent.as_slice())
        .bind(evidence.hash.as_slice())
        .bind(evidence.method.name())
        .bind(&evidence.provider)
        .bind(int(evidence.requests))
        .execute(connection)
        .await
        .map(drop)
}

/// Nothing is proved above a block.
pub(super) async fn unprove_above(
    connection: &mut PgConnection,
    chain_id: u64,
    block: BlockId,
) -> Result<(), sqlx::Error> {
    if is(Mutant::EvidenceOutlivesRollback) {
        return Ok(());
    }
    for sql in [
        "delete from ops.evidence where chain_id = $1 and from_block > $2 and $3::bytea is not null",
        "update ops.evidence set to_block = $2, block_hash = $3 where chain_id = $1 and to_block > $2",
        "update chain.checkpoints set verified_number = $2, verified_hash = $3
         where chain_id = $1 and verified_number > $2",
    ] {
        sqlx::query(sql)
            .bind(int(chain_id))
            .bind(int(block.number))
            .bind(block.hash.as_slice())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Begins again with proving nothing.
pub(super) async fn forget(connection: &mut PgConnection, chain_id: u64) -> Result<(), sqlx::Error> {
    for sql in [
        "delete from ops.evidence where chain_id = $1",
        "update chain.checkpoints set verified_number = origin_number, verified_hash = origin_hash
         where chain_id = $1",
    ] {
        sqlx::query(sql).bind(int(chain_id)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// All stretches, in the order of blocks.
///
/// # Errors
/// The driver's.
pub async fn all(connection: &mut PgConnection, chain_id: u64) -> Result<Vec<Evidence>, sqlx::Error> {
    let rows = sqlx::query(
        "select from_block, to_block, parent_hash, block_hash, method, provider, requests from ops.evidence
         where chain_id = $1 order by from_block",
    )
    .bind(int(chain_id))
    .fetch_all(connection)
    .await?;
    rows.iter().map(stretch_of).collect()
}

/// The stretches that end in a range, and the first that ends above it.
pub(super) async fn around(
    connection: &mut PgConnection,
    chain_id: u64,
    blocks: BlockRange,
) -> Result<Vec<Evidence>, sqlx::Error> {
    let rows = sqlx::query(
        "(select from_block, to_block, parent_hash, block_hash, method, provider, requests from ops.evidence
          where chain_id = $1 and to_block between $2 and $3 order by to_block)
         union all
         (select from_block, to_block, parent_hash, block_hash, method, provider, requests from ops.evidence
          where chain_id = $1 and to_block > $3 order by to_block limit 1)",
    )
    .bind(int(chain_id))
    .bind(int(blocks.from))
    .bind(int(blocks.to))
    .fetch_all(connection)
    .await?;
    rows.iter().map(stretch_of).collect()
}

/// From the first block that is proved to the last one.
pub(super) async fn ends(
    connection: &mut PgConnection,
    chain_id: u64,
) -> Result<Option<BlockRange>, sqlx::Error> {
    let (from, to): (Option<i64>, Option<i64>) =
        sqlx::query_as("select min(from_block), max(to_block) from ops.evidence where chain_id = $1")
            .bind(int(chain_id))
            .fetch_one(connection)
            .await?;
    Ok(from.zip(to).map(|(from, to)| BlockRange { from: from.cast_unsigned(), to: to.cast_unsigned() }))
}

fn stretch_of(row: &PgRow) -> Result<Evidence, sqlx::Error> {
    let name: String = row.try_get(4)?;
    let method = Method::from_name(&name)
        .ok_or_else(|| sqlx::Error::Decode(format!("{name:?} is no method of proof").into()))?;
    Ok(Evidence {
        range: BlockRange { from: unsigned(row, 0)?, to: unsigned(row, 1)? },
        parent: hash(row, 2)?,
        hash: hash(row, 3)?,
        method,
        provider: row.try_get(5)?,
        requests: unsigned(row, 6)?,
    })
}
