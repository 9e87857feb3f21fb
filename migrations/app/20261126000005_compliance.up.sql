-- Rules, violations and reports of the application. What contracts require (topics, modules) comes from the chain and is
-- read beside these through api.compliance_rules, api.asset_compliance and api.compliance_modules.

create table app.compliance_rules (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    rule_type text not null check (rule_type ~ '^[a-z][a-z0-9_]*$'),
    jurisdiction text check (jurisdiction ~ '^[A-Z]{2}$'),
    parameters jsonb not null default '{}' check (jsonb_typeof(parameters) = 'object'),
    active boolean not null default true,
    version integer not null default 1 check (version >= 1),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (tenant_id, id)
);
create index compliance_rules_type_idx on app.compliance_rules (tenant_id, rule_type, jurisdiction) where active;
create index compliance_rules_jurisdiction_idx on app.compliance_rules (tenant_id, jurisdiction) where active;
comment on table app.compliance_rules is 'The rules in force. Permanent: a change makes a new version and keeps the old in compliance_rule_versions.';
comment on column app.compliance_rules.id is 'The rule.';
comment on column app.compliance_rules.tenant_id is 'Whose rule it is.';
comment on column app.compliance_rules.rule_type is 'What it is about.';
comment on column app.compliance_rules.jurisdiction is 'ISO 3166-1 alpha-2; null: everywhere.';
comment on column app.compliance_rules.parameters is 'Its numbers and lists.';
comment on column app.compliance_rules.active is 'Whether it is applied.';
comment on column app.compliance_rules.version is 'Counts its changes from 1.';
comment on column app.compliance_rules.created_at is 'When it was first made.';
comment on column app.compliance_rules.updated_at is 'When this version was made.';

create table app.compliance_rule_versions (
    rule_id uuid not null references app.compliance_rules on delete restrict,
    version integer not null,
    tenant_id uuid not null,
    rule_type text not null,
    jurisdiction text,
    parameters jsonb not null,
    active boolean not null,
    valid_from timestamptz not null,
    valid_to timestamptz not null,
    changed_by text not null default app.actor(),
    primary key (rule_id, version)
);
comment on table app.compliance_rule_versions is 'Rules as they were: written by the database when one changes, read-only for everybody.';
comment on column app.compliance_rule_versions.rule_id is 'The rule.';
comment on column app.compliance_rule_versions.version is 'Which of its versions.';
comment on column app.compliance_rule_versions.tenant_id is 'Whose rule it is.';
comment on column app.compliance_rule_versions.rule_type is 'What it was about.';
comment on column app.compliance_rule_versions.jurisdiction is 'Where it held.';
comment on column app.compliance_rule_versions.parameters is 'Its numbers and lists then.';
comment on column app.compliance_rule_versions.active is 'Whether it was applied.';
comment on column app.compliance_rule_versions.valid_from is 'Since when this version held.';
comment on column app.compliance_rule_versions.valid_to is 'Until when.';
comment on column app.compliance_rule_versions.changed_by is 'Who ended it.';

create function app.keep_rule_version() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
    if (new.id, new.tenant_id, new.created_at) is distinct from (old.id, old.tenant_id, old.created_at) then
        raise exception 'a rule keeps its id, its tenant and its first date' using errcode = 'insufficient_privilege';
    end if;
    if (new.rule_type, new.jurisdiction, new.parameters, new.active)
        is distinct from (old.rule_type, old.jurisdiction, old.parameters, old.active) then
        insert into app.compliance_rule_versions (rule_id, version, tenant_id, rule_type, jurisdiction, parameters, active,
            valid_from, valid_to)
        values (old.id, old.version, old.tenant_id, old.rule_type, old.jurisdiction, old.parameters, old.active,
            old.updated_at, now());
        new.version := old.version + 1;
        new.updated_at := now();
    else
        new.version := old.version;
        new.updated_at := old.updated_at;
    end if;
    return new;
