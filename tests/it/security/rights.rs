//! S12, S13: what each role of the database may do, and that nothing else works. (Every test that writes through
//! PostgreSQL does so as a writer with these rights and no more.)

use std::collections::{BTreeMap, BTreeSet};

use asset_indexer::row::TableDef;
use asset_indexer::table;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::support::world::{READER, WRITER, cluster, database, pool};

const VERBS: [&str; 7] = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"];

fn verbs(list: &str) -> BTreeSet<&'static str> {
    let wanted: Vec<&str> = list.split_whitespace().collect();
    VERBS.into_iter().filter(|verb| wanted.contains(verb)).collect()
}

/// Views that join the chain's rows with the application's, which the writer has no business with.
const JOINED: [&str; 12] = [
    "api.identities",
    "api.asset_permissions",
    "api.verification_providers",
    "api.identity_claims",
    "api.transaction_logs",
    "api.compliance_rules",
    "api.asset_compliance",
    "api.asset_metrics",
    "api.asset_metadata",
    "api.asset_configuration",
    "api.compliance_violations",
    "api.submitted_transactions",
];

/// What the writer needs of a table, and hence may.
fn writers(table: &str) -> BTreeSet<&'static str> {
    let declared = |def: &&TableDef| format!("{}.{}", def.schema(), def.name) == table;
    if let Some(def) = table::ALL.into_iter().find(declared) {
        // What happened is never changed.
        return match def.is_append_only() {
            true => verbs("SELECT INSERT DELETE"),
            false => verbs("SELECT INSERT UPDATE DELETE"),
        };
    }
    match table {
        // A difference that was resolved stays on record.
        "chain.checkpoints" | "chain.system_errors" | "ops.leases" | "ops.requests" | "ops.request_starts"
        | "ops.drift" => {
            verbs("SELECT INSERT UPDATE")
        }
        "chain.audit_trail" | "chain.system_events" => verbs("SELECT INSERT"),
        // It says what is shown, in columns that it may fill; when, the database says, and for how long it is kept, the owner.
        "ops.commits" => verbs("SELECT"),
        // What was proved of blocks that a reorg took back is proved no more.
        "ops.headers" | "ops.undo" | "ops.evidence" => verbs("SELECT INSERT UPDATE DELETE"),
        // After a rebuild it is what the configuration is.
        "ops.derivation" => verbs("SELECT INSERT UPDATE DELETE"),
        // So that it writes into no archived block; what is held and for how long is the owner's business. Snapshots are
        // made and forgotten by functions alone.
        "ops.table_classes"
        | "ops.archived_partitions"
        | "ops.deferred_indexes"
        | "ops.commit_retention"
        | "ops.register_snapshots"
        | "ops.register_positions"
        // What was measured, who measures writes: the owner.
        | "ops.stated_targets"
        | "ops.target_measurements"
        | "ops.targets" => verbs("SELECT"),
        "ops.legal_holds"
        | "ops.retention_policies"
        | "ops.register_growth"
        | "ops.data_migrations"
        // Whoever could lock its rows could stop the daemon.
        | "ops.locks" => verbs(""),
        joined if JOINED.contains(&joined) || joined.starts_with("app.") => verbs(""),
        view if view.starts_with("api.") => verbs("SELECT"),
        other => panic!("nobody decided what the writer may do with {other}"),
    }
}

/// What a reader may: read what the views show.
fn readers(table: &str) -> BTreeSet<&'static str> {
    match table {
        "ops.table_classes" | "ops.evidence" | "ops.drift" | "ops.derivation" => verbs("SELECT"),
        "ops.stated_targets" | "ops.target_measurements" | "ops.targets" => verbs("SELECT"),
        "ops.commits"
        | "ops.commit_retention"
        | "ops.register_snapshots"
        | "ops.register_positions"
        | "ops.deferred_indexes" => verbs("SELECT"),
        // Violations tell of persons.
        "api.compliance_violations" => verbs(""),
        // What readers see of the application is kept in tests/rights.txt.
        table if table.starts_with("ops.") => verbs(""),
        _ => verbs("SELECT"),
    }
}

