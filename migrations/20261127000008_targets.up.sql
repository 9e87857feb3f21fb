-- What the published schema states in figures, beside what is measured here (`make bench-targets`); the compliance of very
-- many holders read at once; and two indexes that questions of the first kind wanted.
set local lock_timeout = '500ms';

create table ops.stated_targets (
    target text primary key check (target ~ '^[a-z_]+[.][a-z_]+$'),
    area text not null,
    what text not null,
    measure text not null,
    figure text not null,
    kind text not null check (kind in ('time', 'size', 'volume', 'kept')),
    bound numeric check (bound > 0),
    unit text,
    question text,
    kept_by text,
    unique (area, what, measure),
    check ((kind = 'kept') = (kept_by is not null) and (kind = 'kept') = (question is null)
        and (kind = 'kept') = (bound is null) and (kind = 'kept') = (unit is null)),
    check (kind <> 'time' or unit = 'ms')
);
comment on table ops.stated_targets is 'Every figure that the published schema design states as a target. Read it through ops.targets.';
comment on column ops.stated_targets.target is 'Its name here.';
comment on column ops.stated_targets.area is 'The table of the design that it stands in.';
comment on column ops.stated_targets.what is 'The row of that table.';
comment on column ops.stated_targets.measure is 'The column of that table.';
comment on column ops.stated_targets.figure is 'The figure, in the design''s words.';
comment on column ops.stated_targets.kind is 'time: how long a statement takes; size: bytes of a row with its indexes; volume: rows; kept: no statement, something else keeps it.';
comment on column ops.stated_targets.bound is 'The figure as a number of unit.';
comment on column ops.stated_targets.unit is 'ms; bytes a row; rows, or rows a day.';
comment on column ops.stated_targets.question is 'What is measured: a file in tests/queries, a function, a statement, a command; of sizes and volumes the tables.';
comment on column ops.stated_targets.kept_by is 'What keeps it, where it is no statement.';

create table ops.target_measurements (
    id bigint generated always as identity primary key,
    target text not null references ops.stated_targets on delete cascade,
    measured_at timestamptz not null default clock_timestamp(),
    clients integer check (clients > 0),
    waits_for_disk boolean,
    times bigint check (times > 0),
    p50_ms double precision,
    p95_ms double precision,
    p99_ms double precision,
    row_count bigint not null check (row_count >= 0),
    bytes bigint check (bytes >= 0),
    scale double precision not null check (scale > 0),
    machine text not null,
    postgres_version text not null,
    check (p50_ms <= p95_ms and p95_ms <= p99_ms),
    check ((p50_ms is null) = (clients is null) and (p50_ms is null) = (times is null) and (p50_ms is null) = (bytes is not null))
);
create index target_measurements_newest on ops.target_measurements (target, clients, waits_for_disk, measured_at desc);
comment on table ops.target_measurements is 'What make bench-targets measured, a row a run of a target.';
comment on column ops.target_measurements.id is 'Order of writing.';
comment on column ops.target_measurements.target is 'ops.stated_targets.target.';
comment on column ops.target_measurements.measured_at is 'When.';
comment on column ops.target_measurements.clients is 'How many asked at once; null for a size or a volume.';
comment on column ops.target_measurements.waits_for_disk is 'Of a write: whether each commit waited for the disk (synchronous_commit); null for a question.';
comment on column ops.target_measurements.times is 'How often it was asked.';
comment on column ops.target_measurements.p50_ms is 'Half of the times were shorter, in milliseconds, as the client saw it.';
comment on column ops.target_measurements.p95_ms is '95 of 100 were shorter.';
comment on column ops.target_measurements.p99_ms is '99 of 100 were shorter.';
comment on column ops.target_measurements.row_count is 'Of a time: rows that came back, or were written, in all; of a size or a volume: rows of the tables.';
comment on column ops.target_measurements.bytes is 'Of a size or a volume: bytes of the tables with their indexes.';
comment on column ops.target_measurements.scale is 'Of the load: 1 is five years of the design''s growth, ten million rows a table at the most.';
comment on column ops.target_measurements.machine is 'On what, and what else ran there.';
comment on column ops.target_measurements.postgres_version is 'Under which PostgreSQL.';

create view ops.targets with (security_invoker = true) as
select t.target, t.area, t.what, t.measure, t.figure, t.kind, t.bound, t.unit, t.question, t.kept_by,
    case when t.kind = 'time' then t.bound / 10 end as goal_ms,
    one.p50_ms, one.p95_ms, one.p99_ms, one.p95_ms < t.bound as within_figure, one.p95_ms * 10 <= t.bound as ten_times_better,
    four.p95_ms as p95_ms_of_four, relaxed.p95_ms as p95_ms_without_disk,
    coalesce(one.row_count, amount.row_count) as row_count, round(amount.bytes / nullif(amount.row_count, 0)::numeric, 1) as bytes_per_row,
    coalesce(one.measured_at, amount.measured_at) as measured_at, coalesce(one.scale, amount.scale) as scale,
    coalesce(one.machine, amount.machine) as machine, coalesce(one.postgres_version, amount.postgres_version) as postgres_version
from ops.stated_targets t
left join lateral (
    select m.* from ops.target_measurements m
    where m.target = t.target and m.clients = 1 and m.waits_for_disk is not false
    order by m.measured_at desc limit 1) one on true
left join lateral (
    select m.* from ops.target_measurements m
    where m.target = t.target and m.clients = 4 and m.waits_for_disk is not false
    order by m.measured_at desc limit 1) four on true
left join lateral (
    select m.* from ops.target_measurements m
    where m.target = t.target and m.clients = 1 and not m.waits_for_disk
    order by m.measured_at desc limit 1) relaxed on true
