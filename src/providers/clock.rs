//! Time as the providers see it, so that a simulation can drive it.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// A clock that only goes forward.
pub trait Clock: Send + Sync + 'static {
    /// Time since some fixed instant.
    fn now(&self) -> Duration;

    /// Returns when so much time has passed.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;
}

/// The runtime's clock, counted from when it was made.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeClock(Instant);

impl Default for RuntimeClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }
}
