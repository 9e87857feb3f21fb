//! Who answers: failover, pinning, return, lag, waiting, and what is left when nobody does well.

use std::time::Duration;

use asset_indexer::providers::{Clock, Rules, Trouble};
use asset_indexer::source::{Source, SourceError};

use super::scripted::{A, B, C, Stage, Way, id};

fn rules() -> Rules {
    Rules::default()
}

#[tokio::test]
async fn when_one_fails_the_next_unit_of_work_is_anothers() {
    let stage = Stage::of(3, rules());
    assert_eq!(stage.begin().await, "a");
    stage.all[A].script().otherwise = Way::Fails;
    let before = stage.clock.now();
    assert!(matches!(stage.source.header(5).await, Err(SourceError::Unavailable { .. })));
    assert_eq!(stage.source.alias(), "a", "not in the middle of a unit of work");
    assert_eq!(stage.begin().await, "b");
    assert_eq!(stage.source.header(5).await.expect("b answers").map(|header| header.id), Some(id(5)));
    assert!(stage.clock.now() - before < Duration::from_secs(1), "a refused connection costs no time");
    assert_eq!(stage.source.switches(), 1);
}

#[tokio::test]
async fn the_first_ones_failure_at_the_very_start_is_no_obstacle() {
    let stage = Stage::of(2, rules());
    stage.all[A].script().otherwise = Way::Fails;
    assert_eq!(stage.source.chain_id().await.expect("b answers"), 1);
    assert_eq!(stage.source.alias(), "b");
}

#[tokio::test]
async fn a_unit_of_work_is_one_providers_whatever_happens() {
    let stage = Stage::of(3, rules());
    let ways = [Way::Answers, Way::Fails, Way::Contradicts, Way::Refuses];
    for round in 0..200_usize {
        stage.clock.seconds(1);
        let Ok(view) = stage.source.view().await else { continue };
        let pinned = stage.source.alias();
        stage.take_asked();
        for step in 0..4 {
            let way = ways[(round + step) % 4];
            stage.all[(round / 3 + step) % 3].script().ways.insert("header", way);
            drop(stage.source.header(view.head.id.number).await);
            drop(stage.source.logs_of_block(view.head.id).await);
            drop(stage.source.receipts(view.head.id).await);
            drop(stage.source.sealed(&[1]).await);
        }
        let asked = stage.take_asked();
        assert!(asked.iter().all(|(alias, _)| **alias == pinned), "{round}: {pinned}: {asked:?}");
        assert_eq!(stage.source.alias(), pinned);
    }
    assert!(stage.source.switches() > 2, "the test switches: {}", stage.source.switches());
}

#[tokio::test]
async fn the_preferred_one_is_returned_to_when_it_is_well_for_a_minute() {
    let stage = Stage::of(2, rules());
    stage.begin().await;
    stage.all[A].script().otherwise = Way::Fails;
    assert_eq!(stage.begin_after(1).await, "b");
    stage.all[A].script().otherwise = Way::Answers;
    let mut back = 0;
    while stage.begin_after(1).await == "b" {
        back += 1;
        assert!(back < 120, "it never returns: {:?}", stage.source.standings());
    }
    assert!((55..75).contains(&back), "after {back} s");
}

#[tokio::test]
async fn one_that_fails_in_one_method_only_is_left_and_at_last_left_alone() {
    let stage = Stage::of(2, rules());
    stage.all[A].script().ways.insert("logs_of_block", Way::Fails);
    let (mut failed, mut units) = (0, 0);
    for _ in 0..600 {
        let alias = stage.begin_after(1).await;
        units += usize::from(alias == "a");
        failed += usize::from(stage.source.logs_of_block(id(1_000)).await.is_err());
    }
    assert!(failed <= 15, "{failed} of {units} units of a and 600 in all");
    assert_eq!(stage.source.alias(), "b");
}

#[tokio::test]
async fn two_that_flap_do_not_make_it_turn_to_and_fro() {
    let stage = Stage::of(2, rules());
    for second in 0..1_000 {
        stage.all[A].script().otherwise = if second % 2 == 0 { Way::Fails } else { Way::Answers };
        stage.begin_after(1).await;
    }
    assert_eq!(stage.source.alias(), "b");
    assert!(stage.source.switches() <= 11, "{} switches", stage.source.switches());
}

