//! The log of commits: which block the register showed when.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use super::Indexed;
use crate::support::world::converge;

async fn kinds(pool: &PgPool) -> Vec<(String, i64)> {
    sqlx::query_as("select kind, block_number from ops.commits order by sequence")
        .fetch_all(pool)
        .await
        .expect("readable")
}

async fn shown_at(pool: &PgPool, at: DateTime<Utc>) -> Option<(i64, String, String)> {
    sqlx::query_as("select block_number, block_hash, kind from api.block_shown_at((select chain_id from chain.checkpoints), $1)")
        .bind(at)
        .fetch_optional(pool)
        .await
        .expect("readable")
}

#[tokio::test]
async fn what_the_register_showed_at_a_time_is_told_through_a_reorg() {
    let mut indexed = Indexed::new(9).await;
    let blocks = indexed.play.blocks(5);
    indexed.chain.reorg(3, blocks);
    converge(&mut indexed.worker).await;
    let kinds = kinds(&indexed.pool).await;
    assert_eq!(kinds[0].0, "start");
    let reorg = kinds.iter().position(|(kind, _)| kind == "reorg").expect("the reorg is in the log");
    assert!(kinds[reorg].1 < kinds[reorg - 1].1, "it takes blocks back: {kinds:?}");
    assert_eq!(kinds.last().expect("some").1, indexed.checkpoint().await, "the last is what is shown now");
    let rows: Vec<(DateTime<Utc>, i64, String, String)> = sqlx::query_as(
        "select committed_at, block_number, api.hex(block_hash), kind from ops.commits order by committed_at, sequence",
    )
    .fetch_all(&indexed.pool)
    .await
    .expect("readable");
    for two in rows.windows(2) {
        let [(at, block, hash, kind), next] = two else { unreachable!("windows of two") };
        let expected = (*block, hash.clone(), kind.clone());
        if next.0 > *at {
            assert_eq!(shown_at(&indexed.pool, *at).await.as_ref(), Some(&expected));
            let before = next.0 - chrono::Duration::microseconds(1);
            assert_eq!(shown_at(&indexed.pool, before).await, Some(expected));
        }
    }
    let first = rows[0].0 - chrono::Duration::microseconds(1);
    assert_eq!(shown_at(&indexed.pool, first).await, None, "nothing was shown before the first");
    // What was replaced is not what stands there now.
    let replaced =
        rows.iter().rev().skip_while(|row| row.3 != "reorg").nth(1).expect("a row before the reorg");
    let now: Option<Vec<u8>> = sqlx::query_scalar(
        "select block_hash::bytea from chain.asset_events where block_number = $1 limit 1",
    )
    .bind(replaced.1)
    .fetch_optional(&indexed.pool)
    .await
    .expect("readable");
    assert!(now.is_none_or(|hash| alloy::hex::encode_prefixed(hash) != replaced.2));
}

#[tokio::test]
async fn the_log_is_kept_as_long_as_its_policy_says() {
    let indexed = Indexed::new(9).await;
    let all = kinds(&indexed.pool).await.len();
    assert!(all > 10, "{all}");
    sqlx::query(
        "update ops.commits set committed_at = committed_at - interval '30 days' where sequence <= 5",
    )
    .execute(&indexed.pool)
    .await
    .expect("the superuser may");
    let trim = async |sql: &'static str| -> i64 {
        sqlx::query_scalar(sql).fetch_one(&indexed.pool).await.expect("it trims")
    };
    assert_eq!(trim("select ops.trim_commits()").await, 0, "400 days are kept by default");
    sqlx::query("update ops.commit_retention set keep = '29 days'")
        .execute(&indexed.pool)
        .await
        .expect("the owner may");
    assert_eq!(trim("select ops.trim_commits(2)").await, 2, "some at a time, the oldest first");
    assert_eq!(trim("select ops.trim_commits()").await, 3);
    assert_eq!(kinds(&indexed.pool).await.len(), all - 5);
}

/// The writer says what is shown, and the database when.
#[tokio::test]
async fn a_writer_gives_no_time_to_what_it_logs() {
    let indexed = Indexed::new(9).await;
    let options = crate::support::world::cluster()
        .await
        .connect_options(crate::support::world::WRITER, &indexed.database);
    let writer = PgPool::connect_with(options).await.expect("the writer connects");
    let log = |columns: &str, values: &str| {
        let sql = format!(
            "insert into ops.commits (chain_id, kind, block_number, block_hash, finalized_number{columns})
             select chain_id, 'commit', block_number, block_hash, finalized_number{values} from chain.checkpoints"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&writer)
    };
    log("", "").await.expect("a commit is logged");
    let backdated =
        log(", committed_at", ", now() - interval '1 day'").await.expect_err("at a time of its own");
    let code = backdated.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
    assert_eq!(code, "42501");
}
