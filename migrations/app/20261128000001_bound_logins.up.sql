-- A binding of a login that there is not binds nobody: the login that was meant would go on choosing its tenant.
set local lock_timeout = '500ms';
create function app.check_login() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (select from pg_roles r where r.rolname = new.login) then
        raise exception 'there is no login % that could be bound to a tenant', new.login
            using errcode = 'undefined_object', hint = 'make the role first; names are compared as they are written';
    end if;
    return new;
end
$$;
comment on function app.check_login is 'A login that is bound to a tenant is a role that there is.';
revoke execute on function app.check_login() from public;
create trigger check_login before insert or update of login on app.tenant_logins for each row execute function app.check_login();
select app.keep_guards(array['function app.check_login()', 'trigger check_login on app.tenant_logins']);
