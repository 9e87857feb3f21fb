-- What became of a submitted transaction that left no log: it failed, it did nothing that is watched, or another took its
-- place. Asked of the node by the daemon, until a final block has the answer.
set local lock_timeout = '500ms';

create table app.transaction_fates (
    tenant_id uuid not null,
    chain_id bigint not null,
    transaction_hash text not null,
    fate text not null check (fate in ('included', 'failed', 'replaced')),
    block_number bigint check (block_number >= 0),
    block_hash text check (block_hash ~ '^0x[0-9a-f]{64}$'),
    is_settled boolean not null,
    asked_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, chain_id, transaction_hash),
    foreign key (tenant_id, chain_id, transaction_hash) references app.submitted_transactions on delete cascade,
    check ((fate = 'replaced') = (block_number is null) and (block_number is null) = (block_hash is null)),
    check (is_settled or fate <> 'replaced')
);
comment on table app.transaction_fates is 'What became of submitted transactions, as the node told: no row while it is in no block. Written by the daemon.';
comment on column app.transaction_fates.tenant_id is 'Who sent it.';
comment on column app.transaction_fates.chain_id is 'To which chain.';
comment on column app.transaction_fates.transaction_hash is 'The transaction.';
comment on column app.transaction_fates.fate is 'included: it is in a block and did what it should; failed: it is in a block and did nothing; replaced: another transaction of its sender took its place for good.';
comment on column app.transaction_fates.block_number is 'The block; null where it is replaced.';
comment on column app.transaction_fates.block_hash is 'That block''s hash.';
comment on column app.transaction_fates.is_settled is 'Whether the block was final when the node was asked: it is not asked again.';
comment on column app.transaction_fates.asked_at is 'When the node told this first.';

insert into app.table_guards (table_name, kind, append_only, audited_in) values ('transaction_fates', 'tenant', false, 'audit_trail');
select app.guard_table('transaction_fates');
insert into ops.table_classes (table_name, class) values ('app.transaction_fates', 'application');
grant select on app.transaction_fates to asset_indexer_app, asset_indexer_reader;

create function app.pending_transactions(p_chain_id bigint, p_at_most integer default 100)
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

revoke execute on function app.pending_transactions(bigint, integer), app.note_fate(bigint, text, text, bigint, text, bigint) from public;
grant execute on function app.pending_transactions(bigint, integer), app.note_fate(bigint, text, text, bigint, text, bigint)
    to asset_indexer_writer;
insert into app.kept_rights values
    ('asset_indexer_writer', 'app.pending_transactions(p_chain_id bigint, p_at_most integer)', 'execute'),
    ('asset_indexer_writer', 'app.note_fate(p_chain_id bigint, p_transaction_hash text, p_fate text, p_block_number bigint, p_block_hash text, p_final_block bigint)', 'execute'),
    ('asset_indexer_app', 'app.transaction_fates', 'select'),
    ('asset_indexer_reader', 'app.transaction_fates', 'select');

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
comment on column api.submitted_transactions.block_timestamp is 'Block time, once a watched contract logged in it.';
select app.keep_guards(array['function app.note_fate(p_chain_id bigint, p_transaction_hash text, p_fate text, p_block_number bigint, p_block_hash text, p_final_block bigint)',
    'function app.pending_transactions(p_chain_id bigint, p_at_most integer)']);
