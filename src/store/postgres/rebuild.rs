//! A rebuild: one transaction in which derived tables are emptied and folded from ground again, so that readers see
//! the old tables until they see the new ones.
//!
//! A rewind below the undo journal and a repair of ground are rebuilds with something done to ground first.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::{PostgresStore, archived, bulk, commit, evidence, int, rollback, rows};
use crate::block::Position;
use crate::derivation::listed;
use crate::row::{Class, Table, TableDef};
use crate::store::{Cause, Rollback, StoreError, is_kept, is_refolded};
use crate::table;
use crate::table::event::{AssetEvent, Observation, TransactionInput};

impl PostgresStore {
    pub(super) async fn begin(&self, cause: &Cause) -> Result<(), StoreError> {
        self.with("beginning a rebuild", async |connection, inner| {
            // Checked here and held at the end: a lock for so long would hide the signs of life from everybody.
            self.hold_lease(connection).await?;
            archived::refuse_without_ground(connection, self.chain_id).await?;
            connection.execute("begin").await?;
            // A rebuild may think longer between two statements than a commit; paused, it too must let go.
            connection.execute("set local idle_in_transaction_session_timeout = '20s'").await?;
            rollback::forget_snapshots(connection, self.chain_id, -1).await?;
            match cause {
                Cause::Rebuild => {}
                Cause::Rewind(rollback) => self.cut_ground(connection, rollback).await?,
                Cause::Repair { add, remove, reason } => {
                    self.mend_ground(connection, inner, add, remove, reason).await?;
                }
            }
            for table in table::ALL.into_iter().filter(|table| is_kept(table)) {
                let sql = format!(
                    "create temp table {} on commit drop as select * from {} where chain_id = {}",
                    kept_name(table),
                    rows::name(table),
                    int(self.chain_id)
                );
                connection.execute(AssertSqlSafe(sql)).await?;
                let key: Vec<&str> = table.key_columns().iter().map(|column| column.name).collect();
                let sql = format!("create index on {} ({})", kept_name(table), key.join(", "));
                connection.execute(AssertSqlSafe(sql)).await?;
            }
            let refolded: Vec<_> = table::ALL.into_iter().filter(|table| is_refolded(table)).collect();
            for table in &refolded {
                let sql = format!("delete from {} where chain_id = $1", rows::name(table));
                sqlx::query(AssertSqlSafe(sql)).bind(int(self.chain_id)).execute(&mut *connection).await?;
            }
            // Events keep their journal: late logs of a contract found above finality go with its discovery.
            sqlx::query("delete from ops.undo where chain_id = $1 and table_name = any($2)")
                .bind(int(self.chain_id))
                .bind(refolded.iter().map(|table| table.name).collect::<Vec<_>>())
                .execute(&mut *connection)
                .await?;
            // Again, now that our locks keep partitions from going.
            archived::refuse_without_ground(connection, self.chain_id).await?;
            inner.rebuilding = true;
            Ok(())
        })
        .await
    }

    pub(super) async fn finish(&self, cause: &Cause) -> Result<(), StoreError> {
        let finished = self
            .with("finishing a rebuild", async |connection, _| {
                let dropped = self.drop_strangers(connection, cause).await?;
                self.journal_ground(connection).await?;
                let other = self.settle_derivation(connection, cause).await?;
                let (kind, message) = match cause {
                    Cause::Rebuild => ("rebuild", "derived tables were folded from ground again".to_owned()),
                    Cause::Rewind(rollback) => ("rewind", rewound(rollback)),
                    Cause::Repair { add, remove, reason } => (
                        "repair",
                        format!("{} events put in, {} taken out: {reason}", add.len(), remove.len()),
                    ),
                };
                let message = match dropped {
                    0 => message,
                    dropped => format!(
                        "{message}; {dropped} events went with contracts that nothing leads to any more"
                    ),
                };
                let message = match other.is_empty() {
                    true => message,
                    false => format!("{message}, with another configuration than before: {}", listed(&other)),
                };
                rollback::system_event(connection, self.chain_id, kind, "warning", &message).await?;
                commit::log(connection, self.chain_id, kind).await?;
                self.hold_lease(connection).await?;
                connection.execute("commit").await.map(drop)
            })
            .await;
        self.inner.lock().await.rebuilding = false;
        finished
    }

