//! The documented questions on a loaded register: none reads a whole fact table.

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::files;
use crate::support::loaded::loaded_database;
use crate::support::world::{database, pool};

/// Tables that grow with the chain or with use.
const GROWING: [&str; 12] = [
    "asset_events",
    "asset_transactions",
    "asset_operations",
    "asset_holders",
    "ownership_history",
    "identity_claims",
    "registrations",
    "user_actions",
    "login_history",
    "access_logs",
    "register_positions",
    "commits",
];

/// Questions whose answer is about all rows or a large part of them, or that read a digest of all.
const ABOUT_EVERYTHING: [&str; 3] = ["differing_ranges.sql", "lost_verification.sql", "claims_of_topic.sql"];

/// The plan that a question has for any parameters, as prepared statements come to have it, prepared under a name.
async fn plan_of(connection: &mut PgConnection, name: &str, file: &str, sql: &str) -> Vec<String> {
    let prepare = format!("prepare {name} as {}", sql.trim_end().trim_end_matches(';'));
    connection.execute(AssertSqlSafe(prepare)).await.unwrap_or_else(|e| panic!("{file}: {e}"));
    let parameters = (1..).take_while(|n| sql.contains(&format!("${n}"))).count();
    let execute = match parameters {
        0 => format!("explain execute {name}"),
        _ => format!("explain execute {name}({})", vec!["null"; parameters].join(", ")),
    };
    let plan = sqlx::query_scalar(AssertSqlSafe(execute)).fetch_all(connection).await;
    plan.unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Each node of a plan is set up, whether it is reached or not: of a short answer that is most of the time.
#[tokio::test]
async fn nothing_is_planned_that_a_question_does_not_read() {
    let pool = pool(&database().await).await;
    let mut connection = pool.acquire().await.expect("a connection");
    connection.execute("set plan_cache_mode = force_generic_plan").await.expect("a setting");
    for (number, (file, table, times)) in [
        ("identity_lookup.sql", "required_topics", 1),
        ("identity_lookup.sql", "wallet_links", 1),
        ("asset_lookup.sql", "contract_links", 0),
        ("asset_listing.sql", "contract_links", 0),
        ("movements_in_period.sql", "wallet_links", 0),
    ]
    .into_iter()
    .enumerate()
    {
        let (_, sql) =
            files().into_iter().find(|(name, _)| name.ends_with(file)).expect("the question is there");
        let plan = plan_of(&mut connection, &format!("q{number}"), file, &sql).await;
        let scans = plan.iter().filter(|line| line.contains(&format!(" on {table} "))).count();
        assert_eq!(scans, times, "{file} and {table}:\n{}", plan.join("\n"));
    }
}

#[tokio::test]
async fn no_documented_question_reads_a_whole_fact_table() {
    let pool = pool(&loaded_database().await).await;
    let mut connection = pool.acquire().await.expect("a connection");
    connection
        .execute("set plan_cache_mode = force_generic_plan; set jit = off; set random_page_cost = 1.1")
        .await
        .expect("settings");
    let large: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ('chain', 'ops', 'app') and c.reltuples > 5000",
    )
    .fetch_all(&mut *connection)
    .await
    .expect("the catalogue can be read");
    assert!(large.len() > 8, "{large:?}");
    let mut planned = 0;
    for (number, (name, sql)) in files().into_iter().enumerate() {
        if ABOUT_EVERYTHING.iter().any(|all| name.ends_with(all)) {
            continue;
        }
        let plan = plan_of(&mut connection, &format!("q{number}"), &name, &sql).await;
        for line in plan.iter().filter(|line| line.contains("Seq Scan on ")) {
            let table = line
                .split("Seq Scan on ")
                .nth(1)
                .and_then(|rest| rest.split_whitespace().next())
                .unwrap_or("");
            // Partitions made ahead are empty.
            let is_large = large.iter().any(|name| name == table);
            assert!(
                !is_large || !GROWING.iter().any(|growing| table.starts_with(growing)),
                "{name} reads all of {table}:\n{}",
                plan.join("\n")
            );
        }
        // Of the largest asset's events, those of one wallet.
        let reads_all = plan.iter().any(|line| line.contains("Index Cond: (asset_id = "));
        assert!(!name.ends_with("movements.sql") || !reads_all, "{}", plan.join("\n"));
        planned += 1;
    }
    assert!(planned > 18, "{planned}");
    largest_are_not_sorted_for(&mut connection).await;
}

/// One plan serves the smallest asset and the largest: the largest holders come from the index of balances, not from a sort
/// of all, though nearly all assets have three.
async fn largest_are_not_sorted_for(connection: &mut PgConnection) {
    let many = "insert into chain.asset_holders (chain_id, asset_id, holder, balance, frozen, wallet_frozen, first_block,
            updated_block, updated_at)
        select 1, md5('small' || n / 3)::uuid, substr(sha256(('holder' || n)::bytea), 1, 20), n, 0, false, 1, 1, now()
        from generate_series(1, 300000) n";
    for sql in [many, "vacuum analyze chain.asset_holders"] {
        connection.execute(sql).await.expect("the superuser may");
    }
    let (_, sql) =
        files().into_iter().find(|(name, _)| name.ends_with("largest_holders.sql")).expect("there");
    let plan = plan_of(connection, "largest", "largest_holders.sql", &sql).await.join("\n");
    assert!(plan.contains("asset_holders_balance") && !plan.contains("Sort Key: h.balance"), "{plan}");
    // Nor is a page reached through those before it.
    let (_, sql) = files().into_iter().find(|(name, _)| name.ends_with("holders_page.sql")).expect("there");
    let plan = plan_of(connection, "page", "holders_page.sql", &sql).await.join("\n");
    assert!(plan.contains("Index Cond: ((asset_id = $1) AND (balance <= "), "{plan}");
}
