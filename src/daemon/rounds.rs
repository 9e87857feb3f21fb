//! What a worker looks after beside following the chain: flags to be counted, months and seals, snapshots, security,
//! submitted transactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::settings::{self, Feature};
use super::{Daemon, looks, security, submitted, unless_given_up, upkeep};
use crate::source::Source;

/// How often assets with flags are counted.
const COUNT_FLAGS: Duration = Duration::from_secs(30);
/// How long that may take; a register may be large, and the connection may be lost.
const COUNTING: Duration = Duration::from_secs(10);

/// When each was last done. A set that is dropped with its worker aborts what is in it.
#[derive(Default)]
pub(super) struct Rounds {
    counted: Option<Instant>,
    looked_after: Option<Instant>,
    secured: Option<Instant>,
    followed: Option<Instant>,
    /// Work that takes long beside the rest: snapshots, violations, verdicts.
    aside: JoinSet<()>,
    /// Questions about submitted transactions.
    asking: JoinSet<()>,
    /// Listens for flags that change.
    ear: JoinSet<()>,
    /// Whether a flag changed since the last round.
    flag_changed: Arc<AtomicBool>,
}

impl<S: Source> Daemon<S> {
    /// Does what is due.
    pub(super) async fn go_round(&self, rounds: &mut Rounds, stop: &CancellationToken) {
        let is_due = |at: Option<Instant>, every| at.is_none_or(|at| at.elapsed() > every);
        if is_due(rounds.counted, COUNT_FLAGS) {
            unless_given_up(stop, self.count_flags()).await;
            rounds.counted = Some(Instant::now());
        }
        if rounds.ear.is_empty() {
            rounds.ear.spawn(settings::listen(self.database.clone(), rounds.flag_changed.clone()));
            unless_given_up(stop, settings::tell(&self.pool, &self.config, &self.configuration_digest)).await;
        }
        let heard = rounds.flag_changed.swap(false, Ordering::Relaxed);
        if heard || is_due(rounds.looked_after, upkeep::EVERY) {
            unless_given_up(stop, self.look_after(&mut rounds.aside)).await;
            rounds.looked_after = Some(Instant::now());
        }
        if is_due(rounds.secured, security::EVERY) {
            unless_given_up(stop, security::look(&self.board, &self.pool)).await;
            rounds.secured = Some(Instant::now());
        }
        if is_due(rounds.followed, submitted::EVERY) {
            while rounds.asking.try_join_next().is_some() {}
            if rounds.asking.is_empty() {
                let (source, pool) = (self.source.clone(), self.pool.clone());
                rounds.asking.spawn(submitted::follow(source, pool, self.config.chain_id));
            }
            rounds.followed = Some(Instant::now());
        }
    }

    /// What is done every hour, but for what is switched off.
    async fn look_after(&self, aside: &mut JoinSet<()>) {
        let off = match settings::switched_off(&self.pool).await {
            Ok(off) => Some(off),
            Err(error) => {
                tracing::warn!(%error, "what is switched off could not be read: nothing that may be is done this time");
                None
            }
        };
        let is_on = |feature| off.as_ref().is_some_and(|off| off.is_on(feature));
        upkeep::look_after(&self.board, &self.pool, is_on(Feature::SealTrails)).await;
        while aside.try_join_next().is_some() {}
        if !aside.is_empty() {
            return;
        }
        if !upkeep::deferred_indexes(&self.pool).await.is_ok_and(|count| count == 0) {
            tracing::debug!("a first load: snapshots, violations and verdicts come after it");
            return;
        }
        let (pool, chain_id) = (self.pool.clone(), self.config.chain_id);
        let [take_snapshots, find_violations, log_verdicts] =
            [Feature::TakeSnapshots, Feature::FindViolations, Feature::LogVerdicts].map(is_on);
        aside.spawn(async move {
            upkeep::snapshots(pool.clone(), chain_id, take_snapshots).await;
            if find_violations {
                upkeep::violations(pool.clone(), chain_id).await;
            }
            if log_verdicts {
                upkeep::verdicts(pool, chain_id).await;
            }
        });
    }

    async fn count_flags(&self) {
        let counting = sqlx::query_scalar::<_, i64>(
            "select count(*) from chain.assets
             where chain_id = $1 and (negative_balance or exceeds_uint256 or unreadable_logs > 0)",
        )
        .bind(i64::try_from(self.config.chain_id).unwrap_or(i64::MAX))
        .fetch_one(&self.pool);
        if let Ok(Ok(count)) = tokio::time::timeout(COUNTING, counting).await {
            self.board.flagged_assets(u64::try_from(count).unwrap_or_default());
        }
        if let Ok(count) = upkeep::deferred_indexes(&self.pool).await {
            self.board.deferred_indexes(count);
        }
        looks::count(&self.board, &self.pool, self.config.chain_id).await;
    }
}
