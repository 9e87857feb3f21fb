set local lock_timeout = '500ms';
create or replace function ops.prove(p_chain_id bigint, p_from bigint, p_to bigint, p_parent bytea, p_hash bytea, p_method text,
    p_provider text, p_requests bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    verified record;
    next record;
begin
    update ops.evidence set to_block = p_to, block_hash = p_hash, requests = requests + p_requests,
        proved_at = clock_timestamp()
    where chain_id = p_chain_id and to_block = p_from - 1 and block_hash = p_parent and method = p_method
        and provider = p_provider
        -- So that a hash that is known is never far from any block.
        and p_from % 1024 <> 0;
    if not found then
        insert into ops.evidence (chain_id, from_block, to_block, parent_hash, block_hash, method, provider, requests)
        values (p_chain_id, p_from, p_to, p_parent, p_hash, p_method, p_provider, p_requests);
    end if;
    loop
        select verified_number as number, verified_hash as hash into verified
        from chain.checkpoints where chain_id = p_chain_id;
        select to_block, block_hash into next from ops.evidence
        where chain_id = p_chain_id and to_block > verified.number and from_block <= verified.number + 1
            and (from_block <= verified.number or parent_hash = verified.hash)
        order by to_block desc limit 1;
        exit when not found;
        update chain.checkpoints set verified_number = next.to_block, verified_hash = next.block_hash
        where chain_id = p_chain_id;
    end loop;
end
$$;
