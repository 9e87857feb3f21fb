-- Privacy: what is known of a person can be given out whole and erased, and what law retains is restricted.
--
-- app.subject_tables says of every table that speaks of a person how the person's rows are found and what an erasure does
-- with them; export and erasure do what stands there and nothing else. A table that is added later needs its row.
--
-- The format of ciphertext, whole. Data key: 32 random bytes a person. Value: "v1." and in base64 (RFC 4648, padded) 12
-- bytes of nonce, AES-256-GCM ciphertext, 16 bytes of tag; associated data: table.column/user_id, as in
-- "user_profiles.first_name/7d3c…", without schema, the id in lower case with hyphens. subject_keys.wrapped_key, where a
-- file's key wrapped it: the same without "v1.", of the data key, with associated data
-- "subject_keys.wrapped_key/user_id"; what a KMS returned is kept as it is. A wrapping key carries its version in its name.
-- Replacing a person's data key is encrypting that person's columns anew, in one transaction; so there is one at a time.
set local lock_timeout = '500ms';

create table app.subject_tables (
    table_name text primary key,
    found_by text not null check (found_by <> ''),
    on_erasure text not null check (on_erasure in ('clear', 'restrict', 'delete', 'keep')),
    cleared text check (cleared <> ''),
    time_column text,
    keep_years integer check (keep_years between 1 and 100),
    why text not null check (why <> ''),
    check ((on_erasure = 'clear') = (cleared is not null)),
    check ((on_erasure = 'restrict') = (keep_years is not null)),
    check ((on_erasure = 'restrict') = (time_column is not null))
);
comment on table app.subject_tables is 'Every table that speaks of a person: how the person''s rows are found, and what an erasure does with them.';
comment on column app.subject_tables.table_name is 'Name in schema app.';
comment on column app.subject_tables.found_by is 'SQL condition on a row; $1 is the person. It is run with the owner''s rights, who alone writes here.';
comment on column app.subject_tables.on_erasure is 'clear: columns are overwritten; restrict: law retains the rows, and few see them; delete; keep: they hold a pseudonym alone.';
comment on column app.subject_tables.cleared is 'Of clear: the list after SET; $2 is what app.values_of found, as an array.';
comment on column app.subject_tables.time_column is 'Of restrict: from when the years count.';
comment on column app.subject_tables.keep_years is 'Of restrict: for how long law retains a row.';
comment on column app.subject_tables.why is 'The reason.';
insert into app.subject_tables (table_name, found_by, on_erasure, cleared, time_column, keep_years, why) values
    ('users', 'id = $1', 'clear', 'email = ''erased-'' || id || ''@erased.invalid'', username = ''erased-'' || id, last_activity_at = null, status = ''erased''',
        null, null, 'what is retained refers to it'),
    ('subject_keys', 'user_id = $1', 'clear', 'wrapped_key = null, destroyed_at = coalesce(destroyed_at, now())', null, null, 'ciphertext that was copied elsewhere falls with the key'),
    ('user_profiles', 'user_id = $1', 'delete', null, null, null, 'nothing retains it'),
    ('user_settings', 'user_id = $1', 'delete', null, null, null, 'nothing retains it'),
    ('sessions', 'user_id = $1', 'delete', null, null, null, 'nothing retains it'),
    ('accounts', 'user_id = $1', 'delete', null, null, null, 'nothing retains it'),
    ('verifications', 'user_id = $1', 'delete', null, null, null, 'nothing retains it'),
    ('onboarding_state', 'user_id = $1', 'delete', null, null, null, 'nothing retains it'),
    ('wallet_links', 'user_id = $1', 'delete', null, null, null, 'the one bridge between the person and the chain'),
    ('user_roles', 'user_id = $1', 'clear', 'status = ''revoked'', ended_at = coalesce(ended_at, now())', null, null, 'who was allowed what is kept under the pseudonym'),
    ('asset_permissions', 'user_id = $1', 'clear', 'revoked_at = coalesce(revoked_at, greatest(now(), granted_at))', null, null, 'who was allowed what is kept under the pseudonym'),
    ('role_permissions', 'granted_by = $1', 'keep', null, null, null, 'who granted is kept under the pseudonym'),
    ('submitted_transactions', 'user_id = $1 or user_id is null and exists (select from app.wallet_links w where w.user_id = $1 and w.tenant_id = r.tenant_id
        and w.chain_id = r.chain_id and w.wallet = r.sender)', 'clear', 'user_id = null, sender = null, nonce = null', null, null, 'the transaction is public, whose wish it was is not'),
    ('user_actions', 'user_id = $1', 'clear', 'details = ''{}'', ip_address = null, user_agent = null, resource = case when app.names_any(resource, $2) then ''erased'' else resource end',
        null, null, 'what was done is kept under the pseudonym'),
    ('login_history', 'user_id = $1', 'clear', 'ip_address = null, user_agent = null, failure_reason = case when app.names_any(failure_reason, $2) then ''erased'' else failure_reason end',
        null, null, 'that there were logins is kept under the pseudonym'),
    ('access_logs', 'user_id = $1 or resource = ''user '' || $1 and action not in (''export'', ''erase'')', 'restrict', null, 'timestamp', 7, 'security log: seven years'),
    ('compliance_logs', 'user_id = $1', 'restrict', null, 'timestamp', 10, 'checks by anti-money-laundering law: ten years'),
    ('compliance_violations', 'user_id = $1', 'restrict', null, 'detected_at', 10, 'breaches: ten years, unchanged'),
    ('violation_resolutions', 'violation_id in (select v.id from app.compliance_violations v where v.user_id = $1)', 'restrict', null, 'detected_at', 10, 'goes with its violation'),
    ('report_violations', 'violation_id in (select v.id from app.compliance_violations v where v.user_id = $1)', 'restrict', null, 'detected_at', 10, 'goes with its violation'),
    ('regulatory_reports', 'id in (select l.report_id from app.report_violations l join app.compliance_violations v on v.id = l.violation_id where v.user_id = $1)',
        'restrict', null, 'generated_at', 7, 'what an authority was given: seven years'),
    ('audit_trail', 'entity_id = $1::text or entity_id like $1 || ''/%'' or old_state ->> ''user_id'' = $1::text or new_state ->> ''user_id'' = $1::text or actor = ''user '' || $1',
        'keep', null, null, null, 'sealed; of personal columns and secrets it holds keyed digests alone'),
    ('system_changes', 'changed_by = ''user '' || $1', 'keep', null, null, null, 'sealed; who acted is a pseudonym'),
    ('erasures', 'user_id = $1', 'keep', null, null, null, 'that it was erased must be known'),
    ('restrictions', 'user_id = $1', 'keep', null, null, null, 'until when what is retained is restricted');

