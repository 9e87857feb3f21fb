-- Back: evidence is lost, nothing else; a later step forward proves everything again.
drop view api.evidence;
drop view api.checkpoints;
create view api.checkpoints with (security_invoker = true) as
select k.chain_id, k.block_number, api.hex(k.block_hash) as block_hash, k.block_timestamp,
    k.finalized_number, api.hex(k.finalized_hash) as finalized_hash, api.hex(k.genesis_hash) as genesis_hash,
    k.status, k.halt_reason
from chain.checkpoints k;
comment on view api.checkpoints is 'How far each chain is indexed. Only facts: how far that is behind is for the reader''s clock to say.';
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
            and col_description(view.oid, own.attnum) is null and view.relname = 'checkpoints'
    loop
        execute format('comment on column %s.%I is %L', place.view, place.name, place.words);
    end loop;
end
$$;
grant select on api.checkpoints to asset_indexer_reader, asset_indexer_writer;
drop function ops.prove(bigint, bigint, bigint, bytea, bytea, text, text, bigint);
delete from ops.table_classes where table_name in ('ops.evidence', 'ops.late_history');
drop table ops.late_history;
drop table ops.evidence;
alter table chain.checkpoints
    drop column origin_number, drop column origin_hash, drop column verified_number, drop column verified_hash;