left join lateral (
    select m.* from ops.target_measurements m
    where m.target = t.target and m.clients is null
    order by m.measured_at desc limit 1) amount on true;
comment on view ops.targets is 'Every figure of the published schema design, what answers for it, and the newest measurement of it on this database (make bench-targets); null where none was made here.';
comment on column ops.targets.target is 'Its name.';
comment on column ops.targets.area is 'The table of the design that it stands in.';
comment on column ops.targets.what is 'The row of that table.';
comment on column ops.targets.measure is 'The column of that table.';
comment on column ops.targets.figure is 'The figure, in the design''s words.';
comment on column ops.targets.kind is 'time, size, volume, or kept: no statement, something else keeps it.';
comment on column ops.targets.bound is 'The figure as a number of unit.';
comment on column ops.targets.unit is 'ms; bytes a row; rows, or rows a day.';
comment on column ops.targets.question is 'What is measured.';
comment on column ops.targets.kept_by is 'What keeps it, where it is no statement.';
comment on column ops.targets.goal_ms is 'Our own goal for a time: a tenth of the figure.';
comment on column ops.targets.p50_ms is 'Half of the times of one client were shorter; a write waited for the disk.';
comment on column ops.targets.p95_ms is '95 of 100 of its times were shorter.';
comment on column ops.targets.p99_ms is '99 of 100 of its times were shorter.';
comment on column ops.targets.within_figure is 'Whether p95_ms is below the figure.';
comment on column ops.targets.ten_times_better is 'Whether p95_ms is a tenth of the figure or less.';
comment on column ops.targets.p95_ms_of_four is 'With four clients at once.';
comment on column ops.targets.p95_ms_without_disk is 'Of a write by one client that did not wait for the disk (synchronous_commit off).';
comment on column ops.targets.row_count is 'Rows of the answers, or of the tables.';
comment on column ops.targets.bytes_per_row is 'Of a size or a volume: with all indexes.';
comment on column ops.targets.measured_at is 'When.';
comment on column ops.targets.scale is 'Of the load.';
comment on column ops.targets.machine is 'On what.';
comment on column ops.targets.postgres_version is 'Under which PostgreSQL.';

insert into ops.table_classes (table_name, class) values
    ('ops.stated_targets', 'operation'),
    ('ops.target_measurements', 'evidence');
grant select on ops.stated_targets, ops.target_measurements, ops.targets to asset_indexer_writer, asset_indexer_reader;

