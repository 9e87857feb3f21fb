//! One test binary: simulated chain, real PostgreSQL, real node with real contracts.

mod chain;
mod commands;
mod converge;
mod hostile;
mod input;
mod operate;
mod processes;
mod queries;
mod reorg;
mod rpc;
mod schema;
mod support;
mod tidy;
mod verify;
