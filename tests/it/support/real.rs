//! A real node with the real contracts, followed through JSON-RPC.

use std::sync::Arc;
use std::time::Duration;

use asset_indexer::fact::Role;
use asset_indexer::row::Table;
use asset_indexer::rpc::{self, Finality, Rpc};
use asset_indexer::store::Store;
use asset_indexer::sync::Config;
use scenario::{Node, Suite};

use super::world::config;

/// The node as a source; over WebSocket when the URL says so.
pub fn rpc(url: &str) -> Arc<Rpc> {
    let config = rpc::Config {
        url: url.parse().expect("anvil's URL"),
        alias: "anvil".to_owned(),
        timeout: Duration::from_secs(20),
        poll_interval: Duration::from_millis(100),
        finality: Finality::Tag { fallback_depth: Some(64) },
        range_blocks_max: 10_000,
        requests_in_flight: 4,
        batch_size_max: 50,
        response_bytes_max: 64 << 20,
    };
    Arc::new(Rpc::new(config).expect("an HTTP client"))
}

/// Where following starts: the two factories.
pub fn factories(suite: &Suite) -> Config {
    config(&[(Role::TrexFactory, suite.trex_factory), (Role::IdFactory, suite.id_factory)])
}

/// A node that makes blocks by itself, with 32 slots in an epoch: finality is 64 blocks behind.
pub async fn node() -> Node {
    Node::start().await.expect("anvil starts: see tests/setup.sh")
}

/// All rows of a table, typed.
pub async fn rows<T: Table, D: Store>(store: &D) -> Vec<T> {
    let rows = store.dump(T::DEF).await.expect("readable");
    rows.into_iter().map(|row| T::from_row(row).expect("rows fit their declaration")).collect()
}
