//! Archives what is due: file, check, record and drop, so that it may be killed anywhere and run again.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::copy::{self, Content};
use super::manifest::{self, Manifest};
use super::{Bounds, Due, LOCK_PATIENCE, MaintainError, Partition, due, holds, run, seals, tell, wrong};
use crate::store::StoreError;

/// How often a lock on a whole table is tried.
const LOCK_TRIES: u32 = 10;
/// What is waited between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(500);
/// SQLSTATE of a lock that was waited for too long, and of a deadlock.
const LOCKED: [&str; 2] = ["55P03", "40P01"];

/// A partition in its file.
#[derive(Debug)]
struct Archived {
    partition: Partition,
    manifest: Manifest,
    manifest_sha256: String,
    sealed: Option<seals::Sealed>,
    /// How many logs of each asset could not be decoded: `verify` counts them with those that are there.
    unreadable: serde_json::Value,
}

/// Archives one unit into a folder. Gives what keeps it after all, where that came up meanwhile.
///
/// # Errors
/// The file system's and the database's; the partitions then stay as they are.
pub async fn archive(
    connection: &mut PgConnection,
    due: &Due,
    folder: &Path,
) -> Result<Vec<String>, MaintainError> {
    std::fs::create_dir_all(folder).map_err(|error| MaintainError::file(folder, &error))?;
    seals::seal(connection).await?;
    run(connection, "beginning an archive", "begin").await?;
    let done = work(connection, due, folder).await;
    let end = match &done {
        Ok(kept) if kept.is_empty() => "commit",
        _ => "rollback",
    };
    let ended = run(connection, "ending an archive", end).await;
    match done {
        Err(MaintainError::Store(StoreError::Unavailable { during, reason })) if is_locked(&reason) => ended
            .map(|()| {
                vec![format!("somebody is at work on it ({during}): it is tried again at the next run")]
            }),
        done => done.and_then(|kept| ended.map(|()| kept)),
    }
}

fn is_locked(reason: &str) -> bool {
    LOCKED.iter().any(|code| reason.contains(&format!("SQLSTATE {code}")))
}

async fn work(connection: &mut PgConnection, due: &Due, folder: &Path) -> Result<Vec<String>, MaintainError> {
    let unit = &due.unit;
    run(connection, "setting a timeout", format!("set local lock_timeout = '{LOCK_PATIENCE}'")).await?;
    for partition in &unit.partitions {
        // Against writers; readers go on.
        let lock = format!("lock table {} in share mode", partition.qualified());
        run(connection, "locking a partition", lock).await?;
    }
    let mut archived = Vec::new();
    for partition in &unit.partitions {
        match put_into_file(connection, partition, &unit.bounds, folder).await? {
            Ok(one) => archived.push(one),
            Err(objection) => return Ok(vec![objection]),
        }
    }
    // Judged again: a hold may have been placed since. None can be from here on.
    run(connection, "locking the legal holds", holds::LOCK).await?;
    match due::judge(connection, unit.clone()).await? {
        Some(again) if again.kept.is_empty() => {}
        Some(again) => return Ok(again.kept),
        None => return Ok(vec!["it is not old enough any more".to_owned()]),
    }
    detach(connection, &archived, &unit.bounds).await?;
    for one in &archived {
        record(connection, one, due).await?;
        if let Some(sealed) = &one.sealed {
            seals::keep(connection, sealed).await?;
        }
    }
    let rows: i64 = archived.iter().map(|one| one.manifest.rows).sum();
    let message = format!("archived {unit}: {rows} rows");
    tell(connection, unit.bounds.chain_id(), "archive", &message).await?;
    Ok(Vec::new())
}

