-- An erasure changes what it must and nothing else; a wallet is a person's while the link stands; a report about several
-- people gives each the own part; and when a person was active last outlives the logs that tell it.
set local lock_timeout = '500ms';

-- Append-only, but for an erasure under way: of its own person's rows it empties the columns that app.subject_tables names.
-- Nothing is written into them, and what is restricted stays as it is.
create or replace function app.refuse_change() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
declare
    clearing text[];
begin
    if tg_op = 'UPDATE' then
        if exists (select from app.erasures e where e.user_id = (to_jsonb(old) ->> 'user_id')::uuid and e.finished_at is null
            and e.transaction_id = pg_current_xact_id_if_assigned()::text::bigint) then
            -- Comments are on the table, triggers fire on its partitions.
            select coalesce(array_agg(m.parts[1]), '{}') into clearing
            from pg_class c
            join app.subject_tables s on s.table_name = c.relname and s.on_erasure = 'clear'
            cross join regexp_matches(s.cleared, '(\w+) = ', 'g') m (parts)
            join pg_attribute a on a.attrelid = c.oid and a.attname = m.parts[1] and a.attname <> 'user_id'
            where c.oid = coalesce(pg_partition_root(tg_relid), tg_relid) and col_description(c.oid, a.attnum) ~ '^personal:';
            if not exists (select from jsonb_each(to_jsonb(old)) o join jsonb_each(to_jsonb(new)) n on n.key = o.key
                where n.value <> o.value and (n.key <> all (clearing) or n.value not in ('null', '{}', '"erased"'))) then
                return new;
            end if;
        end if;
    end if;
    raise exception '%.% is append-only: % is refused', tg_table_schema, tg_table_name, lower(tg_op)
        using errcode = 'insufficient_privilege', hint = 'write a new row that says what is right';
end
$$;
comment on function app.refuse_change is 'Holds a table append-only, whoever asks; an erasure under way may empty the columns of its person''s rows that app.subject_tables clears.';

-- One that is opened is carried out, in its transaction, or nothing is.
create trigger refuse_delete before delete on app.erasures for each row execute function app.refuse_change();
create function app.refuse_half_erasure() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (select from app.erasures e join app.users u on u.id = e.user_id
        where e.user_id = new.user_id and e.finished_at is not null and u.status = 'erased') then
        raise exception 'the erasure of user % was opened and not carried out', new.user_id
            using errcode = 'insufficient_privilege', hint = 'asset-indexer erase opens and finishes it in one transaction';
    end if;
    return null;
end
$$;
comment on function app.refuse_half_erasure is 'An erasure that is not finished when its transaction ends is none.';
create constraint trigger refuse_half_erasure after insert on app.erasures deferrable initially deferred
    for each row execute function app.refuse_half_erasure();

-- What a wallet did before it was linked, or after it was unlinked, is not the person's.
update app.subject_tables set found_by = '(tenant_id, chain_id, transaction_hash) in (
        select s.tenant_id, s.chain_id, s.transaction_hash from app.submitted_transactions s where s.user_id = $1
        union all
        select s.tenant_id, s.chain_id, s.transaction_hash from app.wallet_links w
        join app.submitted_transactions s on s.user_id is null and s.chain_id = w.chain_id and s.sender = w.wallet and s.tenant_id = w.tenant_id
            and s.submitted_at >= w.linked_at and (w.unlinked_at is null or s.submitted_at < w.unlinked_at)
        where w.user_id = $1)'
where table_name = 'submitted_transactions';

