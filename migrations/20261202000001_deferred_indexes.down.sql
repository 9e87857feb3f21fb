-- What is deferred is built before a step down.
set local lock_timeout = '500ms';

drop function ops.build_index();
drop function ops.defer_indexes();
drop table ops.deferred_indexes;
delete from ops.table_classes where table_name = 'ops.deferred_indexes';
delete from ops.locks where name = 'indexes';
