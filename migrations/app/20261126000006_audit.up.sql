-- What was done, by whom. Append-only for every role, partitioned by month, never deleted row by row: whole months are
-- archived and dropped (ops.retention).

create table app.user_actions (
    id uuid not null default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    user_id uuid,
    action_type text not null check (action_type <> '' and length(action_type) <= 200),
    resource text not null check (length(resource) <= 1000),
    details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
    timestamp timestamptz not null default clock_timestamp(),
    ip_address inet,
    user_agent text check (length(user_agent) <= 1000),
    correlation_id uuid default app.correlation(),
    primary key (id, timestamp),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete restrict
) partition by range (timestamp);
create index user_actions_user_id_idx on app.user_actions (user_id, timestamp desc);
create index user_actions_time_idx on app.user_actions using brin (timestamp);
comment on table app.user_actions is 'What users did in the application.';
comment on column app.user_actions.id is 'The action.';
comment on column app.user_actions.tenant_id is 'Whose user it was.';
comment on column app.user_actions.user_id is 'personal: who.';
comment on column app.user_actions.action_type is 'What was done.';
comment on column app.user_actions.resource is 'To what.';
comment on column app.user_actions.details is 'personal: how.';
comment on column app.user_actions.timestamp is 'When.';
comment on column app.user_actions.ip_address is 'personal: security of the account.';
comment on column app.user_actions.user_agent is 'personal: security of the account.';
comment on column app.user_actions.correlation_id is 'Ties together what one request did.';

create table app.login_history (
    id uuid not null default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    user_id uuid not null,
    login_method text not null check (login_method <> '' and length(login_method) <= 100),
    ip_address inet,
    user_agent text check (length(user_agent) <= 1000),
    timestamp timestamptz not null default clock_timestamp(),
    success boolean not null,
    failure_reason text check (length(failure_reason) <= 500),
    correlation_id uuid default app.correlation(),
    primary key (id, timestamp),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete restrict,
    check (success = (failure_reason is null))
) partition by range (timestamp);
create index login_history_user_id_idx on app.login_history (user_id, timestamp desc);
comment on table app.login_history is 'Logins and failed ones. Five failures in an hour lock the account until an hour has passed since the fifth last.';
comment on column app.login_history.id is 'The login.';
comment on column app.login_history.tenant_id is 'Whose user it was.';
comment on column app.login_history.user_id is 'personal: who.';
comment on column app.login_history.login_method is 'password, passkey, a provider''s name.';
comment on column app.login_history.ip_address is 'personal: security of the account.';
comment on column app.login_history.user_agent is 'personal: security of the account.';
comment on column app.login_history.timestamp is 'When.';
comment on column app.login_history.success is 'Whether it was let in.';
comment on column app.login_history.failure_reason is 'Why not.';
comment on column app.login_history.correlation_id is 'Ties together what one request did.';

create function app.login_guard(p_user uuid) returns table (locked boolean, failures integer, locked_until timestamptz)
language sql stable rows 1 as $$
    select count(*) >= 5, count(*)::integer,
        case when count(*) >= 5 then (array_agg(l.timestamp order by l.timestamp desc))[5] + interval '1 hour' end
    from app.login_history l
    where l.user_id = p_user and not l.success and l.timestamp > clock_timestamp() - interval '1 hour'
$$;
comment on function app.login_guard is 'Whether an account is locked: five failed logins within the last hour (seed, security monitoring).';

create function app.refuse_locked_login() returns trigger language plpgsql as $$
declare
    guard record;
begin
    if new.success then
        select * into guard from app.login_guard(new.user_id);
        if guard.locked then
            raise exception 'the account is locked until % after % failed logins', guard.locked_until, guard.failures
                using errcode = 'invalid_authorization_specification';
        end if;
    end if;
    return new;
end
$$;
comment on function app.refuse_locked_login is 'No login of a locked account can be recorded as a success.';
create trigger refuse_locked before insert on app.login_history for each row execute function app.refuse_locked_login();

create table app.access_logs (
    id uuid not null default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    user_id uuid,
    resource text not null check (resource <> '' and length(resource) <= 1000),
    action text not null check (action <> '' and length(action) <= 200),
    result text not null check (result in ('allowed', 'denied', 'failed')),
    timestamp timestamptz not null default clock_timestamp(),
    details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
    correlation_id uuid default app.correlation(),
    primary key (id, timestamp),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete restrict
) partition by range (timestamp);
create index access_logs_user_id_idx on app.access_logs (user_id, timestamp desc);
create index access_logs_time_idx on app.access_logs using brin (timestamp);
comment on table app.access_logs is 'Who read or was refused what: also exports and erasures.';
comment on column app.access_logs.id is 'The access.';
comment on column app.access_logs.tenant_id is 'Whose data it was.';
comment on column app.access_logs.user_id is 'personal: who; null: the platform itself.';
comment on column app.access_logs.resource is 'What.';
comment on column app.access_logs.action is 'How.';
comment on column app.access_logs.result is 'allowed, denied or failed.';
comment on column app.access_logs.timestamp is 'When.';
comment on column app.access_logs.details is 'Why, under which ticket.';
comment on column app.access_logs.correlation_id is 'Ties together what one request did.';

