-- What holds the tables is watched: triggers, row security, policies, functions and who owns them, each approved by name as
-- rights are; and ways into our roles through roles outside of them.
set local lock_timeout = '500ms';

create table app.kept_guards (
    object text primary key,
    said text not null
);
comment on table app.kept_guards is 'Guards as the owner last approved them: what is gone, differs or is there beyond is told by app.security_findings().';
comment on column app.kept_guards.object is 'A trigger, policy, table''s row security or function, by its name; or an owner.';
comment on column app.kept_guards.said is 'How it was: whether it is on, and its definition; of a function of schema app the digest of its text.';

create function app.guards_now() returns table (object text, said text)
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

create function app.guards_made(p_table text) returns table (object text)
language sql stable set search_path = pg_catalog, pg_temp as $$
    select format(it.form, p_table) from (values ('trigger touch on app.%I'), ('trigger refuse_change on app.%I'),
        ('trigger refuse_truncate on app.%I'), ('trigger refuse_truncate on partitions of app.%I'), ('trigger audit on app.%I'),
        ('row security of app.%I'), ('policy seen on app.%I'), ('policy own on app.%I')) it (form)
$$;
comment on function app.guards_made is 'What app.guard_table makes for a table, by name, and what comes with each of its partitions.';

create function app.keep_guards(p_objects text[]) returns integer language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    changed integer;
begin
    delete from app.kept_guards k where k.object = any (p_objects) and k.object not in (select n.object from app.guards_now() n);
    insert into app.kept_guards as k select n.object, n.said from app.guards_now() n where n.object = any (p_objects)
    on conflict (object) do update set said = excluded.said where k.said <> excluded.said;
    get diagnostics changed = row_count;
    return changed;
end
$$;
comment on function app.keep_guards is 'Approves guards as they are, each by its name; one that is gone is no longer expected. For the owner, after a change that was meant; gives how many were new or changed.';

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

create or replace function app.security_figures() returns table (kind text, figure bigint)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select k.kind, coalesce(case k.kind when 'locked_accounts' then count(f.subject) else sum(f.count) end, 0)::bigint
    from unnest(array['failed_logins', 'locked_accounts', 'denied_accesses', 'unusual_accesses', 'rights_beyond', 'guards_changed', 'guards_beyond',
        'long_statements']) k (kind)
    left join app.security_findings() f on f.kind = k.kind
    group by k.kind
$$;

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
    -- What is made here is what is meant.
    perform app.keep_guards(array(select m.object from app.guards_made(p_table) m));
end
$$;

revoke execute on function app.guards_now(), app.guards_made(text), app.keep_guards(text[]) from public;
grant execute on function app.guards_now() to asset_indexer_auditor;
insert into ops.table_classes (table_name, class) values ('app.kept_guards', 'application');
insert into app.table_guards (table_name, kind, append_only, audited_in) values ('kept_guards', 'platform', false, 'system_changes');
grant select on app.kept_guards to asset_indexer_auditor;
insert into app.kept_rights values
    ('asset_indexer_auditor', 'app.guards_now()', 'execute'), ('asset_indexer_auditor', 'app.kept_guards', 'select'),
    ('asset_indexer_writer', 'ops.commits.chain_id', 'insert'), ('asset_indexer_writer', 'ops.commits.kind', 'insert'),
    ('asset_indexer_writer', 'ops.commits.block_number', 'insert'), ('asset_indexer_writer', 'ops.commits.block_hash', 'insert'),
    ('asset_indexer_writer', 'ops.commits.finalized_number', 'insert')
on conflict do nothing;

-- What app.table_guards says, and by name what stands beside it; before the trail looks on.
select app.keep_guards(array(
    select m.object from app.table_guards g cross join lateral app.guards_made(g.table_name) m));
