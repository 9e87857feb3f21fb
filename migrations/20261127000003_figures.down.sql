set local lock_timeout = '500ms';
drop function api.daily_series(uuid, date, date);
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
group by d.chain_id, d.asset_id, d.day;
comment on view api.asset_analytics is 'What happened to an asset each day (UTC); a day without events has no row. Ask for one asset.';
comment on column api.asset_analytics.data is 'transactions, transfers, volume_base (base units, text), by_operation: counts.';
comment on column api.asset_analytics.analytics_type is 'transactions: how many, and what they moved.';
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
    select count(*) filter (where h.balance > 0) as holders, sum(h.frozen) as frozen,
        sum(h.balance) filter (where h.wallet_frozen) as in_frozen_wallets,
        sum(h.balance * h.balance) filter (where h.balance > 0) as squares, max(h.balance) as largest
    from chain.asset_holders h
    where h.chain_id = a.chain_id and h.asset_id = a.id and (h.balance <> 0 or h.frozen <> 0)) h
cross join lateral (values
    ('total_supply', a.total_supply), ('holders', h.holders::numeric), ('frozen', coalesce(h.frozen, 0)),
    ('in_frozen_wallets', coalesce(h.in_frozen_wallets, 0)),
    ('concentration', case when a.total_supply > 0 then round(h.squares / (a.total_supply * a.total_supply), 8) end),
    ('largest_share', case when a.total_supply > 0 then round(h.largest * 100 / a.total_supply, 8) end)
) m (metric_type, value)$view$, place);
    execute format('comment on view %s is %L', place,
        'Figures of an asset as of the checkpoint, exact; ask for one asset: each is counted from its holders.');
end
$$;
drop function chain.concentration(numeric, numeric);
drop index chain.asset_holders_frozen_wallets;
delete from ops.requests where status = 'waiting' and request = '{"kind": "upgrade"}';
delete from ops.undo where table_name = 'asset_days';
delete from ops.table_classes where table_name = 'chain.asset_days';
drop table chain.asset_days;
update ops.undo set before = before - 'frozen' - 'squares' where table_name = 'assets' and before is not null;
alter table chain.assets drop column frozen, drop column squares;
