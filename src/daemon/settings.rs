//! The application's configuration, where schema `app` is there: the daemon says there what it is, and is told there what not
//! to do.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};

use super::upkeep::{application_has, in_time};
use crate::store::postgres::schema_version;
use crate::sync::Config;

/// How long it may take to say or to ask.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before listening again.
const DEAF: Duration = Duration::from_secs(30);
/// Where changes of the configuration are told.
const CHANNEL: &str = "asset_indexer_configuration";

/// What may be switched off in `app.feature_flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feature {
    /// Violations that the chain shows.
    FindViolations,
    /// What events of wide effect did to verdicts.
    LogVerdicts,
    /// Seals of the audit trails.
    SealTrails,
    /// Snapshots of large registers.
    TakeSnapshots,
}

impl Feature {
    /// The flag's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Feature::FindViolations => "indexer.find_violations",
            Feature::LogVerdicts => "indexer.log_verdicts",
            Feature::SealTrails => "indexer.seal_trails",
            Feature::TakeSnapshots => "indexer.take_snapshots",
        }
    }
}

/// What is switched off now; without schema `app` nothing is.
#[derive(Debug, Default)]
pub(super) struct Off(HashSet<String>);

impl Off {
    pub(super) fn is_on(&self, feature: Feature) -> bool {
        !self.0.contains(feature.name())
    }
}

/// Asks what is switched off.
///
/// # Errors
/// The database's, and that it did not answer in time: then nobody knows, and what may be switched off is left alone.
pub(super) async fn switched_off(pool: &PgPool) -> Result<Off, sqlx::Error> {
    let asking = async {
        if !application_has(pool, "switched_off").await? {
            return Ok(Off::default());
        }
        let off: Vec<String> =
            sqlx::query_scalar("select f from app.switched_off() f").fetch_all(pool).await?;
        Ok(Off(off.into_iter().collect()))
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// What the daemon is: rows of `app.system_config`. `digest` is that of the effective configuration, without secrets.
fn facts(config: &Config, digest: &str) -> Map<String, Json> {
    let of_chain = |name: &str| format!("indexer/{}/{name}", config.chain_id);
    Map::from_iter([
        ("indexer/schema_version".to_owned(), json!(schema_version())),
        (of_chain("program_version"), json!(env!("CARGO_PKG_VERSION"))),
        (of_chain("configuration_sha256"), json!(digest)),
        (of_chain("proving"), json!(config.proving.name())),
    ])
}

/// Says what the daemon is. What could not be said is told in the log; nothing depends on it.
pub(super) async fn tell(pool: &PgPool, config: &Config, digest: &str) {
    let telling = async {
        if application_has(pool, "tell_program").await? {
            let changed: i32 = sqlx::query_scalar("select app.tell_program($1)")
                .bind(sqlx::types::Json(facts(config, digest)))
                .fetch_one(pool)
                .await?;
            tracing::debug!(changed, "told the application's configuration what runs here");
        }
        Ok::<(), sqlx::Error>(())
    };
    in_time(PATIENCE, "what runs here could not be told to app.system_config", telling).await;
}

/// Listens for flags of ours that change, on a connection of its own, until it is dropped. Where nothing can be heard (a
/// pooler that keeps no sessions), the next round finds out by itself.
pub(super) async fn listen(database: PgConnectOptions, changed: Arc<AtomicBool>) {
    let options = database.application_name("asset-indexer configuration");
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_lazy_with(options);
    loop {
        if let Err(error) = hear(&pool, &changed).await {
            tracing::debug!(%error, "changes of the configuration are not heard");
        }
        tokio::time::sleep(DEAF).await;
    }
}

async fn hear(pool: &PgPool, changed: &AtomicBool) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        let told = listener.recv().await?;
        if is_ours(told.payload()) {
            changed.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether a notification is of a flag that the daemon obeys.
fn is_ours(payload: &str) -> bool {
    let Ok(told) = serde_json::from_str::<Json>(payload) else { return false };
    told["table"] == "feature_flags" && told["key"].as_str().is_some_and(|key| key.starts_with("indexer."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_flags_of_ours_are_heard() {
        assert!(is_ours(r#"{"table": "feature_flags", "key": "indexer.seal_trails"}"#));
        for other in [
            r#"{"table": "feature_flags", "key": "dark_mode"}"#,
            r#"{"table": "system_config", "key": "indexer.seal_trails"}"#,
            r#"{"table": "feature_flags"}"#,
            "indexer.",
            "",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
