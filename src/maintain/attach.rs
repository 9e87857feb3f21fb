//! Puts archived partitions back from their files: each is what the database remembers it to be, or it is refused.

use std::path::Path;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;

use super::{Bounds, LOCK_PATIENCE, MaintainError, Partition, copy, manifest, run, seals, tell, wrong};

/// What the database remembers of a file.
#[derive(Debug, sqlx::FromRow)]
struct Record {
    table_name: String,
    partition: String,
    chain_id: Option<i64>,
    from_block: Option<i64>,
    to_block: Option<i64>,
    from_time: Option<DateTime<Utc>>,
    to_time: Option<DateTime<Utc>>,
    columns: Vec<String>,
    row_count: i64,
    content_sha256: String,
    file_name: String,
    file_sha256: String,
    manifest_sha256: String,
}

impl Record {
    fn bounds(&self) -> Option<Bounds> {
        match (self.chain_id, self.from_block, self.to_block, self.from_time, self.to_time) {
            (Some(chain_id), Some(from), Some(to), ..) => Some(Bounds::Blocks { chain_id, from, to }),
            (None, _, _, Some(from), Some(to)) => Some(Bounds::Month { from, to }),
            _ => None,
        }
    }

    fn partition(&self) -> Partition {
        Partition { table: self.table_name.clone(), name: self.partition.clone() }
    }
}

/// Puts back every archived partition whose file is in the folder; returns them in words. All files are checked before
/// the first is taken.
///
/// # Errors
/// [`MaintainError::Altered`] where a file or a manifest is not the one that was written; nothing is put back then.
pub async fn attach(connection: &mut PgConnection, folder: &Path) -> Result<Vec<String>, MaintainError> {
    let away: Vec<Record> = sqlx::query_as(
        "select table_name, partition, chain_id, from_block, to_block, from_time, to_time, columns, row_count,
             content_sha256, file_name, file_sha256, manifest_sha256
         from ops.archived_partitions where attached_at is null and destroyed_at is null
         order by chain_id, from_block, from_time, table_name",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(wrong("reading what was archived"))?;
    let is_here = |record: &Record| folder.join(&record.file_name).exists();
    let mut units: Vec<Vec<&Record>> = Vec::new();
    for record in away.iter().filter(|record| is_here(record)) {
        match units.last_mut() {
            Some(unit) if record.chain_id.is_some() && unit[0].bounds() == record.bounds() => {
                unit.push(record)
            }
            _ => units.push(vec![record]),
        }
    }
    if units.is_empty() {
        return Err(MaintainError::NothingToAttach { folder: folder.to_owned() });
    }
    let here: Vec<Option<Bounds>> = units.iter().map(|unit| unit[0].bounds()).collect();
    let apart =
        |record: &&Record| record.chain_id.is_some() && !is_here(record) && here.contains(&record.bounds());
    if let Some(missing) = away.iter().find(apart) {
        let (file, folder) = (missing.file_name.clone(), folder.to_owned());
        return Err(MaintainError::Incomplete { file, folder });
    }
    for record in units.iter().flatten() {
        check(record, folder)?;
    }
    let mut attached = Vec::new();
    for unit in units {
        run(connection, "beginning to put back", "begin").await?;
        let done = put_back(connection, &unit, folder).await;
        let end = if done.is_ok() { "commit" } else { "rollback" };
        let ended = run(connection, "ending to put back", end).await;
        attached.push(done?);
        ended?;
    }
    Ok(attached)
}

/// That a file and its manifest are what was written.
fn check(record: &Record, folder: &Path) -> Result<(), MaintainError> {
    let path = manifest::place(folder, &record.file_name);
    let (_, found) = copy::digest_of(&path)?;
    if found != record.manifest_sha256 {
        let what = format!("its SHA-256 is {found}, and {} was written", record.manifest_sha256);
        return Err(MaintainError::Altered { path, what });
    }
    let path = folder.join(&record.file_name);
    let (_, found) = copy::digest_of(&path)?;
    if found != record.file_sha256 {
        let what = format!("its SHA-256 is {found}, and {} was written", record.file_sha256);
        return Err(MaintainError::Altered { path, what });
    }
    Ok(())
}

async fn put_back(
    connection: &mut PgConnection,
    unit: &[&Record],
    folder: &Path,
) -> Result<String, MaintainError> {
    run(connection, "setting a timeout", format!("set local lock_timeout = '{LOCK_PATIENCE}'")).await?;
    let mut names = Vec::new();
    for record in unit {
        fill(connection, record, folder).await?;
        names.push(format!("{}.{}", record.partition().schema(), record.partition));
    }
    let rows: i64 = unit.iter().map(|record| record.row_count).sum();
    let holds = unit[0].bounds().map(|bounds| bounds.to_string()).unwrap_or_default();
    let message = format!("put back {} ({holds}): {rows} rows", names.join(", "));
    tell(connection, unit[0].chain_id, "attach", &message).await?;
    Ok(message)
}

async fn fill(connection: &mut PgConnection, record: &Record, folder: &Path) -> Result<(), MaintainError> {
    let during = "putting a partition back";
    let Some(bounds) = record.bounds() else { return Ok(()) };
    let partition = record.partition();
    let (parent, name, path) =
        (partition.parent(&bounds), partition.qualified(), folder.join(&record.file_name));
    // What does not hold now is not made to hold by what comes back.
    let broken = seals::broken(connection, &partition).await?;
    // Filled beside the table and attached then, which keeps nobody from reading or writing the others. An identity is
    // the parent's; its defaults, checks, keys and indexes are taken over, its foreign keys and triggers come with it.
    let like = format!(
        "create table {name} (like {} including all excluding identity excluding comments)",
        record.table_name
    );
    run(connection, during, like).await?;
    // Whoever puts it back may be another member of the owner's role: a partition is its table's owner's.
    let owner: String =
        sqlx::query_scalar("select relowner::regrole::text from pg_class where oid = $1::regclass")
            .bind(&record.table_name)
            .fetch_one(&mut *connection)
            .await
            .map_err(wrong(during))?;
    run(connection, during, format!("alter table {name} owner to {owner}")).await?;
    copy::into_table(connection, &path, &name, &record.columns).await?;
    let content = copy::out(connection, &partition, &record.columns, &mut std::io::sink(), &path).await?;
    if (content.rows, &content.sha256) != (record.row_count, &record.content_sha256) {
        let what = format!("{} rows with SHA-256 {} came out of it", content.rows, content.sha256);
        return Err(MaintainError::Altered { path, what });
    }
    run(connection, during, format!("alter table {parent} attach partition {name} {}", bounds.for_values()))
        .await?;
    if partition.schema() == "app" {
        // As app.ensure_months makes it: triggers of statements are not cloned to partitions.
        let guard = format!(
            "create trigger refuse_truncate before truncate on {name} for each statement execute function app.refuse_change()"
        );
        run(connection, during, guard).await?;
    }
    sqlx::query(
        "update ops.archived_partitions set attached_at = clock_timestamp() where table_name = $1 and partition = $2",
    )
    .bind(&record.table_name)
    .bind(&record.partition)
    .execute(&mut *connection)
    .await
    .map_err(wrong(during))?;
    if let Some(sealed) = seals::of(connection, &partition).await? {
        seals::keep(connection, &sealed.without(&broken)).await?;
    }
    Ok(())
}
