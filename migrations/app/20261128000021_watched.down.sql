set local lock_timeout = '500ms';
create temporary table told_before on commit drop as
    select coalesce(n.object, k.object) as object
    from app.guards_now() n full join app.kept_guards k on k.object = n.object
    where n.said is distinct from k.said;

delete from app.kept_rights k where k.object ~ '^(chain|api)\..*\)$'
    or k.object like 'role pg\_%' or k.object like 'parameter %';

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
    -- What holds the application's tables, against what the owner approved.
    select 'guards_changed', k.object, 1, case when n.object is null then 'it is gone' else 'it is: ' || n.said || '; approved is: ' || k.said end
    from app.kept_guards k left join app.guards_now() n on n.object = k.object
    where n.said is distinct from k.said
    union all
    select 'guards_beyond', n.object, 1, case when n.object like 'owner %' then n.said || ': ' || (
            select string_agg(x.name, ', ' order by x.name) from (
                select c.oid::regclass::text as name from pg_class c join pg_roles r on r.oid = c.relowner
                where c.relnamespace::regnamespace::text in ('chain', 'ops', 'api', 'app') and n.object = format('owner %I', r.rolname)
                    and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
                union all
                select f.oid::regprocedure::text from pg_proc f join pg_roles r on r.oid = f.proowner
                where f.pronamespace::regnamespace::text in ('chain', 'ops', 'api', 'app') and n.object = format('owner %I', r.rolname)
                order by 1 limit 5) x)
        else n.said end
    from app.guards_now() n
    where not exists (select from app.kept_guards k where k.object = n.object)
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
    with recursive ours as (select oid, nspname, nspowner, nspacl from pg_namespace where nspname in ('chain', 'ops', 'api', 'app')),
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
    ),
    -- From PostgreSQL 16 on a membership may be one that neither inherits nor becomes: who made a role has such a one.
    members as (
        select am.roleid, am.member, am.admin_option,
            coalesce((to_jsonb(am) ->> 'inherit_option')::boolean, true) or coalesce((to_jsonb(am) ->> 'set_option')::boolean, true) as works
        from pg_auth_members am
    ),
    inside (oid) as (
        select r.oid from pg_roles r where r.rolname like 'asset\_indexer\_%'
        union select am.member from members am join inside i on i.oid = am.roleid
    ),
    reach (oid, becomes) as (
        select i.oid, i.oid from inside i
        union select h.oid, am.roleid from reach h join members am on am.member = h.becomes and am.works
    )
    select coalesce(r.rolname, 'PUBLIC'), g.object, lower(a.privilege_type) from granted g
    cross join lateral aclexplode(g.acl) a left join pg_roles r on r.oid = a.grantee
    where a.grantee <> g.owner
    union
    -- Every step on a way into our roles, through whichever roles it leads.
    select m.rolname, 'role ' || r.rolname, how.privilege from members am
    join inside i on i.oid = am.roleid
    join pg_roles r on r.oid = am.roleid join pg_roles m on m.oid = am.member
    cross join lateral (values ('member', am.works), ('admin', am.admin_option)) how (privilege, has)
    where how.has
    union
    -- Of who is inside, and of who they can become.
    select r.rolname, 'attribute', it.name from pg_roles r
    join reach on reach.oid = r.oid join pg_roles b on b.oid = reach.becomes
    cross join lateral (values ('superuser', b.rolsuper), ('bypassrls', b.rolbypassrls), ('createrole', b.rolcreaterole)) it (name, has)
    where it.has
$$;

create or replace function app.guards_now() returns table (object text, said text)
language sql stable set search_path = pg_catalog, pg_temp as $$
    with ours as (select n.oid, n.nspname, n.nspowner from pg_namespace n where n.nspname in ('chain', 'ops', 'api', 'app')),
    relations as (select c.oid, c.relname, c.relkind, c.relispartition, c.relowner, c.relrowsecurity, n.nspname
        from pg_class c join ours n on n.oid = c.relnamespace),
    triggers as (
        select t.*, r.nspname, r.relname, r.relispartition, t.tgenabled in ('O', 'A') as is_on,
            r.relispartition and t.tgname = 'refuse_truncate' and t.tgparentid = 0 as is_of_part
        from pg_trigger t join relations r on r.oid = t.tgrelid
    )
    select format('trigger %I on %I.%I', t.tgname, t.nspname, t.relname),
        case when t.is_on then 'on: ' else 'off: ' end || pg_get_triggerdef(t.oid)
    from triggers t where not t.tgisinternal and t.tgparentid = 0 and not t.is_of_part
    union all
    -- What came with a partition or a key is there by itself; it can only be off.
    select format('trigger %I on %I.%I', t.tgname, t.nspname, t.relname), 'off'
    from triggers t where not t.is_on and (t.tgisinternal or t.tgparentid <> 0)
    union all
    -- Triggers of statements are each partition's own.
    select format('trigger refuse_truncate on partitions of app.%I', p.relname), coalesce('off: ' || (
            select string_agg(x.relname, ', ' order by x.relname)
            from pg_inherits i join relations x on x.oid = i.inhrelid
            where i.inhparent = p.oid and not exists (
                select from triggers t where t.tgrelid = x.oid and t.is_of_part and t.is_on
                    and t.tgfoid = to_regproc('app.refuse_change'))), 'on')
    from relations p where p.nspname = 'app' and p.relkind = 'p' and not p.relispartition
    union all
    select format('row security of app.%I', r.relname), case when r.relrowsecurity then 'on' else 'off' end
    from relations r where r.nspname = 'app' and r.relkind in ('r', 'p') and not r.relispartition
    union all
    select format('policy %I on %I.%I', p.policyname, p.schemaname, p.tablename),
        concat_ws(' ', lower(p.permissive), 'for', lower(p.cmd), 'to', p.roles::text, 'using', p.qual, 'with check', p.with_check)
    from pg_policies p where p.schemaname in ('chain', 'ops', 'api', 'app')
    union all
    select format('function %I.%I(%s)', n.nspname, f.proname, pg_get_function_identity_arguments(f.oid)),
        concat_ws(' ', case when f.prosecdef then 'its owner''s rights' else 'the caller''s rights' end, f.proconfig::text,
            case when n.nspname = 'app' then encode(sha256(convert_to(f.prosrc, 'UTF8')), 'hex') end)
    from pg_proc f join ours n on n.oid = f.pronamespace
    where n.nspname = 'app' or f.prosecdef or f.prorettype = 'trigger'::regtype
    union all
    select format('owner %I', o.rolname), 'owns'
    from (select r.relowner as oid from relations r where r.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
        union select f.proowner from pg_proc f join ours n on n.oid = f.pronamespace
        union select n.nspowner from ours n) it
    join pg_roles o on o.oid = it.oid
$$;
comment on function app.guards_now is 'Every trigger, policy, row security and function that guards our tables, as it is now, and every role that owns a thing of ours.';
comment on column app.kept_guards.object is 'A trigger, policy, table''s row security or function, by its name; or an owner.';
comment on column app.kept_guards.said is 'How it was: whether it is on, and its definition; of a function of schema app the digest of its text.';

-- What is watched no longer is no longer expected.
select app.keep_guards(array(
    select n.object from app.guards_now() n union select k.object from app.kept_guards k except select t.object from told_before t));
drop table told_before;