insert into ops.stated_targets (target, area, what, measure, figure, kind, bound, unit, question, kept_by) values
    ('user_data.volume', 'Data Volume Estimates', 'User Data', 'Current Volume', '10K records', 'volume', 10000, 'rows', 'app.users app.user_profiles app.user_settings app.subject_keys app.sessions app.accounts app.verifications app.user_roles app.onboarding_state app.wallet_links', null),
    ('user_data.growth', 'Data Volume Estimates', 'User Data', 'Projected Growth', '100% annually', 'kept', null, null, null, 'make bench-targets: it loads what five years of it leave, up to ten million rows a table'),
    ('user_data.storage', 'Data Volume Estimates', 'User Data', 'Storage Requirements', '100MB', 'size', 10485.8, 'bytes a row', 'app.users app.user_profiles app.user_settings app.subject_keys app.sessions app.accounts app.verifications app.user_roles app.onboarding_state app.wallet_links', null),
    ('user_data.archival', 'Data Volume Estimates', 'User Data', 'Archival Strategy', 'Archive after 7 years', 'kept', null, null, null, 'ops.retention_policies, row app.users; asset-indexer maintain'),
    ('asset_data.volume', 'Data Volume Estimates', 'Asset Data', 'Current Volume', '5K records', 'volume', 5000, 'rows', 'chain.assets app.asset_metadata app.tenant_assets', null),
    ('asset_data.growth', 'Data Volume Estimates', 'Asset Data', 'Projected Growth', '200% annually', 'kept', null, null, null, 'make bench-targets: it loads what five years of it leave, up to ten million rows a table'),
    ('asset_data.storage', 'Data Volume Estimates', 'Asset Data', 'Storage Requirements', '500MB', 'size', 104857.6, 'bytes a row', 'chain.assets app.asset_metadata app.tenant_assets', null),
    ('asset_data.archival', 'Data Volume Estimates', 'Asset Data', 'Archival Strategy', 'Archive after 10 years', 'kept', null, null, null, 'ops.retention_policies, row chain.assets; asset-indexer maintain'),
    ('transaction_data.volume', 'Data Volume Estimates', 'Transaction Data', 'Current Volume', '100K records', 'volume', 100000, 'rows', 'chain.asset_events chain.asset_transactions chain.asset_operations', null),
    ('transaction_data.growth', 'Data Volume Estimates', 'Transaction Data', 'Projected Growth', '500% annually', 'kept', null, null, null, 'make bench-targets: it loads what five years of it leave, up to ten million rows a table'),
    ('transaction_data.storage', 'Data Volume Estimates', 'Transaction Data', 'Storage Requirements', '2GB', 'size', 21474.8, 'bytes a row', 'chain.asset_events chain.asset_transactions chain.asset_operations', null),
    ('transaction_data.archival', 'Data Volume Estimates', 'Transaction Data', 'Archival Strategy', 'Archive after 7 years', 'kept', null, null, null, 'ops.retention_policies, row chain.asset_events; asset-indexer maintain'),
    ('audit_data.volume', 'Data Volume Estimates', 'Audit Data', 'Current Volume', '500K records', 'volume', 500000, 'rows', 'app.audit_trail', null),
    ('audit_data.growth', 'Data Volume Estimates', 'Audit Data', 'Projected Growth', '300% annually', 'kept', null, null, null, 'make bench-targets: it loads what five years of it leave, up to ten million rows a table'),
    ('audit_data.storage', 'Data Volume Estimates', 'Audit Data', 'Storage Requirements', '1GB', 'size', 2147.5, 'bytes a row', 'app.audit_trail', null),
    ('audit_data.archival', 'Data Volume Estimates', 'Audit Data', 'Archival Strategy', 'Archive after 10 years', 'kept', null, null, null, 'ops.retention_policies, row app.audit_trail; asset-indexer maintain'),
    ('system_data.volume', 'Data Volume Estimates', 'System Data', 'Current Volume', '1K records', 'volume', 1000, 'rows', 'app.system_config app.feature_flags app.integration_config', null),
    ('system_data.growth', 'Data Volume Estimates', 'System Data', 'Projected Growth', '50% annually', 'kept', null, null, null, 'make bench-targets: it loads what five years of it leave, up to ten million rows a table'),
    ('system_data.storage', 'Data Volume Estimates', 'System Data', 'Storage Requirements', '50MB', 'size', 52428.8, 'bytes a row', 'app.system_config app.feature_flags app.integration_config', null),
    ('system_data.archival', 'Data Volume Estimates', 'System Data', 'Archival Strategy', 'No archival', 'kept', null, null, null, 'ops.retention_policies, row app.system_config; asset-indexer maintain'),
    ('user_lookup.time', 'User Schema Performance', 'User Lookup', 'Query Time Target', '<5ms', 'time', 5, 'ms', 'user_lookup.sql', null),
    ('session_validation.time', 'User Schema Performance', 'Session Validation', 'Query Time Target', '<10ms', 'time', 10, 'ms', 'app.validate_session', null),
    ('role_checking.time', 'User Schema Performance', 'Role Checking', 'Query Time Target', '<15ms', 'time', 15, 'ms', 'app.has_permission', null),
    ('profile_updates.time', 'User Schema Performance', 'Profile Updates', 'Query Time Target', '<20ms', 'time', 20, 'ms', 'update app.user_profiles', null),
    ('asset_lookup.time', 'Asset Query Optimization', 'Asset Lookup', 'Performance Target', '<5ms', 'time', 5, 'ms', 'asset_lookup.sql', null),
    ('asset_listing.time', 'Asset Query Optimization', 'Asset Listing', 'Performance Target', '<50ms', 'time', 50, 'ms', 'asset_listing.sql', null),
    ('ownership_queries.time', 'Asset Query Optimization', 'Ownership Queries', 'Performance Target', '<20ms', 'time', 20, 'ms', 'largest_holders.sql', null),
    ('performance_queries.time', 'Asset Query Optimization', 'Performance Queries', 'Performance Target', '<100ms', 'time', 100, 'ms', 'daily_volume.sql', null),
    ('identity_data.retention', 'Compliance Data Retention', 'Identity Data', 'Retention Period', '7 years after last activity', 'kept', null, null, null, 'ops.retention_policies, row app.users; asset-indexer maintain'),
    ('compliance_rules.retention', 'Compliance Data Retention', 'Compliance Rules', 'Retention Period', 'Permanent', 'kept', null, null, null, 'ops.retention_policies, row app.compliance_rules; asset-indexer maintain'),
    ('violation_records.retention', 'Compliance Data Retention', 'Violation Records', 'Retention Period', '10 years', 'kept', null, null, null, 'ops.retention_policies, row app.compliance_violations; asset-indexer maintain'),
    ('regulatory_reports.retention', 'Compliance Data Retention', 'Regulatory Reports', 'Retention Period', '7 years', 'kept', null, null, null, 'ops.retention_policies, row app.regulatory_reports; asset-indexer maintain'),
    ('identity_lookup.time', 'Compliance Query Performance', 'Identity Lookup', 'Performance Target', '<10ms', 'time', 10, 'ms', 'identity_lookup.sql', null),
    ('compliance_check.time', 'Compliance Query Performance', 'Compliance Check', 'Performance Target', '<50ms', 'time', 50, 'ms', 'eligibility.sql', null),
    ('violation_queries.time', 'Compliance Query Performance', 'Violation Queries', 'Performance Target', '<100ms', 'time', 100, 'ms', 'open_violations.sql', null),
    ('report_generation.time', 'Compliance Query Performance', 'Report Generation', 'Performance Target', '<5 seconds', 'time', 5000, 'ms', 'asset-indexer report compliance', null),
    ('system_audit.retention', 'Audit Schema Design', 'System Audit', 'Data Retention', '7 years', 'kept', null, null, null, 'ops.retention_policies, row chain.system_events; asset-indexer maintain'),
    ('user_audit.retention', 'Audit Schema Design', 'User Audit', 'Data Retention', '7 years', 'kept', null, null, null, 'ops.retention_policies, row app.user_actions; asset-indexer maintain'),
    ('transaction_audit.retention', 'Audit Schema Design', 'Transaction Audit', 'Data Retention', '10 years', 'kept', null, null, null, 'ops.retention_policies, row chain.asset_events; asset-indexer maintain'),
    ('security_audit.retention', 'Audit Schema Design', 'Security Audit', 'Data Retention', '7 years', 'kept', null, null, null, 'ops.retention_policies, row app.login_history; asset-indexer maintain'),
    ('system_events.write', 'Audit Schema Performance', 'System Events', 'Write Performance', '<5ms', 'time', 5, 'ms', 'insert into chain.system_events', null),
    ('system_events.query', 'Audit Schema Performance', 'System Events', 'Query Performance', '<50ms', 'time', 50, 'ms', 'system_events_in_period.sql', null),
    ('user_actions.write', 'Audit Schema Performance', 'User Actions', 'Write Performance', '<3ms', 'time', 3, 'ms', 'insert into app.user_actions', null),
    ('user_actions.query', 'Audit Schema Performance', 'User Actions', 'Query Performance', '<30ms', 'time', 30, 'ms', 'actions_of_user.sql', null),
    ('transaction_logs.write', 'Audit Schema Performance', 'Transaction Logs', 'Write Performance', '<10ms', 'time', 10, 'ms', 'insert into chain.asset_events', null),
    ('transaction_logs.query', 'Audit Schema Performance', 'Transaction Logs', 'Query Performance', '<100ms', 'time', 100, 'ms', 'movements_in_period.sql', null),
    ('compliance_logs.write', 'Audit Schema Performance', 'Compliance Logs', 'Write Performance', '<8ms', 'time', 8, 'ms', 'insert into app.compliance_logs', null),
    ('compliance_logs.query', 'Audit Schema Performance', 'Compliance Logs', 'Query Performance', '<75ms', 'time', 75, 'ms', 'checks_of_asset.sql', null),
    ('system_events.volume', 'Audit Data Volume', 'System Events', 'Daily Volume', '10K records', 'volume', 10000, 'rows a day', 'chain.system_events', null),
    ('system_events.growth', 'Audit Data Volume', 'System Events', 'Monthly Growth', '300K records', 'kept', null, null, null, 'make bench-targets: it loads what five years of it leave, up to ten million rows a table'),
    ('system_events.storage', 'Audit Data Volume', 'System Events', 'Storage Requirements', '50MB/month', 'size', 174.8, 'bytes a row', 'chain.system_events', null),
    ('system_events.archival', 'Audit Data Volume', 'System Events', 'Archival Strategy', 'Archive after 2 years', 'kept', null, null, null, 'ops.retention_policies, row chain.system_events; asset-indexer maintain'),
    ('user_actions.volume', 'Audit Data Volume', 'User Actions', 'Daily Volume', '50K records', 'volume', 50000, 'rows a day', 'app.user_actions', null),
    ('user_actions.growth', 'Audit Data Volume', 'User Actions', 'Monthly Growth', '1.5M records', 'kept', null, null, null, 'make bench-targets: it loads what five years of it leave, up to ten million rows a table'),
    ('user_actions.storage', 'Audit Data Volume', 'User Actions', 'Storage Requirements', '200MB/month', 'size', 139.8, 'bytes a row', 'app.user_actions', null),
    ('user_actions.archival', 'Audit Data Volume', 'User Actions', 'Archival Strategy', 'Archive after 3 years', 'kept', null, null, null, 'ops.retention_policies, row app.user_actions; asset-indexer maintain'),
    ('transaction_logs.volume', 'Audit Data Volume', 'Transaction Logs', 'Daily Volume', '5K records', 'volume', 5000, 'rows a day', 'chain.asset_events', null),
    ('transaction_logs.growth', 'Audit Data Volume', 'Transaction Logs', 'Monthly Growth', '150K records', 'kept', null, null, null, 'make bench-targets: it loads what five years of it leave, up to ten million rows a table'),
    ('transaction_logs.storage', 'Audit Data Volume', 'Transaction Logs', 'Storage Requirements', '100MB/month', 'size', 699.1, 'bytes a row', 'chain.asset_events', null),
    ('transaction_logs.archival', 'Audit Data Volume', 'Transaction Logs', 'Archival Strategy', 'Archive after 7 years', 'kept', null, null, null, 'ops.retention_policies, row chain.asset_events; asset-indexer maintain'),
    ('compliance_logs.volume', 'Audit Data Volume', 'Compliance Logs', 'Daily Volume', '2K records', 'volume', 2000, 'rows a day', 'app.compliance_logs', null),
    ('compliance_logs.growth', 'Audit Data Volume', 'Compliance Logs', 'Monthly Growth', '60K records', 'kept', null, null, null, 'make bench-targets: it loads what five years of it leave, up to ten million rows a table'),
    ('compliance_logs.storage', 'Audit Data Volume', 'Compliance Logs', 'Storage Requirements', '30MB/month', 'size', 524.3, 'bytes a row', 'app.compliance_logs', null),
    ('compliance_logs.archival', 'Audit Data Volume', 'Compliance Logs', 'Archival Strategy', 'Archive after 10 years', 'kept', null, null, null, 'ops.retention_policies, row app.compliance_logs; asset-indexer maintain'),
    ('system_config.time', 'Configuration Performance', 'System Config', 'Access Time', '<5ms', 'time', 5, 'ms', 'system_setting.sql', null),
    ('system_config.cache_duration', 'Configuration Performance', 'System Config', 'Cache Duration', '1 hour', 'kept', null, null, null, 'app.system_config.cache_seconds and NOTIFY asset_indexer_configuration; the cache is the application''s'),
    ('feature_flags.time', 'Configuration Performance', 'Feature Flags', 'Access Time', '<3ms', 'time', 3, 'ms', 'feature_flag.sql', null),
    ('feature_flags.cache_duration', 'Configuration Performance', 'Feature Flags', 'Cache Duration', '10 minutes', 'kept', null, null, null, 'app.feature_flags.cache_seconds and NOTIFY asset_indexer_configuration; the cache is the application''s'),
    ('integration_config.time', 'Configuration Performance', 'Integration Config', 'Access Time', '<10ms', 'time', 10, 'ms', 'integration.sql', null),
    ('integration_config.cache_duration', 'Configuration Performance', 'Integration Config', 'Cache Duration', '30 minutes', 'kept', null, null, null, 'app.integration_config.cache_seconds and NOTIFY asset_indexer_configuration; the cache is the application''s'),
    ('user_preferences.time', 'Configuration Performance', 'User Preferences', 'Access Time', '<5ms', 'time', 5, 'ms', 'user_preferences.sql', null),
    ('user_preferences.cache_duration', 'Configuration Performance', 'User Preferences', 'Cache Duration', '5 minutes', 'kept', null, null, null, 'app.user_settings.cache_seconds; the cache is the application''s'),
    ('benchmark_simple_queries.time', 'Performance Benchmarks', 'Simple Queries', 'Target Performance', '<10ms', 'time', 10, 'ms', 'api.balance_at', null),
    ('benchmark_complex_queries.time', 'Performance Benchmarks', 'Complex Queries', 'Target Performance', '<100ms', 'time', 100, 'ms', 'cap_table_on_date.sql', null),
    ('benchmark_bulk_operations.time', 'Performance Benchmarks', 'Bulk Operations', 'Target Performance', '<1 second', 'time', 1000, 'ms', 'insert into app.user_actions, 1,000 rows', null),
    ('benchmark_report_generation.time', 'Performance Benchmarks', 'Report Generation', 'Target Performance', '<30 seconds', 'time', 30000, 'ms', 'asset-indexer report cap-table', null),
    ('user_assets.time', 'Relationship Performance', 'User -> Assets', 'Join Performance', '<20ms', 'time', 20, 'ms', 'holdings_of_user.sql', null),
    ('asset_operations.time', 'Relationship Performance', 'Asset -> Operations', 'Join Performance', '<50ms', 'time', 50, 'ms', 'operations_in_period.sql', null),
    ('identity_claims.time', 'Relationship Performance', 'Identity -> Claims', 'Join Performance', '<30ms', 'time', 30, 'ms', 'valid_claims.sql', null),
    ('compliance_violations.time', 'Relationship Performance', 'Compliance -> Violations', 'Join Performance', '<100ms', 'time', 100, 'ms', 'violations_in_period.sql', null),
    ('deployment.duration', 'Migration Process', 'Deployment', 'Duration', '5-30 minutes', 'kept', null, null, null, 'asset-indexer migrate: it waits 200 ms for a lock, steps back and tries again; the rest of a deployment is the platform''s'),
    ('full_backup.frequency', 'Backup Strategy', 'Full Backup', 'Frequency', 'Daily', 'kept', null, null, null, 'deploy/backup, its timers'),
    ('full_backup.retention', 'Backup Strategy', 'Full Backup', 'Retention', '30 days', 'kept', null, null, null, 'deploy/backup, retention of the repositories'),
    ('full_backup.recovery_time', 'Backup Strategy', 'Full Backup', 'Recovery Time', '4 hours', 'kept', null, null, null, 'deploy/backup; make drill recovers and prints the time'),
    ('incremental_backup.frequency', 'Backup Strategy', 'Incremental Backup', 'Frequency', 'Hourly', 'kept', null, null, null, 'deploy/backup, its timers'),
    ('incremental_backup.retention', 'Backup Strategy', 'Incremental Backup', 'Retention', '7 days', 'kept', null, null, null, 'deploy/backup, retention of the repositories'),
    ('incremental_backup.recovery_time', 'Backup Strategy', 'Incremental Backup', 'Recovery Time', '1 hour', 'kept', null, null, null, 'deploy/backup; make drill recovers and prints the time'),
    ('transaction_log_backup.frequency', 'Backup Strategy', 'Transaction Log Backup', 'Frequency', 'Every 15 minutes', 'kept', null, null, null, 'deploy/backup, its timers'),
    ('transaction_log_backup.retention', 'Backup Strategy', 'Transaction Log Backup', 'Retention', '24 hours', 'kept', null, null, null, 'deploy/backup, retention of the repositories'),
    ('transaction_log_backup.recovery_time', 'Backup Strategy', 'Transaction Log Backup', 'Recovery Time', '15 minutes', 'kept', null, null, null, 'deploy/backup; make drill recovers and prints the time'),
    ('point_in_time.frequency', 'Backup Strategy', 'Point-in-Time', 'Frequency', 'Continuous', 'kept', null, null, null, 'deploy/backup, its timers'),
    ('point_in_time.retention', 'Backup Strategy', 'Point-in-Time', 'Retention', '7 days', 'kept', null, null, null, 'deploy/backup, retention of the repositories'),
    ('database_corruption.recovery_time', 'Recovery Procedures', 'Database Corruption', 'Recovery Time', '2-4 hours', 'kept', null, null, null, 'deploy/backup; make drill loses and recovers a register, and prints time and loss'),
    ('database_corruption.data_loss', 'Recovery Procedures', 'Database Corruption', 'Data Loss', '<1 hour', 'kept', null, null, null, 'deploy/backup; make drill loses and recovers a register, and prints time and loss'),
    ('hardware_failure.recovery_time', 'Recovery Procedures', 'Hardware Failure', 'Recovery Time', '1-2 hours', 'kept', null, null, null, 'deploy/backup; make drill loses and recovers a register, and prints time and loss'),
    ('hardware_failure.data_loss', 'Recovery Procedures', 'Hardware Failure', 'Data Loss', '<15 minutes', 'kept', null, null, null, 'deploy/backup; make drill loses and recovers a register, and prints time and loss'),
    ('human_error.recovery_time', 'Recovery Procedures', 'Human Error', 'Recovery Time', '30 minutes - 2 hours', 'kept', null, null, null, 'deploy/backup; make drill loses and recovers a register, and prints time and loss'),
    ('disaster_recovery.recovery_time', 'Recovery Procedures', 'Disaster Recovery', 'Recovery Time', '4-8 hours', 'kept', null, null, null, 'deploy/backup; make drill loses and recovers a register, and prints time and loss'),
    ('disaster_recovery.data_loss', 'Recovery Procedures', 'Disaster Recovery', 'Data Loss', '<1 hour', 'kept', null, null, null, 'deploy/backup; make drill loses and recovers a register, and prints time and loss'),
    ('full_backup.duration', 'Backup Performance', 'Full Backup', 'Duration', '2-4 hours', 'kept', null, null, null, 'deploy/backup; make drill prints duration and size'),
    ('full_backup.share', 'Backup Performance', 'Full Backup', 'Storage Requirements', '100% of database size', 'kept', null, null, null, 'deploy/backup; make drill prints duration and size'),
    ('incremental_backup.duration', 'Backup Performance', 'Incremental Backup', 'Duration', '10-30 minutes', 'kept', null, null, null, 'deploy/backup; make drill prints duration and size'),
    ('incremental_backup.share', 'Backup Performance', 'Incremental Backup', 'Storage Requirements', '5-20% of database size', 'kept', null, null, null, 'deploy/backup; make drill prints duration and size'),
    ('log_backup.duration', 'Backup Performance', 'Log Backup', 'Duration', '<5 minutes', 'kept', null, null, null, 'deploy/backup; make drill prints duration and size'),
    ('log_backup.share', 'Backup Performance', 'Log Backup', 'Storage Requirements', '1-5% of database size', 'kept', null, null, null, 'deploy/backup; make drill prints duration and size'),
    ('recovery_testing.duration', 'Backup Performance', 'Recovery Testing', 'Duration', '1-2 hours', 'kept', null, null, null, 'deploy/backup; make drill prints duration and size'),
    ('failed_access_attempts.threshold', 'Security Monitoring', 'Failed Access Attempts', 'Alert Threshold', '>5 attempts/hour', 'kept', null, null, null, 'app.login_guard and trigger refuse_locked of app.login_history; app.security_findings');

