-- Reports: which block the register showed at a time, snapshots that make a large register's past cheap to read, and the
-- questions of a cap table as functions.
set local lock_timeout = '500ms';

-- What was shown when ------------------------------------------------------------------------------------------------

create table ops.commits (
    chain_id bigint not null,
    sequence bigint generated always as identity,
    committed_at timestamptz not null default clock_timestamp(),
    kind text not null check (kind in ('start', 'commit', 'reorg', 'rewind', 'rebuild', 'repair', 'resume')),
    block_number bigint not null,
    block_hash chain.hash32 not null,
    finalized_number bigint not null,
    primary key (chain_id, committed_at, sequence)
);
comment on table ops.commits is 'Each transaction that moved a chain''s tables, written in it: what the register showed at a time (api.block_shown_at). Kept for as long as ops.commit_retention says.';
comment on column ops.commits.chain_id is 'The chain.';
comment on column ops.commits.sequence is 'Order of writing; gaps are transactions that did not come to be.';
comment on column ops.commits.committed_at is 'The database''s clock at the end of the transaction, an instant before others saw it.';
comment on column ops.commits.kind is 'start; commit: new blocks, or the past of a contract found late; reorg and rewind: blocks were taken back; rebuild and repair: tables were derived again; resume: an operator let a halted chain go on.';
comment on column ops.commits.block_number is 'The checkpoint from then on.';
comment on column ops.commits.block_hash is 'Its hash.';
comment on column ops.commits.finalized_number is 'What was final from then on.';

create table ops.commit_retention (
    id boolean primary key default true check (id),
    keep interval not null default '400 days' check (keep >= interval '1 day')
);
comment on table ops.commit_retention is 'How long ops.commits is kept: one row, for the owner to change.';
comment on column ops.commit_retention.id is 'There is one.';
comment on column ops.commit_retention.keep is 'Older rows go, some at a time, in the daemon''s hourly upkeep.';
insert into ops.commit_retention default values;

-- SECURITY DEFINER: the writer adds to the log; what goes is for the policy to say.
create function ops.trim_commits(p_most integer default 100000) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
    with old as (
        select c.chain_id, c.committed_at, c.sequence
        from chain.checkpoints k
        cross join lateral (
            select x.chain_id, x.committed_at, x.sequence from ops.commits x
            where x.chain_id = k.chain_id
                and x.committed_at < clock_timestamp() - (select keep from ops.commit_retention)
            order by x.committed_at limit p_most) c
    ), gone as (
        delete from ops.commits c using old o
        where (c.chain_id, c.committed_at, c.sequence) = (o.chain_id, o.committed_at, o.sequence)
        returning 1
    )
    select count(*) from gone;
end;
comment on function ops.trim_commits is 'Deletes rows of ops.commits that are older than ops.commit_retention says, at most so many of a chain; tells how many.';
revoke execute on function ops.trim_commits(integer) from public;

create function api.block_shown_at(chain_id bigint, at timestamptz)
returns table (block_number bigint, block_hash text, finalized_number bigint, kind text, committed_at timestamptz)
language sql stable parallel safe rows 1
begin atomic
    select c.block_number, api.hex(c.block_hash), c.finalized_number, c.kind, c.committed_at
    from ops.commits c
    where c.chain_id = block_shown_at.chain_id and c.committed_at <= at
    order by c.committed_at desc, c.sequence desc limit 1;
end;
comment on function api.block_shown_at is
'Which block the register showed at a time of the clock, and what was final then; no row for a time before the first commit that is kept (ops.commit_retention). Above finality a reorg may have replaced that block since: its hash says so.';

-- Snapshots of the register -----------------------------------------------------------------------------------------
-- The position of every wallet at a final block, written down every so many changes: a later block is the newest snapshot
-- below it and the changes since. Working data: derived from chain.ownership_history alone, thrown away and made again at
-- will; small registers have none.

