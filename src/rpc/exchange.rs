//! One question to a node and what came back, whatever carried it.

use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use super::classify::{self, Reply, RpcFault};
use super::http::HttpLink;
use super::secret_url::SecretUrl;
use super::websocket::WsLink;

/// How much of a foreign text is looked at, in bytes; wordings stand at its beginning.
const TEXT_READ_MAX: usize = 4096;
/// How much of a foreign text is shown, in characters.
const TEXT_SHOWN_MAX: usize = 300;

/// A JSON-RPC request without its id.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// Method.
    pub method: &'static str,
    /// Parameters, an array.
    pub params: Value,
}

/// What a node answered to one call.
pub(super) type Answer = Result<Box<RawValue>, Fault>;

/// A classified failure; its text has no secrets.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// What it means.
    pub kind: RpcFault,
    /// What was said, redacted and cut.
    pub text: String,
    /// JSON-RPC code, where the node answered with an error object.
    pub code: Option<i64>,
    /// For `eth_call`: the text says that the contract failed, not the node.
    pub reverted: bool,
    /// The answer began but is unusable (cut off, not JSON): it may have been too large.
    pub broken: bool,
    /// HTTP status that is not 200.
    pub status: Option<u16>,
    /// A rate limit of which only the code tells: it may be a range that is too large.
    pub rate_by_code: bool,
    /// The other side said nothing (more) until our own limit of time was over.
    pub unanswered: bool,
}

impl Fault {
    /// Whether the node knows the method and refuses its parameters, and says no more.
    pub fn is_of_params(&self) -> bool {
        const INVALID_PARAMS: i64 = -32602;
        self.kind == RpcFault::Unknown && self.code == Some(INVALID_PARAMS)
    }

    /// A failure that we name ourselves.
    pub fn new(kind: RpcFault, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            code: None,
            reverted: false,
            broken: false,
            status: None,
            rate_by_code: false,
            unanswered: false,
        }
    }

    /// The end of our own limit of time.
    pub fn unanswered(text: impl Into<String>) -> Self {
        Self { unanswered: true, ..Self::new(RpcFault::Timeout, text) }
    }

    /// The same, for an answer that began and cannot be used.
    pub fn broken(text: impl Into<String>) -> Self {
        Self { broken: true, ..Self::new(RpcFault::Transport, text) }
    }

    /// A failure that the other side put in words.
    pub fn said(reply: Reply<'_>, url: &SecretUrl) -> Self {
        let message = beginning(reply.message, TEXT_READ_MAX);
        let reply = Reply { message, data: reply.data.map(|data| beginning(data, TEXT_READ_MAX)), ..reply };
        Self {
            kind: classify::classify(reply),
            text: shown(&reply, url),
            code: reply.code,
            reverted: classify::is_revert(reply.code, message),
            broken: false,
            status: reply.status,
            rate_by_code: classify::is_rate_by_code(reply),
            unanswered: false,
        }
    }

    /// Whether the same question may be answered a moment later.
    pub fn is_passing(&self) -> bool {
        let passing = matches!(
            self.kind,
            RpcFault::Rate { .. } | RpcFault::Timeout | RpcFault::Transport | RpcFault::Unknown
        );
        passing && !self.reverted
    }

    /// How long the node asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            RpcFault::Rate { retry_after } => retry_after,
            _ => None,
        }
    }
}

/// The first `most` bytes, cut at a character.
fn beginning(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// The beginning of a foreign text on one line: without this URL's secrets, and without what moves the cursor, turns the
/// direction of writing or breaks a line.
pub(super) fn tellable(text: &str, url: &SecretUrl) -> String {
    let clean = url.redact(beginning(text, TEXT_READ_MAX));
    clean.chars().map(|letter| if is_harmless(letter) { letter } else { ' ' }).take(TEXT_SHOWN_MAX).collect()
}

fn is_harmless(letter: char) -> bool {
    let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !letter.is_control() && !turns && !matches!(letter, '\u{2028}' | '\u{2029}')
}

fn shown(reply: &Reply<'_>, url: &SecretUrl) -> String {
    let mut text = tellable(reply.message, url);
    if text.trim().is_empty() {
        text = "no text".to_owned();
    }
    if let Some(code) = reply.code {
        text.push_str(&format!(" (code {code})"));
    }
    if let Some(status) = reply.status {
        text.push_str(&format!(" (HTTP {status})"));
    }
    text
}

/// The way to the node.
pub(super) enum Link {
    /// Requests over HTTP.
    Http(HttpLink),
    /// Requests and subscriptions over one WebSocket.
    Ws(WsLink),
}

impl Link {
    /// Asks one question.
    pub async fn single(&self, call: &Call) -> Answer {
        match self {
            Self::Http(link) => link.single(call).await,
            Self::Ws(link) => link.single(call).await,
        }
    }

    /// Asks several questions together; answers stand in the order of the questions. The outer error
    /// concerns all.
    pub async fn batch(&self, calls: &[Call]) -> Result<Vec<Answer>, Fault> {
        match self {
            Self::Http(link) => link.batch(calls).await,
            Self::Ws(link) => Ok(link.batch(calls).await),
        }
    }
}
