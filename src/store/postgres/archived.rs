//! Blocks whose facts are in files: nothing is folded without them, and nothing is written where they were.

use sqlx::postgres::PgConnection;

use super::int;
use crate::store::StoreError;

/// A partition that `maintain` put into a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedBlocks {
    /// The partition.
    pub partition: String,
    /// Its first block.
    pub from: u64,
    /// Its last block.
    pub to: u64,
}

/// The error inside of a driver's, on its way to [`super::failed`].
#[derive(Debug)]
pub(super) struct InTheWay(Vec<ArchivedBlocks>);

impl std::fmt::Display for InTheWay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "archived: {}", names(&self.0))
    }
}

impl std::error::Error for InTheWay {}

impl InTheWay {
    pub(super) fn error(&self) -> StoreError {
        let (from, to) =
            self.0.iter().fold((u64::MAX, 0), |(from, to), one| (from.min(one.from), to.max(one.to)));
        let some = if self.0.len() > 1 { "are, some of them," } else { "are" };
        StoreError::Archived { what: format!("blocks {from} to {to} {some}"), partitions: names(&self.0) }
    }
}

fn names(all: &[ArchivedBlocks]) -> String {
    all.iter().map(|one| one.partition.as_str()).collect::<Vec<_>>().join(", ")
}

/// Keeps partitions from going while a transaction reads them, if it is the first that it does: a partition that is
/// dropped is missing in older snapshots too.
pub(crate) const KEEP_PARTITIONS: &str =
    "lock table chain.asset_events, chain.asset_transactions, chain.asset_operations in access share mode";

/// The stretches of events that are in files alone, in order.
///
/// # Errors
/// The database's.
pub async fn archived_blocks(
    connection: &mut PgConnection,
    chain_id: u64,
) -> Result<Vec<ArchivedBlocks>, sqlx::Error> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "select partition, from_block, to_block from ops.archived_partitions
         where table_name = 'chain.asset_events' and chain_id = $1 and attached_at is null order by from_block",
    )
    .bind(int(chain_id))
    .fetch_all(connection)
    .await?;
    let number = |block: i64| u64::try_from(block).unwrap_or_default();
    let read = |(partition, from, to)| ArchivedBlocks { partition, from: number(from), to: number(to - 1) };
    Ok(rows.into_iter().map(read).collect())
}

/// Refuses to fold ground that is not all there.
pub(super) async fn refuse_without_ground(
    connection: &mut PgConnection,
    chain_id: u64,
) -> Result<(), sqlx::Error> {
    refuse(archived_blocks(connection, chain_id).await?)
}

/// Refuses rows of archived blocks.
pub(super) fn refuse_blocks(
    archived: &[ArchivedBlocks],
    blocks: impl Iterator<Item = u64>,
) -> Result<(), sqlx::Error> {
    let mut hit: Vec<ArchivedBlocks> = Vec::new();
    for block in blocks {
        if let Some(one) = archived.iter().find(|one| (one.from..=one.to).contains(&block))
            && !hit.contains(one)
        {
            hit.push(one.clone());
        }
    }
    refuse(hit)
}

/// Refuses, where anything is in the way.
pub(super) fn refuse(hit: Vec<ArchivedBlocks>) -> Result<(), sqlx::Error> {
    if hit.is_empty() { Ok(()) } else { Err(sqlx::Error::Configuration(Box::new(InTheWay(hit)))) }
}
