set local lock_timeout = '500ms';

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
    perform ops.lock('partitions');
    foreach parent in array array['asset_events', 'asset_transactions', 'asset_operations'] loop
        chain_part := format('%s_%s', parent, p_chain_id);
        if to_regclass(format('chain.%I', chain_part)) is null then
            execute format('create table chain.%I partition of chain.%I for values in (%s) partition by range (block_number)',
                chain_part, parent, p_chain_id);
        end if;
        for slot in p_block / width .. p_block / width + 1 loop
            block_part := format('%s_%s', chain_part, slot);
            if to_regclass(format('chain.%I', block_part)) is null then
                if exists (select from ops.archived_partitions a
                    where a.table_name = 'chain.' || parent and a.partition = block_part and a.attached_at is null) then
                    raise exception 'partition % is archived: blocks % to % of chain % are in a file', block_part,
                        slot * width, (slot + 1) * width - 1, p_chain_id
                        using errcode = 'check_violation', hint = 'put it back: asset-indexer maintain --attach DIR';
                end if;
                execute format('create table chain.%I partition of chain.%I for values from (%s) to (%s)',
                    block_part, chain_part, slot * width, (slot + 1) * width);
            end if;
        end loop;
    end loop;
end
$$;