-- Questions by period, and assets by type and status, as api.assets says it.
create index system_events_time on chain.system_events (timestamp desc);
create index assets_listing on chain.assets (asset_type, (case when paused then 'paused' else 'active' end), created_block desc, id);

-- Compliance of many holders ---------------------------------------------------------------------------------------
-- chain.judge looks up the claims of one identity: right for a page, and some twenty microseconds for each of a million
-- holders. Where an asset has many, registrations and claims are read once, as they lie, and joined by hash instead. What the
-- verdict depends on is the same; a test compares the two for every holder of every block.

create function chain.contracts_behind(p_chain_id bigint, p_block bigint) returns table (address bytea)
language sql stable parallel safe rows 10
begin atomic
    select v.address::bytea from ops.coverage v
    where v.chain_id = p_chain_id and v.through_block is not null and chain.is_behind(v.through_block, p_block);
end;
comment on function chain.contracts_behind is 'Contracts that are catching up and have not been read to a block yet.';

create function chain.has_many_holders(p_asset uuid) returns boolean
language sql stable parallel safe
begin atomic
    -- A claim read in passing costs some fortieth of the looking up of one holder's.
    select coalesce(greatest(a.holder_count, (
            select max(s.positions) from ops.register_snapshots s where s.chain_id = a.chain_id and s.asset_id = p_asset
        )) > greatest(1000, (select c.reltuples from pg_catalog.pg_class c where c.oid = 'chain.identity_claims'::regclass) / 40), false)
    from chain.assets a where a.id = p_asset;
