//! Commands that change tables: carried out here when no worker is alive, else handed to it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use sqlx::PgPool;

use super::backfill::Progress;
use super::setup::{self, Database};
use super::{Failure, derivation, lacks_rights};
use crate::config::Config;
use crate::execute::{ExecuteError, Executor};
use crate::store::StoreError;
use crate::store::postgres::{Lease, PostgresStore, Request, Requests, failed};

/// How often a watched request is looked at.
pub(super) const GLANCE: Duration = Duration::from_millis(300);

/// Where a request goes.
pub(super) struct Handed<'a> {
    pub(super) config: &'a Config,
    pub(super) database: &'a Database,
    pub(super) chain_id: u64,
    /// Whether a rebuild may be with another configuration than rows were derived with so far.
    pub(super) accepts_configuration: bool,
}

impl Handed<'_> {
    /// Carries a request out under a lease of our own, or has the worker that holds it do so.
    pub(super) async fn execute(&self, request: &Request, mut progress: Progress) -> Result<Json, Failure> {
        let lease = Lease::new(self.database.pool.clone(), self.chain_id, setup::holder());
        if !lease.acquire().await? {
            if self.accepts_configuration {
                eprintln!("a worker is alive: its configuration counts, not this one");
            }
            return self.watch(&lease, request, progress).await;
        }
        let done = self.carry_out_and_keep(&lease, request, &mut progress).await;
        lease.release().await?;
        done
    }

    async fn carry_out_and_keep(
        &self,
        lease: &Lease,
        request: &Request,
        progress: &mut Progress,
    ) -> Result<Json, Failure> {
        let requests = Requests::new(self.database.pool.clone(), self.chain_id);
        let began = requests.now().await?;
        let done = self.carry_out(lease, request, false, progress).await?;
        if let Err(error) = requests.carried_out(request, began, &done).await {
            tracing::warn!(%error, "done, and not kept among the requests");
        }
        Ok(done)
    }

    /// Carries a request out under a lease that is ours.
    pub(super) async fn carry_out(
        &self,
        lease: &Lease,
        request: &Request,
        left: bool,
        progress: &mut Progress,
    ) -> Result<Json, Failure> {
        let node = match self.config.providers.is_empty() {
            false => Some(Arc::new(setup::unconnected(self.config)?)),
            true => None,
        };
        let (decoder, config) = (setup::decoder(self.config), setup::sync_config(self.config, self.chain_id));
        let store = PostgresStore::new(self.database.options.clone(), self.chain_id, lease.epoch())
            .deriving(config.derivation(&decoder))
            .accepting(self.accepts_configuration);
        if *request == Request::Rebuild {
            derivation::tell_or_refuse(&store, self.accepts_configuration).await?;
        }
        let executor = Executor { node, store: Arc::new(store), decoder, config, left };
        let mut report = |block| progress.reached(block, 0);
        // Beside the work, which may compute for long.
        let mut heart = tokio::spawn({
            let lease = lease.clone();
            async move { lease.keep().await }
        });
        let done = tokio::select! {
            done = executor.execute(request, &mut report) => done.map_err(Failure::from),
            _ = &mut heart => Err(StoreError::NotTheWriter.into()),
        };
        heart.abort();
        done
    }
}

/// What a worker told of a request that it could not carry out ([`crate::daemon::told`]), with the exit code that the same
/// failure has where the command does the work itself.
pub(super) fn as_told(reason: &str) -> Failure {
    if reason == "withdrawn" {
        return Failure::new(
            Failure::FINDINGS,
            "the request was withdrawn: asset-indexer requests --withdraw",
        );
    }
    let (kind, words) = reason.split_once(": ").unwrap_or_default();
    let code = match kind {
        "provider_unavailable" | "database_unavailable" => Failure::UNAVAILABLE,
        "database_refused" if lacks_rights(words) => Failure::PERMISSION,
        "database_refused" | "provider_refused" | "provider_pruned" | "other_chain" | "other_schema"
        | "configuration" => Failure::CONFIG,
        "block_gone" | "unprovable" | "not_the_writer" => Failure::TEMPORARY,
        // The last is told of a request, not of an error: what has ended three workers is for people to look at.
        "archived" | "contradiction" | "disproved" | "provider_inconsistent" | "worker_ended" => {
            Failure::HALTED
        }
        "database_corrupt" => Failure::BUG,
        _ => return Failure::new(Failure::FINDINGS, format!("the worker could not do it: {reason}")),
    };
    Failure::new(code, format!("the worker could not do it: {words}"))
}

