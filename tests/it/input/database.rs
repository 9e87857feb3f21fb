//! The database: its schema, its rights, its password, its absence.

use asset_indexer::embedded::{Cluster, Options};
use asset_indexer::store::postgres::migrate;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::{CONFIG, PERMISSION, UNAVAILABLE, token};
use crate::support::command::{Line, closed_port};
use crate::support::real::node;
use crate::support::world::{PROGRAM, binaries, cluster, database, pool};
use simulation::events::account;

#[tokio::test]
async fn a_schema_that_is_not_this_programs_is_refused_with_the_remedy() {
    let node = node().await;
    let lines = async |database: &str| {
        let mut ended = Vec::new();
        for command in [&["run"][..], &["status"], &["rebuild"], &["backfill", "--from", "0"]] {
            let line = Line::new(command).node(node.port()).contract("erc20", account(7, 7));
            ended.push(line.database(PROGRAM, database).await.run().await);
        }
        ended
    };
    let empty = format!("t_{}", uuid::Uuid::new_v4().simple());
    cluster().await.create_database(&empty, None).await.expect("a database");
    for ended in lines(&empty).await {
        ended.failed(
            CONFIG,
            &["the database's schema is not there yet", "run `asset-indexer migrate`", "ADMIN_DATABASE_URL"],
        );
    }

    let old = database().await;
    let sql = "delete from asset_indexer.migrations where version = (select max(version) from asset_indexer.migrations) returning version";
    let newest: i64 = sqlx::query_scalar(sql).fetch_one(&pool(&old).await).await.expect("it was migrated");
    for ended in lines(&old).await {
        ended.failed(
            CONFIG,
            &[
                "the database's schema is version",
                &format!("needs version {newest}"),
                "run `asset-indexer migrate`",
            ],
        );
    }

    let newer = database().await;
    sqlx::query("insert into asset_indexer.migrations (version, description, success, checksum, execution_time) values (99991231000001, 'later', true, '', 0)")
        .execute(&pool(&newer).await)
        .await
        .expect("the superuser may");
    let migrated = Line::new(&["migrate"]).database("postgres", &newer).await.run().await;
    for ended in lines(&newer).await.into_iter().chain([migrated]) {
        ended.failed(
            CONFIG,
            &["the database's schema is version 99991231000001", "migrated by a newer program: run that one"],
        );
    }
}

#[tokio::test]
async fn missing_rights_are_told_with_what_to_grant() {
    let (node, database) = (node().await, database().await);
    let token = token(&node).await.address;
    let pool = pool(&database).await;
    let stranger = format!("stranger_{}", uuid::Uuid::new_v4().simple());
    pool.execute(AssertSqlSafe(format!("create role {stranger} login"))).await.expect("the superuser may");
    let command = async |words: &[&str]| {
        let line = Line::new(words).node(node.port()).contract("erc20", token);
        line.database(&stranger, &database).await.run().await
    };
    for words in [&["run"][..], &["status"], &["backfill", "--from", "0"]] {
        command(words)
            .await
            .failed(PERMISSION, &["permission denied", "SQLSTATE 42501", "asset_indexer_writer"]);
    }
    pool.execute(AssertSqlSafe(format!("grant asset_indexer_reader to {stranger}")))
        .await
        .expect("the superuser may");
    for words in [&["run"][..], &["backfill", "--from", "0"]] {
        command(words)
            .await
            .failed(PERMISSION, &["permission denied", "SQLSTATE 42501", "asset_indexer_writer"]);
    }
    pool.execute(AssertSqlSafe(format!("grant asset_indexer_writer to {stranger}")))
        .await
        .expect("the superuser may");
    pool.execute(AssertSqlSafe(format!("revoke temporary on database {database} from public")))
        .await
        .expect("the superuser may");
    let ended = command(&["backfill", "--from", "0"]).await;
    ended.failed(PERMISSION, &["temporary tables", "SQLSTATE 42501", "grant temporary on database"]);
    pool.execute(AssertSqlSafe(format!("grant temporary on database {database} to {stranger}")))
        .await
        .expect("the superuser may");
    command(&["backfill", "--from", "0"]).await.done();

    let empty = format!("t_{}", uuid::Uuid::new_v4().simple());
    cluster().await.create_database(&empty, None).await.expect("a database");
    let ended = Line::new(&["migrate"]).database(&stranger, &empty).await.run().await;
    ended.failed(
        PERMISSION,
        &["the database refused migrating", "permission denied", "asset-indexer migrate --print-roles"],
    );
}

#[tokio::test]
async fn a_database_that_is_not_there_or_wants_another_password_is_told_without_it() {
    let port = closed_port();
    let line = |url: String| Line::new(&["run"]).set("DATABASE_URL", url);
    let ended = line(format!("postgres://canaryuser:canarypw@127.0.0.1:{port}/canarydb")).run().await;
    ended.failed(
        UNAVAILABLE,
        &["the database did not answer while connecting", &format!("127.0.0.1:{port}"), "refused"],
    );

    let options = Options { listen_tcp: Some(port), ..Options::scratch(binaries()) };
    let cluster = Cluster::start(options).await.expect("a private PostgreSQL starts");
    cluster.create_database("assets", None).await.expect("a database");
    let mut owner =
        PgConnection::connect_with(&cluster.connect_options("postgres", "assets")).await.expect("connects");
    migrate(&mut owner).await.expect("it migrates");
    owner.execute("create role indexer login password 'canarypw'").await.expect("the superuser may");
    owner.execute("grant asset_indexer_reader to indexer").await.expect("the superuser may");
    let ended = line(format!("postgres://indexer:canarywrong@127.0.0.1:{port}/assets")).run().await;
    ended.failed(
        PERMISSION,
        &["the database refused connecting", "password authentication failed", "SQLSTATE 28P01"],
    );
    let ended = line(format!("postgres://indexer:canarypw@127.0.0.1:{port}/nowhere")).run().await;
    ended.failed(CONFIG, &["the database refused connecting", "database \"nowhere\" does not exist"]);
    // With the right one the next thing that is missing is the node.
    let ended = line(format!("postgres://indexer:canarypw@127.0.0.1:{port}/assets")).run().await;
    ended.failed(CONFIG, &["no RPC URL"]);
    owner.close().await.expect("it closes");
    cluster.stop().await.expect("it stops");
}

/// A superuser is bound by no guard of the application's tables.
#[tokio::test]
async fn a_superuser_does_not_write_unless_told_so() {
    let database = database().await;
    let node = node().await;
    let token = token(&node).await.address;
    let line = |allowed: bool| {
        let line =
            Line::new(&["backfill", "--from", "0", "--to", "0"]).node(node.port()).contract("erc20", token);
        if allowed { line.set("ASSET_INDEXER__DATABASE__ALLOW_SUPERUSER", "true") } else { line }
    };
    let refused = line(false).database("postgres", &database).await.run().await;
    refused.failed(CONFIG, &["is a superuser", "asset_indexer_writer", "database.allow_superuser"]);
    let bypasses = format!("create role bypassing_{database} login bypassrls in role {PROGRAM}");
    pool(&database).await.execute(AssertSqlSafe(bypasses)).await.expect("the superuser may");
    let refused = line(false).database(&format!("bypassing_{database}"), &database).await.run().await;
    refused.failed(CONFIG, &["is a role with BYPASSRLS"]);
    let told = line(true).database("postgres", &database).await.run().await;
    assert!(!format!("{told:?}").contains("is a superuser"), "{told:?}");
}
