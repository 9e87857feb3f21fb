-- Statistics during a load: half as often. Selectivities hold for a table that has grown; unknown is what must not last.
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
                    and pg_stat_get_mod_since_analyze(c.oid) > 1000 + 3 * case
                        -- How many rows there are may be known of a vacuum or an index alone.
                        when coalesce(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid)) is null then 0
                        else greatest(c.reltuples, 0)
                    end
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
comment on function ops.analyze_grown is 'Analyzes the tables of chain, facts apart, that have four times the rows the planner knows of, which a load does faster than autovacuum looks; or all of them, facts too. Tells how many.';
