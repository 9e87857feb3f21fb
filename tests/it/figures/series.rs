//! The figures as people read them: by the day without gaps, and as of now.

use std::sync::Arc;

use alloy::primitives::Address;
use asset_indexer::fact::Role;
use simulation::chain::{NewLog, NewTransaction};
use simulation::events::{account, transfer};
use simulation::play::Play;
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::Followed;
use crate::support::loaded::loaded_database;
use crate::support::world::{config, converge, database, pool, postgres_store, worker};

async fn assets(pool: &sqlx::PgPool) -> Vec<Uuid> {
    sqlx::query_scalar("select id from chain.assets order by id").fetch_all(pool).await.expect("readable")
}

async fn holds(pool: &sqlx::PgPool, asset: Uuid, what: &str, sql: &str) {
    let sql = sql.replace("$ASSET$", &format!("'{asset}'"));
    let is: Option<bool> = sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(pool)
        .await
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(is, Some(true), "{asset}: {what}");
}

#[tokio::test]
async fn a_series_has_every_day_and_carries_what_stood_before() {
    let followed = Followed::new(51, 90).await;
    let pool = followed.pool().await;
    let all = "api.daily_series($ASSET$, date '2023-11-01', date '2100-01-01')";
    for asset in assets(&pool).await {
        let is = async |what: &str, sql: String| holds(&pool, asset, what, &sql).await;
        is("every day once, up to the checkpoint's", format!(
            "select count(*) = max(day) - date '2023-11-01' + 1 and count(distinct day) = count(*)
                and max(day) = (select (block_timestamp at time zone 'UTC')::date from chain.checkpoints) from {all}"))
        .await;
        is("what happened is in the days' rows, and nothing beside", format!(
            "select (sum(s.transfers), sum(s.minted_base), sum(s.burned_base), sum(s.volume_base))
                = (select sum(y.transfers), sum(y.minted), sum(y.burned), sum(y.volume) from chain.asset_days y
                    where y.asset_id = $ASSET$) from {all} s"))
        .await;
        is("supply is what was minted less what was burned so far", format!(
            "select bool_and(s.total_supply_base = s.so_far) from (
                select total_supply_base, sum(minted_base - burned_base) over (order by day) as so_far from {all}) s"))
        .await;
        is("figures are those of the newest day before", format!(
            "select bool_and(s.holders = coalesce(y.holder_count, 0) and s.frozen_base = coalesce(y.frozen, 0)
                and s.since_block is not distinct from y.updated_block)
             from {all} s left join lateral (
                select * from chain.asset_days y where y.asset_id = $ASSET$
                    and y.day < (s.day + 1)::timestamp at time zone 'UTC' order by y.day desc limit 1) y on true"))
        .await;
        is(
            "a part of it is the same part",
            format!(
                "select count(*) = 4 and bool_and(part is not distinct from whole)
             from api.daily_series($ASSET$, date '2023-11-18', date '2023-11-21') part
             join {all} whole using (day)"
            ),
        )
        .await;
        is(
            "before its first day it has nothing",
            format!(
                "select count(*) = 3 and bool_and(total_supply_base = 0 and holders = 0 and transfers = 0
                and since_block is null and concentration is null)
             from {all} where day between '2023-11-10' and '2023-11-12'"
            ),
        )
        .await;
        is("the analytics of a day say the same", format!(
            "select count(*) > 0 and bool_and((s.transfers, s.minted_base, s.burned_base, s.volume_base, s.total_supply_base,
                    s.holders, s.frozen_base, s.concentration) is not distinct from
                ((n.data ->> 'transfers')::bigint, (n.data ->> 'minted_base')::numeric, (n.data ->> 'burned_base')::numeric,
                    (n.data ->> 'volume_base')::numeric, (n.data ->> 'total_supply_base')::numeric,
                    (n.data ->> 'holders')::bigint, (n.data ->> 'frozen_base')::numeric,
                    (n.data ->> 'concentration')::numeric))
             from api.asset_analytics n join {all} s on s.day = (n.timestamp at time zone 'UTC')::date
             where n.asset_id = $ASSET$ and n.analytics_type = 'day'"))
        .await;
    }
}

/// What each figure meant when it was counted from all holders.
const COUNTED: &str = "
    select count(*) = 6 and bool_and(m.value is not distinct from case m.metric_type
        when 'total_supply' then a.total_supply when 'holders' then h.holders when 'frozen' then coalesce(h.frozen, 0)
        when 'in_frozen_wallets' then coalesce(h.in_frozen_wallets, 0)
        when 'concentration' then case when s.there and a.total_supply > 0
            then round(h.squares / (a.total_supply * a.total_supply), 8) end
        when 'largest_share' then case when s.there and a.total_supply > 0
            then round(h.largest * 100 / a.total_supply, 8) end
        else -1 end)
    from api.asset_metrics m join chain.assets a on a.id = m.asset_id
    cross join (
        select count(*) filter (where h.balance <> 0) as holders, sum(h.frozen) as frozen,
            sum(h.balance) filter (where h.wallet_frozen) as in_frozen_wallets,
            sum(h.balance * h.balance) as squares, max(h.balance) as largest
        from chain.asset_holders h where h.asset_id = $ASSET$ and (h.balance <> 0 or h.frozen <> 0)) h
    cross join lateral (values (not a.negative_balance and a.complete_from is null)) s (there)
    where m.asset_id = $ASSET$";

#[tokio::test]
async fn figures_of_now_mean_what_they_meant_when_they_were_counted() {
    let (mut overdrawn, mut locked) = (false, false);
    for seed in [61, 62] {
        let followed = Followed::new(seed, 120).await;
        let pool = followed.pool().await;
        for asset in assets(&pool).await {
            holds(&pool, asset, "as counted", COUNTED).await;
        }
        let some = async |what: &str| -> bool {
            let sql = format!("select exists (select from chain.asset_holders where {what})");
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&pool).await.expect("readable")
        };
        overdrawn |= some("balance < 0").await;
        locked |= some("wallet_frozen and balance > 0").await;
    }
    assert!(overdrawn && locked, "the plays have wallets of every kind");
}

/// Who spends what no log gave is counted alike everywhere, and leaves nobody a share.
#[tokio::test]
async fn figures_of_an_overdrawn_wallet_agree() {
    let pool = following_two_days(vec![vec![
        transfer(TOKEN, Address::ZERO, account(1, 1), 100),
        transfer(TOKEN, account(1, 2), account(1, 3), 1_000),
    ]])
    .await;
    let now = "select string_agg(metric_type || ' ' || coalesce(value::text, '-'), ', ' order by metric_type) from api.asset_metrics
        where metric_type in ('holders', 'concentration', 'largest_share')";
    assert_eq!(text(&pool, now).await, "concentration -, holders 3, largest_share -");
    let series = "select string_agg(distinct holders || ' ' || coalesce(concentration::text, '-'), ', ')
        from api.assets a cross join lateral api.daily_series(a.id, current_date - 100000, 'infinity') s where s.holders > 0";
    assert_eq!(text(&pool, series).await, "3 -");
    let day =
        "select string_agg((data ->> 'holders') || ' ' || coalesce(data ->> 'concentration', '-'), ', ')
        from api.asset_analytics where analytics_type = 'day'";
    assert_eq!(text(&pool, day).await, "3 -");
    let partial = "update chain.assets set negative_balance = false, complete_from = 1";
    sqlx::query(partial).execute(&pool).await.expect("the superuser may");
    assert_eq!(
        text(&pool, now).await,
        "concentration -, holders 3, largest_share -",
        "nor where some were not read"
    );
}

/// What the zero address sends to itself was minted and burned, whoever counts.
#[tokio::test]
async fn what_comes_from_nobody_and_goes_to_nobody_is_minted_and_burned() {
    let pool = following_two_days(vec![vec![
        transfer(TOKEN, Address::ZERO, account(1, 1), 100),
        transfer(TOKEN, Address::ZERO, Address::ZERO, 5),
    ]])
    .await;
    for sql in [
        "select minted || ' ' || burned || ' ' || total_supply from chain.asset_days",
        "select minted_base || ' ' || burned_base || ' ' || supply_base from api.assets a
         cross join chain.checkpoints k cross join lateral api.issuance(a.id, k.block_number)",
        "select string_agg(amount_base::text, ' ' order by section desc, item desc) from (
             select s.section, s.item, s.amount_base from api.assets a
             cross join chain.checkpoints k cross join lateral api.regulatory_summary(a.id, k.block_number) s
             where s.section = 'issuance' or s.item = 'supply') x",
    ] {
        let told = text(&pool, sql).await;
        let mut parts: Vec<&str> = told.split(' ').collect();
        parts.sort_unstable();
        assert_eq!(parts, ["100", "105", "5"], "{sql}");
    }
    let counts = "select mints || ' ' || burns || ' ' || net_base from api.assets a
        cross join chain.checkpoints k cross join lateral api.issuance(a.id, k.block_number)";
    assert_eq!(text(&pool, counts).await, "2 1 100");
}

#[tokio::test]
async fn a_series_from_the_beginning_begins_with_the_asset() {
    let pool = following_two_days(vec![vec![transfer(TOKEN, Address::ZERO, account(1, 1), 100)]]).await;
    let days =
        "select count(*) || ' ' || (min(day) = min(a.created_at at time zone 'UTC')::date) from api.assets a
        cross join lateral api.daily_series(a.id, '-infinity', 'infinity')";
    assert_eq!(text(&pool, days).await, "2 true");
    let all = "select min(day)::text from api.assets a
        cross join lateral api.daily_series(a.id, '4713-01-01 BC', 'infinity')";
    assert_eq!(text(&pool, all).await, "1970-01-01", "no block is older");
    let none = "select count(*)::text from api.assets a cross join lateral api.daily_series(a.id, 'infinity', '-infinity')";
    assert_eq!(text(&pool, none).await, "0");
}

/// A later block may still fall into a day that is not over in a final one, whoever changed it last.
#[tokio::test]
async fn a_day_is_final_when_it_is_over_in_a_final_block() {
    let pool = following_two_days(vec![vec![transfer(TOKEN, Address::ZERO, account(1, 1), 100)]]).await;
    // The newest final header is at these seconds from the second day's beginning.
    let none = "delete from ops.headers h using chain.checkpoints k where h.block_number < k.block_number";
    let last = "insert into ops.headers (chain_id, block_number, block_hash, parent_hash, block_timestamp)
        select chain_id, block_number - 1, parent_hash, genesis_hash,
            extract(epoch from date_trunc('day', block_timestamp, 'UTC'))::bigint + $SECONDS$ from chain.checkpoints";
    let told = "select string_agg(s.finality, ' ' order by s.day) from chain.checkpoints k, chain.assets a
        cross join lateral api.daily_series(a.id, '-infinity', 'infinity') s";
    let below =
        "update chain.checkpoints set finalized_number = block_number - 1, finalized_hash = parent_hash";
    let at = "update chain.checkpoints set finalized_number = block_number, finalized_hash = block_hash";
    let second = "delete from ops.headers h using chain.checkpoints k where h.block_number = k.block_number";
    for (change, expected) in [
        (format!("{below}; {none}; {}", last.replace("$SECONDS$", "-1")), "provisional provisional"),
        (format!("{none}; {}", last.replace("$SECONDS$", "0")), "final provisional"),
        (none.to_owned(), "provisional provisional"),
        // The head itself is final: nothing that comes is of the first day.
        (at.to_owned(), "final provisional"),
        (second.to_owned(), "final provisional"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(change.clone())).execute(&pool).await.expect("the superuser may");
        assert_eq!(text(&pool, told).await, expected, "after {change}");
    }
    let mut reader = pool.acquire().await.expect("a connection");
    sqlx::raw_sql("set role asset_indexer_reader").execute(&mut *reader).await.expect("the superuser may");
    let seen: String = sqlx::query_scalar(told).fetch_one(&mut *reader).await.expect("a reader may");
    assert_eq!(seen, "final provisional");
}

const TOKEN: Address = Address::repeat_byte(0x2e);

/// A token's blocks, each a transaction, and a day later an empty one.
async fn following_two_days(blocks: Vec<Vec<NewLog>>) -> sqlx::PgPool {
    let chain = Arc::new(Play::chain(6));
    for logs in blocks {
        chain.mine(vec![NewTransaction { logs, ..NewTransaction::default() }]);
    }
    chain.pace(86_400);
    chain.mine(Vec::new());
    let database = database().await;
    let store = Arc::new(postgres_store(&database).await);
    converge(&mut worker(chain, store, config(&[(Role::Erc20, TOKEN)]))).await;
    pool(&database).await
}

async fn text(pool: &sqlx::PgPool, sql: &'static str) -> String {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
}

/// On a register of forty thousand positions none of an asset's figures reads all of its two hundred.
#[tokio::test]
async fn figures_of_an_asset_are_read_without_counting_its_holders() {
    let pool = pool(&loaded_database().await).await;
    let asset = assets(&pool).await[0];
    let mut connection = pool.acquire().await.expect("a connection");
    sqlx::raw_sql("set jit = off; set random_page_cost = 1.1").execute(&mut *connection).await.expect("set");
    let sql = format!(
        "explain (analyze, costs off, timing off) select * from api.asset_metrics where asset_id = '{asset}'"
    );
    let plan = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *connection).await.expect("planned");
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    let scans: Vec<&String> =
        plan.iter().filter(|line| line.contains("Scan") && line.contains("asset_holders")).collect();
    assert!(scans.len() >= 2, "{plan:#?}");
    for line in scans {
        let rows = line.split("rows=").nth(1).and_then(|rest| rest.split([' ', '.']).next());
        assert!(
            rows.and_then(|rows| rows.parse::<u32>().ok()).is_some_and(|rows| rows <= 1),
            "{line}\n{plan:#?}"
        );
    }
}