end;
comment on function chain.has_many_holders is 'Whether an asset has, or at one time had, so many holders that their claims are better read together than one holder after the other.';

create function chain.compliance_one_by_one(p_asset uuid, p_block bigint)
returns table (holder bytea, balance numeric, frozen numeric, wallet_frozen boolean, identity bytea, country bigint,
    verdict text, reason text)
language sql stable rows 1000
begin atomic
    select p.holder, p.balance, p.frozen, p.wallet_frozen, r.identity::bytea, r.country,
        case
            when l.target is null then 'no registry'
            when r.identity is not null then v.verdict
            when g.storage is null or g.unsettled then 'undetermined'
            else 'not_verified'
        end,
        case
            when l.target is null then 'the asset has no identity registry'
            when r.identity is not null then v.reason
            when g.storage is null then 'storage of the registry not known'
            when g.unsettled then 'a contract of the registry is catching up'
            else 'not registered'
        end
    from chain.assets a
    left join chain.contract_links l on l.chain_id = a.chain_id and l.address = a.contract_address
        and l.link = 'identity_registry' and l.slot = chain.zero_address()
        and chain.in_force(l.from_block, l.to_block, p_block)
    left join lateral chain.verification_rules(a.chain_id, l.target, p_block) g on l.target is not null
    cross join lateral chain.positions_at(p_asset, p_block) p
    left join chain.registrations r on r.chain_id = a.chain_id and r.storage = g.storage and r.wallet = p.holder
        and chain.in_force(r.from_block, r.to_block, p_block) and r.identity <> chain.zero_address()
    left join lateral chain.judge(a.chain_id, r.identity, r.undetermined, g.required, g.offered, g.trusted, g.keys,
        g.unknown, g.unsettled, p_block) v on r.identity is not null
    where a.id = p_asset and p.balance <> 0;
