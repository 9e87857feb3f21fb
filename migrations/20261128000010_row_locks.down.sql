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

create or replace function ops.take_snapshot(p_chain_id bigint, p_least bigint default 50000)
returns table (asset_id uuid, block_number bigint, positions bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    chosen record;
    below bigint;
    until_block bigint;
    snapshot bigint;
    counted bigint;
begin
    -- A rebuild holds the other end of this lock until its new tables are there: what is read below is then not what
    -- will be.
    if not pg_try_advisory_xact_lock_shared(hashtextextended('asset_indexer snapshots', p_chain_id)) then
        return;
    end if;
    perform ops.count_growth(p_chain_id);
    -- Half as many changes as holders: a reader adds no more than that to a snapshot.
    select g.asset_id, g.through_block, greatest(p_least, a.holder_count / 2) as spacing into chosen
    from ops.register_growth g join chain.assets a on a.chain_id = g.chain_id and a.id = g.asset_id
    where g.chain_id = p_chain_id and g.changes >= greatest(p_least, a.holder_count / 2)
    order by g.changes desc limit 1;
    if not found then
        return;
    end if;
    select coalesce(max(s.block_number), -1) into below
    from ops.register_snapshots s where s.chain_id = p_chain_id and s.asset_id = chosen.asset_id;
    select h.block_number into until_block
    from chain.ownership_history h
    where h.chain_id = p_chain_id and h.asset_id = chosen.asset_id and h.block_number > below
        and h.block_number <= chosen.through_block
    order by h.block_number offset chosen.spacing - 1 limit 1;
    if until_block is null then
        return;
    end if;
    perform chain.facts_reach(p_chain_id, until_block);
    select count(*) into counted
    from chain.ownership_history h
    where h.chain_id = p_chain_id and h.asset_id = chosen.asset_id and h.block_number > below
        and h.block_number <= until_block;
    snapshot := nextval(pg_get_serial_sequence('ops.register_snapshots', 'id'));
    with held as (
        select p.*, (row_number() over (order by p.holder) - 1) / 1000 as page
        from chain.positions_at(chosen.asset_id, until_block) p
        where p.balance <> 0 or p.frozen <> 0 or p.wallet_frozen
    ), pages as (
        insert into ops.register_positions (snapshot_id, page, holders, balances, frozen, frozen_wallets)
        select snapshot, h.page, string_agg(h.holder, ''::bytea order by h.holder),
            string_agg(h.balance::text, ',' order by h.holder),
            case when bool_or(h.frozen <> 0) then string_agg(h.frozen::text, ',' order by h.holder) end,
            case when bool_or(h.wallet_frozen) then
                string_agg(case when h.wallet_frozen then 't' else 'f' end, ',' order by h.holder) end
        from held h
        group by h.page
        returning octet_length(holders) / 20 as wallets
    )
    select coalesce(sum(w.wallets), 0) into positions from pages w;
    insert into ops.register_snapshots (id, chain_id, asset_id, block_number, total_supply, positions, changes)
    overriding system value
    values (snapshot, p_chain_id, chosen.asset_id, until_block, chain.supply_at(chosen.asset_id, until_block), positions,
        counted);
    update ops.register_growth g set changes = g.changes - counted
    where g.chain_id = p_chain_id and g.asset_id = chosen.asset_id;
    asset_id := chosen.asset_id;
    block_number := until_block;
    return next;
end
$$;

create or replace function ops.forget_snapshots(p_chain_id bigint, p_above bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if p_above < 0 then
        perform pg_advisory_xact_lock(hashtextextended('asset_indexer snapshots', p_chain_id));
    end if;
    delete from ops.register_snapshots s where s.chain_id = p_chain_id and s.block_number > p_above;
    delete from ops.register_growth g where g.chain_id = p_chain_id and (p_above < 0 or g.through_block > p_above);
end
$$;

drop function ops.lock(text);
delete from ops.table_classes where table_name = 'ops.locks';
drop table ops.locks;
