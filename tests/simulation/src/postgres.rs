//! Runs on a private PostgreSQL, one database each, with a copy in memory in lock-step.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use asset_indexer::embedded::{Cluster, Options as ClusterOptions, Search, find_binaries};
use asset_indexer::store::memory::{MemoryStore, Snapshot};
use asset_indexer::store::postgres::{Lease, PostgresStore, migrate};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::backend::Backend;
use crate::driver::{self, CANARY, Failure, Options, Report};
use crate::executor::on_threads;
use crate::faults::Hits;
use crate::runs::{Progress, Summary};
use crate::scenario::Scenario;
use crate::stored::Stored;
use crate::twin::{Compared, Twin, tables};

const MODEL: &str = "model";

/// A fuse in the database: the writer's connection is cut at the statement at which it burns down.
const FUSE: &str = "
    create schema sim;
    create sequence sim.passed;
    create table sim.fuse (at bigint not null);
    create function sim.burn() returns trigger language plpgsql security definer as $$
    begin
        if nextval('sim.passed') = (select max(at) from sim.fuse) then
            perform pg_terminate_backend(pg_backend_pid());
        end if;
        return null;
    end $$;
    create trigger sim_burn after update on ops.leases execute function sim.burn();
    create trigger sim_burn after update on chain.checkpoints execute function sim.burn();
    create trigger sim_burn after insert on chain.asset_events execute function sim.burn();
    create trigger sim_burn after insert or delete on ops.headers execute function sim.burn();
    create trigger sim_burn after insert or delete on ops.undo execute function sim.burn();
";

/// What a failover takes back, beside the writer's lease and what tells of it.
const RESTORED: &str = "
    select format('%I.%I', n.nspname, c.relname)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition
        and (n.nspname = 'chain' and c.relname not in ('audit_trail', 'system_events')
             or n.nspname = 'ops' and c.relname in ('coverage', 'headers', 'undo', 'evidence', 'late_history'))
    order by 1";

/// A database of one run.
#[derive(Debug)]
pub struct OnPostgres {
    options: PgConnectOptions,
    pool: PgPool,
    copy: MemoryStore,
    compared: Arc<Compared>,
    /// Whether somebody has written.
    has_writer: AtomicBool,
    /// What compares: a connection that lasts, since a fresh one reads the catalogue anew.
    looker: Twin,
    snapshots: AtomicU64,
    cuts: AtomicU64,
    looks: AtomicU64,
}

impl OnPostgres {
    /// Over an empty database of the model's schema.
    ///
    /// # Errors
    /// The database's.
    pub async fn new(options: PgConnectOptions) -> Result<Self, sqlx::Error> {
        let pool = PgPoolOptions::new().max_connections(2).connect_with(options.clone()).await?;
        let (copy, compared) = (MemoryStore::new(), Arc::<Compared>::default());
        // It reads as nobody: the copy of no writer.
        let reader = PostgresStore::new(options.clone(), crate::CHAIN_ID, uuid::Uuid::nil());
        Ok(Self {
            looker: Twin::new(reader, copy.clone(), compared.clone()),
            options,
            pool,
            copy,
            compared,
            has_writer: AtomicBool::new(false),
            snapshots: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            looks: AtomicU64::new(0),
        })
    }

    async fn run(&self, sql: String) {
        self.pool.execute(AssertSqlSafe(sql)).await.expect("the private PostgreSQL does what it is told");
    }

    async fn restored(&self) -> Vec<String> {
        sqlx::query_scalar(RESTORED).fetch_all(&self.pool).await.expect("the catalogue can be read")
    }

    async fn end_open_transactions(&self) {
        let sql = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
            and application_name = 'asset-indexer writer' and state like 'idle in transaction%'";
        sqlx::query(sql).execute(&self.pool).await.expect("a superuser may end connections");
    }
}

impl Backend for OnPostgres {
    type Snapshot = (u64, Snapshot);

