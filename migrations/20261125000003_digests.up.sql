-- Digests: one line of text that two installations compare instead of their rows.
--
-- A row is written as text in one way, whatever the server's version, locale, time zone or bytea_output: bytes in
-- hexadecimal, times in seconds, every value with its length before it, null as a dash. A digest is the SHA-256 of the
-- sorted SHA-256 of the rows, so the order in which a server finds them does not matter.

create function chain.row_text(p_table regclass) returns text
language sql stable parallel safe set search_path = pg_catalog, pg_temp as $$
    select string_agg(format('coalesce(length(%1$s)::text || '':'' || %1$s, ''-'')', case
            when coalesce(nullif(t.typbasetype, 0), t.oid) = 'bytea'::regtype
                then format('encode(t.%I::bytea, ''hex'')', a.attname)
            when t.oid = 'timestamptz'::regtype then format('extract(epoch from t.%I)::text', a.attname)
            else format('t.%I::text', a.attname)
        end), ' || ' order by a.attnum)
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = p_table and a.attnum > 0 and not a.attisdropped
$$;
comment on function chain.row_text is 'The SQL expression that writes a row t of a table as text, in one way on every server.';

create function api.digests(chain bigint, first_block bigint, last_block bigint, step bigint default 10000)
returns table (from_block bigint, to_block bigint, events bigint, digest text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if step < 1 or first_block < 0 or last_block < first_block then
        raise exception 'no blocks from % to % in steps of %', first_block, last_block, step
            using errcode = 'invalid_parameter_value';
    end if;
    return query execute format(
        'with hashed as materialized (
             select (t.block_number - $2) / $4 as slot, sha256(convert_to(%s, ''UTF8'')) as row_hash
             from chain.asset_events t where t.chain_id = $1 and t.block_number between $2 and $3
         ), slots as (
             select h.slot, count(*) as events, sha256(string_agg(h.row_hash, ''''::bytea order by h.row_hash)) as digest
             from hashed h group by h.slot
         )
         select $2 + s.slot * $4, least($2 + (s.slot + 1) * $4 - 1, $3), coalesce(d.events, 0),
             encode(coalesce(d.digest, sha256('''')), ''hex'')
         from generate_series(0::bigint, ($3 - $2) / $4) s(slot) left join slots d on d.slot = s.slot
         order by s.slot', chain.row_text('chain.asset_events'))
    using chain, first_block, last_block, step;
end
$$;
comment on function api.digests is 'Digests of asset_events by stretches of blocks: two installations that follow the same contracts have the same ones, and where they differ their ground does. Up to the finalized block they stay as they are.';

create function api.table_digest(chain bigint, table_name text)
returns table (row_count bigint, digest text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    place regclass := case when table_name ~ '^[a-z_]+$' then to_regclass('chain.' || table_name) end;
begin
    if place is null then
        raise exception 'schema chain has no table %', left(table_name, 80) using errcode = 'undefined_table';
    end if;
    return query execute format(
        'with hashed as materialized (
             select sha256(convert_to(%s, ''UTF8'')) as row_hash from %s t where t.chain_id = $1
         ), parts as (
             -- In parts, because an aggregate holds at most a gigabyte.
             select get_byte(h.row_hash, 0) as part, count(*) as row_count,
                 sha256(string_agg(h.row_hash, ''''::bytea order by h.row_hash)) as digest
             from hashed h group by 1
         )
         select coalesce(sum(p.row_count), 0)::bigint,
             encode(sha256(coalesce(string_agg(p.digest, ''''::bytea order by p.part), '''')), ''hex'')
         from parts p', chain.row_text(place), place)
    using chain;
end
$$;
comment on function api.table_digest is 'The digest of all rows of a table of schema chain: equal for two installations that follow the same contracts and stand at the same checkpoint.';

revoke all on function chain.row_text(regclass), api.digests(bigint, bigint, bigint, bigint),
    api.table_digest(bigint, text) from public;
grant execute on function chain.row_text(regclass), api.digests(bigint, bigint, bigint, bigint),
    api.table_digest(bigint, text) to asset_indexer_reader, asset_indexer_writer;
-- An installation's digests begin with whose they are; and ground beside asset_events is theirs too.
grant select on chain.configured_contracts, chain.observations, chain.transaction_inputs to asset_indexer_reader;
