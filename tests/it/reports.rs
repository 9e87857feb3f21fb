//! Reports: what the register says of an asset at a block, against what the raw logs say; the digest, as an auditor
//! recomputes it; what is refused; what is recorded; and what the register showed at a time.

mod command;
mod commits;
mod compliance;
mod investors;
mod pages;
mod plans;
mod positions;
mod time;

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use asset_indexer::amount::Amount;
use asset_indexer::store::postgres::PostgresStore;
use asset_indexer::sync::Sync;
use simulation::chain::SimChain;
use simulation::play::Play;
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::world::{config, converge, database, pool, postgres_store, worker};

/// Blocks of the simulated chain.
const BLOCKS: usize = 60;
/// How deep a block of it has to lie to be final.
const DEPTH: u64 = 6;

/// A simulated chain with tokens, registries and strange logs, indexed into PostgreSQL.
struct Indexed {
    play: Play,
    chain: Arc<SimChain>,
    worker: Sync<SimChain, PostgresStore>,
    database: String,
    pool: PgPool,
}

impl Indexed {
    async fn new(seed: u64) -> Self {
        let mut play = Play::new(seed);
        let chain = Arc::new(Play::chain(DEPTH));
        for block in play.blocks(BLOCKS) {
            chain.mine(block);
        }
        let database = database().await;
        let store = Arc::new(postgres_store(&database).await);
        let mut worker = worker(chain.clone(), store, config(&Play::contracts()));
        converge(&mut worker).await;
        let pool = pool(&database).await;
        Self { play, chain, worker, database, pool }
    }

    /// Id and token of each asset that somebody holds, the one with most changes first.
    async fn assets(&self) -> Vec<(Uuid, Address)> {
        let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(
            "select a.id, a.contract_address::bytea from chain.assets a
             where a.holder_count > 0
             order by (select count(*) from chain.ownership_history h where h.asset_id = a.id) desc, a.id",
        )
        .fetch_all(&self.pool)
        .await
        .expect("readable");
        assert!(!rows.is_empty(), "somebody holds something");
        rows.into_iter().map(|(id, token)| (id, Address::from_slice(&token))).collect()
    }

    async fn checkpoint(&self) -> i64 {
        sqlx::query_scalar("select block_number from chain.checkpoints")
            .fetch_one(&self.pool)
            .await
            .expect("readable")
    }

    /// Takes snapshots until none is due, after every so many changes.
    async fn take_snapshots(&self, least: i64) -> Vec<(Uuid, i64)> {
        let mut taken = Vec::new();
        while let Some(one) = sqlx::query_as::<_, (Uuid, i64)>(
            "select asset_id, block_number from ops.take_snapshot((select chain_id from chain.checkpoints), $1)",
        )
        .bind(least)
        .fetch_optional(&self.pool)
        .await
        .expect("snapshots can be taken")
        {
            taken.push(one);
        }
        taken
    }
}

/// Balances by wallet, without those of zero.
type Balances = BTreeMap<Address, Amount>;

/// What the raw Transfer logs of a token say of every block up to one: a map a block.
async fn from_raw_logs(pool: &PgPool, token: Address, through: i64) -> Vec<Balances> {
    type Log = (i64, Vec<u8>, Vec<u8>, Vec<u8>);
    let logs: Vec<Log> = sqlx::query_as(
        "select block_number, topic1::bytea, topic2::bytea, data from chain.asset_events
         where address = $1 and topic0 = $2 and topic1 is not null and topic2 is not null and topic3 is null
             and unreadable is null
         order by block_number, log_index",
    )
    .bind(token.as_slice())
    .bind(alloy::primitives::keccak256("Transfer(address,address,uint256)").as_slice())
    .fetch_all(pool)
    .await
    .expect("readable");
    let mut now = Balances::new();
    let mut logs = logs.into_iter().peekable();
    let mut all = Vec::new();
    for block in 0..=through {
        while let Some((_, from, to, data)) = logs.next_if(|log| log.0 <= block) {
            let wallet = |topic: &[u8]| Address::from_word(B256::from_slice(topic));
            let amount = Amount::from(U256::from_be_slice(&data[..32]));
            let (from, to) = (wallet(&from), wallet(&to));
            if from != Address::ZERO {
                let balance = now.entry(from).or_default();
                *balance = balance.minus(amount);
            }
            if to != Address::ZERO {
                let balance = now.entry(to).or_default();
                *balance = balance.plus(amount);
            }
        }
        now.retain(|_, balance| !balance.is_zero());
        all.push(now.clone());
    }
    all
}

fn sum<'a>(amounts: impl IntoIterator<Item = &'a Amount>) -> Amount {
    amounts.into_iter().fold(Amount::ZERO, |sum, amount| sum.plus(*amount))
}
