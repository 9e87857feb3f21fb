set local lock_timeout = '500ms';
create or replace function ops.count_growth(p_chain_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    final_block bigint;
    floor_block bigint;
begin
    select least(k.finalized_number, k.block_number) into final_block
    from chain.checkpoints k where k.chain_id = p_chain_id;
    select max(g.through_block) into floor_block from ops.register_growth g where g.chain_id = p_chain_id;
    if floor_block < final_block then
        insert into ops.register_growth as g (chain_id, asset_id, through_block, changes)
        select p_chain_id, h.asset_id, final_block, count(*)
        from chain.ownership_history h
        where h.chain_id = p_chain_id and h.block_number > floor_block and h.block_number <= final_block
            and h.asset_id in (select asset_id from ops.register_growth where chain_id = p_chain_id)
        group by h.asset_id
        on conflict (chain_id, asset_id) do update
            set changes = g.changes + excluded.changes, through_block = excluded.through_block;
    end if;
    -- An asset that is met for the first time, or whose contract was found late, is counted whole. Sorted, all of them are
    -- found before the first is put in: else each search reads what was put in so far, of a million assets for hours.
    insert into ops.register_growth (chain_id, asset_id, through_block, changes)
    select p_chain_id, n.id, final_block, (
            select count(*) from chain.ownership_history h
            where h.chain_id = p_chain_id and h.asset_id = n.id and h.block_number <= final_block)
    from (
        select a.id
        from chain.assets a
        join ops.coverage c on c.chain_id = a.chain_id and c.address = a.contract_address and c.through_block is null
        where a.chain_id = p_chain_id and final_block is not null
            and not exists (select from ops.register_growth g where g.chain_id = a.chain_id and g.asset_id = a.id)
        order by a.id offset 0
    ) n;
end
$$;