/// The last indexed block.
pub(super) async fn checkpoint(pool: &PgPool, chain_id: u64) -> Result<Option<u64>, Failure> {
    let at: Option<i64> =
        sqlx::query_scalar("select block_number from chain.checkpoints where chain_id = $1")
            .bind(i64::try_from(chain_id).unwrap_or(i64::MAX))
            .fetch_optional(pool)
            .await
            .map_err(|error| Failure::from(failed("reading the checkpoint", &error)))?;
    Ok(at.and_then(|at| u64::try_from(at).ok()))
}

/// Whether a contract is not read as far as the checkpoint: new in the configuration, or catching up.
pub(super) async fn is_behind(pool: &PgPool, chain_id: u64, config: &Config) -> Result<bool, Failure> {
    let configured: Vec<Vec<u8>> = config.contracts.iter().map(|row| row.address.to_vec()).collect();
    let (read, behind): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where address = any($2) and through_block is null),
             count(*) filter (where through_block is not null)
         from ops.coverage where chain_id = $1",
    )
    .bind(i64::try_from(chain_id).unwrap_or(i64::MAX))
    .bind(&configured)
    .fetch_one(pool)
    .await
    .map_err(|error| Failure::from(failed("reading the coverage", &error)))?;
    Ok(behind > 0 || read < i64::try_from(configured.len()).unwrap_or(i64::MAX))
}

/// Why the chain is halted, if it is.
async fn halt_reason(pool: &PgPool, chain_id: u64) -> Result<Option<String>, Failure> {
    sqlx::query_scalar(
        "select coalesce(halt_reason, '') from chain.checkpoints where chain_id = $1 and status = 'halted'",
    )
    .bind(i64::try_from(chain_id).unwrap_or(i64::MAX))
    .fetch_optional(pool)
    .await
    .map_err(|error| Failure::from(failed("reading the checkpoint", &error)))
}

