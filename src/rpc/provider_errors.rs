//! What providers say when they refuse: the texts, in the order in which they are tried.
//!
//! Collected from clients' sources, vendors' pages and issue threads. Limits change often, texts less so.
//! The numbers name the rows of the collection, which the tests below go through one by one.

/// What a text means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Class {
    /// Too many blocks.
    Range(Says),
    /// Too many results or bytes.
    Size(Says),
    /// Too many addresses or topics.
    Addresses,
    /// Too many requests.
    Rate,
    /// The plan.
    Billing,
    /// A block that the node does not have (yet).
    Missing,
    /// History or state that the node does not keep.
    Pruned,
    /// Too slow.
    Timeout,
    /// Not offered.
    Unsupported,
    /// The key.
    Auth,
    /// Broken on the way.
    Transport,
}

/// What the numbers in a text are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Says {
    /// Nothing to use.
    Nothing,
    /// The last number is the most blocks allowed.
    Blocks,
    /// The last two numbers are a range that should work.
    Range,
    /// The last number is the most results of an answer.
    Results,
}

/// One wording.
#[derive(Debug)]
pub(super) struct Known {
    /// A pattern of [`super::pattern`].
    pub text: &'static str,
    /// Its meaning.
    pub class: Class,
}

const fn known(text: &'static str, class: Class) -> Known {
    Known { text, class }
}

use Class::{Addresses, Auth, Billing, Missing, Pruned, Range, Rate, Size, Timeout, Transport, Unsupported};
use Says::{Blocks, Nothing, Results};

