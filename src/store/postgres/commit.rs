//! A commit: lease, checkpoint, rows with their undo, evidence, pruning, the log of commits and the lease again,
//! in one transaction.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use alloy::primitives::B256;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::{Inner, PARTITION_BLOCKS, PostgresStore, archived, bulk, evidence, int, lease, rows};
use crate::block::{BlockId, Header};
use crate::row::{Field, Row, Table, TableDef};
use crate::store::{Commit, Section};
use crate::table::event::AssetEvent;

/// A row of the log of commits: the chain's checkpoint as the transaction leaves it. Chain and kind are asked for.
const LOG: &str = "insert into ops.commits (chain_id, kind, block_number, block_hash, finalized_number)
     select chain_id, $2::text, block_number, block_hash, finalized_number from chain.checkpoints where chain_id = $1";

/// Writes down what the register shows from here on; near the end of the transaction, so that its time is right.
pub(super) async fn log(connection: &mut PgConnection, chain_id: u64, kind: &str) -> Result<(), sqlx::Error> {
    sqlx::query(LOG).bind(int(chain_id)).bind(kind).execute(connection).await.map(drop)
}

impl PostgresStore {
    /// Takes the lease's row and moves its expiry; no row means that another writer has it.
    pub(super) async fn hold_lease(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.wrote.store(true, Ordering::Relaxed);
        lease::extend(connection, self.chain_id, self.epoch).await
    }

