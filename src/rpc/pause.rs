//! A pause that a provider asked for, and a pace that we keep; every request respects both.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::pace::Bucket;
use crate::retry::ASKED_LONGEST;

/// The pace that we keep.
pub(super) struct Pace {
    began: Instant,
    bucket: Mutex<Bucket>,
}

impl Pace {
    /// At most so many a second, in the long run.
    pub fn new(per_second: u64) -> Self {
        Self { began: Instant::now(), bucket: Mutex::new(Bucket::new(per_second)) }
    }

    /// Returns when so many requests more may be sent.
    pub async fn admit(&self, count: usize) {
        let wait = {
            let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.take(self.began.elapsed(), count as u64)
        };
        sleep(wait).await;
    }
}

/// The pause that was asked for.
#[derive(Default)]
pub(super) struct Pause {
    until: Mutex<Option<Instant>>,
}

impl Pause {
    /// Nothing is asked before `wait` is over.
    pub fn at_least(&self, wait: Option<Duration>) {
        let Some(wait) = wait else { return };
        let end = Instant::now() + wait.min(ASKED_LONGEST);
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Some(end));
    }

    /// How long it goes on; zero when no pause is running.
    pub fn left(&self) -> Duration {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Returns when no pause is running.
    pub async fn over(&self) {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = until {
            sleep_until(until).await;
        }
    }
}