end
$$;
comment on function app.keep_rule_version is 'Keeps the version of a rule that a change ends.';
create trigger keep_version before update on app.compliance_rules for each row execute function app.keep_rule_version();
create trigger refuse_delete before delete on app.compliance_rules for each row execute function app.refuse_change();

create table app.asset_compliance (
    asset_id uuid not null,
    rule_id uuid not null,
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    module_id uuid,
    parameters jsonb not null default '{}' check (jsonb_typeof(parameters) = 'object'),
    active boolean not null default true,
    configured_at timestamptz not null default now(),
    configured_by text not null default app.actor(),
    primary key (tenant_id, asset_id, rule_id),
    foreign key (tenant_id, rule_id) references app.compliance_rules (tenant_id, id) on delete restrict
);
create index asset_compliance_rule_idx on app.asset_compliance (rule_id);
comment on table app.asset_compliance is 'Which of the application''s rules an asset is under.';
comment on column app.asset_compliance.asset_id is 'The asset.';
comment on column app.asset_compliance.rule_id is 'The rule.';
comment on column app.asset_compliance.tenant_id is 'Whose word it is.';
comment on column app.asset_compliance.module_id is 'The module that enforces it on the chain: api.compliance_modules.id; null: none does.';
comment on column app.asset_compliance.parameters is 'What differs from the rule''s own.';
comment on column app.asset_compliance.active is 'Whether it is applied.';
comment on column app.asset_compliance.configured_at is 'Since when.';
comment on column app.asset_compliance.configured_by is 'By whom.';

create table app.compliance_violations (
    id uuid not null default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    asset_id uuid,
    user_id uuid,
    violation_type text not null check (violation_type ~ '^[a-z][a-z0-9_]*$'),
    details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
    detected_at timestamptz not null default now(),
    detected_by text not null default app.actor(),
    primary key (id, detected_at),
    unique (tenant_id, id, detected_at),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete restrict
) partition by range (detected_at);
create index compliance_violations_asset_idx on app.compliance_violations (asset_id, detected_at desc);
create index compliance_violations_user_idx on app.compliance_violations (user_id, detected_at desc);
create index compliance_violations_time_idx on app.compliance_violations using brin (detected_at);
comment on table app.compliance_violations is 'Breaches of a rule: append-only. What ends one is a row of violation_resolutions; api.compliance_violations shows resolved_at.';
comment on column app.compliance_violations.id is 'The violation.';
comment on column app.compliance_violations.tenant_id is 'Whose finding it is.';
comment on column app.compliance_violations.asset_id is 'The asset, if it is about one.';
comment on column app.compliance_violations.user_id is 'personal: the person, if it is about one.';
comment on column app.compliance_violations.violation_type is 'What was broken.';
comment on column app.compliance_violations.details is 'personal: the evidence.';
comment on column app.compliance_violations.detected_at is 'When it was found.';
comment on column app.compliance_violations.detected_by is 'Who found it.';

create table app.violation_resolutions (
    violation_id uuid not null,
    detected_at timestamptz not null,
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    resolution_type text not null check (resolution_type in ('corrected', 'waived', 'false_alarm', 'auto_cleared', 'reported')),
    resolution_data jsonb not null default '{}' check (jsonb_typeof(resolution_data) = 'object'),
    resolved_by text not null default app.actor(),
    resolved_at timestamptz not null default now() check (resolved_at >= detected_at),
    notes text,
    primary key (tenant_id, violation_id),
    foreign key (tenant_id, violation_id, detected_at) references app.compliance_violations (tenant_id, id, detected_at)
        on delete restrict
);
comment on table app.violation_resolutions is 'How a violation ended: at most once, and append-only.';
comment on column app.violation_resolutions.violation_id is 'The violation.';
comment on column app.violation_resolutions.detected_at is 'When that was found: a part of its key.';
comment on column app.violation_resolutions.tenant_id is 'Whose word it is.';
comment on column app.violation_resolutions.resolution_type is 'corrected, waived, false_alarm, auto_cleared or reported.';
comment on column app.violation_resolutions.resolution_data is 'personal: the evidence.';
comment on column app.violation_resolutions.resolved_by is 'Who ended it.';
comment on column app.violation_resolutions.resolved_at is 'When.';
comment on column app.violation_resolutions.notes is 'personal: for people.';

