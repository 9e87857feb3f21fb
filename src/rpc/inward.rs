//! Calls at which a node fails inwardly, again and again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use alloy::primitives::{Address, Bytes};

use crate::source::CallRequest;

/// How long a call must have failed, at every try, to be the contract's doing: a node that is restarted or overloaded fails
/// at some calls and not at others, too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A failure so long after another one has nothing to do with it.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// The calls that fail.
#[derive(Debug)]
pub(super) struct Inward {
    failing: Mutex<HashMap<(Address, Bytes), Span>>,
    patience: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    first: Instant,
    last: Instant,
}

impl Inward {
    /// None fails.
    pub fn new() -> Self {
        Self { failing: Mutex::default(), patience: PATIENCE }
    }

    /// How long to be patient; a minute otherwise.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The call has failed; whether it has for so long that it is given up.
    pub fn failed(&self, request: &CallRequest) -> bool {
        let now = Instant::now();
        self.with(|failing| {
            failing.retain(|_, span| now - span.last < FORGOTTEN);
            let span = failing
                .entry((request.target, request.input.clone()))
                .or_insert(Span { first: now, last: now });
            span.last = now;
            now - span.first >= self.patience
        })
    }

    /// The call was answered.
    pub fn answered(&self, request: &CallRequest) {
        self.with(|failing| {
            if !failing.is_empty() {
                failing.remove(&(request.target, request.input.clone()));
            }
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<(Address, Bytes), Span>) -> T) -> T {
        // Whoever panicked with it had read or replaced whole values.
        change(&mut self.failing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
