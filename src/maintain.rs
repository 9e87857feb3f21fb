//! Retention: what is old enough goes into files or is deleted, unless a legal hold keeps it; and comes back from files.
//!
//! Works as the owner of the tables, on one connection of its own, beside a running worker. Knows policies and partitions
//! by the catalogue; what a row means it knows only where it deletes rows ([`rows`]).
//!
//! # Why partitions are not detached concurrently
//! A file is written, read again and checked while the partition is locked against writers, which an old partition has
//! none of; then it is detached, dropped and written down **in that same transaction**. So whoever kills the command
//! finds either the partition, or the record of its file, and never neither. `detach partition concurrently` cannot run
//! in a transaction and leaves a half detached partition behind when it is interrupted. The price is a lock on the whole
//! table for the instant of the detaching: waited for [`LOCK_PATIENCE`] at most, and tried again, so that readers and
//! the worker never queue behind it for longer.
//!
//! Invariant: a row leaves the database only when a file that was read again holds it, or a policy says that it may go
//! for good; never while a hold stands on it.

pub mod archive;
pub mod attach;
mod catalogue;
mod copy;
mod destroy;
mod due;
mod holds;
mod manifest;
pub mod rows;
mod seals;

use std::path::{Path, PathBuf};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use crate::store::StoreError;
use crate::store::postgres::{failed, lift_timeouts};

pub use catalogue::{Bounds, Partition, Unit};
pub use destroy::{Expired, destroy, expired};
pub use due::{Due, due};
pub use manifest::Manifest;

/// How long a lock on a whole table is waited for at once: whoever comes meanwhile waits behind us.
pub const LOCK_PATIENCE: &str = "2s";

/// Why something could not be archived, deleted or put back.
#[derive(Debug, thiserror::Error)]
pub enum MaintainError {
    /// The database's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or a folder.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A file or a manifest is not what was written: nothing of it is taken.
    #[error("{} was altered: {what}; nothing was put back: restore the file from a copy", path.display())]
    Altered {
        /// Which.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// What was written does not read back as it stands in the table.
    #[error("{} does not read back as it was written: {what}; {partition} stays", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
        /// The partition.
        partition: String,
    },
    /// A file of that name holds something else.
    #[error(
        "{} is there already and holds other rows, perhaps another database's: give a folder of its own with --to, or \
         move the file away; nothing was archived",
        path.display()
    )]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// Nothing in the folder is missing in the database.
    #[error("{} holds no file of an archived partition: ops.archived_partitions names them", folder.display())]
    NothingToAttach {
        /// The folder.
        folder: PathBuf,
    },
    /// Partitions of one stretch of blocks come back together.
    #[error("{} is missing in {}: partitions of the same blocks are put back together", file, folder.display())]
    Incomplete {
        /// The file.
        file: String,
        /// The folder.
        folder: PathBuf,
    },
    /// Two at once would wait for each other.
    #[error("another maintain is at work on this database: try again when it has ended")]
    Busy,
    /// The role may not.
    #[error("{role} does not own {table}: connect as the owner (ADMIN_DATABASE_URL), as for migrate")]
    NotTheOwner {
        /// Who is connected.
        role: String,
        /// What it would have to own.
        table: String,
    },
    /// A policy asks for something that there is no rule for.
    #[error(
        "ops.retention_policies has rows of {table} deleted, and there is no rule which: set its unit to `kept`"
    )]
    NoRule {
        /// The table.
        table: String,
    },
}

impl MaintainError {
    pub(crate) fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::File { path: path.to_owned(), reason: error.to_string() }
    }
}

/// What an error of the driver means, while something was done.
fn wrong(during: &'static str) -> impl Fn(sqlx::Error) -> MaintainError {
    move |error| MaintainError::Store(failed(during, &error))
}

async fn run(
    connection: &mut PgConnection,
    during: &'static str,
    sql: impl Into<String>,
) -> Result<(), MaintainError> {
    connection.execute(AssertSqlSafe(sql.into())).await.map(drop).map_err(wrong(during))
}

/// Prepares a connection: it must own the tables, be alone, and write values in one way whatever the server's settings.
///
/// # Errors
/// [`MaintainError::NotTheOwner`], [`MaintainError::Busy`], the database's.
pub async fn prepare(connection: &mut PgConnection) -> Result<(), MaintainError> {
    let during = "preparing the connection";
    // COPY writes what these say; a file must have the same bytes from every server.
    let settings = "set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres';
         set bytea_output = 'hex'; set extra_float_digits = 1; set client_encoding = 'UTF8';
         set idle_in_transaction_session_timeout = 0";
    run(connection, during, settings).await?;
    lift_timeouts(connection).await.map_err(wrong(during))?;
    run(connection, during, "select set_config('app.actor', 'asset-indexer maintain', false)").await?;
    // Told from the catalogue: whoever may not read the policies is told so too.
    let foreign: Option<(String, String)> = sqlx::query_as(
        "select current_user::text, n.nspname || '.' || c.relname
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname || '.' || c.relname in ('chain.asset_events', 'ops.retention_policies', 'app.audit_trail')
             and not pg_has_role(current_user, c.relowner, 'usage')
         order by 2 limit 1",
    )
    .fetch_optional(&mut *connection)
    .await
    .map_err(wrong(during))?;
    if let Some((role, table)) = foreign {
        return Err(MaintainError::NotTheOwner { role, table });
    }
    // A session that was just ended holds its lock for a moment longer.
    run(connection, during, format!("set lock_timeout = '{LOCK_PATIENCE}'")).await?;
    match connection.execute("select pg_advisory_lock(hashtext('asset_indexer maintain'))").await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03") => {
            Err(MaintainError::Busy)
        }
        locked => locked.map(drop).map_err(wrong(during)),
    }
}

/// Tells the system's events what was done, in the transaction that did it.
async fn tell(
    connection: &mut PgConnection,
    chain_id: Option<i64>,
    kind: &str,
    message: &str,
) -> Result<(), MaintainError> {
    sqlx::query(
        "insert into chain.system_events (chain_id, event_type, event_data, source, severity)
         values ($1, $2, jsonb_build_object('message', $3::text), 'asset-indexer', 'info')",
    )
    .bind(chain_id)
    .bind(kind)
    .bind(message)
    .execute(connection)
    .await
    .map(drop)
    .map_err(wrong("telling the system's events"))
}
