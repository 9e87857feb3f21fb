set local lock_timeout = '500ms';
drop function app.security_figures(), app.security_findings(interval), app.keep_rights(), app.rights_now();
delete from ops.table_classes where table_name = 'app.kept_rights';
delete from app.table_guards where table_name = 'kept_rights';
drop table app.kept_rights;
drop index app.login_history_failures_idx;