    /// Waits for what a connection of ours that broke may still be committing: it has the lease's row locked until it is
    /// through. What is read before would be old, and a step from there would take our own commit for another writer's.
    pub(super) async fn outlive_predecessor(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        match lease::extend(connection, self.chain_id, self.epoch).await {
            // Another's by now: reading does no harm, and every commit looks for itself.
            Ok(()) | Err(sqlx::Error::RowNotFound) => {
                self.wrote.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Moves the checkpoint by compare-and-set.
    pub(super) async fn move_checkpoint(
        &self,
        connection: &mut PgConnection,
        expected: BlockId,
        next: Header,
        finalized: Option<BlockId>,
    ) -> Result<(), sqlx::Error> {
        let moved = sqlx::query(
            "update chain.checkpoints set block_number = $4, block_hash = $5, parent_hash = $6,
                 block_timestamp = to_timestamp($7),
                 finalized_hash = case when $8 > finalized_number then $9 else finalized_hash end,
                 finalized_number = greatest(finalized_number, $8)
             where chain_id = $1 and block_number = $2 and block_hash = $3 and status = 'running'
             returning 1",
        )
        .bind(int(self.chain_id))
        .bind(int(expected.number))
        .bind(expected.hash.as_slice())
        .bind(int(next.id.number))
        .bind(next.id.hash.as_slice())
        .bind(next.parent.as_slice())
        .bind(next.timestamp as f64)
        .bind(finalized.map_or(-1, |block| int(block.number)))
        .bind(finalized.map_or(B256::ZERO, |block| block.hash).as_slice());
        moved.fetch_one(connection).await.map(drop)
    }

    pub(super) async fn keep_header(
        &self,
        connection: &mut PgConnection,
        header: Header,
    ) -> Result<(), sqlx::Error> {
        let kept = sqlx::query(
            "insert into ops.headers (chain_id, block_number, block_hash, parent_hash, block_timestamp)
             values ($1, $2, $3, $4, $5) on conflict (chain_id, block_number) do update
             set block_hash = excluded.block_hash, parent_hash = excluded.parent_hash,
                 block_timestamp = excluded.block_timestamp",
        )
        .bind(int(self.chain_id))
        .bind(int(header.id.number))
        .bind(header.id.hash.as_slice())
        .bind(header.parent.as_slice())
        .bind(int(header.timestamp));
        kept.execute(connection).await.map(drop)
    }

    pub(super) async fn write(
        &self,
        connection: &mut PgConnection,
        inner: &mut Inner,
        section: &Section,
    ) -> Result<(), sqlx::Error> {
        for (table, rows) in &section.changes.inserts {
            self.make_partitions(connection, inner, table, rows).await?;
            if inner.rebuilding && **table == *AssetEvent::DEF {
                // The logs are there. Where this program reads one otherwise than the one that stored it, it says so.
                bulk::replace(connection, table, rows, self.chain_id).await?;
                continue;
            }
            bulk::insert(connection, table, rows).await?;
            if let Some(block) = section.undo_block {
                bulk::journal_late(connection, table, rows, self.chain_id, block).await?;
            }
        }
        for (table, rows) in &section.changes.upserts {
            if inner.staged.insert(table.name) {
                bulk::create_stage(connection, table).await?;
            }
            if !inner.filled.insert(table.name) {
                bulk::empty_stage(connection, table).await?;
            }
            bulk::upsert(connection, table, rows, self.chain_id, section.undo_block).await?;
        }
        Ok(())
    }

    pub(super) async fn make_partitions(
        &self,
        connection: &mut PgConnection,
        inner: &mut Inner,
        table: &TableDef,
        rows: &[Row],
    ) -> Result<(), sqlx::Error> {
        if !rows::is_partitioned_by_block(table) {
            return Ok(());
        }
        let Some(place) = table.column("block_number") else { return Ok(()) };
        let blocks = || rows.iter().filter_map(|row| u64::from_value(row[place].clone()));
        if inner.archived.is_none() {
            inner.archived = Some(archived::archived_blocks(connection, self.chain_id).await?);
        }
        archived::refuse_blocks(inner.archived.as_deref().unwrap_or_default(), blocks())?;
        let slots: HashSet<u64> = blocks()
            .map(|number| number / PARTITION_BLOCKS)
            .filter(|slot| !inner.partitions.contains(slot))
            .collect();
        for slot in slots {
            sqlx::query("select ops.ensure_partitions($1, $2)")
                .bind(int(self.chain_id))
                .bind(int(slot * PARTITION_BLOCKS))
                .execute(&mut *connection)
                .await?;
            inner.partitions.insert(slot);
        }
        Ok(())
    }

    pub(super) async fn prune(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        for sql in [
            // With one bound alone a planner expects a third of the journal, and reads all of it.
            "delete from ops.undo where chain_id = $1 and block_number >= 0 and block_number <=
                 (select finalized_number from chain.checkpoints where chain_id = $1)",
            "delete from ops.headers where chain_id = $1 and block_number <
                 (select max(h.block_number) from ops.headers h join chain.checkpoints c using (chain_id)
                  where h.chain_id = $1 and h.block_number <= c.finalized_number)",
        ] {
            sqlx::query(sql).bind(int(self.chain_id)).execute(&mut *connection).await?;
        }
        Ok(())
    }

    pub(super) async fn try_commit(
        &self,
        connection: &mut PgConnection,
        inner: &mut Inner,
        commit: &Commit,
    ) -> Result<(), sqlx::Error> {
        if inner.rebuilding {
            for section in &commit.sections {
                self.write(connection, inner, section).await?;
            }
            return Ok(());
        }
        inner.filled.clear();
        connection.execute("begin").await?;
        self.hold_lease(connection).await?;
        self.move_checkpoint(connection, commit.expected, commit.next, Some(commit.finalized)).await?;
        for section in &commit.sections {
            self.write(connection, inner, section).await?;
        }
        self.keep_header(connection, commit.next).await?;
        for evidence in &commit.evidence {
            evidence::prove(connection, self.chain_id, evidence).await?;
        }
        self.prune(connection).await?;
        // One round trip for both.
        sqlx::query(AssertSqlSafe(format!(
            "with logged as ({LOG}) select pg_notify('asset_indexer', format('%s:%s', $1, $3::bigint))"
        )))
        .bind(int(self.chain_id))
        .bind("commit")
        .bind(int(commit.next.id.number))
        .execute(&mut *connection)
        .await?;
        self.hold_lease(connection).await?;
        connection.execute("commit").await.map(drop)
    }
}
