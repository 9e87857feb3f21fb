set local lock_timeout = '500ms';
do $$
declare
    place constant regclass := coalesce(to_regclass('api.chain_asset_metrics'), to_regclass('api.asset_metrics'));
begin
    execute format($view$
create or replace view %s with (security_invoker = true) as
select a.chain_id, a.id as asset_id, m.metric_type, m.value, k.block_timestamp as calculated_at, 'now' as period,
    k.block_number as as_of_block
from chain.assets a
join chain.checkpoints k on k.chain_id = a.chain_id
-- Who spent what no log gave is no holder, and has no share.
cross join lateral (
    select count(*) as wallets, coalesce(sum(h.balance * h.balance), 0) as squares from chain.asset_holders h
    where h.chain_id = a.chain_id and h.asset_id = a.id and h.balance <> 0 and h.balance < 0) overdrawn
cross join lateral (
    select coalesce(sum(h.balance), 0) as balance from chain.asset_holders h
    where h.chain_id = a.chain_id and h.asset_id = a.id and h.wallet_frozen) locked
left join lateral (
    select h.balance from chain.asset_holders h
    where h.chain_id = a.chain_id and h.asset_id = a.id and h.balance <> 0
    order by h.balance desc limit 1) largest on true
cross join lateral (values
    ('total_supply', a.total_supply), ('holders', (a.holder_count - overdrawn.wallets)::numeric), ('frozen', a.frozen),
    ('in_frozen_wallets', locked.balance),
    ('concentration', chain.concentration(a.squares - overdrawn.squares, a.total_supply)),
    ('largest_share', case when a.total_supply > 0 then round(largest.balance * 100 / a.total_supply, 8) end)
) m (metric_type, value)$view$, place);
    execute format('comment on view %s is %L', place,
        'Figures of an asset as of the checkpoint, exact; none is counted from all its holders.');
end
$$;

create or replace view api.asset_analytics with (security_invoker = true) as
select d.chain_id, d.asset_id, 'transactions' as analytics_type,
    jsonb_build_object('transactions', sum(d.transactions), 'transfers', sum(d.transfers),
        'volume_base', sum(d.volume)::text, 'by_operation', jsonb_object_agg(d.operation_type, d.transactions)) as data,
    d.day as timestamp, 'day' as aggregation_period
from (
    select t.chain_id, t.asset_id, date_trunc('day', t.block_timestamp, 'UTC') as day, t.operation_type,
        count(*) as transactions, sum(t.transfer_count) as transfers, sum(t.amount) as volume
    from chain.asset_transactions t
    group by 1, 2, 3, 4
) d
group by d.chain_id, d.asset_id, d.day
union all
select y.chain_id, y.asset_id, 'day',
    jsonb_build_object('transfers', y.transfers, 'minted_base', y.minted::text, 'burned_base', y.burned::text,
        'volume_base', y.volume::text, 'total_supply_base', y.total_supply::text, 'holders', y.holder_count,
        'frozen_base', y.frozen::text, 'concentration', chain.concentration(y.squares, y.total_supply)),
    y.day, 'day'
from chain.asset_days y;
comment on view api.asset_analytics is 'What happened to an asset each day (UTC), and its figures at the day''s end; a day without events has no row: api.daily_series fills them. Ask for one asset.';
comment on column api.asset_analytics.analytics_type is 'transactions: how many, and what they moved. day: what was minted, burned and moved, and the figures at the day''s end.';
comment on column api.asset_analytics.data is 'transactions: transactions, transfers, volume_base (all units moved), by_operation: counts. day: transfers, minted_base, burned_base, volume_base (units moved between wallets), total_supply_base, holders, frozen_base, concentration (null where there is no supply). Base units are text.';

create or replace function api.daily_series(asset uuid, from_day date, to_day date)
returns table (day date, transfers bigint, minted numeric, minted_base numeric, burned numeric, burned_base numeric,
    volume numeric, volume_base numeric, total_supply numeric, total_supply_base numeric, holders bigint, frozen numeric,
    frozen_base numeric, concentration numeric, since_block bigint, finality text)
language sql stable parallel safe rows 366
begin atomic
    select s.day::date, f.transfers, api.units(f.minted, a.decimals), f.minted, api.units(f.burned, a.decimals), f.burned,
        api.units(f.volume, a.decimals), f.volume, api.units(n.total_supply, a.decimals), n.total_supply, n.holder_count,
        api.units(n.frozen, a.decimals), n.frozen, chain.concentration(n.squares, n.total_supply), n.updated_block,
        chain.finality(n.updated_block, k.finalized_number)
    from chain.assets a
    join chain.checkpoints k on k.chain_id = a.chain_id
    cross join lateral generate_series(from_day::timestamp,
        least(to_day::timestamp, date_trunc('day', k.block_timestamp at time zone 'UTC')), interval '1 day') s (day)
    -- The day itself, or the newest before it: figures stand until something changes them.
    left join lateral (
        select y.* from chain.asset_days y
        where y.chain_id = a.chain_id and y.asset_id = a.id and y.day <= s.day at time zone 'UTC'
        order by y.day desc limit 1) last on true
    cross join lateral (
        select case when y.is_it then last.transfers else 0 end as transfers,
            case when y.is_it then last.minted else 0 end as minted, case when y.is_it then last.burned else 0 end as burned,
            case when y.is_it then last.volume else 0 end as volume
        from (values (last.day is not null and last.day = s.day at time zone 'UTC')) y (is_it)) f
    -- Before its first log an asset has nothing; of one that is read from later on it is not known.
    cross join lateral (
        select coalesce(last.total_supply, z.nothing) as total_supply,
            coalesce(last.holder_count, z.nothing::bigint) as holder_count, coalesce(last.frozen, z.nothing) as frozen,
            coalesce(last.squares, z.nothing) as squares, last.updated_block
        from (values (case when a.complete_from is null then 0::numeric end)) z (nothing)) n
    where a.id = asset
    order by s.day;
end;
comment on function api.daily_series is
'What happened to an asset on each day (UTC) from one to another, days without events included, and its figures at each day''s end, carried on from the last day that changed them, also from before the first one asked for. Ends with the day of the checkpoint, which is not over. Null where the register begins later on purpose and nothing is known yet.';
select ops.describe_views();
drop function chain.days_wait(bigint);
do $$
begin
    if to_regprocedure('app.keep_guards(text[])') is not null then
        perform app.keep_guards(array['function chain.days_wait(p_chain_id bigint)']);
    end if;
end
$$;
