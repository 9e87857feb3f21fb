//! Reading while a commit is under way, on a connection of its own.
//!
//! Every statement is a transaction by itself and sees one state of the tables: that before the commit or that after it.
//! Nothing is ever written here.

use sqlx::postgres::PgConnection;

use super::{PostgresStore, failed, silence};
use crate::store::StoreError;

/// A connection, with the number of the server's process behind it.
pub(super) type Reader = (PgConnection, i32);

/// What the connection that reads for a chain's writer is called in `pg_stat_activity`. Not as the writer is: whoever takes
/// over ends that one's connection.
fn reader_name(chain_id: u64) -> String {
    format!("asset-indexer reader {chain_id}")
}

impl PostgresStore {
    /// Runs one statement beside whatever is being written. The connection is dropped after any error or cancellation, as
    /// the writer's is.
    pub(super) async fn beside<T>(
        &self,
        during: &'static str,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let mut kept = self.beside.lock().await;
        let (mut connection, process) = match kept.take() {
            Some(reader) => reader,
            None => {
                let options = self.options.clone().application_name(&reader_name(self.chain_id));
                silence::connect(&options).await.map_err(|e| failed("connecting", &e))?
            }
        };
        let done = silence::watched(&self.options, process, work(&mut connection)).await;
        let value = done.map_err(|error| failed(during, &error))?;
        *kept = Some((connection, process));
        Ok(value)
    }
}
