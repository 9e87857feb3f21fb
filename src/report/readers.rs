//! Who reads for a report of very many holders: two connections at one instant where there may be two, so that two servers'
//! processes read while two cores write.

use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnection;

use crate::store::StoreError;
use crate::verify::Snapshot;

/// One connection, or two that see the same.
#[derive(Debug)]
pub struct Readers<'a> {
    first: &'a mut PgConnection,
    second: Option<PgConnection>,
}

impl<'a> Readers<'a> {
    /// One connection does all.
    pub fn alone(first: &'a mut PgConnection) -> Self {
        Self { first, second: None }
    }

    /// Two of a snapshot; one where the database gives no other.
    pub async fn two(snapshot: &'a mut Snapshot) -> Self {
        let second = snapshot.second().await;
        let second = second
            .inspect_err(
                |error| tracing::debug!(%error, "one connection reads alone: no second one was given"),
            )
            .ok();
        Self { first: &mut snapshot.connection, second }
    }

    /// For what is asked by one.
    pub(super) fn first(&mut self) -> &mut PgConnection {
        self.first
    }

    /// Does two things at once; one after the other where there is one connection.
    ///
    /// # Errors
    /// The first's, else the other's.
    pub(super) async fn both<A, B: Send + 'static>(
        &mut self,
        one: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<A, StoreError>>,
        other: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<B, StoreError>> + Send + 'static,
    ) -> Result<(A, B), StoreError> {
        let Some(mut second) = self.second.take() else {
            let one = one(self.first).await?;
            return Ok((one, other(self.first).await?));
        };
        let beside = tokio::spawn(async move {
            let told = other(&mut second).await;
            (second, told)
        });
        let one = one(self.first).await;
        let (second, other) = match beside.await {
            Ok(done) => done,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        };
        self.second = Some(second);
        Ok((one?, other?))
    }
}