create table app.erasures (
    user_id uuid primary key,
    tenant_id uuid not null,
    ticket text not null check (ticket ~ '^[A-Za-z0-9][A-Za-z0-9._/#:-]{0,99}$'),
    erased_by text not null default app.actor(),
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    counts jsonb not null default '{}' check (jsonb_typeof(counts) = 'object'),
    transaction_id bigint not null default pg_current_xact_id()::text::bigint,
    foreign key (tenant_id, user_id) references app.users (tenant_id, id) on delete restrict
);
comment on table app.erasures is 'Who was erased, when and under which ticket. No personal value.';
comment on column app.erasures.user_id is 'The person, a pseudonym now.';
comment on column app.erasures.tenant_id is 'Whose user it was.';
comment on column app.erasures.ticket is 'The request, by its reference; no name, no address.';
comment on column app.erasures.erased_by is 'Who ordered it.';
comment on column app.erasures.started_at is 'When it began.';
comment on column app.erasures.finished_at is 'When it was done; null only within the transaction that does it.';
comment on column app.erasures.counts is 'Rows by table.';
comment on column app.erasures.transaction_id is 'The database transaction: while it is under way, it alone may clear columns of append-only logs.';

create table app.restrictions (
    user_id uuid not null references app.erasures on delete restrict,
    tenant_id uuid not null,
    table_name text not null references app.subject_tables on delete restrict,
    restricted_until timestamptz not null,
    primary key (user_id, table_name)
);
comment on table app.restrictions is 'What law retains of an erased person: read by compliance and auditors alone, until retention takes it away.';
comment on column app.restrictions.user_id is 'The person, a pseudonym now.';
comment on column app.restrictions.tenant_id is 'Whose user it was.';
comment on column app.restrictions.table_name is 'The table in schema app.';
comment on column app.restrictions.restricted_until is 'When the last row''s years are over. The rows stay hidden after that, too.';
create index restrictions_tenant_idx on app.restrictions (tenant_id, table_name);

-- Append-only, but for an erasure under way: it may overwrite personal columns of its own person's rows, nothing else.
create or replace function app.refuse_change() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
declare
    personal text[];
