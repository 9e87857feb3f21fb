//! How a worker waits: not past the word to stop, not so long in silence that it is taken for dead, and for the sweep as long as
//! its requests have to be paid for.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// How long a step under way may take to end in order once the process is asked to stop; then it is given up, which
/// the next start cannot tell from a crash.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// Waits; true when asked to stop meanwhile.
pub(super) async fn pausing(stop: &CancellationToken, pause: Duration) -> bool {
    tokio::time::timeout(pause, stop.cancelled()).await.is_ok()
}

/// The outcome, or nothing when it did not come within [`GRACE`] after the word to stop. Safe at any instant: a store
/// drops the connection of work that is given up.
pub(super) async fn unless_given_up<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    let given_up = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        done = work => Some(done),
        () = given_up => None,
    }
}

/// What a piece of work comes to; while it lasts, a sign of life is given every so often.
pub(super) async fn with_signs_of_life<T>(
    every: Duration,
    sign: impl Fn(),
    piece: impl Future<Output = T>,
) -> T {
    let mut piece = Box::pin(piece);
    loop {
        tokio::select! {
            done = &mut piece => return done,
            () = tokio::time::sleep(every) => sign(),
        }
    }
}

/// Waits until there may be something to do: a new head, the sweep's turn, or the word to stop.
pub(super) async fn for_a_turn(
    stop: &CancellationToken,
    head: impl Future<Output = ()>,
    sweep_due: Option<Instant>,
) {
    let due = async {
        match sweep_due {
            Some(due) => tokio::time::sleep_until(due.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = head => {}
        () = due => {}
    }
}

/// How fast the sweep behind the checkpoint may ask. Kept over the turns of the loop: a turn ends with every look at the
/// head, which comes long before the requests of one step of the sweep are paid for.
#[derive(Debug)]
pub(super) struct SweepPace {
    /// Most requests a second; zero for as many as the node answers.
    per_second: u64,
    /// When all requests so far are paid for.
    due: Option<Instant>,
}

impl SweepPace {
    /// A sweep that has not asked yet.
    pub(super) fn new(per_second: u64) -> Self {
        Self { per_second, due: None }
    }

    /// When the sweep may go on, if it may not yet.
    pub(super) fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.due.filter(|due| *due > now)
    }

    /// A step of the sweep that began then took so many requests.
    pub(super) fn spent(&mut self, began: Instant, requests: u64) {
        if self.per_second == 0 {
            return;
        }
        let cost = Duration::from_secs_f64(requests as f64 / self.per_second as f64);
        // A step that could not wait, to tell a double from a log in another's place, is paid for as well.
        self.due = Some(self.due.map_or(began, |due| due.max(began)) + cost);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_sweep_rests_until_its_requests_are_paid_for_whatever_turns_there_are() {
        let began = Instant::now();
        let after = |millis| began + Duration::from_millis(millis);
        let mut pace = SweepPace::new(50);
        assert_eq!(pace.rests_until(began), None, "nothing was asked yet");
        pace.spent(began, 512);
        for millis in [0, 1_000, 10_239] {
            assert_eq!(pace.rests_until(after(millis)), Some(after(10_240)), "after {millis} ms");
        }
        assert_eq!(pace.rests_until(after(10_240)), None);
        pace.spent(after(11_000), 50);
        assert_eq!(pace.rests_until(after(11_500)), Some(after(12_000)), "counted from its beginning");
        pace.spent(after(11_500), 100);
        assert_eq!(
            pace.rests_until(after(12_500)),
            Some(after(14_000)),
            "what was not paid for yet is added"
        );
    }

    #[test]
    fn a_sweep_without_a_bound_never_rests() {
        let mut pace = SweepPace::new(0);
        pace.spent(Instant::now(), 1_000_000);
        assert_eq!(pace.rests_until(Instant::now()), None);
    }

    #[tokio::test]
    async fn a_long_wait_for_a_head_gives_signs_of_life() {
        let (stop, signs) = (CancellationToken::new(), Cell::new(0));
        let head = tokio::time::sleep(Duration::from_millis(300));
        let waiting = for_a_turn(&stop, head, None);
        with_signs_of_life(Duration::from_millis(20), || signs.set(signs.get() + 1), waiting).await;
        assert!(signs.get() >= 3, "{}", signs.get());
    }

    #[tokio::test]
    async fn a_turn_comes_with_the_head_the_sweep_or_the_word_to_stop() {
        let limit = Duration::from_secs(30);
        let (stop, now) = (CancellationToken::new(), Instant::now());
        let turn = async |head: bool, due| {
            let head = async {
                if !head {
                    std::future::pending::<()>().await;
                }
            };
            tokio::time::timeout(limit, for_a_turn(&stop, head, due)).await.expect("a turn comes");
        };
        turn(true, Some(now + 2 * limit)).await;
        turn(false, Some(now)).await;
        stop.cancel();
        turn(false, None).await;
    }
}
