#![doc = include_str!("../README.md")]

pub mod amount;
pub mod block;
#[expect(clippy::print_stdout, reason = "what a command answers goes to standard output")]
pub mod cli;
pub mod config;
pub mod daemon;
pub mod decode;
pub mod discovery;
pub mod embedded;
pub mod execute;
pub mod fact;
pub mod id;
pub mod mutant;
pub mod observe;
pub mod pace;
pub mod proof;
pub mod providers;
pub mod reconcile;
pub mod retry;
pub mod row;
pub mod rpc;
pub mod source;
pub mod store;
pub mod sync;
pub mod table;
pub mod verify;
