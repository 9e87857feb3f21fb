delete from ops.table_classes where table_name = 'app.audit_seals';
delete from app.table_guards where table_name = 'audit_seals';
drop function app.broken_seals(), app.sealed_rows(), app.newest_seal(text), app.seal_trail(text, bigint), app.trail_end(text), app.trail_digest(text, bigint, bigint, text);
drop table app.audit_seals;
