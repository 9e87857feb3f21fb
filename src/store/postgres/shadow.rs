//! Derived tables beside the real ones, for a comparison: ground is read from a snapshot of the real tables, rows are
//! written into temporary ones.
//!
//! Nothing real is written or locked, no lease is needed, and a worker goes on beside it. Temporary tables need no
//! memory of ours, and leave nothing behind.

use alloy::primitives::{Address, B256};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row as _};
use tokio::sync::Mutex;

use super::{archived, bulk, checkpoint, failed, int, read_checkpoint, rows};
use crate::block::{BlockId, BlockRange, Header, RawLog};
use crate::row::{Class, Column, Row, Table, TableDef};
use crate::store::{
    Built, Cause, Checkpoint, Commit, Evidence, Rollback, Start, Store, StoreError, is_refolded,
};
use crate::table;
use crate::table::event::AssetEvent;
use crate::table::fold::Load;

/// See the module.
#[derive(Debug)]
pub struct ShadowStore {
    chain_id: u64,
    connection: Mutex<PgConnection>,
}

/// A row that stored ground does not give, or gives otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDifference {
    /// Its key as JSON text, without the chain.
    pub key: String,
    /// `missing` in the tables, `extra` in them, or `different`.
    pub kind: String,
    /// Columns that differ, as they are stored.
    pub ours: String,
    /// The same as ground gives them.
    pub theirs: String,
}

/// Whether rows of the table go into a temporary one: what is derived, and answers that ground should hold.
fn is_shadowed(table: &TableDef) -> bool {
    is_refolded(table) || (table.class == Class::Ground && *table != *AssetEvent::DEF)
}

fn shadow(table: &TableDef) -> String {
    format!("pg_temp.shadow_{}", table.name)
}

impl ShadowStore {
    /// Opens a snapshot of a chain's tables with empty tables beside them.
    ///
    /// # Errors
    /// The database's; [`StoreError::Refused`] where the role may not make temporary tables.
    pub async fn open(options: &PgConnectOptions, chain_id: u64) -> Result<Self, StoreError> {
        let wrong = |error: sqlx::Error| failed("opening a shadow of the tables", &error);
        let options = options
            .clone()
            .application_name("asset-indexer verify")
            .log_statements(tracing::log::LevelFilter::Off);
        let mut connection = PgConnection::connect_with(&options).await.map_err(wrong)?;
        connection.execute("begin transaction isolation level repeatable read").await.map_err(wrong)?;
        connection.execute(archived::KEEP_PARTITIONS).await.map_err(wrong)?;
        // The node may take its time between two statements; nobody waits for this transaction.
        connection.execute("set local idle_in_transaction_session_timeout = 0").await.map_err(wrong)?;
        for table in table::ALL.into_iter().filter(|table| is_shadowed(table)) {
            let key: Vec<&str> = table.key_columns().iter().map(|column| column.name).collect();
            for sql in [
                format!("create temporary table shadow_{} (like {})", table.name, rows::name(table)),
                format!("alter table {} add primary key ({})", shadow(table), key.join(", ")),
            ] {
                sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.map_err(wrong)?;
            }
            bulk::create_stage(&mut connection, table).await.map_err(wrong)?;
        }
        Ok(Self { chain_id, connection: Mutex::new(connection) })
    }

