-- Figures that say what they know: no zeros for days that are not made yet, no share where balances do not add up to shares,
-- one rule for wallets that are overdrawn, and a series from the beginning that ends.
set local lock_timeout = '500ms';

-- A reader may not read requests, and needs no more of them than this.
create function chain.days_wait(p_chain_id bigint) returns boolean
language sql stable parallel safe security definer set search_path = pg_catalog, pg_temp as $$
    select exists (
        select from ops.requests r
        where r.chain_id = p_chain_id and r.status <> 'done' and r.request ->> 'kind' = 'upgrade'
            and not exists (
                select from ops.requests d
                where d.chain_id = r.chain_id and d.status = 'done' and d.request ->> 'kind' in ('upgrade', 'rebuild')
                    and d.started_at >= r.submitted_at))
$$;
comment on function chain.days_wait is 'Whether tables that a migration made wait to be filled from ground, or could not be: what they do not say yet is not known.';
revoke execute on function chain.days_wait(bigint) from public;
grant execute on function chain.days_wait(bigint) to asset_indexer_reader, asset_indexer_writer;

-- The application's views may have widened the chain's, which then is called otherwise.
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
cross join lateral (
    select coalesce(sum(h.balance), 0) as balance from chain.asset_holders h
    where h.chain_id = a.chain_id and h.asset_id = a.id and h.wallet_frozen) locked
left join lateral (
    select h.balance from chain.asset_holders h
    where h.chain_id = a.chain_id and h.asset_id = a.id and h.balance <> 0
    order by h.balance desc limit 1) largest on true
cross join lateral (values
    ('total_supply', a.total_supply), ('holders', a.holder_count::numeric), ('frozen', a.frozen),
    ('in_frozen_wallets', locked.balance),
    ('concentration', case when not a.negative_balance and a.complete_from is null then chain.concentration(a.squares, a.total_supply) end),
    ('largest_share', case when not a.negative_balance and a.complete_from is null and a.total_supply > 0 then round(largest.balance * 100 / a.total_supply, 8) end)
) m (metric_type, value)$view$, place);
    execute format('comment on view %s is %L', place,
        'Figures of an asset as of the checkpoint, exact; none is counted from all its holders. holders: wallets with a balance other than zero, overdrawn ones too. concentration and largest_share are null where balances do not add up to shares: a wallet was overdrawn once, or the register begins later on purpose.');
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
        'frozen_base', y.frozen::text, 'concentration', case when not a.negative_balance and a.complete_from is null then chain.concentration(y.squares, y.total_supply) end),
    y.day, 'day'
from chain.asset_days y
left join chain.assets a on a.chain_id = y.chain_id and a.id = y.asset_id;
comment on view api.asset_analytics is 'What happened to an asset each day (UTC), and its figures at the day''s end; a day without events has no row: api.daily_series fills them. Ask for one asset.';
comment on column api.asset_analytics.analytics_type is 'transactions: how many, and what they moved. day: what was minted, burned and moved, and the figures at the day''s end.';
comment on column api.asset_analytics.data is 'transactions: transactions, transfers, volume_base (all units moved), by_operation: counts. day: transfers, minted_base, burned_base, volume_base (units moved between wallets), total_supply_base, holders, frozen_base, concentration (null where there is no supply, a wallet was overdrawn once, or the register begins later on purpose). Base units are text.';

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
select ops.describe_views();

-- Where schema app is there, its guards know what has its owner's rights.
do $$
begin
    if to_regprocedure('app.keep_guards(text[])') is not null then
        perform app.keep_guards(array['function chain.days_wait(p_chain_id bigint)']);
    end if;
end
$$;
