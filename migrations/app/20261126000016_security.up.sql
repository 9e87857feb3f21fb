-- Security monitoring (seed): failed logins, rights beyond those that were given, unusual access, unusual statements. Each is
-- a row of app.security_findings() for people, a number of app.security_figures() for the daemon's metric, and an alert.
set local lock_timeout = '500ms';

create index login_history_failures_idx on app.login_history (timestamp) where not success;

create table app.kept_rights (
    grantee text not null,
    object text not null,
    privilege text not null,
    primary key (grantee, object, privilege)
);
comment on table app.kept_rights is 'Rights as the owner last approved them: what the catalogue grants beyond is told by app.security_findings().';
comment on column app.kept_rights.grantee is 'The role; PUBLIC: everybody.';
comment on column app.kept_rights.object is 'Schema, relation, column or function; a role: of which the grantee is a member; an attribute: superuser, bypassrls, createrole.';
comment on column app.kept_rights.privilege is 'What it may do.';

create function app.rights_now() returns table (grantee text, object text, privilege text)
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
comment on function app.rights_now is 'Every right that somebody other than the owner has on our schemas, memberships among our roles, and powers of who works in them.';

create function app.keep_rights() returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    changed integer;
begin
    delete from app.kept_rights k
    where not exists (select from app.rights_now() n where (n.grantee, n.object, n.privilege) = (k.grantee, k.object, k.privilege));
    -- Powers are never approved: a role that works in our schemas needs none.
    insert into app.kept_rights select n.* from app.rights_now() n where n.object <> 'attribute'
    on conflict do nothing;
    get diagnostics changed = row_count;
    return changed;
end
$$;
comment on function app.keep_rights is 'Approves the rights as they are: for the owner, after a change that was meant; gives how many were new.';

create function app.security_findings(p_since interval default '1 hour')
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
comment on function app.security_findings is 'What somebody should look at: who, how often, and what; of the caller''s tenant.';

create function app.security_figures() returns table (kind text, figure bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select k.kind, coalesce(case k.kind when 'locked_accounts' then count(f.subject) else sum(f.count) end, 0)::bigint
    from unnest(array['failed_logins', 'locked_accounts', 'denied_accesses', 'unusual_accesses', 'rights_beyond',
        'long_statements']) k (kind)
    left join app.security_findings() f on f.kind = k.kind
    group by k.kind
$$;
comment on function app.security_figures is 'The findings of the last hour by kind, of all tenants and without names: for the daemon''s metric.';

revoke execute on function app.rights_now(), app.keep_rights(), app.security_findings(interval), app.security_figures() from public;
grant execute on function app.security_figures() to asset_indexer_writer, asset_indexer_auditor;
grant execute on function app.security_findings(interval), app.rights_now() to asset_indexer_auditor;
insert into app.table_guards (table_name, kind, append_only, audited_in) values ('kept_rights', 'platform', false, 'system_changes');
insert into ops.table_classes (table_name, class) values ('app.kept_rights', 'application');
grant select on app.kept_rights to asset_indexer_auditor;
-- Before the trail looks on: these are the rights that the migrations gave.
select app.keep_rights();
select app.guard_table('kept_rights');
