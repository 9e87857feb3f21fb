-- The seed's tables that follow from what the chain tables hold: movements, modules, rules, metrics; whether a transfer
-- would be let through; waiting for a block; and the daemon's own errors, counted by kind.

create view api.transaction_logs with (security_invoker = true) as
select e.chain_id, e.id, e.asset_id,
    case
        when substr(e.topic1, 13) = chain.zero_address() then 'mint'
        when substr(e.topic2, 13) = chain.zero_address() then 'burn'
        else coalesce(o.operation_type, 'transfer')
    end as transaction_type,
    api.units((e.event_data ->> 'value')::numeric, a.decimals) as amount, (e.event_data ->> 'value')::numeric as amount_base,
    e.block_timestamp as timestamp, api.hex(e.transaction_hash) as blockchain_hash,
    api.hex(substr(e.topic1, 13)) as from_address, api.hex(substr(e.topic2, 13)) as to_address,
    substr(e.topic1, 13) as from_bytes, substr(e.topic2, 13) as to_bytes, e.block_number, e.log_index,
    k.block_number as as_of_block, chain.finality(e.block_number, k.finalized_number) as finality
from chain.asset_events e
left join chain.assets a on a.chain_id = e.chain_id and a.id = e.asset_id
left join chain.asset_operations o on o.chain_id = e.chain_id and o.block_number = e.block_number
    and o.log_index = e.log_index and o.part = e.part
left join chain.checkpoints k on k.chain_id = e.chain_id
where e.event_type = 'Transfer' and e.asset_id is not null and e.unreadable is null;
comment on view api.transaction_logs is 'Every movement of units, a row a Transfer. Ask by asset_id, or by blockchain_hash through api.asset_events.';
comment on column api.transaction_logs.transaction_type is 'mint, burn, transfer, or what else this movement was: forced_transfer, recovery.';
comment on column api.transaction_logs.amount is 'Units moved; null where decimals are not known.';
comment on column api.transaction_logs.amount_base is 'The same in base units.';

create view api.compliance_modules with (security_invoker = true) as
select l.chain_id, md5('compliance_modules ' || l.chain_id || ' ' || encode(l.target, 'hex'))::uuid as id,
    null::text as module_name, null::text as version, api.hex(l.target) as contract_address,
    jsonb_build_object('compliances', count(distinct l.address) filter (where l.to_block is null)) as capabilities,
    case when bool_or(l.to_block is null) then 'active' else 'removed' end as status,
    min(l.from_at) as first_at, l.target::bytea as contract_address_bytes
from chain.contract_links l
where l.link = 'module'
group by l.chain_id, l.target;
comment on view api.compliance_modules is 'Modules that compliances use or used, known from ModuleAdded.';
comment on column api.compliance_modules.module_name is 'Not told by any log: null.';
comment on column api.compliance_modules.version is 'Not told by any log: null.';
comment on column api.compliance_modules.capabilities is 'compliances: how many use it now.';
comment on column api.compliance_modules.status is 'active while a compliance uses it, else removed.';

create view api.compliance_rules with (security_invoker = true) as
select md5('rule topic ' || t.chain_id || ' ' || encode(t.registry, 'hex') || ' ' || t.topic)::uuid as id,
    'required_topic' as rule_type, null::text as jurisdiction,
    jsonb_build_object('registry', api.hex(t.registry), 'topic', t.topic::text) as parameters,
    bool_or(t.to_block is null) as active, min(t.from_at) as created_at,
    max(greatest(t.from_at, t.to_at)) as updated_at, count(*)::integer as version, 'chain' as source, t.chain_id
from chain.required_topics t
group by t.chain_id, t.registry, t.topic
union all
select md5('rule module ' || l.chain_id || ' ' || encode(l.address, 'hex') || ' ' || encode(l.target, 'hex'))::uuid,
    'compliance_module', null, jsonb_build_object('compliance', api.hex(l.address), 'module', api.hex(l.target)),
    bool_or(l.to_block is null), min(l.from_at), max(greatest(l.from_at, l.to_at)), count(*)::integer, 'chain', l.chain_id
