-- Back: evidence is lost, nothing else; a later step forward proves everything again.
drop view api.evidence;
drop view api.checkpoints;
create view api.checkpoints with (security_invoker = true) as
select k.chain_id, k.block_number, api.hex(k.block_hash) as block_hash, k.block_timestamp,
    k.finalized_number, api.hex(k.finalized_hash) as finalized_hash, api.hex(k.genesis_hash) as genesis_hash,
    k.status, k.halt_reason
from chain.checkpoints k;
comment on view api.checkpoints is 'How far each chain is indexed. Only facts: how far that is behind is for the reader''s clock to say.';
grant select on api.checkpoints to asset_indexer_reader, asset_indexer_writer;
drop function ops.prove(bigint, bigint, bigint, bytea, bytea, text, text, bigint);
delete from ops.table_classes where table_name in ('ops.evidence', 'ops.late_history');
drop table ops.late_history;
drop table ops.evidence;
alter table chain.checkpoints
    drop column origin_number, drop column origin_hash, drop column verified_number, drop column verified_hash;
