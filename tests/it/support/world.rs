//! A chain, a store and a worker between them; and the comparison that all tests end with.

use std::sync::Arc;

use alloy::primitives::{Address, keccak256};
use asset_indexer::block::{BlockId, Header};
use asset_indexer::decode::Decoder;
use asset_indexer::embedded::{Binaries, Cluster, Options, Search, find_binaries};
use asset_indexer::execute::Executor;
use asset_indexer::fact::Role;
use asset_indexer::row::{Class, Row};
use asset_indexer::source::Source;
use asset_indexer::store::postgres::{Lease, PostgresStore, migrate, migrate_application};
use asset_indexer::store::{Start, Store, memory::MemoryStore};
use asset_indexer::sync::{Config, Contract, Outcome, Proving, Sync};
use asset_indexer::table;
use asset_indexer::table::fold::Changes;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Executor as _};
use tokio::sync::OnceCell;

pub use simulation::CHAIN_ID;

use super::command::closed_port;

/// The private PostgreSQL of this test run, with one migrated database that tests copy.
static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
const MODEL: &str = "model";
/// The login role of stores: a writer, with a writer's rights and no more.
pub const WRITER: &str = "test_writer";
/// The login role of the program under test: a writer that reads too, and no more.
pub const PROGRAM: &str = "test_program";
/// The login role of those who read.
pub const READER: &str = "test_reader";

/// Programs of the PostgreSQL under test: `PG_BIN`, else what is installed.
pub fn binaries() -> Binaries {
    find_binaries(&Search::default()).expect("PostgreSQL is installed: see the README")
}

/// A cluster of the caller's own that listens on a TCP port of 127.0.0.1, with the migrated database `assets`, its
/// owner's connection, and the port.
pub async fn cluster_over_tcp() -> (Cluster, PgConnection, u16) {
    let port = closed_port();
    let options = Options { listen_tcp: Some(port), ..Options::scratch(binaries()) };
    let cluster = Cluster::start(options).await.expect("a private PostgreSQL starts");
    cluster.create_database("assets", None).await.expect("a database");
    let options = cluster.connect_options("postgres", "assets");
    let mut owner = PgConnection::connect_with(&options).await.expect("it connects");
    migrate(&mut owner).await.expect("it migrates");
    (cluster, owner, port)
}

/// The cluster, started at its first use.
pub async fn cluster() -> &'static Cluster {
    CLUSTER
        .get_or_init(|| async {
            let cluster =
                Cluster::start(Options::scratch(binaries())).await.expect("a private PostgreSQL starts");
            cluster.create_database(MODEL, None).await.expect("a database");
            let options = cluster.connect_options("postgres", MODEL);
            let mut connection = PgConnection::connect_with(&options).await.expect("a connection");
            migrate(&mut connection).await.expect("migrations apply");
            migrate_application(&mut connection).await.expect("the application's migrations apply");
            let both = "asset_indexer_writer, asset_indexer_reader";
            for (login, group) in
                [(WRITER, "asset_indexer_writer"), (READER, "asset_indexer_reader"), (PROGRAM, both)]
            {
                let sql = format!("create role {login} login in role {group}");
                connection.execute(sqlx::AssertSqlSafe(sql)).await.expect("the superuser may");
            }
            connection.close().await.expect("the model is free to be copied");
            cluster
        })
        .await
}

/// A database of its own, migrated.
pub async fn database() -> String {
    copy_of(Some(MODEL)).await
}

/// A database of its own, with nothing in it.
pub async fn empty_database() -> String {
    copy_of(None).await
}

/// A database of its own: another one's copy, or with nothing in it.
pub async fn copy_of(model: Option<&str>) -> String {
    let name = format!("t_{}", uuid::Uuid::new_v4().simple());
    cluster().await.create_database(&name, model).await.expect("a database");
    name
}

/// A pool over a database.
pub async fn pool(database: &str) -> PgPool {
    let options = cluster().await.connect_options("postgres", database);
    PgPool::connect_with(options).await.expect("a pool")
}

