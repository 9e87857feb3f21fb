//! What rows are derived with, kept beside them (`ops.derivation`): as the last writer was configured, and of which parts
//! some rows may have been derived otherwise.
//!
//! Invariant: a part that some row may be derived otherwise with is called mixed, and a rebuild alone ends that: it writes the
//! parts in the transaction that derives the rows. What is called mixed need not be: a part may change and no log meet it.

use sqlx::Executor;
use sqlx::postgres::PgConnection;

use super::{PostgresStore, int, rollback};
use crate::derivation::{CLAIM_TOPIC, Derivation, Difference, listed};
use crate::store::{Cause, StoreError};

/// What is kept of a chain's derivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDerivation {
    /// As the last writer was configured.
    pub newest: Derivation,
    /// The parts that some rows may be derived otherwise with, by name.
    pub mixed: Vec<String>,
}

/// What a writer finds that begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Noted {
    /// Where it is configured otherwise than the last writer was; rows are derived so from now on.
    pub changed: Vec<Difference>,
    /// The parts that were mixed already, by name.
    pub mixed: Vec<String>,
}

/// What is kept of a chain's derivation; `None` where no writer has said.
///
/// # Errors
/// The driver's.
pub async fn read_derivation(
    connection: &mut PgConnection,
    chain_id: u64,
) -> Result<Option<KeptDerivation>, sqlx::Error> {
    // A part that is not configured any more has no value, and matters while it is mixed.
    let rows: Vec<(String, Option<String>, bool)> =
        sqlx::query_as("select part, value, is_mixed from ops.derivation where chain_id = $1 order by part")
            .bind(int(chain_id))
            .fetch_all(connection)
            .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mixed = rows.iter().filter(|(_, _, is_mixed)| *is_mixed).map(|(part, ..)| part.clone()).collect();
    let newest = rows.into_iter().filter_map(|(part, value, _)| Some((part, value?))).collect();
    Ok(Some(KeptDerivation { newest, mixed }))
}

impl PostgresStore {
    /// The same store, told what its rows are derived with. One that is not told compares nothing and keeps nothing.
    pub fn deriving(mut self, derivation: Derivation) -> Self {
        self.derivation = Some(derivation);
        self
    }

    /// The same; whether a rebuild is taken at its word, also of what it cannot derive anew.
    pub fn accepting(mut self, accepts: bool) -> Self {
        self.accepts_derivation = accepts;
        self
    }

    /// Where the configuration is another one than the last writer's; nothing where that is not known.
    ///
    /// # Errors
    /// The database's.
    pub async fn other_parts(&self) -> Result<Vec<Difference>, StoreError> {
        let Some(present) = &self.derivation else { return Ok(Vec::new()) };
        let kept = self
            .with("reading what rows are derived with", async |connection, _| {
                read_derivation(connection, self.chain_id).await
            })
            .await?;
        Ok(kept.map(|kept| present.differences(&kept.newest)).unwrap_or_default())
    }

    /// Keeps what rows are derived with from now on. Where that is not what the last writer derived them with, those parts are
    /// mixed until a rebuild, and it is told among the system's events.
    ///
    /// # Errors
    /// The database's.
    pub async fn note_derivation(&self) -> Result<Noted, StoreError> {
        let Some(present) = &self.derivation else { return Ok(Noted::default()) };
        self.with("keeping what rows are derived with", async |connection, _| {
            connection.execute("begin").await?;
            self.hold_lease(connection).await?;
            let noted = note(connection, self.chain_id, present).await?;
            connection.execute("commit").await?;
            Ok(noted)
        })
        .await
    }

