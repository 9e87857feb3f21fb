//! Days of 23 and of 25 hours: which block a date leads to.

use asset_indexer::report::{Kind, Period, Readers, regulatory};
use sqlx::{AssertSqlSafe, Executor, PgPool};

use crate::support::command::Line;
use crate::support::world::{PROGRAM, database, pool};

/// A register of one asset whose units move one second before and at each midnight of Zurich around both changes of the
/// clock in 2026; block n mints n units to one wallet.
const LOAD: &str = "
    select ops.ensure_partitions(7, 100);
    create temp table moments (n bigint, at timestamptz);
    insert into moments values (1, '2026-03-28 22:59:59+00'), (2, '2026-03-28 23:00:00+00'), (3, '2026-03-29 00:59:59+00'),
        (4, '2026-03-29 01:00:00+00'), (5, '2026-03-29 21:59:59+00'), (6, '2026-03-29 22:00:00+00'),
        (7, '2026-10-24 21:59:59+00'), (8, '2026-10-24 22:00:00+00'), (9, '2026-10-25 22:59:59+00'),
        (10, '2026-10-25 23:00:00+00'), (11, '2026-12-01 00:00:00+00');
    insert into chain.checkpoints (chain_id, genesis_hash, block_number, block_hash, parent_hash, block_timestamp,
        finalized_number, finalized_hash, status, origin_number, origin_hash, verified_number, verified_hash)
    select 7, sha256('g'), 12, sha256('b12'), sha256('b11'), '2026-12-01 00:00:12+00', 12, sha256('b12'), 'running', 0, sha256('g'),
        0, sha256('g');
    insert into chain.assets (chain_id, contract_address, id, asset_type, total_supply, holder_count, negative_balance,
        exceeds_uint256, unreadable_logs, created_block, created_at, decimals, frozen, squares)
    values (7, substr(sha256('token'), 1, 20), $ID$, 'erc20', 66, 1, false, false, 0, 1, '2026-03-28 22:59:59+00', 2, 0, 66 * 66);
    insert into chain.asset_events (chain_id, block_number, log_index, part, id, asset_id, block_hash, block_timestamp,
        transaction_hash, transaction_index, address, role, event_type, event_data, topic0, data)
    select 7, n, 0, 0, md5('e' || n)::uuid, $ID$, sha256(('b' || n)::bytea), at, sha256(('t' || n)::bytea), 0,
        substr(sha256('token'), 1, 20), 'erc20', 'Transfer', '{}', sha256('Transfer'), '' from moments;
    insert into chain.asset_operations (chain_id, block_number, log_index, part, id, asset_id, transaction_id, operation_type,
        to_address, amount, parameters, executed_at, block_hash, transaction_hash)
    select 7, n, 0, 0, md5('o' || n)::uuid, $ID$, md5('t' || n)::uuid, 'mint', substr(sha256('wallet'), 1, 20), n, '{}', at,
        sha256(('b' || n)::bytea), sha256(('t' || n)::bytea) from moments;
    insert into chain.ownership_history (chain_id, asset_id, holder, block_number, log_index, id, balance, frozen,
        wallet_frozen, block_hash, timestamp, transaction_hash)
    select 7, $ID$, substr(sha256('wallet'), 1, 20), n, 0, md5('h' || n)::uuid, n * (n + 1) / 2, 0, false,
        sha256(('b' || n)::bytea), at, sha256(('t' || n)::bytea) from moments";

async fn loaded() -> (String, PgPool, String) {
    let database = database().await;
    let pool = pool(&database).await;
    let token: String = sqlx::query_scalar("select api.hex(substr(sha256('token'), 1, 20))")
        .fetch_one(&pool)
        .await
        .expect("computed");
    let id = asset_indexer::id::asset_id(7, token.parse().expect("an address"));
    let sql = LOAD.replace("$ID$", &format!("'{id}'::uuid"));
    pool.acquire().await.expect("a connection").execute(AssertSqlSafe(sql)).await.expect("a register");
    (database, pool, token)
}

