set local lock_timeout = '500ms';
drop trigger check_login on app.tenant_logins;
drop function app.check_login();
select app.keep_guards(array['function app.check_login()', 'trigger check_login on app.tenant_logins']);
