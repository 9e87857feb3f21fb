//! What is watched of rights and guards: each way to loosen them is told, and an upgrade approves what it changes and
//! nothing that was told before.

use std::collections::BTreeSet;

use asset_indexer::store::postgres::{Part, SteppedDown, migrate, migrate_application, step_down};
use sqlx::postgres::PgConnection;

use super::repair::{beyond, changed, month, told};
use super::{Platform, connect, count, run};
use crate::support::world::database;

#[tokio::test]
async fn whatever_loosens_views_functions_rules_and_constraints_is_told() {
    let mut platform = Platform::new().await;
    let owner = &mut platform.owner;
    let views: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c
         where c.relkind = 'v' and c.relnamespace::regnamespace::text in ('app', 'api') order by 1",
    )
    .fetch_all(&mut *owner)
    .await
    .expect("the views");
    assert!(views.len() > 40, "{views:?}");
    let mut ways: Vec<(String, (String, String))> = views
        .iter()
        .map(|view| {
            let other = "case when reloptions::text ~ 'security_invoker=true' then 'false' else 'true' end";
            let sql = format!(
                "do $$ begin execute (select 'alter view {view} set (security_invoker = ' || {other} || ')'
                    from pg_class where oid = '{view}'::regclass); end $$"
            );
            (sql, changed(&format!("view {view}")))
        })
        .collect();
    let gone = month(owner, "access_logs").await;
    for (sql, told) in [
        (
            "create or replace view app.seen as select 1 as one",
            beyond("view app.seen"),
        ),
        (
            "do $$ begin execute replace(pg_get_functiondef('chain.facts_reach(bigint, bigint, timestamptz)'::regprocedure),
                chr(10) || 'begin' || chr(10), chr(10) || 'begin' || chr(10) || 'return true;' || chr(10)); end $$",
            changed("function chain.facts_reach(p_chain_id bigint, p_block bigint, p_at timestamp with time zone)"),
        ),
        (
            "create or replace function ops.sweep_snapshots() returns bigint language sql security definer
             set search_path = pg_catalog, pg_temp as 'select 0::bigint'",
            changed("function ops.sweep_snapshots()"),
        ),
        (
            "create or replace function api.address(p_text text) returns bytea language sql as 'select null::bytea'",
            changed("function api.address(p_text text)"),
        ),
        (
            "create or replace function api.hex(p_bytes bytea) returns text language sql begin atomic select 'x'::text; end",
            changed("function api.hex(p_bytes bytea)"),
        ),
        (
            "create rule lost as on insert to app.violation_resolutions do instead nothing",
            beyond("rule lost on app.violation_resolutions"),
        ),
        (
            "alter table app.users drop constraint users_tenant_id_fkey",
            changed("constraint users_tenant_id_fkey on app.users"),
        ),
        (
            "alter table app.sessions drop constraint sessions_token_check",
            changed("constraint sessions_token_check on app.sessions"),
        ),
        (
            "alter table app.users alter tenant_id drop not null",
            changed("columns of app.users that are never null"),
        ),
        (
            "update app.table_guards set kind = 'platform' where table_name = 'users'",
            changed("guards meant for app.users"),
        ),
        // The repair does what is meant: that something else is meant is told still.
        (
            "update app.table_guards set kind = 'platform' where table_name = 'users'; select app.guard_table('users')",
            changed("guards meant for app.users"),
        ),
    ] {
        ways.push((sql.to_owned(), told));
    }
    ways.push((format!("drop table app.{gone}"), changed(&format!("month app.{gone}"))));
    ways.push((
        format!("drop table app.{gone}; select app.ensure_months(1)"),
        changed(&format!("month app.{gone}")),
    ));
    for (sql, expected) in ways {
        run(owner, &format!("begin; {sql}")).await;
        let told = told(owner).await;
        assert!(told.contains(&expected), "{sql}: {told:#?}");
        run(owner, "rollback").await;
    }
    // A month more is what is meant; one that is in a file is not gone.
    run(owner, "select app.ensure_months(16)").await;
    assert_eq!(told(owner).await, []);
}

