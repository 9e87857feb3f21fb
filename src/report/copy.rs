//! What a COPY to standard output tells.

use futures_util::TryStreamExt;
use sqlx::postgres::PgConnection;

/// Gives each line; a row comes whole, in one piece or with others.
pub(super) async fn copy(
    connection: &mut PgConnection,
    sql: &str,
    mut line: impl FnMut(&str),
) -> Result<(), sqlx::Error> {
    let mut stream = connection.copy_out_raw(sql).await?;
    while let Some(piece) = stream.try_next().await? {
        let text = std::str::from_utf8(&piece).map_err(|error| sqlx::Error::Decode(error.into()))?;
        text.lines().for_each(&mut line);
    }
    Ok(())
}

/// Everything.
pub(super) async fn copied(connection: &mut PgConnection, sql: &str) -> Result<String, sqlx::Error> {
    let mut stream = connection.copy_out_raw(sql).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = stream.try_next().await? {
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).map_err(|error| sqlx::Error::Decode(error.into()))
}
