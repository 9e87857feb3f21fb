-- What events of wide effect did is logged once, also where the facts of their block are archived since. And older submitted
-- transactions are followed, so that what the logs tell of them is settled before those are archived: not in the version
-- that makes the trigger, which keeps writers waiting while it runs.
set local lock_timeout = '500ms';

-- What one null receipt settled, or another tenant's word, is asked anew.
with reopened as (
    delete from app.transaction_fates f where f.fate = 'replaced' returning f.chain_id, f.tenant_id, f.transaction_hash)
insert into app.followed_transactions (chain_id, tenant_id, transaction_hash)
select r.chain_id, r.tenant_id, r.transaction_hash from reopened r
on conflict do nothing;
insert into app.followed_transactions (chain_id, tenant_id, transaction_hash, since)
select s.chain_id, s.tenant_id, s.transaction_hash, s.submitted_at from app.submitted_transactions s
where not exists (select from app.transaction_fates f where f.tenant_id = s.tenant_id and f.chain_id = s.chain_id
    and f.transaction_hash = s.transaction_hash and f.is_settled)
on conflict do nothing;

create or replace function app.log_verdicts(p_chain_id bigint, p_at_most integer default 20) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    event record;
    effect jsonb;
    logged integer := 0;
begin
    perform pg_advisory_xact_lock(hashtextextended('app.log_verdicts', 0));
    for event in
        select w.*, e.block_hash, e.block_timestamp
        from app.wide_events(p_chain_id) w
        left join lateral (
            select api.hex(e.block_hash) as block_hash, e.block_timestamp
            from chain.asset_events e where e.chain_id = p_chain_id and e.block_number = w.block_number limit 1) e on true
        -- By hash: what an operator took back and was indexed anew is logged anew. Of a block whose facts are archived no hash
        -- is there, and any row will do.
        where not exists (
            select from app.compliance_logs l
            where l.tenant_id = w.tenant_id and l.asset_id = w.asset_id and l.compliance_check = 'verdicts_of_registry'
                and l.details ->> 'block_number' = w.block_number::text
                and coalesce(l.details ->> 'block_hash' = e.block_hash, true))
        order by w.block_number, w.asset_id, w.tenant_id
    loop
        effect := app.verdict_effect(p_chain_id, event.address, event.block_number);
        continue when (effect ->> 'catching_up')::bigint > 0;
        insert into app.compliance_logs (tenant_id, asset_id, compliance_check, result, details, timestamp)
        values (event.tenant_id, event.asset_id, 'verdicts_of_registry',
            case
                when (effect ->> 'lost')::bigint > 0 then 'failed'
                when (effect ->> 'undetermined_after')::bigint > (effect ->> 'undetermined_before')::bigint then 'undetermined'
                else 'passed'
            end,
            jsonb_strip_nulls(effect - 'catching_up' || jsonb_build_object('chain_id', p_chain_id,
                'block_number', event.block_number, 'block_hash', event.block_hash, 'block_timestamp', event.block_timestamp,
                'events', event.events)),
            clock_timestamp());
        logged := logged + 1;
        exit when logged >= p_at_most;
    end loop;
    return logged;
end
$$;
comment on function app.log_verdicts is 'Writes a row of app.compliance_logs (check verdicts_of_registry) for each asset and final block with events of wide effect that has none, the oldest first, at most so many; gives how many. failed: a wallet lost being verified. What cannot be judged yet, because a contract is catching up, is left for later.';
select app.keep_guards(array['function app.log_verdicts(p_chain_id bigint, p_at_most integer)']);
