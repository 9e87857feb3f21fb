//! The way down of tables that somebody uses: it waits for people, and the server's own upkeep gives way to it.

use std::time::{Duration, Instant};

use sqlx::Executor as _;
use sqlx::postgres::PgConnection;

use super::migrations::{APPLICATION_BEFORE, asked, migrate};
use crate::application::{connect, run};
use crate::support::command::Line;
use crate::support::world::{cluster_over_tcp, database};

#[tokio::test]
async fn a_step_down_waits_for_who_uses_a_table() {
    let database = database().await;
    let mut idle = connect(&database).await;
    run(&mut idle, "begin; select count(*) from app.users").await;
    let forgotten = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        run(&mut idle, "commit").await;
    };
    let down = async {
        let began = Instant::now();
        (migrate(&database, &["--down-to", APPLICATION_BEFORE, "--application"]).await, began.elapsed())
    };
    let ((refusal, took), ()) = tokio::join!(down, forgotten);
    assert!(!asked(&refusal).is_empty());
    assert!(took > Duration::from_secs(1), "it did not meet the forgotten transaction: {took:?}");
}

/// A table that the server vacuums of itself, for minutes.
async fn under_vacuum(owner: &mut PgConnection) {
    let sql = "insert into ops.headers (chain_id, block_number, block_hash, parent_hash, block_timestamp)
            select 1, n, sha256(n::text::bytea), sha256(n::text::bytea), n from generate_series(1, 100000) n;
        alter table ops.headers set (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0,
            autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
        delete from ops.headers where block_number % 2 = 0";
    owner.execute(sql).await.expect("the superuser may");
    owner.execute("alter system set autovacuum_naptime = '1s'").await.expect("the superuser may");
    owner.execute("select pg_reload_conf()").await.expect("the superuser may");
    let began = Instant::now();
    let works = "select exists (select from pg_stat_progress_vacuum where relid = 'ops.headers'::regclass)";
    while !sqlx::query_scalar::<_, bool>(works).fetch_one(&mut *owner).await.expect("readable") {
        assert!(began.elapsed() < Duration::from_secs(60), "the server does not vacuum");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_vacuum_of_the_servers_own_gives_way_to_a_step_down() {
    let (cluster, mut owner, _) = cluster_over_tcp().await;
    under_vacuum(&mut owner).await;
    let cancelled = |log: &str| log.matches("canceling autovacuum task").count();
    assert_eq!(cancelled(&std::fs::read_to_string(cluster.log()).expect("the server's log")), 0);

    let url = cluster.url("assets");
    let down = |arguments: &[&str]| {
        Line::new(&[&["migrate", "--down-to", "0"], arguments].concat())
            .set("ADMIN_DATABASE_URL", url.clone())
    };
    let began = Instant::now();
    let names = asked(&down(&[]).run().await);
    assert!(names.contains("ops.headers"), "{names}");
    let log = std::fs::read_to_string(cluster.log()).expect("the server's log");
    assert!(cancelled(&log) > 0, "nothing gave way");
    down(&["--accept-loss", &names]).run().await.done();
    assert!(began.elapsed() < Duration::from_secs(90), "it waited for {:?}", began.elapsed());
}