create table ops.register_snapshots (
    id bigint generated always as identity primary key,
    chain_id bigint not null,
    asset_id uuid not null,
    block_number bigint not null,
    total_supply numeric not null,
    positions bigint not null,
    changes bigint not null,
    made_at timestamptz not null default clock_timestamp(),
    unique (chain_id, asset_id, block_number)
);
comment on table ops.register_snapshots is 'Which snapshots of an asset''s register there are. A rebuild, a repair or a rewind deletes those it may make wrong.';
comment on column ops.register_snapshots.id is 'The snapshot.';
comment on column ops.register_snapshots.chain_id is 'The chain.';
comment on column ops.register_snapshots.asset_id is 'The asset.';
comment on column ops.register_snapshots.block_number is 'At the end of which final block.';
comment on column ops.register_snapshots.total_supply is 'Total supply then, in base units.';
comment on column ops.register_snapshots.positions is 'Wallets in it.';
comment on column ops.register_snapshots.changes is 'Changes since the snapshot before it.';
comment on column ops.register_snapshots.made_at is 'When it was made, by the database''s clock.';

create table ops.register_positions (
    snapshot_id bigint not null,
    holder bytea not null,
    balance numeric not null,
    frozen numeric not null,
    wallet_frozen boolean not null
);
create index register_positions_snapshot on ops.register_positions (snapshot_id);
comment on table ops.register_positions is 'The positions of snapshots: wallets that held something or were frozen. Rows of a snapshot that is gone are swept later.';
comment on column ops.register_positions.snapshot_id is 'The snapshot.';
comment on column ops.register_positions.holder is 'The wallet.';
comment on column ops.register_positions.balance is 'Units held, in base units.';
comment on column ops.register_positions.frozen is 'Units frozen, in base units.';
comment on column ops.register_positions.wallet_frozen is 'Whether the wallet was frozen.';

create table ops.register_growth (
    chain_id bigint not null,
    asset_id uuid not null,
    through_block bigint not null,
    changes bigint not null,
    primary key (chain_id, asset_id)
);
comment on table ops.register_growth is 'How many changes each asset''s register saw since its last snapshot, counted up to a final block.';
comment on column ops.register_growth.chain_id is 'The chain.';
comment on column ops.register_growth.asset_id is 'The asset.';
comment on column ops.register_growth.through_block is 'Counted up to the end of this block; the highest of a chain holds for all its assets.';
comment on column ops.register_growth.changes is 'Rows of chain.ownership_history since the last snapshot.';

create function ops.count_growth(p_chain_id bigint) returns void
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
    -- An asset that is met for the first time, or whose contract was found late, is counted whole.
    insert into ops.register_growth (chain_id, asset_id, through_block, changes)
    select a.chain_id, a.id, final_block, (
            select count(*) from chain.ownership_history h
            where h.chain_id = a.chain_id and h.asset_id = a.id and h.block_number <= final_block)
    from chain.assets a
    join ops.coverage c on c.chain_id = a.chain_id and c.address = a.contract_address and c.through_block is null
    where a.chain_id = p_chain_id and final_block is not null
        and not exists (select from ops.register_growth g where g.chain_id = a.chain_id and g.asset_id = a.id);
end
$$;
comment on function ops.count_growth is 'Counts the changes of each register up to the newest final block: each row once.';

-- SECURITY DEFINER: snapshots are made from the history alone, whoever asks for them.
create function ops.take_snapshot(p_chain_id bigint, p_least bigint default 50000)
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
    select count(*) into counted
    from chain.ownership_history h
    where h.chain_id = p_chain_id and h.asset_id = chosen.asset_id and h.block_number > below
        and h.block_number <= until_block;
    snapshot := nextval(pg_get_serial_sequence('ops.register_snapshots', 'id'));
    insert into ops.register_positions (snapshot_id, holder, balance, frozen, wallet_frozen)
    select snapshot, p.holder, p.balance, p.frozen, p.wallet_frozen
    from chain.positions_at(chosen.asset_id, until_block) p
    where p.balance <> 0 or p.frozen <> 0 or p.wallet_frozen
    order by p.holder;
    get diagnostics positions = row_count;
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
comment on function ops.take_snapshot is 'Makes the snapshot that is due most, if one is: a row that says which. Due is one after half as many changes as the asset has holders, and p_least at the least.';

create function ops.sweep_snapshots() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    candidate bigint := -1;
    swept bigint := 0;
    gone bigint;
