//! Tenant A reads nothing of tenant B, by any road.

use super::{Platform, count, refused, run};

const ROLES: [&str; 5] = [
    "asset_indexer_app",
    "asset_indexer_reader",
    "asset_indexer_compliance",
    "asset_indexer_auditor",
    "asset_indexer_support",
];

/// A row of each kind for both tenants, all of which hold the tenant's mark.
async fn fill(platform: &mut Platform) {
    for n in 0..2 {
        let (tenant, user) = (platform.tenants[n], platform.users[n]);
        let mark = format!("mark{n}");
        run(
            &mut platform.owner,
            &format!(
                "set app.tenant = '{tenant}';
                 insert into app.user_profiles (user_id, preferences) values ('{user}', '{{\"x\": \"{mark}\"}}');
                 insert into app.user_settings (user_id, preferences) values ('{user}', '{{\"x\": \"{mark}\"}}');
                 insert into app.sessions (user_id, token, expires_at) values ('{user}', encode(sha256('{mark}'), 'hex'), now() + interval '1 hour');
                 insert into app.accounts (user_id, provider, provider_id) values ('{user}', 'idp', '{mark}');
                 insert into app.verifications (user_id, type, token, expires_at) values ('{user}', 'email', encode(sha256('{mark}'), 'hex'), now() + interval '1 day');
                 insert into app.user_roles (user_id, role) values ('{user}', 'issuer');
                 insert into app.onboarding_state (user_id, step, data) values ('{user}', 'account', '{{\"x\": \"{mark}\"}}');
                 insert into app.subject_keys (user_id, wrapped_key, wrapping_key) values ('{user}', encode(sha256('{mark}'), 'base64'), '{mark}');
                 insert into app.wallet_links (user_id, chain_id, wallet) values ('{user}', 1, '0x' || left(encode(sha256('w'), 'hex'), 40));
                 insert into app.tenant_assets (asset_id) values ('{user}');
                 insert into app.asset_metadata (asset_id, description) values ('{user}', '{mark}');
                 insert into app.asset_settings (asset_id) values ('{user}');
                 insert into app.asset_permissions (asset_id, user_id, permission_type) values ('{tenant}', '{user}', '{mark}');
                 insert into app.asset_benchmarks (asset_id, metric_type, benchmark) values ('{tenant}', '{mark}', 1);
                 insert into app.asset_reports (asset_id, report_type, report_data) values ('{tenant}', 'cap_table', '\"{mark}\"');
                 insert into app.submitted_transactions (transaction_hash, chain_id, operation_type, user_id) values ('0x' || encode(sha256('{mark}'), 'hex'), 1, '{mark}', '{user}');
                 insert into app.provider_profiles (name) values ('{mark}');
                 insert into app.compliance_rules (rule_type) values ('{mark}');
                 update app.compliance_rules set active = false where rule_type = '{mark}';
                 insert into app.asset_compliance (asset_id, rule_id) select '{tenant}', id from app.compliance_rules where rule_type = '{mark}';
                 insert into app.compliance_violations (violation_type, user_id) values ('{mark}', '{user}');
                 insert into app.violation_resolutions (violation_id, detected_at, resolution_type)
                    select id, detected_at, 'waived' from app.compliance_violations where violation_type = '{mark}';
                 insert into app.regulatory_reports (report_type, jurisdiction, period, report_data) values ('{mark}', 'CH', '2025-Q1', '{{}}');
                 insert into app.report_violations (report_id, violation_id, detected_at)
                    select r.id, v.id, v.detected_at from app.regulatory_reports r, app.compliance_violations v
                    where r.report_type = '{mark}' and v.violation_type = '{mark}';
                 insert into app.user_actions (user_id, action_type, resource) values ('{user}', '{mark}', 'x');
                 insert into app.login_history (user_id, login_method, success) values ('{user}', '{mark}', true);
                 insert into app.access_logs (user_id, resource, action, result) values ('{user}', '{mark}', 'x', 'denied');
                 insert into app.compliance_logs (user_id, compliance_check, result) values ('{user}', '{mark}', 'passed');
                 reset app.tenant"
            ),
        )
        .await;
    }
}

/// What a role may read in `app` and `api`.
async fn relations(platform: &mut Platform, role: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ('app', 'api') and c.relkind in ('r', 'p', 'v') and not c.relispartition
            and has_table_privilege($1, c.oid, 'select') order by 1",
    )
    .bind(role)
    .fetch_all(&mut platform.owner)
    .await
    .expect("the catalogue can be read")
}