create table app.compliance_logs (
    id uuid not null default gen_random_uuid(),
    tenant_id uuid not null default app.current_tenant() references app.tenants on delete restrict,
    asset_id uuid,
    user_id uuid,
    compliance_check text not null check (compliance_check ~ '^[a-z][a-z0-9_]*$'),
    result text not null check (result in ('passed', 'failed', 'undetermined')),
    details jsonb not null default '{}' check (jsonb_typeof(details) = 'object'),
    timestamp timestamptz not null default clock_timestamp(),
    correlation_id uuid default app.correlation(),
    primary key (id, timestamp),
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete restrict
) partition by range (timestamp);
create index compliance_logs_asset_idx on app.compliance_logs (asset_id, timestamp desc);
create index compliance_logs_user_idx on app.compliance_logs (user_id, timestamp desc);
comment on table app.compliance_logs is 'Checks that the application made, with their results.';
comment on column app.compliance_logs.id is 'The check.';
comment on column app.compliance_logs.tenant_id is 'Who checked.';
comment on column app.compliance_logs.asset_id is 'The asset, if it is about one.';
comment on column app.compliance_logs.user_id is 'personal: the person, if it is about one.';
comment on column app.compliance_logs.compliance_check is 'Which check.';
comment on column app.compliance_logs.result is 'passed, failed or undetermined.';
comment on column app.compliance_logs.details is 'The reasons.';
comment on column app.compliance_logs.timestamp is 'When.';
comment on column app.compliance_logs.correlation_id is 'Ties together what one request did.';

create table app.audit_trail (
    id bigint generated always as identity,
    tenant_id uuid,
    entity_type text not null,
    entity_id text not null,
    action text not null check (action in ('insert', 'update', 'delete')),
    old_state jsonb,
    new_state jsonb,
    timestamp timestamptz not null default clock_timestamp(),
    actor text not null default app.actor(),
    login text not null default session_user::text,
    correlation_id uuid default app.correlation(),
    transaction_id bigint not null default pg_current_xact_id()::text::bigint,
    primary key (id, timestamp)
) partition by range (timestamp);
create index audit_trail_entity_idx on app.audit_trail (entity_type, entity_id, timestamp desc);
create index audit_trail_tenant_idx on app.audit_trail (tenant_id, timestamp desc);
create index audit_trail_time_idx on app.audit_trail using brin (timestamp);
comment on table app.audit_trail is 'Every change of an application row, written by the database: what changed, from what to what. Of personal columns and secrets the name alone, with a digest.';
comment on column app.audit_trail.id is 'Order of writing.';
comment on column app.audit_trail.tenant_id is 'Whose row it was; null where the table has no tenant.';
comment on column app.audit_trail.entity_type is 'The table.';
comment on column app.audit_trail.entity_id is 'The row''s key.';
comment on column app.audit_trail.action is 'insert, update or delete.';
comment on column app.audit_trail.old_state is 'The columns that changed, before; of a deleted row all.';
comment on column app.audit_trail.new_state is 'The same after; of a new row all.';
comment on column app.audit_trail.timestamp is 'When.';
comment on column app.audit_trail.actor is 'Who acted.';
comment on column app.audit_trail.login is 'The database login that did it.';
comment on column app.audit_trail.correlation_id is 'Ties together what one request did.';
comment on column app.audit_trail.transaction_id is 'The database transaction.';

create table app.system_changes (
    id bigint generated always as identity primary key,
    table_name text not null,
    record_id text not null,
    change_type text not null check (change_type in ('insert', 'update', 'delete')),
    old_values jsonb,
    new_values jsonb,
    changed_at timestamptz not null default clock_timestamp(),
    changed_by text not null default app.actor(),
    login text not null default session_user::text,
    correlation_id uuid default app.correlation()
);
create index system_changes_record_idx on app.system_changes (table_name, record_id, changed_at desc);
comment on table app.system_changes is 'Every change of the configuration, written by the database.';
comment on column app.system_changes.id is 'Order of writing.';
comment on column app.system_changes.table_name is 'The table.';
comment on column app.system_changes.record_id is 'The row''s key.';
comment on column app.system_changes.change_type is 'insert, update or delete.';
comment on column app.system_changes.old_values is 'The columns that changed, before.';
comment on column app.system_changes.new_values is 'The same after.';
comment on column app.system_changes.changed_at is 'When.';
comment on column app.system_changes.changed_by is 'Who.';
comment on column app.system_changes.login is 'The database login that did it.';
comment on column app.system_changes.correlation_id is 'Ties together what one request did.';

insert into app.monthly_tables values
    ('user_actions', 'timestamp'), ('login_history', 'timestamp'), ('access_logs', 'timestamp'),
    ('compliance_logs', 'timestamp'), ('audit_trail', 'timestamp'), ('compliance_violations', 'detected_at');
select app.ensure_months(12);
