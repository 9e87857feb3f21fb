//! What the tests share.

pub mod command;
pub mod ddl;
pub mod fragile;
pub mod liar;
pub mod loaded;
pub mod noise;
pub mod pooler;
pub mod process;
pub mod proxy;
pub mod real;
pub mod scene;
pub mod scripted_node;
pub mod traces;
pub mod world;

/// How often tests of repeated faults repeat them: as written, or ten times as often for a soak, when the environment
/// has `ASSET_INDEXER_LONG`. The counts stand as constants beside the tests.
pub fn times(count: usize) -> usize {
    if std::env::var_os("ASSET_INDEXER_LONG").is_some() { 10 * count } else { count }
}
