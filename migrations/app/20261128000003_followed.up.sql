-- A submitted transaction's end is told once, and of the row that it is told for: another tenant's word of sender and nonce
-- decides nothing; what a final block's logs tell is settled before they are archived; one null receipt is no end; and only
-- what has no end yet is looked at, some of each tenant's at a time.
set local lock_timeout = '500ms';

create table app.followed_transactions (
    chain_id bigint not null,
    tenant_id uuid not null,
    transaction_hash text not null,
    since timestamptz not null default clock_timestamp(),
    primary key (chain_id, tenant_id, transaction_hash),
    foreign key (tenant_id, chain_id, transaction_hash) references app.submitted_transactions on update cascade on delete cascade
);
comment on table app.followed_transactions is 'Submitted transactions whose end is not final: what is followed still. Written by triggers and by the daemon.';
comment on column app.followed_transactions.chain_id is 'To which chain it was sent.';
comment on column app.followed_transactions.tenant_id is 'Who sent it.';
comment on column app.followed_transactions.transaction_hash is 'The transaction.';
comment on column app.followed_transactions.since is 'Since when it is followed: for 30 days.';
insert into app.table_guards (table_name, kind, append_only, audited_in) values ('followed_transactions', 'owner', false, null);
select app.guard_table('followed_transactions');
insert into ops.table_classes (table_name, class) values ('app.followed_transactions', 'application');

create function app.follow_submitted() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
    insert into app.followed_transactions (chain_id, tenant_id, transaction_hash)
    values (new.chain_id, new.tenant_id, new.transaction_hash);
    return null;
end
$$;
comment on function app.follow_submitted is 'What is submitted is followed to its end.';
create trigger follow_submitted after insert on app.submitted_transactions for each row execute function app.follow_submitted();

-- Seen once, it may be the word of a node that lags.
alter table app.transaction_fates drop constraint transaction_fates_check1;
comment on column app.transaction_fates.is_settled is 'Whether that is its end: its block was final when the node was asked, or replaced was told twice, a minute apart. It is not asked again.';

create function app.drawn_transactions(p_chain_id bigint, p_at_most integer)
returns table (tenant_id uuid, transaction_hash text, since timestamptz)
language sql volatile set search_path = pg_catalog, pg_temp as $$
    with shares as materialized (
        select t.id, '0x' || encode(sha256(convert_to(random()::text, 'UTF8')), 'hex') as start,
            greatest(p_at_most / count(*) over (), 1) as share
        from app.tenants t
        where exists (select from app.followed_transactions f where f.chain_id = p_chain_id and f.tenant_id = t.id)
    )
    -- Hashes lie evenly: those from a hash by chance on are a draw that reads no others.
    select s.id, d.transaction_hash, d.since
    from shares s
    cross join lateral (
        select w.* from (
            (select f.transaction_hash, f.since from app.followed_transactions f
                where f.chain_id = p_chain_id and f.tenant_id = s.id and f.transaction_hash >= s.start
                order by f.transaction_hash limit s.share)
            union all
            (select f.transaction_hash, f.since from app.followed_transactions f
                where f.chain_id = p_chain_id and f.tenant_id = s.id and f.transaction_hash < s.start
                order by f.transaction_hash limit s.share)) w
        limit s.share) d
    order by random() limit p_at_most
$$;
comment on function app.drawn_transactions is 'Some of the transactions that are followed, by chance, of each tenant as many: no tenant''s keep another''s from their turn.';

create function app.settle_logged(p_chain_id bigint, p_at_most integer default 1000) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
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
        where x.chain_id = p_chain_id and x.transaction_hash = decode(substr(d.transaction_hash, 3), 'hex') limit 1) e on true;
    -- Finality is not taken back meanwhile.
    select k.finalized_number into final_block from chain.checkpoints k where k.chain_id = p_chain_id for share;
    insert into app.transaction_fates as f (tenant_id, chain_id, transaction_hash, fate, block_number, block_hash, is_settled)
    select d.tenant_id, p_chain_id, d.hash, 'included', d.block_number, d.block_hash, true
    from jsonb_to_recordset(drawn) d (tenant_id uuid, hash text, block_number bigint, block_hash text)
    join app.submitted_transactions s on s.tenant_id = d.tenant_id and s.chain_id = p_chain_id and s.transaction_hash = d.hash
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
end
$$;
comment on function app.settle_logged is 'Of some followed transactions, settles those that a watched contract logged in, in a final block, and lets go of what is followed for more than 30 days; gives how many were settled.';

create or replace function app.pending_transactions(p_chain_id bigint, p_at_most integer default 100)
returns table (transaction_hash text, sender text, nonce bigint, final_block bigint)
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
    select s.transaction_hash, s.sender, s.nonce, k.finalized_number
    from app.drawn_transactions(p_chain_id, p_at_most) d
    join app.submitted_transactions s on s.tenant_id = d.tenant_id and s.chain_id = p_chain_id
        and s.transaction_hash = d.transaction_hash
    join chain.checkpoints k on k.chain_id = p_chain_id
    where d.since > now() - interval '30 days'
        -- Where a watched contract logged in it, the tables tell.
        and not exists (select from chain.asset_events e where e.chain_id = p_chain_id
            and e.transaction_hash = decode(substr(s.transaction_hash, 3), 'hex') and e.block_number <= k.finalized_number)
    group by s.transaction_hash, s.sender, s.nonce, k.finalized_number
    -- Where time runs out, no hash that was made to be asked first keeps others from their turn.
    order by random()
