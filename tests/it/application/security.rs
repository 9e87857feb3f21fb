//! Security monitoring: each kind of finding is told, and nothing where there is none.

use std::collections::BTreeMap;

use super::{Platform, count, refused, run};

/// What other tests in the same cluster add to: sessions, and memberships among the roles, which databases share.
const CLUSTERS: [&str; 2] = ["long_statements", "rights_beyond"];
/// Rights in this database that were not approved.
const BEYOND: &str = "select count(*) from app.rights_now() n where n.object like 'app.%' and not exists (select from app.kept_rights k
    where (k.grantee, k.object, k.privilege) = (n.grantee, n.object, n.privilege))";

async fn figures(platform: &mut Platform) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as("select kind, figure from app.security_figures()")
        .fetch_all(&mut platform.owner)
        .await
        .expect("the figures");
    rows.into_iter().collect()
}

#[tokio::test]
async fn findings_are_counted_by_kind_and_told_to_whoever_may_know() {
    let mut platform = Platform::new().await;
    let quiet = figures(&mut platform).await;
    assert_eq!(quiet.len(), 8, "{quiet:?}");
    assert!(
        quiet.iter().filter(|(kind, _)| !CLUSTERS.contains(&kind.as_str())).all(|(_, figure)| *figure == 0),
        "{quiet:?}"
    );
    assert_eq!(count(&mut platform.owner, BEYOND).await, 0, "the migrations approved what they gave");

    let ([tenant, _], [user, _]) = (platform.tenants, platform.users);
    let owner = &mut platform.owner;
    let logs = format!(
        "insert into app.login_history (tenant_id, user_id, login_method, success, failure_reason)
         select '{tenant}', '{user}', 'password', false, 'wrong' from generate_series(1, 6);
         insert into app.access_logs (tenant_id, user_id, resource, action, result, timestamp)
         select '{tenant}', '{user}', 'holders', 'read', 'allowed', clock_timestamp() - interval '2 days' from generate_series(1, 500);
         insert into app.access_logs (tenant_id, user_id, resource, action, result)
         select '{tenant}', '{user}', 'holders', 'read', case when n <= 7 then 'denied' else 'allowed' end
         from generate_series(1, 150) n"
    );
    run(owner, &logs).await;
    run(owner, "grant select on app.users to asset_indexer_reader; grant update (status) on app.users to asset_indexer_support")
        .await;
    let now = figures(&mut platform).await;
    let of = |kind: &str| now[kind];
    assert_eq!((of("failed_logins"), of("locked_accounts"), of("denied_accesses")), (6, 1, 7), "{now:?}");
    assert_eq!(of("unusual_accesses"), 150, "{now:?}");
    assert!(of("rights_beyond") >= 2, "{now:?}");

    // An auditor reads who it was, of its own tenant alone; nobody else calls either function but the daemon the second.
    let mut auditor = platform.works("asset_indexer_auditor", 0).await;
    let whose = format!("select count(*) from app.security_findings() where subject = '{user}'");
    assert_eq!(count(&mut auditor, &whose).await, 4);
    let mut other = platform.works("asset_indexer_auditor", 1).await;
    assert_eq!(count(&mut other, &whose).await, 0);
    for role in ["app", "reader", "support", "compliance"] {
        let mut works = platform.works(&format!("asset_indexer_{role}"), 0).await;
        assert_eq!(refused(&mut works, "select * from app.security_findings()").await, "42501", "{role}");
    }

    // Approved by the owner, and what is taken back is no longer approved.
    let owner = &mut platform.owner;
    assert_eq!(count(owner, BEYOND).await, 2);
    run(owner, "select app.keep_rights()").await;
    assert_eq!(count(owner, BEYOND).await, 0);
    let approved = "select count(*) from app.system_changes where table_name = 'kept_rights' and record_id like '%app.users%'";
    assert_eq!(count(owner, approved).await, 2);
    run(owner, "revoke select on app.users from asset_indexer_reader; select app.keep_rights()").await;
    run(owner, "grant select on app.users to asset_indexer_reader").await;
    let beyond = "select bool_or(details like '%select on app.users%') from app.security_findings() where kind = 'rights_beyond'";
    assert!(sqlx::query_scalar::<_, bool>(beyond).fetch_one(owner).await.expect("it is told"));
}

