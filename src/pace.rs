//! How many requests may go to a provider in a second and in a day. Pure: told the time, waits for nothing.

use std::time::Duration;

/// Hours that are counted apart; one more than a day has, so that the present one may be young.
const HOURS: usize = 25;

/// Requests that become free evenly, up to one second's worth at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    per_second: f64,
    /// Below zero: what was taken before it was free.
    tokens: f64,
    at: Duration,
}

impl Bucket {
    /// A full bucket; `per_second` of zero counts as one.
    pub fn new(per_second: u64) -> Self {
        let per_second = per_second.max(1) as f64;
        Self { per_second, tokens: per_second, at: Duration::ZERO }
    }

    /// Takes so many, whether they are free or not; gives the wait until they are.
    pub fn take(&mut self, now: Duration, count: u64) -> Duration {
        self.refill(now);
        self.tokens -= count as f64;
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(-self.tokens / self.per_second).unwrap_or(Duration::MAX)
    }

    /// Whether nothing was taken that is not free yet.
    pub fn is_open(&mut self, now: Duration) -> bool {
        self.refill(now);
        self.tokens >= 0.0
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.per_second).min(self.per_second);
        self.at = self.at.max(now);
    }
}

/// Requests of the last 24 hours, counted by the hour: never more than the limit in any 24 hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    limit: u64,
    hours: [u64; HOURS],
    hour: u64,
}

impl Day {
    /// Nothing is spent.
    pub fn new(limit: u64) -> Self {
        Self { limit, hours: [0; HOURS], hour: 0 }
    }

    /// So many requests were sent.
    pub fn spend(&mut self, now: Duration, count: u64) {
        self.turn(now);
        let hour = &mut self.hours[(self.hour % HOURS as u64) as usize];
        *hour = hour.saturating_add(count);
    }

    /// How many were sent in the last 24 hours, or up to an hour more.
    pub fn used(&mut self, now: Duration) -> u64 {
        self.turn(now);
        self.hours.iter().fold(0, |sum, hour| sum.saturating_add(*hour))
    }

    /// Whether one more may be sent.
    pub fn is_open(&mut self, now: Duration) -> bool {
        self.used(now) < self.limit
    }

    /// Forgets hours that are over for a day.
    fn turn(&mut self, now: Duration) {
        let hour = now.as_secs() / 3600;
        for passed in self.hour + 1..=hour.min(self.hour + HOURS as u64) {
            self.hours[(passed % HOURS as u64) as usize] = 0;
        }
        self.hour = self.hour.max(hour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_bucket_lets_through_its_rate_and_no_more() {
        let mut bucket = Bucket::new(10);
        assert_eq!(bucket.take(seconds(0), 10), Duration::ZERO, "one second's worth at once");
        assert_eq!(bucket.take(seconds(0), 5), Duration::from_millis(500));
        assert!(!bucket.is_open(Duration::from_millis(400)));
        assert!(bucket.is_open(Duration::from_millis(500)));
        assert!(bucket.is_open(seconds(3_600)));
        assert_eq!(bucket.take(seconds(3_600), 11), Duration::from_millis(100), "it does not save up");
    }

    #[test]
    fn a_bucket_spreads_what_it_is_asked_for() {
        let (mut bucket, mut now) = (Bucket::new(7), Duration::ZERO);
        for _ in 0..70 {
            now += bucket.take(now, 1);
        }
        assert_eq!(now.as_millis(), 9_000, "70 requests at 7 a second, the first second's at once");
    }

    #[test]
    fn a_day_is_any_24_hours() {
        let mut day = Day::new(100);
        day.spend(seconds(1_800), 60);
        day.spend(seconds(23 * 3_600), 40);
        assert!(!day.is_open(seconds(23 * 3_600)));
        assert!(!day.is_open(seconds(24 * 3_600)), "the first 60 are younger than a day and a half hour");
        assert_eq!(day.used(seconds(25 * 3_600)), 40);
        assert!(day.is_open(seconds(25 * 3_600)));
        assert_eq!(day.used(seconds(1_000 * 3_600)), 0);
        day.spend(seconds(1_000 * 3_600), 100);
        assert!(!day.is_open(seconds(1_000 * 3_600)));
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_frees_nothing() {
        let (mut bucket, mut day) = (Bucket::new(1), Day::new(1));
        bucket.take(seconds(100), 5);
        day.spend(seconds(100 * 3_600), 1);
        assert!(!bucket.is_open(seconds(50)));
        assert!(!day.is_open(seconds(50)));
    }
}
