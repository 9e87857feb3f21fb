//! Who is chosen, who lags, and whose word counts.

use std::time::Duration;

use alloy::primitives::B256;

use super::super::health::{Budget, Fault, Health, Rules, Trouble};
use super::{Vote, choose, count, lagging, least_bad, majority};
use crate::block::{BlockId, Header};
use crate::source::View;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn three() -> Vec<Health> {
    vec![Health::new(Budget::default()); 3]
}

fn hear(health: &mut Health, now: u64, number: u64, timestamp: u64) {
    let id = BlockId { number, hash: B256::with_last_byte(number as u8) };
    health.heard(at(now), View { head: Header { id, parent: B256::ZERO, timestamp }, finalized: id });
}

fn chosen(all: &[Health], fit: &[usize], pinned: usize, now: u64) -> Option<usize> {
    choose(all, fit, pinned, at(now), &Rules::default())
}

fn fail(health: &mut Health, now: u64) {
    assert!(!health.failed(at(now), Fault::Error), "a single failure");
}

#[test]
fn the_pinned_one_stays_while_it_does_well() {
    let mut all = three();
    assert_eq!(chosen(&all, &[0, 1, 2], 0, 0), Some(0));
    fail(&mut all[0], 0);
    assert_eq!(chosen(&all, &[0, 1, 2], 0, 0), Some(1), "one failure, and another is asked");
    assert_eq!(chosen(&all, &[0], 0, 0), Some(0));
    assert_eq!(chosen(&all, &[], 0, 0), None);
    (0..3).for_each(|n| all[n].score = 0.7 + 0.1 * n as f64);
    assert_eq!(chosen(&all, &[0, 1, 2], 0, 0), Some(0), "small differences are none");
    assert_eq!(chosen(&all, &[1, 2], 0, 0), Some(2), "without it the best is taken");
}

#[test]
fn an_earlier_one_is_returned_to_when_it_was_well_for_a_minute() {
    let mut all = three();
    fail(&mut all[0], 100);
    (0..20).for_each(|_| all[0].went_well());
    assert_eq!(chosen(&all, &[0, 1, 2], 1, 159), Some(1));
    assert_eq!(chosen(&all, &[0, 1, 2], 1, 160), Some(0));
    assert_eq!(chosen(&all, &[1, 2], 1, 160), Some(1), "only if it answers");
}

#[test]
fn who_can_prove_is_preferred() {
    let mut all = three();
    all[0].proves = Some(false);
    assert_eq!(chosen(&all, &[0, 1, 2], 0, 0), Some(1));
    assert_eq!(chosen(&all, &[0, 1, 2], 1, 1_000), Some(1), "and not left for an earlier one that cannot");
    assert_eq!(chosen(&all, &[0], 0, 0), Some(0));
    (1..3).for_each(|n| all[n].proves = Some(false));
    assert_eq!(chosen(&all, &[0, 1, 2], 0, 0), Some(0), "where nobody can, the order decides");
}

#[test]
fn of_the_bad_the_least_bad_is_taken_and_never_one_of_another_chain() {
    let mut all = three();
    all[0].put_aside(at(0), Trouble::Blamed, String::new());
    all[1].put_aside(at(0), Trouble::WrongChain, String::new());
    all[2].put_aside(at(0), Trouble::Errors, String::new());
    assert_eq!(least_bad(&all, &[0, 1, 2], at(1)), Some(2));
    assert_eq!(least_bad(&all, &[0, 1], at(1)), Some(0));
    assert_eq!(least_bad(&all, &[1], at(1)), None);
}

#[test]
fn a_head_far_behind_lags_at_once() {
    let rules = Rules::default();
    for (blocks, seconds, lags) in [(5, 1_000, false), (6, 15, false), (6, 16, true), (1_000, 3, false)] {
        let mut all = three();
        hear(&mut all[1], 0, 10_000, 100_000);
        hear(&mut all[0], 0, 10_000 - blocks, 100_000 - seconds);
        let found = lagging(&mut all, at(0), &rules);
        assert_eq!(found.iter().map(|(i, _)| *i).collect::<Vec<_>>(), if lags { vec![0] } else { vec![] });
    }
}

#[test]
fn a_head_a_little_behind_lags_when_it_does_not_move() {
    let (rules, mut all) = (Rules::default(), three());
    let mut found = Vec::new();
    for now in 0..17 {
        hear(&mut all[1], now, 100, 1_000);
        hear(&mut all[0], now, 99, 988);
        found = lagging(&mut all, at(now), &rules);
        assert!(now > 15 || found.is_empty(), "{now}: {found:?}");
    }
    assert_eq!(found[0].1, "it does not have block 100, which others had 16 s ago");
    let mut all = three();
    for now in 0..100 {
        // Always one behind, and always there a second later.
        hear(&mut all[1], now, 100 + now, 1_000 + now);
        hear(&mut all[0], now, 99 + now, 999 + now);
        assert!(lagging(&mut all, at(now), &rules).is_empty());
    }
}

#[test]
fn an_old_look_is_not_held_against_a_provider() {
    let (rules, mut all) = (Rules::default(), three());
    hear(&mut all[0], 10, 100, 1_000);
    hear(&mut all[1], 500, 200, 9_000);
    assert!(lagging(&mut all, at(500), &rules).is_empty(), "it was not asked since");
    hear(&mut all[0], 501, 100, 1_000);
    assert_eq!(lagging(&mut all, at(501), &rules).len(), 1);
}

#[test]
fn who_is_distrusted_makes_nobody_lag() {
    let (rules, mut all) = (Rules::default(), three());
    hear(&mut all[1], 0, 1_000_000, 1_000_000);
    all[1].put_aside(at(0), Trouble::Forked, String::new());
    hear(&mut all[0], 1, 100, 1_000);
    assert!(lagging(&mut all, at(1), &rules).is_empty());
}

#[test]
fn votes_are_counted() {
    let [a, b, c] = [1, 2, 3].map(B256::with_last_byte);
    assert_eq!(count(&[]), Vote::Agreed);
    assert_eq!(count(&[(0, a)]), Vote::Agreed);
    assert_eq!(count(&[(0, a), (1, a), (2, a)]), Vote::Agreed);
    assert_eq!(count(&[(0, a), (1, b)]), Vote::Tied);
    assert_eq!(count(&[(0, a), (1, b), (2, b)]), Vote::Outvoted(vec![0]));
    assert_eq!(count(&[(0, a), (1, a), (2, b), (3, c)]), Vote::Outvoted(vec![2, 3]));
    assert_eq!(count(&[(0, a), (1, b), (2, c)]), Vote::Tied);
    assert_eq!(count(&[(0, a), (1, a), (2, b), (3, b), (4, c)]), Vote::Tied);
    assert_eq!(majority(&[1, 2, 2]), Some(2));
    assert_eq!(majority(&[1, 2]), Some(1), "the first of equals");
    assert_eq!(majority::<u64>(&[]), None);
}
