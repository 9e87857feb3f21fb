//! The cap table of every block, from the raw logs, from the functions and from the program's own merge.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use asset_indexer::amount::Amount;
use asset_indexer::report::{By, Kind, Readers, cap_table};
use asset_indexer::store::postgres::Request;
use simulation::play::Play;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::{Balances, Indexed, from_raw_logs, sum};
use crate::support::world::{config, converge, executor};

/// Rows of a page: few, so that there are many pages.
const PAGE: i32 = 3;

/// The cap table by wallet, page after page.
async fn by_pages(pool: &PgPool, asset: Uuid, block: i64) -> Vec<(Address, Amount)> {
    let mut all: Vec<(Address, Amount)> = Vec::new();
    loop {
        let last = all.last().map(|(wallet, balance)| (balance.to_string(), format!("{wallet:#x}")));
        let (balance, wallet) = last.unzip();
        let page = sqlx::query(
            "select holder_bytes, balance_base::text from api.cap_table($1, $2, $3, $4::text::numeric, $5)",
        )
        .bind(asset)
        .bind(block)
        .bind(PAGE)
        .bind(balance)
        .bind(wallet)
        .fetch_all(pool)
        .await
        .expect("a page");
        all.extend(page.iter().map(|row| {
            (Address::from_slice(row.get(0)), row.get::<String, _>(1).parse::<Amount>().expect("whole"))
        }));
        if page.len() < PAGE as usize {
            return all;
        }
    }
}

async fn assert_every_block(indexed: &Indexed, context: &str) -> usize {
    let through = indexed.checkpoint().await;
    let mut compared = 0;
    for (asset, token) in indexed.assets().await {
        let decimals: Option<i64> = sqlx::query_scalar("select decimals from chain.assets where id = $1")
            .bind(asset)
            .fetch_one(&indexed.pool)
            .await
            .expect("readable");
        for (block, expected) in from_raw_logs(&indexed.pool, token, through).await.into_iter().enumerate() {
            let context = format!("{context}: {token} at {block}");
            let block = i64::try_from(block).expect("small");
            let paged = by_pages(&indexed.pool, asset, block).await;
            assert!(
                paged.windows(2).all(|two| (two[1].1, two[0].0) < (two[0].1, two[1].0)),
                "{context}: the largest first, then by wallet"
            );
            assert_eq!(paged.iter().copied().collect::<Balances>(), expected, "{context}");
            assert_eq!(paged.len(), expected.len(), "{context}: no wallet twice");
            let totals = sqlx::query(
                "select balance_base::text, supply_base::text, holders from api.register_totals($1, $2)",
            )
            .bind(asset)
            .bind(block)
            .fetch_one(&indexed.pool)
            .await
            .expect("totals");
            let supply: String = totals.get(1);
            assert_eq!(totals.get::<String, _>(0), sum(expected.values()).to_string(), "{context}");
            assert_eq!(supply, totals.get::<String, _>(0), "{context}: balances are the supply");
            assert_eq!(totals.get::<i64, _>(2), expected.len() as i64, "{context}");
            let mut connection = indexed.pool.acquire().await.expect("a connection");
            let places = decimals.map(|decimals| u32::try_from(decimals).expect("small"));
            let (merged, sums) =
                cap_table::by_wallet(&mut Readers::alone(&mut connection), asset, block, places, &supply)
                    .await
                    .expect("the program's own");
            let asked = Kind::CapTable(By::Wallet).body(&mut connection, asset, block).await.expect("by SQL");
            assert_eq!(merged, asked, "{context}: the program's merge against the database's");
            assert_eq!((sums.holders, sums.equal_supply), (expected.len() as u64, true), "{context}");
            compared += expected.len();
        }
    }
    compared
}

#[tokio::test]
async fn cap_tables_of_every_block_are_those_of_the_raw_transfers_with_and_without_snapshots() {
    let indexed = Indexed::new(4).await;
    let compared = assert_every_block(&indexed, "from history alone").await;
    assert!(compared > 200, "{compared}");
    let taken = indexed.take_snapshots(4).await;
    let stand: i64 = sqlx::query_scalar("select count(*) from ops.register_snapshots")
        .fetch_one(&indexed.pool)
        .await
        .expect("readable");
    assert!(taken.len() >= 4 && stand == taken.len() as i64, "{taken:?}");
    let finalized: i64 = sqlx::query_scalar("select finalized_number from chain.checkpoints")
        .fetch_one(&indexed.pool)
        .await
        .expect("readable");
    assert!(taken.iter().all(|(_, block)| *block <= finalized), "of final blocks alone: {taken:?}");
    assert_eq!(assert_every_block(&indexed, "from snapshots").await, compared);
}