#[tokio::test]
async fn no_role_sees_a_row_of_another_tenant_in_any_table_or_view() {
    let mut platform = Platform::new().await;
    fill(&mut platform).await;
    let [one, two] = [0, 1].map(|n| (platform.tenants[n], platform.users[n]));
    let mut seen = 0;
    for role in ROLES {
        let relations = relations(&mut platform, role).await;
        for n in 0..2 {
            let mut works = platform.works(role, n).await;
            let (own, other) = if n == 0 { (one, two) } else { (two, one) };
            for relation in &relations {
                let rows = |marks: [String; 3]| {
                    format!(
                        "select count(*) from {relation} r where to_jsonb(r)::text like any (array['%{}%', '%{}%', '%{}%'])",
                        marks[0], marks[1], marks[2]
                    )
                };
                let marks = |who: (uuid::Uuid, uuid::Uuid), n: usize| {
                    [who.0.to_string(), who.1.to_string(), format!("mark{n}")]
                };
                let foreign = count(&mut works, &rows(marks(other, 1 - n))).await;
                assert_eq!(foreign, 0, "{role} of tenant {n} sees the other's rows in {relation}");
                seen += count(&mut works, &rows(marks(own, n))).await;
            }
        }
        let mut nobody = platform.works(role, 0).await;
        run(&mut nobody, "reset app.tenant").await;
        for relation in relations.iter().filter(|name| name.starts_with("app.")) {
            let sql = format!("select count(*) from {relation} r where to_jsonb(r)::text ~ 'mark[01]'");
            assert_eq!(count(&mut nobody, &sql).await, 0, "{role} without a tenant sees rows in {relation}");
        }
    }
    assert!(seen > 200, "the roles see their own: {seen}");
}

#[tokio::test]
async fn nobody_writes_into_another_tenant() {
    let mut platform = Platform::new().await;
    fill(&mut platform).await;
    let (theirs, their_user) = (platform.tenants[1], platform.users[1]);
    let mut app = platform.works("asset_indexer_app", 0).await;
    for sql in [
        format!("insert into app.users (tenant_id, email) values ('{theirs}', 'x@example.org')"),
        format!(
            "insert into app.access_logs (tenant_id, resource, action, result) values ('{theirs}', 'x', 'y', 'denied')"
        ),
        format!(
            "insert into app.sessions (user_id, token, expires_at) values ('{their_user}', encode(sha256('x'), 'hex'), now() + interval '1 hour')"
        ),
        format!("update app.users set tenant_id = '{theirs}'"),
    ] {
        let code = refused(&mut app, &sql).await;
        assert!(code == "42501" || code == "23503", "{code}: {sql}");
    }
    // What is public is no place to be taken: both write of the same asset, transaction and rule.
    let asset = uuid::Uuid::new_v4();
    let mut theirs_app = platform.works("asset_indexer_app", 1).await;
    for works in [&mut app, &mut theirs_app] {
        run(
            works,
            &format!(
                "insert into app.asset_metadata (asset_id) values ('{asset}');
                 insert into app.asset_settings (asset_id) values ('{asset}');
                 insert into app.submitted_transactions (transaction_hash, chain_id, operation_type)
                    values ('0x' || encode(sha256('public'), 'hex'), 1, 'transfer')"
            ),
        )
        .await;
    }
    let their_rule = count_uuid(
        &mut platform.owner,
        &format!("select id from app.compliance_rules where tenant_id = '{theirs}' limit 1"),
    )
    .await;
    let their_violation = count_uuid(
        &mut platform.owner,
        &format!("select id from app.compliance_violations where tenant_id = '{theirs}' limit 1"),
    )
    .await;
    for sql in [
        format!("insert into app.asset_compliance (asset_id, rule_id) values ('{asset}', '{their_rule}')"),
        format!(
            "insert into app.violation_resolutions (violation_id, detected_at, resolution_type) values ('{their_violation}', now(), 'waived')"
        ),
        format!(
            "insert into app.user_actions (user_id, action_type, resource) values ('{their_user}', 'x', 'y')"
        ),
        format!(
            "insert into app.login_history (user_id, login_method, success, failure_reason) values ('{their_user}', 'x', false, 'y')"
        ),
        format!(
            "insert into app.user_roles (user_id, role, assigned_by) select id, 'auditor', '{their_user}' from app.users"
        ),
    ] {
        assert_eq!(refused(&mut app, &sql).await, "23503", "{sql}");
    }
    for table in ["users", "user_profiles", "sessions", "wallet_links", "asset_metadata", "compliance_rules"]
    {
        let column = if table == "sessions" || table == "wallet_links" {
            "user_id = user_id"
        } else {
            "updated_at = now()"
        };
        let sql = format!("update app.{table} set {column}");
        run(&mut app, &sql).await;
    }
    let touched = format!(
        "select count(*) from app.audit_trail where tenant_id = '{theirs}' and login <> session_user"
    );
    assert_eq!(count(&mut platform.owner, &touched).await, 0);
    let moved = format!("select count(*) from app.users where tenant_id = '{theirs}'");
    assert_eq!(count(&mut platform.owner, &moved).await, 1);
}

