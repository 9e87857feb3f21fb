//! Rows to files and back: COPY's text in the order of the key, under gzip.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::{MaintainError, Partition, wrong};

/// Bytes that are read, or sent, at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Rows as COPY writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// How many.
    pub(super) rows: i64,
    /// SHA-256 of the text, in hexadecimal.
    pub(super) sha256: String,
}

/// Counts and digests text on its way.
#[derive(Default)]
struct Tally {
    rows: i64,
    digest: Sha256,
}

impl Tally {
    fn add(&mut self, text: &[u8]) {
        // COPY writes a line feed inside a value as \n: each in the text ends a row.
        self.rows += text.iter().filter(|byte| **byte == b'\n').count() as i64;
        self.digest.update(text);
    }

    fn content(self) -> Content {
        Content { rows: self.rows, sha256: alloy::hex::encode(self.digest.finalize()) }
    }
}

/// A partition's columns, in their order.
pub(super) async fn columns(
    connection: &mut PgConnection,
    relation: &str,
) -> Result<Vec<String>, MaintainError> {
    let rows = sqlx::query(
        "select attname::text from pg_attribute
         where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum",
    )
    .bind(relation)
    .fetch_all(connection)
    .await
    .map_err(wrong("reading a partition's columns"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn quoted(columns: &[String]) -> String {
    columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ")
}

/// The columns of the key: what orders the rows of a file.
async fn key(connection: &mut PgConnection, partition: &Partition) -> Result<Vec<String>, MaintainError> {
    let rows = sqlx::query(
        "select a.attname::text from pg_index i
         cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, n)
         join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
         where i.indrelid = $1::regclass and i.indisprimary order by k.n",
    )
    .bind(partition.qualified())
    .fetch_all(connection)
    .await
    .map_err(wrong("reading a partition's key"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Streams a partition's rows in the order of their key.
pub(super) async fn out(
    connection: &mut PgConnection,
    partition: &Partition,
    columns: &[String],
    into: &mut impl Write,
    path: &Path,
) -> Result<Content, MaintainError> {
    let reading = wrong("reading a partition's rows");
    let order = quoted(&key(connection, partition).await?);
    let sql = format!(
        "copy (select {} from {} order by {order}) to stdout",
        quoted(columns),
        partition.qualified()
    );
    let mut tally = Tally::default();
    let mut stream = connection.copy_out_raw(&sql).await.map_err(&reading)?;
    while let Some(chunk) = stream.try_next().await.map_err(&reading)? {
        tally.add(&chunk);
        into.write_all(&chunk).map_err(|error| MaintainError::file(path, &error))?;
    }
    Ok(tally.content())
}

/// Writes a partition into a new file and brings it to the disk. The same rows give the same bytes: no name and no time
/// of the day is in the file.
pub(super) async fn write(
    connection: &mut PgConnection,
    partition: &Partition,
    columns: &[String],
    path: &Path,
) -> Result<Content, MaintainError> {
    let failed = |error: io::Error| MaintainError::file(path, &error);
    let file = BufWriter::new(File::create(path).map_err(failed)?);
    let mut packed = GzEncoder::new(file, Compression::default());
    let content = out(connection, partition, columns, &mut packed, path).await?;
    let file = packed.finish().and_then(|file| file.into_inner().map_err(io::IntoInnerError::into_error));
    file.and_then(|file| file.sync_all()).map_err(failed)?;
    Ok(content)
}

/// The size of a file, and its SHA-256 in hexadecimal.
pub(super) fn digest_of(path: &Path) -> Result<(u64, String), MaintainError> {
    let failed = |error: io::Error| MaintainError::file(path, &error);
    let mut file = File::open(path).map_err(failed)?;
    let (mut digest, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK_BYTES]);
    loop {
        let read = file.read(&mut chunk).map_err(failed)?;
        if read == 0 {
            return Ok((bytes, alloy::hex::encode(digest.finalize())));
        }
        bytes += read as u64;
        digest.update(&chunk[..read]);
    }
}

fn unpacked(path: &Path) -> Result<GzDecoder<BufReader<File>>, MaintainError> {
    let file = File::open(path).map_err(|error| MaintainError::file(path, &error))?;
    Ok(GzDecoder::new(BufReader::new(file)))
}

/// Reads a file again, as somebody will who needs it.
pub(super) fn read(path: &Path) -> Result<Content, MaintainError> {
    let mut text = unpacked(path)?;
    let (mut tally, mut chunk) = (Tally::default(), vec![0; CHUNK_BYTES]);
    loop {
        let read = text.read(&mut chunk).map_err(|error| MaintainError::file(path, &error))?;
        if read == 0 {
            return Ok(tally.content());
        }
        tally.add(&chunk[..read]);
    }
}

/// Puts a file's rows into a table.
pub(super) async fn into_table(
    connection: &mut PgConnection,
    path: &Path,
    relation: &str,
    columns: &[String],
) -> Result<(), MaintainError> {
    let writing = wrong("putting rows back");
    let mut text = unpacked(path)?;
    let sql = format!("copy {relation} ({}) from stdin", quoted(columns));
    let mut copy = connection.copy_in_raw(&sql).await.map_err(&writing)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match text.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => copy.send(&chunk[..read]).await.map(drop).map_err(&writing)?,
            Err(error) => {
                let failed = MaintainError::file(path, &error);
                copy.abort(failed.to_string()).await.map_err(&writing)?;
                return Err(failed);
            }
        }
    }
    copy.finish().await.map(drop).map_err(&writing)
}

/// The number of a scalar query about a partition.
pub(super) async fn scalar<T>(
    connection: &mut PgConnection,
    during: &'static str,
    sql: String,
) -> Result<T, MaintainError>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.map_err(wrong(during))
}
