-- What one tenant does to its rows stops nobody else, and what it corrects counts. Who held the row of one person stopped the
-- finding of violations for all tenants: a violation's key looks at that row; so did an officer who had ended one and not yet
-- committed. A transaction stayed dropped by a sender or nonce that its tenant has corrected since. Of violations with one id, one's
-- end was all's. And a wallet that came to another person showed all its movements as that person's. Reports spoke of days that
-- there are not.
set local lock_timeout = '500ms';

create or replace function app.find_violations(p_chain_id bigint) returns table (opened bigint, cleared bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    breach record;
    before record;
    ending uuid;
    waits text;
    ended bigint;
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
        -- Whoever holds the person's row holds up nobody else: this one is left for the next round.
        if breach.user_id is not null then
            perform from app.users u where u.tenant_id = breach.tenant_id and u.id = breach.user_id for key share skip locked;
            continue when not found;
        end if;
        insert into app.compliance_violations (tenant_id, asset_id, user_id, violation_type, details, detected_at, detected_by)
        values (breach.tenant_id, breach.asset_id, breach.user_id, breach.violation_type, breach.details, clock_timestamp(), 'asset-indexer');
        opened := opened + 1;
    end loop;
    create temporary table ended_now on commit drop as
    select v.tenant_id, v.id, v.detected_at,
        jsonb_build_object('chain_id', p_chain_id, 'block_number', k.final_number, 'block_hash', api.hex(k.final_hash)) as evidence
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
                    and g.through_block is not null));
    -- An officer who has ended one and not yet committed holds its row through his key, and is not waited for: it is left for the next
    -- round. While his statement runs he may have the resolution and not yet that row: then we wait a little, and it is his tenant's
    -- alone that are left.
    waits := current_setting('lock_timeout');
    perform set_config('lock_timeout', '200ms', true);
    for ending in select distinct e.tenant_id from ended_now e loop
        begin
            insert into app.violation_resolutions (violation_id, detected_at, tenant_id, resolution_type, resolution_data, resolved_by,
                resolved_at, notes)
            select v.id, v.detected_at, v.tenant_id, 'auto_cleared', e.evidence, 'asset-indexer', clock_timestamp(), null
            from ended_now e
            join app.compliance_violations v on v.tenant_id = e.tenant_id and v.id = e.id and v.detected_at = e.detected_at
            where e.tenant_id = ending
            for update of v skip locked
            -- Rows with one id and several times end once.
            on conflict do nothing;
            get diagnostics ended = row_count;
            cleared := cleared + ended;
        exception when lock_not_available or deadlock_detected then
            null;
        end;
    end loop;
    perform set_config('lock_timeout', waits, true);
    drop table ended_now;
    drop table breaches_now;
    return next;
end
$$;

-- share, not key share: who corrects sender or nonce and has not ended is left for another time as well. What the node told is of
-- those before, and the fate that goes would be waited for.
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
        for share of s skip locked) l;
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
        for share of s skip locked) l;
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

-- What was taken away, as when a person is erased, is no correction: of nothing no other end could be told.
create function app.follow_corrected() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
    delete from app.transaction_fates f
    where f.tenant_id = new.tenant_id and f.chain_id = new.chain_id and f.transaction_hash = new.transaction_hash
        and f.fate = 'replaced';
    insert into app.followed_transactions (chain_id, tenant_id, transaction_hash)
    select new.chain_id, new.tenant_id, new.transaction_hash
    where not exists (select from app.transaction_fates f where f.tenant_id = new.tenant_id and f.chain_id = new.chain_id
        and f.transaction_hash = new.transaction_hash and f.is_settled)
    on conflict do nothing;
    return null;
end
$$;
comment on function app.follow_corrected is 'That another transaction took its place followed from sender and nonce: where these are corrected, it is followed again. What a receipt told stays.';
revoke execute on function app.follow_corrected() from public;
create trigger follow_corrected after update of sender, nonce on app.submitted_transactions for each row
    when ((new.sender, new.nonce) is distinct from (old.sender, old.nonce) and new.sender is not null and new.nonce is not null)
    execute function app.follow_corrected();

