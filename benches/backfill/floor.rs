//! The floor: what it costs PostgreSQL alone to take the rows that a run left.
//!
//! The rows are copied into the same empty tables of another database, with every index in place, by one connection,
//! in the order of the chain: no indexer that writes these tables as it reads the chain can be cheaper.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection};

/// Rows of one transaction.
const TRANSACTION_ROWS: u64 = 10_000;
/// Bytes of COPY data sent at once.
const CHUNK_BYTES: usize = 1 << 20;

/// A table's rows, in COPY's text format, one a line.
pub struct Dump {
    table: String,
    columns: String,
    file: PathBuf,
}

/// Writes every chain table that has rows into files of a directory.
///
/// # Errors
/// The database's and the file system's.
pub async fn dump(
    connection: &mut PgConnection,
    directory: &Path,
) -> Result<Vec<Dump>, Box<dyn Error + Send + Sync>> {
    let tables: Vec<(String, Vec<String>)> = sqlx::query_as(
        "select c.relname::text, array_agg(a.attname::text order by a.attnum)
         from pg_class c join pg_attribute a on a.attrelid = c.oid
         where c.relnamespace = 'chain'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
             and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity = ''
         group by c.relname order by c.relname",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut dumps = Vec::new();
    for (table, columns) in tables {
        let has = |name: &str| columns.iter().any(|column| column == name);
        let order = match (has("block_number"), has("log_index")) {
            (true, true) => " order by block_number, log_index",
            (true, false) => " order by block_number",
            _ => "",
        };
        let columns = columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
        let statement = format!("copy (select {columns} from chain.\"{table}\"{order}) to stdout");
        let file = directory.join(&table);
        let mut out = BufWriter::with_capacity(CHUNK_BYTES, File::create(&file)?);
        let mut rows = connection.copy_out_raw(&statement).await?;
        let mut is_empty = true;
        while let Some(bytes) = rows.try_next().await? {
            is_empty = false;
            out.write_all(&bytes)?;
        }
        out.flush()?;
        drop(rows);
        if !is_empty {
            dumps.push(Dump { table, columns, file });
        }
    }
    Ok(dumps)
}

/// Copies the files into empty tables; tells how many rows that were.
///
/// # Errors
/// The database's and the file system's.
pub async fn load(
    connection: &mut PgConnection,
    dumps: &[Dump],
) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let mut rows = 0;
    for dump in dumps {
        let mut lines = BufReader::with_capacity(CHUNK_BYTES, File::open(&dump.file)?);
        while copy_some(connection, dump, &mut lines, &mut rows).await? {}
    }
    Ok(rows)
}

/// One transaction; false when there was nothing left to copy.
async fn copy_some(
    connection: &mut PgConnection,
    dump: &Dump,
    lines: &mut impl BufRead,
    rows: &mut u64,
) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let mut buffer = Vec::with_capacity(CHUNK_BYTES + 4096);
    if lines.read_until(b'\n', &mut buffer)? == 0 {
        return Ok(false);
    }
    let statement = format!("copy chain.\"{}\" ({}) from stdin", dump.table, dump.columns);
    let mut copy = connection.copy_in_raw(&statement).await?;
    for _ in 1..TRANSACTION_ROWS {
        if buffer.len() >= CHUNK_BYTES {
            copy.send(buffer.as_slice()).await?;
            buffer.clear();
        }
        if lines.read_until(b'\n', &mut buffer)? == 0 {
            break;
        }
    }
    copy.send(buffer.as_slice()).await?;
    *rows += copy.finish().await?;
    Ok(true)
}

/// How many rows the dumped tables hold in a database.
///
/// # Errors
/// The database's.
pub async fn count(connection: &mut PgConnection, dumps: &[Dump]) -> Result<u64, sqlx::Error> {
    let mut rows = 0;
    for dump in dumps {
        let statement = format!("select count(*) from chain.\"{}\"", dump.table);
        let found: i64 = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut *connection).await?;
        rows += found as u64;
    }
    Ok(rows)
}
