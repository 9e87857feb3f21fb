set local lock_timeout = '500ms';

drop table ops.derivation;
delete from ops.table_classes where table_name = 'ops.derivation';
