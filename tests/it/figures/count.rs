//! The figures against what events and history come to, counted by SQL that shares nothing with the fold.

use alloy::primitives::{Address, U256};
use asset_indexer::amount::{Amount, Squares};
use asset_indexer::fact::Role;
use asset_indexer::row::Time;
use asset_indexer::store::memory::MemoryStore;
use asset_indexer::table::asset::Asset;
use asset_indexer::table::day::AssetDay;
use sqlx::postgres::PgPool;
use std::sync::Arc;

use super::Followed;
use crate::support::real::rows;
use crate::support::world::{CHAIN_ID, config, converge, worker};
use simulation::chain::{NewLog, NewTransaction, SimChain};
use simulation::events::{account, log, token, transfer};

/// Every day of every asset from its logs, and its figures from the positions of everybody after the day's last log; what
/// differs from the tables.
const DIFFERENT: &str = "
    with counted as (
        select e.asset_id, date_trunc('day', e.block_timestamp, 'UTC') as day, e.block_number, e.log_index,
            case when e.event_type = 'Transfer' then (e.event_data ->> 'value')::numeric end as amount,
            substr(e.topic1, 13) = decode(repeat('00', 20), 'hex') as is_mint,
            substr(e.topic2, 13) = decode(repeat('00', 20), 'hex') as is_burn
        from chain.asset_events e
        where e.asset_id is not null and e.unreadable is null
            and e.event_type in ('Transfer', 'AddressFrozen', 'TokensFrozen', 'TokensUnfrozen')
    ), days as (
        select asset_id, day, count(amount) as transfers, coalesce(sum(amount) filter (where is_mint), 0) as minted,
            coalesce(sum(amount) filter (where is_burn), 0) as burned,
            coalesce(sum(amount) filter (where not is_mint and not is_burn), 0) as volume,
            max(array[block_number, log_index]) as last
        from counted group by 1, 2
    ), told as (
        select d.asset_id, d.day, d.transfers, d.minted, d.burned, d.volume,
            (select coalesce(sum(c.amount) filter (where c.is_mint), 0) - coalesce(sum(c.amount) filter (where c.is_burn), 0)
                from counted c where c.asset_id = d.asset_id and array[c.block_number, c.log_index] <= d.last) as total_supply,
            p.holders, p.frozen, p.squares, d.last[1] as updated_block
        from days d cross join lateral (
            select count(*) filter (where x.balance <> 0) as holders, coalesce(sum(x.frozen), 0) as frozen,
                coalesce(sum(x.balance ^ 2), 0) as squares
            from (
                select distinct on (n.holder) n.balance, n.frozen from chain.ownership_history n
                where n.asset_id = d.asset_id and array[n.block_number, n.log_index] <= d.last
                order by n.holder, n.block_number desc, n.log_index desc) x) p
    ), ours as (
        select asset_id, day, transfers, minted, burned, volume, total_supply, holder_count, frozen, squares, updated_block
        from chain.asset_days
    )
    select count(*) from ((select * from told except select * from ours) union all
        (select * from ours except select * from told)) different";

/// Assets whose figures are not those of their newest day or of their holders.
const ASTRAY: &str = "
    select count(*) from chain.assets a
    left join lateral (
        select y.* from chain.asset_days y where y.asset_id = a.id order by y.updated_block desc, y.day desc limit 1) y on true
    left join lateral (
        select sum(h.frozen) as frozen, sum(h.balance * h.balance) as squares from chain.asset_holders h
        where h.asset_id = a.id) h on true
    where (a.frozen, a.squares) is distinct from (coalesce(h.frozen, 0), coalesce(h.squares, 0))
        or (a.total_supply, a.holder_count::numeric, a.frozen, a.squares) is distinct from (coalesce(y.total_supply, 0),
            coalesce(y.holder_count, 0)::numeric, coalesce(y.frozen, 0), coalesce(y.squares, 0))";

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.expect("readable")
}

