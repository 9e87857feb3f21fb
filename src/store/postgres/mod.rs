//! The store of the product: PostgreSQL 15 to 18.
//!
//! One dedicated connection writes, and reads what a fold needs; it is dropped after any error or cancellation, so that
//! no half transaction can survive in it. A second one reads what the next fold needs while it writes. SQL is built from
//! table declarations and from constants of ours alone.
//!
//! # The order inside a commit
//! The lease first: its row stays locked until the end, so that a takeover waits for us and then sees our new expiry.
//! Then the checkpoint by compare-and-set, then rows, undo, pruning, the log of commits, and the lease again.

mod approval;
mod archived;
mod beside;
pub(crate) mod binary;
mod bulk;
mod checkpoint;
mod commit;
mod derivation;
mod driver;
mod evidence;
mod indexes;
mod lease;
mod locks;
mod rebuild;
mod requests;
mod rollback;
mod rows;
mod schema;
mod session;
mod shadow;
mod silence;
mod stated;
mod statistics;
mod step_down;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use alloy::primitives::{Address, B256};
use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Built, Cause, Checkpoint, Commit, Evidence, Rollback, Section, Start, Store, StoreError};
use crate::block::{BlockId, BlockRange, Header, RawLog};
use crate::derivation::Derivation;
use crate::reconcile::{Found, Sample, Stated};
use crate::row::{Row, Table, TableDef, Value};
use crate::table::event::AssetEvent;
use crate::table::fold::Load;

#[cfg(feature = "program")]
pub(crate) use archived::KEEP_PARTITIONS;
pub use archived::{ArchivedBlocks, archived_blocks};
pub use checkpoint::read_checkpoint;
pub use derivation::{KeptDerivation, Noted, read_derivation};
pub use driver::failed;
pub use evidence::all as read_evidence;
pub use lease::Lease;
pub use requests::{Request, RequestState, Requests};
#[cfg(feature = "program")]
pub(crate) use rows::base_type;
pub use rows::{read_events, read_page};
pub use schema::{
    Migrated, check_schema, check_schema_again, check_version, migrate, migrate_application, role_sql,
    schema_version,
};
pub(crate) use session::lift_timeouts;
pub use shadow::{ShadowStore, TableDifference};
pub use stated::{read_drawn, read_positions, read_probes, read_supplies, suspect_assets};
pub use step_down::{Loss, Part, SteppedDown, step_down};

/// How many blocks one partition of a fact table holds; the same number as in the migration that makes them.
const PARTITION_BLOCKS: u64 = 1_000_000;

/// For connections with the writer's rights: a function that somebody made in `public` for one of our tables would be taken
/// for the server's.
pub(crate) const SEARCH_PATH: (&str, &str) = ("search_path", "pg_catalog, pg_temp");

/// See the module.
pub struct PostgresStore {
    chain_id: u64,
    options: PgConnectOptions,
    epoch: Uuid,
    /// What rows are derived with; `None` where nobody said.
    derivation: Option<Derivation>,
    accepts_derivation: bool,
    inner: Mutex<Inner>,
    /// What reads while `inner` writes.
    beside: Mutex<Option<beside::Reader>>,
    /// Whether a connection that is gone may have left a commit under way.
    wrote: AtomicBool,
}

impl std::fmt::Debug for PostgresStore {
    /// Without the connection's options: they hold the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").field("chain_id", &self.chain_id).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Inner {
    /// With the number of the server's process behind it.
    connection: Option<(PgConnection, i32)>,
    partitions: HashSet<u64>,
    /// Blocks whose facts are in files, as they were when the connection was made.
    archived: Option<Vec<ArchivedBlocks>>,
    staged: HashSet<&'static str>,
    /// Staging tables that this transaction has used; what an earlier one left here costs no more than emptying one in vain.
    filled: HashSet<&'static str>,
    /// Inside a rebuild: one transaction around all, ground and checkpoint stay as they are.
    rebuilding: bool,
}

impl PostgresStore {
    /// The tables of a chain, written under a lease.
    pub fn new(options: PgConnectOptions, chain_id: u64, epoch: Uuid) -> Self {
        Self {
            chain_id,
            options: session::options_of_writer(options, chain_id),
            epoch,
            derivation: None,
            accepts_derivation: false,
            inner: Mutex::default(),
            beside: Mutex::default(),
            wrote: AtomicBool::new(false),
        }
    }

