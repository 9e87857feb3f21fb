//! What a worker looks after beside following the chain: flags to be counted, months and seals, snapshots, security,
//! submitted transactions.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

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
}

impl<S: Source> Daemon<S> {
    /// Does what is due.
    pub(super) async fn go_round(&self, rounds: &mut Rounds, stop: &CancellationToken) {
        let is_due = |at: Option<Instant>, every| at.is_none_or(|at| at.elapsed() > every);
        if is_due(rounds.counted, COUNT_FLAGS) {
            unless_given_up(stop, self.count_flags()).await;
            rounds.counted = Some(Instant::now());
        }
        if is_due(rounds.looked_after, upkeep::EVERY) {
            unless_given_up(stop, upkeep::look_after(&self.board, &self.pool)).await;
            while rounds.aside.try_join_next().is_some() {}
            if rounds.aside.is_empty() {
                let (pool, chain_id) = (self.pool.clone(), self.config.chain_id);
                rounds.aside.spawn(async move {
                    upkeep::snapshots(pool.clone(), chain_id).await;
                    upkeep::violations(pool.clone(), chain_id).await;
                    upkeep::verdicts(pool, chain_id).await;
                });
            }
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
        looks::count(&self.board, &self.pool, self.config.chain_id).await;
    }
}
