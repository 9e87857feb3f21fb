set local lock_timeout = '500ms';

drop table ops.request_starts;
delete from ops.table_classes where table_name = 'ops.request_starts';