from chain.contract_links l
where l.link = 'module'
group by l.chain_id, l.address, l.target;
comment on view api.compliance_rules is 'What contracts require of holders and transfers: claim topics and modules. A rule that came back has a higher version; its past is in api.required_topics and api.contract_links.';
comment on column api.compliance_rules.jurisdiction is 'The chain tells none: null.';
comment on column api.compliance_rules.source is 'chain: a contract holds it.';

create view api.asset_compliance with (security_invoker = true) as
select a.chain_id, a.id as asset_id,
    md5('rule topic ' || t.chain_id || ' ' || encode(t.registry, 'hex') || ' ' || t.topic)::uuid as rule_id,
    null::uuid as module_id, jsonb_build_object('topic', t.topic::text) as parameters, true as active,
    greatest(t.from_at, c.from_at, r.from_at) as configured_at, api.hex(t.registry) as configured_by, 'chain' as source
from chain.assets a
join chain.contract_links r on r.chain_id = a.chain_id and r.address = a.contract_address
    and r.link = 'identity_registry' and r.to_block is null
join chain.contract_links c on c.chain_id = a.chain_id and c.address = r.target
    and c.link = 'claim_topics' and c.to_block is null
join chain.required_topics t on t.chain_id = a.chain_id and t.registry = c.target and t.to_block is null
union all
select a.chain_id, a.id, md5('rule module ' || m.chain_id || ' ' || encode(m.address, 'hex') || ' ' || encode(m.target, 'hex'))::uuid,
    md5('compliance_modules ' || m.chain_id || ' ' || encode(m.target, 'hex'))::uuid,
    jsonb_build_object('module', api.hex(m.target)), true, greatest(m.from_at, c.from_at), api.hex(m.address), 'chain'
from chain.assets a
join chain.contract_links c on c.chain_id = a.chain_id and c.address = a.contract_address
    and c.link = 'compliance' and c.to_block is null
join chain.contract_links m on m.chain_id = a.chain_id and m.address = c.target and m.link = 'module' and m.to_block is null;
comment on view api.asset_compliance is 'Which rules an asset is under now, by what its contracts point to.';
comment on column api.asset_compliance.module_id is 'api.compliance_modules.id, where a module enforces it.';
comment on column api.asset_compliance.configured_at is 'Block time since when it holds without a break.';
comment on column api.asset_compliance.configured_by is 'The contract that says so.';

create view api.asset_metrics with (security_invoker = true) as
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
) m (metric_type, value);
comment on view api.asset_metrics is 'Figures of an asset as of the checkpoint, exact; ask for one asset: each is counted from its holders.';
comment on column api.asset_metrics.metric_type is 'total_supply, frozen and in_frozen_wallets in base units; holders; concentration: the sum of squared shares, 1 where one wallet has all; largest_share in percent.';
comment on column api.asset_metrics.calculated_at is 'Block time of the checkpoint.';
comment on column api.asset_metrics.period is 'now: as of the checkpoint.';

create view api.asset_analytics with (security_invoker = true) as
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
comment on column api.asset_analytics.timestamp is 'The day''s first instant, UTC.';

