-- How long the application's rows are kept, and seals that outlive the months they cover.
set local lock_timeout = '500ms';

insert into ops.retention_policies (table_name, seed_tables, unit, archive_after, delete_after, activity, legal_basis) values
    ('app.users', '{users}', 'subjects', null, '7 years',
        'the newest of: the last login, the last action, the last change of the user''s row', 'user data: seven years after the last activity, then an erasure'),
    ('app.user_profiles', '{user_profiles}', 'subjects', null, '7 years', 'the user''s', 'user data: goes with its user'),
    ('app.user_settings', '{user_settings,user_preferences}', 'subjects', null, '7 years', 'the user''s', 'user data: goes with its user'),
    ('app.accounts', '{accounts}', 'subjects', null, '7 years', 'the user''s', 'user data: goes with its user'),
    ('app.user_roles', '{user_roles}', 'subjects', null, '7 years', 'the user''s', 'user data: goes with its user'),
    ('app.onboarding_state', '{onboarding_state}', 'subjects', null, '7 years', 'the user''s', 'user data: goes with its user'),
    ('app.sessions', '{sessions}', 'rows', null, '30 days', 'when it expired', 'minimisation: of no use once it expired; login_history keeps that there was a login'),
    ('app.verifications', '{verifications}', 'rows', null, '90 days', 'when it expired', 'minimisation: of no use once it expired; the audit trail keeps that it was verified'),
    ('app.permissions', '{permissions}', 'kept', null, null, 'none: a definition', 'the platform''s own, about no person'),
    ('app.role_permissions', '{role_permissions}', 'kept', null, null, 'none: a definition', 'the platform''s own, about no person'),
    ('app.onboarding_steps', '{onboarding_steps}', 'kept', null, null, 'none: a definition', 'the platform''s own, about no person'),
    ('app.asset_metadata', '{asset_metadata}', 'kept', null, null, 'none: the current state', 'asset data: a row an asset, for as long as the register is kept'),
    ('app.asset_reports', '{asset_reports}', 'kept', null, null, 'none: append-only', 'asset data: what was told to whom, ten years at least'),
    ('app.compliance_rules', '{compliance_rules}', 'kept', null, null, 'none: it is permanent', 'compliance rules are permanent'),
    ('app.compliance_rule_versions', '{compliance_rules}', 'kept', null, null, 'none: it is permanent', 'compliance rules are permanent'),
    ('app.asset_compliance', '{asset_compliance}', 'kept', null, null, 'none: it is permanent', 'compliance rules are permanent'),
    ('app.compliance_violations', '{compliance_violations}', 'months', '10 years', null,
        'end of the month in which it was detected', 'violation records: ten years; a month stays while resolutions refer to it'),
    ('app.violation_resolutions', '{violation_resolutions}', 'kept', null, null, 'none: append-only', 'violation records: ten years at least, as immutable as the violations'),
    ('app.regulatory_reports', '{regulatory_reports}', 'kept', null, null, 'none: immutable once submitted', 'reporting obligations: seven years at least'),
    ('app.system_changes', '{system_changes}', 'kept', null, null, 'none: append-only', 'system audit: seven years at least; sealed in one chain, and small'),
    ('app.user_actions', '{user_actions}', 'months', '3 years', '7 years', 'end of the month', 'user audit: three years online, seven in all'),
    ('app.login_history', '{login_history}', 'months', '3 years', '7 years', 'end of the month', 'security audit: three years online, seven in all'),
    ('app.access_logs', '{access_logs}', 'months', '3 years', '7 years', 'end of the month', 'security audit: three years online, seven in all'),
    ('app.compliance_logs', '{compliance_logs}', 'months', '10 years', null, 'end of the month', 'compliance audit: ten years online, then its archive'),
    ('app.audit_trail', '{audit_trail}', 'months', '10 years', null, 'end of the month', 'audit data: ten years online, then its archive'),
    ('app.system_config', '{system_config}', 'kept', null, null, 'none: the current state', 'system data is not archived'),
    ('app.feature_flags', '{feature_flags}', 'kept', null, null, 'none: the current state', 'system data is not archived'),
    ('app.integration_config', '{integration_config}', 'kept', null, null, 'none: the current state', 'system data is not archived');

-- A seal covers rows by their number, a month by their time: where a month is away, its seals hold for the rows that stay.
create table app.seal_remainders (
    id bigint generated always as identity primary key,
    seal_id bigint not null references app.audit_seals,
    partition text not null,
    row_count bigint not null check (row_count >= 0),
    digest text not null check (digest ~ '^[0-9a-f]{64}$'),
    recorded_at timestamptz not null default clock_timestamp()
);
create index seal_remainders_seal_idx on app.seal_remainders (seal_id, id desc);
comment on table app.seal_remainders is 'What is left of a sealed stretch once a month of it was archived, or put back: the newest row of a seal counts.';
comment on column app.seal_remainders.id is 'Order of writing.';
comment on column app.seal_remainders.seal_id is 'The seal.';
comment on column app.seal_remainders.partition is 'The month that went or came.';
comment on column app.seal_remainders.row_count is 'Rows of the stretch that are in the table.';
comment on column app.seal_remainders.digest is 'SHA-256, in hex, of the seal''s previous and those rows in their order.';
comment on column app.seal_remainders.recorded_at is 'When.';

create or replace function app.broken_seals() returns table (seal_id bigint, table_name text, first_row bigint, last_row bigint, reason text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select s.id, s.table_name, s.first_row, s.last_row,
        case
            when d.row_count <> coalesce(r.row_count, s.row_count) then coalesce(r.row_count, s.row_count)
                || ' rows were sealed' || case when r.id is not null then ' and not archived' else '' end
                || ', ' || d.row_count || ' are there'
            when d.digest <> coalesce(r.digest, s.digest) then 'a row is not what was sealed'
            else 'the seal before is not the one that was there'
        end
    from app.audit_seals s
    left join lateral (
        select p.digest, p.last_row from app.audit_seals p where p.table_name = s.table_name and p.id < s.id
        order by p.id desc limit 1) p on true
    left join lateral (
        select m.id, m.row_count, m.digest from app.seal_remainders m where m.seal_id = s.id
            -- Of a partition that was archived: a remainder that somebody made up excuses nothing.
            and exists (select from ops.archived_partitions p where p.table_name = 'app.' || s.table_name and p.partition = m.partition)
        order by m.id desc limit 1) r on true
    cross join lateral app.trail_digest(s.table_name, s.first_row, s.last_row, s.previous) d
    where d.row_count <> coalesce(r.row_count, s.row_count) or d.digest <> coalesce(r.digest, s.digest)
        or s.previous <> coalesce(p.digest, '') or s.first_row <> coalesce(p.last_row, 0) + 1
    order by s.id
$$;
comment on function app.broken_seals is 'Seals that do not hold: a row was changed, taken out or put in, or a seal was; of an archived month the rows that stay count. Reads the whole trails.';

insert into app.table_guards (table_name, kind, append_only, audited_in) values ('seal_remainders', 'platform', true, null);
select app.guard_table('seal_remainders');
insert into ops.table_classes (table_name, class) values ('app.seal_remainders', 'application');
grant select on app.seal_remainders to asset_indexer_auditor;
-- Who audits sees what is kept for how long, and what went. Holds are the owner's: they name people, and have no tenant.
grant usage on schema ops to asset_indexer_auditor;
grant select on ops.retention_policies, ops.archived_partitions to asset_indexer_auditor;