create table app.regulatory_reports (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    report_type text not null check (report_type ~ '^[a-z][a-z0-9_]*$'),
    jurisdiction text not null check (jurisdiction ~ '^[A-Z]{2}$'),
    period text not null
        check (period ~ '^[0-9]{4}(-(Q[1-4]|H[12]|(0[1-9]|1[0-2])))?$' or period ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
    report_data jsonb not null,
    generated_at timestamptz not null default now(),
    submitted_at timestamptz check (submitted_at >= generated_at),
    unique (tenant_id, id)
);
create index regulatory_reports_type_idx on app.regulatory_reports (tenant_id, report_type, generated_at desc);
create index regulatory_reports_period_idx on app.regulatory_reports (tenant_id, period);
comment on table app.regulatory_reports is 'Reports to authorities. Once submitted, one is never changed.';
comment on column app.regulatory_reports.id is 'The report.';
comment on column app.regulatory_reports.tenant_id is 'Whose report it is.';
comment on column app.regulatory_reports.report_type is 'Which report.';
comment on column app.regulatory_reports.jurisdiction is 'ISO 3166-1 alpha-2 of the authority.';
comment on column app.regulatory_reports.period is 'What it speaks of: 2026, 2026-H1, 2026-Q3, 2026-03, or two days as 2026-01-01/2026-03-31.';
comment on column app.regulatory_reports.report_data is 'What it says.';
comment on column app.regulatory_reports.generated_at is 'When it was made.';
comment on column app.regulatory_reports.submitted_at is 'When the authority got it; null while it is a draft.';

create table app.report_violations (
    report_id uuid not null,
    violation_id uuid not null,
    detected_at timestamptz not null,
    tenant_id uuid not null default app.current_tenant(),
    primary key (report_id, violation_id),
    foreign key (tenant_id, report_id) references app.regulatory_reports (tenant_id, id) on delete restrict,
    foreign key (tenant_id, violation_id, detected_at) references app.compliance_violations (tenant_id, id, detected_at)
        on delete restrict
);
comment on table app.report_violations is 'Which violations a report tells of.';
comment on column app.report_violations.report_id is 'The report.';
comment on column app.report_violations.tenant_id is 'Whose report it is.';
comment on column app.report_violations.violation_id is 'The violation.';
comment on column app.report_violations.detected_at is 'When that was found: a part of its key.';

create function app.refuse_submitted() returns trigger language plpgsql as $$
begin
    if old.submitted_at is not null then
        raise exception 'report % was submitted on %: it is not changed any more', old.id, old.submitted_at
            using errcode = 'insufficient_privilege', hint = 'make a new report that corrects it';
    end if;
    return case when tg_op = 'DELETE' then old else new end;
end
$$;
comment on function app.refuse_submitted is 'Keeps what an authority was given.';
create trigger refuse_submitted before update or delete on app.regulatory_reports
    for each row execute function app.refuse_submitted();

create function app.refuse_late_violation() returns trigger language plpgsql as $$
begin
    perform from app.regulatory_reports r where r.id = new.report_id and r.submitted_at is null for share;
    if not found then
        raise exception 'report % was submitted, or is not there: it takes no violation', new.report_id
            using errcode = 'insufficient_privilege', hint = 'make a new report that corrects it';
    end if;
    return new;
end
$$;
comment on function app.refuse_late_violation is 'A report that was submitted tells of what it told of.';
create trigger refuse_late before insert on app.report_violations
    for each row execute function app.refuse_late_violation();
