//! What is told of a provider: to people, to `/status` and to metrics.

use serde::Serialize;

use super::health::Trouble;
use super::probe::Capabilities;

/// How a provider stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// Its name.
    pub alias: String,
    /// Whether it is the one that is asked now.
    pub pinned: bool,
    /// From 0 (nothing works) to 1, in hundredths.
    pub score: f64,
    /// Why it is left alone, if it is.
    pub quarantine: Option<Confined>,
    /// Its newest block, when it was last looked at.
    pub head: Option<u64>,
    /// Its newest final block.
    pub finalized: Option<u64>,
    /// Whether its day's requests are used up.
    pub budget_used_up: bool,
    /// What it can prove, once it was probed.
    pub capabilities: Option<Capabilities>,
}

/// A quarantine, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confined {
    /// Its kind.
    pub trouble: Trouble,
    /// In words.
    pub reason: String,
    /// How long it lasts.
    pub seconds_left: u64,
}
