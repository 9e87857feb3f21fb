//! What is asked while facts of the chain are in files: refused where the answer would lack them, and answered where it would not.

use simulation::events::account;
use simulation::play::Play;
use sqlx::postgres::PgPool;

use super::facts::{NARROW, Register};
use super::{run, scalar};
use crate::support::command::Line;
use crate::support::world::{CHAIN_ID, READER, cluster};

/// Without the facts of old blocks, their supply and times would be other ones.
#[tokio::test]
async fn a_report_that_would_lack_archived_facts_is_refused() {
    let register = Register::new(45, &Play::contracts()).await;
    let asset: String = scalar(
        &register.pool,
        "select api.hex(contract_address) from chain.assets where asset_type = 'erc3643' order by 1 limit 1",
    )
    .await;
    let report = async |kind: &str, block: &str| {
        let line = Line::new(&["report", kind, "--asset", &asset, "--block", block]);
        line.database(READER, &register.database).await.run().await
    };
    report("cap-table", "30").await.done();
    register.archive().await;
    for kind in ["cap-table", "concentration", "issuance", "regulatory"] {
        report(kind, "30").await.failed(76, &["archives alone", "maintain --attach"]);
    }
    report("cap-table", &NARROW.to_string()).await.done();
    report("issuance", &NARROW.to_string()).await.failed(76, &["maintain --attach"]);
}

/// Whoever asks by SQL is refused as the program is, with the block from which on there are facts; balances are answered.
#[tokio::test]
async fn what_would_lack_archived_facts_is_refused_by_the_database() {
    let register = Register::new(45, &Play::contracts()).await;
    let asset: uuid::Uuid = scalar(
        &register.pool,
        "select id from chain.assets where asset_type = 'erc3643' order by api.hex(contract_address) limit 1",
    )
    .await;
    let old: String = scalar(
        &register.pool,
        "select block_timestamp::text from chain.asset_events where block_number between 20 and 30 limit 1",
    )
    .await;
    let last = NARROW - 1;
    let questions = |block: u64| {
        [
            format!("api.cap_table('{asset}', {block})"),
            format!("api.cap_table_by_investor('{asset}', {block})"),
            format!("api.concentration('{asset}', {block})"),
            format!("api.holder_compliance('{asset}', {block})"),
            format!("api.register_totals('{asset}', {block})"),
            format!("api.holders_at('{asset}', {block})"),
        ]
    };
    let of_all_the_past = [
        format!("api.issuance('{asset}', {last})"),
        format!("api.regulatory_summary('{asset}', {last})"),
        format!("api.block_at({CHAIN_ID}, '{old}')"),
        format!("api.holders_at_time('{asset}', '{old}')"),
    ];
    // The first block above with an event: what it is called is known by that event.
    let first: i64 = scalar(
        &register.pool,
        &format!("select min(block_number) from chain.asset_events where block_number >= {NARROW}"),
    )
    .await;
    let first = u64::try_from(first).expect("a block");
    let totals = |block: u64| format!("select t::text from api.register_totals('{asset}', {block}) t");
    // One snapshot among what is archived then: the supply of later blocks must not be counted from it.
    let taken: i64 =
        scalar(&register.pool, &format!("select count(*) from ops.take_snapshot({CHAIN_ID}, 4)")).await;
    assert_eq!(taken, 1);
    let before: String = scalar(&register.pool, &totals(first)).await;
    let between: String = scalar(&register.pool, &totals(last)).await;
    let pool = pool_of_reader(&register.database).await;
    for question in questions(30).iter().chain(&of_all_the_past) {
        ask(&pool, question).await.unwrap_or_else(|error| panic!("{question}: {error}"));
    }
    register.archive().await;
    for question in questions(30).iter().chain(&of_all_the_past) {
        let error = ask(&pool, question).await.expect_err(question);
        let error = error.into_database_error().expect("the server's");
        let error = error.downcast_ref::<sqlx::postgres::PgDatabaseError>();
        assert_eq!(error.code(), "P0002", "{question}: {error}");
        assert!(
            error.message().contains(&format!("below {NARROW} of chain {CHAIN_ID}")),
            "{question}: {error}"
        );
        let hint = error.hint().unwrap_or_default();
        // About all of the past no block is late enough.
        let by_block = !question.contains("issuance") && !question.contains("regulatory_summary");
        assert_eq!(hint.contains(&format!("block {last} or later")), by_block, "{question}: {hint}");
        assert_eq!(hint.contains("a period that begins after"), question.contains("summary"), "{hint}");
        assert!(hint.contains("maintain --attach"), "{hint}");
    }
    for question in questions(first) {
        ask(&pool, &question).await.unwrap_or_else(|error| panic!("{question}: {error}"));
    }
    assert_eq!(scalar::<String>(&register.pool, &totals(first)).await, before, "the same answer");
    // Between the two the newest log that was watched may be away: its block is not called by an older one's name.
    let now =
        sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(totals(last))).fetch_one(&register.pool).await;
    assert!(now.as_ref().is_ok_and(|now| *now == between) || now.is_err(), "{now:?} was {between}");
    ask(&pool, &format!("api.balance_at('{asset}', '{:#x}', 30)", account(1, 1)))
        .await
        .expect("balances are answered");
    // Nor is anything written down that would outlive the archive.
    let snapshot =
        ask(&register.pool, &format!("ops.take_snapshot({CHAIN_ID}, 4)")).await.expect_err("a snapshot");
    assert!(snapshot.to_string().contains("in archives alone"), "{snapshot}");
    register.attach().await;
    for question in questions(30).iter().chain(&of_all_the_past) {
        ask(&pool, question).await.unwrap_or_else(|error| panic!("attached: {question}: {error}"));
    }
}

