//! Rows that must not be: refused by the database, whoever asks.

use uuid::Uuid;

use super::{Platform, count, refused, run};

const UNIQUE: &str = "23505";
const CHECK: &str = "23514";
const FORBIDDEN: &str = "42501";

#[tokio::test]
async fn an_address_is_unique_in_its_tenant_whatever_its_case_and_free_in_another() {
    let mut platform = Platform::new().await;
    let [one, two] = platform.tenants;
    let insert = |tenant: Uuid, email: &str| {
        format!("insert into app.users (tenant_id, email) values ('{tenant}', '{email}')")
    };
    assert_eq!(refused(&mut platform.owner, &insert(one, "ONE@Example.org")).await, UNIQUE);
    run(&mut platform.owner, &insert(two, "ONE@Example.org")).await;
    for wrong in ["", "no address", "two@at@example.org", "a b@example.org"] {
        assert_eq!(refused(&mut platform.owner, &insert(one, wrong)).await, CHECK, "{wrong}");
    }
}

#[tokio::test]
async fn a_session_expires_and_is_found_by_its_digest_alone() {
    let mut platform = Platform::new().await;
    let user = platform.users[0];
    run(&mut platform.owner, &format!("set app.tenant = '{}'", platform.tenants[0])).await;
    let token = "encode(sha256('a token'), 'hex')";
    run(
        &mut platform.owner,
        &format!(
            "insert into app.sessions (user_id, token, expires_at) values
                ('{user}', {token}, now() + interval '1 hour');
             insert into app.sessions (user_id, token, created_at, expires_at) values
                ('{user}', encode(sha256('an old token'), 'hex'), now() - interval '2 hours', now() - interval '1 hour')"
        ),
    )
    .await;
    let valid = |token: &str| format!("select count(*) from app.validate_session({token})");
    let owner = &mut platform.owner;
    assert_eq!(count(owner, &valid(token)).await, 1);
    assert_eq!(count(owner, &valid("encode(sha256('an old token'), 'hex')")).await, 0, "expired");
    assert_eq!(count(owner, &valid("'a token'")).await, 0, "the token itself opens nothing");
    run(owner, &format!("update app.users set status = 'suspended' where id = '{user}'")).await;
    assert_eq!(count(owner, &valid(token)).await, 0, "a suspended user has no session");
    let again = format!(
        "insert into app.sessions (user_id, token, expires_at) values ('{user}', {token}, now() + interval '1 hour')"
    );
    assert_eq!(refused(owner, &again).await, UNIQUE);
    for (wrong, why) in [
        ("'short', now() + interval '1 hour'", "it is a digest in hex"),
        ("encode(sha256('b'), 'hex'), now() - interval '1 hour'", "it ends before it begins"),
        ("encode(sha256('b'), 'hex'), now() + interval '2 years'", "no session lasts for ever"),
    ] {
        let sql = format!("insert into app.sessions (user_id, token, expires_at) values ('{user}', {wrong})");
        assert_eq!(refused(owner, &sql).await, CHECK, "{why}");
    }
    run(owner, &format!("delete from app.users where id = '{user}'")).await;
    assert_eq!(count(owner, "select count(*) from app.sessions").await, 0, "sessions go with their user");
}

#[tokio::test]
async fn a_user_has_a_role_once_and_again_after_it_was_revoked() {
    let mut platform = Platform::new().await;
    let (user, tenant) = (platform.users[0], platform.tenants[0]);
    let owner = &mut platform.owner;
    run(owner, &format!("set app.tenant = '{tenant}'")).await;
    let assign = format!("insert into app.user_roles (user_id, role) values ('{user}', 'issuer')");
    run(owner, &assign).await;
    assert_eq!(refused(owner, &assign).await, UNIQUE);
    run(owner, "update app.user_roles set status = 'revoked', ended_at = now()").await;
    run(owner, &assign).await;
    assert_eq!(count(owner, "select count(*) from app.user_roles").await, 2, "the revoked one is history");
    let unknown = format!("insert into app.user_roles (user_id, role) values ('{user}', 'emperor')");
    assert_eq!(refused(owner, &unknown).await, "23503");
    run(
        owner,
        "with p as (insert into app.permissions (name, resource, action) values ('mint', 'asset', 'mint') returning id)
         insert into app.role_permissions (role, permission_id) select 'issuer', id from p",
    )
    .await;
    let may = format!("select app.has_permission('{user}', 'asset', 'mint')::int::bigint");
    assert_eq!(count(owner, &may).await, 1);
    run(owner, "update app.user_roles set assigned_at = now() - interval '2 days', expires_at = now() - interval '1 day' where status = 'active'").await;
    assert_eq!(count(owner, &may).await, 0, "expired");
}

