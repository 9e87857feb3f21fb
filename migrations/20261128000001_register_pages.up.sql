-- Snapshots of the register in pages of a thousand wallets: a report reads a million positions as a thousand rows, which takes
-- a tenth of the server's time and half the disk. Those that there are go, and are made again by the hourly upkeep.
set local lock_timeout = '500ms';

delete from ops.register_snapshots;
delete from ops.register_growth;
-- It reads nothing while the table is replaced.
create or replace function chain.snapshot_positions(p_snapshot bigint)
returns table (holder bytea, balance numeric, frozen numeric, wallet_frozen boolean)
language sql stable parallel safe rows 1000
begin atomic
    select ''::bytea, 0::numeric, 0::numeric, false where p_snapshot is null and p_snapshot is not null;
end;
drop table ops.register_positions;
create table ops.register_positions (
    snapshot_id bigint not null,
    page bigint not null,
    holders bytea not null check (octet_length(holders) % 20 = 0),
    balances text not null,
    frozen text,
    frozen_wallets text,
    primary key (snapshot_id, page)
);
-- What is written once and read whole is not worth compressing: digits and addresses hardly give way.
alter table ops.register_positions alter column holders set storage external, alter column balances set storage external;

create or replace function chain.snapshot_positions(p_snapshot bigint)
returns table (holder bytea, balance numeric, frozen numeric, wallet_frozen boolean)
language sql stable parallel safe rows 1000
begin atomic
    select substr(p.holders, (u.n * 20 - 19)::integer, 20), u.balance::numeric, coalesce(u.frozen::numeric, 0),
        coalesce(u.wallet_frozen = 't', false)
    from (
        -- The concatenation fetches a page's wallets once instead of once a wallet.
        select w.holders || ''::bytea as holders, w.balances, w.frozen, w.frozen_wallets
        from ops.register_positions w where w.snapshot_id = p_snapshot offset 0
    ) p
    cross join lateral unnest(string_to_array(p.balances, ','), string_to_array(p.frozen, ','),
        string_to_array(p.frozen_wallets, ',')) with ordinality u (balance, frozen, wallet_frozen, n);
end;

comment on table ops.register_positions is 'The positions of snapshots, wallets that held something or were frozen: a thousand a row, in the order of wallets (chain.snapshot_positions gives them one by one). Rows of a snapshot that is gone are swept later.';
comment on column ops.register_positions.snapshot_id is 'The snapshot.';
comment on column ops.register_positions.page is 'Which thousand of its wallets, from 0.';
comment on column ops.register_positions.holders is 'The wallets, twenty bytes each, one after the other.';
comment on column ops.register_positions.balances is 'What each holds, in base units, with commas between.';
comment on column ops.register_positions.frozen is 'What of it is frozen, in base units, with commas between; null: nothing of any.';
comment on column ops.register_positions.frozen_wallets is 'Whether each wallet was frozen, t or f, with commas between; null: none was.';
comment on function ops.sweep_snapshots is 'Deletes the positions of snapshots that are gone; tells how many pages.';
grant select on ops.register_positions to asset_indexer_reader, asset_indexer_writer;

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

-- Where schema app is there, its guards know these functions as they are now.
do $$
begin
    if to_regprocedure('app.keep_guards(text[])') is not null then
        perform app.keep_guards(array['function ops.take_snapshot(p_chain_id bigint, p_least bigint)']);
    end if;
end
$$;
