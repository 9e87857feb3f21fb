//! What can go wrong between the tests and the node.

use std::fmt;
use std::io;
use std::path::PathBuf;

use alloy::primitives::Address;
use alloy::transports::{RpcError, TransportErrorKind};

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What failed, where, and what to do about it.
#[derive(Debug)]
pub enum Error {
    /// The node could not be started or stopped.
    Node {
        /// What was tried.
        what: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The node ended before it listened.
    NodeEnded {
        /// The end of what it printed.
        output: String,
    },
    /// A file that npm should have fetched is missing or unreadable.
    Artifact {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The node answered a request with an error, or not at all.
    Rpc {
        /// The JSON-RPC method.
        method: String,
        /// The JSON-RPC error code, if the node answered.
        code: Option<i64>,
        /// The node's or the transport's message.
        message: String,
    },
    /// A transaction was mined and failed.
    Reverted {
        /// The function's signature, or what was deployed.
        call: String,
        /// The contract; none for a deployment.
        to: Option<Address>,
        /// The reason that a repeated call was given.
        reason: String,
    },
    /// An answer could not be decoded.
    Answer {
        /// What was asked.
        what: String,
        /// Why it could not be read.
        reason: String,
    },
    /// A thing was used that this run does not have.
    Unknown(String),
}

impl Error {
    pub(crate) fn rpc(method: &str, error: &RpcError<TransportErrorKind>) -> Self {
        let (code, message) = match error.as_error_resp() {
            Some(answer) => (Some(answer.code), answer.message.to_string()),
            None => (None, error.to_string()),
        };
        Self::Rpc { method: method.to_owned(), code, message }
    }

    pub(crate) fn answer(what: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self::Answer { what: what.into(), reason: reason.to_string() }
    }

    /// Whether the node answered that the call itself failed, rather than that it could not be made.
    pub fn is_revert(&self) -> bool {
        match self {
            Self::Reverted { .. } => true,
            // Execution errors have this code in every node that follows geth.
            Self::Rpc { code, message, .. } => *code == Some(3) || message.contains("execution reverted"),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { what, .. } => write!(f, "{what} failed"),
            Self::NodeEnded { output } => write!(f, "anvil ended before it listened: {output}"),
            Self::Artifact { path, reason } => write!(
                f,
                "{}: {reason}; run npm install in tests/contracts or point SCENARIO_CONTRACTS to its folder",
                path.display()
            ),
            Self::Rpc { method, code: Some(code), message } => write!(f, "{method}: {message} ({code})"),
            Self::Rpc { method, code: None, message } => write!(f, "{method}: {message}"),
            Self::Reverted { call, to: Some(to), reason } => write!(f, "{call} on {to} reverted: {reason}"),
            Self::Reverted { call, to: None, reason } => write!(f, "{call} reverted: {reason}"),
            Self::Answer { what, reason } => write!(f, "the answer to {what} could not be read: {reason}"),
            Self::Unknown(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Node { source, .. } => Some(source),
            _ => None,
        }
    }
}