#[tokio::test]
async fn five_failed_logins_in_an_hour_lock_the_account() {
    let mut platform = Platform::new().await;
    let (user, tenant) = (platform.users[0], platform.tenants[0]);
    let owner = &mut platform.owner;
    let login = |success: bool, ago: &str| {
        let reason = if success { "null" } else { "'wrong password'" };
        format!(
            "insert into app.login_history (tenant_id, user_id, login_method, success, failure_reason, timestamp)
             values ('{tenant}', '{user}', 'password', {success}, {reason}, clock_timestamp() - interval '{ago}')"
        )
    };
    let locked = format!("select locked::int::bigint from app.login_guard('{user}')");
    for ago in ["50 minutes", "40 minutes", "30 minutes", "20 minutes"] {
        run(owner, &login(false, ago)).await;
    }
    run(owner, &login(true, "10 minutes")).await;
    assert_eq!(count(owner, &locked).await, 0, "four failures");
    run(owner, &login(false, "5 minutes")).await;
    assert_eq!(count(owner, &locked).await, 1, "five");
    assert_eq!(refused(owner, &login(true, "0 minutes")).await, "28000");
    let until = format!(
        "select (locked_until between now() + interval '9 minutes' and now() + interval '11 minutes')::int::bigint
         from app.login_guard('{user}')"
    );
    assert_eq!(count(owner, &until).await, 1, "until an hour after the fifth last");
}

#[tokio::test]
async fn what_is_written_once_is_never_changed() {
    let mut platform = Platform::new().await;
    let (user, tenant) = (platform.users[0], platform.tenants[0]);
    let owner = &mut platform.owner;
    run(owner, &format!("set app.tenant = '{tenant}'")).await;
    run(
        owner,
        &format!(
            "insert into app.user_actions (user_id, action_type, resource) values ('{user}', 'read', 'report');
             insert into app.access_logs (resource, action, result) values ('users', 'export', 'allowed');
             insert into app.compliance_logs (compliance_check, result) values ('kyc', 'passed');
             insert into app.login_history (user_id, login_method, success) values ('{user}', 'passkey', true);
             insert into app.compliance_violations (violation_type) values ('max_balance');
             insert into app.violation_resolutions (violation_id, detected_at, resolution_type)
                select id, detected_at, 'waived' from app.compliance_violations;
             insert into app.asset_reports (asset_id, report_type, report_data) values ('{user}', 'cap_table', '[]');
             insert into app.regulatory_reports (report_type, jurisdiction, period, report_data) values
                ('annual', 'CH', '2025', '{{}}');
             insert into app.report_violations (report_id, violation_id, detected_at) select r.id, v.id, v.detected_at
                from app.regulatory_reports r, app.compliance_violations v"
        ),
    )
    .await;
    let tables = [
        "user_actions",
        "access_logs",
        "compliance_logs",
        "login_history",
        "compliance_violations",
        "violation_resolutions",
        "asset_reports",
        "report_violations",
        "audit_trail",
    ];
    for table in tables {
        assert!(count(owner, &format!("select count(*) from app.{table}")).await > 0, "{table}");
        for sql in [format!("delete from app.{table}"), format!("truncate app.{table} cascade")] {
            assert_eq!(refused(owner, &sql).await, FORBIDDEN, "the superuser too: {sql}");
        }
    }
    let rewritten = "update app.compliance_violations set details = '{\"harmless\": true}'";
    assert_eq!(refused(owner, rewritten).await, FORBIDDEN);
    assert_eq!(
        count(owner, "select count(*) from api.compliance_violations where resolved_at is not null").await,
        1
    );
    run(owner, "update app.regulatory_reports set submitted_at = now()").await;
    let partition: String = sqlx::query_scalar(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'app.audit_trail'::regclass order by 1 limit 1",
    )
    .fetch_one(&mut *owner)
    .await
    .expect("the catalogue can be read");
    assert_eq!(refused(owner, &format!("truncate {partition}")).await, FORBIDDEN, "nor a month of it");
    run(owner, "insert into app.compliance_violations (violation_type) values ('late')").await;
    for sql in [
        "update app.regulatory_reports set report_data = '{\"x\": 1}'",
        "delete from app.regulatory_reports",
        "insert into app.report_violations (report_id, violation_id, detected_at) select r.id, v.id, v.detected_at
            from app.regulatory_reports r, app.compliance_violations v where v.violation_type = 'late'",
    ] {
        assert_eq!(refused(owner, sql).await, FORBIDDEN, "{sql}");
    }
}