/// Tables and views of our schemas but the application's, without partitions.
async fn relations(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ('chain', 'ops', 'api', 'public') and c.relkind in ('r', 'p', 'v', 'm')
             and not c.relispartition order by 1",
    )
    .fetch_all(pool)
    .await
    .expect("readable")
}

async fn granted(pool: &PgPool, role: &str) -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut all = BTreeMap::new();
    for table in relations(pool).await {
        let mut may = BTreeSet::new();
        for verb in VERBS {
            let has: bool = sqlx::query_scalar("select has_table_privilege($1, $2, $3)")
                .bind(role)
                .bind(&table)
                .bind(verb)
                .fetch_one(pool)
                .await
                .expect("readable");
            if has {
                may.insert(verb);
            }
        }
        all.insert(table, may);
    }
    all
}

#[tokio::test]
async fn each_role_may_do_what_it_needs_and_nothing_else() {
    let pool = pool(&database().await).await;
    for (role, expected) in [(WRITER, writers as fn(&str) -> _), (READER, readers)] {
        let found = granted(&pool, role).await;
        assert!(found.len() > 45, "{}", found.len());
        for (table, may) in &found {
            assert_eq!(may, &expected(table), "{role} on {table}");
        }
    }
}

/// A statement that needs this right on a table and, with the right, changes nothing.
fn attempt(verb: &str, table: &str, column: &str) -> Option<String> {
    Some(match verb {
        "SELECT" => format!("select from {table} limit 0"),
        "INSERT" if table == "ops.commits" => format!("insert into {table} (committed_at) values (now())"),
        "INSERT" => format!("insert into {table} default values"),
        "UPDATE" => format!("update {table} set {column} = default where false"),
        "DELETE" => format!("delete from {table} where false"),
        "TRUNCATE" => format!("truncate {table}"),
        "TRIGGER" => {
            format!("create trigger t before update on {table} execute function chain.keep_finality()")
        }
        _ => return None,
    })
}

async fn refused(connection: &mut PgConnection, sql: &str, context: &str) {
    let done = connection.execute(AssertSqlSafe(sql.to_owned())).await;
    let error = done.err().unwrap_or_else(|| panic!("{context} may: {sql}"));
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
    assert_eq!(code, "42501", "{context}: {sql}: {error}");
}

/// The catalogue says who may; this says that it holds.
#[tokio::test]
async fn every_forbidden_statement_is_refused() {
    let database = database().await;
    let pool = pool(&database).await;
    let tables: Vec<(String, String)> = sqlx::query_as(
        "select n.nspname || '.' || c.relname, (
             select attname::text from pg_attribute a
             where a.attrelid = c.oid and attnum > 0 and not attisdropped and attidentity = '' order by attnum limit 1)
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ('chain', 'ops', 'app') and c.relkind in ('r', 'p') and not c.relispartition",
    )
    .fetch_all(&pool)
    .await
    .expect("readable");
    let mut tried = 0;
    for (role, may) in [(WRITER, writers as fn(&str) -> _), (READER, readers)] {
        let options = cluster().await.connect_options(role, &database);
        let mut connection = PgConnection::connect_with(&options).await.expect("it connects");
        for (table, column) in tables.iter().filter(|(table, _)| role == WRITER || !table.starts_with("app."))
        {
            let may = may(table);
            for verb in VERBS.into_iter().filter(|verb| !may.contains(verb)) {
                let Some(sql) = attempt(verb, table, column) else { continue };
                refused(&mut connection, &sql, role).await;
                tried += 1;
            }
        }
        for sql in [
            "create table chain.mine (n int)",
            "create table ops.mine (n int)",
            "create table api.mine (n int)",
            "create table app.mine (n int)",
            "create table public.mine (n int)",
            "create function chain.mine() returns int language sql return 1",
            "drop table chain.audit_trail",
            "alter table chain.audit_trail disable trigger all",
            "drop trigger keep_finality on chain.checkpoints",
            "create or replace function chain.keep_finality() returns trigger language plpgsql as 'begin end'",
            "drop view api.asset_holders",
            "create role mine",
            "alter role postgres password 'x'",
            "set role postgres",
            "set session authorization postgres",
            "copy chain.assets to program 'cat'",
            "copy (select 1) to '/tmp/mine'",
            "select pg_read_file('/etc/passwd')",
            "select lo_import('/etc/passwd')",
            "alter system set ssl = off",
            "create event trigger mine on ddl_command_end execute function chain.keep_finality()",
        ] {
            refused(&mut connection, sql, role).await;
            tried += 1;
        }
        connection.close().await.expect("it closes");
    }
    assert!(tried > 250, "{tried} statements");
}

