-- Back: nothing is lost.
set local lock_timeout = '500ms';

drop policy days_there_are on app.regulatory_reports;

create or replace view api.transaction_logs with (security_invoker = true) as
select t.*, coalesce(
    (select w.user_id from app.wallet_links w where w.tenant_id = (select app.current_tenant()) and w.chain_id = t.chain_id
        and w.wallet = t.to_address and w.unlinked_at is null),
    (select w.user_id from app.wallet_links w where w.tenant_id = (select app.current_tenant()) and w.chain_id = t.chain_id
        and w.wallet = t.from_address and w.unlinked_at is null)) as user_id,
    (select w.user_id from app.wallet_links w where w.tenant_id = (select app.current_tenant()) and w.chain_id = t.chain_id
        and w.wallet = t.from_address and w.unlinked_at is null) as from_user_id,
    (select w.user_id from app.wallet_links w where w.tenant_id = (select app.current_tenant()) and w.chain_id = t.chain_id
        and w.wallet = t.to_address and w.unlinked_at is null) as to_user_id
from api.chain_transaction_logs t;
comment on column api.transaction_logs.from_user_id is 'The tenant''s user who had the units.';
comment on column api.transaction_logs.to_user_id is 'The tenant''s user who got them.';
delete from app.kept_rights where object = 'app.whose(p_chain_id bigint, p_wallet text, p_at timestamp with time zone)';
drop function app.whose(bigint, text, timestamptz);

create or replace view api.compliance_violations with (security_invoker = true) as
select v.id, v.asset_id, v.user_id, v.violation_type, v.details, v.detected_at, r.resolved_at, r.resolution_type, v.detected_by
from app.compliance_violations v
left join app.violation_resolutions r on r.tenant_id = v.tenant_id and r.violation_id = v.id
where v.tenant_id = (select app.current_tenant());

drop trigger follow_corrected on app.submitted_transactions;
drop function app.follow_corrected();

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

create or replace function app.find_violations(p_chain_id bigint) returns table (opened bigint, cleared bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    breach record;
    before record;
begin
    opened := 0;
    cleared := 0;
    -- Daemons of two chains may come at once.
    perform from app.table_guards g where g.table_name = 'compliance_violations' for update;
    create temporary table breaches_now on commit drop as
        select b.*, coalesce(b.wallet, b.details ->> 'identity', '') as subject from app.breaches(p_chain_id) b;
    for breach in select b.* from breaches_now b where b.standing = 'breached' loop
        select v.details ->> 'reason' as reason, r.resolution_type into before
        from app.compliance_violations v
        left join app.violation_resolutions r on r.tenant_id = v.tenant_id and r.violation_id = v.id
        where v.tenant_id = breach.tenant_id and v.asset_id = breach.asset_id and v.violation_type = breach.violation_type
            and coalesce(v.details ->> 'wallet', v.details ->> 'identity', '') = breach.subject and v.detected_by = 'asset-indexer'
            and v.detected_at <= clock_timestamp()
        order by v.detected_at desc limit 1;
        -- Open already; or an officer has had the last word on this very reason.
        if found and (before.resolution_type is null
            or before.resolution_type in ('waived', 'false_alarm', 'reported') and before.reason is not distinct from breach.details ->> 'reason') then
            continue;
        end if;
        insert into app.compliance_violations (tenant_id, asset_id, user_id, violation_type, details, detected_at, detected_by)
        values (breach.tenant_id, breach.asset_id, breach.user_id, breach.violation_type, breach.details, clock_timestamp(), 'asset-indexer');
        opened := opened + 1;
    end loop;
    insert into app.violation_resolutions (violation_id, detected_at, tenant_id, resolution_type, resolution_data, resolved_by,
        resolved_at, notes)
    select v.id, v.detected_at, v.tenant_id, 'auto_cleared',
        jsonb_build_object('chain_id', p_chain_id, 'block_number', k.final_number, 'block_hash', api.hex(k.final_hash)),
        'asset-indexer', clock_timestamp(), null
    from app.compliance_violations v
    join chain.assets a on a.id = v.asset_id and a.chain_id = p_chain_id
    -- While a chain catches up, blocks are known to be final that are not indexed yet.
    cross join (
        select least(c.finalized_number, c.block_number) as final_number, c.finalized_number <= c.block_number as is_caught_up,
            case when c.finalized_number <= c.block_number then c.finalized_hash else c.block_hash end as final_hash
        from chain.checkpoints c where c.chain_id = p_chain_id) k
    where v.detected_by = 'asset-indexer' and v.detected_at <= clock_timestamp()
        and not exists (select from app.violation_resolutions r where r.tenant_id = v.tenant_id and r.violation_id = v.id)
        -- After a rewind below where it was found nothing is known of its end.
        and k.final_number >= case when v.details ->> 'block_number' ~ '^[0-9]{1,18}$' then (v.details ->> 'block_number')::bigint else 0 end
        -- Ended: who holds nothing any more breaks nothing; whose asset cannot be judged now stays as it is.
        and (exists (select from breaches_now b where b.tenant_id = v.tenant_id and b.asset_id = v.asset_id
                and b.violation_type = v.violation_type and b.subject = coalesce(v.details ->> 'wallet', v.details ->> 'identity', '') and b.standing = 'kept')
            or exists (select from chain.asset_holders h where h.chain_id = a.chain_id and h.asset_id = a.id
                and h.holder = app.well_formed(v.details ->> 'wallet') and h.balance = 0
                and h.updated_block <= k.final_number)
            -- What a reorg or a rewind took back whole, where all of it is read again.
            or k.is_caught_up and app.well_formed(v.details ->> 'wallet') is not null
                and not exists (select from chain.asset_holders h where h.chain_id = a.chain_id and h.asset_id = a.id
                    and h.holder = app.well_formed(v.details ->> 'wallet'))
                and not exists (select from ops.coverage g where g.chain_id = a.chain_id and g.address = a.contract_address
                    and g.through_block is not null))
    -- Rows with one id and several times end once.
    on conflict do nothing;
    get diagnostics cleared = row_count;
    drop table breaches_now;
    return next;
end
$$;

select app.keep_guards(array['function app.find_violations(p_chain_id bigint)', 'function app.follow_corrected()',
    'function app.note_fate(p_chain_id bigint, p_transaction_hash text, p_sender text, p_nonce bigint, p_fate text, p_block_number bigint, p_block_hash text, p_final_block bigint)',
    'function app.settle_logged(p_chain_id bigint, p_at_most integer)',
    'function app.whose(p_chain_id bigint, p_wallet text, p_at timestamp with time zone)', 'policy days_there_are on app.regulatory_reports',
    'trigger follow_corrected on app.submitted_transactions', 'view api.compliance_violations', 'view api.transaction_logs']);
