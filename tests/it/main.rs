//! One test binary: simulated chain, real PostgreSQL, real node with real contracts.

mod converge;
mod operate;
mod rpc;
mod schema;
mod support;
