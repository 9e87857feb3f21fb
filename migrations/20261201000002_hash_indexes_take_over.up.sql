-- The hash indexes take the places of the old ones, and their names, those of the partitions' too.
set local lock_timeout = '200ms';

do $$
declare
    pair record;
    renames text[];
    rename text;
begin
    for pair in select * from (values
        ('asset_events_by_transaction', 'asset_events_transaction'),
        ('asset_transactions_by_hash', 'asset_transactions_hash')) v (built, name)
    loop
        select array_agg(format('alter index %s rename to %I', built.indexrelid::regclass, named.relname)) into renames
        from pg_partition_tree(format('chain.%I', pair.name)::regclass) old
        join pg_class named on named.oid = old.relid
        join pg_index replaced on replaced.indexrelid = old.relid
        join pg_index built on built.indrelid = replaced.indrelid
        join pg_partition_tree(format('chain.%I', pair.built)::regclass) new on new.relid = built.indexrelid
        where old.level > 0;
        execute format('drop index chain.%I', pair.name);
        execute format('alter index chain.%I rename to %I', pair.built, pair.name);
        foreach rename in array coalesce(renames, '{}') loop
            execute rename;
        end loop;
    end loop;
end
$$;