create or replace function app.export_chain(p_subject uuid) returns jsonb language sql stable security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO' set bytea_output = 'hex' as $$
    with wallets as materialized (
        select w.chain_id, api.address(w.wallet) as wallet, w.linked_at, coalesce(w.unlinked_at, 'infinity') as unlinked_at,
            w.unlinked_at is null as stands
        from app.wallet_links w where w.user_id = p_subject),
    -- An identity is the person's for as long as it is a linked wallet's, or linked itself.
    known as materialized (
        select w.chain_id, w.wallet::bytea as identity, w.linked_at as since, w.unlinked_at as until, w.stands
        from wallets w
        union select r.chain_id, r.identity::bytea, greatest(w.linked_at, r.from_at), least(w.unlinked_at, r.to_at), w.stands
        from chain.registrations r join wallets w on w.chain_id = r.chain_id and w.wallet = r.wallet
            and r.from_at < w.unlinked_at and coalesce(r.to_at, 'infinity') > w.linked_at
        union select n.chain_id, n.identity::bytea, greatest(w.linked_at, n.from_at), least(w.unlinked_at, n.to_at), w.stands
        from chain.identity_links n join wallets w on w.chain_id = n.chain_id and w.wallet = n.account
            and n.from_at < w.unlinked_at and coalesce(n.to_at, 'infinity') > w.linked_at),
    told (kind, fact) as (
        select 'as_of', jsonb_build_object('chain_id', k.chain_id, 'block_number', k.block_number, 'block_hash', k.block_hash)
        from api.checkpoints k where k.chain_id in (select w.chain_id from wallets w)
        union all
        select 'periods', jsonb_build_object('chain_id', w.chain_id, 'wallet', api.hex(w.wallet), 'linked_at', w.linked_at,
            'unlinked_at', case when not w.stands then w.unlinked_at end)
        from wallets w
        union all
        select 'holdings', to_jsonb(h) - 'holder_bytes'
        from wallets w join api.asset_holders h on h.chain_id = w.chain_id and h.holder_bytes = w.wallet
        where w.stands
        union all
        -- Of a link that ended: what was held then.
        select 'former_holdings', jsonb_build_object('chain_id', w.chain_id, 'asset_id', a.id, 'asset', api.hex(a.contract_address),
            'wallet', api.hex(w.wallet), 'held_at', w.unlinked_at, 'block_number', p.block_number,
            'balance', api.units(p.balance, a.decimals), 'frozen', api.units(p.frozen, a.decimals), 'wallet_frozen', p.wallet_frozen)
        from wallets w
        join chain.asset_holders h on h.chain_id = w.chain_id and h.holder = w.wallet
        join chain.assets a on a.id = h.asset_id
        cross join lateral (
            select o.block_number, o.balance, o.frozen, o.wallet_frozen from chain.ownership_history o
            where o.chain_id = w.chain_id and o.asset_id = h.asset_id and o.holder = w.wallet and o.timestamp < w.unlinked_at
            order by o.block_number desc, o.log_index desc limit 1) p
        where not w.stands
        union all
        select 'identities', jsonb_build_object('chain_id', w.chain_id, 'onchain_id', api.hex(w.identity), 'since', w.since,
                'until', nullif(w.until, 'infinity'))
            -- As it is now only where it still is the person's.
            || case when w.stands and w.until = 'infinity' then to_jsonb(i) - 'onchain_id_bytes' else '{}' end
        from known w join api.chain_identities i on i.chain_id = w.chain_id and i.onchain_id_bytes = w.identity
        union all
        -- Its status depends on the clock; the times that it follows from are there.
        select distinct 'claims', to_jsonb(c) - '{identity_bytes,status}'::text[]
            - case when c.ended_at >= w.until then '{ended_at,to_block,to_log}'::text[] else '{}' end
            - case when c.revoked_at >= w.until then '{revoked_at,revoked_block,revoked_in}'::text[] else '{}' end
        from known w join api.chain_identity_claims c on c.chain_id = w.chain_id and c.identity_bytes = w.identity
            and c.issued_at < w.until and coalesce(c.ended_at, 'infinity') > w.since)
    select jsonb_object_agg(kinds.kind, coalesce(f.facts, '[]'))
    from (values ('as_of'), ('periods'), ('holdings'), ('former_holdings'), ('identities'), ('claims')) kinds (kind)
    left join lateral (select jsonb_agg(t.fact order by t.fact::text collate "C") as facts from told t where t.kind = kinds.kind) f on true
$$;
comment on function app.export_chain is 'What the chain says of a person''s wallets while they were linked: since and until when, what is held, or was when the link ended, identities, claims, and as of which block.';

