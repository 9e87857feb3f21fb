//! What rows say of when: no past that a rule did not have, and no future.

use super::{Platform, count, refused, run};

#[tokio::test]
async fn versions_of_a_rule_follow_one_another_and_the_first_begins_now() {
    let platform = Platform::new().await;
    let mut early = platform.works("asset_indexer_app", 0).await;
    let mut late = platform.works("asset_indexer_compliance", 0).await;
    let backdated =
        "insert into app.compliance_rules (rule_type, parameters, version, created_at, updated_at)
        values ('max_holders', '{\"n\": 1}', 7, '2020-01-01', '2020-01-01')";
    run(&mut early, backdated).await;
    let fresh = "select count(*) from app.compliance_rules
        where version = 1 and created_at > clock_timestamp() - interval '5 minutes' and updated_at = created_at";
    assert_eq!(count(&mut early, fresh).await, 1, "a rule has no past but its own");
    // The transaction that began first changes the rule last.
    run(&mut early, "begin").await;
    count(&mut early, fresh).await;
    run(&mut late, "update app.compliance_rules set parameters = '{\"n\": 2}'").await;
    run(&mut early, "update app.compliance_rules set parameters = '{\"n\": 3}'; commit").await;
    run(&mut early, "update app.compliance_rules set parameters = '{\"n\": 4}'").await;
    let kept = "select count(*) from app.compliance_rule_versions where valid_to > valid_from";
    assert_eq!(count(&mut early, kept).await, 3, "each lasted");
    let joined = "select count(*) from app.compliance_rule_versions v
        where v.valid_to = coalesce(
            (select n.valid_from from app.compliance_rule_versions n where n.rule_id = v.rule_id and n.version = v.version + 1),
            (select r.updated_at from app.compliance_rules r where r.id = v.rule_id and r.version = v.version + 1))";
    assert_eq!(count(&mut early, joined).await, 3, "where one ends the next begins");
    let earlier =
        "update app.compliance_rules set parameters = '{\"n\": 5}', updated_at = '2020-01-01', version = 1";
    run(&mut early, earlier).await;
    assert_eq!(count(&mut early, kept).await, 4);
    assert_eq!(count(&mut early, joined).await, 4);
}

/// A failed login of the future would lock an account until then, and nothing takes such a row back.
#[tokio::test]
async fn no_login_writes_of_the_future_what_is_never_changed() {
    let platform = Platform::new().await;
    let user = platform.users[0];
    let rows = |at: &str| {
        vec![
            format!("insert into app.access_logs (resource, action, result, timestamp) values ('x', 'read', 'allowed', {at})"),
            format!("insert into app.compliance_logs (compliance_check, result, timestamp) values ('kyc', 'passed', {at})"),
            format!(
                "insert into app.regulatory_reports (report_type, jurisdiction, period, report_data, generated_at)
                 values ('holders', 'CH', '2026', '{{}}', {at})"
            ),
            format!("update app.regulatory_reports set submitted_at = {at} where submitted_at is null"),
            format!("insert into app.user_actions (action_type, resource, timestamp) values ('x', 'y', {at})"),
            format!(
                "insert into app.login_history (user_id, login_method, success, failure_reason, timestamp)
                 values ('{user}', 'password', false, 'x', {at})"
            ),
            format!(
                "insert into app.asset_reports (asset_id, report_type, report_data, generated_at)
                 values ('{user}', 'cap_table', '{{}}', {at})"
            ),
        ]
    };
    for (role, may) in [("asset_indexer_compliance", 4), ("asset_indexer_app", 7)] {
        let mut works = platform.works(role, 0).await;
        let draft = "insert into app.regulatory_reports (report_type, jurisdiction, period, report_data)
            values ('draft', 'CH', '2026', '{}')";
        run(&mut works, draft).await;
        for sql in rows("clock_timestamp() + interval '10 days'").into_iter().take(may) {
            assert_eq!(refused(&mut works, &sql).await, "42501", "{role}: {sql}");
        }
        // Two machines' clocks differ.
        for sql in rows("clock_timestamp() + interval '30 seconds'").into_iter().take(may) {
            run(&mut works, &sql).await;
        }
        let failures = format!("select failures::bigint from app.login_guard('{user}')");
        if role == "asset_indexer_app" {
            assert_eq!(count(&mut works, &failures).await, 1);
        }
    }
}

#[tokio::test]
async fn a_report_speaks_of_days_that_there_are() {
    let platform = Platform::new().await;
    let report = |period: &str| {
        format!(
            "insert into app.regulatory_reports (report_type, jurisdiction, period, report_data)
             values ('holders', 'CH', '{period}', '{{}}')"
        )
    };
    for role in ["asset_indexer_compliance", "asset_indexer_app"] {
        let mut works = platform.works(role, 0).await;
        for (period, state) in [
            ("2026-13-45/2020-99-99", "22008"),
            ("2026-02-29/2026-03-31", "22008"),
            ("2026-03-31/2026-01-01", "42501"),
            ("2026-3-31/x", "23514"),
        ] {
            assert_eq!(refused(&mut works, &report(period)).await, state, "{role}: {period}");
        }
        for period in ["2024-02-29/2024-02-29", "2025-12-31/2026-01-01", "2026-Q1"] {
            run(&mut works, &report(period)).await;
        }
    }
}

/// Also of a table that comes later.
#[tokio::test]
async fn every_table_that_logins_append_to_is_held_to_the_clock() {
    let mut platform = Platform::new().await;
    let appended = "from app.table_guards g
        join pg_attribute a on a.attrelid = to_regclass('app.' || quote_ident(g.table_name)) and a.attnum > 0 and not a.attisdropped
            and a.atttypid = 'timestamptz'::regtype and a.atthasdef
        where g.append_only and exists (
            select from pg_roles r where r.rolname in ('asset_indexer_app', 'asset_indexer_compliance', 'asset_indexer_auditor',
                'asset_indexer_reader', 'asset_indexer_support') and has_column_privilege(r.oid, a.attrelid, a.attnum, 'insert'))";
    let tables = count(&mut platform.owner, &format!("select count(*) {appended}")).await;
    assert!(tables >= 7, "{tables}");
    let unheld = format!(
        "select count(*) {appended} and not exists (
            select from pg_policies p where p.schemaname = 'app' and p.tablename = g.table_name and p.permissive = 'RESTRICTIVE'
                and p.with_check like '%' || a.attname || '%<= (clock_timestamp() + %')"
    );
    assert_eq!(count(&mut platform.owner, &unheld).await, 0);
}
