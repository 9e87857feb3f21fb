-- Figures of assets that need no counting: sums of frozen parts and of squared balances beside the supply, and a row for
-- each day on which something happened. They are folded with everything else.
--
-- In a database that is filled already the two sums are made here, exactly, from the register; in the undo journal too, so
-- that a reorg finds them. The days are not: the daemon is asked to derive its tables anew (request `upgrade`, a rebuild, which it
-- does before anything else at its next start, or once contracts that are catching up have done so), because what a day needs is told by events alone, and a day that is missing
-- is better than one that is guessed. A rebuild reads ground; where parts of it are archived it is refused, names them, and
-- has to be asked for again once they are attached.
set local lock_timeout = '500ms';
-- Readers go on; the sums are made before anybody is kept out.
lock table chain.assets, chain.asset_holders, ops.undo in share row exclusive mode;
create temporary table sums on commit drop as
select h.chain_id, h.asset_id, sum(h.frozen) as frozen, sum(h.balance * h.balance) as squares
from chain.asset_holders h group by 1, 2;
-- By how much each block above finality moved them.
create temporary table moved on commit drop as
select n.chain_id, n.asset_id, n.block_number, sum(n.frozen - coalesce(p.frozen, 0)) as frozen,
    sum(n.balance * n.balance - coalesce(p.balance * p.balance, 0)) as squares
from chain.checkpoints k
join chain.ownership_history n on n.chain_id = k.chain_id and n.block_number > k.finalized_number
left join lateral (
    select b.balance, b.frozen from chain.ownership_history b
    where b.chain_id = n.chain_id and b.asset_id = n.asset_id and b.holder = n.holder
        and (b.block_number, b.log_index) < (n.block_number, n.log_index)
    order by b.block_number desc, b.log_index desc limit 1) p on true
group by 1, 2, 3;
update ops.undo u set before = u.before || jsonb_build_object(
    'frozen', coalesce(s.frozen, 0) - coalesce(m.frozen, 0), 'squares', coalesce(s.squares, 0) - coalesce(m.squares, 0))
from ops.undo image
left join sums s on s.chain_id = image.chain_id and s.asset_id = (image.before ->> 'id')::uuid
left join lateral (
    select sum(x.frozen) as frozen, sum(x.squares) as squares from moved x
    where x.chain_id = image.chain_id and x.asset_id = (image.before ->> 'id')::uuid
        and x.block_number >= image.block_number) m on true
where image.table_name = 'assets' and image.before is not null
    and (u.chain_id, u.table_name, u.key, u.block_number)
        = (image.chain_id, image.table_name, image.key, image.block_number);

alter table chain.assets add column frozen numeric, add column squares numeric;
update chain.assets a set frozen = coalesce(s.frozen, 0), squares = coalesce(s.squares, 0)
from chain.assets x left join sums s on s.chain_id = x.chain_id and s.asset_id = x.id
where a.chain_id = x.chain_id and a.id = x.id;
alter table chain.assets alter column frozen set not null, alter column squares set not null;
comment on column chain.assets.frozen is 'Sum of the frozen parts of all holders'' balances, in base units.';
comment on column chain.assets.squares is 'Sum of the squared balances of all holders, in base units squared: divided by the squared supply it is the concentration.';
drop table sums, moved;

create table chain.asset_days (
    chain_id bigint not null,
    asset_id uuid not null,
    day timestamptz not null,
    transfers bigint not null,
    minted numeric not null,
    burned numeric not null,
    volume numeric not null,
    total_supply numeric not null,
    holder_count bigint not null,
    frozen numeric not null,
    squares numeric not null,
    updated_block bigint not null,
    primary key (chain_id, asset_id, day)
) with (fillfactor = 80);
comment on table chain.asset_days is 'One row for each day (UTC) on which units of an asset moved or were frozen: what happened, and the asset''s figures after it.';
comment on column chain.asset_days.chain_id is 'The chain.';
comment on column chain.asset_days.asset_id is 'The asset.';
comment on column chain.asset_days.day is 'The day''s first instant, UTC, by the block''s time.';
comment on column chain.asset_days.transfers is 'Transfer logs of the day, mints and burns among them, also those of nothing.';
comment on column chain.asset_days.minted is 'Units that came from the zero address.';
comment on column chain.asset_days.burned is 'Units that went to the zero address.';
comment on column chain.asset_days.volume is 'Units that moved between wallets.';
comment on column chain.asset_days.total_supply is 'Supply after the day''s last log that counts here, in base units.';
comment on column chain.asset_days.holder_count is 'Wallets with a balance other than zero after that log.';
comment on column chain.asset_days.frozen is 'Sum of the frozen parts of balances after that log, in base units.';
comment on column chain.asset_days.squares is 'Sum of the squared balances of all holders after that log, in base units squared.';
comment on column chain.asset_days.updated_block is 'Block of that log.';
insert into ops.table_classes (table_name, class) values ('chain.asset_days', 'state');
grant select, insert, update, delete on chain.asset_days to asset_indexer_writer;
grant select on chain.asset_days to asset_indexer_reader;

insert into ops.requests (id, chain_id, request)
select gen_random_uuid(), k.chain_id, '{"kind": "upgrade"}' from chain.checkpoints k
where exists (select from chain.assets a where a.chain_id = k.chain_id)
    and not exists (select from ops.requests r where r.chain_id = k.chain_id and r.status = 'waiting' and r.request ->> 'kind' = 'upgrade');

-- What frozen wallets hold is told from those wallets.
create index asset_holders_frozen_wallets on chain.asset_holders (asset_id) where wallet_frozen;

create function chain.concentration(p_squares numeric, p_supply numeric) returns numeric
language sql immutable parallel safe
return case when p_supply > 0 then round(p_squares / (p_supply * p_supply), 8) end;
comment on function chain.concentration is 'Sum of squared shares, 1 where one wallet has all; null where there is no supply.';
grant execute on function chain.concentration(numeric, numeric) to asset_indexer_reader, asset_indexer_writer;

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

create function api.daily_series(asset uuid, from_day date, to_day date)
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
grant execute on function api.daily_series(uuid, date, date) to asset_indexer_reader, asset_indexer_writer;
select ops.describe_views();
