set local lock_timeout = '500ms';
create or replace view api.submitted_transactions with (security_invoker = true) as
select s.transaction_hash, s.chain_id,
    s.asset_id, s.user_id, s.operation_type, s.submitted_at,
    case
        when t.block_number <= k.finalized_number then 'finalized'
        when t.block_number is not null then 'included'
        else 'pending'
    end as status,
    t.block_number, t.block_timestamp, k.block_number as as_of_block
from app.submitted_transactions s
left join lateral (
    select x.block_number, x.block_timestamp from chain.asset_events x
    where x.transaction_hash = decode(substr(s.transaction_hash, 3), 'hex') and x.chain_id = s.chain_id limit 1) t on true
left join chain.checkpoints k on k.chain_id = s.chain_id
where s.tenant_id = (select app.current_tenant());
comment on column api.submitted_transactions.status is 'pending until a watched contract logged in it: a transaction that failed leaves no log and stays pending; then included, then finalized.';
comment on column api.submitted_transactions.block_timestamp is 'Block time, once it is included.';
delete from app.kept_rights where object = 'app.transaction_fates' or object like 'app.note_fate(%' or object like 'app.pending_transactions(%';
drop function app.note_fate(bigint, text, text, bigint, text, bigint), app.pending_transactions(bigint, integer);
delete from ops.table_classes where table_name = 'app.transaction_fates';
drop table app.transaction_fates;
delete from app.table_guards where table_name = 'transaction_fates';
select app.keep_guards(array['function app.note_fate(p_chain_id bigint, p_transaction_hash text, p_fate text, p_block_number bigint, p_block_hash text, p_final_block bigint)',
    'function app.pending_transactions(p_chain_id bigint, p_at_most integer)']);
select app.keep_guards(array(select m.object from app.guards_made('transaction_fates') m));