/// A store that holds the lease of a fresh writer.
pub async fn postgres_store(database: &str) -> PostgresStore {
    let options = cluster().await.connect_options(WRITER, database);
    let pool = PgPool::connect_with(options.clone()).await.expect("a pool");
    let lease = Lease::new(pool, CHAIN_ID, "test".to_owned());
    while !lease.acquire().await.expect("the database answers") {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    PostgresStore::new(options, CHAIN_ID, lease.epoch())
}

/// A header of a chain in which a block's hash is its number's; its time is the number too.
pub fn numbered(number: u64) -> Header {
    let hash = |number: u64| keccak256(number.to_be_bytes());
    Header {
        id: BlockId { number, hash: hash(number) },
        parent: hash(number.wrapping_sub(1)),
        timestamp: number,
    }
}

/// A store's beginning at block 0, with every index.
pub fn beginning(genesis: Header) -> Start {
    Start {
        genesis: genesis.id.hash,
        block: genesis,
        finalized: genesis.id,
        changes: Changes::default(),
        defers_indexes: false,
    }
}

/// The worker's settings for tests.
pub fn config(contracts: &[(Role, Address)]) -> Config {
    Config {
        chain_id: CHAIN_ID,
        contracts: contracts
            .iter()
            .map(|(role, address)| Contract {
                role: *role,
                address: *address,
                start_block: None,
                partial: false,
            })
            .collect(),
        claim_expiry: Default::default(),
        claim_data: Default::default(),
        floor_block: 0,
        range_blocks_max: 50,
        range_logs_target: 1_000,
        older_logs_max: 4_000,
        deferred_indexes_from_blocks: 0,
        reads_ahead: true,
        proving: Proving::Background,
        sweep_blocks_max: 16,
        reorg_depth_trusted: 1_000,
    }
}

/// A worker over any chain and store.
pub fn worker<S: Source, D: Store>(source: Arc<S>, store: Arc<D>, config: Config) -> Sync<S, D> {
    Sync::new(source, store, Arc::new(Decoder::new(&[])), config)
}

/// Who carries requests out on a store, with a node or without.
pub fn executor<S: Source>(
    node: Option<&Arc<S>>,
    store: &Arc<PostgresStore>,
    config: &Config,
) -> Executor<S> {
    Executor {
        node: node.cloned(),
        store: store.clone(),
        decoder: Arc::new(Decoder::new(&[])),
        config: config.clone(),
        left: false,
    }
}

/// Steps until nothing is left to do.
pub async fn converge<S: Source, D: Store>(worker: &mut Sync<S, D>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for _ in 0..10_000 {
        let outcome = worker.step(None).await.expect("the step succeeds");
        match outcome {
            Outcome::Idle | Outcome::Halted { .. } => {
                outcomes.push(outcome);
                return outcomes;
            }
            outcome => outcomes.push(outcome),
        }
    }
    panic!("the worker does not come to rest: {:?}", &outcomes[outcomes.len() - 5..]);
}

/// All rows that equality speaks of, by table.
pub async fn dump<D: Store>(store: &D) -> Vec<(&'static str, Vec<Row>)> {
    let mut tables = Vec::new();
    for table in table::ALL.into_iter().filter(|table| table.class != Class::Operation) {
        tables.push((table.name, store.dump(table).await.expect("the table can be read")));
    }
    tables
}

/// Compares two stores, row by row, and says where they differ.
pub async fn assert_equal<A: Store, B: Store>(one: &A, other: &B, context: &str) {
    assert_same(&dump(one).await, &dump(other).await, context);
}

/// Compares two dumps.
pub fn assert_same(one: &[(&'static str, Vec<Row>)], other: &[(&'static str, Vec<Row>)], context: &str) {
    for ((name, one), (_, other)) in one.iter().zip(other) {
        let only_one: Vec<_> = one.iter().filter(|row| !other.contains(row)).take(3).collect();
        let only_other: Vec<_> = other.iter().filter(|row| !one.contains(row)).take(3).collect();
        assert!(
            one.len() == other.len() && only_one.is_empty() && only_other.is_empty(),
            "{context}: {name} differs: {} rows against {}\nonly the first has: {only_one:#?}\nonly the second has: \
             {only_other:#?}",
            one.len(),
            other.len(),
        );
    }
}

/// What a fresh index of the present chain holds.
pub async fn fresh<S: Source>(source: &Arc<S>, config: &Config) -> MemoryStore {
    let mut worker = worker(source.clone(), Arc::new(MemoryStore::new()), config.clone());
    converge(&mut worker).await;
    let store = worker.store().clone();
    drop(worker);
    Arc::try_unwrap(store).expect("the worker is gone")
}
