delete from ops.table_classes where table_name like 'app.%';
do $$
declare
    relation regclass;
begin
    foreach relation in array array(select ('app.' || quote_ident(g.table_name))::regclass from app.table_guards g) loop
        execute format('drop trigger if exists touch on %s', relation);
        execute format('drop trigger if exists refuse_change on %s', relation);
        execute format('drop trigger if exists refuse_truncate on %s', relation);
        execute format('drop trigger if exists audit on %s', relation);
        execute format('drop policy if exists seen on %s', relation);
        execute format('drop policy if exists own on %s', relation);
        execute format('alter table %s disable row level security', relation);
    end loop;
end
$$;
drop function app.guard_tables();
drop table app.table_guards, app.audit_keys;
drop function app.audit(), app.hide(jsonb, text[], text);
