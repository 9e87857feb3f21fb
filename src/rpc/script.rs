//! A node without a network: the door through which tests and fuzzing feed the parser of answers.
//!
//! Everything above the socket is the real thing: batches, ids, classification, retries, splitting, checks. Not for
//! use by the product; the crate is not published.

use std::sync::Arc;
use std::time::Duration;

/// Answers the body of a request.
pub type Script = Arc<dyn Fn(&[u8]) -> ScriptedAnswer + Send + Sync>;

/// What an HTTP server would have answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptedAnswer {
    /// HTTP status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The whole body.
    pub body: Vec<u8>,
}