    /// The first `limit` rows in which a real table differs from its shadow, in no order, and how many there are.
    ///
    /// # Errors
    /// The database's.
    pub async fn differences(
        &self,
        table: &'static TableDef,
        limit: usize,
    ) -> Result<(u64, Vec<TableDifference>), StoreError> {
        let list = |columns: &[Column], of: &str| {
            columns.iter().map(|column| format!("{of}.{}", column.name)).collect::<Vec<_>>().join(", ")
        };
        let rest = &table.columns[table.key_len..];
        let said = |of: &str| {
            let each = rest.iter().map(|column| {
                let name = column.name;
                format!(
                    "case when a.{name} is distinct from b.{name}
                         then '{name} ' || coalesce(left({of}.{name}::text, 80), 'null') end"
                )
            });
            format!("concat_ws(', ', {})", each.collect::<Vec<_>>().join(", "))
        };
        let key: Vec<&str> = table.key_columns().iter().map(|column| column.name).collect();
        // What is configured is not derived: a real row without a shadow is as it should be.
        let extra = if is_refolded(table) { " or b.chain_id is null" } else { "" };
        let sql = format!(
            "select {} , case when a.chain_id is null then 'missing' when b.chain_id is null then 'extra'
                     else 'different' end,
                 {}, {}, count(*) over ()
             from (select * from {} where chain_id = $1) a full join {} b using ({})
             where a.chain_id is null{extra} or (b.chain_id is not null and row({})::record *<> row({})::record)
             limit $2",
            bare_key(table),
            said("a"),
            said("b"),
            rows::name(table),
            shadow(table),
            key.join(", "),
            list(rest, "a"),
            list(rest, "b"),
        );
        let found = sqlx::query(AssertSqlSafe(sql))
            .bind(int(self.chain_id))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.connection.lock().await)
            .await
            .map_err(|error| failed("comparing a table with what ground gives", &error))?;
        let total = found.first().map_or(0, |row| row.get::<i64, _>(4));
        let differences = found.iter().map(|row| TableDifference {
            key: row.get(0),
            kind: row.get(1),
            ours: row.get(2),
            theirs: row.get(3),
        });
        Ok((u64::try_from(total).unwrap_or_default(), differences.collect()))
    }

    /// How many rows a real table has.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(&self, table: &'static TableDef) -> Result<u64, StoreError> {
        let sql = format!("select count(*) from {} where chain_id = $1", rows::name(table));
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(int(self.chain_id))
            .fetch_one(&mut *self.connection.lock().await)
            .await
            .map_err(|error| failed("counting rows", &error))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    async fn put(
        &self,
        connection: &mut PgConnection,
        table: &'static TableDef,
        rows: &[Row],
    ) -> Result<(), sqlx::Error> {
        if table.class == Class::History {
            // What happened is never replaced.
            return bulk::copy(connection, &shadow(table), table, rows).await;
        }
        let stage = bulk::stage(table);
        bulk::copy(connection, &stage, table, rows).await?;
        let into = bulk::into_place(&shadow(table), table, "s.");
        let sql = format!("{into} from {stage} s {}", bulk::on_conflict(table));
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await?;
        bulk::empty_stage(connection, table).await
    }

    fn not_done<T>() -> Result<T, StoreError> {
        let reason = "a shadow of the tables is only folded into and compared".to_owned();
        Err(StoreError::Refused { during: "verifying", reason })
    }
}

/// The key of a joined row as JSON text, with bytes as people write them.
fn bare_key(table: &TableDef) -> String {
    use crate::row::ColumnType::{Address, Bytes, Hash};
    let pairs = table.key_columns().iter().filter(|column| column.name != "chain_id").map(|column| {
        let name = column.name;
        match column.column_type {
            Address | Bytes | Hash => format!("'{name}', '0x' || encode({name}::bytea, 'hex')"),
            _ => format!("'{name}', {name}"),
        }
    });
    format!("jsonb_build_object({})::text", pairs.collect::<Vec<_>>().join(", "))
}