    /// Inside the transaction of a rebuild: all rows are derived anew, and with what. Tells in which parts that is another
    /// configuration than the last writer's.
    pub(super) async fn settle_derivation(
        &self,
        connection: &mut PgConnection,
        cause: &Cause,
    ) -> Result<Vec<Difference>, sqlx::Error> {
        let Some(present) = &self.derivation else { return Ok(Vec::new()) };
        if matches!(cause, Cause::Rewind(_) | Cause::Repair { .. }) {
            // They withhold nothing of the claims that ground holds: what is mixed stays so.
            return Ok(Vec::new());
        }
        let kept = read_derivation(connection, self.chain_id).await?;
        keep(connection, self.chain_id, present).await?;
        let Some(kept) = kept else { return Ok(Vec::new()) };
        let changed = present.differences(&kept.newest);
        // What is withheld keeps what was told of it when it was read. To look for it reads all events.
        let parts = changed.iter().map(|changed| &changed.part).chain(&kept.mixed);
        let parts: Vec<&String> = parts.filter(|part| part.starts_with(CLAIM_TOPIC)).collect();
        if !self.accepts_derivation
            && !parts.is_empty()
            && withholds_claims(connection, self.chain_id).await?
        {
            leave_mixed(connection, self.chain_id, &parts).await?;
        }
        Ok(changed)
    }
}

/// Whether something of claims is withheld from the stored logs.
async fn withholds_claims(connection: &mut PgConnection, chain_id: u64) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (select from chain.asset_events where chain_id = $1 and withheld is not null)",
    )
    .bind(int(chain_id))
    .fetch_one(connection)
    .await
}

/// Some rows may still be derived with other values of these parts.
async fn leave_mixed(
    connection: &mut PgConnection,
    chain_id: u64,
    parts: &[&String],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into ops.derivation (chain_id, part, is_mixed)
         select distinct $1::bigint, part, true from unnest($2::text[]) mixed (part)
         on conflict (chain_id, part) do update set is_mixed = true",
    )
    .bind(int(chain_id))
    .bind(parts)
    .execute(connection)
    .await
    .map(drop)
}

/// See [`PostgresStore::note_derivation`].
async fn note(
    connection: &mut PgConnection,
    chain_id: u64,
    present: &Derivation,
) -> Result<Noted, sqlx::Error> {
    let is_begun: bool =
        sqlx::query_scalar("select exists (select from chain.checkpoints where chain_id = $1)")
            .bind(int(chain_id))
            .fetch_one(&mut *connection)
            .await?;
    let kept = read_derivation(connection, chain_id).await?;
    // Before the first checkpoint there is no row that could be derived otherwise.
    let Some(kept) = kept.filter(|_| is_begun) else {
        keep(connection, chain_id, present).await?;
        return Ok(Noted::default());
    };
    let changed = present.differences(&kept.newest);
    for Difference { part, now, .. } in &changed {
        sqlx::query(
            "insert into ops.derivation (chain_id, part, value, is_mixed) values ($1, $2, $3, true)
             on conflict (chain_id, part) do update
             set value = excluded.value, since = excluded.since, is_mixed = true",
        )
        .bind(int(chain_id))
        .bind(part)
        .bind(now.as_deref())
        .execute(&mut *connection)
        .await?;
    }
    if !changed.is_empty() {
        let message = format!(
            "rows are derived with another configuration from now on: {}; those of before stay as they are until \
             `asset-indexer rebuild`, which derives all of them with the present one",
            listed(&changed)
        );
        rollback::system_event(connection, chain_id, "configuration", "warning", &message).await?;
    }
    Ok(Noted { changed, mixed: kept.mixed })
}

/// All rows are derived with this, and none otherwise.
async fn keep(connection: &mut PgConnection, chain_id: u64, present: &Derivation) -> Result<(), sqlx::Error> {
    sqlx::query("delete from ops.derivation where chain_id = $1")
        .bind(int(chain_id))
        .execute(&mut *connection)
        .await?;
    let (parts, values): (Vec<String>, Vec<String>) =
        present.parts().map(|(part, value)| (part.to_owned(), value.to_owned())).unzip();
    sqlx::query(
        "insert into ops.derivation (chain_id, part, value)
         select $1, told.part, told.value from unnest($2::text[], $3::text[]) told (part, value)",
    )
    .bind(int(chain_id))
    .bind(parts)
    .bind(values)
    .execute(connection)
    .await
    .map(drop)
}
