//! A connection to PostgreSQL dies without a word: nothing is refused, nothing is answered, for ever.

use std::time::{Duration, Instant};

use scenario::Step;

use super::slots;
use crate::support::proxy::Cut;
use crate::support::scene::Scene;

/// Within which a dead connection of the writer is noticed while the server answers on others: two looks, five seconds
/// apart, and some air.
const NOTICED: Duration = Duration::from_secs(25);
/// The same while nothing at all passes: three looks without an answer, ten seconds each.
const NOTICED_ALONE: Duration = Duration::from_secs(50);

/// The writer's connection dies, and only that one, so that its lease lives on through another.
async fn writer_falls_silent(cut: Cut) {
    let mut scene = Scene::begin(slots(8)).await;
    let proxy = scene.database_proxy().await;
    let daemon = scene.program.writer().await;
    scene.play_through(Step::Investors).await;
    scene.caught_up().await;
    let mark = daemon.mark();
    let began = Instant::now();
    let ((), ()) = tokio::join!(proxy.strike(cut), scene.play_through(Step::Mint));
    let said = daemon.said_after(mark, "trying again").await;
    assert!(began.elapsed() < NOTICED, "{cut:?}: after {:?}: {said}", began.elapsed());
    assert!(said.to_string().contains("the server is silent"), "{cut:?}: {said}");
    scene.assert_fresh(&format!("{cut:?}")).await;
    assert!(!daemon.has_said("lease was lost"));
    daemon.stop("after the silence").await;
}

#[tokio::test]
async fn a_dead_connection_of_the_writer_is_noticed_wherever_it_dies() {
    tokio::join!(
        // While it looks at the checkpoint, as it does all the time.
        writer_falls_silent(Cut::Silence(0)),
        // In the midst of a transaction whose next statement never comes.
        writer_falls_silent(Cut::Silence(60)),
        // The server commits, and nobody hears of it.
        writer_falls_silent(Cut::CommitSilence),
    );
}

/// Nothing at all passes between one program and the database, in the midst of its work.
#[tokio::test]
async fn a_database_that_swallows_everything_is_noticed_and_another_program_goes_on() {
    let mut scene = Scene::begin(slots(8)).await;
    let direct = scene.program.clone();
    let proxy = scene.database_proxy().await;
    let first = scene.program.writer().await;
    scene.play_through(Step::Investors).await;
    scene.caught_up().await;
    let mark = first.mark();
    proxy.deafen(true);
    let began = Instant::now();
    // What starts meanwhile says so and ends.
    let line = scene.program.line(&["status"]);
    let ((), ended) = tokio::join!(scene.play_through(Step::Mint), line.run());
    ended.failed(69, &["the database did not answer while connecting", "it takes no connections"]);
    first.said_after(mark, "trying again").await;
    assert!(began.elapsed() < NOTICED_ALONE, "after {:?}", began.elapsed());
    assert_eq!(first.get("/live").await.0, 200, "an outage elsewhere is no reason to restart");
    assert_eq!(first.get("/ready").await.0, 503);
    let second = direct.writer().await;
    scene.assert_fresh("followed by the second").await;

    proxy.deafen(false);
    first.said_after(mark, "another process writes this chain").await;
    scene.play_through(Step::Transfers).await;
    scene.assert_fresh("the first one is back").await;
    second.stop("the second").await;
    first.said_after(mark, "lease taken").await;
    scene.play_through(Step::Share).await;
    scene.assert_fresh("followed by the first again").await;
}
