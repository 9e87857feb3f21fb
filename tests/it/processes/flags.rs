//! What the daemon says of itself in the application's configuration, and what it is told there.

use scenario::Step;
use serde_json::Value as Json;

use super::slots;
use crate::application::{connect, run};
use crate::support::process::until;
use crate::support::scene::Scene;
use crate::support::world::CHAIN_ID;

/// Rows of the configuration under `indexer/`.
async fn told(scene: &Scene) -> Vec<(String, Json)> {
    let sql = "select key, value from app.system_config where key like 'indexer/%' order by key";
    sqlx::query_as(sql).fetch_all(&scene.pool).await.expect("readable")
}

async fn seals(scene: &Scene) -> i64 {
    sqlx::query_scalar("select count(*) from app.audit_seals").fetch_one(&scene.pool).await.expect("readable")
}

async fn set(scene: &Scene, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&scene.pool).await.expect("the superuser may");
}

#[tokio::test]
async fn the_daemon_says_what_it_is_once_and_obeys_its_flags() {
    let mut scene = Scene::begin(slots(8)).await;
    // Rows of the trail that a seal would be for.
    set(
        &scene,
        "insert into app.feature_flags (feature, enabled) values ('indexer.seal_trails', false), ('dark_mode', false)",
    )
    .await;
    let daemon = scene.program.writer().await;
    scene.play_through(Step::Share).await;
    scene.caught_up().await;
    let of_chain = |name: &str| format!("indexer/{CHAIN_ID}/{name}");
    let first = told(&scene).await;
    let keys: Vec<&str> = first.iter().map(|(key, _)| key.as_str()).collect();
    let (digest, version, proving) =
        (of_chain("configuration_sha256"), of_chain("program_version"), of_chain("proving"));
    assert_eq!(keys, [digest.as_str(), version.as_str(), proving.as_str(), "indexer/schema_version"]);
    assert_eq!(first[0].1.as_str().map(str::len), Some(64), "{first:?}");
    assert_eq!((&first[1].1, &first[2].1), (&env!("CARGO_PKG_VERSION").into(), &"background".into()));
    let schema: i64 = sqlx::query_scalar("select max(version) from asset_indexer.migrations")
        .fetch_one(&scene.pool)
        .await
        .expect("readable");
    assert_eq!(first[3].1, Json::from(schema));
    let listed: Vec<(String, bool)> = sqlx::query_as(
        "select feature, enabled from app.feature_flags where feature like 'indexer.%' order by 1",
    )
    .fetch_all(&scene.pool)
    .await
    .expect("readable");
    let on = |name: &str, on| (name.to_owned(), on);
    assert_eq!(
        listed,
        [
            on("indexer.find_violations", true),
            on("indexer.log_verdicts", true),
            on("indexer.seal_trails", false),
            on("indexer.take_snapshots", true)
        ]
    );
    assert_eq!(seals(&scene).await, 0, "switched off");

    // Another platform's flag is none of ours; one of ours is heard at once, not in an hour.
    set(&scene, "update app.feature_flags set enabled = true where feature = 'dark_mode'").await;
    set(&scene, "update app.feature_flags set enabled = true where feature = 'indexer.seal_trails'").await;
    until("the trails are sealed", async || (seals(&scene).await > 0).then_some(())).await;

    // The same again changes no row; another configuration does.
    daemon.stop("told").await;
    let changes = "select count(*) from app.system_changes where table_name = 'system_config'";
    let count =
        async || -> i64 { sqlx::query_scalar(changes).fetch_one(&scene.pool).await.expect("readable") };
    let before = count().await;
    let daemon = scene.program.writer().await;
    scene.caught_up().await;
    assert_eq!((told(&scene).await, count().await), (first.clone(), before));
    daemon.stop("told").await;
    let program = scene.program.clone().with("ASSET_INDEXER__PROOF__MODE", "off");
    let daemon = program.writer().await;
    until("the new configuration is told", async || {
        let now = told(&scene).await;
        (now[0].1 != first[0].1 && now[2].1 == "off").then_some(())
    })
    .await;
    // Nothing is to be proved: no alert says that a sweep stands still.
    until("it has taken a step", async || {
        (daemon.metric("asset_indexer_finalized_block").await > 0.0).then_some(())
    })
    .await;
    assert!(daemon.metric("asset_indexer_verified_block").await.is_nan());
}

#[tokio::test]
async fn the_writer_says_nothing_but_what_it_is() {
    let database = crate::support::world::database().await;
    let mut owner = connect(&database).await;
    run(&mut owner, "set role asset_indexer_writer").await;
    for sql in [
        r#"select app.tell_program('{"limits/daily": 1}')"#,
        r#"select app.tell_program('{"indexer": 1}')"#,
        r#"select app.tell_program('{"indexer/version": 1, "Indexer/version": 1}')"#,
        "select * from app.system_config",
        "select * from app.feature_flags",
        "update app.feature_flags set enabled = true",
    ] {
        let refused = sqlx::query(sql).execute(&mut owner).await.expect_err(sql);
        let code = refused.as_database_error().and_then(|e| e.code()).unwrap_or_default().into_owned();
        assert_eq!(code, "42501", "{sql}");
    }
    let changed: i32 = sqlx::query_scalar(r#"select app.tell_program('{"indexer/1/proving": "off"}')"#)
        .fetch_one(&mut owner)
        .await
        .expect("it may");
    assert_eq!(changed, 1);
}
