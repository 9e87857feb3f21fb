-- What guards every application table: updated_at, the audit trail, append-only, row-level security. Derived from the
-- catalogue (columns, keys, comments), so that a table added later is guarded by calling app.guard_tables() again.

create table app.audit_keys (
    id boolean primary key default true check (id),
    key text not null check (length(key) >= 64)
);
comment on table app.audit_keys is 'The key of the digests in the audit trail: readable for the owner alone.';
comment on column app.audit_keys.id is 'There is one.';
comment on column app.audit_keys.key is 'secret: random.';
insert into app.audit_keys (key)
select string_agg(encode(sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')), 'hex'), '')
from generate_series(1, 2);

create function app.hide(p_row jsonb, p_columns text[], p_salt text) returns jsonb language sql immutable parallel safe as $$
    select jsonb_object_agg(c.key, case
        when c.key = any (p_columns) and jsonb_typeof(c.value) <> 'null' then to_jsonb('digest '
            || encode(sha256(convert_to(concat_ws('/', p_salt, c.key, c.value #>> '{}'), 'UTF8')), 'hex'))
        else c.value end)
    from jsonb_each(p_row) c
$$;
comment on function app.hide is 'A row with a digest in the place of each value that is not kept.';

-- Arguments: the columns of the key, those whose values are not kept, the trail, and the table, whose partition fires. What
-- is written does not depend on how the caller has times and bytes shown.
create function app.audit() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set bytea_output = 'hex' set datestyle = 'ISO' as $$
declare
    hidden constant text[] := coalesce(string_to_array(tg_argv[1], ','), '{}');
    was jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    becomes jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
    row_key text;
    tenant uuid;
    salt text;
begin
    select string_agg(coalesce(becomes, was) ->> k, '/' order by n) into row_key
    from unnest(string_to_array(tg_argv[0], ',')) with ordinality as keys(k, n);
    tenant := (coalesce(becomes, was) ->> case tg_argv[3] when 'tenants' then 'id' else 'tenant_id' end)::uuid;
    if tg_op = 'UPDATE' then
        select jsonb_object_agg(o.key, o.value), jsonb_object_agg(o.key, becomes -> o.key) into was, becomes
        from jsonb_each(was) o where o.value is distinct from becomes -> o.key and o.key <> 'updated_at';
        if was is null then
            return null;
        end if;
    end if;
    if cardinality(hidden) > 0 then
        select concat_ws('/', k.key, tg_argv[3], row_key) into salt from app.audit_keys k;
        was := app.hide(was, hidden, salt);
        becomes := app.hide(becomes, hidden, salt);
    end if;
    if tg_argv[2] = 'configuration' then
        insert into app.system_changes (table_name, record_id, change_type, old_values, new_values)
        values (tg_argv[3], row_key, lower(tg_op), was, becomes);
    else
        insert into app.audit_trail (tenant_id, entity_type, entity_id, action, old_state, new_state)
        values (tenant, tg_argv[3], row_key, lower(tg_op), was, becomes);
    end if;
    return null;
end
$$;
comment on function app.audit is 'Writes the audit trail: of an update the changed columns alone, of personal columns and secrets a keyed digest.';

create table app.table_guards (
    table_name text primary key,
    kind text not null check (kind in ('tenant', 'platform', 'owner')),
    append_only boolean not null default false,
    audited_in text check (audited_in in ('audit_trail', 'system_changes'))
);
comment on table app.table_guards is 'How each application table is guarded: what app.guard_tables() makes true.';
comment on column app.table_guards.table_name is 'Name in schema app.';
comment on column app.table_guards.kind is 'Who sees a row: tenant: by its tenant_id; platform: everybody with rights on it; owner: the owner alone.';
comment on column app.table_guards.append_only is 'Whether rows are never changed nor deleted.';
comment on column app.table_guards.audited_in is 'Where its changes are written; null: it is itself a log.';
insert into app.table_guards (table_name, kind, append_only, audited_in) values
    ('tenants', 'tenant', false, 'audit_trail'),
    ('tenant_logins', 'owner', false, 'audit_trail'),
    ('tenant_assets', 'tenant', false, 'audit_trail'),
    ('monthly_tables', 'owner', false, 'system_changes'),
    ('users', 'tenant', false, 'audit_trail'),
    ('subject_keys', 'tenant', false, 'audit_trail'),
    ('user_profiles', 'tenant', false, 'audit_trail'),
    ('user_settings', 'tenant', false, 'audit_trail'),
    ('sessions', 'tenant', false, 'audit_trail'),
    ('accounts', 'tenant', false, 'audit_trail'),
    ('verifications', 'tenant', false, 'audit_trail'),
    ('wallet_links', 'tenant', false, 'audit_trail'),
    ('roles', 'platform', false, 'system_changes'),
    ('permissions', 'platform', false, 'system_changes'),
    ('role_permissions', 'platform', false, 'system_changes'),
    ('user_roles', 'tenant', false, 'audit_trail'),
    ('onboarding_steps', 'platform', false, 'system_changes'),
    ('onboarding_state', 'tenant', false, 'audit_trail'),
    ('asset_metadata', 'tenant', false, 'audit_trail'),
    ('asset_settings', 'tenant', false, 'audit_trail'),
    ('asset_permissions', 'tenant', false, 'audit_trail'),
    ('asset_benchmarks', 'tenant', false, 'audit_trail'),
    ('asset_reports', 'tenant', true, 'audit_trail'),
    ('submitted_transactions', 'tenant', false, 'audit_trail'),
    ('provider_profiles', 'tenant', false, 'audit_trail'),
    ('compliance_rules', 'tenant', false, 'audit_trail'),
    ('compliance_rule_versions', 'tenant', true, null),
    ('asset_compliance', 'tenant', false, 'audit_trail'),
    ('compliance_violations', 'tenant', true, 'audit_trail'),
    ('violation_resolutions', 'tenant', true, 'audit_trail'),
    ('regulatory_reports', 'tenant', false, 'audit_trail'),
    ('report_violations', 'tenant', true, 'audit_trail'),
    ('user_actions', 'tenant', true, null),
    ('login_history', 'tenant', true, null),
    ('access_logs', 'tenant', true, null),
    ('compliance_logs', 'tenant', true, null),
    ('audit_trail', 'tenant', true, null),
    ('system_changes', 'platform', true, null),
    ('system_config', 'platform', false, 'system_changes'),
    ('feature_flags', 'platform', false, 'system_changes'),
    ('integration_config', 'platform', false, 'system_changes'),
    ('audit_keys', 'owner', false, null),
    ('table_guards', 'owner', false, 'system_changes');

create function app.guard_tables() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    guard app.table_guards;
    relation regclass;
    has_user boolean;
    key_columns text;
    hidden text;
    seen text;
    readers constant text := 'asset_indexer_app, asset_indexer_reader, asset_indexer_compliance, asset_indexer_auditor, asset_indexer_support';
begin
    -- Read first: this table is guarded too.
    foreach guard in array array(select g from app.table_guards g order by g.table_name) loop
        relation := 'app.' || quote_ident(guard.table_name);
        has_user := exists (select from pg_attribute a where a.attrelid = relation and a.attname = 'user_id');
        -- updated_at; a rule keeps its own.
        if exists (select from pg_attribute a where a.attrelid = relation and a.attname = 'updated_at')
            and guard.table_name <> 'compliance_rules' then
            execute format('create or replace trigger touch before update on %s for each row execute function app.touch()', relation);
        end if;
        -- Append-only.
        if guard.append_only then
            execute format('create or replace trigger refuse_change before update or delete on %s for each row execute function app.refuse_change()', relation);
        end if;
        execute format('drop trigger if exists refuse_truncate on %s', relation);
        execute format('create trigger refuse_truncate before truncate on %s for each statement execute function app.refuse_change()', relation);
        -- Audit.
        if guard.audited_in is not null then
            select string_agg(a.attname, ',' order by k.n) into key_columns
            from pg_index i cross join lateral unnest(i.indkey::int2[]) with ordinality as k(attnum, n)
            join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
            where i.indrelid = relation and i.indisprimary;
            select coalesce(string_agg(a.attname, ','), '') into hidden
            from pg_attribute a
            where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
                and a.attname <> 'user_id'
                and col_description(a.attrelid, a.attnum) ~ '^(personal|secret):';
            execute format('create or replace trigger audit after insert or update or delete on %s for each row execute function app.audit(%L, %L, %L, %L)',
                relation, key_columns, hidden, case guard.audited_in when 'system_changes' then 'configuration' else 'trail' end,
                guard.table_name);
        end if;
        -- Row-level security for everybody but the owner, who runs the guards themselves: bound by a policy too, they would
        -- fail open, or not at all, once the tables have another owner (a restore, REASSIGN OWNED).
        execute format('alter table %s enable row level security', relation);
        execute format('drop policy if exists seen on %s', relation);
        execute format('drop policy if exists own on %s', relation);
        seen := case guard.kind
            when 'tenant' then format('%I = (select app.current_tenant())', case guard.table_name when 'tenants' then 'id' else 'tenant_id' end)
            when 'platform' then 'true'
            else 'false'
        end;
        execute format('create policy seen on %s to %s using (%s) with check (%s)', relation, readers, seen, seen);
        if has_user or guard.table_name = 'users' then
            seen := format('(select app.acting_user()) is null or %I is not distinct from (select app.acting_user())',
                case guard.table_name when 'users' then 'id' else 'user_id' end);
            execute format('create policy own on %s as restrictive to %s using (%s) with check (%s)', relation, readers, seen, seen);
        end if;
    end loop;
end
$$;
comment on function app.guard_tables is 'Makes the guards of all application tables what app.table_guards says; may be called again.';
select app.guard_tables();

insert into ops.table_classes (table_name, class)
select 'app.' || g.table_name, 'application' from app.table_guards g;