/// Whose row it is, its trail is, whoever changed it.
#[tokio::test]
async fn the_trail_of_a_row_is_its_tenants() {
    let mut platform = Platform::new().await;
    let [one, two] = platform.tenants;
    let their_user = platform.users[1];
    run(
        &mut platform.owner,
        &format!(
            "set app.tenant = '{one}';
             update app.tenants set status = 'suspended' where id = '{two}';
             insert into app.user_roles (tenant_id, user_id, role) values ('{two}', '{their_user}', 'investor')"
        ),
    )
    .await;
    let trail = "select count(*) from app.audit_trail where entity_type in ('tenants', 'user_roles') and action <> 'insert'
        or entity_type = 'user_roles'";
    assert_eq!(count(&mut platform.works("asset_indexer_auditor", 0).await, trail).await, 0);
    assert_eq!(count(&mut platform.works("asset_indexer_auditor", 1).await, trail).await, 2);
}

async fn count_uuid(connection: &mut sqlx::PgConnection, sql: &str) -> uuid::Uuid {
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.expect("a row")
}

/// Behind a pooler by transaction the next client has the same connection: a tenant that was set for a transaction alone is gone.
#[tokio::test]
async fn a_tenant_of_a_transaction_ends_with_it() {
    let mut platform = Platform::new().await;
    fill(&mut platform).await;
    let tenant = platform.tenants[0];
    let mut works = platform.works("asset_indexer_app", 0).await;
    run(&mut works, "reset app.tenant").await;
    let settings = "select count(*) from (values ('app.tenant'), ('app.user_id'), ('app.actor')) s (name)
         where current_setting(s.name, true) <> ''";
    run(&mut works, &format!("begin; set local app.tenant = '{tenant}'; set local app.actor = 'clerk 7'"))
        .await;
    assert_eq!(count(&mut works, "select count(*) from app.users").await, 1);
    assert_eq!(count(&mut works, settings).await, 2);
    run(&mut works, "commit").await;
    assert_eq!(count(&mut works, "select count(*) from app.users").await, 0);
    assert_eq!(count(&mut works, settings).await, 0);
}

#[tokio::test]
async fn a_login_bound_to_a_tenant_chooses_no_other() {
    let mut platform = Platform::new().await;
    fill(&mut platform).await;
    let [own, other] = platform.tenants;
    let login = format!("bound_{}", uuid::Uuid::new_v4().simple());
    run(
        &mut platform.owner,
        &format!(
            "create role {login} login in role asset_indexer_app;
             insert into app.tenant_logins values ('{login}', '{own}')"
        ),
    )
    .await;
    let options = crate::support::world::cluster().await.connect_options(&login, &platform.database);
    let mut bound =
        <sqlx::PgConnection as sqlx::Connection>::connect_with(&options).await.expect("it logs in");
    run(&mut bound, &format!("set app.tenant = '{other}'")).await;
    assert_eq!(count(&mut bound, "select count(*) from app.users").await, 1);
    let mine = format!("select count(*) from app.users where tenant_id = '{own}'");
    assert_eq!(count(&mut bound, &mine).await, 1);
    drop(bound);
}

#[tokio::test]
async fn a_person_sees_the_own_rows_alone() {
    let mut platform = Platform::new().await;
    fill(&mut platform).await;
    let (tenant, user) = (platform.tenants[0], platform.users[0]);
    run(
        &mut platform.owner,
        &format!("insert into app.users (tenant_id, email) values ('{tenant}', 'colleague@example.org')"),
    )
    .await;
    let mut app = platform.works("asset_indexer_app", 0).await;
    assert_eq!(count(&mut app, "select count(*) from app.users").await, 2);
    run(&mut app, &format!("set app.user_id = '{user}'")).await;
    assert_eq!(count(&mut app, "select count(*) from app.users").await, 1);
    assert_eq!(count(&mut app, "select count(*) from app.sessions").await, 1);
    run(&mut app, "set app.user_id = '00000000-0000-4000-8000-000000000009'").await;
    for table in ["users", "user_profiles", "sessions", "wallet_links", "user_actions", "login_history"] {
        assert_eq!(count(&mut app, &format!("select count(*) from app.{table}")).await, 0, "{table}");
    }
}
