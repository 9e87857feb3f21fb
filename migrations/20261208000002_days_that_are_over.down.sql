-- Back: nothing is lost.
set local lock_timeout = '500ms';

create or replace function api.daily_series(asset uuid, from_day date, to_day date)
returns table (day date, transfers bigint, minted numeric, minted_base numeric, burned numeric, burned_base numeric,
    volume numeric, volume_base numeric, total_supply numeric, total_supply_base numeric, holders bigint, frozen numeric,
    frozen_base numeric, concentration numeric, since_block bigint, finality text)
language sql stable parallel safe rows 366
begin atomic
    select s.day::date, f.transfers, api.units(f.minted, a.decimals), f.minted, api.units(f.burned, a.decimals), f.burned,
        api.units(f.volume, a.decimals), f.volume, api.units(n.total_supply, a.decimals), n.total_supply, n.holder_count,
        api.units(n.frozen, a.decimals), n.frozen, case when not a.negative_balance and a.complete_from is null then chain.concentration(n.squares, n.total_supply) end,
        n.updated_block, chain.finality(n.updated_block, k.finalized_number)
    from chain.assets a
    join chain.checkpoints k on k.chain_id = a.chain_id
    cross join lateral (
        select date_trunc('day', a.created_at at time zone 'UTC') as first_day,
            chain.days_wait(a.chain_id) or chain.any_behind(a.chain_id, array[a.contract_address::bytea]) as wait,
            (select min(y.day) from chain.asset_days y where y.chain_id = a.chain_id and y.asset_id = a.id) as first_row
        offset 0) w
    -- From the beginning: from the asset's. No block is older than its clock.
    cross join lateral generate_series(
        case when from_day = '-infinity' then w.first_day else greatest(from_day, date '1970-01-01')::timestamp end,
        least(to_day::timestamp, date_trunc('day', k.block_timestamp at time zone 'UTC')), interval '1 day') s (day)
    -- The day itself, or the newest before it: figures stand until something changes them.
    left join lateral (
        select y.* from chain.asset_days y
        where y.chain_id = a.chain_id and y.asset_id = a.id and y.day <= s.day at time zone 'UTC'
        order by y.day desc limit 1) last on true
    -- Before its first log an asset has nothing, and from then on what its days say. Where they are not made yet, or it is read
    -- from later on, it is not known; and what happened on the first day that there is, only from some time on.
    cross join lateral (
        select case
            when last.day is null and (a.complete_from is not null or w.wait and s.day >= w.first_day) then null
            else 0::numeric end as figure,
            case
                when last.day is null and a.complete_from is not null or w.wait and s.day >= w.first_day
                    and (last.day is null or s.day at time zone 'UTC' <= w.first_row) then null
                else 0::numeric end as flow
        offset 0) z
    cross join lateral (
        select case when y.is_it then last.transfers + z.flow::bigint else z.flow::bigint end as transfers,
            case when y.is_it then last.minted + z.flow else z.flow end as minted,
            case when y.is_it then last.burned + z.flow else z.flow end as burned,
            case when y.is_it then last.volume + z.flow else z.flow end as volume
        from (values (last.day is not null and last.day = s.day at time zone 'UTC')) y (is_it)) f
    cross join lateral (
        select coalesce(last.total_supply, z.figure) as total_supply,
            coalesce(last.holder_count, z.figure::bigint) as holder_count, coalesce(last.frozen, z.figure) as frozen,
            coalesce(last.squares, z.figure) as squares, last.updated_block) n
    where a.id = asset
    order by s.day;
end;
comment on function api.daily_series is
'What happened to an asset on each day (UTC) from one to another, days without events included, and its figures at each day''s end, carried on from the last day that changed them, also from before the first one asked for; from -infinity: from the day of its first log. Ends with the day of the checkpoint, which is not over. 0 before its first log; null where the register begins later on purpose and nothing is known yet, and where days are not made yet (after an upgrade, while it is catching up). holders: wallets with a balance other than zero, overdrawn ones too; concentration: null where one was overdrawn once, or the register begins later on purpose.';

create or replace function api.holders_at_time(asset uuid, at timestamptz)
returns table (holder_address text, balance numeric, balance_base numeric, frozen numeric, frozen_base numeric,
    wallet_frozen boolean, percentage numeric, since_block bigint, since timestamptz, complete boolean,
    holder_bytes bytea, as_of_block bigint)
language sql stable parallel safe rows 1000
begin atomic
    select api.hex(p.holder), api.units(p.balance, a.decimals), p.balance, api.units(p.frozen, a.decimals), p.frozen,
        p.wallet_frozen, case when s.total_supply > 0 then round(p.balance * 100 / s.total_supply, 8) end,
        p.since_block, p.since,
        a.complete_from is null and c.through_block is null and at <= k.block_timestamp,
        p.holder, k.block_number
    from chain.assets a
    join chain.checkpoints k on k.chain_id = a.chain_id
    cross join lateral chain.supply_as_of(asset, null, at) s
    left join ops.coverage c on c.chain_id = a.chain_id and c.address = a.contract_address
    cross join lateral chain.positions_as_of(asset, null, at) p
    where a.id = asset and (p.balance <> 0 or p.frozen <> 0 or p.wallet_frozen);
end;
comment on function api.holders_at_time is
'api.holders_at by the clock: after the last block whose time is not later. Without verified, which is asked for a block. complete is false where the time lies after the checkpoint''s, where the contract is catching up, or of an asset that is indexed only from a later block on.';

drop function chain.final_time(bigint);

-- Where schema app is there, its guards know these as they were.
do $$
begin
    if to_regprocedure('app.keep_guards(text[])') is not null then
        perform app.keep_guards(array['function api.daily_series(asset uuid, from_day date, to_day date)',
            'function api.holders_at_time(asset uuid, at timestamp with time zone)',
            'function chain.final_time(p_chain_id bigint)']);
        delete from app.kept_rights where object = 'chain.final_time(p_chain_id bigint)';
    end if;
end
$$;
