set local lock_timeout = '500ms';

create or replace function app.ensure_months(p_ahead integer default 3) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' set datestyle = 'ISO' as $$
declare
    monthly record;
    month timestamp;
    this_month constant timestamp := date_trunc('month', now() at time zone 'UTC');
    part text;
    made integer := 0;
begin
    if p_ahead < 0 or p_ahead > 120 then
        raise exception 'cannot make partitions % months ahead: 0 to 120', p_ahead;
    end if;
    perform pg_advisory_xact_lock(hashtext('asset_indexer months'));
    for monthly in select m.table_name from app.monthly_tables m order by 1 loop
        for month in select generate_series(this_month, this_month + make_interval(months => p_ahead), '1 month') loop
            part := monthly.table_name || to_char(month, '_YYYY_MM');
            if to_regclass(format('app.%I', part)) is null then
                execute format('create table app.%I partition of app.%I for values from (%L) to (%L)', part,
                    monthly.table_name, month::text || '+00', (month + interval '1 month')::text || '+00');
                -- Not cloned to partitions as the triggers of rows are.
                execute format('create trigger refuse_truncate before truncate on app.%I for each statement execute function app.refuse_change()', part);
                made := made + 1;
            end if;
        end loop;
    end loop;
    return made;
end
$$;

create or replace function app.seal_trail(p_table text, p_last bigint) returns bigint language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp as $$
declare
    rows_at_once constant bigint := 50000;
    before app.audit_seals;
    first_new bigint;
    last_new bigint;
    seals bigint := 0;
begin
    perform pg_advisory_xact_lock(hashtext('asset_indexer seals'));
    loop
        select * into before from app.audit_seals s where s.table_name = p_table order by s.id desc limit 1;
        first_new := coalesce(before.last_row, 0) + 1;
        exit when p_last is null or p_last < first_new;
        last_new := least(p_last, first_new + rows_at_once - 1);
        insert into app.audit_seals (table_name, first_row, last_row, row_count, previous, digest)
        select p_table, first_new, last_new, d.row_count, coalesce(before.digest, ''), d.digest
        from app.trail_digest(p_table, first_new, last_new, coalesce(before.digest, '')) d;
        seals := seals + 1;
    end loop;
    return seals;
end
$$;

create or replace function app.find_violations(p_chain_id bigint) returns table (opened bigint, cleared bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    breach record;
    before record;
begin
    opened := 0;
    cleared := 0;
    -- Daemons of two chains may come at once.
    perform pg_advisory_xact_lock(hashtextextended('app.find_violations', 0));
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
        jsonb_build_object('chain_id', p_chain_id, 'block_number', k.finalized_number, 'block_hash', api.hex(k.finalized_hash)),
        'asset-indexer', clock_timestamp(), null
    from app.compliance_violations v
    join chain.assets a on a.id = v.asset_id and a.chain_id = p_chain_id
    join chain.checkpoints k on k.chain_id = p_chain_id
    where v.detected_by = 'asset-indexer' and v.detected_at <= clock_timestamp()
        and not exists (select from app.violation_resolutions r where r.tenant_id = v.tenant_id and r.violation_id = v.id)
        -- Ended: who holds nothing any more breaks nothing; whose asset cannot be judged now stays as it is.
        and (exists (select from breaches_now b where b.tenant_id = v.tenant_id and b.asset_id = v.asset_id
                and b.violation_type = v.violation_type and b.subject = coalesce(v.details ->> 'wallet', v.details ->> 'identity', '') and b.standing = 'kept')
            or exists (select from chain.asset_holders h where h.chain_id = a.chain_id and h.asset_id = a.id
                and h.holder = app.well_formed(v.details ->> 'wallet') and h.balance = 0
                and h.updated_block <= k.finalized_number))
    -- Rows with one id and several times end once.
    on conflict do nothing;
    get diagnostics cleared = row_count;
    drop table breaches_now;
    return next;
end
$$;

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

select app.keep_guards(array['function app.ensure_months(p_ahead integer)', 'function app.find_violations(p_chain_id bigint)',
    'function app.log_verdicts(p_chain_id bigint, p_at_most integer)', 'function app.seal_trail(p_table text, p_last bigint)']);