$$;
comment on function app.pending_transactions is 'Submitted transactions that are followed, some of each tenant''s, by chance, to ask the node about: each with the sender and nonce that its tenant gave.';

drop function app.note_fate(bigint, text, text, bigint, text, bigint);
create function app.note_fate(p_chain_id bigint, p_transaction_hash text, p_sender text, p_nonce bigint, p_fate text,
    p_block_number bigint, p_block_hash text, p_final_block bigint) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    final_block bigint;
    changed bigint;
begin
    -- Finality may have been taken back since, and is not meanwhile.
    select least(k.finalized_number, p_final_block) into final_block from chain.checkpoints k where k.chain_id = p_chain_id for share;
    -- Back among the pending: a reorg took its block, or the node caught up.
    if p_fate is null then
        delete from app.transaction_fates f using app.submitted_transactions s
        where s.chain_id = p_chain_id and s.transaction_hash = p_transaction_hash
            and s.sender is not distinct from p_sender and s.nonce is not distinct from p_nonce
            and f.tenant_id = s.tenant_id and f.chain_id = s.chain_id and f.transaction_hash = s.transaction_hash and not f.is_settled;
    else
        insert into app.transaction_fates as f (tenant_id, chain_id, transaction_hash, fate, block_number, block_hash, is_settled)
        select s.tenant_id, s.chain_id, s.transaction_hash, p_fate, p_block_number, p_block_hash,
            coalesce(p_block_number <= final_block, false)
        from app.submitted_transactions s
        where s.chain_id = p_chain_id and s.transaction_hash = p_transaction_hash
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
    where o.chain_id = p_chain_id and o.transaction_hash = p_transaction_hash and f.tenant_id = o.tenant_id
        and f.chain_id = o.chain_id and f.transaction_hash = o.transaction_hash and f.is_settled;
    return changed > 0;
end
$$;
comment on function app.note_fate is 'Notes what the node told of a submitted transaction; null: it is in no block. replaced and null are of the rows with this sender and nonce alone. replaced is settled when it is told again a minute later, and gives way to a receipt from a final block; else what is settled stays. Gives whether anything changed.';

-- What was final above the block that an operator goes back to is so no more.
create function app.reopen_fates() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
    with gone as (
        delete from app.transaction_fates f
        where f.chain_id = new.chain_id and (f.block_number > new.finalized_number or f.fate = 'replaced')
        returning f.chain_id, f.tenant_id, f.transaction_hash)
    insert into app.followed_transactions (chain_id, tenant_id, transaction_hash)
    select g.chain_id, g.tenant_id, g.transaction_hash from gone g
    on conflict do nothing;
    return null;
end
$$;
comment on function app.reopen_fates is 'Where finality goes back, what was settled above it, and by it, is followed again.';
create trigger reopen_fates after update on chain.checkpoints for each row
    when (new.finalized_number < old.finalized_number) execute function app.reopen_fates();

revoke execute on function app.follow_submitted(), app.reopen_fates(), app.drawn_transactions(bigint, integer),
    app.settle_logged(bigint, integer), app.note_fate(bigint, text, text, bigint, text, bigint, text, bigint) from public;
grant execute on function app.settle_logged(bigint, integer), app.note_fate(bigint, text, text, bigint, text, bigint, text, bigint)
    to asset_indexer_writer;
delete from app.kept_rights where object = 'app.note_fate(p_chain_id bigint, p_transaction_hash text, p_fate text, p_block_number bigint, p_block_hash text, p_final_block bigint)';
insert into app.kept_rights values
    ('asset_indexer_writer', 'app.settle_logged(p_chain_id bigint, p_at_most integer)', 'execute'),
    ('asset_indexer_writer', 'app.note_fate(p_chain_id bigint, p_transaction_hash text, p_sender text, p_nonce bigint, p_fate text, p_block_number bigint, p_block_hash text, p_final_block bigint)', 'execute');

create or replace view api.submitted_transactions with (security_invoker = true) as
select s.transaction_hash, s.chain_id,
    s.asset_id, s.user_id, s.operation_type, s.submitted_at,
    case
        when t.block_number <= k.finalized_number then 'finalized'
        when t.block_number is not null then 'included'
        when f.fate = 'included' and f.is_settled and f.block_number <= k.finalized_number then 'finalized'
        when f.fate in ('included', 'failed') then f.fate
        when f.is_settled then 'dropped'
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
comment on column api.submitted_transactions.status is 'pending until a watched contract logged in it or the node told what became of it; included, then finalized; failed: it is in a block and did nothing; dropped: another transaction of its sender took its place, as the node told twice.';
select app.keep_guards(array['function app.note_fate(p_chain_id bigint, p_transaction_hash text, p_fate text, p_block_number bigint, p_block_hash text, p_final_block bigint)',
    'function app.note_fate(p_chain_id bigint, p_transaction_hash text, p_sender text, p_nonce bigint, p_fate text, p_block_number bigint, p_block_hash text, p_final_block bigint)',
    'function app.pending_transactions(p_chain_id bigint, p_at_most integer)',
    'function app.drawn_transactions(p_chain_id bigint, p_at_most integer)', 'function app.settle_logged(p_chain_id bigint, p_at_most integer)',
    'function app.follow_submitted()', 'function app.reopen_fates()', 'trigger follow_submitted on app.submitted_transactions',
    'trigger reopen_fates on chain.checkpoints']);
