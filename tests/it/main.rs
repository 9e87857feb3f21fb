//! One test binary: simulated chain, real PostgreSQL, real node with real contracts.

mod application;
mod chain;
mod commands;
mod converge;
mod drizzle;
mod hostile;
mod input;
mod operate;
mod oracle;
mod processes;
mod properties;
mod prove;
mod providers;
mod queries;
mod reorg;
mod reports;
mod retention;
mod rpc;
mod schema;
mod security;
mod sensitivity;
mod support;
mod targets;
mod tidy;
mod verify;
