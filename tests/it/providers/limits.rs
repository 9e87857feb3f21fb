//! Budgets: who has used his up is passed over, and a promise is kept.

use asset_indexer::providers::{Budget, Rules};
use asset_indexer::source::Source;

use super::scripted::{A, B, Stage};

fn per_day(limit: u64) -> Budget {
    Budget { requests_per_day: Some(limit), ..Budget::default() }
}

#[tokio::test]
async fn who_has_used_up_his_day_is_passed_over_until_the_next() {
    let stage = Stage::with_budgets(&[per_day(200), Budget::default()], Rules::default());
    let mut units = 0;
    while stage.begin_after(1).await == "a" {
        units += 1;
        assert!(units < 500, "the budget is never used up");
    }
    assert!((150..=200).contains(&units), "{units}");
    assert!(stage.standing(A).budget_used_up && !stage.standing(B).budget_used_up);
    stage.take_asked();
    for _ in 0..100 {
        assert_eq!(stage.begin_after(60).await, "b");
    }
    assert!(stage.take_asked().iter().all(|(alias, _)| *alias == "b"), "not even looked at");
    assert_eq!(stage.begin_after(25 * 3_600).await, "a");
}

#[tokio::test]
async fn when_all_have_used_up_theirs_nobody_is_asked() {
    let stage = Stage::with_budgets(&[per_day(20), per_day(30)], Rules::default());
    for _ in 0..100 {
        stage.clock.seconds(1);
        drop(stage.source.view().await);
    }
    stage.take_asked();
    let error = stage.source.view().await.expect_err("nobody may be asked").to_string();
    for alias in ["a", "b"] {
        let words = format!("{alias} has used up its requests of the day (requests_per_day)");
        assert!(error.contains(&words), "{error}");
    }
    assert!(stage.take_asked().is_empty());
    let alone = Stage::with_budgets(&[per_day(3)], Rules::default());
    let mut asked = 0;
    while alone.source.view().await.is_ok() {
        asked += 1;
    }
    assert_eq!(asked, 3, "one alone keeps its promise too");
}

#[tokio::test]
async fn who_is_asked_too_quickly_is_relieved() {
    let budget = Budget { requests_per_second: Some(5), ..Budget::default() };
    let stage = Stage::with_budgets(&[budget, Budget::default()], Rules::default());
    stage.begin().await;
    stage.clock.seconds(10);
    for _ in 0..50 {
        drop(stage.source.header(1).await);
    }
    assert_eq!(stage.begin().await, "b");
    assert_eq!(stage.standing(A).quarantine, None, "that is no fault");
}

#[tokio::test]
async fn looking_at_a_scarce_one_is_done_seldom() {
    let stage = Stage::with_budgets(&[Budget::default(), per_day(1_000)], Rules::default());
    for _ in 0..3_600 {
        assert_eq!(stage.begin_after(1).await, "a");
    }
    let looks = stage.take_asked().iter().filter(|(alias, _)| *alias == "b").count();
    assert!((2..=10).contains(&looks), "{looks} requests in an hour");
}
