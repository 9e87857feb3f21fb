-- What is deferred is built before a step down.
set local lock_timeout = '500ms';

do $$
begin
    if exists (select from ops.deferred_indexes) then
        raise exception 'indexes wait for the end of a first load: step down with asset-indexer migrate --down-to, which builds them';
    end if;
end
$$;

drop function ops.build_index();
drop function ops.defer_indexes();
drop table ops.deferred_indexes;
delete from ops.table_classes where table_name = 'ops.deferred_indexes';
delete from ops.locks where name = 'indexes';
