//! Archives whose time is over.

use std::path::Path;

use sqlx::postgres::PgConnection;

use super::{MaintainError, copy, holds, manifest, run, tell, wrong};

/// An archived partition that its policy says may be destroyed.
#[derive(Debug)]
pub struct Expired {
    /// The table, with its schema.
    pub table: String,
    /// The partition.
    pub partition: String,
    /// Its file.
    pub file: String,
    /// SHA-256 of it, as it was written.
    pub file_sha256: String,
    /// Why it stays all the same; empty: it goes.
    pub kept: Vec<String>,
}

/// All archives whose time is over.
///
/// # Errors
/// The database's.
pub async fn expired(connection: &mut PgConnection) -> Result<Vec<Expired>, MaintainError> {
    let over: Vec<(String, String, String, String)> = sqlx::query_as(
        "select a.table_name, a.partition, a.file_name, a.file_sha256
         from ops.archived_partitions a join ops.retention_policies p on p.table_name = a.table_name
         where a.attached_at is null and a.destroyed_at is null and p.unit <> 'blocks'
             and a.to_time < now() - p.delete_after
         order by a.to_time, a.table_name",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(wrong("reading what was archived"))?;
    let mut expired = Vec::new();
    for (table, partition, file, file_sha256) in over {
        let kept = holds::on_file(connection, &table, &partition).await?;
        expired.push(Expired { table, partition, file, file_sha256, kept });
    }
    Ok(expired)
}

/// Destroys an archive: its file in this folder and the manifest. False where the file is not in the folder, or a hold
/// was placed since; it stays on the list then. The record stays for good, and says when.
///
/// # Errors
/// The file system's and the database's.
pub async fn destroy(
    connection: &mut PgConnection,
    one: &Expired,
    folder: &Path,
) -> Result<bool, MaintainError> {
    let path = folder.join(&one.file);
    if !path.exists() {
        return Ok(false);
    }
    let during = "writing down what was destroyed";
    run(connection, during, format!("begin; {}", holds::LOCK)).await?;
    if !holds::on_file(connection, &one.table, &one.partition).await?.is_empty() {
        run(connection, during, "rollback").await?;
        return Ok(false);
    }
    let (_, there) = copy::digest_of(&path)?;
    if there != one.file_sha256 {
        run(connection, during, "rollback").await?;
        let what = "it is not the file that was written, and was not destroyed".to_owned();
        return Err(MaintainError::Altered { path, what });
    }
    // First the file: killed between the two, the next run finds the record and no file, and says so.
    for path in [path, manifest::place(folder, &one.file)] {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(MaintainError::file(&path, &error));
            }
            _ => {}
        }
    }
    sqlx::query(
        "update ops.archived_partitions set destroyed_at = clock_timestamp() where table_name = $1 and partition = $2",
    )
    .bind(&one.table)
    .bind(&one.partition)
    .execute(&mut *connection)
    .await
    .map_err(wrong(during))?;
    tell(connection, None, "retention", &format!("destroyed {}, its time being over", one.file)).await?;
    run(connection, during, "commit").await.map(|()| true)
}