/// Watches a living worker until its checkpoint is at a block, or it has halted.
pub(super) async fn wait_for_checkpoint(
    pool: &PgPool,
    chain_id: u64,
    from: u64,
    to: u64,
) -> Result<(), Failure> {
    let mut progress = Progress::new(from, to);
    loop {
        let at = checkpoint(pool, chain_id).await?;
        if let Some(at) = at {
            progress.reached(at.min(to), 0);
        }
        if at.is_some_and(|at| at >= to) {
            progress.done(&format!("blocks up to {to} are indexed"));
            return Ok(());
        }
        if let Some(reason) = halt_reason(pool, chain_id).await? {
            return Err(Failure::new(Failure::HALTED, format!("the worker is halted: {reason}")));
        }
        let holder = Lease::new(pool.clone(), chain_id, String::new()).current_holder().await?;
        if holder.is_none() {
            let message = "the worker ended before the range was complete; run the command again";
            return Err(Failure::new(Failure::TEMPORARY, message));
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// `rebuild`.
pub(super) async fn rebuild(config: Config, accepts_configuration: bool) -> Result<(), Failure> {
    let database = Database::open(&config).await?;
    let chain_id = setup::chain_without_node(&config, &database.pool).await?;
    let to = checkpoint(&database.pool, chain_id).await?.unwrap_or_default();
    let handed = Handed { config: &config, database: &database, chain_id, accepts_configuration };
    let report = handed.execute(&Request::Rebuild, Progress::new(0, to)).await;
    database.close().await;
    println!("derived tables were folded again from {} events", report?["events"]);
    Ok(())
}

/// `rewind`.
pub(super) async fn rewind(config: Config, to: u64, reason: &str) -> Result<(), Failure> {
    if reason.trim().is_empty() {
        return Err(Failure::new(2, "--reason is empty: say why, it is kept in the audit trail"));
    }
    let database = Database::open(&config).await?;
    let chain_id = setup::chain_without_node(&config, &database.pool).await?;
    let at = match checkpoint(&database.pool, chain_id).await? {
        None => return Err(ExecuteError::Empty.into()),
        Some(at) if to >= at => return Err(ExecuteError::NothingAbove { to, checkpoint: at }.into()),
        Some(at) => at,
    };
    let events: i64 = sqlx::query_scalar(
        "select count(*) from chain.asset_events where chain_id = $1 and block_number > $2",
    )
    .bind(i64::try_from(chain_id).unwrap_or(i64::MAX))
    .bind(i64::try_from(to).unwrap_or(i64::MAX))
    .fetch_one(&database.pool)
    .await
    .map_err(|error| Failure::from(failed("counting events", &error)))?;
    println!("rewinding from block {at} to {to}: {events} events go into the audit trail");
    let request = Request::Rewind { to, reason: reason.to_owned() };
    let handed = Handed { config: &config, database: &database, chain_id, accepts_configuration: false };
    let report = handed.execute(&request, Progress::new(0, to)).await;
    database.close().await;
    let report = report?;
    let how = if report["from_journal"].as_bool() == Some(true) { "the undo journal" } else { "ground" };
    let reached = report["to"].as_u64().unwrap_or(to);
    if reached < to {
        println!(
            "the chain changed below block {to}, too: more events went with the blocks down to {reached}"
        );
    }
    println!(
        "the checkpoint is block {reached} now, restored from {how}; a running worker goes on from there"
    );
    Ok(())
}

/// Lets a halted chain go on.
pub(super) async fn resume(config: Config, reason: &str) -> Result<(), Failure> {
    if reason.trim().is_empty() {
        return Err(Failure::new(2, "--reason is empty: say why, it is kept in the system's events"));
    }
    let database = Database::open(&config).await?;
    let chain_id = setup::chain_without_node(&config, &database.pool).await?;
    let Some(halted) = halt_reason(&database.pool, chain_id).await? else {
        database.close().await;
        return Err(Failure::new(Failure::FINDINGS, "the chain is not halted: there is nothing to resume"));
    };
    println!("was halted because: {halted}");
    let request = Request::Resume { reason: reason.to_owned() };
    let handed = Handed { config: &config, database: &database, chain_id, accepts_configuration: false };
    let report = handed.execute(&request, Progress::new(0, 0)).await;
    database.close().await;
    report?;
    println!("resumed; a worker that finds the same contradiction halts again");
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;
    use crate::daemon::told;
    use crate::source::SourceError;
    use crate::sync::{StartError, SyncError};

    fn of_the_node() -> [SourceError; 5] {
        let (provider, method) = ("primary".to_owned(), "eth_getLogs");
        let reason = "why: because".to_owned();
        [
            SourceError::Unavailable { provider: provider.clone(), method, reason: reason.clone() },
            SourceError::Refused { provider: provider.clone(), method, reason: reason.clone() },
            SourceError::Pruned { provider: provider.clone(), method, block: 7, reason: reason.clone() },
            SourceError::BlockGone { number: 7, hash: None },
            SourceError::Inconsistent { provider, method, reason },
        ]
    }

    fn of_the_database() -> [StoreError; 9] {
        let refused = |reason: &str| StoreError::Refused { during: "committing", reason: reason.to_owned() };
        let (one, other) = ("1".to_owned(), "5".to_owned());
        [
            StoreError::Unavailable { during: "committing", reason: one.clone() },
            refused("a constraint (SQLSTATE 23514)"),
            refused("permission denied (SQLSTATE 42501)"),
            refused("password authentication failed (SQLSTATE 28P01)"),
            StoreError::NotTheWriter,
            StoreError::OtherChain { stored: one.clone(), found: other.clone() },
            StoreError::OtherSchema { found: one.clone(), needed: other.clone(), remedy: "migrate" },
            StoreError::Archived { what: "blocks 0 to 9 are".to_owned(), partitions: other },
            StoreError::Corrupt { table: "assets", reason: one },
        ]
    }

    #[test]
    fn a_failure_has_the_same_exit_code_from_a_worker_as_without_one() {
        let reason = "why".to_owned();
        let start =
            StartError::NoContract { address: Address::ZERO, role: "trex_token", chain_id: 1, head: 7 };
        let others = [
            SyncError::Start(start),
            SyncError::Unprovable { block: 7, reason: reason.clone() },
            SyncError::Disproved { block: 7, reason: reason.clone() },
            SyncError::Contradiction(reason),
        ];
        let errors = of_the_node().map(ExecuteError::from).into_iter();
        let errors = errors.chain(of_the_database().map(ExecuteError::from));
        let errors = errors.chain(others.map(ExecuteError::from));
        let other = ExecuteError::OtherConfiguration { chain_id: 1, parts: "claim topic 7".to_owned() };
        for error in errors.chain([ExecuteError::Empty, ExecuteError::CatchingUp, other]) {
            let (words, there) = (error.to_string(), as_told(&told(&error)));
            assert_eq!(there.message, format!("the worker could not do it: {words}"));
            assert_eq!(there.code, Failure::from(error).code, "{words}");
        }
    }
}
