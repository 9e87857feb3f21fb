set local lock_timeout = '500ms';
create or replace function app.guard_table(p_table text) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    guard app.table_guards;
    relation regclass;
    has_user boolean;
    key_columns text;
    hidden text;
    seen text;
    readers constant text := 'asset_indexer_app, asset_indexer_reader, asset_indexer_compliance, asset_indexer_auditor, asset_indexer_support';
begin
    select g.* into strict guard from app.table_guards g where g.table_name = p_table;
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
end
$$;

create or replace function app.security_figures() returns table (kind text, figure bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select k.kind, coalesce(case k.kind when 'locked_accounts' then count(f.subject) else sum(f.count) end, 0)::bigint
    from unnest(array['failed_logins', 'locked_accounts', 'denied_accesses', 'unusual_accesses', 'rights_beyond',
        'long_statements']) k (kind)
    left join app.security_findings() f on f.kind = k.kind
    group by k.kind
$$;

create or replace function app.security_findings(p_since interval default '1 hour')
returns table (kind text, subject text, count bigint, details text)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select 'failed_logins', l.user_id::text, count(*),
        'from ' || count(distinct l.ip_address) || ' addresses, last at ' || max(l.timestamp)
    from app.login_history l
    where not l.success and l.timestamp > clock_timestamp() - p_since
    group by l.user_id
    union all
    select 'locked_accounts', l.user_id::text, count(*), 'five or more failed logins within an hour'
    from app.login_history l
    where not l.success and l.timestamp > clock_timestamp() - interval '1 hour'
    group by l.user_id having count(*) >= 5
    union all
    select 'denied_accesses', coalesce(l.user_id::text, 'the platform'), count(*), 'to ' || count(distinct l.resource) || ' resources'
    from app.access_logs l
    where l.result = 'denied' and l.timestamp > clock_timestamp() - p_since
    group by l.user_id
    union all
    -- Ten times what the same user does in such a time, by the seven days before, and more than a hundred.
    select 'unusual_accesses', now_.user_id::text, now_.times,
        'usually ' || round(coalesce(before.times, 0) * extract(epoch from p_since) / (7 * 86400), 1) || ' in such a time'
    from (
        select l.user_id, count(*) as times from app.access_logs l
        where l.timestamp > clock_timestamp() - p_since and l.user_id is not null
        group by l.user_id having count(*) > 100
    ) now_
    left join lateral (
        select count(*) as times from app.access_logs l
        where l.user_id = now_.user_id and l.timestamp <= clock_timestamp() - p_since
            and l.timestamp > clock_timestamp() - p_since - interval '7 days'
    ) before on true
    where now_.times > 10 * coalesce(before.times, 0) * extract(epoch from p_since) / (7 * 86400)
    union all
    select 'rights_beyond', n.grantee, count(*), string_agg(n.privilege || ' on ' || n.object, ', ' order by n.object, n.privilege)
    from app.rights_now() n
    where not exists (select from app.kept_rights k where (k.grantee, k.object, k.privilege) = (n.grantee, n.object, n.privilege))
    group by n.grantee
    union all
    -- Of other roles' sessions only who is a member of pg_read_all_stats sees more than that they are there.
    select 'long_statements', s.usename::text, count(*), 'process ' || string_agg(s.pid::text, ', ' order by s.pid)
    from pg_stat_activity s
    where s.datname = current_database() and s.backend_type = 'client backend' and s.pid <> pg_backend_pid()
        and ((s.state = 'active' and s.query_start < clock_timestamp() - interval '5 minutes')
            or (s.state like 'idle in transaction%' and s.state_change < clock_timestamp() - interval '5 minutes'))
    group by s.usename
$$;

create or replace function app.rights_now() returns table (grantee text, object text, privilege text)
language sql stable set search_path = pg_catalog, pg_temp as $$
    with ours as (select oid, nspname, nspowner, nspacl from pg_namespace where nspname in ('chain', 'ops', 'api', 'app')),
    granted (owner, object, acl) as (
        select nspowner, format('schema %I', nspname), coalesce(nspacl, acldefault('n', nspowner)) from ours
        union all select c.relowner, format('%I.%I', n.nspname, c.relname), coalesce(c.relacl, acldefault('r', c.relowner))
            from pg_class c join ours n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'f')
        union all select c.relowner, format('%I.%I.%I', n.nspname, c.relname, a.attname), a.attacl
            from pg_attribute a join pg_class c on c.oid = a.attrelid join ours n on n.oid = c.relnamespace
            where a.attacl is not null
        union all select p.proowner, format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
            coalesce(p.proacl, acldefault('f', p.proowner))
            from pg_proc p join ours n on n.oid = p.pronamespace where n.nspname in ('ops', 'app')
    )
    select coalesce(r.rolname, 'PUBLIC'), g.object, lower(a.privilege_type) from granted g
    cross join lateral aclexplode(g.acl) a left join pg_roles r on r.oid = a.grantee
    where a.grantee <> g.owner
    union
    select m.rolname, 'role ' || r.rolname, 'member' from pg_auth_members am
    join pg_roles r on r.oid = am.roleid join pg_roles m on m.oid = am.member
    where r.rolname like 'asset\_indexer\_%' and m.rolname like 'asset\_indexer\_%'
    union
    select r.rolname, 'attribute', it.name from pg_roles r
    cross join lateral (values ('superuser', r.rolsuper), ('bypassrls', r.rolbypassrls), ('createrole', r.rolcreaterole)) it (name, has)
    where it.has and (r.rolname like 'asset\_indexer\_%' or exists (
        select from pg_auth_members am join pg_roles g on g.oid = am.roleid
        where am.member = r.oid and g.rolname like 'asset\_indexer\_%' and g.rolname <> 'asset_indexer_owner'))
$$;

drop function app.keep_guards(text[]), app.guards_made(text), app.guards_now();
delete from app.kept_rights where object in ('app.guards_now()', 'app.kept_guards');
delete from ops.table_classes where table_name = 'app.kept_guards';
delete from app.table_guards where table_name = 'kept_guards';
drop table app.kept_guards;
