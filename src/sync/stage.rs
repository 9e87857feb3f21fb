//! The stages of a step as spans, for whoever measures where time goes: `LOG_LEVEL=info,asset_indexer::stage=trace` tells
//! at the end of each how long it worked (`time.busy`) and how long it waited (`time.idle`).

use tracing::{Span, trace_span};

/// Asking the node, and reading its answers.
pub(super) fn fetch() -> Span {
    trace_span!(target: "asset_indexer::stage", "fetch")
}

/// Logs into facts. What contracts that are found here logged before is fetched inside.
pub(super) fn decode() -> Span {
    trace_span!(target: "asset_indexer::stage", "decode")
}

/// Facts into rows. What they change is loaded inside.
pub(super) fn fold() -> Span {
    trace_span!(target: "asset_indexer::stage", "fold")
}

/// Rows out of the database.
pub(super) fn load() -> Span {
    trace_span!(target: "asset_indexer::stage", "load")
}

/// An index that a first load did without.
pub(super) fn index() -> Span {
    trace_span!(target: "asset_indexer::stage", "index")
}

/// Rows into the database.
pub(super) fn write() -> Span {
    trace_span!(target: "asset_indexer::stage", "write")
}
