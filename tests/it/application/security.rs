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
    assert_eq!(quiet.len(), 6, "{quiet:?}");
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