end;
comment on function chain.compliance_one_by_one is 'Whether those who held an asset at the end of a block might: for an asset of few holders.';

create function chain.compliance_rules(p_asset uuid, p_block bigint)
returns table (chain_id bigint, registry bytea, storage bytea, required numeric[], trusted bytea[], keys bytea[],
    unknown bytea[], unsettled boolean, decided text, because text)
language sql stable parallel safe rows 1
begin atomic
    select a.chain_id, l.target::bytea, g.storage, g.required, g.trusted, g.keys, g.unknown, g.unsettled, d.verdict, d.reason
    from chain.assets a
    left join chain.contract_links l on l.chain_id = a.chain_id and l.address = a.contract_address
        and l.link = 'identity_registry' and l.slot = chain.zero_address()
        and chain.in_force(l.from_block, l.to_block, p_block)
    left join lateral chain.verification_rules(a.chain_id, l.target, p_block) g on l.target is not null
    left join lateral (
        select x.verdict, x.reason
        from (values
            (1, g.unsettled, 'undetermined', 'a contract of the registry is catching up'),
            (2, g.required is null, 'undetermined', 'claim topics registry not known'),
            (3, cardinality(g.required) = 0, 'verified', null),
            (4, g.offered is null, 'undetermined', 'trusted issuers registry not known'),
            (5, not g.required <@ g.offered, 'not_verified', (
                select 'topic ' || min(t.topic)::text || ': no trusted issuer' from unnest(g.required) t (topic)
                where not (t.topic = any (g.offered))))
        ) x (n, applies, verdict, reason)
        where x.applies order by x.n limit 1
    ) d on true
    where a.id = p_asset;