/// Ten times one's usual, not merely much: who always reads a lot is no finding.
#[tokio::test]
async fn who_always_reads_much_is_no_finding() {
    let mut platform = Platform::new().await;
    let ([tenant, _], [user, _]) = (platform.tenants, platform.users);
    let logs = format!(
        "insert into app.access_logs (tenant_id, user_id, resource, action, result, timestamp)
         select '{tenant}', '{user}', 'holders', 'read', 'allowed', clock_timestamp() - interval '2 days' from generate_series(1, 3000);
         insert into app.access_logs (tenant_id, user_id, resource, action, result)
         select '{tenant}', '{user}', 'holders', 'read', 'allowed' from generate_series(1, 150)"
    );
    run(&mut platform.owner, &logs).await;
    assert_eq!(figures(&mut platform).await["unusual_accesses"], 0);
}

/// What is told of guards, by kind and name.
async fn guards(platform: &mut Platform) -> Vec<(String, String, String)> {
    sqlx::query_as(
        "select kind, subject, details from app.security_findings() where kind in ('guards_changed', 'guards_beyond')
         order by kind, subject",
    )
    .fetch_all(&mut platform.owner)
    .await
    .expect("the findings")
}

/// Where this fails for something that a migration adds, that migration lacks `select app.keep_guards(array['…'])`.
#[tokio::test]
async fn migrations_approve_each_guard_that_they_make() {
    let mut platform = Platform::new().await;
    let told = guards(&mut platform).await;
    assert!(told.is_empty(), "not approved by name: {told:#?}");
    assert!(count(&mut platform.owner, "select count(*) from app.kept_guards").await > 300);
}