/// Wallets of one identity are one line, by what each wallet's row of the register at that block says; one whose identity is
/// undetermined is a line of its own.
#[tokio::test]
async fn by_investor_is_by_wallet_summed_at_every_block() {
    let indexed = Indexed::new(4).await;
    let through = indexed.checkpoint().await;
    // The story registers few: whoever else holds is registered from block 10 on, and all are one person, some of them perhaps.
    sqlx::query(
        "insert into chain.registrations (chain_id, storage, wallet, from_block, from_log, identity, identity_id, country,
             undetermined, from_at)
         select distinct on (s.target, h.holder) a.chain_id, s.target, h.holder, 10, 1000, i.onchain_id, i.id, 756,
             get_byte(h.holder, 19) % 4 = 0, now()
         from chain.assets a
         join chain.contract_links l on l.chain_id = a.chain_id and l.address = a.contract_address
             and l.link = 'identity_registry'
         join chain.contract_links s on s.chain_id = a.chain_id and s.address = l.target and s.link = 'storage'
         join chain.asset_holders h on h.chain_id = a.chain_id and h.asset_id = a.id
         cross join (select onchain_id, id from chain.identities order by id limit 1) i
         where not exists (select from chain.registrations r where r.chain_id = a.chain_id and r.storage = s.target
             and r.wallet = h.holder)",
    )
    .execute(&indexed.pool)
    .await
    .expect("the superuser may");
    let (mut joined, mut known) = (0, 0);
    for (asset, _) in indexed.assets().await {
        for block in 0..=through {
            let wallets: Vec<(String, Option<String>, String)> = sqlx::query_as(
                "select h.holder_address, case when not exists (
                         select from chain.contract_links l
                         join chain.contract_links s on s.chain_id = l.chain_id and s.address = l.target and s.link = 'storage'
                             and chain.in_force(s.from_block, s.to_block, $2)
                         join chain.registrations r on r.chain_id = l.chain_id and r.storage = s.target
                             and r.wallet = h.holder_bytes and chain.in_force(r.from_block, r.to_block, $2)
                         where l.chain_id = a.chain_id and l.address = a.contract_address and l.link = 'identity_registry'
                             and chain.in_force(l.from_block, l.to_block, $2) and r.undetermined) then h.identity end,
                     h.balance_base::text
                 from chain.assets a cross join lateral api.holders_at(a.id, $2) h where a.id = $1 and h.balance_base <> 0",
            )
            .bind(asset)
            .bind(block)
            .fetch_all(&indexed.pool)
            .await
            .expect("readable");
            let nobody = format!("{:#x}", Address::ZERO);
            let mut expected: BTreeMap<(String, bool), (i64, Amount)> = BTreeMap::new();
            for (wallet, identity, balance) in wallets {
                let identity = identity.filter(|identity| *identity != nobody);
                known += usize::from(identity.is_some());
                let key = (identity.clone().unwrap_or(wallet), identity.is_some());
                let line = expected.entry(key).or_default();
                line.0 += 1;
                line.1 = line.1.plus(balance.parse().expect("whole"));
            }
            joined += expected.values().filter(|(wallets, _)| *wallets > 1).count();
            let lines: Vec<(String, bool, i64, String)> = sqlx::query_as(
                "select investor, is_identity, wallets, balance_base::text
                 from api.cap_table_by_investor($1, $2, null)",
            )
            .bind(asset)
            .bind(block)
            .fetch_all(&indexed.pool)
            .await
            .expect("readable");
            let found: BTreeMap<(String, bool), (i64, Amount)> = lines
                .into_iter()
                .map(|(investor, is_identity, wallets, balance)| {
                    ((investor, is_identity), (wallets, balance.parse().expect("whole")))
                })
                .collect();
            assert_eq!(found, expected, "{asset} at {block}");
        }
    }
    assert!(known > 0, "some wallets are registered");
    assert!(joined > 0, "some identity holds by two wallets");
}