#[tokio::test]
async fn a_reader_reads_every_view_and_nothing_of_ops_nor_who_is_logged_in() {
    let database = database().await;
    let superuser = pool(&database).await;
    let options = cluster().await.connect_options(READER, &database);
    let mut reader = PgConnection::connect_with(&options).await.expect("it connects");
    let is_read = |view: &String| view.starts_with("api.") && !readers(view).is_empty();
    for view in relations(&superuser).await.into_iter().filter(is_read) {
        let sql = format!("select * from {view} limit 1");
        reader.execute(AssertSqlSafe(sql)).await.unwrap_or_else(|error| panic!("{view}: {error}"));
    }
    for secret in ["ops.leases", "ops.requests", "ops.undo", "ops.headers", "ops.coverage", "app.sessions"] {
        refused(&mut reader, &format!("select * from {secret}"), "reader").await;
    }
    refused(&mut reader, "select ops.ensure_partitions(1, 1)", "reader").await;
    let options = cluster().await.connect_options(WRITER, &database);
    let mut writer = PgConnection::connect_with(&options).await.expect("it connects");
    refused(&mut writer, "select * from app.sessions", "writer").await;
}

#[tokio::test]
async fn views_ask_with_the_readers_rights_and_functions_of_others_rights_have_a_fixed_path() {
    let pool = pool(&database().await).await;
    let views: Vec<(String, bool)> = sqlx::query_as(
        "select c.relname::text, coalesce('security_invoker=true' = any (c.reloptions), false)
         from pg_class c where c.relnamespace = 'api'::regnamespace and c.relkind = 'v'",
    )
    .fetch_all(&pool)
    .await
    .expect("readable");
    assert!(views.len() > 15, "{views:?}");
    assert!(views.iter().all(|(_, invoker)| *invoker), "{views:?}");
    let definers: Vec<(String, Vec<String>, bool)> = sqlx::query_as(
        "select p.oid::regprocedure::text, coalesce(p.proconfig, '{}'), has_function_privilege('public', p.oid, 'execute')
         from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&pool)
    .await
    .expect("readable");
    assert!(!definers.is_empty(), "partitions are made by one");
    for (name, settings, public) in definers {
        assert!(!public, "{name}: everybody may call it");
        let path = settings.iter().find_map(|setting| setting.strip_prefix("search_path="));
        let path = path.unwrap_or_else(|| panic!("{name} has no search_path of its own: {settings:?}"));
        assert_eq!(path, "pg_catalog, pg_temp", "{name}");
    }
    let open: Vec<String> = sqlx::query_scalar(
        "select coalesce(c.oid::regclass::text, n.nspname::text)
         from pg_namespace n left join pg_class c on c.relnamespace = n.oid
         where n.nspname in ('chain', 'ops', 'api', 'app')
             and (n.nspacl::text ~ '[{,]=' or c.relacl::text ~ '[{,]=')",
    )
    .fetch_all(&pool)
    .await
    .expect("readable");
    assert_eq!(open, Vec::<String>::new(), "nothing is open to everybody");
}