impl Store for ShadowStore {
    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let mut connection = self.connection.lock().await;
        let read = read_checkpoint(&mut connection, self.chain_id).await;
        read.map_err(|error| failed("reading the checkpoint", &error))
    }

    async fn start(&self, _: &Start) -> Result<(), StoreError> {
        Self::not_done()
    }

    async fn build_index(&self) -> Result<Built, StoreError> {
        Self::not_done()
    }

    async fn genesis(&self) -> Result<Option<B256>, StoreError> {
        Self::not_done()
    }

    async fn load_beside(&self, load: &Load, _: [BlockId; 2]) -> Result<Vec<Row>, StoreError> {
        self.load(load).await
    }

    async fn load(&self, load: &Load) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.connection.lock().await;
        let wrong = |error: sqlx::Error| failed("loading rows", &error);
        let mut found = Vec::new();
        if !is_refolded(load.table) {
            found = rows::load(&mut connection, load).await.map_err(wrong)?;
        }
        if is_shadowed(load.table) {
            let open_only = load.table.thing_len.is_some();
            let place = shadow(load.table);
            let more =
                rows::select_from(&mut connection, &place, load.table, &load.columns, &load.keys, open_only);
            found.extend(more.await.map_err(wrong)?);
        }
        Ok(found)
    }

    async fn headers(&self) -> Result<Vec<Header>, StoreError> {
        let mut connection = self.connection.lock().await;
        let read = checkpoint::headers(&mut connection, self.chain_id).await;
        read.map_err(|error| failed("reading headers", &error))
    }

    async fn ground_logs(
        &self,
        range: BlockRange,
        addresses: Option<&[Address]>,
    ) -> Result<Vec<RawLog>, StoreError> {
        let mut connection = self.connection.lock().await;
        let addresses = addresses.map(|list| list.iter().map(|a| a.to_vec()).collect::<Vec<_>>());
        let events = rows::ground(&mut connection, self.chain_id, range, addresses).await;
        let events = events.map_err(|error| failed("reading ground", &error))?;
        let logs = events.into_iter().map(|row| AssetEvent::from_row(row).map(|event| event.log()));
        logs.collect::<Option<Vec<_>>>().ok_or_else(|| StoreError::misfit(AssetEvent::DEF))
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().await;
        for section in &commit.sections {
            for (table, rows) in section.changes.inserts.iter().chain(&section.changes.upserts) {
                if is_shadowed(table) {
                    let put = self.put(&mut connection, table, rows).await;
                    put.map_err(|error| failed("writing beside the tables", &error))?;
                }
            }
        }
        Ok(())
    }

    async fn rollback(&self, _: &Rollback) -> Result<(), StoreError> {
        Self::not_done()
    }

    async fn halt(&self, _: &str) -> Result<(), StoreError> {
        Self::not_done()
    }

    async fn resume(&self, _: &str) -> Result<(), StoreError> {
        Self::not_done()
    }

    async fn rewind(&self, _: &Rollback) -> Result<(), StoreError> {
        Self::not_done()
    }

    async fn begin_rebuild(&self, _: &Cause) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().await;
        let whole = archived::refuse_without_ground(&mut connection, self.chain_id).await;
        whole.map_err(|error| failed("looking whether ground is whole", &error))
    }

    async fn kept(&self, load: &Load) -> Result<Vec<Row>, StoreError> {
        let mut connection = self.connection.lock().await;
        let kept = rows::load(&mut connection, load).await;
        kept.map_err(|error| failed("reading ground", &error))
    }

    async fn finish_rebuild(&self, _: &Cause) -> Result<(), StoreError> {
        Ok(())
    }

    async fn abort_rebuild(&self) {}

    async fn forget_evidence(&self, _: &str) -> Result<(), StoreError> {
        Self::not_done()
    }

    async fn evidence(&self, _: BlockRange) -> Result<Vec<Evidence>, StoreError> {
        Self::not_done()
    }

    async fn proved(&self) -> Result<Option<BlockRange>, StoreError> {
        Self::not_done()
    }

    async fn is_journaled(&self, _: &'static TableDef, _: &[Row], _: u64) -> Result<bool, StoreError> {
        Self::not_done()
    }

    async fn dump(&self, _: &'static TableDef) -> Result<Vec<Row>, StoreError> {
        Self::not_done()
    }
}
