//! Scores, strikes, quarantines and budgets, with the time told.

use std::time::Duration;

use alloy::primitives::B256;

use super::{Budget, Fault, Health, Rules, Trouble};
use crate::block::{BlockId, Header};
use crate::source::View;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn view(number: u64) -> View {
    let id = BlockId { number, hash: B256::with_last_byte(number as u8) };
    View { head: Header { id, parent: B256::ZERO, timestamp: number }, finalized: id }
}

fn health() -> Health {
    Health::new(Budget::default())
}

#[test]
fn a_failure_costs_half_and_answers_win_it_back() {
    let mut health = health();
    assert!(!health.failed(at(0), Fault::Error));
    assert!((health.score - 0.5).abs() < 1e-9);
    (0..10).for_each(|_| health.went_well());
    assert!(health.score > 0.8 && health.score < 1.0, "{}", health.score);
    let rules = Rules::default();
    assert!(!health.is_calm(at(59), &rules) && health.is_calm(at(60), &rules));
}

#[test]
fn who_was_left_again_and_again_is_returned_to_ever_later() {
    let (mut health, mut now, rules) = (health(), at(0), Rules::default());
    for minutes in [1, 2, 4, 8, 16, 32, 64, 64] {
        assert!(!health.failed(now, Fault::Error));
        health.was_left(now, &rules);
        let calm = now + at(60 * minutes);
        assert!(!health.is_calm(calm - at(1), &rules) && health.is_calm(calm, &rules), "{minutes}");
        now = calm;
    }
    now += at(4 * 3_600);
    assert!(!health.failed(now, Fault::Error));
    health.was_left(now, &rules);
    assert!(health.is_calm(now + at(60), &rules));
}

#[test]
fn three_failures_within_seconds_are_too_many_and_three_in_minutes_are_not() {
    let mut quick = health();
    assert_eq!([0, 1, 2].map(|second| quick.failed(at(second), Fault::Error)), [false, false, true]);
    let mut slow = health();
    assert!((0..50).all(|n| !slow.failed(at(60 * n), Fault::Error)));
    let mut contradicting = health();
    assert_eq!([0, 1].map(|second| contradicting.failed(at(second), Fault::Contradiction)), [false, true]);
    let mut reorganizing = health();
    assert!((0..5).all(|n| !reorganizing.failed(at(n), Fault::Gone)));
    assert!(reorganizing.failed(at(6), Fault::Gone) || reorganizing.failed(at(7), Fault::Gone));
}

#[test]
fn quarantine_doubles_is_capped_and_is_forgotten_after_a_while() {
    for (trouble, first, longest, forgotten) in [
        (Trouble::Errors, 5, 120, 601),
        (Trouble::Lagging, 10, 120, 601),
        (Trouble::Pruned, 60, 1_800, 3_601),
        (Trouble::Forked, 300, 14_400, 86_401),
        (Trouble::Blamed, 300, 14_400, 86_401),
        (Trouble::WrongChain, 300, 14_400, 86_401),
    ] {
        let (mut health, mut now, mut expected) = (health(), at(1_000_000), first);
        for _ in 0..12 {
            let length = health.put_aside(now, trouble, String::new());
            assert_eq!(length, at(expected), "{trouble:?}");
            assert!(health.quarantine(now + length - Duration::from_millis(1)).is_some());
            assert!(health.quarantine(now + length).is_none());
            now += length;
            expected = (2 * expected).min(longest);
        }
        assert_eq!(health.put_aside(now + at(forgotten), trouble, String::new()), at(first), "{trouble:?}");
    }
}

#[test]
fn integrity_is_graver_than_errors_and_is_not_cut_short_by_them() {
    let mut health = health();
    health.put_aside(at(0), Trouble::Blamed, "wrong logs".to_owned());
    health.put_aside(at(1), Trouble::Errors, "down".to_owned());
    let quarantine = health.quarantine(at(299)).expect("it still lasts");
    assert_eq!((quarantine.trouble, quarantine.reason.as_str()), (Trouble::Blamed, "wrong logs"));
    health.pardon();
    assert!(health.quarantine(at(299)).is_some(), "an answer is no pardon for a lie");
    assert!(health.is_distrusted(at(299)) && health.is_distrusted(at(300)), "until it was looked at again");
    health.heard(at(300), view(1));
    assert!(!health.is_distrusted(at(300)));
    let mut down = self::health();
    down.put_aside(at(0), Trouble::Errors, String::new());
    assert!(!down.is_distrusted(at(1)));
    down.pardon();
    assert!(down.quarantine(at(1)).is_none() && down.confined(at(1)).is_none());
}

#[test]
fn after_quarantine_the_next_fault_is_one_too_many_until_it_answers() {
    let mut health = health();
    health.put_aside(at(0), Trouble::Errors, String::new());
    assert!(health.quarantine(at(6)).is_none() && health.confined(at(6)).is_some(), "shown until it answers");
    assert!(health.failed(at(6), Fault::Error), "on trial");
    health.put_aside(at(6), Trouble::Errors, String::new());
    health.heard(at(20), view(1));
    assert!(health.confined(at(20)).is_none());
    assert!(!health.failed(at(21), Fault::Error));
}

#[test]
fn a_fault_makes_it_say_again_who_it_is() {
    let mut health = health();
    health.identity = Some((1, None, at(0)));
    assert!(!health.failed(at(1), Fault::Gone));
    assert!(health.identity.is_some(), "a block that is gone is no reconnection");
    assert!(!health.failed(at(1), Fault::Error));
    assert!(health.identity.is_none());
}

#[test]
fn budgets_count_what_was_sent() {
    let budget = Budget { requests_per_second: Some(10), requests_per_day: Some(100) };
    let mut health = Health::new(budget);
    health.spent(at(0), 10);
    assert!(!health.is_busy(at(0)) && !health.is_used_up(at(0)));
    health.spent(at(0), 30);
    assert!(health.is_busy(at(0)) && health.is_busy(at(1)) && !health.is_busy(at(2)));
    health.spent(at(2), 30);
    assert!(!health.is_busy(at(3)), "the same count is no new request");
    health.spent(at(3), 100);
    assert!(
        health.is_used_up(at(3)) && health.is_used_up(at(23 * 3_600)) && !health.is_used_up(at(26 * 3_600))
    );
}

#[test]
fn looks_take_a_tenth_of_a_scarce_budget_at_most() {
    let rules = Rules::default();
    assert_eq!(health().look_every(&rules), rules.look_every);
    let scarce = |limit| Health::new(Budget { requests_per_day: Some(limit), ..Budget::default() });
    for limit in [10, 1_000, 50_000, 10_000_000] {
        let every = scarce(limit).look_every(&rules);
        assert!(every >= rules.look_every);
        let looks = 86_400.0 / every.as_secs_f64();
        assert!(looks * 3.0 <= (limit as f64 / 10.0).max(3.0) + 1.0, "{limit} a day: {looks} looks");
    }
    assert_eq!(
        scarce(10).look_every(&Rules { quorum: 2, ..rules }),
        Duration::ZERO,
        "a quorum is asked each time"
    );
}