select app.keep_guards(array[
    'function api.archived_below(chain bigint)', 'function app.acting_user()', 'function app.actor()',
    'function app.audit()', 'function app.breaches(p_chain_id bigint)', 'function app.broken_seals()',
    'function app.correlation()', 'function app.current_tenant()', 'function app.ensure_months(p_ahead integer)',
    'function app.erase_rows(p_person app.users, p_place app.subject_tables, p_found text, p_rows bigint, p_until timestamp with time zone, p_known text[])',
    'function app.erase_subject(p_subject uuid, p_ticket text, p_apply boolean)',
    'function app.export_chain(p_subject uuid)', 'function app.export_subject(p_subject uuid)',
    'function app.find_violations(p_chain_id bigint)', 'function app.guard_table(p_table text)',
    'function app.guard_tables()', 'function app.guards_made(p_table text)', 'function app.guards_now()',
    'function app.has_permission(p_user uuid, p_resource text, p_action text)',
    'function app.hide(p_row jsonb, p_columns text[], p_salt text)', 'function app.hold_on(p_subject uuid)',
    'function app.is_erased(p_user uuid)', 'function app.is_held(p_subject uuid)', 'function app.keep_destroyed()',
    'function app.keep_erased()', 'function app.keep_guards(p_objects text[])', 'function app.keep_rights()',
    'function app.keep_rule_version()', 'function app.login_guard(p_user uuid)', 'function app.minimise_erased()',
    'function app.months_ahead()', 'function app.names_any(p_text text, p_values text[])',
    'function app.newest_seal(p_table text)', 'function app.refuse_change()', 'function app.refuse_erased()',
    'function app.refuse_late_violation()', 'function app.refuse_locked_login()',
    'function app.refuse_pretended_erasure()', 'function app.refuse_submitted()', 'function app.restricted_reports()',
    'function app.restricted_subjects(p_table text)', 'function app.restricted_violations()', 'function app.rights_now()',
    'function app.seal_trail(p_table text, p_last bigint)', 'function app.sealed_rows()',
    'function app.security_figures()', 'function app.security_findings(p_since interval)',
    'function app.sees_restricted()', 'function app.tell_configuration()', 'function app.touch()',
    'function app.traces_of(p_values text[])',
    'function app.trail_digest(p_table text, p_first bigint, p_last bigint, p_previous text)',
    'function app.module_breaches(p_chain_id bigint)', 'function app.switched_off()',
    'function app.tell_program(p_facts jsonb)',
    'function app.trail_end(p_table text)', 'function app.validate_session(p_token text)',
    'function app.values_of(p_subject uuid)',
    'function chain.facts_reach(p_chain_id bigint, p_block bigint, p_at timestamp with time zone)',
    'function chain.keep_finality()', 'function ops.check_hold()', 'function ops.count_growth(p_chain_id bigint)',
    'function ops.ensure_partitions(p_chain_id bigint, p_block bigint)',
    'function ops.forget_snapshots(p_chain_id bigint, p_above bigint)', 'function ops.keep_hold()',
    'function ops.sweep_snapshots()', 'function ops.take_snapshot(p_chain_id bigint, p_least bigint)',
    'function ops.trim_commits(p_most integer)', 'policy restricted on app.access_logs',
    'policy restricted on app.compliance_logs', 'policy restricted on app.compliance_violations',
    'policy restricted on app.regulatory_reports', 'policy restricted on app.report_violations',
    'policy restricted on app.violation_resolutions', 'trigger check_hold on ops.legal_holds',
    'trigger keep_destroyed on app.subject_keys', 'trigger keep_erased on app.users',
    'trigger keep_finality on chain.checkpoints', 'trigger keep_hold on ops.legal_holds',
    'trigger keep_version on app.compliance_rules', 'trigger minimise_erased on app.login_history',
    'trigger minimise_erased on app.user_actions', 'trigger refuse_delete on app.compliance_rules',
    'trigger refuse_erased on app.accounts', 'trigger refuse_erased on app.asset_permissions',
    'trigger refuse_erased on app.onboarding_state', 'trigger refuse_erased on app.sessions',
    'trigger refuse_erased on app.subject_keys', 'trigger refuse_erased on app.submitted_transactions',
    'trigger refuse_erased on app.user_profiles', 'trigger refuse_erased on app.user_roles',
    'trigger refuse_erased on app.user_settings', 'trigger refuse_erased on app.verifications',
    'trigger refuse_erased on app.wallet_links', 'trigger refuse_late on app.report_violations',
    'trigger refuse_locked on app.login_history', 'trigger refuse_pretended_erasure on app.users',
    'trigger refuse_submitted on app.regulatory_reports', 'trigger tell on app.feature_flags',
    'trigger tell on app.integration_config', 'trigger tell on app.system_config'
]);
-- Whoever owns the table of guards owns the rest.
select app.keep_guards(array(
    select format('owner %I', r.rolname) from pg_class c join pg_roles r on r.oid = c.relowner
    where c.oid = 'app.table_guards'::regclass));
select app.guard_table('kept_guards');