    /// What a contract that is no longer in the graph had brought is not ground any more; it is kept as evidence. Gives how
    /// many events that were.
    async fn drop_strangers(&self, connection: &mut PgConnection, cause: &Cause) -> Result<u64, sqlx::Error> {
        let (actor, replaced_by) = match cause {
            Cause::Rebuild => ("rebuild", None),
            Cause::Rewind(rollback) => (rollback.reason.as_str(), Some(rollback.replaced_by)),
            Cause::Repair { reason, .. } => (reason.as_str(), None),
        };
        let sql = format!(
            "with gone as (
                 delete from chain.asset_events e where chain_id = $1 and not exists (
                     select from chain.contracts c where c.chain_id = e.chain_id and c.address = e.address)
                 returning e.*
             )
             insert into chain.audit_trail (chain_id, entity_type, entity_id, action, old_state, new_state, block_number,
                 replaced_by, actor)
             select $1, 'asset_events', {}::text, 'withdrawn', to_jsonb(gone), null, gone.block_number, $2, $3 from gone",
            bulk::key_json(AssetEvent::DEF, "gone")
        );
        let dropped = sqlx::query(AssertSqlSafe(sql))
            .bind(int(self.chain_id))
            .bind(replaced_by.as_ref().map(|hash| hash.as_slice()))
            .bind(actor)
            .execute(connection)
            .await?;
        Ok(dropped.rows_affected())
    }

    /// Writes anew which older ground goes with the block that brought its contract in: what was put into ground, and
    /// contracts that are known since another block now, change that.
    async fn journal_ground(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        // A contract's first block, where that is above finality, is in its own journal.
        let came =
            "from ops.undo u where u.chain_id = $1 and u.table_name = 'contracts' and u.before is null";
        // A transaction's inputs go with the first of its contracts, where none was known before.
        let of_transaction = "lateral (
                 select nullif(min(coalesce(c.first_block, 0)), 0) as first_block
                 from chain.asset_events e left join came c on c.address = e.address
                 where e.chain_id = $1 and e.block_number = t.block_number and e.transaction_index = t.transaction_index
             ) late on true";
        let ground = [
            (AssetEvent::DEF, "came late on late.address = t.address"),
            (Observation::DEF, "came late on late.address = t.target"),
            (TransactionInput::DEF, of_transaction),
        ];
        // What was asked of a contract that was known goes with the block that asked, as this rebuild wrote it.
        let sql = format!(
            "delete from ops.undo o where o.chain_id = $1 and o.table_name = any($2) and o.before is null
                 and (o.table_name <> $3 or o.key ->> 'target' in (select u.key ->> 'address' {came}))"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(int(self.chain_id))
            .bind(ground.map(|(table, _)| table.name))
            .bind(Observation::DEF.name)
            .execute(&mut *connection)
            .await?;
        let any_came: bool = sqlx::query_scalar(AssertSqlSafe(format!("select exists (select {came})")))
            .bind(int(self.chain_id))
            .fetch_one(&mut *connection)
            .await?;
        if !any_came {
            return Ok(());
        }
        for (table, late) in ground {
            let sql = format!(
                "with came as materialized (
                     select (u.key ->> 'address')::bytea as address, min(u.block_number) as first_block {came} group by 1
                 )
                 insert into ops.undo (chain_id, block_number, table_name, key, before)
                 select $1, late.first_block, '{}', {}, null from {} t join {late}
                 where t.chain_id = $1 and t.block_number < late.first_block",
                table.name,
                bulk::key_json(table, "t"),
                rows::name(table),
            );
            sqlx::query(AssertSqlSafe(sql)).bind(int(self.chain_id)).execute(&mut *connection).await?;
        }
        Ok(())
    }

    pub(super) async fn abort(&self) {
        let mut inner = self.inner.lock().await;
        inner.connection = None;
        inner.rebuilding = false;
    }

    pub(super) async fn take_back(&self, rollback: &Rollback) -> Result<(), StoreError> {
        self.with("rewinding", async |connection, _| {
            connection.execute("begin").await?;
            self.hold_lease(connection).await?;
            self.set_running(connection).await?;
            self.move_checkpoint(connection, rollback.expected, rollback.ancestor, None).await?;
            rollback::take_back(connection, self.chain_id, rollback).await?;
            self.hold_lease(connection).await?;
            connection.execute("commit").await.map(drop)
        })
        .await
    }

    pub(super) async fn set_running(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query("update chain.checkpoints set status = 'running', halt_reason = null where chain_id = $1")
            .bind(int(self.chain_id))
            .execute(connection)
            .await
            .map(drop)
    }

    /// What is called final above the checkpoint is called so no more.
    pub(super) async fn lower_finality(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        // Finality goes back on an operator's word alone: a trigger refuses it otherwise.
        connection.execute("set local asset_indexer.rewind = 'on'").await?;
        sqlx::query(
            "update chain.checkpoints set finalized_number = block_number, finalized_hash = block_hash
             where chain_id = $1 and finalized_number > block_number",
        )
        .bind(int(self.chain_id))
        .execute(connection)
        .await
        .map(drop)
    }

    async fn cut_ground(
        &self,
        connection: &mut PgConnection,
        rollback: &Rollback,
    ) -> Result<(), sqlx::Error> {
        connection.execute("set local asset_indexer.rewind = 'on'").await?;
        self.set_running(connection).await?;
        self.move_checkpoint(connection, rollback.expected, rollback.ancestor, None).await?;
        self.lower_finality(connection).await?;
        for table in table::ALL.into_iter().filter(|table| table.is_append_only()) {
            rollback::keep_withdrawn(connection, self.chain_id, rollback, table).await?;
            if table.class == Class::Ground {
                rollback::delete_above(connection, self.chain_id, rollback, &rows::name(table)).await?;
            }
        }
        for table in ["ops.undo", "ops.headers"] {
            rollback::delete_above(connection, self.chain_id, rollback, table).await?;
        }
        evidence::unprove_above(connection, self.chain_id, rollback.ancestor.id).await?;
        self.keep_header(connection, rollback.ancestor).await
    }

    async fn mend_ground(
        &self,
        connection: &mut PgConnection,
        inner: &mut super::Inner,
        add: &[AssetEvent],
        remove: &[Position],
        reason: &str,
    ) -> Result<(), sqlx::Error> {
        let audit =
            "insert into chain.audit_trail (chain_id, entity_type, entity_id, action, old_state, new_state,
                block_number, actor)
            select $1, 'asset_events', $2, 'repaired', to_jsonb(old), $3, $4, $6
            from (select) nothing left join chain.asset_events old
                on old.chain_id = $1 and old.block_number = $4 and old.log_index = $5";
        let removed = remove.iter().map(|at| (*at, None));
        let added = add.iter().map(|event| {
            let at = Position { block_number: event.block_number, log_index: event.log_index };
            (at, Some(serde_json::json!({ "id": event.id.to_string(), "event_type": event.event_type })))
        });
        for (at, new) in removed.chain(added) {
            sqlx::query(audit)
                .bind(int(self.chain_id))
                .bind(format!("{{\"block_number\": {}, \"log_index\": {}}}", at.block_number, at.log_index))
                .bind(new)
                .bind(int(at.block_number))
                .bind(i64::from(at.log_index))
                .bind(reason)
                .execute(&mut *connection)
                .await?;
        }
        // What is put in takes the place of whatever stands there: another contract's finding may have brought it.
        let places =
            add.iter().map(|event| Position { block_number: event.block_number, log_index: event.log_index });
        for at in remove.iter().copied().chain(places) {
            sqlx::query(
                "delete from chain.asset_events where chain_id = $1 and block_number = $2 and log_index = $3",
            )
            .bind(int(self.chain_id))
            .bind(int(at.block_number))
            .bind(i64::from(at.log_index))
            .execute(&mut *connection)
            .await?;
        }
        let add: Vec<_> = add.iter().map(Table::to_row).collect();
        self.make_partitions(connection, inner, AssetEvent::DEF, &add).await?;
        bulk::insert(connection, AssetEvent::DEF, &add).await
    }
}

/// Where a rebuild sets a table's rows aside.
pub(super) fn kept_name(table: &TableDef) -> String {
    format!("pg_temp.kept_{}", table.name)
}

fn rewound(rollback: &Rollback) -> String {
    format!(
        "rewound from block {} to {}: {}",
        rollback.expected.number, rollback.ancestor.id.number, rollback.reason
    )
}