#[tokio::test]
async fn every_day_and_every_sum_is_what_counting_comes_to_through_forks() {
    for seed in [41, 42, 43] {
        // Also with a clock that goes back over midnight.
        let mut followed = Followed::by_clock(seed, 90, -30_000).await;
        let pool = followed.pool().await;
        for round in 0..3 {
            let context = format!("seed {seed}, round {round}");
            assert_eq!(count(&pool, DIFFERENT).await, 0, "{context}: days");
            assert_eq!(count(&pool, ASTRAY).await, 0, "{context}: assets");
            let blocks = followed.play.blocks(7);
            followed.chain.reorg(5, blocks);
            converge(&mut followed.worker).await;
        }
        let days = count(&pool, "select count(distinct day) from chain.asset_days").await;
        assert!(days > 6, "seed {seed}: the play runs over midnights: {days}");
        for column in ["minted", "burned", "volume", "frozen", "squares"] {
            let sql = format!("select count(*) from chain.asset_days where {column} <> 0");
            let some: i64 =
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&pool).await.expect("readable");
            assert!(some > 0, "seed {seed}: the play leaves nothing in {column}");
        }
    }
}

/// The rows of one token after blocks of logs, each so many seconds after the one before.
async fn after(blocks: Vec<(i64, Vec<NewLog>)>) -> (Asset, Vec<AssetDay>) {
    let chain = SimChain::new(CHAIN_ID, 3);
    for (pace, logs) in blocks {
        chain.pace(pace);
        chain.mine(vec![NewTransaction { logs, ..NewTransaction::default() }]);
    }
    let store = Arc::new(MemoryStore::new());
    let settings = config(&[(Role::TrexToken, account(0x20, 0))]);
    converge(&mut worker(Arc::new(chain), store.clone(), settings)).await;
    let assets: Vec<Asset> = rows(&*store).await;
    (assets.into_iter().next().expect("one asset"), rows(&*store).await)
}

#[tokio::test]
async fn a_day_counts_what_its_logs_say_and_keeps_what_stands_at_its_end() {
    let (asset, one, other) = (account(0x20, 0), account(0xaa, 1), account(0xaa, 2));
    let moved = |from, to, amount| transfer(asset, from, to, amount);
    let frozen = |amount| log(asset, token::TokensFrozen { _userAddress: one, _amount: U256::from(amount) });
    const DAY: i64 = 86_400;
    let (row, days) = after(vec![
        (
            12,
            vec![
                moved(Address::ZERO, one, 100),
                moved(one, other, 30),
                moved(one, one, 5),
                moved(one, other, 0),
                moved(Address::ZERO, Address::ZERO, 7),
                frozen(20),
            ],
        ),
        (2 * DAY, vec![frozen(1)]),
        (-2 * DAY, vec![moved(other, Address::ZERO, 10)]),
        // Says nothing of units.
        (5 * DAY, vec![log(asset, token::AgentAdded { _agent: one })]),
    ])
    .await;
    let numbers = |of: &AssetDay| {
        let amounts =
            [of.minted, of.burned, of.volume, of.total_supply, of.frozen].map(|sum| sum.to_string());
        (of.transfers, amounts.join(" "), of.holder_count, of.squares.to_string(), of.updated_block)
    };
    let first = Time(1_700_000_012).day();
    assert_eq!(first, Time(1_699_920_000));
    assert_eq!(days.iter().map(|day| day.day).collect::<Vec<_>>(), [first, Time(first.0 + 2 * DAY)]);
    assert_eq!(numbers(&days[0]), (6, "107 17 35 90 21".to_owned(), 2, (70 * 70 + 20 * 20).to_string(), 3));
    assert_eq!(numbers(&days[1]), (0, "0 0 0 100 21".to_owned(), 2, (70 * 70 + 30 * 30).to_string(), 2));
    assert_eq!((row.frozen, row.squares.to_string()), (Amount::from(21), "5300".to_owned()));
}

#[tokio::test]
async fn squares_of_what_no_contract_can_hold_are_exact() {
    let (asset, one, other) = (account(0x20, 0), account(0xaa, 1), account(0xaa, 2));
    let most = || {
        let all = token::Transfer { from: Address::ZERO, to: one, value: U256::MAX };
        log(asset, all)
    };
    let spent = log(asset, token::Transfer { from: other, to: one, value: U256::MAX });
    let (row, days) = after(vec![(12, vec![most(), most(), spent])]).await;
    let max = Amount::from(U256::MAX);
    let three = Squares::ZERO.moved(Amount::ZERO, max.plus(max).plus(max));
    assert_eq!(row.squares, three.moved(Amount::ZERO, max), "a balance below zero counts with its square");
    assert_eq!(days[0].squares, row.squares);
    assert!(row.negative_balance && row.exceeds_uint256);
}
