-- Who may do what. Five groups beside the owner and the indexer; none can log in, a login is made a member of one.
--   app         the application: its tenant's rows
--   reader      analysts: no personal value; users appear by their ids alone
--   compliance  officers: people, rules, violations, reports
--   auditor     logs, trails, violations, reports: reads only
--   support     masked users alone
-- The indexer's writer has no right on any application table.
grant usage on schema app to asset_indexer_app, asset_indexer_reader, asset_indexer_compliance, asset_indexer_auditor,
    asset_indexer_support;
-- Where an administrator made the roles (`migrate --print-roles`), they are members already.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['asset_indexer_app', 'asset_indexer_compliance', 'asset_indexer_auditor'] loop
        if not pg_has_role(role_name, 'asset_indexer_reader', 'member') then
            execute format('grant asset_indexer_reader to %I', role_name);
        end if;
    end loop;
end
$$;

-- Rows that are changed.
grant select, insert, update, delete on
    app.tenant_assets, app.user_profiles, app.user_settings, app.sessions, app.accounts, app.verifications,
    app.wallet_links, app.user_roles, app.onboarding_state, app.asset_metadata, app.asset_settings,
    app.asset_permissions, app.asset_benchmarks, app.submitted_transactions, app.provider_profiles, app.asset_compliance,
    app.user_preferences
to asset_indexer_app;
-- A user is erased, a rule switched off, a key destroyed: none of them is deleted.
grant select, insert, update on
    app.users, app.subject_keys, app.compliance_rules, app.regulatory_reports to asset_indexer_app;
-- What is written once.
grant select, insert on
    app.user_actions, app.login_history, app.access_logs, app.compliance_logs, app.compliance_violations,
    app.violation_resolutions, app.asset_reports, app.report_violations to asset_indexer_app;
grant select on api.compliance_violations to asset_indexer_app;
-- What the platform's owner decides, and what the database writes.
grant select on
    app.tenants, app.roles, app.permissions, app.role_permissions, app.onboarding_steps, app.system_config,
    app.feature_flags, app.compliance_rule_versions, app.audit_trail, app.system_changes to asset_indexer_app;
grant select (service, config_data, enabled, last_success_at, last_error, cache_seconds, updated_at)
    on app.integration_config to asset_indexer_app;

grant select on
    app.tenants, app.tenant_assets, app.wallet_links, app.asset_metadata, app.asset_settings, app.asset_permissions,
    app.asset_benchmarks, app.asset_reports, app.submitted_transactions, app.provider_profiles, app.compliance_rules,
    app.compliance_rule_versions, app.asset_compliance, app.roles, app.permissions, app.role_permissions, app.onboarding_steps, app.feature_flags
to asset_indexer_reader;

grant select on
    app.users, app.user_profiles, app.user_roles, app.onboarding_state, app.compliance_violations,
    app.violation_resolutions, api.compliance_violations, app.compliance_logs, app.access_logs,
    app.regulatory_reports, app.report_violations to asset_indexer_compliance;
grant insert on
    app.compliance_violations, app.violation_resolutions, app.compliance_logs, app.access_logs, app.report_violations
to asset_indexer_compliance;
grant insert, update on app.compliance_rules, app.regulatory_reports, app.asset_compliance, app.provider_profiles
to asset_indexer_compliance;

grant select on
    app.compliance_violations, app.violation_resolutions, api.compliance_violations, app.audit_trail,
    app.system_changes, app.user_actions, app.login_history, app.access_logs, app.compliance_logs,
    app.regulatory_reports, app.report_violations, app.user_roles, app.table_guards to asset_indexer_auditor;

grant select on app.users_masked to asset_indexer_support;

grant select on
    api.identities, api.asset_permissions, api.verification_providers, api.identity_claims, api.transaction_logs,
    api.compliance_rules, api.asset_compliance, api.asset_metrics, api.asset_metadata, api.asset_configuration,
    api.submitted_transactions
to asset_indexer_reader;

-- Functions are everybody's by default: not those of this schema.
revoke execute on all functions in schema app from public;
grant execute on function app.current_tenant(), app.acting_user(), app.actor(), app.correlation()
    to asset_indexer_app, asset_indexer_reader, asset_indexer_compliance, asset_indexer_auditor, asset_indexer_support;
grant execute on function app.validate_session(text), app.has_permission(uuid, text, text), app.login_guard(uuid)
    to asset_indexer_app;
grant usage on schema app to asset_indexer_writer;
grant execute on function app.ensure_months(integer), app.months_ahead() to asset_indexer_writer;
grant execute on function app.months_ahead() to asset_indexer_auditor;

-- The daemon checks that the application's schema is not newer than itself.
do $$
begin
    if to_regclass('asset_indexer.app_migrations') is not null then
        grant select on asset_indexer.app_migrations to asset_indexer_writer, asset_indexer_reader;
    end if;
end
$$;
