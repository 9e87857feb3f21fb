//! Facts of the chain: five years of events into files and back, and what is refused meanwhile.

use std::sync::Arc;

use asset_indexer::decode::Decoder;
use asset_indexer::execute::ExecuteError;
use asset_indexer::fact::Role;
use asset_indexer::store::StoreError;
use asset_indexer::store::postgres::{PostgresStore, Request};
use asset_indexer::sync::{Config, Sync, SyncError};
use asset_indexer::verify::{Check, Snapshot, audit, deep, digest, quick};
use serde_json::Value as Json;
use simulation::chain::SimChain;
use simulation::events::account;
use simulation::play::Play;
use sqlx::postgres::PgPool;

use super::{maintain, run, scalar};
use crate::support::command::Folder;
use crate::support::world::{
    CHAIN_ID, assert_same, cluster, config, converge, database, dump, executor, pool, postgres_store, worker,
};

const MONTH: i64 = 30 * 86_400;
/// Blocks of a partition in these tests.
const WIDTH: u64 = 10;
/// Blocks below this one are in narrow partitions, and end up archived.
pub(super) const NARROW: u64 = 60;

/// A chain with a block a month, twenty years ago, followed into partitions of ten blocks.
pub(super) struct Register {
    chain: Arc<SimChain>,
    config: Config,
    pub(super) database: String,
    pub(super) pool: PgPool,
    folder: Folder,
    worker: Sync<SimChain, PostgresStore>,
}

impl Register {
    pub(super) async fn new(seed: u64, contracts: &[(Role, alloy::primitives::Address)]) -> Self {
        let mut play = Play::new(seed);
        let chain = Arc::new(Play::chain(6));
        chain.pace(-20 * 12 * MONTH);
        let mut blocks = play.blocks(72).into_iter();
        chain.mine(blocks.next().unwrap_or_default());
        chain.pace(MONTH);
        // What is found above finality may bring events of old blocks, which a reorg could still take back: the last
        // blocks are empty.
        for block in blocks.chain(std::iter::repeat_n(Vec::new(), 8)) {
            chain.mine(block);
        }
        let database = database().await;
        let pool = pool(&database).await;
        narrow_partitions(&pool).await;
        let config = config(contracts);
        let store = Arc::new(postgres_store(&database).await);
        let mut worker = worker(chain.clone(), store, config.clone());
        converge(&mut worker).await;
        Self { chain, config, database, pool, folder: Folder::new(), worker }
    }

    async fn maintain(&self, words: &[&str]) -> String {
        maintain(&self.database, words).await.run().await.done()
    }

    pub(super) async fn archive(&self) -> String {
        self.maintain(&["--apply", "--to", &self.folder.path().display().to_string()]).await
    }

    pub(super) async fn attach(&self) -> String {
        self.maintain(&["--attach", &self.folder.path().display().to_string()]).await
    }

    async fn execute(&self, request: Request) -> Result<Json, ExecuteError> {
        let executor = executor(Some(&self.chain), self.worker.store(), &self.config);
        executor.execute(&request, &mut |_| {}).await
    }

    async fn count(&self, sql: &str) -> i64 {
        scalar(&self.pool, sql).await
    }

    async fn snapshot(&self) -> Snapshot {
        let options = cluster().await.connect_options("postgres", &self.database);
        Snapshot::open(&options, CHAIN_ID).await.expect("it opens").expect("something is indexed")
    }

    /// Levels quick and audit.
    async fn checks(&self) -> Vec<Check> {
        let mut checks = quick::quick(&mut self.snapshot().await).await.expect("the database answers");
        checks.extend(audit::audit(&mut self.snapshot().await).await.expect("the database answers"));
        checks
    }

    async fn deep(&self) -> Vec<Check> {
        let options = cluster().await.connect_options("postgres", &self.database);
        let (decoder, none) = (Arc::new(Decoder::new(&[])), None::<Arc<SimChain>>);
        deep::deep(&options, none, &decoder, &self.config, &mut |_| {}).await.expect("it ends")
    }

    /// Every holder's balance as of a block in the middle of what is archived.
    async fn past(&self) -> Vec<(uuid::Uuid, String, String)> {
        sqlx::query_as(
            "select h.asset_id, encode(h.holder::bytea, 'hex'), b::text from chain.asset_holders h
             cross join lateral api.balance_at(h.asset_id, api.hex(h.holder), 33) b
             where h.chain_id = $1 order by 1, 2",
        )
        .bind(i64::try_from(CHAIN_ID).expect("a small number"))
        .fetch_all(&self.pool)
        .await
        .expect("the register can be asked")
    }
}