end;
comment on function chain.compliance_rules is 'What the identity registry of an asset demanded at the end of a block (chain.verification_rules); and the verdict on every registered wallet, with its reason, where it does not depend on claims.';

create function chain.compliance_at_once(p_asset uuid, p_block bigint)
returns table (holder bytea, balance numeric, frozen numeric, wallet_frozen boolean, identity bytea, country bigint,
    verdict text, reason text)
language plpgsql stable rows 1000
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan set work_mem = '256MB'
set hash_mem_multiplier = 2 set jit = off set enable_mergejoin = off set enable_nestloop = off as $$
declare
    rules record;
    every_topic bigint;
begin
    select g.* into rules from chain.compliance_rules(p_asset, p_block) g;
    -- A topic is a bit below.
    if cardinality(rules.required) > 62 then
        return query select c.* from chain.compliance_one_by_one(p_asset, p_block) c;
        return;
    end if;
    every_topic := (1::bigint << cardinality(rules.required)) - 1;
    return query
    with claimed as (
        select k.identity, bit_or(k.topic) filter (where k.state = 1) as valid,
            bit_or(k.topic) filter (where k.state = 2) as unknown, bit_or(k.topic) filter (where k.state = 3) as revoked,
            bit_or(k.topic) filter (where k.state = 4) as unsigned
        from (
            select c.identity::bytea as identity, 1::bigint << array_position(rules.required, c.claim_type) - 1 as topic,
                case
                    when x.issuer is not null then 3
                    when c.issuer = any (rules.unknown) then 2
                    when c.issuer || c.signer_key = any (rules.keys) then 1
                    else 4
                end as state
            from chain.identity_claims c
            left join chain.claim_revocations x on x.chain_id = c.chain_id and x.issuer = c.issuer
                and x.signature_hash = c.signature_hash and x.revoked_block <= p_block
            where rules.decided is null and c.chain_id = rules.chain_id and c.from_block <= p_block
                and (c.to_block is null or c.to_block > p_block) and c.id_matches
                and c.issuer || numeric_send(c.claim_type) = any (rules.trusted)
        ) k
        group by k.identity
    ), judged as (
        select r.wallet::bytea as wallet, r.identity::bytea as identity, r.country,
            case
                when rules.decided is not null then rules.decided
                when r.undetermined or b.address is not null then 'undetermined'
                when c.valid = every_topic then 'verified'
                when coalesce(c.valid, 0) | coalesce(c.unknown, 0) = every_topic then 'undetermined'
                else 'not_verified'
            end as verdict,
            case
                when rules.decided is not null then rules.because
                when r.undetermined then 'undetermined identity'
                when b.address is not null then 'identity is catching up'
                when c.valid = every_topic then null
                else (
                    select 'topic ' || t.topic::text || ': ' || case
                        when coalesce(c.unknown, 0) & (1::bigint << t.n::integer - 1) <> 0 then 'issuer''s keys not known'
                        when coalesce(c.revoked, 0) & (1::bigint << t.n::integer - 1) <> 0 then 'claim revoked'
                        when coalesce(c.unsigned, 0) & (1::bigint << t.n::integer - 1) <> 0
                            then 'claim not signed by a key of its issuer'
                        else 'no claim of a trusted issuer'
                    end
                    from unnest(rules.required) with ordinality t (topic, n)
                    where case
                        when coalesce(c.valid, 0) | coalesce(c.unknown, 0) = every_topic then coalesce(c.valid, 0)
                        else coalesce(c.valid, 0) | coalesce(c.unknown, 0)
                    end & (1::bigint << t.n::integer - 1) = 0
                    order by t.topic limit 1)
            end as reason
        from chain.registrations r
        left join claimed c on c.identity = r.identity
        left join chain.contracts_behind(rules.chain_id, p_block) b on b.address = r.identity
        where r.chain_id = rules.chain_id and r.storage = rules.storage and r.from_block <= p_block
            and (r.to_block is null or r.to_block > p_block) and r.identity <> chain.zero_address()
    )
    select p.holder, p.balance, p.frozen, p.wallet_frozen, j.identity, j.country,
        case
            when rules.registry is null then 'no registry'
            when j.wallet is not null then j.verdict
            when rules.storage is null or rules.unsettled then 'undetermined'
            else 'not_verified'
        end,
        case
            when rules.registry is null then 'the asset has no identity registry'
            when j.wallet is not null then j.reason
            when rules.storage is null then 'storage of the registry not known'
            when rules.unsettled then 'a contract of the registry is catching up'
            else 'not registered'
        end
    from chain.positions_at(p_asset, p_block) p
    left join judged j on j.wallet = p.holder
    where p.balance <> 0;
