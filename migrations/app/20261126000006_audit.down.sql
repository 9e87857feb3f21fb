do $$
declare
    part regclass;
begin
    foreach part in array array(
        select i.inhrelid::regclass from pg_inherits i where i.inhparent = 'app.compliance_violations'::regclass) loop
        execute format('alter table app.compliance_violations detach partition %s', part);
        execute format('drop table %s', part);
    end loop;
end
$$;
delete from app.monthly_tables;
drop table app.system_changes, app.audit_trail, app.compliance_logs, app.access_logs, app.login_history, app.user_actions;
drop function app.refuse_locked_login(), app.login_guard(uuid);
