//! The schema up and down by command: nothing lost unasked, and nobody kept waiting.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{indexed, line, tables};
use crate::application::{connect, run};
use crate::support::command::{Ended, Line, database_url};
use crate::support::process::until;
use crate::support::world::{assert_same, cluster, database, pool};

/// The newest versions before tables in use were changed again.
const CHAIN_BEFORE: &str = "20261126000003";
pub(super) const APPLICATION_BEFORE: &str = "20261126000012";

pub(super) async fn migrate(database: &str, arguments: &[&str]) -> Ended {
    let url = database_url("postgres", database).await;
    Line::new(&[&["migrate"], arguments].concat()).set("ADMIN_DATABASE_URL", url).run().await
}

/// What the refusal asks to accept, to be typed as it is.
pub(super) fn asked(refusal: &Ended) -> String {
    refusal.failed(1, &["hold rows and would be gone", "nothing was changed"]);
    let (_, names) = refusal.err.split_once("--accept-loss ").expect("the remedy is there");
    names.trim().to_owned()
}

const TENANT: &str = "insert into app.tenants (name) values ('one');
    insert into app.users (tenant_id, email, username) select id, 'one@example.org', 'one' from app.tenants";

#[tokio::test]
async fn a_step_down_that_loses_rows_is_refused_until_they_are_named() {
    let (node, played, database) = indexed().await;
    let before = tables(&database).await;
    run(&mut connect(&database).await, TENANT).await;

    let refused = migrate(&database, &["--down-to", "0", "--application"]).await;
    let names = asked(&refused);
    assert!(
        ["app.tenants", "app.users", "app.audit_trail"].iter().all(|it| names.split(',').any(|n| n == *it))
    );
    assert!(!names.contains("app.sessions"), "an empty table is no loss: {names}");
    let users: i64 = sqlx::query_scalar("select count(*) from app.users")
        .fetch_one(&mut connect(&database).await)
        .await
        .expect("it is there");
    assert_eq!(users, 1);
    let some: Vec<&str> = names.split(',').filter(|name| *name != "app.users").collect();
    let some = some.join(",");
    migrate(&database, &["--down-to", "0", "--application", "--accept-loss", &some])
        .await
        .failed(1, &["app.users"]);
    migrate(&database, &["--down-to", "0"]).await.failed(78, &["app"]);
    migrate(&database, &["--down-to", "17"]).await.failed(78, &["17", "not among those applied"]);
    let done = migrate(&database, &["--down-to", "0", "--application", "--accept-loss", &names]).await.done();
    assert!(done.contains("version 20261126000001 was taken down"), "{done}");

    let names = asked(&migrate(&database, &["--down-to", "0"]).await);
    assert!(names.contains("chain.asset_events"), "{names}");
    migrate(&database, &["--down-to", "0", "--accept-loss", &names]).await.done();
    let up = migrate(&database, &[]).await.done();
    assert!(up.contains("migrations applied"), "{up}");
    line(&["backfill", "--from", "0"], node.port(), &played, &database).await.run().await.done();
    assert_same(&tables(&database).await, &before, "down, up and read again");
}

/// What a migration put into a table comes back with it; what somebody changed there does not, and is named.
#[tokio::test]
async fn rows_that_somebody_changed_are_named_before_a_step_down_takes_them() {
    let database = database().await;
    let down = ["--down-to", APPLICATION_BEFORE, "--application"];
    let names = asked(&migrate(&database, &down).await);
    assert!(!names.contains(":rows"), "nobody changed any: {names}");
    let mut owner = connect(&database).await;
    run(
        &mut owner,
        "update ops.retention_policies set delete_after = '8 years' where table_name = 'app.users'",
    )
    .await;
    let refused = migrate(&database, &down).await;
    let with_rows = asked(&refused);
    refused.failed(1, &["rows of ops.retention_policies were changed since they were made", ": app.users;"]);
    assert_eq!(with_rows, format!("{names},ops.retention_policies:rows"));
    migrate(&database, &[&down[..], &["--accept-loss", &names]].concat())
        .await
        .failed(1, &["ops.retention_policies:rows"]);
    let period = "select count(*) from ops.retention_policies where table_name = 'app.users' and delete_after = '8 years'";
    let kept: i64 = sqlx::query_scalar(period).fetch_one(&mut owner).await.expect("readable");
    assert_eq!(kept, 1, "nothing was changed");
    migrate(&database, &[&down[..], &["--accept-loss", &with_rows]].concat()).await.done();
    migrate(&database, &[]).await.done();
    let kept: i64 = sqlx::query_scalar(period).fetch_one(&mut owner).await.expect("readable");
    assert_eq!(kept, 0, "as the migration says");
}