/// Writes a partition's file and manifest and reads the file again; or says why the partition may not go.
async fn put_into_file(
    connection: &mut PgConnection,
    partition: &Partition,
    bounds: &Bounds,
    folder: &Path,
) -> Result<Result<Archived, String>, MaintainError> {
    let sealed = seals::of(connection, partition).await?;
    if let Some(sealed) = &sealed
        && let Some(objection) = seals::objection(connection, partition, sealed).await?
    {
        return Ok(Err(objection));
    }
    let before = recorded(connection, partition).await?;
    if let Some(before) = before.as_ref().filter(|before| before.is_away) {
        let objection = "rows of a partition of that name are in a file already, and a second file would take its place: move \
                         these rows elsewhere, drop the partition, attach";
        return Ok(Err(format!("{objection} {}", before.file)));
    }
    let columns = copy::columns(connection, &partition.qualified()).await?;
    let file = format!("{}.{}.copy.gz", partition.schema(), partition.name);
    let path = folder.join(&file);
    let unfinished = manifest::unfinished(&path);
    let content = copy::write(connection, partition, &columns, &unfinished).await?;
    let read = copy::read(&unfinished)?;
    if read != content {
        return Err(misread(&path, partition, &content, &read));
    }
    let (file_bytes, file_sha256) = copy::digest_of(&unfinished)?;
    refuse_anothers(&path, &file_sha256, before.as_ref())?;
    manifest::finish(&path)?;
    let manifest = Manifest {
        format: 1,
        program: concat!("asset-indexer ", env!("CARGO_PKG_VERSION")).to_owned(),
        schema_version: schema_version(connection, partition).await?,
        table: partition.table.clone(),
        partition: partition.name.clone(),
        holds: bounds.to_string(),
        bounds: bounds.for_values(),
        columns,
        rows: content.rows,
        encoding: manifest::ENCODING.to_owned(),
        content_sha256: content.sha256,
        file,
        file_bytes,
        file_sha256,
        register_digest: register_digest(connection, partition, bounds).await?,
        closing_seal: sealed.as_ref().and_then(|sealed| sealed.closing.clone()),
    };
    let manifest_sha256 = manifest::write(folder, &manifest)?;
    let unreadable = unreadable_logs(connection, partition).await?;
    Ok(Ok(Archived { partition: partition.clone(), manifest, manifest_sha256, sealed, unreadable }))
}

/// What is known of a partition's file.
#[derive(sqlx::FromRow)]
struct Recorded {
    #[sqlx(rename = "file_name")]
    file: String,
    file_sha256: String,
    is_away: bool,
}

async fn recorded(
    connection: &mut PgConnection,
    partition: &Partition,
) -> Result<Option<Recorded>, MaintainError> {
    let sql = "select file_name, file_sha256, attached_at is null and destroyed_at is null as is_away
        from ops.archived_partitions where table_name = $1 and partition = $2";
    let asked = sqlx::query_as(sql).bind(&partition.table).bind(&partition.name);
    asked.fetch_optional(connection).await.map_err(wrong("reading what was archived"))
}

/// A file of that name is replaced where it holds the same, or what this database put there and took back: in a folder
/// that two databases share it is the other's.
fn refuse_anothers(path: &Path, file_sha256: &str, before: Option<&Recorded>) -> Result<(), MaintainError> {
    if !path.exists() {
        return Ok(());
    }
    let (_, there) = copy::digest_of(path)?;
    if there == file_sha256 || before.is_some_and(|before| before.file_sha256 == there) {
        return Ok(());
    }
    Err(MaintainError::Taken { path: path.to_owned() })
}

async fn unreadable_logs(
    connection: &mut PgConnection,
    partition: &Partition,
) -> Result<serde_json::Value, MaintainError> {
    if partition.table != "chain.asset_events" {
        return Ok(serde_json::json!({}));
    }
    let sql = format!(
        "select coalesce(jsonb_object_agg(u.asset_id, u.logs), '{{}}') from (
             select asset_id, count(*) as logs from {}
             where unreadable is not null and asset_id is not null group by asset_id) u",
        partition.qualified()
    );
    copy::scalar(connection, "counting logs that could not be decoded", sql).await
}

fn misread(path: &Path, partition: &Partition, wrote: &Content, read: &Content) -> MaintainError {
    let what =
        format!("{} rows ({}) were written, {} ({}) read", wrote.rows, wrote.sha256, read.rows, read.sha256);
    MaintainError::Unreadable { path: path.to_owned(), what, partition: partition.qualified() }
}

/// The version of the migrations that the table's schema is at; 0 where nothing tells.
async fn schema_version(connection: &mut PgConnection, partition: &Partition) -> Result<i64, MaintainError> {
    let during = "reading the schema's version";
    let table = match partition.schema() {
        "app" => "asset_indexer.app_migrations",
        _ => "asset_indexer.migrations",
    };
    let is_there = format!("select to_regclass('{table}') is not null");
    if !copy::scalar(connection, during, is_there).await? {
        return Ok(0);
    }
    copy::scalar(connection, during, format!("select coalesce(max(version), 0) from {table}")).await
}

