//! A register of more wallets than a page of a snapshot has: page borders, frozen parts and freezes in some pages alone; read
//! by one connection and by two.

use alloy::primitives::Address;
use asset_indexer::id::asset_id;
use asset_indexer::report::{Readers, cap_table};
use asset_indexer::store::StoreError;
use asset_indexer::verify::Snapshot;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use uuid::Uuid;

use crate::support::world::{database, pool};

const LOAD: &str = include_str!("../../../benches/reports/load.sql");
const TOKEN: Address = Address::repeat_byte(0xa5);
const HOLDERS: u64 = 2_345;
const SUPPLY: &str = "1000000000000000000000000";
/// A block before any snapshot, one at which a snapshot lies, and others between and after.
const BLOCKS: [i64; 5] = [5, 23, 24, 40, 71];

async fn merged(connection: &mut PgConnection, asset: Uuid, block: i64) -> Result<String, StoreError> {
    let mut readers = Readers::alone(connection);
    Ok(cap_table::by_wallet(&mut readers, asset, block, Some(18), SUPPLY).await?.0)
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

async fn load(connection: &mut PgConnection, asset: Uuid) {
    let load = LOAD
        .replace("$HOLDERS$", &HOLDERS.to_string())
        .replace("$CHANGES$", &(3 * HOLDERS).to_string())
        .replace("$ASSET$", &format!("'{asset}'::uuid"))
        .replace("$TOKEN$", &format!("'\\x{}'::bytea", alloy::hex::encode(TOKEN)));
    connection.execute(AssertSqlSafe(load)).await.expect("loaded");
}

/// Takes snapshots every 500 changes; how many.
async fn take_snapshots(connection: &mut PgConnection) -> u64 {
    let mut taken = 0;
    while sqlx::query("select from ops.take_snapshot(1, 500)")
        .fetch_optional(&mut *connection)
        .await
        .expect("taken")
        .is_some()
    {
        taken += 1;
    }
    taken
}

/// Two connections read what one reads, of the instant at which the first began; where no second one is given, one reads.
#[tokio::test]
async fn two_connections_read_one_instant() {
    let name = database().await;
    let pool = pool(&name).await;
    let mut connection = pool.acquire().await.expect("a connection");
    let asset = asset_id(1, TOKEN);
    load(&mut connection, asset).await;
    let mut from_history = Vec::new();
    for block in BLOCKS {
        from_history.push(merged(&mut connection, asset, block).await.expect("by one"));
    }
    assert!(take_snapshots(&mut connection).await >= 5);
    connection
        .execute(AssertSqlSafe(format!(
            "create role {name}_both login in role asset_indexer_reader;
             create role {name}_alone login connection limit 1 in role asset_indexer_reader"
        )))
        .await
        .expect("the superuser may");
    let options = (*pool.connect_options()).clone();
    let mut snapshots = Vec::new();
    for role in ["both", "alone"] {
        let options = options.clone().username(&format!("{name}_{role}"));
        snapshots.push(Snapshot::open(&options, 1).await.expect("it opens").expect("there"));
    }
    // Nothing of this is seen, by none.
    connection
        .execute("delete from chain.ownership_history; delete from ops.register_positions")
        .await
        .expect("the superuser may");
    for (snapshot, reading) in snapshots.iter_mut().zip([3, 2]) {
        let mut readers = Readers::two(snapshot).await;
        for (block, from_history) in BLOCKS.iter().zip(&from_history) {
            let told = cap_table::by_wallet(&mut readers, asset, *block, Some(18), SUPPLY).await;
            assert_eq!(&told.expect("read").0, from_history, "block {block}");
        }
        let connected: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where application_name = 'asset-indexer verify' and datname = current_database()",
        )
        .fetch_one(&mut *connection)
        .await
        .expect("counted");
        assert_eq!(connected, reading, "a connection for each snapshot, and a second one where it may be");
    }
    drop(snapshots);
    let roles = format!("drop role {name}_both, {name}_alone");
    connection.execute(AssertSqlSafe(roles)).await.expect("nothing is theirs");
}

#[tokio::test]
async fn a_register_of_several_pages_is_that_of_its_history() {
    let pool = pool(&database().await).await;
    let mut connection = pool.acquire().await.expect("a connection");
    let asset = asset_id(1, TOKEN);
    load(&mut connection, asset).await;
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

    let taken = take_snapshots(&mut connection).await;
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

/// The first count of very many registers reads no more of what it writes with each of them.
#[tokio::test]
async fn the_first_count_of_many_registers_takes_as_long_as_they_are_many() {
    const ASSETS: i64 = 10_000;
    let pool = pool(&database().await).await;
    let mut connection = pool.acquire().await.expect("a connection");
    let asset = asset_id(1, TOKEN);
    load(&mut connection, asset).await;
    let many = format!(
        "insert into chain.assets (chain_id, contract_address, id, asset_type, total_supply, holder_count, negative_balance,
             exceeds_uint256, unreadable_logs, created_block, created_at, frozen, squares)
         select 1, substr(sha256(('asset' || n)::bytea), 1, 20), md5('asset' || n)::uuid, 'erc20', 0, 0, false, false, 0, 1, now(), 0, 0
         from generate_series(1, {ASSETS}) n;
         insert into ops.coverage (chain_id, address, from_block)
         select 1, contract_address, 0 from chain.assets where id <> '{asset}'"
    );
    connection.execute(AssertSqlSafe(many)).await.expect("the superuser may");
    // As after an autovacuum: the planner knows that nothing was counted yet.
    connection.execute("vacuum analyze ops.register_growth, chain.assets, ops.coverage").await.expect("may");
    connection.execute("begin").await.expect("begins");
    sqlx::query("select ops.count_growth(1)").execute(&mut *connection).await.expect("counted");
    let (counted, changes, read): (i64, i64, i64) = sqlx::query_as(
        "select count(*), sum(changes)::bigint, pg_stat_get_xact_blocks_hit('ops.register_growth'::regclass)
         from ops.register_growth",
    )
    .fetch_one(&mut *connection)
    .await
    .expect("readable");
    connection.execute("rollback").await.expect("ends");
    // Up to the last whole hundred: the block of the rest is not final.
    assert_eq!((counted, changes), (ASSETS + 1, 3 * HOLDERS.cast_signed() / 100 * 100));
    assert!(read < 10 * ASSETS, "{read} blocks of the table were read while it was filled");
}
