//! A mint into an asset: what it reads and writes does not grow with those who hold the asset. Counted by the server, row by
//! row, so that the answer does not depend on the machine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::Address;
use asset_indexer::fact::Role;
use simulation::chain::{NewTransaction, SimChain};
use simulation::events::{account, transfer};
use sqlx::PgPool;

use crate::support::world::{CHAIN_ID, config, converge, database, postgres_store, worker};

/// Rows read and written so far, by table, by every session that has ended.
async fn touched(pool: &PgPool) -> BTreeMap<String, [i64; 2]> {
    // Sessions tell what they did when they end at the latest.
    for _ in 0..600 {
        let others: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'",
        )
        .fetch_one(pool)
        .await
        .expect("readable");
        if others == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "select relname::text, seq_tup_read + coalesce(idx_tup_fetch, 0), n_tup_ins + n_tup_upd + n_tup_del
         from pg_stat_user_tables where schemaname in ('chain', 'ops')",
    )
    .fetch_all(pool)
    .await
    .expect("the server counts");
    rows.into_iter().map(|(table, read, written)| (table, [read, written])).collect()
}

async fn follow(chain: &Arc<SimChain>, database: &str, token: Address) {
    let store = Arc::new(postgres_store(database).await);
    let mut worker = worker(chain.clone(), store, config(&[(Role::Erc20, token)]));
    converge(&mut worker).await;
}

fn mine(chain: &SimChain, token: Address, to: Address, units: u64) {
    let logs = vec![transfer(token, Address::ZERO, to, units)];
    chain.mine(vec![NewTransaction { to: Some(token), logs, ..NewTransaction::default() }]);
}

/// What following one block with a mint to a new wallet reads and writes, where so many hold the asset.
async fn one_mint(holders: i64) -> BTreeMap<String, [i64; 2]> {
    let token = account(0x20, 0);
    let chain = Arc::new(SimChain::new(CHAIN_ID, 2));
    for n in 0..5 {
        mine(&chain, token, account(0xaa, n), 100);
    }
    let database = database().await;
    follow(&chain, &database, token).await;
    let pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(1)
        .connect_with(crate::support::world::cluster().await.connect_options("postgres", &database))
        .await
        .expect("a connection");
    // Loaded past the indexer: who they are does not matter to the mint, that they are there does.
    sqlx::query(
        "insert into chain.asset_holders (chain_id, asset_id, holder, balance, frozen, wallet_frozen, first_block,
             updated_block, updated_at)
         select a.chain_id, a.id, decode(lpad(to_hex(n), 40, '0'), 'hex'), 7, 0, false, 1, 1, now()
         from chain.assets a, generate_series(1, $1) n",
    )
    .bind(holders)
    .execute(&pool)
    .await
    .expect("the superuser may");
    sqlx::query(
        "update chain.assets set holder_count = holder_count + $1, total_supply = total_supply + 7 * $1",
    )
    .bind(holders)
    .execute(&pool)
    .await
    .expect("the superuser may");
    for statement in ["analyze chain.asset_holders", "select pg_stat_force_next_flush()"] {
        sqlx::query(statement).execute(&pool).await.expect("it is done");
    }
    let before = touched(&pool).await;
    mine(&chain, token, account(0xaa, 1_000), 100);
    follow(&chain, &database, token).await;
    let after = touched(&pool).await;
    let counted: i64 =
        sqlx::query_scalar("select holder_count from chain.assets").fetch_one(&pool).await.expect("readable");
    assert_eq!(counted, holders + 6, "the mint was folded");
    after
        .into_iter()
        .map(|(table, [read, written])| {
            let was = before.get(&table).copied().unwrap_or_default();
            (table, [read - was[0], written - was[1]])
        })
        .filter(|(_, rows)| *rows != [0, 0])
        .collect()
}

#[tokio::test]
async fn a_mint_reads_and_writes_as_many_rows_whether_a_thousand_or_a_million_hold_the_asset() {
    let (few, many) = (one_mint(1_000).await, one_mint(1_000_000).await);
    let written = |rows: &BTreeMap<String, [i64; 2]>| -> BTreeMap<String, i64> {
        rows.iter().map(|(table, rows)| (table.clone(), rows[1])).filter(|(_, rows)| *rows != 0).collect()
    };
    assert_eq!(written(&many), written(&few));
    assert_eq!(written(&many).get("asset_holders"), Some(&1), "the new holder's row alone: {many:?}");
    // Few holders may be read whole, that being quicker; many may not.
    let read = |rows: &BTreeMap<String, [i64; 2]>| rows.values().map(|rows| rows[0]).sum::<i64>();
    let holders = many.get("asset_holders").map_or(0, |rows| rows[0]);
    assert!(holders <= 10, "{holders} rows of holders are read for one mint: {many:?}");
    assert!(read(&many) <= read(&few) + 20, "{many:?} instead of {few:?}");
}
