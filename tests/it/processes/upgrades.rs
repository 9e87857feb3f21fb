//! What a migration asks of its own program: an older one that still runs leaves it alone, and one that cannot carry it out yet
//! follows the chain in between.

use asset_indexer::store::postgres::{Request, Requests, schema_version};
use scenario::Step;
use sqlx::AssertSqlSafe;

use super::slots;
use crate::support::process::{Daemon, until};
use crate::support::scene::Scene;
use crate::support::world::CHAIN_ID;

/// A daemon that has caught up.
async fn following() -> (Scene, Daemon) {
    let mut scene = Scene::begin(slots(8)).await;
    scene.play_through(Step::Burn).await;
    let daemon = scene.program.writer().await;
    scene.caught_up().await;
    (scene, daemon)
}

/// What a newer program's `migrate` leaves: its version, counted in a table, and perhaps its request.
async fn migrate_beyond(scene: &Scene, counted_in: &str, asks: bool) {
    let request = if asks {
        format!(
            "insert into ops.requests (id, chain_id, request)
             values (gen_random_uuid(), {CHAIN_ID}, '{{\"kind\": \"upgrade\"}}')"
        )
    } else {
        String::new()
    };
    let newer = schema_version() + 1_000_000;
    sqlx::raw_sql(AssertSqlSafe(format!(
        "begin;
         insert into {counted_in} (version, description, success, checksum, execution_time)
         values ({newer}, 'a newer program', true, '', 0);
         {request};
         commit"
    )))
    .execute(&scene.pool)
    .await
    .expect("the superuser may");
}

/// Status and kind of all requests.
async fn requests(scene: &Scene) -> Vec<(String, String)> {
    sqlx::query_as("select status, request ->> 'kind' from ops.requests order by submitted_at")
        .fetch_all(&scene.pool)
        .await
        .expect("readable")
}

fn says(log: &[String], text: &str) -> bool {
    log.iter().any(|line| line.contains(text))
}

#[tokio::test]
async fn an_older_program_leaves_what_a_migration_asked_for_to_the_newer_one() {
    let (scene, writer) = following().await;
    let standby = scene.program.standby().await;
    migrate_beyond(&scene, "asset_indexer.migrations", true).await;
    let log = writer.ends(78).await;
    assert!(says(&log, "migrated by a newer program"), "{log:#?}");
    assert!(!says(&log, "executing an operator's request"), "{log:#?}");
    // Who stood by must not take over, either; the lease was given up, so that it need not wait for its end.
    let log = standby.ends(78).await;
    assert!(says(&log, "migrated by a newer program") && !says(&log, "lease taken"), "{log:#?}");
    assert_eq!(requests(&scene).await, [("waiting".to_owned(), "upgrade".to_owned())]);
    // As at the start.
    let log = scene.program.start().ends(78).await;
    assert!(says(&log, "migrated by a newer program"), "{log:#?}");
}

#[tokio::test]
async fn a_lease_is_not_taken_over_a_schema_of_another_program() {
    for counted_in in ["asset_indexer.migrations", "asset_indexer.app_migrations"] {
        let (scene, writer) = following().await;
        let standby = scene.program.standby().await;
        migrate_beyond(&scene, counted_in, false).await;
        writer.stop("before the standby takes over").await;
        let log = standby.ends(78).await;
        assert!(says(&log, "migrated by a newer program") && !says(&log, "lease taken"), "{log:#?}");
    }
}

/// The disk has no room for a second copy of the tables, say: everything else fits.
const NO_ROOM: &str = "
    create function public.no_room() returns trigger language plpgsql as $$
    begin
        -- A rebuild alone gives itself so long.
        if current_setting('idle_in_transaction_session_timeout') = '20s' then
            raise 'no room for a second copy' using errcode = '53100';
        end if;
        return null;
    end
    $$;
    create trigger no_room before delete on chain.asset_holders for each statement execute function public.no_room()";

#[tokio::test]
async fn what_a_migration_asked_for_and_finds_no_room_is_put_off_and_the_chain_is_followed() {
    let (mut scene, daemon) = following().await;
    sqlx::raw_sql(NO_ROOM).execute(&scene.pool).await.expect("the superuser may");
    let asked = Requests::new(scene.pool.clone(), CHAIN_ID);
    let id = asked.submit(&Request::Upgrade).await.expect("handed in");
    daemon.said("tables of the new version could not be filled: tried again later").await;
    scene.play_through(Step::Claims).await;
    scene.caught_up().await;
    // Operators' requests are carried out as ever, also behind it.
    let to = scene.head().await.0.to_string();
    let compared = scene.program.line(&["backfill", "--from", "1", "--to", &to]).run().await.done();
    assert!(compared.contains("\"differences\": 0"), "{compared}");
    let state = asked.state(id).await.expect("readable").expect("it is there");
    assert_eq!(state.status, "waiting");
    let tries = daemon.lines().iter().filter(|line| line.contains("\"Upgrade\"")).count();
    assert_eq!(tries, 1, "it was tried again at once");
    daemon.stop("once there is room").await;

    sqlx::raw_sql("drop trigger no_room on chain.asset_holders").execute(&scene.pool).await.expect("dropped");
    let _next = scene.program.writer().await;
    until("it is carried out", async || {
        let state = asked.state(id).await.expect("readable").expect("it is there");
        (state.status == "done").then_some(())
    })
    .await;
    scene.assert_fresh("filled by the next").await;
}
