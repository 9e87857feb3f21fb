//! Several providers as one source: over scripted ones in memory with a clock of the test's, over random ones by seed,
//! and over sockets with the real program.

mod choosing;
mod errors;
mod integrity;
mod limits;
mod lying;
mod proxy;
mod random;
mod scripted;