#[tokio::test]
async fn powers_of_logins_and_ways_into_owners_are_told() {
    let mut platform = Platform::new().await;
    let name = platform.database.clone();
    let [login, group, heir, clerk] =
        ["watched", "of_watched", "heir_of", "clerk_of"].map(|role| format!("{role}_{name}"));
    let owner = &mut platform.owner;
    run(
        owner,
        &format!(
            "begin; create role {login} login in role asset_indexer_app; create role {group}; grant {group} to {login};
             grant pg_write_all_data to {login}; grant pg_read_all_data to {group};
             grant set on parameter session_replication_role to {group};
             create role {heir}; alter table app.users owner to {heir}; create role {clerk}; grant {heir} to {clerk};
             grant execute on function chain.keep_finality() to {clerk}"
        ),
    )
    .await;
    let found: Vec<(String, String)> = sqlx::query_as(
        "select subject, details from app.security_findings() where kind = 'rights_beyond' and subject = any ($1) order by 1",
    )
    .bind(vec![login.clone(), clerk.clone(), group.clone()])
    .fetch_all(&mut *owner)
    .await
    .expect("the findings");
    run(owner, "rollback").await;
    let expected = [
        (clerk, format!("execute on chain.keep_finality(), member on role {heir}")),
        (
            login,
            "set on parameter session_replication_role, member on role asset_indexer_app, member on role \
             pg_read_all_data, member on role pg_write_all_data"
                .to_owned(),
        ),
    ];
    assert_eq!(found, expected);
}

/// The newest version of each part before the watch grew, and one of the chain's under which definitions were others.
const BEFORE: [(Part, i64); 2] = [(Part::Chain, 20261127000009), (Part::Application, 20261128000001)];

async fn down(owner: &mut PgConnection, part: Part, to: i64) {
    let lost = match step_down(owner, part, to, &[]).await.expect("it steps down") {
        SteppedDown::Done(_) => return,
        SteppedDown::WouldLose(lost) => lost.into_iter().map(|loss| loss.name).collect::<Vec<_>>(),
    };
    step_down(owner, part, to, &lost).await.expect("it steps down");
}

/// Rights on things of ours that are not approved.
const RIGHTS: &str = "select count(*) from app.rights_now() n where n.object ~ '^(schema )?(chain|ops|api|app)(\\.|$)'
    and not exists (select from app.kept_rights k where (k.grantee, k.object, k.privilege) = (n.grantee, n.object, n.privilege))";

#[tokio::test]
async fn an_upgrade_approves_what_it_changes_and_nothing_that_was_told_before() {
    let name = database().await;
    let owner = &mut connect(&name).await;
    assert_eq!((told(owner).await, count(owner, RIGHTS).await), (vec![], 0), "of the installation");
    // Nothing of it is changed by what goes down and up below.
    run(
        owner,
        "alter view app.user_preferences set (security_invoker = false);
         create policy more on app.users using (true); drop trigger refuse_change on app.audit_trail;
         grant select on app.users to asset_indexer_reader",
    )
    .await;
    let tampered = vec![
        beyond("policy more on app.users"),
        changed("trigger refuse_change on app.audit_trail"),
        changed("view app.user_preferences"),
    ];
    assert_eq!(told(owner).await, tampered);
    // With nothing to do nothing is approved.
    migrate(owner).await.expect("nothing to do");
    migrate_application(owner).await.expect("nothing to do");
    assert_eq!((told(owner).await, count(owner, RIGHTS).await), (tampered.clone(), 1), "nothing to do");
    for (part, to) in BEFORE {
        down(owner, part, to).await;
        let left: Vec<_> = told(owner).await;
        assert_eq!(
            left.iter().map(|one| &one.1).collect::<Vec<_>>(),
            tampered.iter().map(|one| &one.1).collect::<Vec<_>>(),
            "{part:?} down"
        );
        assert_eq!(count(owner, RIGHTS).await, 1, "{part:?} down");
        match part {
            Part::Chain => migrate(owner).await.expect("it migrates"),
            Part::Application => migrate_application(owner).await.expect("it migrates"),
        };
        assert_eq!(told(owner).await, tampered, "{part:?} up again");
        assert_eq!(count(owner, RIGHTS).await, 1, "{part:?} up again");
    }
    // What a migration puts in the place of something that was tampered with is told still: nobody has looked yet.
    let (part, to) = BEFORE[0];
    down(owner, part, to).await;
    run(
        owner,
        "create or replace function ops.forget_snapshots(p_chain_id bigint, p_above bigint) returns void language sql
         security definer set search_path = pg_catalog, pg_temp as ''",
    )
    .await;
    migrate(owner).await.expect("it migrates");
    let snapshot = changed("function ops.forget_snapshots(p_chain_id bigint, p_above bigint)");
    assert_eq!(
        told(owner).await,
        [&[snapshot], &tampered[..]]
            .concat()
            .into_iter()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
}
