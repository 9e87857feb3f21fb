//! What is old enough to be archived, and what keeps it all the same.

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::{Bounds, MaintainError, Partition, Unit, catalogue, holds, wrong};

/// A unit that its policy says is old enough.
#[derive(Debug)]
pub struct Due {
    /// What it is.
    pub unit: Unit,
    /// Rows in all its partitions.
    pub rows: i64,
    /// Why it stays all the same; empty: it goes.
    pub kept: Vec<String>,
    /// The time by which its last row had been written.
    pub(super) until: DateTime<Utc>,
}

/// All that is old enough, in the order of its bounds.
///
/// # Errors
/// The database's.
pub async fn due(connection: &mut PgConnection) -> Result<Vec<Due>, MaintainError> {
    let mut found = Vec::new();
    for unit in catalogue::units(connection).await? {
        if let Some(due) = judge(connection, unit).await? {
            found.push(due);
        }
    }
    Ok(found)
}

/// Whether a unit is old enough, and what keeps it.
pub(super) async fn judge(connection: &mut PgConnection, unit: Unit) -> Result<Option<Due>, MaintainError> {
    let Some(cutoff) = unit.cutoff else { return Ok(None) };
    let (lasts, mut kept) = match unit.bounds {
        Bounds::Month { from, to } => ((Some(from), to), Vec::new()),
        Bounds::Blocks { chain_id, from, to } => match blocks(connection, chain_id, from, to).await? {
            Some(found) => found,
            None => return Ok(None),
        },
    };
    if lasts.1 >= cutoff {
        return Ok(None);
    }
    let mut rows = 0;
    for partition in &unit.partitions {
        let count = format!("select count(*) from {}", partition.qualified());
        rows += sqlx::query_scalar::<_, i64>(AssertSqlSafe(count))
            .fetch_one(&mut *connection)
            .await
            .map_err(wrong("counting rows"))?;
        kept.extend(holds::on_partition(connection, partition, &unit.bounds, lasts).await?);
        kept.extend(referred_to(connection, partition).await?);
    }
    // One hold may stand on several tables of a unit.
    let mut seen = std::collections::BTreeSet::new();
    kept.retain(|reason| seen.insert(reason.clone()));
    Ok(Some(Due { unit, rows, kept, until: lasts.1 }))
}

type Lasts = (Option<DateTime<Utc>>, DateTime<Utc>);

/// The time that a stretch of blocks is of, and what is not settled about it yet; nothing while the chain has not left
/// it. The last block's time is not stored where it has no event: it is not after that of the next event, nor of the
/// checkpoint.
async fn blocks(
    connection: &mut PgConnection,
    chain_id: i64,
    from: i64,
    to: i64,
) -> Result<Option<(Lasts, Vec<String>)>, MaintainError> {
    type Found = (Option<DateTime<Utc>>, DateTime<Utc>, Vec<String>);
    let found: Option<Found> = sqlx::query_as(
        "select
             (select e.block_timestamp from chain.asset_events e
              where e.chain_id = $1 and e.block_number >= $2 and e.block_number < $3 order by e.block_number limit 1),
             coalesce((select e.block_timestamp from chain.asset_events e
              where e.chain_id = $1 and e.block_number >= $3 order by e.block_number limit 1), k.block_timestamp),
             array_remove(array[
                 case when k.finalized_number < $3 - 1 then 'its last block is not final' end,
                 case when k.verified_number < $3 - 1
                     then 'its blocks are not all proved complete: wait for the sweep, or see `asset-indexer status`' end,
                 case when exists (select from ops.coverage c where c.chain_id = $1 and c.through_block < $3)
                     then 'a contract is still catching up through its blocks' end,
                 case when exists (select from ops.late_history l where l.chain_id = $1
                     and l.next_block <= l.through_block and l.next_block < $3)
                     then 'the history of a contract that was found late is not proved yet' end,
                 case when exists (select from ops.undo u where u.chain_id = $1
                     and u.table_name in ('asset_events', 'asset_transactions', 'asset_operations')
                     and (u.key ->> 'block_number')::bigint >= $2 and (u.key ->> 'block_number')::bigint < $3)
                     then 'a reorg could still take rows of it back' end], null)
         from chain.checkpoints k where k.chain_id = $1 and k.block_number >= $3",
    )
    .bind(chain_id)
    .bind(from)
    .bind(to)
    .fetch_optional(connection)
    .await
    .map_err(wrong("reading how far a stretch of blocks is settled"))?;
    Ok(found.map(|(first, last, kept)| ((first, last), kept)))
}

/// Foreign keys into a partition's rows: it cannot go while rows refer to it.
async fn referred_to(
    connection: &mut PgConnection,
    partition: &Partition,
) -> Result<Vec<String>, MaintainError> {
    let keys: Vec<(String, String)> = sqlx::query_as(
        "select k.conrelid::regclass::text, (
             select string_agg(format('r.%I = t.%I', theirs.attname, ours.attname), ' and ')
             from unnest(k.conkey, k.confkey) as pair (theirs, ours)
             join pg_attribute theirs on theirs.attrelid = k.conrelid and theirs.attnum = pair.theirs
             join pg_attribute ours on ours.attrelid = k.confrelid and ours.attnum = pair.ours)
         from pg_constraint k
         where k.contype = 'f' and k.confrelid = $1::regclass and k.conparentid = 0",
    )
    .bind(&partition.table)
    .fetch_all(&mut *connection)
    .await
    .map_err(wrong("reading the foreign keys"))?;
    let mut kept = Vec::new();
    for (table, same) in keys {
        let sql = format!(
            "select count(*) from {table} r where exists (select from {} t where {same})",
            partition.qualified()
        );
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut *connection)
            .await
            .map_err(wrong("counting rows that refer to a partition"))?;
        if rows > 0 {
            kept.push(format!("{rows} rows of {table} refer to it, and a reference cannot lead into a file"));
        }
    }
    Ok(kept)
}