/// Partitions hold a million blocks, and no simulated chain does: these hold ten.
async fn narrow_partitions(pool: &PgPool) {
    run(pool, &format!("select ops.ensure_partitions({CHAIN_ID}, 0)")).await;
    for table in ["asset_events", "asset_transactions", "asset_operations"] {
        let parent = format!("chain.{table}_{CHAIN_ID}");
        let mut sql = format!(
            "drop table {parent}_0; create table {parent}_0 partition of {parent} for values from ({NARROW}) to (1000000);"
        );
        for from in (0..NARROW).step_by(usize::try_from(WIDTH).expect("small")) {
            let to = from + WIDTH;
            sql += &format!(
                "create table {parent}_from{from} partition of {parent} for values from ({from}) to ({to});"
            );
        }
        run(pool, &sql).await;
    }
}

fn assert_clean(checks: &[Check], context: &str) {
    for check in checks {
        assert!(check.found == 0 && check.unfinished.is_none(), "{context}: {check:#?}");
    }
}

fn is_archived(error: &ExecuteError) -> String {
    let ExecuteError::Sync(SyncError::Store(error @ StoreError::Archived { .. })) = error else {
        panic!("refused for another reason: {error}")
    };
    error.to_string()
}

const EVENTS: &str = "select count(*) from chain.asset_events";

#[tokio::test]
async fn five_years_go_into_files_and_come_back_to_equal_tables() {
    let register = Register::new(41, &Play::contracts()).await;
    let (before, past) = (dump(&**register.worker.store()).await, register.past().await);
    assert!(past.len() > 5, "{past:?}");
    assert_clean(&register.checks().await, "before");
    let events = register.count(EVENTS).await;
    let old = register.count(&format!("{EVENTS} where block_number < {NARROW}")).await;
    assert!(old > 50, "{old}");

    let said = register.maintain(&[]).await;
    assert_eq!(said.matches("would archive chain.asset_events_31337_from").count(), 6, "{said}");
    assert!(said.contains("blocks 10 to 19 of chain 31337"), "{said}");
    assert_same(&dump(&**register.worker.store()).await, &before, "a dry run changes nothing");

    let said = register.archive().await;
    assert_eq!(said.matches("\narchived ").count() + usize::from(said.starts_with("archived ")), 6, "{said}");
    assert_eq!(register.count(EVENTS).await, events - old);
    assert_eq!(register.past().await, past, "the past is answered from ownership_history");
    assert_clean(&register.checks().await, "archived");
    let unfinished: Vec<_> = register.deep().await.into_iter().filter_map(|check| check.unfinished).collect();
    assert!(unfinished.len() == 1 && unfinished[0].contains("asset_events_31337_from0"), "{unfinished:?}");
    let digests = digest::digests(&mut register.snapshot().await, WIDTH).await.expect("digests");
    assert!(digests.archived && digests.stretches.iter().all(|stretch| stretch.from_block >= NARROW));
    assert!(!digests.tables.contains_key("asset_events") && digests.tables.contains_key("ownership_history"));
    assert!(digests.first_block == NARROW && !digests.stretches.is_empty(), "{digests:?}");
    let compared = digest::compare(&digests, &digests);
    let remark = compared.remark.clone().unwrap_or_default();
    assert!(remark.contains(&format!("from block {NARROW} on")), "{remark}");
    assert_clean(&[compared], "what is here is compared");

    let refused = is_archived(&register.execute(Request::Rebuild).await.expect_err("ground is not whole"));
    for part in
        ["blocks 0 to 59", "asset_events_31337_from0", "asset_events_31337_from50", "maintain --attach DIR"]
    {
        assert!(refused.contains(part), "{refused}");
    }
    let reread = Request::Reread { from: 55, to: 65, repair: true };
    let refused = is_archived(&register.execute(reread).await.expect_err("it cannot be compared"));
    assert!(refused.contains("asset_events_31337_from50") && !refused.contains("from40"), "{refused}");
    let above = Request::Reread { from: 60, to: 75, repair: false };
    let report = register.execute(above).await.expect("what is there can be compared");
    assert_eq!(report["differences"].as_u64(), Some(0), "{report}");

    let said = register.attach().await;
    assert_eq!(said.lines().count(), 6, "{said}");
    assert_same(&dump(&**register.worker.store()).await, &before, "put back");
    register.execute(Request::Rebuild).await.expect("ground is whole");
    assert_same(&dump(&**register.worker.store()).await, &before, "rebuilt from what was archived");
    assert_clean(&register.checks().await, "put back");
    assert_clean(&register.deep().await, "put back");
    assert_eq!(register.past().await, past);
}

#[tokio::test]
async fn the_digest_in_a_manifest_is_the_registers() {
    let register = Register::new(43, &Play::contracts()).await;
    let sql = format!("select digest from api.digests({CHAIN_ID}, 10, 19, 10)");
    let expected: String = scalar(&register.pool, &sql).await;
    register.archive().await;
    let path = register.folder.path().join("chain.asset_events_31337_from10.json");
    let told: Json = serde_json::from_str(&std::fs::read_to_string(path).expect("a manifest")).expect("JSON");
    assert_eq!(told["register_digest"].as_str(), Some(expected.as_str()));
    let file = register.folder.path().join("chain.asset_operations_31337_from10.copy.gz");
    std::fs::remove_file(file).expect("it is there");
    let ended =
        maintain(&register.database, &["--attach", &register.folder.path().display().to_string()]).await;
    ended.run().await.failed(1, &["chain.asset_operations_31337_from10.copy.gz is missing"]);
}

