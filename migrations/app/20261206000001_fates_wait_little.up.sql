-- Whoever holds the checkpoint's row stops the daemon's next commit, so nothing is waited for meanwhile. A fate's key looks at its
-- transaction, whose row a tenant may hold locked as long as it likes: those rows come first, and what is held is left for the
-- next round. What still has to be waited for is so for a moment, and then left too.
set local lock_timeout = '500ms';

create or replace function app.settle_logged(p_chain_id bigint, p_at_most integer default 1000) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set lock_timeout = '200ms' as $$
declare
    drawn jsonb;
    final_block bigint;
    settled bigint;
begin
    select jsonb_agg(jsonb_build_object('tenant_id', d.tenant_id, 'hash', d.transaction_hash, 'since', d.since,
        'block_number', e.block_number, 'block_hash', api.hex(e.block_hash)))
    into drawn
    from app.drawn_transactions(p_chain_id, p_at_most) d
    left join lateral (
        select x.block_number, x.block_hash from chain.asset_events x
        where x.chain_id = p_chain_id and x.transaction_hash = decode(substr(d.transaction_hash, 3), 'hex') limit 1) e on true
    where e.block_number is not null or d.since < now() - interval '30 days';
    select jsonb_agg(l.one) into drawn from (
        select d.one from jsonb_array_elements(drawn) d (one)
        join app.submitted_transactions s on s.tenant_id = (d.one ->> 'tenant_id')::uuid and s.chain_id = p_chain_id
            and s.transaction_hash = d.one ->> 'hash'
        for key share of s skip locked) l;
    if drawn is null then
        return 0;
    end if;
    -- Finality is not taken back meanwhile.
    select k.finalized_number into final_block from chain.checkpoints k where k.chain_id = p_chain_id for share;
    insert into app.transaction_fates as f (tenant_id, chain_id, transaction_hash, fate, block_number, block_hash, is_settled)
    select d.tenant_id, p_chain_id, d.hash, 'included', d.block_number, d.block_hash, true
    from jsonb_to_recordset(drawn) d (tenant_id uuid, hash text, block_number bigint, block_hash text)
    where d.block_number <= final_block
    on conflict (tenant_id, chain_id, transaction_hash) do update
    set fate = excluded.fate, block_number = excluded.block_number, block_hash = excluded.block_hash,
        is_settled = excluded.is_settled, asked_at = excluded.asked_at
    where not f.is_settled or f.fate = 'replaced';
    get diagnostics settled = row_count;
    delete from app.followed_transactions f
    using jsonb_to_recordset(drawn) d (tenant_id uuid, hash text, since timestamptz, block_number bigint)
    where f.chain_id = p_chain_id and f.tenant_id = d.tenant_id and f.transaction_hash = d.hash
        and (d.block_number <= final_block or d.block_number is null and d.since < now() - interval '30 days');
    return settled;
exception when lock_not_available then
    return 0;
end
$$;
comment on function app.settle_logged is 'Of some followed transactions, settles those that a watched contract logged in, in a final block, and lets go of what is followed for more than 30 days; gives how many were settled. Those whose rows somebody holds are left for another time; all are where a lock is not had within 200 ms.';

create or replace function app.note_fate(p_chain_id bigint, p_transaction_hash text, p_sender text, p_nonce bigint, p_fate text,
    p_block_number bigint, p_block_hash text, p_final_block bigint) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set lock_timeout = '200ms' as $$
declare
    free uuid[];
    final_block bigint;
    changed bigint;
begin
    select array_agg(l.tenant_id) into free from (
        select s.tenant_id from app.submitted_transactions s
        where s.chain_id = p_chain_id and s.transaction_hash = p_transaction_hash
        for key share of s skip locked) l;
    if free is null then
        return false;
    end if;
    -- Finality may have been taken back since, and is not meanwhile.
    select least(k.finalized_number, p_final_block) into final_block from chain.checkpoints k where k.chain_id = p_chain_id for share;
    -- Back among the pending: a reorg took its block, or the node caught up.
    if p_fate is null then
        delete from app.transaction_fates f using app.submitted_transactions s
        where s.chain_id = p_chain_id and s.transaction_hash = p_transaction_hash and s.tenant_id = any (free)
            and s.sender is not distinct from p_sender and s.nonce is not distinct from p_nonce
            and f.tenant_id = s.tenant_id and f.chain_id = s.chain_id and f.transaction_hash = s.transaction_hash and not f.is_settled;
    else
        insert into app.transaction_fates as f (tenant_id, chain_id, transaction_hash, fate, block_number, block_hash, is_settled)
        select s.tenant_id, s.chain_id, s.transaction_hash, p_fate, p_block_number, p_block_hash,
            coalesce(p_block_number <= final_block, false)
        from app.submitted_transactions s
        where s.chain_id = p_chain_id and s.transaction_hash = p_transaction_hash and s.tenant_id = any (free)
            -- A receipt is the transaction's; that another took its place follows from what this row says of sender and nonce.
            and (p_fate <> 'replaced' or s.sender is not distinct from p_sender and s.nonce is not distinct from p_nonce)
        on conflict (tenant_id, chain_id, transaction_hash) do update
        set fate = excluded.fate, block_number = excluded.block_number, block_hash = excluded.block_hash,
            is_settled = excluded.is_settled or excluded.fate = 'replaced' and f.fate = 'replaced', asked_at = excluded.asked_at
        where case
            when f.is_settled then f.fate = 'replaced' and excluded.is_settled
            when f.fate = 'replaced' and excluded.fate = 'replaced' then f.asked_at <= excluded.asked_at - interval '1 minute'
            else (f.fate, f.block_hash, f.is_settled) is distinct from (excluded.fate, excluded.block_hash, excluded.is_settled)
        end;
    end if;
    get diagnostics changed = row_count;
    delete from app.followed_transactions o using app.transaction_fates f
    where o.chain_id = p_chain_id and o.transaction_hash = p_transaction_hash and o.tenant_id = any (free)
        and f.tenant_id = o.tenant_id and f.chain_id = o.chain_id and f.transaction_hash = o.transaction_hash and f.is_settled;
    return changed > 0;
exception when lock_not_available then
    return false;
end
$$;
comment on function app.note_fate is 'Notes what the node told of a submitted transaction; null: it is in no block. replaced and null are of the rows with this sender and nonce alone. replaced is settled when it is told again a minute later, and gives way to a receipt from a final block; else what is settled stays. Rows that somebody holds are left for another time; all are where a lock is not had within 200 ms. Gives whether anything changed.';

select app.keep_guards(array[
    'function app.note_fate(p_chain_id bigint, p_transaction_hash text, p_sender text, p_nonce bigint, p_fate text, p_block_number bigint, p_block_hash text, p_final_block bigint)',
    'function app.settle_logged(p_chain_id bigint, p_at_most integer)']);
