//! What a provider's error means, before anything is tried again.
//!
//! One code has two meanings at different providers (-32005: rate limit, or too many results), so the text
//! decides first, then the code, then the HTTP status. The table of texts is data
//! ([`super::provider_errors`]); it is a hint for speed, never a basis for correctness: what it does not
//! know is [`RpcFault::Unknown`], and a range of logs that fails for unknown reasons is split all the same.

use std::time::Duration;

use super::pattern;
use super::provider_errors::{Class, KNOWN, Says};
use crate::block::BlockRange;

/// The kind of an error, as far as it decides what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RpcFault {
    /// Too many blocks asked for at once.
    Range {
        /// What the provider would accept, as it says.
        suggested: Option<Suggestion>,
    },
    /// Too many results, or too many bytes.
    Size {
        /// What the provider would accept, as it says.
        suggested: Option<Suggestion>,
    },
    /// Too many addresses or topics in a filter.
    Addresses,
    /// Too many requests, or an overloaded provider.
    Rate {
        /// How long it asks us to wait, where it says so.
        retry_after: Option<Duration>,
    },
    /// The plan has ended or must be paid.
    Billing,
    /// The node does not have the block that was named: it lags behind, or the block was replaced.
    Missing,
    /// The node does not keep that state or history.
    Pruned,
    /// The node, or the way to it, took too long.
    Timeout,
    /// No such method or block tag at this node or in this plan.
    Unsupported,
    /// The key is wrong, or is for another chain.
    Auth,
    /// The node could not be reached, or its answer was no JSON-RPC.
    Transport,
    /// None of the above.
    Unknown,
}

/// A limit that a provider names in its error. It may be wrong, inverted or still too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suggestion {
    /// At most so many blocks.
    Blocks(u64),
    /// This range; first and last block as the provider wrote them, in any order.
    Range(u64, u64),
    /// At most so many results.
    Results(u64),
}

impl Suggestion {
    /// How many blocks to ask for from the start of `failed`, where the suggestion is of use: a strict part
    /// of the range that begins where the range begins.
    pub fn blocks_within(self, failed: BlockRange) -> Option<u64> {
        let blocks = match self {
            Self::Blocks(blocks) => blocks,
            Self::Range(from, to) if from == failed.from && to >= from => (to - from).checked_add(1)?,
            Self::Range(..) | Self::Results(_) => return None,
        };
        (1..failed.len()).contains(&blocks).then_some(blocks)
    }
}

/// A provider's error as it came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reply<'a> {
    /// JSON-RPC error code.
    pub code: Option<i64>,
    /// JSON-RPC message, or the beginning of a body that is not JSON-RPC.
    pub message: &'a str,
    /// JSON-RPC error data, as JSON text.
    pub data: Option<&'a str>,
    /// HTTP status, where it is not 200.
    pub status: Option<u16>,
    /// The header `Retry-After`.
    pub retry_after: Option<Duration>,
}

/// What the error means.
pub fn classify(reply: Reply<'_>) -> RpcFault {
    let text = pattern::normalize(&format!("{} {}", reply.message, reply.data.unwrap_or_default()));
    let by_text = KNOWN.iter().find_map(|known| {
        let numbers = pattern::find(known.text, &text)?;
        Some(meaning(known.class, &numbers, reply.retry_after))
    });
    by_text
        .or_else(|| by_code(reply.code?, reply.retry_after))
        .or_else(|| by_status(reply.status?, reply.retry_after))
        .unwrap_or(RpcFault::Unknown)
}

/// Whether nothing but the code -32005 makes a rate limit of this error. Providers use it for ranges and results too, in
/// words that no table knows all of.
pub fn is_rate_by_code(reply: Reply<'_>) -> bool {
    reply.code == Some(-32005)
        && reply.retry_after.is_none()
        && classify(Reply { code: None, ..reply }) == RpcFault::Unknown
}

fn meaning(class: Class, numbers: &[u64], retry_after: Option<Duration>) -> RpcFault {
    let suggested = |says| match (says, numbers) {
        (Says::Blocks, [.., blocks]) => Some(Suggestion::Blocks(*blocks)),
        (Says::Range, [.., from, to]) => Some(Suggestion::Range(*from, *to)),
        (Says::Results, [.., results]) => Some(Suggestion::Results(*results)),
        _ => None,
    };
    match class {
        Class::Range(says) => RpcFault::Range { suggested: suggested(says) },
        Class::Size(says) => RpcFault::Size { suggested: suggested(says) },
        Class::Addresses => RpcFault::Addresses,
        Class::Rate => RpcFault::Rate { retry_after },
        Class::Billing => RpcFault::Billing,
        Class::Missing => RpcFault::Missing,
        Class::Pruned => RpcFault::Pruned,
        Class::Timeout => RpcFault::Timeout,
        Class::Unsupported => RpcFault::Unsupported,
        Class::Auth => RpcFault::Auth,
        Class::Transport => RpcFault::Transport,
    }
}