/// Every wording we know; the first that occurs decides, so the narrow ones stand before the wide ones.
pub(super) const KNOWN: &[Known] = &[
    // Suggestions, whatever else the text says (4, 12, 14, 61).
    known("try with this block range [0x$,~0x$]", Size(Says::Range)),
    known("this block range should work: [0x$,~0x$]", Size(Says::Range)),
    known("retry with the range #-#", Size(Says::Range)),
    // Ranges that name a number (1 to 3, 7, 10, 13, 17, 18, 22, 25, 27, 30 to 39, 50, 55, 63).
    known("requested too many blocks from # to #, maximum is set to #", Range(Blocks)),
    known("max range: #", Range(Blocks)),
    known("maximum allowed number of requested blocks is #", Range(Blocks)),
    known("range # exceeds limit of #", Range(Blocks)),
    known("maximum [from, to] blocks distance: #", Range(Blocks)),
    known("query exceeds max block range #", Range(Blocks)),
    known("up to a # block range", Range(Blocks)),
    known("block range is limited to #", Range(Blocks)),
    known("limited to a #", Range(Blocks)),
    known("limited to # block", Range(Blocks)),
    known("exceeds the range allowed for your plan (# > #)", Range(Blocks)),
    known("limit the query to at most # blocks", Range(Blocks)),
    known("maximum block range: #", Range(Blocks)),
    known("exceed max block range: #", Range(Blocks)),
    known("block range greater than # max", Range(Blocks)),
    known("block range exceeds #", Range(Blocks)),
    known("range is too large, max is # blocks", Range(Blocks)),
    known("query must be smaller than size #", Range(Blocks)),
    known("block range is too wide (maximum #)", Range(Blocks)),
    known("ranges over # blocks are not supported", Range(Blocks)),
    known("maximum allowed is # blocks", Range(Blocks)),
    // Results and bytes (5, 11, 15, 16, 46 to 49, 54, 56 to 58, 60).
    known("query returned more than # results", Size(Results)),
    known("query exceeds max results", Size(Nothing)),
    known("log response size exceeded", Size(Nothing)),
    known("response size is larger than", Size(Nothing)),
    known("backend response too large", Size(Nothing)),
    known("response too large", Size(Nothing)),
    known("logs matched by query exceeds limit of #", Size(Results)),
    known("logs matched by query exceeds limit", Size(Nothing)),
    known("response size should not greater than", Size(Nothing)),
    known("more than # logs", Size(Results)),
    known("# logs returned", Size(Nothing)),
    known("too many logs", Size(Nothing)),
    known("logs over more", Size(Nothing)),
    known("too many results", Size(Nothing)),
    known("try paginating", Size(Nothing)),
    known("response is too big", Size(Nothing)),
    known("exceeded max limit of #", Size(Nothing)),
    // Filters (8, 19, 62).
    known("this query contains # filters", Addresses),
    known("addresses or topics per search position", Addresses),
    known("specify less number of address", Addresses),
    // Ranges without a number (9, 28, 40 to 42, 44, 45, 59, 64, 86).
    known("block range is too wide", Range(Nothing)),
    known("block range limit exceeded", Range(Nothing)),
    known("range threshold exceeded", Range(Nothing)),
    known("exceeded max allowed", Range(Nothing)),
    known("block range too large", Range(Nothing)),
    known("block range is too large", Range(Nothing)),
    known("range limit exceeded", Range(Nothing)),
    known("exceeds maximum rpc range limit", Range(Nothing)),
    known("query exceeds limit", Range(Nothing)),
    known("eth_getlogs is limited", Range(Nothing)),
    known("block range too high", Range(Nothing)),
    // Blocks and state that are not there (66 to 71), before `invalid block range` (52).
    known("block range extends beyond current head block", Missing),
    known("invalid block range params", Missing),
    known("finalized block not found", Unsupported),
    known("safe block not found", Unsupported),
    known("finalized is not a supported commitment", Unsupported),
    known("pruned history unavailable", Pruned),
    known("receipt not available for from block", Pruned),
    known("missing trie node", Pruned),
    known("requested data is not available", Pruned),
    known("historical state", Pruned),
    known("state not available", Pruned),
    known("state is not available", Pruned),
    known("no state available", Pruned),
    known("world state unavailable", Pruned),
    known("state at block", Pruned),
    known("distance to target block exceeds maximum", Pruned),
    known("has been pruned", Pruned),
    known("was pruned", Pruned),
    known("is pruned", Pruned),
    known("blockoutofrange", Missing),
    known("header not found", Missing),
    known("could not find block", Missing),
    known("block not found", Missing),
    known("unknown block", Missing),
    known("not currently canonical", Missing),
    known("cannot query unfinalized data", Missing),
    known("after last accepted block", Missing),
    known("greater than latest", Missing),
    known("height is not available", Missing),
    known("invalid block range", Range(Nothing)),
    // Time (6, 82).
    known("query timeout exceeded", Timeout),
    known("execution timeout", Timeout),
    known("request timed out", Timeout),
    // The plan (21, 79).
    known("monthly capacity limit exceeded", Billing),
    known("reached the free tier", Billing),
    known("limit for your current plan", Billing),
    known("/billing", Billing),
    // Methods (24, 72, 80).
    known("is not whitelisted", Unsupported),
    known("is not included in your current plan", Unsupported),
    known("not allowed to access method", Unsupported),
    known("unsupported method", Unsupported),
    known("method not supported", Unsupported),
    known("method not found", Unsupported),
    known("does not exist/is not available", Unsupported),
    // Keys (26, 53, 72, 81).
    known("api key is on another chain", Auth),
    known("token is invalid", Auth),
    known("invalid api key", Auth),
    known("key is inactive", Auth),
    known("unauthorized", Auth),
    known("authentication", Auth),
    // Rates (20, 23, 43, 73 to 78).
    known("exceeded its compute units per second", Rate),
    known("request limit", Rate),
    known("no backend is currently healthy", Rate),
    known("rate limit", Rate),
    known("rate exceeded", Rate),
    known("request rate", Rate),
    known("too many requests", Rate),
    known("credits limited", Rate),
    known("maximum number of concurrent requests", Rate),
    known("requests limited to", Rate),
    known("has exceeded", Rate),
    known("exceeded the quota", Rate),
    known("reached the quota", Rate),
    known("under too much load", Rate),
    known("no server available", Rate),
    known("upgrade your tier", Rate),
    known("capacity limit", Rate),
    known("limit exceeded", Rate),
    known("code: 1015", Rate),
    // Broken on the way (51, 84).
    known("unexpected error (code=40000)", Transport),
    known("error decoding response body", Transport),
    known("error sending request", Transport),
];

#[cfg(test)]
#[path = "provider_errors_tests.rs"]
mod tests;
