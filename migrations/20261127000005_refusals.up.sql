-- Nothing is asked over archived facts: what would be answered without a part of them is refused by the database, whoever
-- asks. A hold names a table that there is, and the writer of the log of commits does not choose the time.
set local lock_timeout = '500ms';

-- Archived facts ----------------------------------------------------------------------------------------------------

-- Positions need no events, and so no right on what is archived; what needs them asks here.
create function chain.facts_reach(p_chain_id bigint, p_block bigint default null, p_at timestamptz default null) returns boolean
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO' as $$
declare
    top bigint;
    until_time timestamptz;
begin
    select max(p.to_block), max(coalesce(p.to_time, 'infinity')) into top, until_time
    from ops.archived_partitions p
    where p.chain_id = p_chain_id and p.attached_at is null and p.destroyed_at is null;
    -- From the end of the last block that is away on, everything is here.
    if top is null or p_block + 1 >= top or p_block is null and p_at >= until_time then
        return true;
    end if;
    raise exception 'facts of blocks below % of chain % are in archives alone, and this answer would lack them', top, p_chain_id
        using errcode = 'no_data_found',
            hint = format('ask about the end of block %s or later, or have them put back: asset-indexer maintain --attach DIR', top - 1);
end
$$;
comment on function chain.facts_reach is 'True where everything is in the tables that an answer about the end of a block, or about a time, needs; with neither, about all of the past. Else an error that says from which block on facts are there.';

create function chain.facts_reach_of(p_asset uuid) returns boolean
language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
    return chain.facts_reach((select a.chain_id from chain.assets a where a.id = p_asset));
end
$$;
comment on function chain.facts_reach_of is 'chain.facts_reach for all of an asset''s past.';
revoke execute on function chain.facts_reach(bigint, bigint, timestamptz), chain.facts_reach_of(uuid) from public;
grant execute on function chain.facts_reach(bigint, bigint, timestamptz), chain.facts_reach_of(uuid)
    to asset_indexer_reader, asset_indexer_writer;

create or replace function chain.known_block(p_chain_id bigint, p_block bigint)
returns table (block_number bigint, block_hash bytea)
language sql stable parallel safe rows 1
begin atomic
    -- What is found must lie where everything is here: below, something may have happened since that is in archives alone.
    select x.number, x.hash from (select b.number, b.hash from (
        (select e.block_number, e.block_hash::bytea from chain.asset_events e
        where e.chain_id = p_chain_id and e.block_number <= p_block
        order by e.block_number desc, e.log_index desc, e.part desc limit 1)
        union all
        select k.block_number, k.block_hash from chain.checkpoints k
        where k.chain_id = p_chain_id and k.block_number = p_block
        union all
        select k.finalized_number, k.finalized_hash from chain.checkpoints k
        where k.chain_id = p_chain_id and k.finalized_number = p_block and k.finalized_number <= k.block_number
        union all
        select k.origin_number, k.origin_hash from chain.checkpoints k
        where k.chain_id = p_chain_id and k.origin_number <= p_block
        union all
        (select v.to_block, v.block_hash from ops.evidence v where v.chain_id = p_chain_id and v.to_block = p_block limit 1)
        union all
        (select v.to_block, v.block_hash from ops.evidence v
        where v.chain_id = p_chain_id and v.to_block >= api.archived_below(p_chain_id) - 1 and v.to_block <= p_block
        order by v.to_block desc limit 1)
    ) b (number, hash)
    order by b.number desc limit 1) x
    where chain.facts_reach(p_chain_id, x.number);
end;

create or replace function chain.supply_as_of(p_asset uuid, p_block bigint, p_at timestamptz) returns table (total_supply numeric)
language sql stable parallel safe rows 1
begin atomic
    -- Back from today's supply: also right where indexing began late and the first supply was observed.
    select a.total_supply - coalesce((
            select sum(case o.operation_type
                when 'burn' then - o.amount
                when 'mint' then case
                    when o.to_address = chain.zero_address() then 0 else o.amount end
            end)
            from chain.asset_operations o
            where o.chain_id = a.chain_id and o.asset_id = p_asset and o.operation_type in ('mint', 'burn')
                and (p_block is null or o.block_number > p_block) and (p_at is null or o.executed_at > p_at)
        ), 0)
    from chain.assets a where a.id = p_asset and chain.facts_reach(a.chain_id, p_block, p_at)
    offset 0;
end;

create or replace function chain.supply_at(p_asset uuid, p_block bigint) returns numeric
language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
    of_chain bigint;
    base record;