create function app.names_others(p_text text, p_tenant uuid, p_subject uuid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from regexp_matches(lower(p_text), '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'g') m (found)
            join app.users u on u.id = m.found[1]::uuid and u.id <> p_subject)
        or exists (select from regexp_matches(lower(p_text), '0x[0-9a-f]{40}', 'g') m (found)
            join app.wallet_links w on w.tenant_id = p_tenant and w.wallet = m.found[1] and w.user_id <> p_subject
                and not exists (select from app.wallet_links o where o.user_id = p_subject and o.wallet = w.wallet))
        or exists (select from regexp_matches(lower(p_text), '[^[:space:]<>"'',;:()]+@[^[:space:]<>"'',;:()]+', 'g') m (found)
            join app.users u on u.tenant_id = p_tenant and u.email_key = m.found[1] and u.id <> p_subject)
$$;
comment on function app.names_others is 'Whether a text holds another person''s id, linked wallet or e-mail address.';

create function app.part_of(p_data jsonb, p_names text[], p_tenant uuid, p_subject uuid, p_mine boolean default false) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    is_object constant boolean := jsonb_typeof(p_data) = 'object';
    is_mine boolean := p_mine;
    item record;
    part jsonb;
    kept jsonb;
begin
    if jsonb_typeof(p_data) not in ('object', 'array') then
        part := case when p_mine or app.names_any(p_data #>> '{}', p_names) then p_data end;
        return case when not app.names_others(p_data #>> '{}', p_tenant, p_subject) then part end;
    end if;
    -- What stands beside a value that names the person is said of the person.
    for item in select * from app.parts(p_data) loop
        is_mine := is_mine or item.is_plain and coalesce(app.names_any(item.value #>> '{}', p_names), false);
    end loop;
    for item in select * from app.parts(p_data) loop
        -- A list beside it may be of others: of its entries those that name the person.
        part := case when app.names_others(item.name, p_tenant, p_subject) then null
            else app.part_of(item.value, p_names, p_tenant, p_subject, coalesce(app.names_any(item.name, p_names), false)
                or is_mine and (item.is_plain or is_object and jsonb_typeof(item.value) = 'object')) end;
        if part is not null then
            kept := case when is_object then coalesce(kept, '{}') || jsonb_build_object(item.name, part)
                else coalesce(kept, '[]') || jsonb_build_array(part) end;
        end if;
    end loop;
    return kept;
end
$$;
comment on function app.part_of is 'The part of a JSON value that speaks of a person: entries that name them, and what stands beside such a name; never what names another.';

create function app.parts(p_data jsonb) returns table (name text, value jsonb, is_plain boolean)
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select e.key, e.value, jsonb_typeof(e.value) not in ('object', 'array')
    from jsonb_each(case when jsonb_typeof(p_data) = 'object' then p_data else '{}' end) e
    union all
    select null, a.value, jsonb_typeof(a.value) not in ('object', 'array')
    from jsonb_array_elements(case when jsonb_typeof(p_data) = 'array' then p_data else '[]' end) a
$$;
comment on function app.parts is 'The members of an object, or the entries of a list.';

create or replace function app.export_subject(p_subject uuid) returns jsonb language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO' set bytea_output = 'hex' as $$
declare
    tenant constant uuid := (select u.tenant_id from app.users u where u.id = p_subject);
    place app.subject_tables;
    found jsonb;
    secrets text[];
    stored jsonb := '{}';
    left_out jsonb := '[]';
    -- What a report may call the person by.
    named constant text[] := app.values_of(p_subject) || p_subject::text
        || array(select v.id::text from app.compliance_violations v where v.user_id = p_subject);
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
        if place.table_name = 'regulatory_reports' then
            found := (select coalesce(jsonb_agg(r.value || jsonb_build_object('report_data',
                    app.part_of(r.value -> 'report_data', named, tenant, p_subject))), '[]')
                from jsonb_array_elements(found) r);
        end if;
        stored := stored || jsonb_build_object(place.table_name, found);
        left_out := left_out || (select coalesce(jsonb_agg(place.table_name || '.' || s order by s), '[]') from unnest(secrets) s);
    end loop;
    insert into app.access_logs (tenant_id, resource, action, result, details) values (tenant, 'user ' || p_subject, 'export', 'allowed',
        jsonb_build_object('by', app.actor(), 'login', session_user, 'rows',
            (select sum(jsonb_array_length(s.value)) from jsonb_each(stored) s)));
    return jsonb_build_object('format', 'asset-indexer subject 1', 'subject', p_subject, 'tenant', tenant, 'stored', stored,
        'encrypted', encrypted, 'chain', app.export_chain(p_subject), 'left_out', jsonb_build_object('secrets', left_out,
            'records_of_exports', 'access_logs keeps who exported and when',
            'others', 'regulatory_reports.report_data: what does not speak of this person'));
end
$$;
comment on function app.export_subject is 'Everything that is stored of a person, and what the chain says of their wallets: the same state gives the same text. Secrets are left out by name, and what reports say of others. Recorded in app.access_logs. For the owner alone.';

-- Activity ----------------------------------------------------------------------------------------------------------

-- A row's time of change is not that of an activity noted in it.
create or replace function app.touch() returns trigger language plpgsql as $$
declare
    -- What is generated is not there yet.
    aside constant text[] := '{last_activity_at,email_key,username_key}';
begin
    if tg_table_name = 'users' and to_jsonb(new) - aside = to_jsonb(old) - aside
        and to_jsonb(new) -> 'last_activity_at' <> to_jsonb(old) -> 'last_activity_at' then
        return new;
    end if;
    new.updated_at := now();
    return new;
end
$$;

-- No SECURITY DEFINER and no settings of its own: a procedure with those may not commit. The owner calls it.
create procedure app.note_activity(p_name text, p_batch integer default 500) language plpgsql as $$
declare
    progress ops.data_migrations;
    users uuid[];
    changed bigint;
begin
    if p_batch < 1 then
        raise exception 'a batch has at least one row, not %', p_batch using errcode = 'invalid_parameter_value';
    end if;
    insert into ops.data_migrations as d (name) values (p_name)
    on conflict (name) do update set last_key = null, row_count = 0, started_at = clock_timestamp(), finished_at = null
        where d.finished_at is not null;
    commit;
    loop
        -- Whoever changes one of these users is not kept waiting for longer by our waiting for another; tried again, it goes on here.
        perform pg_catalog.set_config('lock_timeout', '200ms', true);
        perform pg_catalog.set_config('app.actor', 'asset-indexer: last activity', true);
        select d.* into strict progress from ops.data_migrations d where d.name = p_name for update;
        select array_agg(b.id order by b.id) into users from (
            select u.id from app.users u where progress.last_key is null or u.id > progress.last_key::uuid
            order by u.id limit p_batch) b;
        exit when users is null;
        perform from app.users u where u.id = any (users) order by u.id for no key update;
        update app.users u set last_activity_at = a.at
        from (
            select k.id, greatest((select max(l.timestamp) from app.login_history l where l.user_id = k.id),
                (select max(x.timestamp) from app.user_actions x where x.user_id = k.id)) as at
            from unnest(users) k (id)
        ) a
        where u.id = a.id and a.at is not null and u.status <> 'erased' and (u.last_activity_at is null or u.last_activity_at < a.at);
        get diagnostics changed = row_count;
        update ops.data_migrations d set last_key = users[cardinality(users)]::text, row_count = d.row_count + changed,
            moved_at = clock_timestamp()
        where d.name = p_name;
        commit;
    end loop;
    update ops.data_migrations d set finished_at = clock_timestamp() where d.name = p_name;
    commit;
end
$$;
comment on procedure app.note_activity is 'Notes in app.users when each user was active last, from the logs there are: in batches, each a short transaction; interrupted, it goes on where it was.';
revoke execute on procedure app.note_activity(text, integer) from public;

revoke execute on function app.refuse_half_erasure(), app.names_others(text, uuid, uuid), app.parts(jsonb),
    app.part_of(jsonb, text[], uuid, uuid, boolean) from public;
select app.keep_guards(array['function app.touch()', 'function app.note_activity(IN p_name text, IN p_batch integer)', 'function app.refuse_change()', 'function app.export_chain(p_subject uuid)',
    'function app.export_subject(p_subject uuid)', 'function app.refuse_half_erasure()',
    'function app.names_others(p_text text, p_tenant uuid, p_subject uuid)', 'function app.parts(p_data jsonb)',
    'function app.part_of(p_data jsonb, p_names text[], p_tenant uuid, p_subject uuid, p_mine boolean)',
    'trigger refuse_delete on app.erasures', 'trigger refuse_half_erasure on app.erasures']);
