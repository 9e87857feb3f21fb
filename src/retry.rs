//! The one place that computes how long to wait before something is tried again.
//!
//! Exponential growth comes from the `backoff` crate (arithmetic only: it never sleeps and never gives up
//! here); full jitter and the end of the tries are ours. Knows no RPC and no SQL; the caller sleeps.

use std::time::{Duration, Instant};

use backoff::SystemClock;
use backoff::backoff::Backoff as _;
use backoff::exponential::ExponentialBackoff;

/// The longest wait that a server may ask for (`Retry-After`); a longer wish is cut to this.
pub const ASKED_LONGEST: Duration = Duration::from_secs(120);

/// How fast delays grow and when to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Upper bound of the first delay.
    pub first: Duration,
    /// Upper bound that delays grow to.
    pub longest: Duration,
    /// When to give up.
    pub limit: Limit,
}

/// The end of the tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// So many tries in all, the first one included.
    Attempts(u32),
    /// The same where another can be asked instead: no wait that the other side asks for is kept when it is longer than
    /// [`Policy::longest`].
    AttemptsBesideOthers(u32),
    /// No try begins later than this after the first.
    Deadline(Duration),
    /// Never: for the loop of a supervisor.
    Never,
}

impl Policy {
    /// For one request to a node: five tries within a few seconds.
    pub const REQUEST: Self = Self {
        first: Duration::from_millis(200),
        longest: Duration::from_secs(5),
        limit: Limit::Attempts(5),
    };

    /// The same where another node can be asked instead: two tries within a second, or one where the node asks for more time.
    pub const REQUEST_BESIDE_OTHERS: Self = Self {
        first: Duration::from_millis(200),
        longest: Duration::from_secs(1),
        limit: Limit::AttemptsBesideOthers(2),
    };

    /// For a worker's loop: for ever, up to half a minute apart.
    pub const SUPERVISOR: Self =
        Self { first: Duration::from_millis(250), longest: Duration::from_secs(30), limit: Limit::Never };

    /// Whether another is asked instead of waiting as long as the other side asks for.
    pub fn is_too_long(&self, asked: Duration) -> bool {
        matches!(self.limit, Limit::AttemptsBesideOthers(_)) && asked > self.longest
    }
}

/// The delays of one series of tries.
///
/// Each delay is drawn evenly between zero and a bound that doubles (full jitter), so that many clients
/// that failed together don't come back together.
#[derive(Debug)]
pub struct Delays {
    bounds: ExponentialBackoff<SystemClock>,
    policy: Policy,
    tries: u32,
    began: Instant,
}

impl Delays {
    /// A series whose first try begins now.
    pub fn new(policy: Policy) -> Self {
        let bounds = ExponentialBackoff {
            current_interval: policy.first,
            initial_interval: policy.first,
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_interval: policy.longest,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self { bounds, policy, tries: 1, began: Instant::now() }
    }

    /// The wait before the next try, or `None` when the caller should give up.
    ///
    /// `asked` is the wait that the other side asked for (`Retry-After`); the delay is never shorter than
    /// that, up to [`ASKED_LONGEST`]; where another can be asked, a longer wish ends the tries at once.
    pub fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let bound = self.bounds.next_backoff()?;
        let asked = asked.unwrap_or_default();
        let jittered = bound.mul_f64(rand::random::<f64>());
        let delay = jittered.max(asked.min(ASKED_LONGEST));
        match self.policy.limit {
            Limit::Attempts(most) | Limit::AttemptsBesideOthers(most) if self.tries >= most => return None,
            Limit::AttemptsBesideOthers(_) if self.policy.is_too_long(asked) => return None,
            Limit::Deadline(most) if self.began.elapsed() + delay > most => return None,
            _ => {}
        }
        self.tries = self.tries.saturating_add(1);
        Some(delay)
    }

    /// How many tries have begun.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Starts over after a success: the next delay is short again and the tries count from one.
    pub fn reset(&mut self) {
        self.bounds.reset();
        self.tries = 1;
        self.began = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(limit: Limit) -> Policy {
        Policy { first: Duration::from_millis(100), longest: Duration::from_millis(800), limit }
    }

    #[test]
    fn delays_stay_under_a_doubling_bound_and_use_all_of_it() {
        let mut highest = [Duration::ZERO; 6];
        for _ in 0..400 {
            let mut delays = Delays::new(policy(Limit::Never));
            for (step, high) in highest.iter_mut().enumerate() {
                let bound = Duration::from_millis(100 << step.min(3));
                let delay = delays.next(None).expect("a series without limit goes on");
                assert!(delay <= bound, "delay {delay:?} of step {step} is above {bound:?}");
                *high = (*high).max(delay);
            }
        }
        assert!(highest[0] > Duration::from_millis(80), "jitter must reach up to the bound: {highest:?}");
        assert!(highest[3] > Duration::from_millis(640), "the bound must grow: {highest:?}");
    }

    #[test]
    fn attempts_count_the_first_try() {
        let mut delays = Delays::new(policy(Limit::Attempts(3)));
        assert!(delays.next(None).is_some());
        assert!(delays.next(None).is_some());
        assert_eq!(delays.next(None), None);
        assert_eq!(delays.tries(), 3);
        delays.reset();
        assert!(delays.next(None).is_some(), "a reset series starts over");
    }

    #[test]
    fn a_wish_of_the_server_is_kept_but_bounded() {
        let mut delays = Delays::new(policy(Limit::Never));
        let asked = Duration::from_secs(7);
        assert_eq!(delays.next(Some(asked)), Some(asked));
        assert_eq!(delays.next(Some(Duration::from_secs(86_400))), Some(ASKED_LONGEST));
    }

    #[test]
    fn beside_others_only_a_short_wish_is_kept() {
        let policy = policy(Limit::AttemptsBesideOthers(9));
        let mut delays = Delays::new(policy);
        assert_eq!(delays.next(Some(policy.longest)), Some(policy.longest));
        assert_eq!(delays.next(Some(policy.longest + Duration::from_millis(1))), None);
        let mut delays = Delays::new(Policy { limit: Limit::AttemptsBesideOthers(2), ..policy });
        assert!(delays.next(None).is_some());
        assert_eq!(delays.next(None), None, "attempts count all the same");
    }

    #[test]
    fn a_deadline_ends_the_series() {
        let most = Duration::from_millis(300);
        let mut delays = Delays::new(policy(Limit::Deadline(most)));
        assert_eq!(
            delays.next(Some(Duration::from_secs(2))),
            None,
            "the wait itself would pass the deadline"
        );
        assert!(Delays::new(policy(Limit::Deadline(most))).next(None).is_some());
        std::thread::sleep(most);
        assert_eq!(delays.next(None), None);
    }
}