    /// The chain.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Refuses a range of which blocks are in files: what is read of them cannot be compared with anything.
    ///
    /// # Errors
    /// [`StoreError::Archived`], the database's.
    pub async fn refuse_archived(&self, range: BlockRange) -> Result<(), StoreError> {
        self.with("looking for archived blocks", async |connection, _| {
            let archived = archived::archived_blocks(connection, self.chain_id).await?;
            let hit = archived.into_iter().filter(|one| one.from <= range.to && one.to >= range.from);
            archived::refuse(hit.collect())
        })
        .await
    }

    /// The blocks nearest to a height of which the tables tell the hash: at it or below, and at it or above.
    ///
    /// # Errors
    /// The database's.
    pub async fn known_around(&self, height: u64) -> Result<[Option<BlockId>; 2], StoreError> {
        self.with("looking for the hashes of blocks", async |connection, _| {
            checkpoint::known_around(connection, self.chain_id, height).await
        })
        .await
    }

    /// Runs one piece of work on the connection; whatever fails, is cancelled or is not answered takes the connection
    /// with it.
    async fn with<T>(
        &self,
        during: &'static str,
        work: impl AsyncFnOnce(&mut PgConnection, &mut Inner) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let mut inner = self.inner.lock().await;
        let kept = inner.connection.take();
        let is_new = kept.is_none();
        let (mut connection, process) = match kept {
            Some(connection) => connection,
            None if inner.rebuilding => {
                let reason = "the transaction of the rebuild is gone".to_owned();
                return Err(StoreError::Unavailable { during, reason });
            }
            None => {
                // What the lost connection made may have been rolled back with it.
                inner.staged.clear();
                inner.partitions.clear();
                inner.archived = None;
                silence::connect(&self.options).await.map_err(|e| failed("connecting", &e))?
            }
        };
        let working = async {
            if is_new && self.wrote.load(Ordering::Relaxed) {
                self.outlive_predecessor(&mut connection).await?;
            }
            work(&mut connection, &mut inner).await
        };
        match silence::watched(&self.options, process, working).await {
            Ok(value) => {
                inner.connection = Some((connection, process));
                Ok(value)
            }
            Err(sqlx::Error::RowNotFound) => Err(StoreError::NotTheWriter),
            Err(error) => Err(failed(during, &error)),
        }
    }
}

