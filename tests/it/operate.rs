//! What operators do to tables: add contracts, rebuild, rewind, compare and repair; and what a second writer cannot do.

use std::sync::Arc;
use std::time::Duration;

use asset_indexer::execute::ExecuteError;
use asset_indexer::fact::Role;
use asset_indexer::store::postgres::{Lease, PostgresStore, Request, Requests};
use asset_indexer::store::{Commit, Section, Store, StoreError};
use asset_indexer::sync::{Config, Outcome, Sync};
use serde_json::Value as Json;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;

use crate::support::command::{Ended, Line};
use crate::support::world::{
    CHAIN_ID, PROGRAM, WRITER, assert_equal, assert_same, config, converge, database, dump, executor, fresh,
    pool, postgres_store, worker,
};
use simulation::chain::SimChain;
use simulation::events::account;
use simulation::play::Play;

/// A followed chain on PostgreSQL.
struct Followed {
    play: Play,
    chain: Arc<SimChain>,
    config: Config,
    database: String,
    worker: Sync<SimChain, PostgresStore>,
}

impl Followed {
    async fn new(seed: u64, config: Config) -> Self {
        let mut play = Play::new(seed);
        let chain = Arc::new(Play::chain(6));
        for block in play.blocks(40) {
            chain.mine(block);
        }
        let database = database().await;
        let store = Arc::new(postgres_store(&database).await);
        let mut worker = worker(chain.clone(), store, config.clone());
        converge(&mut worker).await;
        Self { play, chain, config, database, worker }
    }

    fn store(&self) -> &PostgresStore {
        self.worker.store()
    }

    async fn execute(&self, node: bool, request: Request) -> Result<Json, ExecuteError> {
        let executor = executor(node.then_some(&self.chain), self.worker.store(), &self.config);
        executor.execute(&request, &mut |_| {}).await
    }

    async fn pool(&self) -> PgPool {
        pool(&self.database).await
    }

    async fn assert_fresh(&self, context: &str) {
        assert_equal(self.store(), &fresh(&self.chain, &self.config).await, context).await;
    }
}

#[tokio::test]
async fn a_rebuild_without_the_node_gives_equal_tables_and_later_forks_still_fit() {
    for seed in [11, 12, 13] {
        let mut followed = Followed::new(seed, config(&Play::contracts())).await;
        let before = dump(followed.store()).await;
        followed.execute(false, Request::Rebuild).await.expect("ground holds all that the fold asks for");
        assert_same(&dump(followed.store()).await, &before, &format!("seed {seed}: rebuilt against before"));
        followed.worker.forget();
        let blocks = followed.play.blocks(9);
        followed.chain.reorg(5, blocks);
        converge(&mut followed.worker).await;
        followed.assert_fresh(&format!("seed {seed}: forked after a rebuild")).await;
    }
}

#[tokio::test]
async fn a_rebuild_mends_derived_rows_that_somebody_changed() {
    let followed = Followed::new(21, config(&Play::contracts())).await;
    let changed = sqlx::query("update chain.asset_holders set balance = balance + 1")
        .execute(&followed.pool().await)
        .await
        .expect("the superuser may");
    assert!(changed.rows_affected() > 0);
    followed.execute(false, Request::Rebuild).await.expect("it rebuilds");
    followed.assert_fresh("rebuilt").await;
}

