//! A real node with the real T-REX and ONCHAINID contracts, for the demo and the tests.
//!
//! - [`Node`] starts anvil, sends transactions, reorganizes the chain.
//! - [`Suite`] deploys the platform, [`Token`], [`Identity`] and [`ClaimIssuer`] act on it: every action is a [`Call`].
//! - [`play()`] runs the whole story on a fresh node, the same in every run, or step by step ([`Play`], [`Step`]).
//! - [`truth`] asks the contracts what is so at a block.
//! - [`Emitter`] and [`PlainToken`] make what T-REX contracts would not.
//!
//! The contracts and the node come from npm: `npm install` in `tests/contracts`, or `SCENARIO_CONTRACTS` names another
//! folder with `node_modules`; `ANVIL_BIN` names another anvil.

#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

pub mod abi;
pub mod artifact;
pub mod emitter;
pub mod erc20;
pub mod error;
mod evm;
pub mod identity;
pub mod node;
pub mod play;
pub mod suite;
pub mod token;
pub mod truth;

pub use artifact::Artifacts;
pub use emitter::Emitter;
pub use erc20::PlainToken;
pub use error::{Error, Result};
pub use identity::{Claim, ClaimIssuer, Identity};
pub use node::{Call, Inclusion, Mining, Node, NodeOptions, Reorg};
pub use play::{Play, Played, Step, play};
pub use suite::{ModuleSpec, Suite, TokenSpec, TrustedIssuer};
pub use token::Token;