/// What needs nothing of what is away is answered as before: of an asset that came later, of a period that began later.
#[tokio::test]
async fn what_needs_no_archived_facts_is_answered() {
    let register = Register::new(45, &Play::contracts()).await;
    let pool = pool_of_reader(&register.database).await;
    let (asset, token): (uuid::Uuid, String) = sqlx::query_as(
        "select a.id, api.hex(a.contract_address) from chain.assets a
         join chain.asset_operations o on o.asset_id = a.id and o.operation_type in ('mint', 'burn') and o.block_number >= $1
         order by 2 limit 1",
    )
    .bind(i64::try_from(NARROW).expect("a height"))
    .fetch_one(&register.pool)
    .await
    .expect("something is issued later");
    let top: i64 = scalar(&register.pool, "select block_number from chain.checkpoints").await;
    let since: String = scalar(
        &register.pool,
        &format!(
            "select ((min(block_timestamp) at time zone 'UTC')::date + 1)::text from chain.asset_events where block_number >= {NARROW}"
        ),
    )
    .await;
    let period = format!("api.regulatory_summary('{asset}', {top}, '{since}', '2100-01-01')");
    let before_that = format!("api.regulatory_summary('{asset}', {top}, '1990-01-01', '2100-01-01')");
    let issuance = format!("api.issuance('{asset}', {top})");
    let text = |of: &str| format!("select coalesce(string_agg(x::text, '; '), '') from {of} x");
    let before: String = scalar(&register.pool, &text(&period)).await;
    assert!(before.contains("register"), "{before}");
    register.archive().await;
    assert_eq!(scalar::<String>(&pool, &text(&period)).await, before);
    for question in [&before_that, &issuance] {
        let refused = ask(&pool, question).await.expect_err(question).to_string();
        assert!(refused.contains("in archives alone"), "{refused}");
    }
    let report = async |words: &[&str]| {
        let line = Line::new(&["report", "--asset", &token, "--block", &top.to_string(), "--not-final"]);
        let line = words.iter().fold(line, |line, word| line.arg(*word));
        line.database(READER, &register.database).await.run().await
    };
    report(&["issuance"]).await.failed(76, &["maintain --attach"]);
    report(&["regulatory"]).await.failed(76, &["maintain --attach"]);
    report(&["regulatory", "--period", &format!("{since}/2100-01-01")]).await.done();
    // As if its first log had come later.
    run(&register.pool, &format!("update chain.assets set created_block = {NARROW} where id = '{asset}'"))
        .await;
    for question in [&before_that, &issuance] {
        ask(&pool, question).await.unwrap_or_else(|error| panic!("{question}: {error}"));
    }
    report(&["issuance"]).await.done();
    report(&["regulatory"]).await.done();
}

/// The digest of nothing is nobody's digest.
#[tokio::test]
async fn digests_of_what_is_archived_are_refused() {
    let register = Register::new(45, &Play::contracts()).await;
    let pool = pool_of_reader(&register.database).await;
    let refused = [
        format!("api.digests({CHAIN_ID}, 0, {}, 10)", NARROW - 1),
        format!("api.digests({CHAIN_ID}, {}, {}, 10)", NARROW - 1, NARROW + 9),
        format!("api.table_digest({CHAIN_ID}, 'asset_events')"),
        format!("api.table_digest({CHAIN_ID}, 'asset_operations')"),
    ];
    let answered = [
        format!("api.digests({CHAIN_ID}, {NARROW}, {}, 10)", NARROW + 9),
        format!("api.table_digest({CHAIN_ID}, 'ownership_history')"),
        format!("api.digests({}, 0, 9)", CHAIN_ID + 1),
    ];
    for round in ["before", "archived", "attached", "archived again"] {
        match round {
            "archived" | "archived again" => drop(register.archive().await),
            "attached" => drop(register.attach().await),
            _ => {}
        }
        for question in &answered {
            ask(&pool, question).await.unwrap_or_else(|error| panic!("{round}: {question}: {error}"));
        }
        for question in &refused {
            match (round.starts_with("archived"), ask(&pool, question).await) {
                (true, Err(error)) => assert!(error.to_string().contains("in archives alone"), "{error}"),
                (false, Ok(())) => {}
                (_, other) => panic!("{round}: {question}: {other:?}"),
            }
        }
    }
}

async fn pool_of_reader(database: &str) -> PgPool {
    PgPool::connect_with(cluster().await.connect_options(READER, database)).await.expect("a reader connects")
}

async fn ask(pool: &PgPool, question: &str) -> Result<(), sqlx::Error> {
    let sql = format!("select count(*) from {question} x");
    sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql)).fetch_one(pool).await.map(drop)
}