create or replace view api.compliance_violations with (security_invoker = true) as
select v.id, v.asset_id, v.user_id, v.violation_type, v.details, v.detected_at, r.resolved_at, r.resolution_type, v.detected_by
from app.compliance_violations v
left join app.violation_resolutions r on r.tenant_id = v.tenant_id and r.violation_id = v.id and r.detected_at = v.detected_at
where v.tenant_id = (select app.current_tenant());

-- Whose a wallet was: by the link that ended first after the movement. The one that stands counts also before it was made, for
-- people link wallets that they have used. With its owner's rights: a person sees the own links alone, and the first of these would
-- show the movements of who had the wallet before as the person's own.
create function app.whose(p_chain_id bigint, p_wallet text, p_at timestamptz) returns uuid
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp as $$
declare
    tenant uuid := app.current_tenant();
    person uuid := app.acting_user();
    it uuid;
begin
    select w.user_id into it from app.wallet_links w
    where w.tenant_id = tenant and w.chain_id = p_chain_id and w.wallet = p_wallet
        and coalesce(w.unlinked_at, 'infinity') > p_at
    order by coalesce(w.unlinked_at, 'infinity'), w.linked_at, w.id limit 1;
    return case when person is null or person = it then it end;
end
$$;
comment on function app.whose is 'The tenant''s user whose a wallet was at a time: by its link that ended first after it, or stands. Whoever works for one person is told of that one alone.';
revoke execute on function app.whose(bigint, text, timestamptz) from public;
grant execute on function app.whose(bigint, text, timestamptz) to asset_indexer_reader;
insert into app.kept_rights values ('asset_indexer_reader', 'app.whose(p_chain_id bigint, p_wallet text, p_at timestamp with time zone)', 'execute');

create or replace view api.transaction_logs with (security_invoker = true) as
select t.*, coalesce(app.whose(t.chain_id, t.to_address, t.timestamp), app.whose(t.chain_id, t.from_address, t.timestamp)) as user_id,
    app.whose(t.chain_id, t.from_address, t.timestamp) as from_user_id,
    app.whose(t.chain_id, t.to_address, t.timestamp) as to_user_id
from api.chain_transaction_logs t;
comment on column api.transaction_logs.from_user_id is 'The tenant''s user who had the units: by the link of the wallet that ended first after the movement, or stands.';
comment on column api.transaction_logs.to_user_id is 'The tenant''s user who got them: by the link of the wallet that ended first after the movement, or stands.';

-- Two days that there are, the first not after the second. For whoever is not the owner, who puts archived rows back as they were.
create policy days_there_are on app.regulatory_reports as restrictive to asset_indexer_app, asset_indexer_reader,
    asset_indexer_compliance, asset_indexer_auditor, asset_indexer_support
    using (true) with check (case when period ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{4}-[0-9]{2}-[0-9]{2}$' then
        make_date(substr(period, 1, 4)::integer, substr(period, 6, 2)::integer, substr(period, 9, 2)::integer)
            <= make_date(substr(period, 12, 4)::integer, substr(period, 17, 2)::integer, substr(period, 20, 2)::integer)
        else true end);

select app.keep_guards(array['function app.find_violations(p_chain_id bigint)', 'function app.follow_corrected()',
    'function app.note_fate(p_chain_id bigint, p_transaction_hash text, p_sender text, p_nonce bigint, p_fate text, p_block_number bigint, p_block_hash text, p_final_block bigint)',
    'function app.settle_logged(p_chain_id bigint, p_at_most integer)',
    'function app.whose(p_chain_id bigint, p_wallet text, p_at timestamp with time zone)', 'policy days_there_are on app.regulatory_reports',
    'trigger follow_corrected on app.submitted_transactions', 'view api.compliance_violations', 'view api.transaction_logs']);
