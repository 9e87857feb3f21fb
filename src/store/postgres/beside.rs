//! Reading while a commit is under way, on a connection of its own.
//!
//! What is read is of one snapshot, whose checkpoint is looked at with it: whatever server is behind the connection, an old
//! state is not taken for ours. Nothing is ever written here.

use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::{PostgresStore, checkpoint, failed, rows, silence};
use crate::block::BlockId;
use crate::row::Row;
use crate::store::StoreError;
use crate::table::fold::Load;

/// A connection, with the number of the server's process behind it.
pub(super) type Reader = (PgConnection, i32);

/// What the connection that reads for a chain's writer is called in `pg_stat_activity`. Not as the writer is: whoever takes
/// over ends that one's connection.
fn reader_name(chain_id: u64) -> String {
    format!("asset-indexer reader {chain_id}")
}

impl PostgresStore {
    /// See [`Store::load_beside`](crate::store::Store::load_beside). The connection is dropped after any error or
    /// cancellation, as the writer's is.
    pub(super) async fn read_beside(&self, load: &Load, at: [BlockId; 2]) -> Result<Vec<Row>, StoreError> {
        let mut kept = self.beside.lock().await;
        let (mut connection, process) = match kept.take() {
            Some(reader) => reader,
            None => {
                let options = self.options.clone().application_name(&reader_name(self.chain_id));
                silence::connect(&options).await.map_err(|e| failed("connecting", &e))?
            }
        };
        let reading = read(&mut connection, self.chain_id, load, at);
        let read = silence::watched(&self.options, process, reading).await;
        let rows = read.map_err(|error| failed("reading beside a commit", &error))?;
        let rows = rows.ok_or_else(|| StoreError::elsewhere(at))?;
        *kept = Some((connection, process));
        Ok(rows)
    }

    /// Gives the connection up: at the head there is nothing to prepare, and what is idle for long may break unseen.
    pub(super) fn close_beside(&self) {
        if let Ok(mut kept) = self.beside.try_lock() {
            *kept = None;
        }
    }
}

/// Nothing where the tables are at another checkpoint.
async fn read(
    connection: &mut PgConnection,
    chain_id: u64,
    load: &Load,
    at: [BlockId; 2],
) -> Result<Option<Vec<Row>>, sqlx::Error> {
    connection.execute("begin isolation level repeatable read, read only").await?;
    let here = checkpoint::read_checkpoint(&mut *connection, chain_id).await?;
    if !here.is_some_and(|here| at.contains(&here.block.id)) {
        return Ok(None);
    }
    let rows = rows::load(connection, load).await?;
    connection.execute("commit").await?;
    Ok(Some(rows))
}
