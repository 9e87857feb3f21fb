-- A first load into empty tables: an index in no order of the chain's costs more with every row, and nothing when it is
-- built of all of them at the end. What was dropped is written down here in the same transaction, and built from here.
create table ops.deferred_indexes (
    position bigint primary key,
    name text not null unique,
    statement text not null
);
comment on table ops.deferred_indexes is 'Indexes and the key of chain tables that are built when the first load of this database is nearly done; empty ever after. Readers find them missing until then.';
comment on column ops.deferred_indexes.position is 'In this order they are built.';
comment on column ops.deferred_indexes.name is 'Of the index or constraint, in schema chain.';
comment on column ops.deferred_indexes.statement is 'What builds it; run by ops.build_index alone.';
insert into ops.table_classes (table_name, class) values ('ops.deferred_indexes', 'operation');
insert into ops.locks (name) values ('indexes');
grant select on ops.deferred_indexes to asset_indexer_writer, asset_indexer_reader;

create function ops.defer_indexes() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '500ms' as $$
declare
    loaded constant regclass[] := array['chain.asset_holders', 'chain.ownership_history', 'chain.asset_transactions',
        'chain.asset_operations', 'chain.asset_events']::regclass[];
    one record;
    key text := (select pg_get_constraintdef(oid) from pg_constraint
        where conrelid = 'chain.ownership_history'::regclass and contype = 'p');
    leaves regclass[] := (select array_agg(relid order by relid::text)
        from pg_partition_tree('chain.ownership_history') where isleaf);
    deferred bigint := 0;
begin
    perform ops.lock('indexes');
    if key is null or exists (select from chain.checkpoints) or exists (select from ops.deferred_indexes) then
        return 0;
    end if;
    lock table chain.asset_holders, chain.ownership_history, chain.asset_transactions, chain.asset_operations,
        chain.asset_events in access exclusive mode;
    if exists (select from chain.asset_holders) or exists (select from chain.ownership_history)
        or exists (select from chain.asset_transactions) or exists (select from chain.asset_operations)
        or exists (select from chain.asset_events) then
        return 0;
    end if;
    -- The key of the events stays, and refuses a log that is there; what is derived of it cannot come twice by itself.
    insert into ops.deferred_indexes
    select row_number() over (order by built.part, built.name), built.name, built.statement
    from (
        select c.relname::text, format('create unique index %I on %s %s', c.relname, t.leaf,
            substring(key from '\(.*')), 0
        from unnest(leaves) as t (leaf)
        join pg_constraint p on p.conrelid = t.leaf and p.contype = 'p'
        join pg_class c on c.oid = p.conindid
        union all
        select 'ownership_history_pkey', string_agg(format('alter table %s add constraint %I primary key using index %2$I;',
            t.leaf, p.conname), ' ')
            || format(' alter table chain.ownership_history add constraint ownership_history_pkey %s', key), 100
        from unnest(leaves) as t (leaf)
        join pg_constraint p on p.conrelid = t.leaf and p.contype = 'p'
        union all
        select c.relname::text, replace(pg_get_indexdef(c.oid), ' ON ONLY ', ' ON '),
            1 + array_position(loaded, i.indrelid::regclass)
        from pg_index i
        join pg_class c on c.oid = i.indexrelid
        -- What grows with the chain is as cheap as it gets, and what a rewind looks for.
        where i.indrelid = any (loaded) and not i.indisunique and c.relname <> 'ownership_history_block'
    ) built (name, statement, part);
    get diagnostics deferred = row_count;
    for one in
        select i.indexrelid::regclass as index from pg_index i
        join ops.deferred_indexes d on i.indexrelid = format('chain.%I', d.name)::regclass
        where i.indrelid = any (loaded) and not i.indisunique
    loop
        execute format('drop index %s', one.index);
    end loop;
    alter table chain.ownership_history drop constraint ownership_history_pkey;
    return deferred;
exception
    when lock_not_available or dependent_objects_still_exist then
        -- Somebody reads, or has built on the key: the load takes longer, that is all.
        return null;
end
$$;
comment on function ops.defer_indexes is 'Before the first checkpoint of an empty database: drops the indexes whose upkeep a load pays dearly, and remembers them in ops.deferred_indexes; tells how many, null when somebody was in the way, or a view or key of somebody''s stands on what would go.';
revoke all on function ops.defer_indexes from public;
grant execute on function ops.defer_indexes to asset_indexer_writer;

create function ops.build_index(out name text, out built boolean) returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '3s' as $$
declare
    next ops.deferred_indexes;
begin
    built := false;
    name := 'what another process builds';
    perform ops.lock('indexes');
    select d.* into next from ops.deferred_indexes d order by d.position limit 1;
    if not found then
        return;
    end if;
    name := next.name;
    -- An index keeps writers waiting, and an autovacuum gives way to it after a second; the key keeps readers waiting too.
    if next.statement like 'alter %' then
        perform set_config('lock_timeout', '500ms', true);
    end if;
    execute next.statement;
    delete from ops.deferred_indexes d where d.position = next.position;
    built := true;
    return next;
exception
    when lock_not_available then
        -- Whoever reads or writes the table is not made to wait for long.
        return next;
end
$$;
comment on function ops.build_index is 'Builds the next of ops.deferred_indexes: its name, and whether it was built or somebody was in the way; no row when none is left.';
revoke all on function ops.build_index from public;
grant execute on function ops.build_index to asset_indexer_writer;
