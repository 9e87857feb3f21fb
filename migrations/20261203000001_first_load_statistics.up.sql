-- Statistics during a load, and with the last index of a first load.
set local lock_timeout = '500ms';

create or replace function ops.build_index(out name text, out built boolean) returns setof record
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '3s' as $$
declare
    next ops.deferred_indexes;
    loaded regclass;
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
    if not exists (select from ops.deferred_indexes) then
        -- Till autovacuum looks by itself, a question would be planned as if the tables were empty, and take minutes.
        for loaded in
            select c.oid from pg_class c
            where c.relnamespace = 'chain'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            order by c.relname
        loop
            begin
                execute format('analyze %s', loaded);
            exception
                when lock_not_available then
                    null; -- Autovacuum is at it.
            end;
        end loop;
    end if;
    built := true;
    return next;
exception
    when lock_not_available then
        -- Whoever reads or writes the table is not made to wait for long.
        return next;
end
$$;
comment on function ops.build_index is 'Builds the next of ops.deferred_indexes: its name, and whether it was built or somebody was in the way; no row when none is left. With the last one all tables of chain are analyzed.';

create function ops.analyze_grown() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
    grown regclass;
    analyzed bigint := 0;
begin
    for grown in
        select c.oid from pg_class c
        where c.relnamespace = 'chain'::regnamespace and c.relkind = 'r' and not c.relispartition
            and pg_stat_get_mod_since_analyze(c.oid) > 1000 + pg_stat_get_live_tuples(c.oid) / 2
        order by c.relname
    loop
        begin
            execute format('analyze %s', grown);
            analyzed := analyzed + 1;
        exception
            when lock_not_available then
                null; -- Autovacuum is at it.
        end;
    end loop;
    return analyzed;
end
$$;
comment on function ops.analyze_grown is 'Analyzes the tables of chain, facts apart, of which more than half is newer than what the planner knows: a load outruns autovacuum. Tells how many.';
revoke all on function ops.analyze_grown from public;
grant execute on function ops.analyze_grown to asset_indexer_writer;
