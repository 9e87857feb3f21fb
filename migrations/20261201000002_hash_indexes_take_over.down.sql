-- Back: both beside one another, the old ones built anew.
set local lock_timeout = '500ms';

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
        select array_agg(format('alter index %s rename to %I', c.oid::regclass, c.relname || '1')) into renames
        from pg_partition_tree(format('chain.%I', pair.name)::regclass) t
        join pg_class c on c.oid = t.relid
        where t.level > 0;
        execute format('alter index chain.%I rename to %I', pair.name, pair.built);
        foreach rename in array coalesce(renames, '{}') loop
            execute rename;
        end loop;
    end loop;
end
$$;
create index asset_events_transaction on chain.asset_events (transaction_hash);
create index asset_transactions_hash on chain.asset_transactions (transaction_hash);