end
$$;
comment on function chain.compliance_at_once is 'What chain.compliance_one_by_one says, for an asset of many holders: the claims of all are read once.';
create or replace function api.holder_compliance(asset uuid, block bigint)
returns table (holder_address text, identity text, country bigint, verdict text, reason text, wallet_frozen boolean,
    balance numeric, balance_base numeric, frozen numeric, frozen_base numeric, holder_bytes bytea, block_number bigint,
    block_hash text, finality text)
language sql stable rows 1000
begin atomic
    select api.hex(c.holder), api.hex(c.identity), c.country, c.verdict, c.reason, c.wallet_frozen,
        api.units(c.balance, a.decimals), c.balance, api.units(c.frozen, a.decimals), c.frozen, c.holder, b.block_number,
        api.hex(b.block_hash), chain.finality(block, k.finalized_number)
    from chain.assets a
    join chain.checkpoints k on k.chain_id = a.chain_id and block <= k.block_number
    cross join lateral chain.known_block(a.chain_id, block) b
    cross join lateral (
        select o.* from chain.compliance_one_by_one(asset, block) o where not chain.has_many_holders(asset)
        union all
        select m.* from chain.compliance_at_once(asset, block) m where chain.has_many_holders(asset)
    ) c
    where a.id = asset;
end;

-- One pass over the holders: what the sections need is summed for each combination that occurs, and for each investor.
create or replace function api.regulatory_summary(asset uuid, block bigint, first_day date default null, last_day date default null,
    zone text default 'UTC')
returns table (section text, item text, holders bigint, amount numeric, amount_base numeric, percentage numeric,
    block_number bigint, block_hash text)
language sql stable rows 50 set work_mem = '256MB'
begin atomic
    with held as materialized (
        select c.holder, c.identity, c.country, c.verdict, c.wallet_frozen, c.balance, c.frozen
        from (
            select o.* from chain.compliance_one_by_one(asset, block) o where not chain.has_many_holders(asset)
            union all
            select m.* from chain.compliance_at_once(asset, block) m where chain.has_many_holders(asset)
        ) c
        -- No row for a block above the checkpoint.
        where exists (select from chain.assets a join chain.checkpoints k on k.chain_id = a.chain_id
            where a.id = asset and block <= k.block_number)
    ), supply as (select chain.supply_at(asset, block) as base offset 0),
    kinds as materialized (
        select h.country, h.verdict, h.wallet_frozen, count(*) as wallets, sum(h.balance) as balance,
            count(*) filter (where h.frozen <> 0) as parts, coalesce(sum(h.frozen), 0) as frozen
        from held h group by h.country, h.verdict, h.wallet_frozen
    ), investors as materialized (
        select sum(h.balance) as balance from held h group by coalesce(h.identity, h.holder)
    ), lines (n, section, item, holders, base) as (
        select 1, 'register', 'supply', null::bigint, s.base from supply s
        union all
        select 2, 'register', 'wallets', coalesce(sum(k.wallets), 0)::bigint, coalesce(sum(k.balance), 0) from kinds k
        union all
        select 3, 'register', 'investors', (select count(*) from investors), coalesce(sum(k.balance), 0) from kinds k
        union all
        select 4, 'frozen', 'wallets', coalesce(sum(k.wallets), 0)::bigint, coalesce(sum(k.balance), 0) from kinds k where k.wallet_frozen
        union all
        select 5, 'frozen', 'parts', coalesce(sum(k.parts), 0)::bigint, coalesce(sum(k.frozen), 0) from kinds k
        union all
        select 6, 'verdict', k.verdict, sum(k.wallets)::bigint, sum(k.balance) from kinds k group by k.verdict
        union all
        select 7, 'country', coalesce(lpad(k.country::text, 3, '0'), 'not known'), sum(k.wallets)::bigint, sum(k.balance)
        from kinds k group by k.country
        union all
        select 8, 'largest', 'top ' || t.top, count(l.balance), coalesce(sum(l.balance), 0)
        from unnest('{1,10}'::integer[]) t (top)
        left join lateral (
            select i.balance from investors i where i.balance > 0 order by i.balance desc limit t.top) l on true
        group by t.top
        union all
        select 9, 'issuance', case o.operation_type when 'mint' then 'minted' else 'burned' end, count(*), sum(o.amount)
        from chain.assets a
        join chain.asset_operations o on o.chain_id = a.chain_id and o.asset_id = a.id
            and o.operation_type in ('mint', 'burn') and o.block_number <= block
            and (first_day is null or o.executed_at >= first_day::timestamp at time zone zone)
            and (last_day is null or o.executed_at < (last_day + 1)::timestamp at time zone zone)
        where a.id = asset
        group by o.operation_type
    )
    select l.section, l.item, l.holders, api.units(l.base, a.decimals), l.base,
        case when s.base > 0 and l.n <= 8 then round(l.base * 100 / s.base, 8) end, b.block_number, api.hex(b.block_hash)
    from chain.assets a
    cross join lateral chain.known_block(a.chain_id, block) b
    cross join supply s
    cross join lines l
    where a.id = asset and chain.facts_reach_of(asset)
    order by l.n, l.item collate "C";
end;

grant execute on function chain.contracts_behind(bigint, bigint), chain.has_many_holders(uuid),
    chain.compliance_rules(uuid, bigint), chain.compliance_one_by_one(uuid, bigint), chain.compliance_at_once(uuid, bigint)
to asset_indexer_reader, asset_indexer_writer;
