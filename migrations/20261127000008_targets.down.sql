set local lock_timeout = '500ms';
create or replace function api.regulatory_summary(asset uuid, block bigint, first_day date default null, last_day date default null,
    zone text default 'UTC')
returns table (section text, item text, holders bigint, amount numeric, amount_base numeric, percentage numeric,
    block_number bigint, block_hash text)
language sql stable rows 50
begin atomic
    with held as materialized (
        select h.country, h.verdict, h.identity, h.balance_base, h.frozen_base, h.wallet_frozen, h.holder_address
        from api.holder_compliance(asset, block) h
    ), supply as (select chain.supply_at(asset, block) as base offset 0),
    lines (n, section, item, holders, base) as (
        select 1, 'register', 'supply', null::bigint, s.base from supply s
        union all
        select 2, 'register', 'wallets', count(*), coalesce(sum(h.balance_base), 0) from held h
        union all
        select 3, 'register', 'investors', count(distinct coalesce(h.identity, h.holder_address)),
            coalesce(sum(h.balance_base), 0)
        from held h
        union all
        select 4, 'frozen', 'wallets', count(*), coalesce(sum(h.balance_base), 0) from held h where h.wallet_frozen
        union all
        select 5, 'frozen', 'parts', count(*), coalesce(sum(h.frozen_base), 0) from held h where h.frozen_base <> 0
        union all
        select 6, 'verdict', h.verdict, count(*), sum(h.balance_base) from held h group by h.verdict
        union all
        select 7, 'country', coalesce(lpad(h.country::text, 3, '0'), 'not known'), count(*), sum(h.balance_base)
        from held h group by h.country
        union all
        select 8, 'largest', c.measure, c.holders, c.balance_base
        from api.concentration(asset, block, true, '{1,10}') c where c.measure like 'top %'
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
    where a.id = asset
    order by l.n, l.item collate "C";
end;
create or replace function api.holder_compliance(asset uuid, block bigint)
returns table (holder_address text, identity text, country bigint, verdict text, reason text, wallet_frozen boolean,
    balance numeric, balance_base numeric, frozen numeric, frozen_base numeric, holder_bytes bytea, block_number bigint,
    block_hash text, finality text)
language sql stable rows 1000
begin atomic
    select api.hex(p.holder), api.hex(r.identity), r.country,
        case
            when l.target is null then 'no registry'
            when r.identity is not null then v.verdict
            when g.storage is null or g.unsettled then 'undetermined'
            else 'not_verified'
        end,
        case
            when l.target is null then 'the asset has no identity registry'
            when r.identity is not null then v.reason
            when g.storage is null then 'storage of the registry not known'
            when g.unsettled then 'a contract of the registry is catching up'
            else 'not registered'
        end,
        p.wallet_frozen, api.units(p.balance, a.decimals), p.balance, api.units(p.frozen, a.decimals), p.frozen,
        p.holder, b.block_number, api.hex(b.block_hash), chain.finality(block, k.finalized_number)
    from chain.assets a
    join chain.checkpoints k on k.chain_id = a.chain_id and block <= k.block_number
    cross join lateral chain.known_block(a.chain_id, block) b
    left join chain.contract_links l on l.chain_id = a.chain_id and l.address = a.contract_address
        and l.link = 'identity_registry' and l.slot = chain.zero_address()
        and chain.in_force(l.from_block, l.to_block, block)
    left join lateral chain.verification_rules(a.chain_id, l.target, block) g on l.target is not null
    cross join lateral chain.positions_at(asset, block) p
    left join chain.registrations r on r.chain_id = a.chain_id and r.storage = g.storage and r.wallet = p.holder
        and chain.in_force(r.from_block, r.to_block, block) and r.identity <> chain.zero_address()
    left join lateral chain.judge(a.chain_id, r.identity, r.undetermined, g.required, g.offered, g.trusted, g.keys,
        g.unknown, g.unsettled, block) v on r.identity is not null
    where a.id = asset and p.balance <> 0;
end;
drop function chain.compliance_at_once(uuid, bigint), chain.compliance_rules(uuid, bigint),
    chain.compliance_one_by_one(uuid, bigint), chain.has_many_holders(uuid),
    chain.contracts_behind(bigint, bigint);
drop index chain.assets_listing, chain.system_events_time;
delete from ops.table_classes where table_name in ('ops.stated_targets', 'ops.target_measurements');
drop view ops.targets;
drop table ops.target_measurements, ops.stated_targets;
