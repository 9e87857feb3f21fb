//! Nodes and chains that are honest and not as expected: an older form of headers, history thrown away, places of logs.

use super::*;

/// A migrated consensus, say: the head's headers are known to be computed before the sweep comes to the oldest blocks.
#[tokio::test]
async fn headers_of_an_older_form_are_no_forgery() {
    let agree = Some(Witnesses { agree: 1, disagree: 0, others: 1 });
    let older = Lies { strange_below: 20, has_second: true, witnesses: agree, ..Lies::default() };
    let mut world = World::new(111, 40, Proving::Background);
    world.liar.tell(older);
    converge(&mut world.worker).await;
    world.assert_mended("by quorum, then by itself").await;
    assert_eq!(world.liar.blamed(), Vec::<String>::new());
    let evidence = world.worker.store().evidence(ALL_BLOCKS).await.expect("readable");
    let is_older = |stretch: &Evidence| stretch.range.to < 20;
    assert!(evidence.iter().any(is_older) && !evidence.iter().all(is_older), "{evidence:?}");
    for stretch in evidence {
        assert_eq!(stretch.method == Method::Quorum, is_older(&stretch), "{stretch:?}");
    }

    // From the lowest block on that was computed, one that does not fit is a forgery.
    let mut world = World::new(111, 40, Proving::Background);
    converge(&mut world.worker).await;
    world.grow(8);
    world.liar.tell(Lies { strange_below: u64::MAX, ..Lies::default() });
    let refused = world.until_refused().await;
    assert!(matches!(refused, Some(SyncError::Disproved { .. })), "{refused:?}");
    assert!(!world.liar.blamed().is_empty());
}

/// The register of today does not wait for the proof of what a node no longer has.
#[tokio::test]
async fn history_that_a_node_threw_away_ends_nothing() {
    let mut world = World::new(113, 40, Proving::Background);
    world.liar.tell(Lies { pruned_below: 25, ..Lies::default() });
    let mut outcomes = converge(&mut world.worker).await;
    world.grow(8);
    outcomes.extend(converge(&mut world.worker).await);
    let checkpoint = world.checkpoint().await;
    assert_eq!(checkpoint.block.id, world.chain.head(), "{outcomes:?}");
    assert!(checkpoint.verified.number < 25, "{checkpoint:?}");
    world.assert_tried_seldom().await;
    assert_eq!(world.liar.blamed(), Vec::<String>::new());
    world.liar.tell(Lies::default());
    for _ in 0..64 {
        world.worker.step(None).await.expect("it looks");
    }
    converge(&mut world.worker).await;
    world.assert_mended("an archive is asked").await;
}

#[tokio::test]
async fn logs_are_in_the_places_that_follow_from_proved_receipts() {
    for proving in [Proving::Background, Proving::BeforeCommit] {
        let mut world = World::new(117, 40, proving);
        world.liar.tell(Lies { counts_by_transaction: true, ..Lies::default() });
        converge(&mut world.worker).await;
        world.assert_mended("counted by transaction").await;
        assert_eq!(world.liar.blamed(), Vec::<String>::new());
    }
}
