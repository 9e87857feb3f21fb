//! What a session of the writer's is told when it is opened, and what long work takes from no role, database or server.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Executor as _};

use super::{SEARCH_PATH, lease};

/// The options of the writer's sessions.
pub(super) fn options_of_writer(options: PgConnectOptions, chain_id: u64) -> PgConnectOptions {
    options
        .application_name(&lease::writer_name(chain_id))
        // A writer that is paused between two statements must not hold its locks for long, nor one whose machine is gone
        // in the middle of a COPY; see also [`lease`].
        // A statement may take hours (a rebuild, an index): who is silent is noticed in another way ([`super::silence`]), and
        // what a role's setting for people's queries ended would be begun again for ever.
        // Planners that know little of a table that was just filled compile what takes a millisecond to run.
        .options([
            ("idle_in_transaction_session_timeout", "10s"),
            ("lock_timeout", "30s"),
            ("statement_timeout", "0"),
            ("tcp_keepalives_idle", "15"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
            ("jit", "off"),
            SEARCH_PATH,
        ])
        .log_statements(tracing::log::LevelFilter::Off)
}

/// Lets statements and transactions of a session last as long as they take, whatever is set for its role, its database or the
/// server: `statement_timeout`, and `transaction_timeout`, which servers before PostgreSQL 17 do not know and would refuse as
/// an option of the connection.
///
/// # Errors
/// The database's.
pub(crate) async fn lift_timeouts(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let lifting = "select set_config(name, '0', false) from pg_catalog.pg_settings
         where name in ('statement_timeout', 'transaction_timeout')";
    connection.execute(lifting).await.map(drop)
}
