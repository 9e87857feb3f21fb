-- The trails are sealed in a chain: each seal is the digest of the rows since the one before and of that one's digest. Who
-- may alter tables can still change a row, and then its seal does not hold any more; whoever makes all seals anew must make
-- those anew that the daemon's log has told.

create table app.audit_seals (
    id bigint generated always as identity primary key,
    table_name text not null check (table_name in ('audit_trail', 'system_changes')),
    first_row bigint not null,
    last_row bigint not null check (last_row >= first_row),
    row_count bigint not null,
    previous text not null,
    digest text not null check (digest ~ '^[0-9a-f]{64}$'),
    sealed_at timestamptz not null default clock_timestamp(),
    unique (table_name, first_row)
);
comment on table app.audit_seals is 'Seals of the trails, a chain for each.';
comment on column app.audit_seals.id is 'Order of sealing.';
comment on column app.audit_seals.table_name is 'audit_trail or system_changes.';
comment on column app.audit_seals.first_row is 'The first id it covers.';
comment on column app.audit_seals.last_row is 'The last id it covers.';
comment on column app.audit_seals.row_count is 'How many rows there were: ids have gaps.';
comment on column app.audit_seals.previous is 'Digest of the seal before; empty for the first.';
comment on column app.audit_seals.digest is 'SHA-256, in hex, of previous and the rows in their order.';
comment on column app.audit_seals.sealed_at is 'When.';

create function app.trail_digest(p_table text, p_first bigint, p_last bigint, p_previous text)
returns table (row_count bigint, digest text) language plpgsql stable security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO' as $$
begin
    if p_table = 'audit_trail' then
        return query
        select count(*), encode(sha256(convert_to(p_previous || coalesce(string_agg(jsonb_build_array(t.id, t.tenant_id,
            t.entity_type, t.entity_id, t.action, t.old_state, t.new_state, t.timestamp, t.actor, t.login, t.correlation_id,
            t.transaction_id)::text, chr(10) order by t.id), ''), 'UTF8')), 'hex')
        from app.audit_trail t where t.id between p_first and p_last;
    else
        return query
        select count(*), encode(sha256(convert_to(p_previous || coalesce(string_agg(jsonb_build_array(c.id, c.table_name,
            c.record_id, c.change_type, c.old_values, c.new_values, c.changed_at, c.changed_by, c.login,
            c.correlation_id)::text, chr(10) order by c.id), ''), 'UTF8')), 'hex')
        from app.system_changes c where c.id between p_first and p_last;
    end if;
end
$$;
comment on function app.trail_digest is 'What a seal over these rows would say.';

create function app.trail_end(p_table text) returns bigint language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set lock_timeout = '500ms' as $$
declare
    last_row bigint;
begin
    if p_table not in ('audit_trail', 'system_changes') then
        raise exception 'there is no trail %', p_table;
    end if;
    -- Ids are drawn before they are committed: once nobody writes, every id below the last one is there or never will be.
    execute format('lock table app.%I in share mode', p_table);
    execute format('select max(id) from app.%I', p_table) into last_row;
    return last_row;
end
$$;
comment on function app.trail_end is 'The last id up to which a trail is whole. Waits for writers under way, half a second at most; call it in a transaction of its own.';

create function app.seal_trail(p_table text, p_last bigint) returns bigint language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp as $$
declare
    rows_at_once constant bigint := 50000;
    before app.audit_seals;
    first_new bigint;
    last_new bigint;
    seals bigint := 0;
begin
    perform pg_advisory_xact_lock(hashtext('asset_indexer seals'));
    loop
        select * into before from app.audit_seals s where s.table_name = p_table order by s.id desc limit 1;
        first_new := coalesce(before.last_row, 0) + 1;
        exit when p_last is null or p_last < first_new;
        last_new := least(p_last, first_new + rows_at_once - 1);
        insert into app.audit_seals (table_name, first_row, last_row, row_count, previous, digest)
        select p_table, first_new, last_new, d.row_count, coalesce(before.digest, ''), d.digest
        from app.trail_digest(p_table, first_new, last_new, coalesce(before.digest, '')) d;
        seals := seals + 1;
    end loop;
    return seals;
end
$$;
comment on function app.seal_trail is 'Seals a trail up to a row (app.trail_end); returns how many seals that took. The daemon calls it, a job may too.';

create function app.newest_seal(p_table text) returns text language sql stable security definer
set search_path = pg_catalog, pg_temp as $$
    select s.digest from app.audit_seals s where s.table_name = p_table order by s.id desc limit 1
$$;
comment on function app.newest_seal is 'Digest of a trail''s newest seal: kept elsewhere, it shows whether all were made anew.';

create function app.sealed_rows() returns bigint language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select coalesce(sum(s.row_count), 0)::bigint from app.audit_seals s
$$;
comment on function app.sealed_rows is 'How many rows of the trails are sealed.';

create function app.broken_seals() returns table (seal_id bigint, table_name text, first_row bigint, last_row bigint, reason text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select s.id, s.table_name, s.first_row, s.last_row,
        case
            when d.row_count <> s.row_count then s.row_count || ' rows were sealed, ' || d.row_count || ' are there'
            when d.digest <> s.digest then 'a row is not what was sealed'
            else 'the seal before is not the one that was there'
        end
    from app.audit_seals s
    left join lateral (
        select p.digest, p.last_row from app.audit_seals p where p.table_name = s.table_name and p.id < s.id
        order by p.id desc limit 1) p on true
    cross join lateral app.trail_digest(s.table_name, s.first_row, s.last_row, s.previous) d
    where d.row_count <> s.row_count or d.digest <> s.digest
        or s.previous <> coalesce(p.digest, '') or s.first_row <> coalesce(p.last_row, 0) + 1
    order by s.id
$$;
comment on function app.broken_seals is 'Seals that do not hold: a row was changed, taken out or put in, or a seal was. Reads the whole trails.';

insert into app.table_guards (table_name, kind, append_only, audited_in) values ('audit_seals', 'platform', true, null);
select app.guard_tables();
insert into ops.table_classes (table_name, class) values ('app.audit_seals', 'application');
revoke execute on function app.trail_digest(text, bigint, bigint, text), app.trail_end(text), app.seal_trail(text, bigint),
    app.newest_seal(text), app.sealed_rows(), app.broken_seals() from public;
grant execute on function app.trail_end(text), app.seal_trail(text, bigint), app.newest_seal(text) to asset_indexer_writer;
grant execute on function app.sealed_rows(), app.broken_seals() to asset_indexer_writer, asset_indexer_auditor;
grant select on app.audit_seals to asset_indexer_auditor;