async fn stamped(database: &str, token: &str, arguments: &[&str]) -> serde_json::Value {
    let line = ["report", "cap-table", "--format", "json", "--asset", token];
    let said =
        Line::new(&[&line[..], arguments].concat()).database(PROGRAM, database).await.run().await.done();
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[tokio::test]
async fn a_date_is_its_last_instant_in_the_time_zone_also_where_the_clock_changes() {
    let (database, pool, token) = loaded().await;
    let zurich = ["--time-zone", "Europe/Zurich"];
    for (at, zone, block) in [
        ("2026-03-28", &zurich[..], 1_i64), // the day before ends at 23:00 UTC
        ("2026-03-29", &zurich, 5),         // a day of 23 hours ends at 22:00 UTC
        ("2026-03-29", &[], 6),             // and in UTC at 24:00
        ("2026-10-24", &zurich, 7),
        ("2026-10-25", &zurich, 9), // a day of 25 hours ends at 23:00 UTC
        ("2026-03-29T01:59:59", &zurich, 3),
        ("2026-03-29T03:00", &zurich, 4), // the hour from two to three is not there
        ("2026-03-29T03:00:00+02:00", &[], 4),
        ("2026-03-28T23:59:58", &zurich, 0), // before the first event
    ] {
        let report = stamped(&database, &token, &[&["--at", at], zone].concat()).await;
        let stamp = &report["stamp"];
        assert_eq!(stamp["as_of_block"], block, "{at} {zone:?}");
        assert_eq!(stamp["supply_base"], (block * (block + 1) / 2).to_string(), "{at} {zone:?}");
        let rows = report["rows"].as_array().expect("rows");
        assert_eq!(rows.len(), usize::from(block > 0), "{at}");
        if block > 0 {
            let hash: String = sqlx::query_scalar("select api.hex(sha256(('b' || $1::text)::bytea))")
                .bind(block)
                .fetch_one(&pool)
                .await
                .expect("computed");
            assert_eq!(stamp["block_hash"], hash.as_str(), "{at}");
            let units = block * (block + 1) / 2;
            assert_eq!(rows[0][1], format!("{}.{:02}", units / 100, units % 100), "{at}: two decimal places");
        }
    }
}

/// On the Azores clocks go back from one to midnight: 2026-10-25 has two, and begins at the first.
#[tokio::test]
async fn a_day_with_two_midnights_begins_at_the_first() {
    let (database, pool, token) = loaded().await;
    for time in [
        "asset_events set block_timestamp",
        "asset_operations set executed_at",
        "ownership_history set timestamp",
    ] {
        let sql = format!("update chain.{time} = '2026-10-25 00:30:00+00' where block_number = 9");
        pool.execute(AssertSqlSafe(sql)).await.expect("the superuser may");
    }
    let azores = "Atlantic/Azores";
    for (day, block) in [("2026-10-24", 8), ("2026-10-25", 10)] {
        let report = stamped(&database, &token, &["--at", day, "--time-zone", azores]).await;
        assert_eq!(report["stamp"]["as_of_block"], block, "{day}");
    }
    let asset = asset_indexer::id::asset_id(7, token.parse().expect("an address"));
    let on_date = std::fs::read_to_string("tests/queries/holders_on_date.sql").expect("it is documented");
    let on_date = on_date
        .trim_end()
        .trim_end_matches(';')
        .replace("$1", &format!("'{asset}'"))
        .replace("$2", "'2026-10-24'")
        .replace("$3", &format!("'{azores}'"));
    let held: String = sqlx::query_scalar(AssertSqlSafe(format!("select balance::text from ({on_date}) q")))
        .fetch_one(&pool)
        .await
        .expect("readable");
    assert_eq!(held, "0.36", "what blocks 1 to 8 minted");
    let mut connection = pool.acquire().await.expect("a connection");
    for (days, minted) in [("2026-10-24/2026-10-24", "2,0.15,15,"), ("2026-10-25/2026-10-25", "2,0.19,19,")] {
        let period: Period = days.parse().expect("a period");
        let within = (Some(&period), azores);
        let own = regulatory::body(&mut Readers::alone(&mut connection), asset, 12, (Some(2), "66"), within)
            .await
            .expect("the program's own")
            .expect("few topics");
        assert!(own.ends_with(&format!("issuance,minted,{minted}\n")), "{own}");
        let kind = Kind::Regulatory { period: Some(period.clone()), zone: azores.to_owned() };
        assert_eq!(own, kind.body(&mut connection, asset, 12).await.expect("by SQL"));
    }
}

/// Each day of some zones that are known for their clocks.
#[tokio::test]
async fn days_begin_at_the_first_instant_of_their_date() {
    let pool = pool(&database().await).await;
    let wrong: Vec<String> = sqlx::query_scalar(
        "select zone || ' ' || d::date
         from unnest(array['UTC', 'Europe/Zurich', 'Atlantic/Azores', 'America/Havana', 'America/Santiago',
            'America/Scoresbysund', 'Antarctica/Casey', 'Asia/Amman', 'Asia/Beirut', 'Asia/Gaza', 'Australia/Lord_Howe']) zone
         cross join generate_series(timestamp '2019-01-01', '2027-01-01', '1 day') d
         cross join lateral (select api.begin_of_day(d::date, zone) as at) b
         where (b.at at time zone zone)::date <> d::date
            or ((b.at - interval '1 microsecond') at time zone zone)::date >= d::date
            or api.end_of_day(d::date - 1, zone) <> b.at - interval '1 microsecond'",
    )
    .fetch_all(&pool)
    .await
    .expect("readable");
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn a_time_that_blocks_may_still_fill_is_refused_and_so_is_a_zone_that_nobody_knows() {
    let (database, _, token) = loaded().await;
    let report = async |arguments: &[&str]| {
        let line = Line::new(&["report", "cap-table", "--asset", &token]);
        let line = arguments.iter().fold(line, |line, argument| line.arg(*argument));
        line.database(PROGRAM, &database).await.run().await
    };
    report(&["--at", "2026-12-01T00:00:12Z"])
        .await
        .failed(75, &["not indexed past 2026-12-01T00:00:12", "wait"]);
    report(&["--at", "2026-12-01T00:00:11Z"]).await.done();
    report(&["--at", "2026-03-29", "--time-zone", "Europe/Zuerich"])
        .await
        .failed(2, &["Europe/Zuerich", "Europe/Zurich"]);
}

/// A block may come with the checkpoint's time: until it has passed, who held what then is not complete.
#[tokio::test]
async fn a_time_is_complete_once_no_block_can_come_with_it() {
    let (_, pool, _) = loaded().await;
    for (at, is_complete) in [("2026-12-01 00:00:11.999999+00", true), ("2026-12-01 00:00:12+00", false)] {
        let sql = format!(
            "select bool_and(h.complete), bool_and(b.settled), count(h) from chain.assets a
             cross join lateral api.holders_at_time(a.id, '{at}') h cross join lateral api.block_at(a.chain_id, '{at}') b"
        );
        let told: (bool, bool, i64) =
            sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&pool).await.expect("readable");
        assert_eq!(told, (is_complete, is_complete, 1), "{at}");
    }
}

#[tokio::test]
async fn issuance_is_by_periods_of_the_time_zone() {
    let (database, _, token) = loaded().await;
    let line = [
        "report",
        "issuance",
        "--every",
        "day",
        "--time-zone",
        "Europe/Zurich",
        "--format",
        "csv",
        "--asset",
    ];
    let said =
        Line::new(&[&line[..], &[&token]].concat()).database(PROGRAM, &database).await.run().await.done();
    let days: Vec<String> = said
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|row| format!("{} {} {} {}", row[0], row[1], row[3], row[9]))
        .collect();
    assert_eq!(
        days,
        [
            "2026-03-28 00:00 1 1 1",
            "2026-03-29 00:00 4 14 15",
            "2026-03-30 00:00 1 6 21",
            "2026-10-24 00:00 1 7 28",
            "2026-10-25 00:00 2 17 45",
            "2026-10-26 00:00 1 10 55",
            "2026-12-01 00:00 1 11 66",
        ]
    );
}