/// The digest of the blocks of events, as two installations compare it.
async fn register_digest(
    connection: &mut PgConnection,
    partition: &Partition,
    bounds: &Bounds,
) -> Result<Option<String>, MaintainError> {
    match (partition.table.as_str(), *bounds) {
        ("chain.asset_events", Bounds::Blocks { chain_id, from, to }) => {
            let sql = format!(
                "select digest from api.digests({chain_id}, {from}, {}, {})",
                to - 1,
                (to - from).max(1)
            );
            copy::scalar(connection, "computing the digest of events", sql).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// Takes the partitions of a unit out of their tables and drops them. The locks on the whole tables are tried for a while: all
/// are got, or those that were got are given up with the one that was not, so that nobody waits for one longer than
/// [`LOCK_PATIENCE`] while another is tried.
async fn detach(
    connection: &mut PgConnection,
    archived: &[Archived],
    bounds: &Bounds,
) -> Result<(), MaintainError> {
    let during = "detaching a partition";
    let mut tries = 0;
    loop {
        run(connection, during, "savepoint detaching").await?;
        match try_detach(connection, archived, bounds).await {
            Ok(()) => return run(connection, during, "release savepoint detaching").await,
            Err(sqlx::Error::Database(error))
                if tries < LOCK_TRIES && error.code().is_some_and(|code| LOCKED.contains(&&*code)) =>
            {
                tries += 1;
                tracing::info!(
                    tries,
                    reason = error.message(),
                    "somebody is at work on a table: tried again"
                );
                run(connection, during, "rollback to savepoint detaching").await?;
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            Err(error) => return Err(wrong(during)(error)),
        }
    }
}

async fn try_detach(
    connection: &mut PgConnection,
    archived: &[Archived],
    bounds: &Bounds,
) -> Result<(), sqlx::Error> {
    for Archived { partition, .. } in archived {
        let (parent, name) = (partition.parent(bounds), partition.qualified());
        let sql = format!("alter table {parent} detach partition {name}; drop table {name}");
        connection.execute(AssertSqlSafe(sql)).await?;
    }
    Ok(())
}

async fn record(connection: &mut PgConnection, one: &Archived, due: &Due) -> Result<(), MaintainError> {
    let (chain_id, from, to, from_time) = match due.unit.bounds {
        Bounds::Blocks { chain_id, from, to } => (Some(chain_id), Some(from), Some(to), None),
        Bounds::Month { from, .. } => (None, None, None, Some(from)),
    };
    let manifest = &one.manifest;
    sqlx::query(
        "insert into ops.archived_partitions as a (table_name, partition, chain_id, from_block, to_block, from_time, to_time,
             columns, row_count, content_sha256, file_name, file_bytes, file_sha256, manifest_sha256, register_digest,
             closing_seal, unreadable)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
         on conflict (table_name, partition) do update set columns = excluded.columns, row_count = excluded.row_count,
             content_sha256 = excluded.content_sha256, file_name = excluded.file_name, file_bytes = excluded.file_bytes,
             file_sha256 = excluded.file_sha256, manifest_sha256 = excluded.manifest_sha256,
             register_digest = excluded.register_digest, closing_seal = excluded.closing_seal,
             unreadable = excluded.unreadable, archived_at = clock_timestamp(), attached_at = null, destroyed_at = null",
    )
    .bind(&manifest.table)
    .bind(&manifest.partition)
    .bind(chain_id)
    .bind(from)
    .bind(to)
    .bind(from_time)
    .bind(due.until)
    .bind(&manifest.columns)
    .bind(manifest.rows)
    .bind(&manifest.content_sha256)
    .bind(&manifest.file)
    .bind(i64::try_from(manifest.file_bytes).unwrap_or(i64::MAX))
    .bind(&manifest.file_sha256)
    .bind(&one.manifest_sha256)
    .bind(&manifest.register_digest)
    .bind(&manifest.closing_seal)
    .bind(sqlx::types::Json(&one.unreadable))
    .execute(connection)
    .await
    .map(drop)
    .map_err(wrong("writing down what was archived"))
}