#[tokio::test]
async fn events_that_a_rebuild_drops_with_their_contract_are_evidence() {
    let followed = Followed::new(22, config(&Play::contracts())).await;
    let pool = followed.pool().await;
    let stranger = "insert into chain.asset_events
         select (jsonb_populate_record(e, jsonb_build_object('address', '\\x' || repeat('99', 20), 'log_index', 9999))).*
         from chain.asset_events e order by e.block_number limit 1";
    sqlx::query(stranger).execute(&pool).await.expect("the superuser may");
    followed.execute(false, Request::Rebuild).await.expect("it rebuilds");
    followed.assert_fresh("rebuilt").await;
    let kept: (String, String) = sqlx::query_as(
        "select t.action, t.old_state ->> 'log_index' from chain.audit_trail t where t.actor = 'rebuild'",
    )
    .fetch_one(&pool)
    .await
    .expect("what was there is kept");
    assert_eq!(kept, ("withdrawn".to_owned(), "9999".to_owned()));
    let told: String = sqlx::query_scalar(
        "select event_data ->> 'message' from chain.system_events where event_type = 'rebuild'",
    )
    .fetch_one(&pool)
    .await
    .expect("it is told");
    assert!(told.contains("1 events went"), "{told}");
}

#[tokio::test]
async fn a_rewind_above_and_below_finality_goes_on_to_the_same_tables() {
    for (seed, to, from_journal) in [(31, 38, true), (32, 20, false), (33, 3, false)] {
        let mut followed = Followed::new(seed, config(&Play::contracts())).await;
        let request = Request::Rewind { to, reason: "a test".to_owned() };
        let report = followed.execute(true, request).await.expect("it rewinds");
        assert_eq!(report["from_journal"], from_journal, "seed {seed}");
        let checkpoint = followed.store().checkpoint().await.expect("readable").expect("there");
        assert_eq!(checkpoint.block.id.number, to);
        let above: i64 =
            sqlx::query_scalar("select count(*) from chain.asset_events where block_number > $1")
                .bind(to as i64)
                .fetch_one(&followed.pool().await)
                .await
                .expect("readable");
        assert_eq!(above, 0);
        let kept: i64 = sqlx::query_scalar("select count(*) from chain.audit_trail where actor = 'a test'")
            .fetch_one(&followed.pool().await)
            .await
            .expect("readable");
        assert!(kept > 0, "the withdrawn rows are evidence");
        followed.worker.forget();
        converge(&mut followed.worker).await;
        followed.assert_fresh(&format!("seed {seed}: rewound to {to} and followed again")).await;
    }
}

#[tokio::test]
async fn a_rewind_is_the_way_out_of_a_halt() {
    let mut followed = Followed::new(41, config(&Play::contracts())).await;
    let blocks = followed.play.blocks(14);
    followed.chain.reorg(12, blocks);
    let outcomes = converge(&mut followed.worker).await;
    assert!(matches!(outcomes.last(), Some(Outcome::Halted { .. })), "{outcomes:?}");
    let request = Request::Rewind { to: 25, reason: "the chain was restored from a backup".to_owned() };
    followed.execute(true, request).await.expect("it rewinds");
    followed.worker.forget();
    converge(&mut followed.worker).await;
    followed.assert_fresh("after the halt").await;
}

/// As the reason of the halt says: one below the block that was final and is another.
#[tokio::test]
async fn a_rewind_goes_further_down_where_the_chain_changed_below() {
    let mut followed = Followed::new(42, config(&Play::contracts())).await;
    let blocks = followed.play.blocks(16);
    followed.chain.reorg(14, blocks);
    let outcomes = converge(&mut followed.worker).await;
    let Some(Outcome::Halted { reason }) = outcomes.last() else { panic!("{outcomes:?}") };
    // The chain changed above block 26; what stands between there and finality is another chain's.
    let to = reason.split("rewind --to ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a way out");
    let to: u64 = to.parse().expect("a block");
    assert!(to > 26, "{reason}");
    let request = Request::Rewind { to, reason: "one below finality".to_owned() };
    let report = followed.execute(true, request).await.expect("it rewinds");
    let reached = report["to"].as_u64().expect("a block");
    assert!((20..=26).contains(&reached), "the newest that both are known to have: {report}");
    followed.worker.forget();
    converge(&mut followed.worker).await;
    followed.assert_fresh("rewound to where the chains part").await;
}

