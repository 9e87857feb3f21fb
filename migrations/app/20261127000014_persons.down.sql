set local lock_timeout = '500ms';
drop procedure app.note_activity(text, integer);
create or replace function app.touch() returns trigger language plpgsql as $$
begin
    new.updated_at := now();
    return new;
end
$$;
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
create or replace function app.export_chain(p_subject uuid) returns jsonb language sql stable security definer
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
create or replace function app.export_subject(p_subject uuid) returns jsonb language plpgsql volatile security definer
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

drop function app.part_of(jsonb, text[], uuid, uuid, boolean), app.parts(jsonb), app.names_others(text, uuid, uuid);
update app.subject_tables set found_by = 'user_id = $1 or user_id is null and exists (select from app.wallet_links w where w.user_id = $1 and w.tenant_id = r.tenant_id
        and w.chain_id = r.chain_id and w.wallet = r.sender)'
where table_name = 'submitted_transactions';
drop trigger refuse_half_erasure on app.erasures;
drop function app.refuse_half_erasure();
drop trigger refuse_delete on app.erasures;
delete from app.kept_guards where object in ('function app.refuse_half_erasure()', 'function app.note_activity(IN p_name text, IN p_batch integer)',
    'function app.names_others(p_text text, p_tenant uuid, p_subject uuid)', 'function app.parts(p_data jsonb)',
    'function app.part_of(p_data jsonb, p_names text[], p_tenant uuid, p_subject uuid, p_mine boolean)',
    'trigger refuse_delete on app.erasures', 'trigger refuse_half_erasure on app.erasures');
select app.keep_guards(array['function app.touch()', 'function app.refuse_change()', 'function app.export_chain(p_subject uuid)',
    'function app.export_subject(p_subject uuid)']);
