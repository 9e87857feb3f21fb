set local lock_timeout = '500ms';
create or replace view api.submitted_transactions with (security_invoker = true) as
select s.transaction_hash, s.chain_id,
    s.asset_id, s.user_id, s.operation_type, s.submitted_at,
    case
        when t.block_number <= k.finalized_number then 'finalized'
        when t.block_number is not null then 'included'
        when f.fate = 'included' and f.is_settled then 'finalized'
        when f.fate = 'replaced' then 'dropped'
        when f.fate is not null then f.fate
        else 'pending'
    end as status,
    coalesce(t.block_number, f.block_number) as block_number, t.block_timestamp, k.block_number as as_of_block
from app.submitted_transactions s
left join lateral (
    select x.block_number, x.block_timestamp from chain.asset_events x
    where x.transaction_hash = decode(substr(s.transaction_hash, 3), 'hex') and x.chain_id = s.chain_id limit 1) t on true
left join app.transaction_fates f on f.tenant_id = s.tenant_id and f.chain_id = s.chain_id
    and f.transaction_hash = s.transaction_hash
left join chain.checkpoints k on k.chain_id = s.chain_id
where s.tenant_id = (select app.current_tenant());
comment on column api.submitted_transactions.status is 'pending until a watched contract logged in it or the node told what became of it; included, then finalized; failed: it is in a block and did nothing; dropped: another transaction of its sender took its place.';
drop trigger reopen_fates on chain.checkpoints;
drop trigger follow_submitted on app.submitted_transactions;
create or replace function app.pending_transactions(p_chain_id bigint, p_at_most integer default 100)
returns table (transaction_hash text, sender text, nonce bigint, final_block bigint)
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
    select s.transaction_hash, max(s.sender), max(s.nonce), k.finalized_number
    from app.submitted_transactions s
    join chain.checkpoints k on k.chain_id = s.chain_id
    left join app.transaction_fates f on f.tenant_id = s.tenant_id and f.chain_id = s.chain_id
        and f.transaction_hash = s.transaction_hash
    where s.chain_id = p_chain_id and s.submitted_at > now() - interval '30 days' and not coalesce(f.is_settled, false)
        -- Where a watched contract logged in it, the tables tell.
        and not exists (select from chain.asset_events e where e.chain_id = s.chain_id
            and e.transaction_hash = decode(substr(s.transaction_hash, 3), 'hex') and e.block_number <= k.finalized_number)
    group by s.transaction_hash, k.finalized_number
    -- No transaction that stays pending keeps others from their turn.
    order by random() limit p_at_most
$$;
comment on function app.pending_transactions is 'Submitted transactions of the last 30 days whose end is not final: some of them, by chance, to ask the node about.';

drop function app.note_fate(bigint, text, text, bigint, text, bigint, text, bigint), app.settle_logged(bigint, integer),
    app.drawn_transactions(bigint, integer), app.follow_submitted(), app.reopen_fates();
create function app.note_fate(p_chain_id bigint, p_transaction_hash text, p_fate text, p_block_number bigint, p_block_hash text,
    p_final_block bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    changed bigint;
begin
    -- Back among the pending: a reorg took its block.
    if p_fate is null then
        delete from app.transaction_fates f
        where f.chain_id = p_chain_id and f.transaction_hash = p_transaction_hash and not f.is_settled;
    else
        insert into app.transaction_fates as f (tenant_id, chain_id, transaction_hash, fate, block_number, block_hash, is_settled)
        select s.tenant_id, s.chain_id, s.transaction_hash, p_fate, p_block_number, p_block_hash,
            p_fate = 'replaced' or p_block_number <= p_final_block
        from app.submitted_transactions s
        where s.chain_id = p_chain_id and s.transaction_hash = p_transaction_hash
        on conflict (tenant_id, chain_id, transaction_hash) do update
        set fate = excluded.fate, block_number = excluded.block_number, block_hash = excluded.block_hash,
            is_settled = excluded.is_settled, asked_at = excluded.asked_at
        where not f.is_settled and (f.fate, f.block_hash, f.is_settled)
            is distinct from (excluded.fate, excluded.block_hash, excluded.is_settled);
    end if;
    get diagnostics changed = row_count;
    return changed > 0;
end
$$;
comment on function app.note_fate is 'Notes what the node told of a submitted transaction; null: it is in no block. What is settled stays. Gives whether anything changed.';
revoke execute on function app.note_fate(bigint, text, text, bigint, text, bigint) from public;
grant execute on function app.note_fate(bigint, text, text, bigint, text, bigint) to asset_indexer_writer;
delete from app.kept_rights where object like 'app.note_fate(%' or object like 'app.settle_logged(%';
insert into app.kept_rights values ('asset_indexer_writer', 'app.note_fate(p_chain_id bigint, p_transaction_hash text, p_fate text, p_block_number bigint, p_block_hash text, p_final_block bigint)', 'execute');
delete from app.transaction_fates f where f.fate = 'replaced' and not f.is_settled;
alter table app.transaction_fates add constraint transaction_fates_check1 check (is_settled or fate <> 'replaced');
comment on column app.transaction_fates.is_settled is 'Whether the block was final when the node was asked: it is not asked again.';
delete from ops.table_classes where table_name = 'app.followed_transactions';
drop table app.followed_transactions;
delete from app.table_guards where table_name = 'followed_transactions';
select app.keep_guards(array['function app.note_fate(p_chain_id bigint, p_transaction_hash text, p_fate text, p_block_number bigint, p_block_hash text, p_final_block bigint)',
    'function app.note_fate(p_chain_id bigint, p_transaction_hash text, p_sender text, p_nonce bigint, p_fate text, p_block_number bigint, p_block_hash text, p_final_block bigint)',
    'function app.pending_transactions(p_chain_id bigint, p_at_most integer)',
    'function app.drawn_transactions(p_chain_id bigint, p_at_most integer)', 'function app.settle_logged(p_chain_id bigint, p_at_most integer)',
    'function app.follow_submitted()', 'function app.reopen_fates()', 'trigger follow_submitted on app.submitted_transactions',
    'trigger reopen_fates on chain.checkpoints']);
select app.keep_guards(array(select m.object from app.guards_made('followed_transactions') m));
