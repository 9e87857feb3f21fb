//! A node with a story, a database, and the real program between them.

use alloy::primitives::B256;
use asset_indexer::amount::Amount;
use asset_indexer::embedded::{Cluster, SUPERUSER};
use asset_indexer::id::asset_id;
use asset_indexer::row::Row;
use asset_indexer::store::postgres::PostgresStore;
use asset_indexer::sync::Config;
use asset_indexer::table::holder::AssetHolder;
use scenario::{Node, NodeOptions, Play, Step, truth};
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{Postgres, Transaction};

use super::process::{Program, until};
use super::proxy::{Proxy, Target};
use super::real::{factories, rows, rpc};
use super::world::{CHAIN_ID, assert_same, cluster, database, dump, fresh};

/// The login role of the tests' daemons.
pub const LOGIN: &str = "process_test";

/// A node with a story, a database, and the program between them.
pub struct Scene {
    /// The node.
    pub node: Node,
    /// The story while it is played.
    pub story: Play,
    /// The program.
    pub program: Program,
    /// What is followed.
    pub config: Config,
    /// The database, as its superuser connects to it.
    pub admin: PgConnectOptions,
    /// The database, as its superuser.
    pub pool: PgPool,
}

impl Scene {
    /// A node on which the platform is deployed, deep enough that no reorg of the test reaches it, and a database of
    /// the shared cluster.
    pub async fn begin(options: NodeOptions) -> Self {
        let database = database().await;
        Self::within(options, cluster().await, &database).await
    }

