//! Simulation by seed: the product's own worker between a simulated chain, providers that fail and lie, and a store that
//! breaks, in a process that dies anywhere; after every commit its tables are compared with those of an honest index.
//!
//! One seed is one [`scenario::Scenario`], a list of events; [`driver::run`] carries it out, the same way each time. No
//! wall clock, no threads. A list that fails is made short by [`shrink`] and kept in `regressions/`.

#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

use std::sync::{Arc, LazyLock};

use asset_indexer::decode::Decoder;

pub mod answers;
pub mod backend;
pub mod chain;
pub mod check;
pub mod chooser;
pub mod coverage;
pub mod dice;
pub mod driver;
pub mod events;
pub mod executor;
pub mod faults;
pub mod faulty_store;
pub mod independent;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod named;
pub mod operator;
pub mod play;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod provider;
pub mod reference;
pub mod runs;
pub mod scenario;
pub mod shrink;
pub mod stage;
pub mod stored;
pub mod sweep;
pub mod twin;

/// The product's decoder, read once: its ABIs are the same for every process.
pub fn decoder() -> Arc<Decoder> {
    static DECODER: LazyLock<Arc<Decoder>> = LazyLock::new(|| Arc::new(Decoder::new(&[])));
    DECODER.clone()
}

/// The id of every simulated chain.
pub const CHAIN_ID: u64 = 31_337;