#[tokio::test]
async fn a_changed_rule_keeps_its_versions() {
    let mut platform = Platform::new().await;
    let tenant = platform.tenants[0];
    let owner = &mut platform.owner;
    run(owner, &format!("set app.tenant = '{tenant}'; set app.actor = 'officer 7'")).await;
    run(owner, "insert into app.compliance_rules (rule_type, jurisdiction, parameters) values ('max_holders', 'CH', '{\"n\": 20}')").await;
    run(owner, "update app.compliance_rules set parameters = '{\"n\": 50}'").await;
    run(owner, "update app.compliance_rules set active = false").await;
    run(owner, "update app.compliance_rules set active = false").await;
    let versions: Vec<(i32, serde_json::Value, bool, String)> = sqlx::query_as(
        "select version, parameters, active, changed_by from app.compliance_rule_versions order by version",
    )
    .fetch_all(&mut *owner)
    .await
    .expect("readable");
    let was = |n: i64| serde_json::json!({ "n": n });
    assert_eq!(
        versions,
        [(1, was(20), true, "officer 7".to_owned()), (2, was(50), true, "officer 7".to_owned())],
        "what changed nothing is no version"
    );
    assert_eq!(count(owner, "select version::bigint from app.compliance_rules").await, 3);
    for sql in [
        "delete from app.compliance_rules",
        "update app.compliance_rule_versions set active = false",
        "update app.compliance_rules set created_at = now() - interval '9 years'",
    ] {
        assert_eq!(refused(owner, sql).await, FORBIDDEN, "{sql}");
    }
}

