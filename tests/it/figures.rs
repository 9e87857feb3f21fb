//! Figures of assets and of their days: against a count of everything, through forks and upgrades, and as people read them.

mod count;
mod series;
mod upgrade;

use std::sync::Arc;

use asset_indexer::store::postgres::PostgresStore;
use asset_indexer::sync::{Config, Sync};
use sqlx::postgres::PgPool;

use crate::support::world::{config, converge, database, pool, postgres_store, worker};
use simulation::chain::{NewTransaction, SimChain};
use simulation::events::{account, document, log, metadata};
use simulation::play::Play;

/// A play whose blocks come hours apart, followed on PostgreSQL.
struct Followed {
    play: Play,
    chain: Arc<SimChain>,
    config: Config,
    database: String,
    worker: Sync<SimChain, PostgresStore>,
}

impl Followed {
    async fn new(seed: u64, blocks: usize) -> Self {
        Self::by_clock(seed, blocks, 9_000).await
    }

    /// Every eleventh block comes so many seconds after the one before, or before it.
    async fn by_clock(seed: u64, blocks: usize, sometimes: i64) -> Self {
        let mut play = Play::new(seed);
        let chain = Arc::new(Play::chain(6));
        chain.mine(vec![documents(1)]);
        for (number, block) in play.blocks(blocks).into_iter().enumerate() {
            chain.pace(if number % 11 == 7 { sometimes } else { 9_000 });
            chain.mine(block);
        }
        chain.pace(9_000);
        chain.mine(vec![documents(2)]);
        let config = config(&Play::contracts());
        let database = database().await;
        let store = Arc::new(postgres_store(&database).await);
        let mut worker = worker(chain.clone(), store, config.clone());
        converge(&mut worker).await;
        Self { play, chain, config, database, worker }
    }

    async fn pool(&self) -> PgPool {
        pool(&self.database).await
    }
}

/// What tokens log of documents and metadata, which an older program did not read.
fn documents(hash: u8) -> NewTransaction {
    let token = account(0x70, 0);
    let logs = vec![
        document(token, b"prospectus", "ipfs://prospectus", hash),
        log(token, metadata::MetadataUpdate { tokenId: alloy::primitives::U256::from(1) }),
    ];
    NewTransaction { logs, ..NewTransaction::default() }
}