/// Codes that say something without a known text.
fn by_code(code: i64, retry_after: Option<Duration>) -> Option<RpcFault> {
    Some(match code {
        429 | 1008 | 1015 | -32005 | -32007 | -32009 | -32011 | -32012 | -32016 | -32029 | -32055 => {
            RpcFault::Rate { retry_after }
        }
        -32001 | -39001 => RpcFault::Missing,
        -32004 | -32601 | -32612 | -32613 => RpcFault::Unsupported,
        -32003 | -32008 | -32020 => RpcFault::Size { suggested: None },
        35 | -32047 | -32614 | -32701 => RpcFault::Range { suggested: None },
        4444 => RpcFault::Pruned,
        _ => return None,
    })
}

fn by_status(status: u16, retry_after: Option<Duration>) -> Option<RpcFault> {
    Some(match status {
        401 | 403 => RpcFault::Auth,
        402 => RpcFault::Billing,
        408 | 504 | 524 => RpcFault::Timeout,
        413 => RpcFault::Size { suggested: None },
        429 => RpcFault::Rate { retry_after },
        503 if retry_after.is_some() => RpcFault::Rate { retry_after },
        500..=599 => RpcFault::Transport,
        _ => return None,
    })
}

/// What nodes say when a call failed inside the virtual machine: an answer about the contract, not a fault.
///
/// To be asked for `eth_call` only, and before [`classify`]: a revert reason is the contract's own text.
pub fn is_revert(code: Option<i64>, message: &str) -> bool {
    /// EIP-1474 has no code for it: 3 is geth's, -32015 Parity's and Nethermind's.
    const CODES: [i64; 2] = [3, -32015];
    const TEXTS: [&str; 20] = [
        "revert",
        "vm execution error",
        "evm error",
        "invalid opcode",
        "opcode 0x",
        "out of gas",
        "gas required exceeds",
        "stack underflow",
        "stack overflow",
        "stack limit reached",
        "invalid jump destination",
        "bad jump destination",
        "bad instruction",
        "write protection",
        "return data out of bounds",
        "gas uint64 overflow",
        "invalid code: must not begin with 0xef",
        "max call depth exceeded",
        "insufficient balance for transfer",
        "out of stack",
    ];
    let text = pattern::normalize(message);
    code.is_some_and(|code| CODES.contains(&code)) || TEXTS.iter().any(|known| text.contains(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: BlockRange = BlockRange { from: 100, to: 199 };

    #[test]
    fn only_a_suggestion_that_shrinks_from_the_start_is_used() {
        for (suggestion, blocks) in [
            (Suggestion::Blocks(10), Some(10)),
            (Suggestion::Blocks(99), Some(99)),
            (Suggestion::Blocks(100), None),
            (Suggestion::Blocks(0), None),
            (Suggestion::Range(100, 149), Some(50)),
            (Suggestion::Range(100, 199), None),
            (Suggestion::Range(149, 100), None),
            (Suggestion::Range(120, 149), None),
            (Suggestion::Range(0, u64::MAX), None),
            (Suggestion::Range(100, 100), Some(1)),
            (Suggestion::Results(50), None),
        ] {
            assert_eq!(suggestion.blocks_within(FAILED), blocks, "{suggestion:?}");
        }
    }

    #[test]
    fn text_goes_before_code_and_code_before_status() {
        let infura = Reply {
            code: Some(-32005),
            message: "query returned more than 10000 results",
            ..Reply::default()
        };
        let results = Some(Suggestion::Results(10_000));
        assert_eq!(classify(infura), RpcFault::Size { suggested: results });
        let limited =
            Reply { code: Some(-32005), message: "slow down", status: Some(403), ..Reply::default() };
        assert_eq!(classify(limited), RpcFault::Rate { retry_after: None });
        assert_eq!(classify(Reply { status: Some(302), ..Reply::default() }), RpcFault::Unknown);
        assert_eq!(classify(Reply::default()), RpcFault::Unknown);
    }

    #[test]
    fn a_rate_limit_that_only_the_code_tells_is_told_apart() {
        let limited = |message, status, seconds: Option<u64>| {
            let retry_after = seconds.map(Duration::from_secs);
            Reply { code: Some(-32005), message, status, retry_after, ..Reply::default() }
        };
        for (reply, by_code) in [
            (limited("no", None, None), true),
            (limited("", None, None), true),
            (limited("rate limit", None, None), false),
            (limited("block range is too wide", None, None), false),
            (limited("no", Some(429), None), false),
            (limited("no", None, Some(1)), false),
            (Reply { code: Some(-32016), message: "no", ..Reply::default() }, false),
        ] {
            assert_eq!(is_rate_by_code(reply), by_code, "{reply:?}");
        }
    }

    #[test]
    fn reverts_of_every_client() {
        for (code, message) in [
            (3, "execution reverted: not allowed"),
            (-32000, "execution reverted"),
            (-32000, "Execution reverted"),
            (-32015, "VM execution error."),
            (-32603, "EVM error InvalidFEOpcode"),
            (-32000, "invalid opcode: INVALID"),
            (-32000, "out of gas"),
        ] {
            assert!(is_revert(Some(code), message), "{code} {message}");
        }
        for (code, message) in
            [(-32000, "missing trie node"), (-32005, "rate limit"), (-32603, "Internal error")]
        {
            assert!(!is_revert(Some(code), message), "{code} {message}");
        }
    }
}