create function api.check_eligibility(asset uuid, from_wallet text, to_wallet text, amount_base numeric)
returns table (eligible text, reasons text[])
language sql stable parallel safe rows 1
begin atomic
    with subject as (
        select a.chain_id, a.paused, a.asset_type = 'erc3643' as is_trex, a.complete_from, s.holder as sender_known,
            api.address(from_wallet) as sender, r.target as registry, c.target as compliance, s.balance, s.frozen,
            coalesce(s.wallet_frozen, false) as sender_frozen, coalesce(t.wallet_frozen, false) as recipient_frozen,
            api.address(to_wallet) as recipient, v.through_block is not null as behind
        from chain.assets a
        left join ops.coverage v on v.chain_id = a.chain_id and v.address = a.contract_address
        left join chain.contract_links r on r.chain_id = a.chain_id and r.address = a.contract_address
            and r.link = 'identity_registry' and r.slot = chain.zero_address() and r.to_block is null
        left join chain.contract_links c on c.chain_id = a.chain_id and c.address = a.contract_address
            and c.link = 'compliance' and c.slot = chain.zero_address() and c.to_block is null
        left join chain.asset_holders s on s.chain_id = a.chain_id and s.asset_id = a.id
            and s.holder = api.address(from_wallet)
        left join chain.asset_holders t on t.chain_id = a.chain_id and t.asset_id = a.id
            and t.holder = api.address(to_wallet)
        where a.id = asset
    ), found as (
        select x.no, x.maybe
        from subject s
        left join lateral chain.verdict(s.chain_id, s.registry, s.recipient, null) d on s.registry is not null
        -- A sender without a row may hold units that were not read.
        cross join lateral (
            select coalesce(s.balance - s.frozen, 0) < amount_base as short,
                s.behind or s.complete_from is not null and s.sender_known is null as unseen,
                'the sender may move ' || greatest(coalesce(s.balance - s.frozen, 0), 0) || ' base units' as words) m
        cross join lateral (values
            (case when s.paused then 'the asset is paused' end, null),
            (case when amount_base < 0 then 'the amount is below zero' end,
                case when amount_base is null then 'no amount is given' end),
            (case when amount_base <> trunc(amount_base) then 'the amount is no whole number of base units' end, null),
            (case when s.sender = chain.zero_address() then 'the sender is the zero address' end,
                case when s.sender is null or s.recipient is null then 'a wallet is not given' end),
            (case when s.recipient = chain.zero_address() then 'the recipient is the zero address' end, null),
            (case when s.sender_frozen then 'the sender''s wallet is frozen' end, null),
            (case when s.recipient_frozen then 'the recipient''s wallet is frozen' end, null),
            (case when m.short and not m.unseen then m.words end, case when m.short and m.unseen then m.words end),
            (null, case when s.is_trex and s.registry is null then 'the asset''s identity registry is not known' end),
            (null, case when s.is_trex and s.compliance is null then 'the asset''s compliance is not known' end),
            (null, case when s.is_trex and s.paused is null then 'whether the asset is paused is not known' end),
            (case when d.verdict = 'not_verified' then 'the recipient is not verified: ' || coalesce(d.reason, '') end,
                case when d.verdict = 'undetermined' then 'the recipient: ' || coalesce(d.reason, '') end),
            (null, case when s.behind then 'the asset''s past is still being read' end)
        ) x (no, maybe)
        union all
        select null, 'module ' || api.hex(m.target) || ' has rules of its own'
        from subject s
        join chain.contract_links m on m.chain_id = s.chain_id and m.address = s.compliance and m.link = 'module'
            and m.to_block is null
    )
    select case
            when not exists (select from subject) then 'undetermined'
            when count(f.no) > 0 then 'no'
            when count(f.maybe) > 0 then 'undetermined'
            else 'yes'
        end,
        case when not exists (select from subject) then array['the asset is not known']
            else array_remove(array_agg(coalesce(f.no, f.maybe) order by f.no is null, f.no, f.maybe), null) end
    from found f;
end;
comment on function api.check_eligibility is
'Whether a transfer between two wallets would be let through as of the checkpoint (T-REX: pause, freezes, free balance, isVerified of the recipient), with all reasons: yes, no, or undetermined where the logs do not tell (a compliance module has rules of its own, a claim cannot be judged). Amounts in base units.';

create function api.wait_for_block(chain bigint, block bigint, patience interval default '30 seconds') returns boolean
language plpgsql volatile as $$
declare
    until constant timestamptz := clock_timestamp() + coalesce(patience, '30 seconds');
begin
    if chain is null or block is null then
        raise exception 'which block of which chain to wait for?' using errcode = 'null_value_not_allowed';
    end if;
    loop
        if exists (select from chain.checkpoints k where k.chain_id = chain and k.block_number >= block) then
            return true;
        end if;
        if clock_timestamp() >= until then
            return false;
        end if;
        perform pg_sleep(0.02);
    end loop;