    /// The same with a migrated database of another cluster.
    pub async fn within(options: NodeOptions, cluster: &Cluster, database: &str) -> Self {
        let buried = 2 * options.slots_in_an_epoch + 1;
        let node = Node::start_with(options).await.expect("anvil starts: see tests/setup.sh");
        let mut story = Play::begin(&node).expect("the story begins");
        story.play_next(&node).await.expect("the platform is deployed");
        node.mine(buried).await.expect("anvil mines");
        let config = factories(story.suite().expect("it is deployed"));
        let admin = cluster.connect_options(SUPERUSER, database);
        let pool = PgPool::connect_with(admin.clone()).await.expect("the database answers");
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "do $$ begin
                 create role {LOGIN} login in role asset_indexer_writer;
             exception when duplicate_object or unique_violation then null;
             end $$"
        )))
        .execute(&pool)
        .await
        .expect("the superuser may");
        let program = Program::new(&cluster.url_as(LOGIN, database), &node.url(), &config);
        Self { node, story, program, config, admin, pool }
    }

    /// Puts a proxy between the program and its database.
    pub async fn database_proxy(&mut self) -> Proxy {
        let proxy = Proxy::before(Target::of(&self.admin)).await;
        let database = self.admin.get_database().expect("it is named");
        self.program = self.program.clone().with("DATABASE_URL", &proxy.database_url(LOGIN, database));
        proxy
    }

    /// Puts a proxy between the program and its node, for one of the schemes `http` and `ws`.
    pub async fn node_proxy(&mut self, scheme: &str) -> Proxy {
        let proxy = Proxy::before(Target::port(self.node.port())).await;
        let url = format!("{scheme}://127.0.0.1:{}", proxy.port());
        self.program = self.program.clone().with("RPC_URL", &url);
        proxy
    }

    /// The same database is on another cluster now.
    pub async fn move_to(&mut self, cluster: &Cluster) {
        let database = self.admin.get_database().expect("it is named");
        self.admin = cluster.connect_options(SUPERUSER, database);
        self.pool = PgPool::connect_with(self.admin.clone()).await.expect("the database answers");
    }

    /// Plays the story up to and with a step.
    pub async fn play_through(&mut self, last: Step) {
        while self.story.next_step().is_some_and(|next| next <= last) {
            self.story.play_next(&self.node).await.expect("the step plays");
        }
    }

    /// Number and hash of the last block in the tables.
    pub async fn checkpoint(&self) -> Option<(u64, B256)> {
        let row: Option<(i64, Vec<u8>)> =
            sqlx::query_as("select block_number, block_hash from chain.checkpoints")
                .fetch_optional(&self.pool)
                .await
                .expect("readable");
        row.map(|(number, hash)| (number.cast_unsigned(), B256::from_slice(&hash)))
    }

    /// Number and hash of the node's head.
    pub async fn head(&self) -> (u64, B256) {
        let head = self.node.head().await.expect("the node answers").header;
        (head.number, head.hash)
    }

    /// Waits until the tables are at the node's head.
    pub async fn caught_up(&self) {
        let head = self.head().await;
        until(&format!("a checkpoint at the head {head:?}"), async || {
            self.checkpoint().await.filter(|at| *at == head)
        })
        .await;
    }

    /// Waits until every final block is proved: what a provider withheld of them is mended then.
    pub async fn proved(&self) {
        self.caught_up().await;
        until("all final blocks are proved", async || {
            let sql =
                "select verified_number >= least(finalized_number, block_number) from chain.checkpoints";
            let proved: bool = sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect("readable");
            proved.then_some(())
        })
        .await;
    }

    /// What equality speaks of.
    pub async fn tables(&self) -> Vec<(&'static str, Vec<Row>)> {
        dump(&PostgresStore::new(self.admin.clone(), CHAIN_ID, uuid::Uuid::new_v4())).await
    }

    /// Waits for the head, and compares with a fresh index of the present chain.
    pub async fn assert_fresh(&self, context: &str) {
        self.caught_up().await;
        let memory = fresh(&rpc(&self.node.url()), &self.config).await;
        assert_same(&self.tables().await, &dump(&memory).await, context);
        self.assert_holdings(context).await;
    }

    /// Compares what the wallets hold of the bond with what the contract answers.
    async fn assert_holdings(&self, context: &str) {
        let Ok(bond) = self.story.bond() else { return };
        let (_, at) = self.checkpoint().await.expect("there");
        let store = PostgresStore::new(self.admin.clone(), CHAIN_ID, uuid::Uuid::new_v4());
        let rows: Vec<AssetHolder> = rows(&store).await;
        let asset = asset_id(CHAIN_ID, bond.address);
        for wallet in self.story.wallets().holders() {
            let truth = truth::holder(&self.node, at, bond.address, wallet).await.expect("it answers");
            let ours = rows.iter().find(|row| row.asset_id == asset && row.holder == wallet);
            let ours = ours.map_or((Amount::ZERO, Amount::ZERO, false), |row| {
                (row.balance, row.frozen, row.wallet_frozen)
            });
            let theirs = (Amount::from(truth.balance), Amount::from(truth.frozen_tokens), truth.frozen);
            assert_eq!(ours, theirs, "{context}: what {wallet} holds, and what the contract says");
        }
    }

    /// Lets the lease of a writer that was killed expire now instead of in some seconds.
    pub async fn expire_lease(&self) {
        sqlx::query("update ops.leases set expires_at = '-infinity'")
            .execute(&self.pool)
            .await
            .expect("the superuser may");
    }

    /// Keeps a table from everybody who would write to it, until the transaction ends.
    pub async fn hold(&self, table: &str) -> Transaction<'static, Postgres> {
        self.hold_with(table, "exclusive").await
    }

    /// Holds a lock of some mode on a table until the transaction ends.
    pub async fn hold_with(&self, table: &str, mode: &str) -> Transaction<'static, Postgres> {
        let mut transaction = self.pool.begin().await.expect("a transaction");
        let lock = format!("lock table {table} in {mode} mode");
        sqlx::query(sqlx::AssertSqlSafe(lock)).execute(&mut *transaction).await.expect("the superuser may");
        transaction
    }

    /// Waits until so many connections whose name matches a pattern wait for a lock.
    pub async fn waiting(&self, application: &str, connections: i64) {
        until(&format!("{application} waits for a lock"), async || {
            let waiting: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity
                 where datname = current_database() and application_name ~ $1 and wait_event_type = 'Lock'",
            )
            .bind(application)
            .fetch_one(&self.pool)
            .await
            .expect("readable");
            (waiting >= connections).then_some(())
        })
        .await
    }

    /// What the server sees of a writer that stands still.
    pub async fn paused_in(&self) -> Inside {
        until("the server finished the writer's statement", async || {
            let states: Vec<(String, Option<String>)> = sqlx::query_as(
                "select state, wait_event from pg_stat_activity
                 where datname = current_database() and application_name like 'asset-indexer writer%'",
            )
            .fetch_all(&self.pool)
            .await
            .expect("readable");
            let states: Vec<Option<Inside>> = states
                .iter()
                .map(|(state, event)| match (state.as_str(), event.as_deref()) {
                    ("idle", _) => Some(Inside::Nothing),
                    ("active", Some("ClientRead")) => Some(Inside::Copy),
                    ("active", _) => None,
                    _ => Some(Inside::Transaction),
                })
                .collect();
            let all: Option<Vec<Inside>> = states.into_iter().collect();
            all.map(|all| all.into_iter().max().unwrap_or(Inside::Nothing))
        })
        .await
    }
}

/// What a writer is in the midst of, as the server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inside {
    /// No transaction.
    Nothing,
    /// A transaction: the server waits for the next statement.
    Transaction,
    /// A COPY inside a transaction: the server waits for more rows.
    Copy,
}
