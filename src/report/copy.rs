//! What a COPY to standard output tells.

use futures_util::TryStreamExt;
use sqlx::postgres::PgConnection;

use crate::store::postgres::binary::{HEADER, TRAILER};

/// Gives the fields of each row of `copy (…) to stdout with (format binary)`, as PostgreSQL sends them: integers with the
/// highest byte first, text in UTF-8, an empty field for null. A row comes whole, in one piece or with others.
///
/// # Errors
/// The database's; [`sqlx::Error::Decode`] for what is no row of so many fields, or one that `row` does not take.
pub(super) async fn copy<const N: usize>(
    connection: &mut PgConnection,
    sql: &str,
    mut row: impl FnMut([&[u8]; N]) -> Option<()>,
) -> Result<(), sqlx::Error> {
    let mut stream = connection.copy_out_raw(sql).await?;
    let mut is_first = true;
    while let Some(piece) = stream.try_next().await? {
        let rest = if is_first { piece.strip_prefix(HEADER) } else { Some(&*piece) };
        is_first = false;
        rest.and_then(|rest| rows(rest, &mut row))
            .ok_or_else(|| sqlx::Error::Decode("a row of a binary COPY is not what was asked for".into()))?;
    }
    Ok(())
}

fn rows<const N: usize>(mut rest: &[u8], row: &mut impl FnMut([&[u8]; N]) -> Option<()>) -> Option<()> {
    while !rest.is_empty() {
        let (count, after) = rest.split_first_chunk()?;
        rest = after;
        match i16::from_be_bytes(*count) {
            TRAILER => return rest.is_empty().then_some(()),
            count if usize::try_from(count) == Ok(N) => {}
            _ => return None,
        }
        let mut fields: [&[u8]; N] = [&[]; N];
        for field in &mut fields {
            let (length, after) = rest.split_first_chunk()?;
            let length = i32::from_be_bytes(*length);
            (*field, rest) = after.split_at_checked(usize::try_from(length.max(0)).ok()?)?;
        }
        row(fields)?;
    }
    Some(())
}

/// Eight bytes of a `bigint`.
pub(super) fn bigint(field: &[u8]) -> Option<i64> {
    field.try_into().ok().map(i64::from_be_bytes)
}

/// A byte of a `boolean`.
pub(super) fn boolean(field: &[u8]) -> bool {
    field == [1]
}

/// Everything, as text.
pub(super) async fn copied(connection: &mut PgConnection, sql: &str) -> Result<String, sqlx::Error> {
    let mut stream = connection.copy_out_raw(sql).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = stream.try_next().await? {
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).map_err(|error| sqlx::Error::Decode(error.into()))
}

#[cfg(test)]
mod tests {
    use super::{bigint, rows};

    const ROW: &[u8] = b"\0\x02\0\0\0\x08\0\0\0\0\0\0\x01\x02\xff\xff\xff\xff";

    fn told(piece: &[u8]) -> Option<Vec<(i64, usize)>> {
        let mut told = Vec::new();
        rows(piece, &mut |[one, other]: [&[u8]; 2]| {
            told.push((bigint(one)?, other.len()));
            Some(())
        })?;
        Some(told)
    }

    #[test]
    fn rows_come_alone_or_together_and_null_is_empty() {
        assert_eq!(told(ROW), Some(vec![(258, 0)]));
        assert_eq!(told(&[ROW, ROW, b"\xff\xff"].concat()), Some(vec![(258, 0), (258, 0)]));
        assert_eq!(told(b""), Some(vec![]));
    }

    #[test]
    fn what_is_no_whole_row_is_refused() {
        for length in 1..ROW.len() {
            assert_eq!(told(&ROW[..length]), None, "{length} bytes");
        }
        assert_eq!(told(b"\0\x01\0\0\0\x01a"), None, "another number of fields");
        assert_eq!(told(&[b"\xff\xff", ROW].concat()), None, "a row behind the end");
    }
}