#[tokio::test]
async fn all_down_is_told_and_the_first_to_be_back_is_used_at_once() {
    let stage = Stage::of(3, rules());
    stage.begin().await;
    stage.every(|script| script.otherwise = Way::Fails);
    for _ in 0..100 {
        stage.clock.seconds(1);
        let error = stage.source.view().await.expect_err("nobody answers").to_string();
        assert!(error.starts_with("all 3 providers did not answer"), "{error}");
        assert!(["a did not", "b did not", "c did not"].iter().all(|one| error.contains(one)), "{error}");
    }
    assert!((0..3).all(|i| stage.trouble(i) == Some(Trouble::Errors)));
    stage.all[C].script().otherwise = Way::Answers;
    assert_eq!(stage.begin().await, "c");
    assert_eq!(stage.trouble(C), None);
    assert_eq!(stage.begin_after(1).await, "c");
}

#[tokio::test]
async fn one_that_hangs_is_left_within_seconds() {
    let stage = Stage::of(2, rules());
    stage.begin().await;
    stage.all[A].script().otherwise = Way::Hangs;
    let before = stage.clock.now();
    assert_eq!(stage.begin().await, "b");
    let took = stage.clock.now() - before;
    assert!(took <= Duration::from_millis(2_100), "{took:?}");
    // In the midst of a unit of work it takes as long as an answer about one block may.
    stage.all[A].script().otherwise = Way::Answers;
    while stage.begin_after(1).await != "a" {}
    stage.all[A].script().otherwise = Way::Hangs;
    let before = stage.clock.now();
    let error = stage.source.receipts(id(1_000)).await.expect_err("it hangs").to_string();
    let took = stage.clock.now() - before;
    assert!(
        error.contains("another provider can be asked") && took <= Duration::from_millis(10_100),
        "{error}"
    );
    assert_eq!(stage.begin().await, "b");
}

#[tokio::test]
async fn slow_spares_cost_little() {
    let stage = Stage::of(3, rules());
    stage.begin().await;
    (B..=C).for_each(|i| stage.all[i].script().otherwise = Way::Hangs);
    let before = stage.clock.now();
    for _ in 0..600 {
        assert_eq!(stage.begin_after(1).await, "a");
    }
    let waited = stage.clock.now() - before - Duration::from_secs(600);
    assert!(waited < Duration::from_secs(30), "{waited:?} of ten minutes");
}

#[tokio::test]
async fn when_all_are_slow_the_first_answer_is_waited_for() {
    let stage = Stage::of(2, rules());
    stage.every(|script| script.otherwise = Way::Hangs);
    let before = stage.clock.now();
    let error = stage.source.view().await.expect_err("nobody answers").to_string();
    assert!(stage.clock.now() - before >= Duration::from_secs(10), "not after two seconds: {error}");
}

#[tokio::test]
async fn one_that_lags_is_left_for_a_growing_time_and_comes_back() {
    let stage = Stage::of(2, rules());
    stage.begin().await;
    stage.all[B].script().head += 7;
    assert_eq!(stage.begin_after(5).await, "b", "{:?}", stage.source.standings());
    let confined = stage.standing(A).quarantine.expect("it lags");
    assert_eq!(confined.reason, "its head 1000 is 7 blocks and 84 s behind");
    assert!(confined.seconds_left <= 10);
    let mut terms = Vec::new();
    for _ in 0..400 {
        assert_eq!(stage.begin_after(1).await, "b");
        let left = stage.standing(A).quarantine.map_or(0, |confined| confined.seconds_left);
        if terms.last().is_none_or(|last: &u64| left > *last) {
            terms.push(left);
        } else if let Some(last) = terms.last_mut() {
            *last = left.max(1);
        }
    }
    let longest = stage.standing(A).quarantine.map_or(0, |confined| confined.seconds_left);
    assert!(longest > 10, "it grows: {longest}");
    stage.every(|script| script.head = 1_010);
    for _ in 0..400 {
        stage.begin_after(1).await;
    }
    assert_eq!((stage.source.alias().as_str(), stage.trouble(A)), ("a", None));
}

