-- Back: what was found is lost; a later step forward looks again.
drop view api.drift;
drop view api.assets;
create view api.assets with (security_invoker = true) as
select a.chain_id, a.id, api.hex(a.contract_address) as contract_address, a.asset_type, a.name, a.symbol, a.decimals,
    a.version, case when a.paused then 'paused' else 'active' end as status, a.paused,
    api.units(a.total_supply, a.decimals) as total_supply, a.total_supply as total_supply_base, a.holder_count,
    api.hex(r.target) as identity_registry, api.hex(c.target) as compliance, api.hex(o.target) as onchain_id,
    a.complete_from, v.through_block is not null as catching_up,
    a.negative_balance, a.exceeds_uint256, a.unreadable_logs, a.created_block, a.created_at,
    a.contract_address::bytea as contract_address_bytes,
    k.block_number as as_of_block, chain.finality(a.created_block, k.finalized_number) as finality
from chain.assets a
left join chain.checkpoints k on k.chain_id = a.chain_id
left join ops.coverage v on v.chain_id = a.chain_id and v.address = a.contract_address
left join chain.contract_links r on r.chain_id = a.chain_id and r.address = a.contract_address
    and r.link = 'identity_registry' and r.slot = chain.zero_address() and r.to_block is null
left join chain.contract_links c on c.chain_id = a.chain_id and c.address = a.contract_address
    and c.link = 'compliance' and c.slot = chain.zero_address() and c.to_block is null
left join chain.contract_links o on o.chain_id = a.chain_id and o.address = a.contract_address
    and o.link = 'onchain_id' and o.slot = chain.zero_address() and o.to_block is null;
comment on view api.assets is 'Tokenized assets, one row a token contract, as of the checkpoint.';
comment on column api.assets.status is 'paused while transfers are stopped, else active.';
comment on column api.assets.total_supply is 'Sum of mints less burns, in units; null where decimals are not known.';
comment on column api.assets.total_supply_base is 'The same in base units.';
comment on column api.assets.identity_registry is 'The identity registry that the token points to now.';
comment on column api.assets.compliance is 'The compliance contract that the token points to now.';
comment on column api.assets.onchain_id is 'The token''s own identity.';
comment on column api.assets.catching_up is 'The contract was added later and its past is still being read: the row is not complete yet.';
comment on column api.assets.finality is 'Of the block that made the row; supply and counts are as of as_of_block.';
-- Columns say what those of the table say, as when the view was first made.
do $$
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
            col_description(source.oid, of_source.attnum)) as words
        from pg_class view
        join pg_attribute own on own.attrelid = view.oid and own.attnum > 0
        left join pg_class source on source.relname = view.relname and source.relnamespace = 'chain'::regnamespace
        left join pg_attribute of_source on of_source.attrelid = source.oid and of_source.attname = own.attname
        where view.relnamespace = 'api'::regnamespace and view.relkind = 'v'
            and col_description(view.oid, own.attnum) is null and view.relname = 'assets'
    loop
        execute format('comment on column %s.%I is %L', place.view, place.name, place.words);
    end loop;
end
$$;
grant select on api.assets to asset_indexer_reader, asset_indexer_writer;
delete from ops.table_classes where table_name = 'ops.drift';
drop table ops.drift;