end
$$;
comment on function api.wait_for_block is
'Waits until a block is indexed: true, or false when patience is over. For reading what one wrote; works through PgBouncer and on a replica. Outside a REPEATABLE READ transaction, which would see the past for ever.';

-- Views whose columns are those of a table say what the table's say.
create function ops.describe_views() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    place record;
begin
    for place in
        select view.oid::regclass as view, own.attname as name, coalesce(
            case own.attname
                when 'as_of_block' then 'The last block in the tables when this was read.'
                when 'finality' then 'final, or provisional while a reorg may still take back the block that last changed the row.'
                when 'active' then 'Whether this version is in force.'
            end,
            case when own.attname like '%\_bytes' then 'The same as bytes, for filters and joins: indexed, or part of a key.' end,
            case when own.attname like '%\_base' then 'In base units.' end,
            (select col_description(source.oid, of_source.attnum)
                from unnest(array['api.chain_' || view.relname, 'chain.' || view.relname,
                    'chain.' || regexp_replace(view.relname, '^chain_', ''), 'app.' || view.relname, 'ops.' || view.relname]) with ordinality sources (name, n)
                join pg_class source on source.oid = to_regclass(sources.name)
                join pg_attribute of_source on of_source.attrelid = source.oid and of_source.attname = own.attname
                where col_description(source.oid, of_source.attnum) is not null
                order by sources.n limit 1),
            case own.attname
                when 'chain_id' then 'The chain.'
                when 'asset_id' then 'The asset: api.assets.id.'
                when 'id' then 'Computed from what the row is about: the same on every installation.'
                when 'timestamp' then 'Block time.'
                when 'from_address' then 'Who had the units.'
                when 'to_address' then 'Who got them.'
                when 'block_number' then 'The block.'
                when 'log_index' then 'Index of the log in its block.'
                when 'blockchain_hash' then 'The transaction.'
                when 'contract_address' then 'The contract.'
            end) as words
        from pg_class view
        join pg_attribute own on own.attrelid = view.oid and own.attnum > 0
        where view.relnamespace = 'api'::regnamespace and view.relkind = 'v'
            and col_description(view.oid, own.attnum) is null
    loop
        execute format('comment on column %s.%I is %L', place.view, place.name, place.words);
    end loop;
end
$$;
comment on function ops.describe_views is 'Gives columns of api views that have no comment the words of their tables.';
revoke execute on function ops.describe_views() from public;
comment on column api.asset_analytics.analytics_type is 'transactions: how many, and what they moved.';
comment on column api.asset_analytics.aggregation_period is 'day, UTC.';
comment on column api.asset_metrics.value is 'The figure; null where there is no supply to divide by.';
comment on column api.asset_compliance.source is 'chain: a contract holds it.';
comment on column api.compliance_modules.first_at is 'Block time of the first ModuleAdded.';
comment on column api.drift.stands is 'Whether it was not resolved yet.';
comment on column api.evidence.without_gap is 'Whether everything up to here is proved.';
comment on column api.compliance_rules.rule_type is 'required_topic or compliance_module.';
comment on column api.compliance_rules.parameters is 'The contract that holds it, and the topic or module.';
comment on column api.compliance_rules.created_at is 'Block time when it first came.';
comment on column api.compliance_rules.updated_at is 'Block time when it last came or went.';
comment on column api.compliance_rules.version is 'How often it came.';
comment on column api.asset_compliance.rule_id is 'api.compliance_rules.id.';
comment on column api.asset_compliance.parameters is 'The topic or module.';
select ops.describe_views();

grant select on api.transaction_logs, api.compliance_modules, api.compliance_rules, api.asset_compliance,
    api.asset_metrics, api.asset_analytics to asset_indexer_reader, asset_indexer_writer;
grant execute on function api.check_eligibility(uuid, text, text, numeric), api.wait_for_block(bigint, bigint, interval)
    to asset_indexer_reader, asset_indexer_writer;
