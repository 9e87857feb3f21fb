//! The policies against the seed's periods, and against the tables they are about.

use std::collections::{BTreeMap, BTreeSet};

use asset_indexer::maintain::rows;

use super::{House, maintain, run};
use crate::application::connect;
use crate::application::seed::{assert_decided, lines};
use crate::support::command::{Line, database_url};
use crate::support::world::{PROGRAM, database, pool};

const SEED: &str = include_str!("../../seed/retention.txt");
const TABLES: &str = include_str!("../../seed/schema.txt");
const DECISIONS: &str = include_str!("../../seed/retention_decisions.txt");

/// Periods of a table of the seed, of every table that it is read from.
#[derive(Default)]
struct Periods {
    archived: BTreeSet<String>,
    kept: BTreeSet<String>,
}

fn said(periods: &BTreeSet<String>) -> String {
    periods.iter().cloned().collect::<Vec<_>>().join(" or ")
}

#[tokio::test]
async fn every_difference_from_the_seeds_periods_has_its_decision() {
    let pool = pool(&database().await).await;
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "select t, coalesce(archive_after::text, 'never'), coalesce(delete_after::text, 'never')
         from ops.retention_policies cross join unnest(seed_tables) t",
    )
    .fetch_all(&pool)
    .await
    .expect("the policies can be read");
    let mut policies: BTreeMap<String, Periods> = BTreeMap::new();
    for (table, archived, kept) in rows {
        let periods = policies.entry(table).or_default();
        periods.archived.insert(archived);
        periods.kept.insert(kept);
    }
    let of_the_seed: BTreeSet<&str> =
        lines(TABLES).filter_map(|line| line.split_once(':')).map(|(table, _)| table).collect();
    let mut found = BTreeSet::new();
    let mut tables = BTreeSet::new();
    for line in lines(SEED) {
        let (table, told) = line.split_once(": ").expect("a table and its periods");
        let (archived, kept) = told.split_once(" | ").expect("two periods");
        let policy = policies.get(table).unwrap_or_else(|| panic!("{table} has no policy"));
        let (is_archived, is_kept) = (said(&policy.archived), said(&policy.kept));
        if archived != "-" && is_archived != archived.replace("none", "never") {
            found.insert(format!("{table} is archived after: {is_archived}, not {archived}"));
        }
        if kept != "-" && is_kept != kept.replace("permanent", "never") {
            found.insert(format!("{table} is kept for: {is_kept}, not {kept}"));
        }
        tables.insert(table);
    }
    assert_eq!(tables, of_the_seed, "each of the seed's 45 tables has its period");
    assert_decided(&found, DECISIONS);
}

#[tokio::test]
async fn every_policy_can_be_carried_out() {
    let database = database().await;
    let pool = pool(&database).await;
    run(&pool, "select ops.ensure_partitions(1, 0)").await;
    let wrong: Vec<String> = sqlx::query_scalar(
        "select p.table_name || ' has no ' || p.unit from ops.retention_policies p
         where to_regclass(p.table_name) is null
             or p.unit = 'blocks' and to_regclass(p.table_name || '_1_0') is null
             or p.unit = 'months' and not exists (select from app.monthly_tables m where 'app.' || m.table_name = p.table_name)
         union all
         select 'no policy for the months of ' || m.table_name from app.monthly_tables m where not exists (
             select from ops.retention_policies p where p.table_name = 'app.' || m.table_name and p.unit = 'months')
         union all
         select 'no policy for ' || k.table_name from ops.table_classes k
         where k.class in ('ground', 'history') and k.table_name <> 'chain.configured_contracts'
             and not exists (select from ops.retention_policies p where p.table_name = k.table_name)",
    )
    .fetch_all(&pool)
    .await
    .expect("the policies can be read");
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut owner = connect(&database).await;
    let deleted: i64 =
        super::scalar(&pool, "select count(*) from ops.retention_policies where unit = 'rows'").await;
    let ruled = rows::due(&mut owner).await.expect("every table whose rows are deleted has a rule which");
    assert_eq!(i64::try_from(ruled.len()), Ok(deleted));
    for table in ruled {
        assert_eq!((table.due, table.held), (0, 0), "{}", table.table);
    }
    run(&pool, "update ops.retention_policies set unit = 'rows', archive_after = null, delete_after = '1 day' where table_name = 'app.user_roles'")
        .await;
    maintain(&database, &[]).await.run().await.failed(78, &["app.user_roles", "no rule", "`kept`"]);
}