#[tokio::test]
async fn a_rewind_goes_down_to_where_the_chains_are_known_to_be_one() {
    let mut followed = Followed::new(43, config(&Play::contracts())).await;
    // Nothing in the tables tells what stood there, but that it was proved, from far below to far above.
    (0..20).for_each(|_| {
        followed.chain.mine(Vec::new());
    });
    converge(&mut followed.worker).await;
    let blocks = followed.play.blocks(17);
    followed.chain.reorg(15, blocks);
    let outcomes = converge(&mut followed.worker).await;
    assert!(matches!(outcomes.last(), Some(Outcome::Halted { .. })), "{outcomes:?}");
    let request = Request::Rewind { to: 53, reason: "one below finality".to_owned() };
    let report = followed.execute(true, request).await.expect("it rewinds");
    let to = report["to"].as_u64().expect("a block");
    assert!(to <= 45, "the chain changed above block 45: {report}");
    let checkpoint = followed.store().checkpoint().await.expect("readable").expect("there");
    assert_eq!((checkpoint.block.id.number, checkpoint.verified.number <= to), (to, true));
    followed.worker.forget();
    converge(&mut followed.worker).await;
    followed.assert_fresh("rewound to where the chains are one").await;
}

#[tokio::test]
async fn comparing_reports_every_difference_and_repair_mends_it() {
    let followed = Followed::new(51, config(&Play::contracts())).await;
    let pool = followed.pool().await;
    let whole = Request::Reread { from: 1, to: 30, repair: false };
    let clean = followed.execute(true, whole.clone()).await.expect("it compares");
    assert_eq!(clean["differences"], 0, "{clean}");
    let places: Vec<(i64, i64)> = sqlx::query_as(
        "select block_number, log_index from chain.asset_events where block_number <= 30 order by 1, 2",
    )
    .fetch_all(&pool)
    .await
    .expect("readable");
    let (missing, changed) = (places[places.len() / 3], places[places.len() / 2]);
    sqlx::query("delete from chain.asset_events where block_number = $1 and log_index = $2")
        .bind(missing.0)
        .bind(missing.1)
        .execute(&pool)
        .await
        .expect("the superuser may");
    sqlx::query(
        "update chain.asset_events set data = data || '\\x00' where block_number = $1 and log_index = $2",
    )
    .bind(changed.0)
    .bind(changed.1)
    .execute(&pool)
    .await
    .expect("the superuser may");
    let report = followed.execute(true, whole).await.expect("it compares");
    assert_eq!(report["differences"], 2, "{report}");
    assert_eq!(report["first_differences"][0]["kind"], "missing", "{report}");
    assert_eq!(report["first_differences"][1]["kind"], "different", "{report}");
    let repair = Request::Reread { from: 1, to: 30, repair: true };
    let report = followed.execute(true, repair).await.expect("it repairs");
    assert_eq!(report["repaired"], true, "{report}");
    followed.assert_fresh("repaired").await;
    let unproved: i64 =
        sqlx::query_scalar("select count(*) from chain.system_events where event_type = 'unproved'")
            .fetch_one(&pool)
            .await
            .expect("readable");
    assert_eq!(unproved, 1, "no proof covers what an operator puts in");
    let kept: i64 = sqlx::query_scalar("select count(*) from chain.audit_trail where action = 'repaired'")
        .fetch_one(&pool)
        .await
        .expect("readable");
    assert_eq!(kept, 3, "one row goes, two come");
}

#[tokio::test]
async fn nothing_is_repaired_by_a_node_that_lacks_the_checkpoint() {
    let mut followed = Followed::new(52, config(&Play::contracts())).await;
    let before = dump(followed.store()).await;
    let whole = followed.chain.clone();
    let repair = Request::Reread { from: 1, to: 30, repair: true };
    let (behind, elsewhere) = (Arc::new(Play::chain(6)), Arc::new(Play::chain(6)));
    for block in Play::new(52).blocks(20) {
        behind.mine(block);
    }
    for block in Play::new(53).blocks(40) {
        elsewhere.mine(block);
    }
    for (node, what) in [(behind, "is not on the node's chain"), (elsewhere, "the chain moved")] {
        followed.chain = node;
        let error = followed.execute(true, repair.clone()).await.expect_err("its lists are not our chain's");
        assert!(error.to_string().contains(what), "{error}");
        assert_same(&dump(followed.store()).await, &before, what);
    }
    followed.chain = whole;
    let report = followed.execute(true, repair).await.expect("it compares");
    assert_eq!((&report["differences"], &report["repaired"]), (&0.into(), &false.into()), "{report}");
}