begin
    if tg_op = 'UPDATE' then
        if exists (select from app.erasures e where e.user_id = (to_jsonb(old) ->> 'user_id')::uuid and e.finished_at is null
            and e.transaction_id = pg_current_xact_id_if_assigned()::text::bigint) then
            -- Comments are on the table, triggers fire on its partitions.
            select coalesce(array_agg(a.attname::text), '{}') into personal from pg_attribute a
            where a.attrelid = coalesce(pg_partition_root(tg_relid), tg_relid) and a.attnum > 0 and a.attname <> 'user_id'
                and col_description(a.attrelid, a.attnum) ~ '^personal:';
            if to_jsonb(new) - personal = to_jsonb(old) - personal then
                return new;
            end if;
        end if;
    end if;
    raise exception '%.% is append-only: % is refused', tg_table_schema, tg_table_name, lower(tg_op)
        using errcode = 'insufficient_privilege', hint = 'write a new row that says what is right';
end
$$;
comment on function app.refuse_change is 'Holds a table append-only, whoever asks; an erasure under way may clear personal columns of its person''s rows.';

create trigger refuse_change before update or delete on app.erasures for each row
    when (old.finished_at is not null) execute function app.refuse_change();

-- What is erased stays so.
create function app.keep_erased() returns trigger language plpgsql as $$
begin
    raise exception 'user % is erased: the row is not changed any more', old.id
        using errcode = 'insufficient_privilege', hint = 'who comes back is a new user';
end
$$;
comment on function app.keep_erased is 'Keeps a pseudonymised user as it is.';
create trigger keep_erased before update on app.users for each row
    when (old.status = 'erased') execute function app.keep_erased();

create function app.refuse_pretended_erasure() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (select from app.erasures e where e.user_id = new.id and e.finished_at is null
        and e.transaction_id = pg_current_xact_id()::text::bigint) then
        raise exception 'user % is erased by `asset-indexer erase` alone: another status is meant', new.id
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end
$$;
comment on function app.refuse_pretended_erasure is 'Who is called erased was: the status would keep the person''s data for ever.';
create trigger refuse_pretended_erasure before insert or update of status on app.users for each row
    when (new.status = 'erased') execute function app.refuse_pretended_erasure();

create function app.keep_destroyed() returns trigger language plpgsql as $$
begin
    if new.user_id is distinct from old.user_id or old.destroyed_at is not null and new is distinct from old then
        raise exception 'the key of user % is destroyed, or another''s: it is not changed', old.user_id
            using errcode = 'insufficient_privilege', hint = 'who comes back is a new user, with a new key';
    end if;
    if new.wrapped_key is distinct from old.wrapped_key and new.wrapped_key is not null then
        new.rotated_at := now();
    end if;
    return new;
end
$$;
comment on function app.keep_destroyed is 'A destroyed key stays destroyed, and one that is wrapped anew says when.';
create trigger keep_destroyed before update on app.subject_keys for each row execute function app.keep_destroyed();

-- The lock makes who writes beside an erasure wait for its end, and then be refused.
create function app.is_erased(p_user uuid) returns boolean language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp as $$
declare
    standing text;
begin
    select u.status into standing from app.users u where u.id = p_user for key share;
    return coalesce(standing = 'erased', false);
end
$$;
comment on function app.is_erased is 'Whether a user is erased; waits for an erasure under way.';

create function app.refuse_erased() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
    if app.is_erased(new.user_id) then
        raise exception 'user % is erased: %.% takes no row of theirs', new.user_id, tg_table_schema, tg_table_name
            using errcode = 'insufficient_privilege', hint = 'who comes back is a new user';
    end if;
    return new;
end
$$;
comment on function app.refuse_erased is 'Nothing personal is written of a user who is erased.';

create function app.minimise_erased() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
    if app.is_erased(new.user_id) then
        new.ip_address := null;
        new.user_agent := null;
        if tg_argv[0] = 'details' then
            new.details := '{}';
        end if;
    end if;
    return new;
end
$$;
comment on function app.minimise_erased is 'A log''s row of a user who is erased holds no personal value.';
do $$
declare
    personal text;
