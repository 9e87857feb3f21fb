-- Back: evidence goes too; export chain.audit_trail first where it has to be kept.
drop function ops.ensure_partitions(bigint, bigint);
drop table ops.table_classes;
drop table ops.requests;
drop table ops.undo;
drop table ops.headers;
drop table ops.leases;
drop table chain.system_events;
drop table chain.audit_trail;
drop table chain.checkpoints;
drop function chain.keep_finality();
