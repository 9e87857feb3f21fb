set local lock_timeout = '500ms';
do $$
begin
    if exists (select from ops.archived_partitions where attached_at is null and destroyed_at is null) then
        raise exception 'partitions are archived: without ops.archived_partitions nobody would know of their files'
            using hint = 'put them back first: asset-indexer maintain --attach DIR';
    end if;
    if exists (select from ops.legal_holds where released_at is null) then
        raise exception 'legal holds stand: they would be forgotten' using hint = 'release them first';
    end if;
end
$$;
create or replace function ops.ensure_partitions(p_chain_id bigint, p_block bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    width constant bigint := 1000000; -- PARTITION_BLOCKS in src/store/postgres/mod.rs
    parent text;
    slot bigint;
    chain_part text;
    block_part text;
begin
    if p_chain_id <= 0 or p_block < 0 then
        raise exception 'no partition for chain % block %', p_chain_id, p_block;
    end if;
    perform pg_advisory_xact_lock(hashtext('asset_indexer partitions'));
    foreach parent in array array['asset_events', 'asset_transactions', 'asset_operations'] loop
        chain_part := format('%s_%s', parent, p_chain_id);
        if to_regclass(format('chain.%I', chain_part)) is null then
            execute format('create table chain.%I partition of chain.%I for values in (%s) partition by range (block_number)',
                chain_part, parent, p_chain_id);
        end if;
        for slot in p_block / width .. p_block / width + 1 loop
            block_part := format('%s_%s', chain_part, slot);
            if to_regclass(format('chain.%I', block_part)) is null then
                execute format('create table chain.%I partition of chain.%I for values from (%s) to (%s)',
                    block_part, chain_part, slot * width, (slot + 1) * width);
            end if;
        end loop;
    end loop;
end
$$;
delete from ops.table_classes where table_name in ('ops.retention_policies', 'ops.legal_holds', 'ops.archived_partitions');
drop function api.archived_below(bigint);
drop table ops.archived_partitions, ops.legal_holds, ops.retention_policies;
drop function ops.keep_hold();
