set local lock_timeout = '500ms';
revoke insert (chain_id, kind, block_number, block_hash, finalized_number) on ops.commits from asset_indexer_writer;
grant insert on ops.commits to asset_indexer_writer;
drop trigger check_hold on ops.legal_holds;
drop function ops.check_hold();
comment on function api.archived_below is 'The first block above the facts that are in archives alone; null: none are. Supply, movements and times of blocks below it are not to be had until they are attached; balances are.';

create or replace function chain.known_block(p_chain_id bigint, p_block bigint)
returns table (block_number bigint, block_hash bytea)
language sql stable parallel safe rows 1
begin atomic
    select b.number, b.hash from (
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
    ) b (number, hash)
    order by b.number desc limit 1;
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
    from chain.assets a where a.id = p_asset
    offset 0;
end;

create or replace function chain.supply_at(p_asset uuid, p_block bigint) returns numeric
language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
    of_chain bigint;
    base record;
begin
    select a.chain_id into of_chain from chain.assets a where a.id = p_asset;
    select s.block_number, s.total_supply into base from chain.snapshot_below(p_asset, p_block) s;
    if not found then
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
    where a.id = asset
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

drop function chain.facts_reach_of(uuid), chain.facts_reach(bigint, bigint, timestamptz);