#[tokio::test]
async fn blocks_that_a_hold_stands_on_or_that_are_not_proved_stay() {
    let register = Register::new(44, &Play::contracts()).await;
    // The asset that came last, of those that are old.
    let (asset, first): (uuid::Uuid, i64) = sqlx::query_as(
        "select asset_id, min(block_number) from chain.asset_events where asset_id is not null group by asset_id
         having min(block_number) between 10 and 29 order by 2 limit 1",
    )
    .fetch_one(&register.pool)
    .await
    .expect("an asset came in the first years");
    let first = u64::try_from(first).expect("a height") / WIDTH * WIDTH;
    run(
        &register.pool,
        &format!(
            "insert into ops.legal_holds (scope, chain_id, from_block, to_block, reason) values ('blocks', {CHAIN_ID}, 39, 39, 'letter');
             insert into ops.legal_holds (scope, table_name, asset_id, reason) values ('asset', 'chain.asset_events', '{asset}', 'court')"
        ),
    )
    .await;
    let verified: i64 = scalar(&register.pool, "select verified_number from chain.checkpoints").await;
    assert!(verified > 60, "{verified}");
    run(&register.pool, "update chain.checkpoints set verified_number = 55").await;
    let said = register.archive().await;
    let kept = |from: u64, why: &str| {
        let unit = format!("keeps chain.asset_events_31337_from{from},");
        said.lines().any(|line| line.starts_with(&unit) && line.contains(why))
    };
    assert!(kept(30, "(blocks; postgres): letter"), "{said}");
    assert!(kept(first, "(asset; postgres): court"), "{said}");
    assert!(kept(50, "not all proved complete"), "{said}");
    assert!(said.contains("archived chain.asset_events_31337_from0"), "{said}");
    assert!(register.count(&format!("{EVENTS} where block_number between 30 and 39")).await > 0);
    run(&register.pool, &format!("update chain.checkpoints set verified_number = {verified}")).await;
    assert_clean(&register.checks().await, "archived in part");
}

/// A contract that is added to the configuration afterwards has events in blocks that are in files.
#[tokio::test]
async fn the_daemon_neither_writes_into_archived_blocks_nor_makes_them_anew() {
    let plain = [(Role::Erc20, account(0x20, 0))];
    let mut register = Register::new(45, &plain).await;
    register.archive().await;
    assert_eq!(register.count(&format!("{EVENTS} where block_number < {NARROW}")).await, 0);
    let mut added =
        worker(register.chain.clone(), register.worker.store().clone(), config(&Play::contracts()));
    let mut refused = Vec::new();
    for _ in 0..20 {
        match added.step(None).await {
            Err(SyncError::Store(error @ StoreError::Archived { .. })) => refused.push(error.to_string()),
            Err(error) => panic!("refused for another reason: {error}"),
            Ok(_) => {}
        }
        if refused.len() == 2 {
            break;
        }
    }
    // The first time the writer did not know; since then it looked.
    assert!(refused.len() == 2 && refused[0].contains("no partition of relation"), "{refused:?}");
    assert!(refused[1].contains("asset_events_31337_from"), "{refused:?}");
    assert_eq!(register.count(&format!("{EVENTS} where block_number < {NARROW}")).await, 0);
    register.attach().await;
    added.forget();
    converge(&mut added).await;
    register.config = config(&Play::contracts());
    let fresh = crate::support::world::fresh(&register.chain, &register.config).await;
    assert_same(
        &dump(&**added.store()).await,
        &dump(&fresh).await,
        "put back, the contract is read from its start",
    );
}

#[tokio::test]
async fn an_archived_partition_is_not_made_anew() {
    let database = database().await;
    let pool = pool(&database).await;
    run(&pool, "select ops.ensure_partitions(5, 0)").await;
    run(
        &pool,
        "drop table chain.asset_operations_5_0;
         insert into ops.archived_partitions (table_name, partition, chain_id, from_block, to_block, columns, row_count, content_sha256,
             file_name, file_bytes, file_sha256, manifest_sha256)
         select 'chain.asset_operations', 'asset_operations_5_0', 5, 0, 1000000, '{id}', 0, d, 'f', 0, d, d from repeat('0', 64) d",
    )
    .await;
    let refused =
        sqlx::query("select ops.ensure_partitions(5, 0)").execute(&pool).await.expect_err("it is in a file");
    assert!(
        refused.to_string().contains("asset_operations_5_0 is archived: blocks 0 to 999999 of chain 5"),
        "{refused}"
    );
    run(&pool, "select ops.ensure_partitions(5, 3000000)").await;
    run(&pool, "update ops.archived_partitions set attached_at = now()").await;
    run(&pool, "select ops.ensure_partitions(5, 0)").await;
}
