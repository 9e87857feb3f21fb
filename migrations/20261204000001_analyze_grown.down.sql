set local lock_timeout = '500ms';

create or replace function ops.analyze_grown(p_all boolean) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
    grown regclass;
    analyzed bigint := 0;
begin
    for grown in
        select c.oid from pg_class c
        where c.relnamespace = 'chain'::regnamespace and c.relkind = 'r'
            and case when p_all then true
                else not c.relispartition
                    and pg_stat_get_mod_since_analyze(c.oid) > 1000 + pg_stat_get_live_tuples(c.oid) / 2
            end
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
comment on function ops.analyze_grown is 'Analyzes the tables of chain, facts apart, that have more than doubled since the planner heard of them, which a load does faster than autovacuum looks; or all of them, facts too. Tells how many.';
