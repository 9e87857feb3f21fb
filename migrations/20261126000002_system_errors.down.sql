drop view api.system_errors;
delete from ops.table_classes where table_name = 'chain.system_errors';
drop table chain.system_errors;
