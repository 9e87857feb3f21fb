//! The floor: what it costs PostgreSQL alone to take the rows that a run left.
//!
//! The rows are copied in binary form into the same empty tables of another database by one connection, in the order of
//! the chain: once with every index in place, once with those built afterwards that the program defers too. No indexer
//! that writes these tables as it reads the chain can be cheaper than the cheaper of the two.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection};

/// Rows of one transaction.
const TRANSACTION_ROWS: u64 = 10_000;
/// Bytes of COPY data sent at once.
const CHUNK_BYTES: usize = 1 << 20;

/// The beginning of binary COPY data: its signature, no flags, no extension.
const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What stands in place of a row's number of fields at its end.
const TRAILER: i16 = -1;

/// A table's rows, in COPY's binary format.
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
        let statement =
            format!("copy (select {columns} from chain.\"{table}\"{order}) to stdout (format binary)");
        let file = directory.join(&table);
        let mut out = BufWriter::with_capacity(CHUNK_BYTES, File::create(&file)?);
        let mut rows = connection.copy_out_raw(&statement).await?;
        let mut size = 0;
        while let Some(bytes) = rows.try_next().await? {
            size += bytes.len();
            out.write_all(&bytes)?;
        }
        out.flush()?;
        drop(rows);
        if size > HEADER.len() + size_of_val(&TRAILER) {
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
        let mut file = BufReader::with_capacity(CHUNK_BYTES, File::open(&dump.file)?);
        file.read_exact(&mut [0; HEADER.len()])?;
        while copy_some(connection, dump, &mut file, &mut rows).await? {}
    }
    Ok(rows)
}

/// Builds what the load did without: see `ops.defer_indexes`.
///
/// # Errors
/// The database's.
pub async fn build_indexes(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    while sqlx::query("select from ops.build_index()").fetch_optional(&mut *connection).await?.is_some() {}
    Ok(())
}

/// One transaction; false when there was nothing left to copy.
async fn copy_some(
    connection: &mut PgConnection,
    dump: &Dump,
    file: &mut impl Read,
    rows: &mut u64,
) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let mut buffer = Vec::with_capacity(CHUNK_BYTES + 4096);
    buffer.extend_from_slice(HEADER);
    if !read_row(file, &mut buffer)? {
        return Ok(false);
    }
    let statement = format!("copy chain.\"{}\" ({}) from stdin (format binary)", dump.table, dump.columns);
    let mut copy = connection.copy_in_raw(&statement).await?;
    let mut goes_on = true;
    for _ in 1..TRANSACTION_ROWS {
        if buffer.len() >= CHUNK_BYTES {
            copy.send(buffer.as_slice()).await?;
            buffer.clear();
        }
        goes_on = read_row(file, &mut buffer)?;
        if !goes_on {
            break;
        }
    }
    buffer.extend_from_slice(&TRAILER.to_be_bytes());
    copy.send(buffer.as_slice()).await?;
    *rows += copy.finish().await?;
    Ok(goes_on)
}

/// Adds the next row to COPY data; false at the end.
fn read_row(file: &mut impl Read, buffer: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut fields = [0; 2];
    file.read_exact(&mut fields)?;
    let count = i16::from_be_bytes(fields);
    if count == TRAILER {
        return Ok(false);
    }
    buffer.extend_from_slice(&fields);
    for _ in 0..count {
        let mut length = [0; 4];
        file.read_exact(&mut length)?;
        buffer.extend_from_slice(&length);
        // A null has no bytes, and -1 for their number.
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(0);
        let from = buffer.len();
        buffer.resize(from + length, 0);
        file.read_exact(&mut buffer[from..])?;
    }
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