/// Submitted transactions from before their ends were told twice: the wrong word is asked anew, the rest goes on.
#[tokio::test]
async fn an_upgrade_follows_the_submitted_transactions_that_have_no_end() {
    let database = database().await;
    migrate(&database, &["--down-to", "20261127000019", "--application"]).await.done();
    let mut owner = connect(&database).await;
    let sent = "insert into app.submitted_transactions (tenant_id, chain_id, transaction_hash, operation_type, submitted_at)
        select id, 1, '0x' || repeat(n::text, 64), 'transfer', now() - interval '40 days' from app.tenants, generate_series(1, 4) n;
        insert into app.transaction_fates (tenant_id, chain_id, transaction_hash, fate, block_number, block_hash, is_settled)
        select id, 1, '0x' || repeat(n::text, 64), fate, case when fate <> 'replaced' then 7 end,
            case when fate <> 'replaced' then api.hex(sha256('7')) end, is_settled
        from app.tenants, (values (1, 'replaced', true), (2, 'included', true), (3, 'failed', false)) f (n, fate, is_settled)";
    run(&mut owner, &format!("{TENANT}; {sent}")).await;
    migrate(&database, &[]).await.done();
    let followed: Vec<(String, bool)> = sqlx::query_as(
        "select substr(f.transaction_hash, 3, 1), f.since > now() - interval '30 days' from app.followed_transactions f order by 1",
    )
    .fetch_all(&mut owner)
    .await
    .expect("readable");
    let is_new = |hash: &str, is_new| (hash.to_owned(), is_new);
    assert_eq!(followed, [is_new("1", true), is_new("3", false), is_new("4", false)]);
    let left: String =
        sqlx::query_scalar("select string_agg(fate, ' ' order by fate) from app.transaction_fates")
            .fetch_one(&mut owner)
            .await
            .expect("readable");
    assert_eq!(left, "failed included");
}

#[tokio::test]
async fn nobody_steps_down_beside_a_writer() {
    let database = database().await;
    let lease = "insert into ops.leases (chain_id, epoch, holder, acquired_at, expires_at)
        values (1, gen_random_uuid(), 'somebody', now(), now() + interval '1 minute')";
    run(&mut connect(&database).await, lease).await;
    migrate(&database, &["--down-to", CHAIN_BEFORE]).await.failed(78, &["a daemon holds the lease"]);
}

/// What it wrote between the count of what would be lost and the loss would be named by nobody.
#[tokio::test]
async fn nobody_steps_the_application_down_beside_its_sessions() {
    let database = database().await;
    let login = format!("app_{}", uuid::Uuid::new_v4().simple());
    let mut owner = connect(&database).await;
    run(&mut owner, &format!("create role {login} login in role asset_indexer_app")).await;
    let options = cluster().await.connect_options(&login, &database).application_name("the shop");
    let session = PgConnection::connect_with(&options).await.expect("it may connect");
    let down = ["--down-to", APPLICATION_BEFORE, "--application"];
    migrate(&database, &down)
        .await
        .failed(78, &["the application is connected", "the shop", &login, "stop it first"]);
    session.close().await.expect("it ends");
    until("its session is gone", async || {
        let sessions = "select count(*) from pg_stat_activity where application_name = 'the shop' and datname = current_database()";
        let left: i64 = sqlx::query_scalar(sessions).fetch_one(&mut owner).await.expect("readable");
        (left == 0).then_some(())
    })
    .await;
    let ended = migrate(&database, &down).await;
    assert!(!ended.err.contains("is connected"), "{ended:?}");
}

/// Writes as an application does, until told; returns the longest wait and how many writes there were.
async fn write_on(database: String, until: tokio::sync::watch::Receiver<bool>) -> (Duration, u32) {
    let pool = pool(&database).await;
    let (mut longest, mut writes) = (Duration::ZERO, 0);
    while !*until.borrow() {
        let began = Instant::now();
        for sql in [
            "update app.users set username = 'u' || floor(random() * 1e9)::bigint",
            "insert into app.user_actions (tenant_id, user_id, action_type, resource)
             select tenant_id, id, 'read', 'asset' from app.users",
            "select count(*) from api.asset_holders",
        ] {
            pool.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        longest = longest.max(began.elapsed());
        writes += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (longest, writes)
}

#[tokio::test]
async fn a_database_in_use_is_upgraded_and_nobody_waits_for_a_second() {
    let (_node, _played, database) = indexed().await;
    for (target, of) in [(APPLICATION_BEFORE, &["--application"][..]), (CHAIN_BEFORE, &[])] {
        let arguments = [&["--down-to", target], of].concat();
        let first = migrate(&database, &arguments).await;
        if first.code != Some(0) {
            let names = asked(&first);
            migrate(&database, &[&arguments[..], &["--accept-loss", &names]].concat()).await.done();
        }
    }
    run(&mut connect(&database).await, TENANT).await;
    let (stop, until) = tokio::sync::watch::channel(false);
    // Somebody forgot to end a transaction: the migration waits for it, and must not make others wait with it.
    let mut idle = connect(&database).await;
    run(&mut idle, "begin; select count(*) from app.users; select count(*) from chain.configured_contracts")
        .await;
    let forgotten = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        run(&mut idle, "commit").await;
    };
    let migrated = async {
        let began = Instant::now();
        let done = migrate(&database, &[]).await.done();
        stop.send(true).expect("the writers listen");
        (done, began.elapsed())
    };
    let writer = || write_on(database.clone(), until.clone());
    let ((done, took), (), one, other) = tokio::join!(migrated, forgotten, writer(), writer());
    assert!(done.contains("migrations applied"), "{done}");
    assert!(took > Duration::from_secs(2), "it did not meet the forgotten transaction: {took:?}");
    for (longest, writes) in [one, other] {
        assert!(
            longest < Duration::from_secs(1) && writes > 20,
            "waited {longest:?} in one of {writes} writes"
        );
    }
}
