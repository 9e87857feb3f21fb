set local lock_timeout = '500ms';
delete from ops.table_classes where table_name = 'ops.data_migrations';
drop table ops.data_migrations;
