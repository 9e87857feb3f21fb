set local lock_timeout = '500ms';
create function chain.facts_reach_of(p_asset uuid) returns boolean
language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
    return chain.facts_reach((select a.chain_id from chain.assets a where a.id = p_asset));
end
$$;
comment on function chain.facts_reach_of is 'chain.facts_reach for all of an asset''s past.';
revoke execute on function chain.facts_reach_of(uuid) from public;
grant execute on function chain.facts_reach_of(uuid) to asset_indexer_reader, asset_indexer_writer;
create or replace function api.digests(chain bigint, first_block bigint, last_block bigint, step bigint default 10000)
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
create or replace function api.table_digest(chain bigint, table_name text)
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
create or replace function api.issuance(asset uuid, block bigint, period text default 'month', zone text default 'UTC')
returns table (period_start timestamptz, mints bigint, minted numeric, minted_base numeric, burns bigint, burned numeric,
    burned_base numeric, net_base numeric, supply numeric, supply_base numeric, block_number bigint, block_hash text)
language sql stable rows 100
begin atomic
    with supply as (select chain.supply_at(asset, block) as base offset 0),
    periods as (
        select date_trunc(period, o.executed_at, zone) as start,
            count(*) filter (where o.operation_type = 'mint') as mints,
            coalesce(sum(o.amount) filter (where o.operation_type = 'mint'), 0) as minted,
            count(*) filter (where o.operation_type = 'burn') as burns,
            coalesce(sum(o.amount) filter (where o.operation_type = 'burn'), 0) as burned,
            coalesce(sum(case when o.operation_type = 'burn' then - o.amount
                when o.to_address = chain.zero_address() then 0 else o.amount end), 0) as net
        from chain.assets a
        join chain.asset_operations o on o.chain_id = a.chain_id and o.asset_id = a.id
            and o.operation_type in ('mint', 'burn') and o.block_number <= block
        where a.id = asset
        group by 1
    )
    select p.start, p.mints, api.units(p.minted, a.decimals), p.minted, p.burns, api.units(p.burned, a.decimals),
        p.burned, p.net, api.units(t.base, a.decimals), t.base, b.block_number, api.hex(b.block_hash)
    from chain.assets a
    cross join lateral chain.known_block(a.chain_id, block) b
    cross join (
        select x.*, s.base - coalesce(sum(x.net) over (order by x.start desc
            rows between unbounded preceding and 1 preceding), 0) as base
        from periods x cross join supply s) t
    join periods p on p.start = t.start
    where a.id = asset and chain.facts_reach_of(asset)
    order by p.start;
end;
create or replace function api.regulatory_summary(asset uuid, block bigint, first_day date default null, last_day date default null,
    zone text default 'UTC')
returns table (section text, item text, holders bigint, amount numeric, amount_base numeric, percentage numeric,
    block_number bigint, block_hash text)
language sql stable rows 50 set work_mem = '256MB'
begin atomic
    with held as materialized (
        select c.holder, c.identity, c.country, c.verdict, c.wallet_frozen, c.balance, c.frozen
        from (
            select o.* from chain.compliance_one_by_one(asset, block) o where not chain.has_many_holders(asset)
            union all
            select m.* from chain.compliance_at_once(asset, block) m where chain.has_many_holders(asset)
        ) c
        -- No row for a block above the checkpoint.
        where exists (select from chain.assets a join chain.checkpoints k on k.chain_id = a.chain_id
            where a.id = asset and block <= k.block_number)
    ), supply as (select chain.supply_at(asset, block) as base offset 0),
    kinds as materialized (
        select h.country, h.verdict, h.wallet_frozen, count(*) as wallets, sum(h.balance) as balance,
            count(*) filter (where h.frozen <> 0) as parts, coalesce(sum(h.frozen), 0) as frozen
        from held h group by h.country, h.verdict, h.wallet_frozen
    ), investors as materialized (
        select sum(h.balance) as balance from held h group by coalesce(h.identity, h.holder)
    ), lines (n, section, item, holders, base) as (
        select 1, 'register', 'supply', null::bigint, s.base from supply s
        union all
        select 2, 'register', 'wallets', coalesce(sum(k.wallets), 0)::bigint, coalesce(sum(k.balance), 0) from kinds k
        union all
        select 3, 'register', 'investors', (select count(*) from investors), coalesce(sum(k.balance), 0) from kinds k
        union all
        select 4, 'frozen', 'wallets', coalesce(sum(k.wallets), 0)::bigint, coalesce(sum(k.balance), 0) from kinds k where k.wallet_frozen
        union all
        select 5, 'frozen', 'parts', coalesce(sum(k.parts), 0)::bigint, coalesce(sum(k.frozen), 0) from kinds k
        union all
        select 6, 'verdict', k.verdict, sum(k.wallets)::bigint, sum(k.balance) from kinds k group by k.verdict
        union all
        select 7, 'country', coalesce(lpad(k.country::text, 3, '0'), 'not known'), sum(k.wallets)::bigint, sum(k.balance)
        from kinds k group by k.country
        union all
        select 8, 'largest', 'top ' || t.top, count(l.balance), coalesce(sum(l.balance), 0)
        from unnest('{1,10}'::integer[]) t (top)
        left join lateral (
            select i.balance from investors i where i.balance > 0 order by i.balance desc limit t.top) l on true
        group by t.top
        union all
        select 9, 'issuance', case o.operation_type when 'mint' then 'minted' else 'burned' end, count(*), sum(o.amount)
        from chain.assets a
        join chain.asset_operations o on o.chain_id = a.chain_id and o.asset_id = a.id
            and o.operation_type in ('mint', 'burn') and o.block_number <= block
            and (first_day is null or o.executed_at >= first_day::timestamp at time zone zone)
            and (last_day is null or o.executed_at < (last_day + 1)::timestamp at time zone zone)
        where a.id = asset
        group by o.operation_type
    )
    select l.section, l.item, l.holders, api.units(l.base, a.decimals), l.base,
        case when s.base > 0 and l.n <= 8 then round(l.base * 100 / s.base, 8) end, b.block_number, api.hex(b.block_hash)
    from chain.assets a
    cross join lateral chain.known_block(a.chain_id, block) b
    cross join supply s
    cross join lines l
    where a.id = asset and chain.facts_reach_of(asset)
    order by l.n, l.item collate "C";
end;
drop function chain.facts_between(bigint, text, bigint, bigint), chain.facts_reach_since(uuid, timestamptz, boolean);
do $$
begin
    if to_regprocedure('app.keep_guards(text[])') is not null then
        perform app.keep_guards(array[
            'function chain.facts_between(p_chain_id bigint, p_table text, p_first bigint, p_last bigint)',
            'function chain.facts_reach_since(p_asset uuid, p_since timestamp with time zone, p_by_period boolean)']);
    end if;
end
$$;
