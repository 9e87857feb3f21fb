//! A register of more wallets than a page of a snapshot has: page borders, frozen parts and freezes in some pages alone.

use alloy::primitives::Address;
use asset_indexer::id::asset_id;
use asset_indexer::report::cap_table;
use asset_indexer::store::StoreError;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use uuid::Uuid;

use crate::support::world::{database, pool};

const LOAD: &str = include_str!("../../../benches/reports/load.sql");
const TOKEN: Address = Address::repeat_byte(0xa5);
const HOLDERS: u64 = 2_345;
/// A block before any snapshot, one at which a snapshot lies, and others between and after.
const BLOCKS: [i64; 5] = [5, 23, 24, 40, 71];

async fn merged(connection: &mut PgConnection, asset: Uuid, block: i64) -> Result<String, StoreError> {
    Ok(cap_table::by_wallet(connection, asset, block, Some(18), "1000000000000000000000000").await?.0)
}

/// The cap tables of some blocks, by the program's merge and by SQL.
async fn told(connection: &mut PgConnection, asset: Uuid) -> Vec<[String; 2]> {
    let mut all = Vec::new();
    for block in BLOCKS {
        let merged = merged(connection, asset, block).await.expect("merged");
        let positions: Vec<String> = sqlx::query_scalar(
            "select concat_ws(' ', holder, balance, frozen, wallet_frozen) from chain.positions_at($1, $2)
             where balance <> 0 or frozen <> 0 or wallet_frozen order by holder",
        )
        .bind(asset)
        .bind(block)
        .fetch_all(&mut *connection)
        .await
        .expect("by SQL");
        all.push([merged, positions.join("\n")]);
    }
    all
}

#[tokio::test]
async fn a_register_of_several_pages_is_that_of_its_history() {
    let pool = pool(&database().await).await;
    let mut connection = pool.acquire().await.expect("a connection");
    let asset = asset_id(1, TOKEN);
    let load = LOAD
        .replace("$HOLDERS$", &HOLDERS.to_string())
        .replace("$CHANGES$", &(3 * HOLDERS).to_string())
        .replace("$ASSET$", &format!("'{asset}'::uuid"))
        .replace("$TOKEN$", &format!("'\\x{}'::bytea", alloy::hex::encode(TOKEN)));
    connection.execute(AssertSqlSafe(load)).await.expect("loaded");
    // Of the wallets from 0x90 on: some parts, some whole wallets; a few that hold nothing any more, and some of these frozen.
    connection
        .execute(
            "update chain.ownership_history set frozen = balance / 2 where holder >= '\\x90' and log_index % 7 = 3;
             update chain.ownership_history set wallet_frozen = true where holder >= '\\xc0' and log_index % 5 = 1;
             update chain.ownership_history set balance = 0, frozen = 0 where log_index % 11 = 2",
        )
        .await
        .expect("the superuser may");
    let from_history = told(&mut connection, asset).await;
    assert!(from_history.iter().all(|[merged, _]| merged.lines().count() > 400), "many hold");

    let mut taken = 0;
    while sqlx::query("select from ops.take_snapshot(1, 500)")
        .fetch_optional(&mut *connection)
        .await
        .expect("taken")
        .is_some()
    {
        taken += 1;
    }
    assert!(taken >= 5, "{taken}");
    let pages: Vec<(i64, i32, bool, bool)> = sqlx::query_as(
        "select page, octet_length(holders) / 20, frozen is null, frozen_wallets is null from ops.register_positions
         where snapshot_id = (select max(id) from ops.register_snapshots) order by page",
    )
    .fetch_all(&mut *connection)
    .await
    .expect("readable");
    let [(0, 1_000, true, true), (1, 1_000, false, _), (2, last, false, false)] = pages[..] else {
        panic!("three pages, of which the first has nothing frozen: {pages:?}")
    };
    let positions: i64 =
        sqlx::query_scalar("select positions from ops.register_snapshots order by id desc limit 1")
            .fetch_one(&mut *connection)
            .await
            .expect("readable");
    assert_eq!(positions, 2_000 + i64::from(last));
    let from_pages = told(&mut connection, asset).await;
    for (block, (pages, history)) in BLOCKS.iter().zip(from_pages.iter().zip(&from_history)) {
        assert_eq!(pages[0], history[0], "merged at block {block}");
        assert_eq!(pages[1], history[1], "by SQL at block {block}");
    }

    // A page that lacks a balance, or whose wallets are not in order, is refused, never read as far as it goes.
    for damage in [
        "balances = regexp_replace(balances, ',[0-9]+$', '')",
        "page = 10 where page = 0",
        "holders = substr(holders, 21)",
    ] {
        connection.execute("begin").await.expect("begins");
        let damaging = format!("update ops.register_positions set {damage}");
        connection.execute(AssertSqlSafe(damaging)).await.expect("damaged");
        let refused = merged(&mut connection, asset, 71).await.expect_err(damage);
        assert!(
            matches!(refused, StoreError::Corrupt { table: "register_positions", .. }),
            "{damage}: {refused}"
        );
        connection.execute("rollback").await.expect("ends");
    }
}
