//! The published schema's figures: each is in `ops.targets`, each that is a statement is measured by the benchmark, run small
//! here; and a mint costs the same however many hold the asset.

#[path = "../../benches/targets/measuring/mod.rs"]
mod measuring;
mod mints;

use std::collections::BTreeSet;
use std::time::Duration;

use measuring::{Manner, Shape};

use crate::support::world::{cluster, database, pool};

#[tokio::test]
async fn every_published_figure_is_a_target_and_nothing_else_is() {
    let pool = pool(&database().await).await;
    let ours: Vec<String> =
        sqlx::query_scalar("select concat_ws(' | ', area, what, measure, figure) from ops.targets")
            .fetch_all(&pool)
            .await
            .expect("readable");
    let published: BTreeSet<&str> = include_str!("../seed/targets.txt").lines().collect();
    assert!(published.len() > 100, "{}", published.len());
    assert_eq!(ours.len(), published.len());
    assert_eq!(ours.iter().map(String::as_str).collect::<BTreeSet<_>>(), published);
    // The figure as a number says the same as in words.
    let times: Vec<(String, f64)> =
        sqlx::query_as("select figure, bound::float8 from ops.targets where kind = 'time'")
            .fetch_all(&pool)
            .await
            .expect("readable");
    assert_eq!(times.len(), 32);
    for (figure, bound) in times {
        let number: f64 = figure.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number");
        let unit = if figure.contains("second") { 1_000.0 } else { 1.0 };
        assert_eq!(number * unit, bound, "{figure}");
    }
}

/// The benchmark itself on a thousandth of a thousandth: every target that is measured gets its figures, and answers come.
#[tokio::test]
async fn every_target_that_is_a_statement_a_size_or_a_volume_is_measured() {
    let database = database().await;
    let options = cluster().await.connect_options("postgres", &database);
    let manner = Manner { times: 5, reports: 1, patience: Duration::from_secs(60), tells: false };
    let outcome = measuring::run(&options, Shape::new(0.00001, 1_000), manner).await.expect("it is measured");
    let pool = pool(&database).await;
    let missing: Vec<String> = sqlx::query_scalar(
        "select target from ops.targets t where case t.kind
             when 'kept' then measured_at is not null
             when 'time' then p50_ms is null or p99_ms is null or p95_ms_of_four is null or within_figure is null
                 or machine is null or (t.question ~ '^(insert|update)') <> (p95_ms_without_disk is not null)
             else bytes_per_row is null or row_count = 0 end",
    )
    .fetch_all(&pool)
    .await
    .expect("readable");
    assert!(missing.is_empty(), "{missing:?}");
    // A question that finds nothing measures nothing: these may, drawn five times from what is thinly sown.
    let thin = [
        "violation_queries.time",
        "compliance_violations.time",
        "system_events.query",
        "compliance_logs.query",
        "user_actions.query",
        "asset_operations.time",
        "transaction_logs.query",
    ];
    let empty: Vec<String> =
        sqlx::query_scalar("select target from ops.targets where kind = 'time' and row_count = 0 order by 1")
            .fetch_all(&pool)
            .await
            .expect("readable");
    let empty: Vec<_> = empty.iter().filter(|target| !thin.contains(&target.as_str())).collect();
    assert!(empty.is_empty(), "no row came: {empty:?}");
    let told = outcome.to_string();
    assert!(told.contains("user_lookup.time") && told.contains("chain.ownership_history"), "{told}");
    // What a file or a function is named by is there.
    let questions: Vec<String> =
        sqlx::query_scalar("select question from ops.targets where kind = 'time' and question ~ '[.]sql$'")
            .fetch_all(&pool)
            .await
            .expect("readable");
    for file in questions {
        assert!(std::path::Path::new("tests/queries").join(&file).exists(), "{file}");
    }
}
