//! Reading what one wrote: waiting for a block on a replica, and through a pooler.

use std::time::Duration;

use scenario::Step;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Row};

use super::slots;
use crate::support::fragile::{DATABASE, Fragile, Replica};
use crate::support::pooler::Pooler;
use crate::support::scene::Scene;
use crate::support::world::CHAIN_ID;

/// Waits for the node's next block in the tables, which is mined meanwhile. In plain text: a pooler by transaction keeps
/// no prepared statement.
async fn waits_for_the_next_block(what: &str, pool: &PgPool, scene: &Scene) {
    let next = scene.head().await.0 + 1;
    let sql = format!("select api.wait_for_block({CHAIN_ID}, {next}, '60 seconds')");
    let pool = pool.clone();
    let waiting = tokio::spawn(async move {
        sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&pool).await?.try_get::<bool, _>(0)
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "{what}: block {next} is not there yet");
    scene.node.mine(1).await.expect("anvil mines");
    let came = waiting.await.expect("it does not panic").unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(came, "{what}: block {next} came");
}

#[tokio::test]
async fn what_one_wrote_is_waited_for_on_a_replica_and_through_a_pooler() {
    let primary = Fragile::start().await;
    let mut scene = primary.scene_with(slots(8)).await;
    let _daemon = scene.program.writer().await;
    scene.play_through(Step::Bond).await;
    scene.caught_up().await;
    let replica = Replica::of(&primary).await;
    waits_for_the_next_block("a replica", &replica.pool, &scene).await;
    let pooler = Pooler::before(&primary.cluster, DATABASE).await;
    waits_for_the_next_block("PgBouncer", &pooler.pool, &scene).await;
}