#[tokio::test]
async fn the_trail_tells_what_changed_and_no_personal_value() {
    let mut platform = Platform::new().await;
    let (user, tenant) = (platform.users[0], platform.tenants[0]);
    let owner = &mut platform.owner;
    run(owner, &format!("set app.tenant = '{tenant}'; set app.actor = 'clerk 3'")).await;
    run(owner, &format!("update app.users set email = 'Secret.Name@example.org' where id = '{user}'")).await;
    run(owner, &format!("update app.users set status = 'suspended' where id = '{user}'")).await;
    run(owner, &format!("update app.users set status = 'suspended' where id = '{user}'")).await;
    let rows: Vec<(String, String, String, serde_json::Value, serde_json::Value)> = sqlx::query_as(
        "select action, entity_id, actor, old_state, new_state from app.audit_trail
         where entity_type = 'users' and action = 'update' order by id",
    )
    .fetch_all(&mut *owner)
    .await
    .expect("readable");
    assert_eq!(rows.len(), 2, "an update that changes nothing leaves no row: {rows:#?}");
    let (_, entity, actor, old, new) = &rows[0];
    assert_eq!((entity.as_str(), actor.as_str()), (user.to_string().as_str(), "clerk 3"));
    let digest = new["email"].as_str().expect("the column is named");
    assert!(digest.starts_with("digest ") && digest.len() == 7 + 64, "{digest}");
    assert_ne!(old["email"], new["email"]);
    assert_eq!(rows[1].3, serde_json::json!({ "status": "active" }), "the changed column alone");
    assert_eq!(rows[1].4, serde_json::json!({ "status": "suspended" }));
    run(
        owner,
        &format!(
            "set timezone = 'Asia/Tokyo'; set datestyle = 'SQL';
             insert into app.compliance_violations (violation_type, user_id, details) values ('x', '{user}', '{{\"name\": \"Secret.Name\"}}')"
        ),
    )
    .await;
    run(owner, "set timezone = 'UTC'").await;
    let keyed = "select count(*) from app.audit_trail t, app.compliance_violations v
        where t.entity_type = 'compliance_violations' and t.entity_id = v.id || '/' || (to_jsonb(v.detected_at) #>> '{}')";
    assert_eq!(count(owner, keyed).await, 1, "the table's name and key, whatever the caller's settings");
    let told = "select count(*) from app.audit_trail where to_jsonb(audit_trail)::text ilike '%secret.name%'";
    assert_eq!(count(owner, told).await, 0);
    run(owner, "insert into app.system_config (key, value, type) values ('fees/mint', '25', 'number')").await;
    run(owner, "update app.system_config set value = '30'").await;
    let changes: Vec<(String, String, Option<serde_json::Value>)> = sqlx::query_as(
        "select record_id, change_type, old_values from app.system_changes where table_name = 'system_config' order by id",
    )
    .fetch_all(&mut *owner)
    .await
    .expect("readable");
    assert_eq!(
        changes,
        [
            ("fees/mint".to_owned(), "insert".to_owned(), None),
            ("fees/mint".to_owned(), "update".to_owned(), Some(serde_json::json!({ "value": 25 })))
        ]
    );
    let twice = "select count(*) from app.audit_trail where entity_type = 'system_config'";
    assert_eq!(count(owner, twice).await, 0, "configuration has its own trail");
    let wrong = "insert into app.system_config (key, value, type) values ('fees/burn', '\"x\"', 'number')";
    assert_eq!(refused(owner, wrong).await, CHECK);
}

/// A pseudonym beside a transaction's hash would lead to the wallet, for as long as the trail is kept.
#[tokio::test]
async fn the_trail_leads_from_no_person_to_the_chain() {
    let mut platform = Platform::new().await;
    let (user, tenant) = (platform.users[0], platform.tenants[0]);
    let owner = &mut platform.owner;
    let hash = "7f".repeat(32);
    run(
        owner,
        &format!(
            "set app.tenant = '{tenant}';
             insert into app.submitted_transactions (transaction_hash, chain_id, operation_type, user_id, nonce)
                values ('0x{hash}', 1, 'transfer', '{user}', 71234567);
             update app.submitted_transactions set operation_type = 'mint';
             update app.submitted_transactions set user_id = null, nonce = null;
             delete from app.submitted_transactions"
        ),
    )
    .await;
    let of_it = "select count(*) from app.audit_trail t where t.entity_type = 'submitted_transactions'";
    assert_eq!(count(owner, of_it).await, 4);
    for shown in [hash.as_str(), "71234567"] {
        let told = format!("{of_it} and to_jsonb(t)::text like '%{shown}%'");
        assert_eq!(count(owner, &told).await, 0, "{shown}");
    }
    let one = "select count(distinct t.entity_id) from app.audit_trail t where t.entity_type = 'submitted_transactions'
        and t.entity_id like t.tenant_id || '/1/digest %'";
    assert_eq!(count(owner, one).await, 1, "the row is the same in each");
    let timed = format!("{of_it} and t.new_state ->> 'submitted_at' not like 'digest %'");
    assert_eq!(count(owner, &timed).await, 0, "by which the row would be found");
}

#[tokio::test]
async fn every_table_of_the_application_is_guarded() {
    let mut platform = Platform::new().await;
    let unguarded: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         left join app.table_guards g on g.table_name = c.relname
         where n.nspname = 'app' and c.relkind in ('r', 'p') and not c.relispartition
            and (g.table_name is null or not c.relrowsecurity
                or not exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'seen')
                or g.audited_in is not null and not exists (
                    select from pg_trigger t where t.tgrelid = c.oid and t.tgname = 'audit')
                or g.append_only and not exists (
                    select from pg_trigger t where t.tgrelid = c.oid and t.tgname = 'refuse_change'))",
    )
    .fetch_all(&mut platform.owner)
    .await
    .expect("the catalogue can be read");
    assert!(unguarded.is_empty(), "without guards: {unguarded:?}");
}

#[tokio::test]
async fn monthly_tables_have_months_ahead_and_keep_them() {
    let mut platform = Platform::new().await;
    let owner = &mut platform.owner;
    assert_eq!(count(owner, "select app.months_ahead()::bigint").await, 12);
    assert_eq!(count(owner, "select app.ensure_months(12)::bigint").await, 0, "nothing is missing");
    assert_eq!(count(owner, "select app.ensure_months(14)::bigint").await, 2 * 6);
    assert_eq!(count(owner, "select app.months_ahead()::bigint").await, 14);
    let default = "select count(*) from pg_class where relispartition and relname like '%default%'";
    assert_eq!(count(owner, default).await, 0, "no default partition hides a missing one");
    run(owner, "set app.tenant = '00000000-0000-4000-8000-000000000001'").await;
    let beyond = "insert into app.access_logs (resource, action, result, timestamp)
        values ('x', 'y', 'denied', now() + interval '5 years')";
    assert_eq!(refused(owner, beyond).await, CHECK, "a row without a partition is refused, not lost");
}