impl Store for PostgresStore {
    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        self.with("reading the checkpoint", async |connection, _| {
            read_checkpoint(connection, self.chain_id).await
        })
        .await
    }

    async fn start(&self, start: &Start) -> Result<(), StoreError> {
        self.with("setting the first checkpoint", async |connection, inner| {
            connection.execute("begin").await?;
            self.hold_lease(connection).await?;
            if start.defers_indexes {
                indexes::defer(connection).await?;
            }
            checkpoint::insert(connection, self.chain_id, start).await?;
            let section = Section { undo_block: None, changes: start.changes.clone() };
            self.write(connection, inner, &section).await?;
            self.keep_header(connection, start.block).await?;
            commit::log(connection, self.chain_id, "start").await?;
            connection.execute("commit").await.map(drop)
        })
        .await
    }

    async fn build_index(&self) -> Result<Built, StoreError> {
        self.build_next().await
    }

    async fn genesis(&self) -> Result<Option<B256>, StoreError> {
        self.with("reading the genesis hash", async |connection, _| {
            checkpoint::genesis(connection, self.chain_id).await
        })
        .await
    }

    async fn load(&self, load: &Load) -> Result<Vec<Row>, StoreError> {
        self.with("loading rows", async |connection, _| rows::load(connection, load).await).await
    }

    async fn load_beside(&self, load: &Load, at: [BlockId; 2]) -> Result<Vec<Row>, StoreError> {
        self.read_beside(load, at).await
    }

    async fn headers(&self) -> Result<Vec<Header>, StoreError> {
        self.with("reading headers", async |connection, _| {
            checkpoint::headers(connection, self.chain_id).await
        })
        .await
    }

    async fn ground_logs(
        &self,
        range: BlockRange,
        addresses: Option<&[Address]>,
    ) -> Result<Vec<RawLog>, StoreError> {
        let events = self
            .with("reading ground", async |connection, _| {
                let addresses = addresses.map(|list| list.iter().map(|a| a.to_vec()).collect::<Vec<_>>());
                rows::ground(connection, self.chain_id, range, addresses).await
            })
            .await?;
        events
            .into_iter()
            .map(|row| AssetEvent::from_row(row).map(|event| event.log()))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| StoreError::misfit(AssetEvent::DEF))
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        self.with("committing", async |connection, inner| self.try_commit(connection, inner, commit).await)
            .await?;
        if commit.sections.iter().any(|section| section.undo_block.is_some()) {
            self.close_beside();
        }
        self.refresh_statistics(commit).await;
        Ok(())
    }

    async fn rollback(&self, rollback: &Rollback) -> Result<(), StoreError> {
        self.with("rolling back", async |connection, _| {
            connection.execute("begin").await?;
            self.hold_lease(connection).await?;
            self.move_checkpoint(connection, rollback.expected, rollback.ancestor, None).await?;
            rollback::take_back(connection, self.chain_id, rollback).await?;
            self.hold_lease(connection).await?;
            connection.execute("commit").await.map(drop)
        })
        .await
    }

    async fn halt(&self, reason: &str) -> Result<(), StoreError> {
        self.with("halting", async |connection, _| {
            connection.execute("begin").await?;
            self.hold_lease(connection).await?;
            sqlx::query(
                "update chain.checkpoints set status = 'halted', halt_reason = $2 where chain_id = $1",
            )
            .bind(int(self.chain_id))
            .bind(reason)
            .execute(&mut *connection)
            .await?;
            rollback::system_event(connection, self.chain_id, "halt", "critical", reason).await?;
            connection.execute("commit").await.map(drop)
        })
        .await
    }

    async fn resume(&self, reason: &str) -> Result<(), StoreError> {
        self.with("resuming", async |connection, _| {
            connection.execute("begin").await?;
            self.hold_lease(connection).await?;
            self.set_running(connection).await?;
            self.lower_finality(connection).await?;
            rollback::system_event(connection, self.chain_id, "resume", "warning", reason).await?;
            commit::log(connection, self.chain_id, "resume").await?;
            connection.execute("commit").await.map(drop)
        })
        .await
    }

    async fn rewind(&self, rollback: &Rollback) -> Result<(), StoreError> {
        self.take_back(rollback).await
    }

    async fn begin_rebuild(&self, cause: &Cause) -> Result<(), StoreError> {
        self.begin(cause).await
    }

    async fn kept(&self, load: &Load) -> Result<Vec<Row>, StoreError> {
        self.with("reading what a rebuild set aside", async |connection, _| {
            rows::load_kept(connection, load).await
        })
        .await
    }

    async fn finish_rebuild(&self, cause: &Cause) -> Result<(), StoreError> {
        self.finish(cause).await
    }

    async fn abort_rebuild(&self) {
        self.abort().await;
    }

    async fn forget_evidence(&self, reason: &str) -> Result<(), StoreError> {
        self.with("forgetting evidence", async |connection, _| {
            connection.execute("begin").await?;
            self.hold_lease(connection).await?;
            evidence::forget(connection, self.chain_id).await?;
            rollback::system_event(connection, self.chain_id, "unproved", "critical", reason).await?;
            connection.execute("commit").await.map(drop)
        })
        .await
    }

    async fn evidence(&self, blocks: BlockRange) -> Result<Vec<Evidence>, StoreError> {
        self.with("reading evidence", async |connection, _| {
            evidence::around(connection, self.chain_id, blocks).await
        })
        .await
    }

    async fn proved(&self) -> Result<Option<BlockRange>, StoreError> {
        self.with("reading evidence", async |connection, _| evidence::ends(connection, self.chain_id).await)
            .await
    }

    async fn is_journaled(
        &self,
        table: &'static TableDef,
        keys: &[Row],
        above: u64,
    ) -> Result<bool, StoreError> {
        self.with("reading the journal", async |connection, _| {
            rollback::is_journaled(connection, self.chain_id, table, keys, above).await
        })
        .await
    }

    async fn sample(&self, sample: &Sample) -> Result<Stated, StoreError> {
        self.with("reading a sample", async |connection, _| {
            stated::sample(connection, self.chain_id, sample).await
        })
        .await
    }

    async fn record(&self, found: &Found) -> Result<(), StoreError> {
        self.with("writing down what was found", async |connection, _| {
            connection.execute("begin").await?;
            self.hold_lease(connection).await?;
            stated::record(connection, self.chain_id, found).await?;
            connection.execute("commit").await.map(drop)
        })
        .await
    }

    async fn dump(&self, table: &'static TableDef) -> Result<Vec<Row>, StoreError> {
        let key = vec![Value::Int(int(self.chain_id))];
        let mut dumped = self
            .with("reading a table", async |connection, _| {
                rows::select(connection, table, &[0], &[key], false).await
            })
            .await?;
        dumped.sort_unstable();
        Ok(dumped)
    }
}

/// A chain's number as PostgreSQL's bigint.
fn int(number: u64) -> i64 {
    i64::try_from(number).expect("chain numbers stay below 2^63")
}
