//! The documented questions: each is a file that the README and this test share.

mod answers;
mod eligibility;
mod grown;
mod partial;
mod plans;

use std::fs;

use sqlx::Executor;

use crate::support::world::{database, pool};

fn files() -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir("tests/queries")
        .expect("the questions are in tests/queries")
        .map(|entry| entry.expect("readable").path())
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("readable")))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn every_documented_question_is_understood_by_the_server() {
    let pool = pool(&database().await).await;
    let files = files();
    assert!(files.len() >= 14, "{}", files.len());
    for (name, sql) in files {
        assert!(sql.starts_with("-- ") && sql.contains('?'), "{name} begins with its question");
        let described = pool.prepare(sqlx::SqlStr::from_static(Box::leak(sql.into_boxed_str()))).await;
        described.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[tokio::test]
async fn readers_may_read_every_view_and_write_nothing() {
    let database = database().await;
    let pool = pool(&database).await;
    let views: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'api' and c.relkind = 'v' and c.relname <> 'compliance_violations' order by 1",
    )
    .fetch_all(&pool)
    .await
    .expect("the catalogue can be read");
    assert!(views.len() >= 18, "{views:?}");
    let mut reader = pool.acquire().await.expect("a connection");
    reader.execute("set role asset_indexer_reader").await.expect("the role is there");
    for view in &views {
        let sql = sqlx::AssertSqlSafe(format!("select * from api.{view} limit 1"));
        sqlx::query(sql).fetch_all(&mut *reader).await.unwrap_or_else(|e| panic!("api.{view}: {e}"));
    }
    for sql in [
        "delete from chain.asset_events",
        "update chain.asset_holders set balance = 0",
        "insert into chain.system_events (event_type, event_data, source, severity) values ('x', '{}', 'x', 'info')",
        "select ops.ensure_partitions(1, 1)",
    ] {
        let refused = reader.execute(sql).await.expect_err(sql);
        let code = refused.as_database_error().and_then(|e| e.code()).unwrap_or_default().into_owned();
        assert_eq!(code, "42501", "{sql}");
    }
}

/// The README names every question, and no other.
#[test]
fn the_readme_names_every_question() {
    let readme = fs::read_to_string("README.md").expect("readable");
    let table = readme.split("| about | questions |").nth(1).and_then(|rest| rest.split("\n\n").next());
    let mut named: Vec<&str> = table
        .expect("it has the table")
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| !name.is_empty())
        .collect();
    named.sort_unstable();
    let files = files();
    let asked: Vec<&str> = files
        .iter()
        .map(|(path, _)| path.trim_start_matches("tests/queries/").trim_end_matches(".sql"))
        .collect();
    assert_eq!(named, asked);
}