begin
    loop
        select p.snapshot_id into candidate from ops.register_positions p
        where p.snapshot_id > candidate order by p.snapshot_id limit 1;
        exit when not found;
        if not exists (select from ops.register_snapshots s where s.id = candidate) then
            delete from ops.register_positions p where p.snapshot_id = candidate;
            get diagnostics gone = row_count;
            swept := swept + gone;
        end if;
    end loop;
    return swept;
end
$$;
comment on function ops.sweep_snapshots is 'Deletes the positions of snapshots that are gone; tells how many.';

create function ops.forget_snapshots(p_chain_id bigint, p_above bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if p_above < 0 then
        perform pg_advisory_xact_lock(hashtextextended('asset_indexer snapshots', p_chain_id));
    end if;
    delete from ops.register_snapshots s where s.chain_id = p_chain_id and s.block_number > p_above;
    delete from ops.register_growth g where g.chain_id = p_chain_id and (p_above < 0 or g.through_block > p_above);
end
$$;
comment on function ops.forget_snapshots is 'Deletes the snapshots above a block; with -1 all, and keeps new ones from being made until the transaction ends.';

revoke execute on function ops.count_growth(bigint), ops.take_snapshot(bigint, bigint), ops.sweep_snapshots(),
    ops.forget_snapshots(bigint, bigint) from public;

-- The register at the end of a block --------------------------------------------------------------------------------

-- What readers ask of snapshots. BEGIN ATOMIC, so that they need no right on schema ops.
create function chain.snapshot_below(p_asset uuid, p_block bigint)
returns table (id bigint, block_number bigint, total_supply numeric)
language sql stable parallel safe rows 1
begin atomic
    select s.id, s.block_number, s.total_supply
    from ops.register_snapshots s
    where s.chain_id = (select a.chain_id from chain.assets a where a.id = p_asset) and s.asset_id = p_asset
        and s.block_number <= p_block
    order by s.block_number desc limit 1;
end;
comment on function chain.snapshot_below is 'The newest snapshot of an asset''s register at or below a block; none where history alone answers.';

create function chain.snapshot_positions(p_snapshot bigint)
returns table (holder bytea, balance numeric, frozen numeric, wallet_frozen boolean)
language sql stable parallel safe rows 1000
begin atomic
    select p.holder, p.balance, p.frozen, p.wallet_frozen from ops.register_positions p where p.snapshot_id = p_snapshot;
end;
comment on function chain.snapshot_positions is 'The positions of a snapshot.';

-- Its own plan for each call, by the numbers of that call: with a snapshot few changes are read by block, without one the
-- whole history is. Hash joins alone: of a snapshot just made the statistics know nothing, and a nested loop over what they
-- take for one row would not end.
create function chain.positions_at(p_asset uuid, p_block bigint)
returns table (holder bytea, balance numeric, frozen numeric, wallet_frozen boolean)
language plpgsql stable rows 1000
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan set work_mem = '128MB' set jit = off
set enable_mergejoin = off set enable_nestloop = off as $$
declare
    of_chain bigint;
    base record;
begin
    select a.chain_id into of_chain from chain.assets a where a.id = p_asset;
    select s.id, s.block_number into base from chain.snapshot_below(p_asset, p_block) s;
    if not found then
        return query
        select distinct on (h.holder) h.holder::bytea, h.balance, h.frozen, h.wallet_frozen
        from chain.ownership_history h
        where h.chain_id = of_chain and h.asset_id = p_asset and h.block_number <= p_block
        order by h.holder desc, h.block_number desc, h.log_index desc;
    else
        return query
        with changed as materialized (
            select distinct on (h.holder) h.holder::bytea as holder, h.balance, h.frozen, h.wallet_frozen
            from chain.ownership_history h
            where h.chain_id = of_chain and h.asset_id = p_asset and h.block_number > base.block_number
                and h.block_number <= p_block
            order by h.holder desc, h.block_number desc, h.log_index desc
        )
        select c.holder, c.balance, c.frozen, c.wallet_frozen from changed c
        union all
        select p.holder, p.balance, p.frozen, p.wallet_frozen from chain.snapshot_positions(base.id) p
        where not exists (select from changed c where c.holder = p.holder);
    end if;
end
$$;
comment on function chain.positions_at is 'The position of each wallet in an asset at the end of a block: the newest snapshot at or below it, and the changes since. Also wallets that hold nothing any more, as far as they changed since.';

create function chain.supply_at(p_asset uuid, p_block bigint) returns numeric
language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
    of_chain bigint;
    base record;
begin
    select a.chain_id into of_chain from chain.assets a where a.id = p_asset;
    select s.block_number, s.total_supply into base from chain.snapshot_below(p_asset, p_block) s;
    if not found then
        return (select s.total_supply from chain.supply_as_of(p_asset, p_block, null) s);
    end if;
    return base.total_supply + coalesce((
        select sum(case when o.operation_type = 'burn' then - o.amount
            when o.to_address = chain.zero_address() then 0 else o.amount end)
        from chain.asset_operations o
        where o.chain_id = of_chain and o.asset_id = p_asset and o.operation_type in ('mint', 'burn')
            and o.block_number > base.block_number and o.block_number <= p_block), 0);
end
$$;
comment on function chain.supply_at is 'Total supply of an asset in base units at the end of a block: as chain.supply_as_of, from the newest snapshot on.';

create function chain.investor_of(p_asset uuid, p_block bigint)
returns table (wallet bytea, identity bytea, country bigint, from_block bigint)
language sql stable parallel safe rows 1000
begin atomic
    select r.wallet::bytea, r.identity::bytea, r.country, r.from_block
    from chain.assets a
    join chain.contract_links l on l.chain_id = a.chain_id and l.address = a.contract_address
        and l.link = 'identity_registry' and l.slot = chain.zero_address()
        and chain.in_force(l.from_block, l.to_block, p_block)
    join chain.contract_links s on s.chain_id = a.chain_id and s.address = l.target and s.link = 'storage'
        and s.slot = chain.zero_address() and chain.in_force(s.from_block, s.to_block, p_block)
    join chain.registrations r on r.chain_id = a.chain_id and r.storage = s.target
        and chain.in_force(r.from_block, r.to_block, p_block) and r.identity <> chain.zero_address()
    where a.id = p_asset;
end;
comment on function chain.investor_of is 'Wallets that the asset''s identity registry knew at the end of a block, with the identity of each. Join it with the positions.';

create function chain.known_block(p_chain_id bigint, p_block bigint)
returns table (block_number bigint, block_hash bytea)
language sql stable parallel safe rows 1
begin atomic
    select b.number, b.hash from (
        (select e.block_number, e.block_hash::bytea from chain.asset_events e
        where e.chain_id = p_chain_id and e.block_number <= p_block
        order by e.block_number desc, e.log_index desc, e.part desc limit 1)
        union all
        select k.block_number, k.block_hash from chain.checkpoints k
        where k.chain_id = p_chain_id and k.block_number = p_block
        union all
        select k.finalized_number, k.finalized_hash from chain.checkpoints k
        where k.chain_id = p_chain_id and k.finalized_number = p_block and k.finalized_number <= k.block_number
        union all
        select k.origin_number, k.origin_hash from chain.checkpoints k
        where k.chain_id = p_chain_id and k.origin_number <= p_block
        union all
        (select v.to_block, v.block_hash from ops.evidence v where v.chain_id = p_chain_id and v.to_block = p_block limit 1)
    ) b (number, hash)
    order by b.number desc limit 1;
end;
comment on function chain.known_block is
'The newest block up to a block whose hash the tables know: that block itself, or the last one before it with a log of a watched contract. Nothing that is watched happened between the two, so both show the same register.';

create function api.block_at(chain bigint, at timestamptz)
returns table (block_number bigint, block_hash text, settled boolean)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    head record;
    event record;
    low bigint := -1;
    high bigint;
    middle bigint;
begin
    select k.block_number, k.block_timestamp, k.origin_number into head
    from chain.checkpoints k where k.chain_id = chain;
    if not found or at is null then
        return;
    end if;
    settled := at < head.block_timestamp;
    -- Times rise with blocks: the last event that is not later is found by halving.
    high := head.block_number + 1;
    while settled and high - low > 1 loop
        middle := low + (high - low) / 2;
        select e.block_number, e.block_timestamp into event from chain.asset_events e
        where e.chain_id = chain and e.block_number >= middle and e.block_number < high
        order by e.block_number, e.log_index, e.part limit 1;
        if found and event.block_timestamp <= at then
            low := event.block_number;
        else
            high := middle;
        end if;
    end loop;
    return query
    select b.block_number, api.hex(b.block_hash), block_at.settled
    from chain.known_block(chain, case when settled then greatest(low, head.origin_number) else head.block_number end) b;
end
$$;
comment on function api.block_at is
'The block whose end shows a chain''s register as it was at a time: the last one not later with a log of a watched contract. settled is false for a time that the chain has not left behind yet: its blocks may still come.';

create function api.end_of_day(day date, zone text) returns timestamptz
language sql stable parallel safe
begin atomic
    -- The instant at which the next day begins belongs to the next day: one microsecond less.
    select ((day + 1)::timestamp at time zone zone) - interval '1 microsecond';
end;
comment on function api.end_of_day is 'The last instant of a day in a time zone given by name, such as Europe/Zurich: days of 23 and 25 hours included.';

-- Questions ---------------------------------------------------------------------------------------------------------

create function api.register_totals(asset uuid, block bigint)
returns table (chain_id bigint, block_number bigint, block_hash text, finality text, holders bigint, negative bigint,
    balance_base numeric, supply numeric, supply_base numeric, frozen_base numeric, frozen_wallets bigint,
    decimals bigint, complete boolean, suspect boolean)
language sql stable rows 1
begin atomic
    select a.chain_id, b.block_number, api.hex(b.block_hash), chain.finality(block, k.finalized_number), p.holders,
        p.negative, p.balance, api.units(s.supply, a.decimals), s.supply, p.frozen, p.frozen_wallets, a.decimals,
        (a.complete_from is null or a.complete_from <= block) and not chain.is_behind(c.through_block, block)
            and block <= k.block_number,
        a.negative_balance or a.exceeds_uint256 or a.unreadable_logs > 0 or exists (
            select from ops.drift d where d.chain_id = a.chain_id and d.asset_id = a.id and d.resolved_at is null)
    from chain.assets a
    join chain.checkpoints k on k.chain_id = a.chain_id
    left join ops.coverage c on c.chain_id = a.chain_id and c.address = a.contract_address
    cross join lateral chain.known_block(a.chain_id, block) b
    cross join lateral (select chain.supply_at(asset, block) as supply offset 0) s
    cross join lateral (
        select count(*) filter (where x.balance <> 0) as holders, count(*) filter (where x.balance < 0) as negative,
            coalesce(sum(x.balance), 0) as balance, coalesce(sum(x.frozen), 0) as frozen,
            count(*) filter (where x.wallet_frozen) as frozen_wallets
        from chain.positions_at(asset, block) x) p
    where a.id = asset;
end;
comment on function api.register_totals is
'An asset''s register at the end of a block, summed: balance_base and supply_base are equal where the logs explain everything. complete: as in api.holders_at; suspect: the asset has flags, or its contract answered otherwise than the tables say.';

create function api.cap_table(asset uuid, block bigint, page integer default 1000, after_balance numeric default null,
    after_holder text default null)
returns table (holder_address text, balance numeric, balance_base numeric, percentage numeric, frozen numeric,
    frozen_base numeric, wallet_frozen boolean, holder_bytes bytea, block_number bigint, block_hash text, finality text)
language sql stable rows 1000
begin atomic
    select api.hex(p.holder), api.units(p.balance, a.decimals), p.balance,
        case when s.supply > 0 then round(p.balance * 100 / s.supply, 8) end,
        api.units(p.frozen, a.decimals), p.frozen, p.wallet_frozen, p.holder, b.block_number, api.hex(b.block_hash),
        chain.finality(block, k.finalized_number)
    from chain.assets a
    join chain.checkpoints k on k.chain_id = a.chain_id and block <= k.block_number
    cross join lateral chain.known_block(a.chain_id, block) b
    cross join lateral (select chain.supply_at(asset, block) as supply offset 0) s
    cross join lateral (
        select x.holder, x.balance, x.frozen, x.wallet_frozen from chain.positions_at(asset, block) x
        where x.balance <> 0 and (after_balance is null or x.balance < after_balance
            or x.balance = after_balance and x.holder > api.address(after_holder))
        order by x.balance desc, x.holder limit page) p
    where a.id = asset
    order by p.balance desc, p.holder;
end;
comment on function api.cap_table is
'The cap table of an asset at the end of a block by wallet, the largest first, a page of it: the next page is after the last row''s balance_base and holder_address. page null: all. No row for a block above the checkpoint.';

create function api.cap_table_by_investor(asset uuid, block bigint, page integer default 1000,
    after_balance numeric default null, after_investor text default null)
returns table (investor text, is_identity boolean, wallets bigint, balance numeric, balance_base numeric,
    percentage numeric, frozen numeric, frozen_base numeric, country bigint, block_number bigint, block_hash text,
    finality text)
language sql stable rows 1000
begin atomic
    select api.hex(p.investor), p.is_identity, p.wallets, api.units(p.balance, a.decimals), p.balance,
        case when s.supply > 0 then round(p.balance * 100 / s.supply, 8) end,
        api.units(p.frozen, a.decimals), p.frozen, p.country, b.block_number, api.hex(b.block_hash),
        chain.finality(block, k.finalized_number)
    from chain.assets a
    join chain.checkpoints k on k.chain_id = a.chain_id and block <= k.block_number
    cross join lateral chain.known_block(a.chain_id, block) b
    cross join lateral (select chain.supply_at(asset, block) as supply offset 0) s
    cross join lateral (
        select y.* from (
            select coalesce(i.identity, x.holder) as investor, i.identity is not null as is_identity,
                count(*) as wallets, sum(x.balance) as balance, sum(x.frozen) as frozen,
                (array_agg(i.country order by i.from_block desc, x.holder))[1] as country
            from chain.positions_at(asset, block) x
            left join chain.investor_of(asset, block) i on i.wallet = x.holder
            where x.balance <> 0
            group by 1, 2
        ) y
        where after_balance is null or y.balance < after_balance
            or y.balance = after_balance and y.investor > api.address(after_investor)
        order by y.balance desc, y.investor limit page) p
    where a.id = asset
    order by p.balance desc, p.investor;
end;
comment on function api.cap_table_by_investor is
'api.cap_table by investor: the wallets that the asset''s identity registry maps to one identity at the end of the block are one line (is_identity), a wallet that it does not know is a line of its own. country: of the wallet registered last.';

create function api.concentration(asset uuid, block bigint, by_investor boolean default false,
    tops integer[] default '{1,5,10,50,100}')
returns table (measure text, holders bigint, balance numeric, balance_base numeric, percentage numeric,
    block_number bigint, block_hash text)
language sql stable rows 10
begin atomic
    with ranked as materialized (
        select y.balance, row_number() over (order by y.balance desc) as place from (
            select sum(x.balance) as balance
            from chain.positions_at(asset, block) x
            left join chain.investor_of(asset, block) i on by_investor and i.wallet = x.holder
            where x.balance <> 0
            group by coalesce(i.identity, x.holder)
        ) y
        where y.balance > 0
    ), whole as (
        select count(*) as holders, sum(r.balance) as balance, sum(r.balance * r.balance) as squares from ranked r
    )
    select m.measure, m.holders, api.units(m.balance, a.decimals), m.balance, m.percentage, b.block_number,
        api.hex(b.block_hash)
    from chain.assets a
    cross join lateral chain.known_block(a.chain_id, block) b
    cross join lateral (
        select 0 as n, 'all' as measure, w.holders, coalesce(w.balance, 0) as balance,
            case when w.balance > 0 then 100.00000000 end as percentage
        from whole w
        union all
        select 1, 'hhi', w.holders, null, case when w.balance > 0 then round(w.squares * 10000 / (w.balance * w.balance), 8) end
        from whole w
        union all
        select 1 + t.n, 'top ' || t.top, count(r.place), coalesce(sum(r.balance), 0),
            case when w.balance > 0 then round(coalesce(sum(r.balance), 0) * 100 / w.balance, 8) end
        from whole w
        cross join unnest(tops) with ordinality t (top, n)
        left join ranked r on r.place <= t.top
        group by t.n, t.top, w.balance
    ) m
    where a.id = asset
    order by m.n;
end;
comment on function api.concentration is
'How concentrated an asset was at the end of a block, by wallet or by investor: what the largest n hold together, and the Herfindahl-Hirschman index in column percentage (0 to 10000: the sum of squared percentages). Positions above zero alone.';

create function api.issuance(asset uuid, block bigint, period text default 'month', zone text default 'UTC')
returns table (period_start timestamptz, mints bigint, minted numeric, minted_base numeric, burns bigint, burned numeric,
    burned_base numeric, net_base numeric, supply numeric, supply_base numeric, block_number bigint, block_hash text)
language sql stable rows 100
begin atomic
    with supply as (select chain.supply_at(asset, block) as base offset 0),
    periods as (
        select date_trunc(period, o.executed_at, zone) as start,
            count(*) filter (where o.operation_type = 'mint') as mints,
            coalesce(sum(o.amount) filter (where o.operation_type = 'mint'), 0) as minted,
            count(*) filter (where o.operation_type = 'burn') as burns,
            coalesce(sum(o.amount) filter (where o.operation_type = 'burn'), 0) as burned,
            coalesce(sum(case when o.operation_type = 'burn' then - o.amount
                when o.to_address = chain.zero_address() then 0 else o.amount end), 0) as net
        from chain.assets a
        join chain.asset_operations o on o.chain_id = a.chain_id and o.asset_id = a.id
            and o.operation_type in ('mint', 'burn') and o.block_number <= block
        where a.id = asset
        group by 1
    )
    select p.start, p.mints, api.units(p.minted, a.decimals), p.minted, p.burns, api.units(p.burned, a.decimals),
        p.burned, p.net, api.units(t.base, a.decimals), t.base, b.block_number, api.hex(b.block_hash)
    from chain.assets a
    cross join lateral chain.known_block(a.chain_id, block) b
    cross join (
        select x.*, s.base - coalesce(sum(x.net) over (order by x.start desc
            rows between unbounded preceding and 1 preceding), 0) as base
        from periods x cross join supply s) t
    join periods p on p.start = t.start
    where a.id = asset
    order by p.start;
end;
comment on function api.issuance is
'What was issued and redeemed up to the end of a block, by hour, day, week, month, quarter or year of a time zone given by name, and the supply at the end of each. A mint to the zero address is counted and adds no supply. Periods without either have no row.';

create function api.holder_compliance(asset uuid, block bigint)
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
comment on function api.holder_compliance is
'Whether those who held an asset at the end of a block might, by its identity registry then: verified, not_verified or undetermined, with the reason, country (ISO 3166-1 numeric) and freezes. In no order.';

create function api.regulatory_summary(asset uuid, block bigint, first_day date default null, last_day date default null,
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
comment on function api.regulatory_summary is
'What authorities ask of an asset at the end of a block: supply, wallets and investors, what is frozen, holders by verdict and by country (ISO 3166-1 numeric), what the largest investors hold, and what was minted and burned in a period of whole days of a time zone (column holders counts operations there).';

insert into ops.table_classes (table_name, class) values
    ('ops.commits', 'operation'),
    ('ops.commit_retention', 'operation'),
    ('ops.register_snapshots', 'operation'),
    ('ops.register_positions', 'operation'),
    ('ops.register_growth', 'operation');

grant select, insert on ops.commits to asset_indexer_writer;
grant select on ops.commits, ops.commit_retention, ops.register_snapshots, ops.register_positions to asset_indexer_reader;
grant select on ops.commit_retention, ops.register_snapshots, ops.register_positions to asset_indexer_writer;
grant execute on function ops.trim_commits(integer), ops.take_snapshot(bigint, bigint), ops.sweep_snapshots(),
    ops.forget_snapshots(bigint, bigint) to asset_indexer_writer;
grant execute on function api.block_shown_at(bigint, timestamptz), api.block_at(bigint, timestamptz),
    api.end_of_day(date, text), api.register_totals(uuid, bigint),
    api.cap_table(uuid, bigint, integer, numeric, text), api.cap_table_by_investor(uuid, bigint, integer, numeric, text),
    api.concentration(uuid, bigint, boolean, integer[]), api.issuance(uuid, bigint, text, text),
    api.holder_compliance(uuid, bigint), api.regulatory_summary(uuid, bigint, date, date, text), chain.positions_at(uuid, bigint), chain.supply_at(uuid, bigint),
    chain.investor_of(uuid, bigint), chain.snapshot_below(uuid, bigint), chain.snapshot_positions(bigint),
    chain.known_block(bigint, bigint)
to asset_indexer_reader, asset_indexer_writer;
