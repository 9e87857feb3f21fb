//! Makes the list of events of a failing scenario short: takes out ever smaller parts while it still fails.

use crate::scenario::{Event, Scenario};

/// The shortest list found with which `fails` still says so; `fails` is asked at most `tries` times.
pub fn shrink(scenario: &Scenario, tries: usize, fails: impl Fn(&Scenario) -> bool) -> Scenario {
    let mut events = scenario.events.clone();
    let mut left = tries;
    let mut size = events.len().div_ceil(2).max(1);
    loop {
        let mut from = 0;
        let mut shorter = false;
        while from < events.len() && left > 0 {
            let to = (from + size).min(events.len());
            let without: Vec<Event> = [&events[..from], &events[to..]].concat();
            left -= 1;
            if fails(&scenario.with(without.clone())) {
                (events, shorter) = (without, true);
            } else {
                from = to;
            }
        }
        if left == 0 || (size == 1 && !shorter) {
            break;
        }
        if size > 1 {
            size = size.div_ceil(2);
        }
    }
    for at in 0..events.len() {
        for smaller in smaller(&events[at]) {
            let mut changed = events.clone();
            changed[at] = smaller;
            if left == 0 {
                break;
            }
            left -= 1;
            if fails(&scenario.with(changed.clone())) {
                events = changed;
            }
        }
    }
    scenario.with(events)
}

/// The same event, smaller.
fn smaller(event: &Event) -> Vec<Event> {
    use crate::scenario::Move;
    match *event {
        Event::Chain(Move::Mine { seed, blocks }) if blocks > 1 => [1, blocks / 4, blocks / 2, blocks - 1]
            .map(|blocks| Event::Chain(Move::Mine { seed, blocks }))
            .to_vec(),
        Event::Step { steps } if steps > 1 => {
            [1, steps / 2, steps - 1].map(|steps| Event::Step { steps }).to_vec()
        }
        Event::Meanwhile { moves, .. } => vec![Event::Chain(moves)],
        _ => Vec::new(),
    }
}