#[tokio::test]
async fn the_owner_alone_maintains_and_two_do_not_at_once() {
    let house = House::new().await;
    let line = Line::new(&["maintain"]).set("DATABASE_URL", database_url(PROGRAM, &house.database).await);
    line.run().await.failed(77, &["test_program does not own", "ADMIN_DATABASE_URL"]);
    let mut other = house.pool.acquire().await.expect("a connection");
    sqlx::query("select pg_advisory_lock(hashtext('asset_indexer maintain'))")
        .execute(&mut *other)
        .await
        .expect("nobody holds it");
    house.line(&[]).await.run().await.failed(75, &["another maintain is at work"]);
}

#[tokio::test]
async fn a_hold_is_released_once_and_changed_never() {
    let house = House::new().await;
    let hold = house.hold("scope, table_name", "'table', 'app.users'").await;
    for sql in [
        format!("update ops.legal_holds set reason = 'another' where id = {hold}"),
        format!("delete from ops.legal_holds where id = {hold}"),
        format!(
            "update ops.legal_holds set released_at = now(), released_by = 'x', scope = 'subject' where id = {hold}"
        ),
    ] {
        let refused = sqlx::query(sqlx::AssertSqlSafe(sql.clone())).execute(&house.pool).await;
        let code = refused
            .expect_err(&sql)
            .as_database_error()
            .and_then(|e| e.code())
            .unwrap_or_default()
            .into_owned();
        assert_eq!(code, "42501", "{sql}");
    }
    house.release(hold).await;
    let again =
        format!("update ops.legal_holds set released_at = null, released_by = null where id = {hold}");
    assert!(sqlx::query(sqlx::AssertSqlSafe(again)).execute(&house.pool).await.is_err(), "not taken back");
    let incomplete = ["'table', null", "'asset', null", "'subject', 'app.users'", "'period', null"];
    for values in incomplete {
        let sql = format!("insert into ops.legal_holds (scope, table_name, reason) values ({values}, 'x')");
        assert!(sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&house.pool).await.is_err(), "{values}");
    }
}

/// A hold on a name that nothing has would keep nothing, and nobody would notice.
#[tokio::test]
async fn a_hold_names_a_table_that_there_is() {
    let house = House::new().await;
    for (scope, name) in [
        ("table", "app.user_action"),
        ("table", "user_actions"),
        ("table", "app.user_actions_2026_11"),
        ("period", "pg_catalog.pg_class"),
    ] {
        let period = if scope == "period" { "now(), 'infinity'" } else { "null, null" };
        let sql = format!(
            "insert into ops.legal_holds (scope, table_name, from_time, to_time, reason) values ('{scope}', '{name}', {period}, 'x')"
        );
        let refused = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&house.pool).await.expect_err(name);
        let refused = refused.into_database_error().expect("the server's");
        let refused = refused.downcast_ref::<sqlx::postgres::PgDatabaseError>();
        assert!(refused.message().contains(name), "{}", refused.message());
        let known = refused.hint().unwrap_or_default();
        assert!(known.contains("app.user_actions, ") && known.contains("chain.asset_events"), "{known}");
    }
    for name in ["app.user_actions", "chain.asset_events", "ops.commits"] {
        house.hold("scope, table_name", &format!("'table', '{name}'")).await;
    }
}