#[tokio::test]
async fn a_block_more_or_less_is_no_lag() {
    let stage = Stage::of(2, rules());
    for round in 0..100 {
        stage.grow(1);
        stage.all[A].script().head -= 1;
        stage.begin_after(2).await;
        stage.every(|script| script.head = 1_001 + round);
        assert_eq!(stage.begin_after(2).await, "a");
    }
    assert_eq!(stage.source.switches(), 0);
}

#[tokio::test]
async fn a_block_that_is_shown_and_never_given_makes_another_be_asked() {
    let stage = Stage::of(2, rules());
    stage.all[A].script().gives_up_to = 995;
    let mut tries = 0;
    while stage.begin().await == "a" {
        assert_eq!(stage.source.header(1_000).await.expect("an answer"), None);
        tries += 1;
        assert!(tries < 10, "{:?}", stage.source.standings());
    }
    assert!(tries >= 2, "once may happen to every node");
    assert!(stage.source.header(1_000).await.expect("an answer").is_some());
}

#[tokio::test]
async fn history_that_one_has_dropped_is_asked_of_another() {
    let stage = Stage::of(2, rules());
    stage.begin().await;
    stage.all[A].script().ways.insert("receipts", Way::Pruned);
    let error = stage.source.receipts(id(1)).await.expect_err("it is pruned");
    assert!(matches!(&error, SourceError::Unavailable { .. }), "the daemon must go on: {error}");
    assert!(error.to_string().contains("another provider is asked next"), "{error}");
    assert_eq!(stage.begin().await, "b");
    stage.all[B].script().ways.insert("receipts", Way::Pruned);
    let error = stage.source.receipts(id(1)).await.expect_err("it is pruned everywhere");
    assert!(matches!(error, SourceError::Pruned { .. }), "only an operator can help: {error}");
}

#[tokio::test]
async fn receipts_that_are_not_offered_are_no_failure_but_a_reason_to_prefer_another() {
    let stage = Stage::of(2, rules());
    stage.begin().await;
    stage.all[A].script().ways.insert("receipts", Way::Refuses);
    assert!(matches!(stage.source.receipts(id(1)).await, Err(SourceError::Refused { .. })));
    assert_eq!(stage.standing(A).score, 1.0);
    assert_eq!(stage.begin_after(5).await, "b");
    stage.all[B].script().ways.insert("receipts", Way::Refuses);
    assert!(matches!(stage.source.receipts(id(1)).await, Err(SourceError::Refused { .. })));
    stage.begin_after(5).await;
    assert_eq!(stage.begin_after(100).await, "a", "where nobody has them the order decides");
}

#[tokio::test]
async fn work_that_is_dropped_half_way_leaves_everything_usable() {
    let stage = Stage::of(3, rules());
    stage.all[A].script().otherwise = Way::Hangs;
    for _ in 0..50 {
        let mut view = Box::pin(stage.source.view());
        for _ in 0..7 {
            drop(futures_util::poll!(&mut view));
        }
        drop(view);
    }
    assert_eq!(stage.begin().await, "b");
}

#[tokio::test]
async fn one_alone_is_asked_for_what_is_needed_and_nothing_else() {
    let stage = Stage::of(1, rules());
    assert_eq!(stage.source.chain_id().await.expect("an id"), 1);
    stage.begin().await;
    drop(stage.source.header(7).await);
    assert_eq!(stage.take_asked(), [("a", "chain_id"), ("a", "view"), ("a", "header")]);
    stage.all[A].script().otherwise = Way::Fails;
    for _ in 0..10 {
        let error = stage.source.view().await.expect_err("it is down");
        assert_eq!(error.to_string(), "a did not answer view: as the script says");
    }
    assert_eq!(stage.trouble(A), Some(Trouble::Errors));
    stage.all[A].script().otherwise = Way::Answers;
    assert_eq!(stage.begin().await, "a");
    assert_eq!(stage.trouble(A), None);
    let witnesses = stage.source.witnesses(id(5)).await.expect("nobody is asked");
    assert_eq!((witnesses.agree, witnesses.disagree, witnesses.others), (0, 0, 0));
}