#[tokio::test]
async fn concentration_and_issuance_follow_from_the_cap_table_and_the_logs() {
    let indexed = Indexed::new(4).await;
    let block = indexed.checkpoint().await;
    for (asset, token) in indexed.assets().await {
        let balances = from_raw_logs(&indexed.pool, token, block).await.pop().expect("the last");
        let mut positive: Vec<Amount> =
            balances.into_values().filter(|amount| !amount.is_negative()).collect();
        positive.sort_unstable_by(|one, other| other.cmp(one));
        let top: String = sqlx::query_scalar(
            "select balance_base::text from api.concentration($1, $2, tops => '{2}') where measure = 'top 2'",
        )
        .bind(asset)
        .bind(block)
        .fetch_one(&indexed.pool)
        .await
        .expect("readable");
        assert_eq!(top, sum(positive.iter().take(2)).to_string(), "{token}");
        let whole: (bool, bool) = sqlx::query_as(
            "select coalesce(sum(net_base), 0) = chain.supply_at($1, $2),
                 coalesce((array_agg(supply_base order by period_start desc))[1], 0) = chain.supply_at($1, $2)
             from api.issuance($1, $2, 'hour')",
        )
        .bind(asset)
        .bind(block)
        .fetch_one(&indexed.pool)
        .await
        .expect("readable");
        assert_eq!(whole, (true, true), "{token}: what was issued less what was burned is the supply");
    }
}

/// Snapshots are of the tables as they are: what rewrites the tables takes them along.
#[tokio::test]
async fn snapshots_go_with_a_rebuild_and_those_above_with_a_rewind() {
    let mut indexed = Indexed::new(4).await;
    let count = async |pool: &PgPool, above: i64| -> i64 {
        sqlx::query_scalar("select count(*) from ops.register_snapshots where block_number > $1")
            .bind(above)
            .fetch_one(pool)
            .await
            .expect("readable")
    };
    assert!(!indexed.take_snapshots(4).await.is_empty());
    let executor = executor(Some(&indexed.chain), indexed.worker.store(), &config(&Play::contracts()));
    executor.execute(&Request::Rebuild, &mut |_| {}).await.expect("it rebuilds");
    assert_eq!(count(&indexed.pool, -1).await, 0, "a rebuild takes all along");
    assert!(!indexed.take_snapshots(4).await.is_empty());
    let request = Request::Rewind { to: 20, reason: "a test".to_owned() };
    executor.execute(&request, &mut |_| {}).await.expect("it rewinds");
    assert_eq!(count(&indexed.pool, 20).await, 0, "none stands above what was rewound to");
    indexed.worker.forget();
    let blocks = indexed.play.blocks(20);
    indexed.chain.reorg(2, blocks);
    converge(&mut indexed.worker).await;
    indexed.take_snapshots(4).await;
    assert_every_block(&indexed, "after a rebuild, a rewind and a fork").await;
    let swept: i64 =
        sqlx::query_scalar("select ops.sweep_snapshots()").fetch_one(&indexed.pool).await.expect("it sweeps");
    assert!(swept > 0, "positions of snapshots that went are swept");
    let orphans: i64 = sqlx::query_scalar(
        "select count(*) from ops.register_positions p
         where not exists (select from ops.register_snapshots s where s.id = p.snapshot_id)",
    )
    .fetch_one(&indexed.pool)
    .await
    .expect("readable");
    assert_eq!(orphans, 0);
    assert_every_block(&indexed, "swept").await;
}

/// While a rebuild is under way no snapshot is made: it would be one of tables that are about to go.
#[tokio::test]
async fn no_snapshot_is_made_while_the_tables_are_rewritten() {
    let indexed = Indexed::new(4).await;
    let mut rewriting = indexed.pool.begin().await.expect("a transaction");
    sqlx::query("select ops.forget_snapshots((select chain_id from chain.checkpoints), -1)")
        .execute(&mut *rewriting)
        .await
        .expect("it forgets");
    assert!(indexed.take_snapshots(4).await.is_empty());
    rewriting.commit().await.expect("it ends");
    assert!(!indexed.take_snapshots(4).await.is_empty());
}
