-- As it was.
set local lock_timeout = '500ms';

drop function ops.analyze_grown();

create or replace function ops.build_index(out name text, out built boolean) returns setof record
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
