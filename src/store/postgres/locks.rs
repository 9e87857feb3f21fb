//! How long a change of the schema waits for the locks it needs, and what an operator does about what stands in its way.

use std::time::Duration;

use sqlx::postgres::PgConnection;

use super::failed;
use crate::retry::{Delays, Limit, Policy};
use crate::store::StoreError;

/// How often it is tried when a table is in use.
pub(super) const LOCK_RETRIES: Policy = Policy {
    first: Duration::from_millis(500),
    longest: Duration::from_secs(5),
    limit: Limit::Deadline(Duration::from_secs(120)),
};

const SETTING: &str = "setting the time to wait for locks";

/// Where the server vacuums or analyzes our tables of itself, it gives way to whoever has waited for `deadlock_timeout`, which
/// is longer than a migration waits, and one of a large table may take hours. Nobody who reads or writes waits behind this lock.
/// Not so one against wraparound, nor of what is kept out of line (TOAST), which cannot be locked by itself.
const MAKE_UPKEEP_GIVE_WAY: &str = "
    do $$
    declare
        busy regclass;
    begin
        perform set_config('lock_timeout',
            (1000 + 1000 * extract(epoch from current_setting('deadlock_timeout')::interval))::int::text, true);
        for busy in
            select c.oid from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
            where l.mode = 'ShareUpdateExclusiveLock' and l.granted and c.relkind = 'r' and n.nspname in ('chain', 'ops', 'app')
                and l.database = (select oid from pg_database where datname = current_database())
                and l.pid in (select pid from pg_stat_progress_vacuum union select pid from pg_stat_progress_analyze)
        loop
            begin
                execute format('lock table only %s in share update exclusive mode', busy);
                -- It gave way: the lock goes with the subtransaction.
                raise exception 'enough';
            exception when others then
                -- Or somebody vacuums by hand, or the table is gone or another's.
                null;
            end;
        end loop;
    end $$";

/// What waits outside of a transaction keeps nobody waiting behind it.
pub(super) async fn wait_for_locks(connection: &mut PgConnection) -> Result<(), StoreError> {
    run(connection, SETTING, "set lock_timeout = 0").await
}

/// A statement that waits for a table's lock makes everybody after it wait too, readers included: it gives up soon, its
/// migration is taken back whole, and tried again.
pub(super) async fn wait_little_for_locks(connection: &mut PgConnection) -> Result<(), StoreError> {
    run(connection, SETTING, "set lock_timeout = 200").await
}

async fn run(
    connection: &mut PgConnection,
    during: &'static str,
    sql: &'static str,
) -> Result<(), StoreError> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop).map_err(|e| failed(during, &e))
}

/// Returns when what failed is to be tried again: a table was in use, and still may be.
///
/// # Errors
/// The error, with its remedy, where it was another one or has been tried for long enough.
pub(super) async fn until_free(
    connection: &mut PgConnection,
    error: StoreError,
    delays: &mut Delays,
) -> Result<(), StoreError> {
    match delays.next(None) {
        Some(delay) if is_lock_timeout(&error) => {
            tracing::warn!(seconds = delay.as_secs_f32(), "a table is in use; tried again");
            tokio::time::sleep(delay).await;
            if let Err(error) = run(connection, "making upkeep give way", MAKE_UPKEEP_GIVE_WAY).await {
                tracing::debug!(%error, "the next try may meet an automatic vacuum");
            }
            Ok(())
        }
        _ => Err(with_remedy(error)),
    }
}

fn is_lock_timeout(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { reason, .. } if reason.contains("SQLSTATE 55P03"))
}

fn with_remedy(error: StoreError) -> StoreError {
    let is_in_use = is_lock_timeout(&error);
    match error {
        StoreError::Refused { during, reason } if reason.contains("SQLSTATE 42501") => {
            let remedy = "the role needs the right to create schemas, tables and roles: connect as owner, or run \
                          `asset-indexer migrate --print-roles` for the statements an administrator can run";
            StoreError::Refused { during, reason: format!("{reason}; {remedy}") }
        }
        StoreError::Refused { during, reason } if reason.contains("SQLSTATE 2BP01") => {
            let remedy = "something else stands on it: the application's tables go first (--application --down-to 0), and \
                          so do views of your own";
            StoreError::Refused { during, reason: format!("{reason}; {remedy}") }
        }
        StoreError::Unavailable { during, reason } if is_in_use => {
            let remedy = "another session has held a table that is to be changed: end long transactions \
                          (pg_stat_activity shows them) and run it again; nothing was changed by halves";
            StoreError::Unavailable { during, reason: format!("{reason}; {remedy}") }
        }
        error => error,
    }
}