/// Each way to take a guard away, or to put something in its place, and how it is told.
#[tokio::test]
async fn a_guard_that_is_gone_off_changed_or_new_is_told() {
    let mut platform = Platform::new().await;
    let stranger = format!("stranger_{}", platform.database);
    run(&mut platform.owner, &format!("create role {stranger}")).await;
    let part = "select relname::text from pg_class where relname ~ '^user_actions_2' order by 1 limit 1";
    let part: String =
        sqlx::query_scalar(part).fetch_one(&mut platform.owner).await.expect("a month is there");
    let (gone_from, off_in) = (format!("app.{part}"), format!("trigger refuse_change on app.{part}"));
    let owner = format!("owner {stranger}");
    let ways = [
        ("alter table app.users disable trigger audit".to_owned(), "guards_changed", "trigger audit on app.users"),
        ("alter table app.sessions disable trigger all".to_owned(), "guards_changed", "trigger refuse_erased on app.sessions"),
        ("alter table app.users enable replica trigger keep_erased".to_owned(), "guards_changed", "trigger keep_erased on app.users"),
        ("drop trigger refuse_change on app.audit_trail".to_owned(), "guards_changed", "trigger refuse_change on app.audit_trail"),
        (format!("alter table {gone_from} disable trigger refuse_change"), "guards_beyond", off_in.as_str()),
        (
            format!("drop trigger refuse_truncate on {gone_from}"),
            "guards_changed",
            "trigger refuse_truncate on partitions of app.user_actions",
        ),
        ("alter table app.accounts disable row level security".to_owned(), "guards_changed", "row security of app.accounts"),
        ("drop policy own on app.sessions".to_owned(), "guards_changed", "policy own on app.sessions"),
        ("alter policy seen on app.users using (true)".to_owned(), "guards_changed", "policy seen on app.users"),
        ("create policy all_of_it on app.users using (true)".to_owned(), "guards_beyond", "policy all_of_it on app.users"),
        (
            "create or replace function app.refuse_erased() returns trigger language plpgsql security definer
             set search_path = pg_catalog, pg_temp as 'begin return new; end'".to_owned(),
            "guards_changed",
            "function app.refuse_erased()",
        ),
        (
            "create function api.peek() returns bigint language sql security definer as 'select count(*) from app.users'".to_owned(),
            "guards_beyond",
            "function api.peek()",
        ),
        (
            "create trigger rewrite before insert on chain.asset_holders for each row execute function app.refuse_erased()".to_owned(),
            "guards_beyond",
            "trigger rewrite on chain.asset_holders",
        ),
        (format!("alter table app.tenants owner to {stranger}"), "guards_beyond", owner.as_str()),
        (format!("alter function ops.trim_commits(integer) owner to {stranger}"), "guards_beyond", owner.as_str()),
    ];
    for (sql, kind, subject) in ways {
        run(&mut platform.owner, &format!("begin; {sql}")).await;
        let told = guards(&mut platform).await;
        assert!(told.iter().any(|(k, s, _)| k == kind && s == subject), "{sql}: {told:#?}");
        let counted = figures(&mut platform).await[kind];
        assert!(counted > 0, "{sql}: {counted}");
        run(&mut platform.owner, "rollback").await;
    }
    // Approved by its name it is no finding any more; another is.
    let owner = &mut platform.owner;
    run(
        owner,
        "create policy all_of_it on app.users using (true); create policy more on app.users using (true)",
    )
    .await;
    let kept = "select app.keep_guards(array['policy all_of_it on app.users'])::bigint";
    assert_eq!(count(owner, kept).await, 1);
    let told = guards(&mut platform).await;
    assert_eq!(told.iter().map(|one| one.1.as_str()).collect::<Vec<_>>(), ["policy more on app.users"]);
    let recorded = "select count(*) from app.system_changes where table_name = 'kept_guards' and record_id = 'policy all_of_it on app.users'";
    assert_eq!(count(&mut platform.owner, recorded).await, 1, "who approved what is in the trail");
}

/// Our roles given through roles of others, and logins that could become more than they seem.
#[tokio::test]
async fn ways_into_our_roles_through_others_are_told() {
    let mut platform = Platform::new().await;
    let name = platform.database.clone();
    let [group, login, power] = ["group", "login", "power"].map(|role| format!("{role}_{name}"));
    run(
        &mut platform.owner,
        &format!(
            "create role {group}; create role {login} login; create role {power} bypassrls;
             grant asset_indexer_app to {group}; grant {group} to {login}; grant {power} to {login}"
        ),
    )
    .await;
    let told: Vec<(String, String)> = sqlx::query_as(
        "select subject, details from app.security_findings() where kind = 'rights_beyond' and subject = any ($1) order by 1",
    )
    .bind(vec![group.clone(), login.clone()])
    .fetch_all(&mut platform.owner)
    .await
    .expect("the findings");
    let expected = [
        (group.clone(), "member on role asset_indexer_app".to_owned()),
        (login.clone(), format!("bypassrls on attribute, member on role {group}")),
    ];
    assert_eq!(told, expected);
    // A membership is approved by name; a power never is.
    let approve = format!(
        "insert into app.kept_rights values ('{login}', 'role {group}', 'member'), ('{group}', 'role asset_indexer_app', 'member')"
    );
    run(&mut platform.owner, &approve).await;
    let left = format!(
        "select count(*) from app.security_findings() where kind = 'rights_beyond' and subject in ('{group}', '{login}') and details = 'bypassrls on attribute'"
    );
    assert_eq!(count(&mut platform.owner, &left).await, 1);
    run(
        &mut platform.owner,
        &format!("drop role {login}; drop role {power}; drop owned by {group}; drop role {group}"),
    )
    .await;
}
