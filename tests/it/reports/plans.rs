//! The questions of reports, which plan inside functions: none reads a whole fact table while it is asked.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use crate::support::loaded::loaded_database;
use crate::support::world::pool;

/// Documented questions that ask functions with plans of their own.
const QUESTIONS: [&str; 8] = [
    "cap_table_at_block.sql",
    "cap_table_on_date.sql",
    "cap_table_by_investor.sql",
    "concentration.sql",
    "issuance_by_month.sql",
    "holder_compliance.sql",
    "register_totals.sql",
    "regulatory_summary.sql",
];

/// Reads of whole tables so far, by table, as this transaction counts them; tables of a handful of rows aside.
async fn whole_reads(connection: &mut PgConnection) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select s.relname::text, s.seq_scan from pg_stat_xact_user_tables s join pg_class c on c.oid = s.relid
         where s.schemaname in ('chain', 'ops') and c.reltuples > 5000",
    )
    .fetch_all(connection)
    .await
    .expect("the server counts");
    rows.into_iter().collect()
}

#[tokio::test]
async fn no_report_reads_a_whole_fact_table() {
    let pool = pool(&loaded_database().await).await;
    let mut connection = pool.acquire().await.expect("a connection");
    // A snapshot of one asset of many: its positions are few among all.
    connection
        .execute(
            "insert into ops.coverage (chain_id, address, from_block) select chain_id, contract_address, 0 from chain.assets;
             do $$ begin
                 for n in 1..40 loop
                     perform from ops.take_snapshot(1, 150);
                 end loop;
             end $$;
             analyze",
        )
        .await
        .expect("snapshots");
    let (asset, positions): (uuid::Uuid, i64) = sqlx::query_as(
        "select (array_agg(asset_id order by asset_id))[1], sum(positions)::bigint from ops.register_snapshots",
    )
    .fetch_one(&mut *connection)
    .await
    .expect("readable");
    assert!(positions > 5_000, "{positions}");
    for question in QUESTIONS {
        let sql = std::fs::read_to_string(format!("tests/queries/{question}")).expect("it is documented");
        let sql = sql
            .replace("$1", &format!("'{asset}'"))
            .replace("$2::date", "'2100-01-01'::date")
            .replace("$2", "99000")
            .replace("$3::text", "'Europe/Zurich'::text")
            .replace("$3", "null")
            .replace("$4", "null")
            .replace("$5", "null");
        connection
            .execute("begin; set local jit = off; set local random_page_cost = 1.1")
            .await
            .expect("begins");
        let before = whole_reads(&mut connection).await;
        connection.execute(AssertSqlSafe(sql)).await.unwrap_or_else(|error| panic!("{question}: {error}"));
        let after = whole_reads(&mut connection).await;
        assert_eq!(before, after, "{question} reads a whole table");
        connection.execute("rollback").await.expect("ends");
    }
}
