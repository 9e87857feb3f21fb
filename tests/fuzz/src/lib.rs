//! What must hold for any bytes: the bodies of the fuzz targets.
//!
//! A target is a function of bytes that panics when a property is broken; "no panic" is only the least of them. The
//! same functions are run by libFuzzer (`targets`, nightly), by the tests over the files of `corpus`, and by a
//! deterministic mutation of these files ([`mutate`]) that needs nothing but stable Rust.
//!
//! Knows the product's public parts. Does no I/O but the files of a configuration.

#![forbid(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod abi_file;
mod config;
mod decode;
mod environment;
mod fold;
mod input;
pub mod mutate;
mod rpc_answer;
mod rpc_error_text;
pub mod rpc_script;
mod safe;
mod secrets;
pub mod seeds;

pub use abi_file::abi_file;
pub use config::config;
pub use decode::decode;
pub use environment::environment;
pub use fold::fold;
pub use rpc_answer::rpc_answer;
pub use rpc_error_text::rpc_error_text;

/// A function of bytes, and what to know to vary them well.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and the name of its folder of inputs.
    pub name: &'static str,
    /// Panics when a property is broken.
    pub run: fn(&[u8]),
    /// Pieces that open doors in its parser.
    pub words: &'static [&'static str],
    /// How many mutated inputs a test run tries.
    pub inputs: u64,
}

/// Every target.
pub const TARGETS: [Target; 7] = [
    Target { name: "decode", run: decode, words: &[], inputs: 20_000 },
    Target { name: "fold", run: fold, words: &[], inputs: 800 },
    Target { name: "rpc_answer", run: rpc_answer, words: rpc_answer::WORDS, inputs: 3_000 },
    Target { name: "rpc_error_text", run: rpc_error_text, words: rpc_error_text::WORDS, inputs: 4_000 },
    Target { name: "config", run: config, words: config::WORDS, inputs: 10_000 },
    Target { name: "environment", run: environment, words: environment::WORDS, inputs: 8_000 },
    Target { name: "abi_file", run: abi_file, words: abi_file::WORDS, inputs: 6_000 },
];

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