/// A reorg can move a deployment below the start that was found for it.
#[tokio::test]
async fn what_was_read_below_a_start_is_not_repaired_away() {
    let followed = Followed::new(54, config(&Play::contracts())).await;
    let before = dump(followed.store()).await;
    let moved = sqlx::query("update ops.coverage set from_block = 25 where from_block < 25")
        .execute(&followed.pool().await)
        .await
        .expect("the superuser may");
    assert!(moved.rows_affected() > 0);
    let compare = Request::Reread { from: 1, to: 30, repair: true };
    let report = followed.execute(true, compare).await.expect("it compares");
    assert_eq!((&report["differences"], &report["repaired"]), (&0.into(), &false.into()), "{report}");
    let mut worker = worker(followed.chain.clone(), followed.worker.store().clone(), followed.config.clone());
    let outcomes = converge(&mut worker).await;
    assert!(!outcomes.iter().any(|outcome| matches!(outcome, Outcome::Repaired { .. })), "{outcomes:?}");
    sqlx::query("update ops.coverage set from_block = 0 where from_block = 25")
        .execute(&followed.pool().await)
        .await
        .expect("the superuser may");
    let after = dump(followed.store()).await;
    let events = |tables: &[(&'static str, Vec<asset_indexer::row::Row>)]| {
        tables.iter().find(|(name, _)| *name == "asset_events").map(|(_, rows)| rows.len())
    };
    assert_eq!(events(&after), events(&before));
}

#[tokio::test]
async fn a_contract_added_later_ends_with_the_tables_it_would_always_have_had() {
    for seed in [61, 62, 63, 64] {
        let plain = config(&[(Role::Erc20, account(0x20, 0))]);
        let mut followed = Followed::new(seed, plain).await;
        let all = config(&Play::contracts());
        let mut added = worker(followed.chain.clone(), followed.worker.store().clone(), all.clone());
        let outcomes = converge(&mut added).await;
        let joined = |outcome: &Outcome| matches!(outcome, Outcome::CaughtUp { joined: true, .. });
        assert!(outcomes.iter().any(joined), "{outcomes:?}");
        followed.config = all;
        followed.assert_fresh(&format!("seed {seed}: added later")).await;
        let blocks = followed.play.blocks(8);
        followed.chain.reorg(5, blocks);
        converge(&mut added).await;
        followed.assert_fresh(&format!("seed {seed}: added later, then forked")).await;
    }
}

/// Where many logs lie in few blocks, too: each step holds about as many as it should.
#[tokio::test]
async fn contracts_that_are_behind_are_read_in_steps_of_a_size() {
    let plain = config(&[(Role::Erc20, account(0x20, 0))]);
    let mut followed = Followed::new(65, plain).await;
    let all = Config { range_logs_target: 6, ..config(&Play::contracts()) };
    let mut added = worker(followed.chain.clone(), followed.worker.store().clone(), all.clone());
    let outcomes = converge(&mut added).await;
    let read = |outcome: &Outcome| match outcome {
        Outcome::CaughtUp { joined: false, events, .. } => Some(*events),
        _ => None,
    };
    let steps: Vec<usize> = outcomes.iter().filter_map(read).collect();
    assert!(steps.len() > 3 && steps.iter().all(|events| *events < 30), "{steps:?}: {outcomes:?}");
    followed.config = all;
    followed.assert_fresh("read in steps").await;
}

#[tokio::test]
async fn a_writer_that_lost_its_lease_changes_nothing() {
    let followed = Followed::new(71, config(&Play::contracts())).await;
    let before = dump(followed.store()).await;
    let pool = followed.pool().await;
    sqlx::query("update ops.leases set expires_at = clock_timestamp() - interval '1 second'")
        .execute(&pool)
        .await
        .expect("the superuser may");
    let second = Lease::new(pool, CHAIN_ID, "second".to_owned());
    assert!(second.acquire().await.expect("the database answers"), "an expired lease can be taken");
    let checkpoint = followed.store().checkpoint().await.expect("readable").expect("there");
    let late = Commit {
        expected: checkpoint.block.id,
        next: checkpoint.block,
        finalized: checkpoint.finalized,
        sections: vec![Section { undo_block: None, changes: Default::default() }],
        evidence: Vec::new(),
    };
    let refused = followed.store().commit(&late).await;
    assert!(matches!(refused, Err(StoreError::NotTheWriter)), "{refused:?}");
    let halted = followed.store().halt("late").await;
    assert!(matches!(halted, Err(StoreError::NotTheWriter)), "{halted:?}");
    assert_same(&dump(followed.store()).await, &before, "a late writer");
}

#[tokio::test]
async fn withdrawn_rows_are_kept_as_evidence() {
    let mut followed = Followed::new(81, config(&Play::contracts())).await;
    let newest: Vec<String> = sqlx::query_scalar(
        "select id::text from chain.asset_events where block_number > (select block_number - 4 from chain.checkpoints)",
    )
    .fetch_all(&followed.pool().await)
    .await
    .expect("readable");
    assert!(!newest.is_empty(), "the play puts events near the head");
    let blocks = followed.play.blocks(6);
    followed.chain.reorg(4, blocks);
    let outcomes = converge(&mut followed.worker).await;
    assert!(outcomes.iter().any(|o| matches!(o, Outcome::RolledBack { .. })), "{outcomes:?}");
    for id in newest {
        let kept: i64 = sqlx::query_scalar(
            "select count(*) from chain.audit_trail where entity_type = 'asset_events' and action = 'withdrawn'
                 and old_state->>'id' = $1 and replaced_by is not null",
        )
        .bind(&id)
        .fetch_one(&followed.pool().await)
        .await
        .expect("readable");
        assert_eq!(kept, 1, "event {id}");
    }
    let told: i64 = sqlx::query_scalar("select count(*) from chain.system_events where event_type = 'reorg'")
        .fetch_one(&followed.pool().await)
        .await
        .expect("readable");
    assert_eq!(told, 1);
}

/// The requests of a database of their own.
async fn requests() -> (Requests, String) {
    let database = database().await;
    (Requests::new(pool(&database).await, CHAIN_ID), database)
}

/// A request's status, and what is told of it.
async fn told(requests: &Requests, id: uuid::Uuid) -> (String, String) {
    let state = requests.state(id).await.expect("readable").expect("it is there");
    (state.status, state.result.and_then(|told| told.as_str().map(str::to_owned)).unwrap_or_default())
}

#[tokio::test]
async fn a_request_that_ended_its_worker_three_times_is_failed_and_the_next_one_taken() {
    let (requests, _) = requests().await;
    let one = requests.submit(&Request::Rebuild).await.expect("handed in");
    let resume = Request::Resume { reason: "a test".to_owned() };
    let other = requests.submit(&resume).await.expect("handed in");
    for left in [false, true, true] {
        let taken = requests.next().await.expect("readable").expect("it is open");
        assert_eq!(taken, (one, Request::Rebuild, left));
    }
    let taken = requests.next().await.expect("readable").expect("it is open");
    assert_eq!(taken, (other, resume, false), "it does not stand in the way of others");
    let (status, words) = told(&requests, one).await;
    assert_eq!(status, "failed");
    assert!(words.starts_with("worker_ended: a worker began it three times"), "{words}");
    // A command that takes the place of a worker that is gone is one.
    for _ in 0..2 {
        assert_eq!(requests.begin(other).await.expect("readable"), Some(true));
    }
    assert_eq!(requests.begin(other).await.expect("readable"), None);
    assert_eq!(told(&requests, other).await.0, "failed");
    assert_eq!(requests.next().await.expect("readable"), None);
}

/// Without it tables of the new version stay empty: nobody would hand it in again.
#[tokio::test]
async fn what_a_migration_asked_for_is_taken_up_as_often_as_it_takes() {
    let (requests, _) = requests().await;
    let id = requests.submit(&Request::Upgrade).await.expect("handed in");
    for times in 0..9 {
        let taken = requests.next().await.expect("readable").expect("it is open");
        assert_eq!(taken, (id, Request::Upgrade, times > 0));
    }
    requests.postpone(id).await.expect("it waits");
    assert!(!requests.withdraw(id).await.expect("readable"), "nor is it taken back");
    assert_eq!(told(&requests, id).await.0, "waiting");
}

/// A command over a database's requests; it needs no node.
async fn command(database: &str, words: &[&str]) -> Ended {
    let line = Line::new(words).set("ASSET_INDEXER__CHAIN__ID", CHAIN_ID.to_string());
    line.contract("erc20", account(7, 7)).database(PROGRAM, database).await.run().await
}

#[tokio::test]
async fn a_request_that_waits_is_shown_and_can_be_taken_back() {
    let (requests, database) = requests().await;
    let begun = requests.submit(&Request::Rebuild).await.expect("handed in");
    requests.next().await.expect("readable").expect("it is open");
    let waiting = requests.submit(&Request::Rebuild).await.expect("handed in");
    let shown = command(&database, &["requests"]).await.done();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with(&format!("{begun}  running, begun 1 times, handed in 2")), "{shown}");
    assert!(lines[1].starts_with(&format!("{waiting}  waiting, handed in 2")), "{shown}");
    assert!(lines[1].ends_with(r#": {"kind":"rebuild"}"#), "{shown}");

    command(&database, &["requests", "--withdraw", &waiting.to_string()]).await.done();
    assert_eq!(told(&requests, waiting).await, ("failed".to_owned(), "withdrawn".to_owned()));
    for (id, why) in
        [(begun, "it has begun"), (waiting, "it has ended: failed"), (uuid::Uuid::nil(), "has no request")]
    {
        let refused = command(&database, &["requests", "--withdraw", &id.to_string()]).await;
        refused.failed(1, &["cannot be withdrawn", why]);
    }
    requests.finished(begun, Ok(Json::Null)).await.expect("finished");
    assert_eq!(command(&database, &["requests"]).await.done(), "no request is open\n");
}

/// What is set for a role, so that no query of people's runs for ever, would end the writer's work each time anew.
#[tokio::test]
async fn a_roles_timeouts_end_none_of_the_writers_statements() {
    let database = database().await;
    let pool = pool(&database).await;
    let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
        .fetch_one(&pool)
        .await
        .expect("readable");
    let mut timeouts = vec!["statement_timeout"];
    if version >= 170_000 {
        timeouts.push("transaction_timeout");
    }
    for timeout in timeouts {
        let sql = format!("alter role {WRITER} in database {database} set {timeout} = '1s'");
        sqlx::query(AssertSqlSafe(sql)).execute(&pool).await.expect("the superuser may");
    }
    let store = postgres_store(&database).await;
    let mut held = pool.begin().await.expect("a transaction");
    sqlx::query("lock table chain.checkpoints in access exclusive mode")
        .execute(&mut *held)
        .await
        .expect("the superuser may");
    let letting_go = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        held.rollback().await.expect("it was only a lock");
    };
    let (read, ()) = tokio::join!(store.checkpoint(), letting_go);
    assert!(read.expect("it was waited for").is_none());
}