    async fn writer(&self) -> Stored {
        // A writer that is paused in a transaction is ended by the server after some seconds: not waited for here.
        self.end_open_transactions().await;
        let lease = Lease::new(self.pool.clone(), crate::CHAIN_ID, "simulation".to_owned());
        // A fuse that was laid for the writer before may burn down here: then the next one gets it.
        let mut last = None;
        for _ in 0..8 {
            let expired = self.pool.execute("update ops.leases set expires_at = '-infinity'").await;
            let taken = match expired {
                Ok(_) => lease.acquire().await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            last = Some(taken);
            if last == Some(Ok(true)) {
                break;
            }
        }
        assert_eq!(last, Some(Ok(true)), "the lease is free");
        let real = PostgresStore::new(self.options.clone(), crate::CHAIN_ID, lease.epoch());
        self.has_writer.store(true, Ordering::Relaxed);
        Stored::Twin(Box::new(Twin::new(real, self.copy.taken_over(), self.compared.clone())))
    }

    fn tables(&self) -> MemoryStore {
        self.copy.clone()
    }

    async fn snapshot(&self) -> (u64, Snapshot) {
        let number = self.snapshots.fetch_add(1, Ordering::Relaxed);
        let mut sql = format!("create schema snapshot_{number};");
        for (at, table) in self.restored().await.iter().enumerate() {
            sql += &format!("create table snapshot_{number}.t{at} as table {table};");
        }
        self.run(sql).await;
        (number, self.copy.snapshot())
    }

    async fn restore(&self, (number, snapshot): &(u64, Snapshot)) {
        self.end_open_transactions().await;
        let mut sql = "begin; set local session_replication_role = replica;".to_owned();
        let tables = self.restored().await;
        for table in &tables {
            sql += &format!("delete from {table};");
        }
        for (at, table) in tables.iter().enumerate() {
            sql += &format!(
                "insert into {table} overriding system value select * from snapshot_{number}.t{at};"
            );
        }
        self.run(sql + "commit").await;
        self.copy.restore(snapshot.clone());
        self.compared.wrote_everything();
    }

    async fn cut(&self) {
        let statement = 1 + 3 * self.cuts.fetch_add(1, Ordering::Relaxed) % 11;
        self.run(format!(
            "alter sequence sim.passed restart; delete from sim.fuse; insert into sim.fuse values ({statement})"
        ))
        .await;
    }

    async fn differs(&self) -> Option<String> {
        if let Some(difference) = self.compared.difference() {
            return Some(difference);
        }
        if !self.has_writer.load(Ordering::Relaxed) {
            return None;
        }
        if self.looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(10) {
            self.compared.wrote_everything();
        }
        let written = self.compared.take_written();
        for table in tables().filter(|table| written.contains(table.name)) {
            if let Some(difference) = self.looker.differs(table).await {
                return Some(difference);
            }
        }
        use asset_indexer::store::{ALL_BLOCKS, Store};
        let read = async {
            self.looker.checkpoint().await?;
            self.looker.evidence(ALL_BLOCKS).await?;
            self.looker.headers().await.map(drop)
        };
        if let Err(error) = read.await {
            return Some(format!("the tables cannot be read: {error}"));
        }
        self.compared.difference()
    }
}

/// A private cluster with a migrated model.
async fn cluster() -> Cluster {
    let binaries = find_binaries(&Search::default()).expect("PostgreSQL is installed: see the README");
    let cluster =
        Cluster::start(ClusterOptions::scratch(binaries)).await.expect("a private PostgreSQL starts");
    cluster.create_database(MODEL, None).await.expect("a database");
    let options = cluster.connect_options("postgres", MODEL);
    let mut connection = PgConnection::connect_with(&options).await.expect("a connection");
    migrate(&mut connection).await.expect("migrations apply");
    connection.execute(FUSE).await.expect("the fuse is laid");
    connection.close().await.expect("the model is free to be copied");
    cluster
}

async fn in_database(
    cluster: &Cluster,
    scenario: &Scenario,
    hits: &Hits,
    options: &Options,
) -> Result<Report, Failure> {
    let name = format!("s_{}", uuid::Uuid::new_v4().simple());
    cluster.create_database(&name, Some(MODEL)).await.expect("a copy of the model");
    // No password is asked for over the socket: it is there to be found in no text.
    let place = cluster.connect_options("postgres", &name).password(CANARY);
    let backend = OnPostgres::new(place).await.expect("the database answers");
    let outcome = driver::run(scenario, &backend, hits, options).await;
    backend.pool.close().await;
    let sql = format!("drop database if exists \"{name}\" with (force)");
    let server = cluster.connect_options("postgres", "postgres");
    if let Ok(mut connection) = PgConnection::connect_with(&server).await {
        connection.execute(AssertSqlSafe(sql)).await.expect("a superuser may drop a database");
    }
    outcome
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Carries one scenario out on PostgreSQL.
///
/// # Errors
/// What does not hold.
pub fn one_on_postgres(scenario: &Scenario, hits: &Hits, options: &Options) -> Result<Report, Failure> {
    let runtime = runtime();
    let cluster = runtime.block_on(cluster());
    let outcome = runtime.block_on(in_database(&cluster, scenario, hits, options));
    runtime.block_on(cluster.stop()).expect("the server ends");
    outcome
}

/// Carries out the scenarios of some seeds, each in a database of its own, on some threads.
pub fn seeds_on_postgres(seeds: std::ops::Range<u64>, threads: usize) -> Summary {
    on_postgres(&seeds.map(Scenario::of).collect::<Vec<_>>(), threads)
}

/// Carries scenarios out, each in a database of its own, on some threads.
pub fn on_postgres(scenarios: &[Scenario], threads: usize) -> Summary {
    let main = runtime();
    let cluster = main.block_on(cluster());
    let next = AtomicUsize::new(0);
    let (summary, progress) = (Mutex::new(Summary::default()), Progress::default());
    on_threads(threads, || {
        let runtime = runtime();
        let mut mine = Summary::default();
        while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
            if mine.failed.len() >= 3 {
                break;
            }
            let (hits, options) = (Hits::default(), Options::default());
            let outcome = runtime.block_on(in_database(&cluster, scenario, &hits, &options));
            progress.tell(mine.add(scenario, outcome, &hits), scenarios.len() as u64, true);
        }
        summary.lock().expect("no thread panics with it").merge(mine);
    });
    main.block_on(cluster.stop()).expect("the server ends");
    summary.into_inner().expect("all threads are done")
}