begin
    foreach personal in array array['user_profiles', 'user_settings', 'sessions', 'accounts', 'verifications', 'onboarding_state',
        'wallet_links', 'user_roles', 'asset_permissions', 'subject_keys', 'submitted_transactions'] loop
        execute format('create trigger refuse_erased before insert or update of user_id on app.%I for each row
            when (new.user_id is not null) execute function app.refuse_erased()', personal);
    end loop;
end
$$;
create trigger minimise_erased before insert on app.user_actions for each row when (new.user_id is not null)
    execute function app.minimise_erased('details');
create trigger minimise_erased before insert on app.login_history for each row execute function app.minimise_erased('');

-- Restriction ---------------------------------------------------------------------------------------------------------
create function app.sees_restricted() returns boolean language sql stable parallel safe as $$
    select pg_has_role(current_user, 'asset_indexer_compliance', 'usage') or pg_has_role(current_user, 'asset_indexer_auditor', 'usage')
$$;
comment on function app.sees_restricted is 'Whether the role may read what is retained of erased people: compliance and auditors.';

create function app.restricted_subjects(p_table text) returns setof uuid language sql stable security definer
set search_path = pg_catalog, pg_temp as $$
    select r.user_id from app.restrictions r where r.tenant_id = app.current_tenant() and r.table_name = p_table
$$;
comment on function app.restricted_subjects is 'Whose rows of a table are restricted, of the connection''s tenant.';

create function app.restricted_violations() returns setof uuid language sql stable security definer
set search_path = pg_catalog, pg_temp as $$
    select v.id from app.compliance_violations v
    where v.user_id in (select app.restricted_subjects('compliance_violations'))
$$;
comment on function app.restricted_violations is 'Violations of people whose rows are restricted.';

create function app.restricted_reports() returns setof uuid language sql stable security definer
set search_path = pg_catalog, pg_temp as $$
    select l.report_id from app.report_violations l where l.violation_id in (select app.restricted_violations())
$$;
comment on function app.restricted_reports is 'Reports that tell of such violations.';

do $$
declare
    restricted record;
begin
    for restricted in
        values ('access_logs', '(user_id is null or user_id not in (select app.restricted_subjects(''access_logs'')))
                and (action in (''export'', ''erase'') or resource not in (select ''user '' || s from app.restricted_subjects(''access_logs'') s))'),
            ('compliance_logs', 'user_id is null or user_id not in (select app.restricted_subjects(''compliance_logs''))'),
            ('compliance_violations', 'user_id is null or user_id not in (select app.restricted_subjects(''compliance_violations''))'),
            ('violation_resolutions', 'violation_id not in (select app.restricted_violations())'),
            ('report_violations', 'violation_id not in (select app.restricted_violations())'),
            ('regulatory_reports', 'id not in (select app.restricted_reports())')
    loop
        execute format('create policy restricted on app.%I as restrictive for select to asset_indexer_app, asset_indexer_reader,
            asset_indexer_compliance, asset_indexer_auditor, asset_indexer_support using ((select app.sees_restricted()) or %s)',
            restricted.column1, restricted.column2);
    end loop;
end
$$;

-- Legal hold. The table of holds may be younger than this function, or missing.
create function app.hold_on(p_subject uuid) returns text language plpgsql stable security definer
set search_path = pg_catalog, pg_temp as $$
declare
    holds constant regclass := coalesce(to_regclass('ops.legal_holds'), to_regclass('app.legal_holds'));
    hold jsonb;
begin
    if holds is null then
        return null;
    end if;
    -- Who is named, and whatever keeps a table or a time whole that an erasure would touch: rather one too many.
    for hold in execute format('select to_jsonb(h) from %s h where to_jsonb(h) ->> ''released_at'' is null order by to_jsonb(h) ->> ''id''', holds) loop
        if hold ->> 'user_id' = p_subject::text
            or hold ->> 'scope' in ('table', 'period') and (hold ->> 'table_name' is null or exists (
                select from app.subject_tables t where t.on_erasure in ('clear', 'delete') and 'app.' || t.table_name = hold ->> 'table_name'))
            or hold ->> 'scope' = 'asset' and (
                exists (select from app.asset_permissions a where a.user_id = p_subject and a.asset_id::text = hold ->> 'asset_id')
                or exists (select from app.submitted_transactions a where a.user_id = p_subject and a.asset_id::text = hold ->> 'asset_id')
                or exists (select from app.wallet_links w
                    join chain.asset_holders h on h.chain_id = w.chain_id and h.holder = api.address(w.wallet)
                    where w.user_id = p_subject and h.asset_id::text = hold ->> 'asset_id'))
        then
            return format('%s of %s (%s)', hold ->> 'id', holds, hold ->> 'scope');
        end if;
    end loop;
    return null;
end
$$;
comment on function app.hold_on is 'The legal hold that forbids erasing a person, by its number; null: none does.';
create function app.is_held(p_subject uuid) returns boolean language sql stable security definer
set search_path = pg_catalog, pg_temp as $$ select app.hold_on(p_subject) is not null $$;
comment on function app.is_held is 'Whether a legal hold forbids erasing a person.';

-- What the application knows the person by, to find it where nobody expects it.
create function app.names_any(p_text text, p_values text[]) returns boolean language sql immutable parallel safe as $$
    select exists (select from unnest(p_values) v where position(lower(v) in lower(p_text)) > 0)
$$;
comment on function app.names_any is 'Whether a text holds one of some values, whatever the case.';

create function app.values_of(p_subject uuid) returns text[] language plpgsql stable security definer
set search_path = pg_catalog, pg_temp as $$
declare
    place record;
    found text[];
    known text[] := '{}';
begin
    -- Free text is searched, not searched for; browsers and languages are many people's.
    for place in
        select s.table_name, s.found_by, a.attname, a.atttypid = 'inet'::regtype as is_address
        from app.subject_tables s
        join pg_attribute a on a.attrelid = ('app.' || quote_ident(s.table_name))::regclass and a.attnum > 0 and not a.attisdropped
        where s.on_erasure in ('clear', 'delete') and a.atttypid in ('text'::regtype, 'inet'::regtype)
            and a.attname not in ('resource', 'failure_reason', 'language', 'user_agent')
            and col_description(a.attrelid, a.attnum) ~ '^personal: ' and col_description(a.attrelid, a.attnum) !~ '[(]ciphertext[)]'
    loop
        execute format(case when place.is_address then 'select array_agg(host(r.%I)) from app.%I r where %s'
            else 'select array_agg(r.%I) from app.%I r where %s' end, place.attname, place.table_name, place.found_by)
            into found using p_subject;
        known := known || found;
    end loop;
    return array(select distinct v from unnest(known) v where length(v) >= 5 order by v);
end
$$;
comment on function app.values_of is 'E-mail, names, addresses and wallets by which a person is known here in clear; none shorter than five characters. For the owner alone.';

create function app.traces_of(p_values text[]) returns table (table_name text, column_name text, row_count bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    place record;
begin
    for place in
        select c.relname, a.attname, a.atttypid = 'inet'::regtype as is_address
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            and a.atttypid in ('text'::regtype, 'jsonb'::regtype, 'inet'::regtype)
        order by c.relname, a.attname
    loop
        execute format(case when place.is_address then 'select count(*) from app.%I r where host(r.%I) = any ($1)'
            else 'select count(*) from app.%I r where app.names_any(r.%I::text, $1)' end, place.relname, place.attname)
            into row_count using p_values;
        table_name := place.relname;
        column_name := place.attname;
        if row_count > 0 then
            return next;
        end if;
    end loop;
end
$$;
comment on function app.traces_of is 'Where any of some values stands in the application''s tables. Reads every text of them, which takes its time. For the owner alone.';

-- Erasure -------------------------------------------------------------------------------------------------------------
create function app.erase_subject(p_subject uuid, p_ticket text, p_apply boolean)
returns table (table_name text, row_count bigint, on_erasure text, cleared text, why text, until timestamptz) language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO' as $$
declare
    person app.users;
    place app.subject_tables;
    found text;
    hold text;
    known text[];
    told jsonb := '{}';
begin
    -- Writers of this person's rows wait.
    select u.* into person from app.users u where u.id = p_subject for update;
    if person.id is null then
        raise exception 'there is no user %', p_subject using errcode = 'no_data_found', hint = 'look the id up in app.users';
    end if;
    if exists (select from app.erasures e where e.user_id = p_subject) then
        return;
    end if;
    -- None is placed from here on.
    if p_apply and to_regclass('ops.legal_holds') is not null then
        lock table ops.legal_holds in share mode;
    end if;
    hold := app.hold_on(p_subject);
    if p_apply and hold is not null then
        raise exception 'user % is under legal hold %', p_subject, hold
            using errcode = 'object_not_in_prerequisite_state', hint = 'erase once the hold is released';
    end if;
    if p_apply then
        insert into app.erasures (user_id, tenant_id, ticket) values (p_subject, person.tenant_id, p_ticket);
        known := app.values_of(p_subject);
    end if;
    for place in select t.* from app.subject_tables t
        order by array_position(array['clear', 'restrict', 'delete', 'keep'], t.on_erasure), t.table_name loop
        found := format('from app.%I r where %s', place.table_name, place.found_by);
        execute 'select count(*) ' || found into row_count using p_subject;
        table_name := place.table_name;
        on_erasure := place.on_erasure;
        cleared := (select string_agg(m.parts[1], ', ') from regexp_matches(place.cleared, '(\w+) = ', 'g') m (parts));
        why := place.why;
        until := null;
        if place.on_erasure = 'restrict' then
            execute format('select coalesce(max(r.%I), now()) + make_interval(years => $2) %s', place.time_column, found)
                into until using p_subject, place.keep_years;
        end if;
        if p_apply then
            perform app.erase_rows(person, place, found, row_count, until, known);
        end if;
        told := told || jsonb_build_object(place.table_name, row_count);
        return next;
    end loop;
    if p_apply then
        update app.erasures e set finished_at = clock_timestamp(), counts = told where e.user_id = p_subject;
        insert into app.access_logs (tenant_id, resource, action, result, details) values (person.tenant_id, 'user ' || p_subject,
            'erase', 'allowed', jsonb_build_object('ticket', p_ticket, 'by', app.actor(), 'login', session_user, 'rows', told));
    end if;
end
$$;
comment on function app.erase_subject is 'Erases a person, or tells what that would do: a row a table. Nothing where it was done before: app.erasures says when. For the owner alone.';

create function app.erase_rows(p_person app.users, p_place app.subject_tables, p_found text, p_rows bigint,
    p_until timestamptz, p_known text[]) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
    if p_place.on_erasure = 'restrict' then
        insert into app.restrictions (user_id, tenant_id, table_name, restricted_until)
        values (p_person.id, p_person.tenant_id, p_place.table_name, p_until);
    elsif p_place.on_erasure = 'delete' then
        execute 'delete ' || p_found using p_person.id;
    elsif p_place.on_erasure = 'clear' then
        execute format('update app.%I r set %s where %s', p_place.table_name, p_place.cleared, p_place.found_by) using p_person.id, p_known;
        -- Logs are not audited row by row: that they were cleared stands in the trail by table.
        if p_rows > 0 and exists (select from app.table_guards g where g.table_name = p_place.table_name and g.audited_in is null) then
            insert into app.audit_trail (tenant_id, entity_type, entity_id, action, new_state) values (p_person.tenant_id,
                p_place.table_name, p_person.id::text, 'update', jsonb_build_object('erased', p_rows));
        end if;
    end if;
end
$$;
comment on function app.erase_rows is 'One table''s part of an erasure; app.erase_subject calls it.';

-- Export --------------------------------------------------------------------------------------------------------------
create function app.export_chain(p_subject uuid) returns jsonb language sql stable security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO' set bytea_output = 'hex' as $$
    with wallets as materialized (
        select distinct w.chain_id, api.address(w.wallet) as wallet from app.wallet_links w where w.user_id = p_subject),
    known as materialized (
        select w.chain_id, w.wallet::bytea as identity from wallets w
        union select r.chain_id, r.identity::bytea from chain.registrations r join wallets w on w.chain_id = r.chain_id and w.wallet = r.wallet
        union select n.chain_id, n.identity::bytea from chain.identity_links n join wallets w on w.chain_id = n.chain_id and w.wallet = n.account),
    told (kind, fact) as (
        select 'as_of', jsonb_build_object('chain_id', k.chain_id, 'block_number', k.block_number, 'block_hash', k.block_hash)
        from api.checkpoints k where k.chain_id in (select w.chain_id from wallets w)
        union all
        select 'holdings', to_jsonb(h) - 'holder_bytes'
        from wallets w join api.asset_holders h on h.chain_id = w.chain_id and h.holder_bytes = w.wallet
        union all
        select 'identities', to_jsonb(i) - 'onchain_id_bytes'
        from known w join api.chain_identities i on i.chain_id = w.chain_id and i.onchain_id_bytes = w.identity
        union all
        -- Its status depends on the clock; the times that it follows from are there.
        select 'claims', to_jsonb(c) - '{identity_bytes,status}'::text[]
        from known w join api.chain_identity_claims c on c.chain_id = w.chain_id and c.identity_bytes = w.identity)
    select jsonb_object_agg(kinds.kind, coalesce(f.facts, '[]'))
    from (values ('as_of'), ('holdings'), ('identities'), ('claims')) kinds (kind)
    left join lateral (select jsonb_agg(t.fact order by t.fact::text collate "C") as facts from told t where t.kind = kinds.kind) f on true
$$;
comment on function app.export_chain is 'What the chain says of a person''s wallets, linked now or before: holdings, identities, claims, and as of which block.';

create function app.export_subject(p_subject uuid) returns jsonb language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO' set bytea_output = 'hex' as $$
declare
    tenant constant uuid := (select u.tenant_id from app.users u where u.id = p_subject);
    place app.subject_tables;
    found jsonb;
    secrets text[];
    stored jsonb := '{}';
    left_out jsonb := '[]';
    encrypted constant jsonb := (
        select coalesce(jsonb_agg(c.relname || '.' || a.attname order by c.relname, a.attname), '[]')
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        where c.relnamespace = 'app'::regnamespace and col_description(c.oid, a.attnum) ~ '^personal: .*[(]ciphertext[)]');
begin
    if tenant is null then
        raise exception 'there is no user %', p_subject using errcode = 'no_data_found', hint = 'look the id up in app.users';
    end if;
    for place in select t.* from app.subject_tables t order by t.table_name loop
        select coalesce(array_agg(a.attname::text order by a.attname), '{}') into secrets from pg_attribute a
        where a.attrelid = ('app.' || quote_ident(place.table_name))::regclass and a.attnum > 0
            and col_description(a.attrelid, a.attnum) ~ '^secret:';
        execute format('select coalesce(jsonb_agg(x.row_now order by x.row_now::text collate "C"), ''[]'')
            from (select to_jsonb(r) - $2 as row_now from app.%I r where %s) x', place.table_name, place.found_by)
            into found using p_subject, secrets;
        stored := stored || jsonb_build_object(place.table_name, found);
        left_out := left_out || (select coalesce(jsonb_agg(place.table_name || '.' || s order by s), '[]') from unnest(secrets) s);
    end loop;
    insert into app.access_logs (tenant_id, resource, action, result, details) values (tenant, 'user ' || p_subject, 'export', 'allowed',
        jsonb_build_object('by', app.actor(), 'login', session_user, 'rows',
            (select sum(jsonb_array_length(s.value)) from jsonb_each(stored) s)));
    return jsonb_build_object('format', 'asset-indexer subject 1', 'subject', p_subject, 'tenant', tenant, 'stored', stored,
        'encrypted', encrypted, 'chain', app.export_chain(p_subject), 'left_out', jsonb_build_object('secrets', left_out,
            'records_of_exports', 'access_logs keeps who exported and when'));
end
$$;
comment on function app.export_subject is 'Everything that is stored of a person, and what the chain says of their wallets: the same state gives the same text. Secrets are left out by name. Recorded in app.access_logs. For the owner alone.';

-- The record of processing -----------------------------------------------------------------------------------------------
comment on column app.access_logs.details is 'personal: why, under which ticket.';
comment on column app.compliance_logs.details is 'personal: the reasons.';
comment on column app.user_actions.resource is 'personal: to what.';
comment on column app.login_history.failure_reason is 'personal: why not.';
comment on column app.asset_reports.report_data is 'personal: what it said; it may name holders.';
comment on column app.regulatory_reports.report_data is 'personal: what it says; it may name people.';
comment on column app.audit_trail.actor is 'personal: who acted; an id, no name.';
comment on column app.system_changes.changed_by is 'personal: who; an id, no name.';
do $$
declare
    personal record;
begin
    for personal in
        select c.relname, a.attname, rtrim(col_description(c.oid, a.attnum), '.') as said, b.basis, b.kept
        from (values
            ('users', 'contract', 'until erased, then a placeholder'),
            ('subject_keys', 'contract', 'until erased, then destroyed'),
            ('user_profiles', 'contract', 'until erased'),
            ('user_settings', 'contract', 'until erased'),
            ('sessions', 'contract', 'until it ends, a year at most'),
            ('accounts', 'contract', 'until unlinked or erased'),
            ('verifications', 'contract', 'until used or expired, 90 days at most'),
            ('onboarding_state', 'contract', 'until erased'),
            ('wallet_links', 'contract', 'until erased'),
            ('submitted_transactions', 'contract', 'until erased'),
            ('user_actions', 'legitimate interest, security', '7 years, cleared when erased'),
            ('login_history', 'legitimate interest, security', '7 years, cleared when erased'),
            ('access_logs', 'legitimate interest, security', '7 years, restricted when erased'),
            ('compliance_logs', 'legal obligation, prevention of money laundering', '10 years, restricted when erased'),
            ('compliance_violations', 'legal obligation, prevention of money laundering', '10 years, restricted when erased'),
            ('violation_resolutions', 'legal obligation, prevention of money laundering', '10 years, restricted when erased'),
            ('regulatory_reports', 'legal obligation, reporting', '7 years, restricted when erased'),
            ('asset_reports', 'legal obligation, register of holders', '10 years'),
            ('audit_trail', 'legal obligation, traceability of the register', '10 years'),
            ('system_changes', 'legal obligation, traceability of the register', '7 years'),
            ('integration_config', 'none, no person', 'while the service is used'),
            ('audit_keys', 'none, no person', 'as long as the trail')) b (table_name, basis, kept)
        join pg_class c on c.relnamespace = 'app'::regnamespace and c.relname = b.table_name
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            and col_description(c.oid, a.attnum) ~ '^(personal|secret):'
    loop
        execute format('comment on column app.%I.%I is %L', personal.relname, personal.attname,
            format('%s; basis: %s; kept: %s.', personal.said, personal.basis, personal.kept));
    end loop;
end
$$;

create view app.processing_record as
select 'app'::text as schema_name, c.relname::text as table_name, a.attname::text as column_name,
    substring(d.said from '^(\w+):') as kind, substring(d.said from '^\w+: (.*?)(?:; basis: .*|[.])$') as purpose,
    substring(d.said from '; basis: (.*?); kept: ') as basis, rtrim(substring(d.said from '; kept: (.*)$'), '.') as kept,
    coalesce(s.on_erasure, 'not found by person') as on_erasure
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
cross join lateral (select col_description(c.oid, a.attnum) as said) d
left join app.subject_tables s on s.table_name = c.relname
where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    and d.said ~ '^(personal|secret):'
union all
select 'chain', c.relname::text, a.attname::text, 'public', rtrim(col_description(c.oid, a.attnum), '.'),
    'legal obligation, register of holders', 'as long as the register; public on the chain', 'the link to the person is cut'
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'chain'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    and a.attname in ('holder', 'wallet', 'account', 'from_address', 'to_address', 'executed_by', 'identity', 'onchain_id',
        'country', 'claim_data', 'uri');
comment on view app.processing_record is 'Record of processing (GDPR, article 30), read from the comments of columns: which personal data, for what, on which basis, for how long.';
comment on column app.processing_record.schema_name is 'app: what the application stores; chain: what the chain says of wallets.';
comment on column app.processing_record.table_name is 'The table.';
comment on column app.processing_record.column_name is 'The column.';
comment on column app.processing_record.kind is 'personal; secret: held as digest or ciphertext; public: on the chain.';
comment on column app.processing_record.purpose is 'What it is for.';
comment on column app.processing_record.basis is 'On which legal basis (article 6). A proposal: the controller answers for it.';
comment on column app.processing_record.kept is 'For how long.';
comment on column app.processing_record.on_erasure is 'What an erasure does with the row, as in app.subject_tables.';

insert into app.table_guards (table_name, kind, append_only, audited_in) values
    ('subject_tables', 'owner', false, 'system_changes'), ('erasures', 'tenant', false, 'audit_trail'),
    ('restrictions', 'tenant', true, 'audit_trail');
-- What is personal now is hidden in the trail.
select app.guard_table(it)
from unnest(array['subject_tables', 'erasures', 'restrictions', 'asset_reports', 'regulatory_reports']) it;
insert into ops.table_classes (table_name, class) values
    ('app.subject_tables', 'application'), ('app.erasures', 'application'), ('app.restrictions', 'application');
revoke execute on function app.refuse_pretended_erasure(), app.keep_erased(), app.keep_destroyed(), app.is_erased(uuid), app.refuse_erased(), app.minimise_erased(),
    app.sees_restricted(), app.restricted_subjects(text), app.restricted_violations(), app.restricted_reports(),
    app.hold_on(uuid), app.is_held(uuid), app.erase_subject(uuid, text, boolean),
    app.erase_rows(app.users, app.subject_tables, text, bigint, timestamptz, text[]), app.names_any(text, text[]),
    app.values_of(uuid), app.traces_of(text[]), app.export_chain(uuid), app.export_subject(uuid) from public;
grant execute on function app.sees_restricted(), app.restricted_subjects(text), app.restricted_violations(), app.restricted_reports()
    to asset_indexer_app, asset_indexer_reader, asset_indexer_compliance, asset_indexer_auditor, asset_indexer_support;
grant execute on function app.is_held(uuid) to asset_indexer_compliance, asset_indexer_auditor;
grant select on app.erasures, app.restrictions, app.processing_record to asset_indexer_compliance, asset_indexer_auditor;