begin
    select a.chain_id into of_chain from chain.assets a where a.id = p_asset;
    perform chain.facts_reach(of_chain, p_block);
    select s.block_number, s.total_supply into base from chain.snapshot_below(p_asset, p_block) s;
    -- Of a snapshot among archived facts not all changes since are here: back from today's supply then.
    if not found or base.block_number + 1 < api.archived_below(of_chain) then
        return (select s.total_supply from chain.supply_as_of(p_asset, p_block, null) s);
    end if;
    return base.total_supply + coalesce((
        select sum(case when o.operation_type = 'burn' then - o.amount
            when o.to_address = chain.zero_address() then 0 else o.amount end)
        from chain.asset_operations o
        where o.chain_id = of_chain and o.asset_id = p_asset and o.operation_type in ('mint', 'burn')
            and o.block_number > base.block_number and o.block_number <= p_block), 0);
end
$$;

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

create or replace function ops.take_snapshot(p_chain_id bigint, p_least bigint default 50000)
returns table (asset_id uuid, block_number bigint, positions bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    chosen record;
    below bigint;
    until_block bigint;
    snapshot bigint;
    counted bigint;
begin
    -- A rebuild holds the other end of this lock until its new tables are there: what is read below is then not what
    -- will be.
    if not pg_try_advisory_xact_lock_shared(hashtextextended('asset_indexer snapshots', p_chain_id)) then
        return;
    end if;
    perform ops.count_growth(p_chain_id);
    -- Half as many changes as holders: a reader adds no more than that to a snapshot.
    select g.asset_id, g.through_block, greatest(p_least, a.holder_count / 2) as spacing into chosen
    from ops.register_growth g join chain.assets a on a.chain_id = g.chain_id and a.id = g.asset_id
    where g.chain_id = p_chain_id and g.changes >= greatest(p_least, a.holder_count / 2)
    order by g.changes desc limit 1;
    if not found then
        return;
    end if;
    select coalesce(max(s.block_number), -1) into below
    from ops.register_snapshots s where s.chain_id = p_chain_id and s.asset_id = chosen.asset_id;
    select h.block_number into until_block
    from chain.ownership_history h
    where h.chain_id = p_chain_id and h.asset_id = chosen.asset_id and h.block_number > below
        and h.block_number <= chosen.through_block
    order by h.block_number offset chosen.spacing - 1 limit 1;
    if until_block is null then
        return;
    end if;
    perform chain.facts_reach(p_chain_id, until_block);
    select count(*) into counted
    from chain.ownership_history h
    where h.chain_id = p_chain_id and h.asset_id = chosen.asset_id and h.block_number > below
        and h.block_number <= until_block;
    snapshot := nextval(pg_get_serial_sequence('ops.register_snapshots', 'id'));
    insert into ops.register_positions (snapshot_id, holder, balance, frozen, wallet_frozen)
    select snapshot, p.holder, p.balance, p.frozen, p.wallet_frozen
    from chain.positions_at(chosen.asset_id, until_block) p
    where p.balance <> 0 or p.frozen <> 0 or p.wallet_frozen
    order by p.holder;
    get diagnostics positions = row_count;
    insert into ops.register_snapshots (id, chain_id, asset_id, block_number, total_supply, positions, changes)
    overriding system value
    values (snapshot, p_chain_id, chosen.asset_id, until_block, chain.supply_at(chosen.asset_id, until_block), positions,
        counted);
    update ops.register_growth g set changes = g.changes - counted
    where g.chain_id = p_chain_id and g.asset_id = chosen.asset_id;
    asset_id := chosen.asset_id;
    block_number := until_block;
    return next;
end
$$;

comment on function api.archived_below is 'The first block above the facts that are in archives alone; null: none are. Supply, movements and times of blocks below it are refused until they are attached; balances are not (api.balance_at).';

-- Holds -------------------------------------------------------------------------------------------------------------

-- A hold on a name that nothing has keeps nothing, and nobody would notice.
create function ops.check_hold() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (select from ops.table_classes k where k.table_name = new.table_name and to_regclass(k.table_name) is not null) then
        raise exception 'there is no table % that a hold could stand on', new.table_name
            using errcode = 'undefined_table', hint = 'the tables are: ' || (
                select string_agg(k.table_name, ', ' order by k.table_name) from ops.table_classes k
                where to_regclass(k.table_name) is not null);
    end if;
    return new;
end
$$;
comment on function ops.check_hold is 'A hold names a table that there is, whole: not a partition.';
create trigger check_hold before insert on ops.legal_holds for each row when (new.table_name is not null)
    execute function ops.check_hold();
revoke all on function ops.check_hold() from public;

-- The log of commits ------------------------------------------------------------------------------------------------

-- When a block was shown is the database's word: the writer gives no time.
revoke insert on ops.commits from asset_indexer_writer;
grant insert (chain_id, kind, block_number, block_hash, finalized_number) on ops.commits to asset_indexer_writer;
