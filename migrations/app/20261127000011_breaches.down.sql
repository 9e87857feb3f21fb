set local lock_timeout = '500ms';
create or replace function app.breaches(p_chain_id bigint) returns table (tenant_id uuid, asset_id uuid, violation_type text, wallet text,
    user_id uuid, standing text, details jsonb)
language sql stable set search_path = pg_catalog, pg_temp as $$
    with checkpoint as (select k.* from chain.checkpoints k where k.chain_id = p_chain_id),
    assets as (
        select t.tenant_id, a.id, a.chain_id, r.target as registry
        from app.tenant_assets t
        join chain.assets a on a.id = t.asset_id and a.chain_id = p_chain_id and a.asset_type = 'erc3643'
        join chain.contract_links r on r.chain_id = a.chain_id and r.address = a.contract_address
            and r.link = 'identity_registry' and r.slot = chain.zero_address() and r.to_block is null
        where not exists (select from ops.coverage v
            where v.chain_id = a.chain_id and v.address = a.contract_address and v.through_block is not null)
    ),
    -- At the newest final block, and now: what only a provisional block says is nobody's fault yet.
    judged as (
        select r.registry, v.wallet, v.verdict, v.valid_now, v.reason, p.is_now
        from (select distinct a.registry from assets a) r
        cross join checkpoint k
        cross join lateral (values (k.finalized_number, false), (null, true)) p (block, is_now)
        cross join lateral chain.verdicts(p_chain_id, r.registry, p.block) v
    )
    select a.tenant_id, a.id, w.violation_type, api.hex(h.holder), u.user_id,
        case
            when w.breached_then and w.breached_now then 'breached'
            when w.kept_then and w.kept_now then 'kept'
            else 'undetermined'
        end,
        jsonb_strip_nulls(jsonb_build_object('wallet', api.hex(h.holder), 'reason', w.reason,
            'balance_base', h.balance::text, 'chain_id', p_chain_id, 'block_number', k.finalized_number,
            'block_hash', api.hex(k.finalized_hash)))
    from assets a
    cross join checkpoint k
    join chain.asset_holders h on h.chain_id = a.chain_id and h.asset_id = a.id and h.balance > 0
        and h.holder <> chain.zero_address()
    left join judged f on f.registry = a.registry and f.wallet = h.holder and not f.is_now
    left join judged n on n.registry = a.registry and n.wallet = h.holder and n.is_now
    cross join lateral (values
        ('holder_not_verified', coalesce(f.verdict, 'not_verified') = 'not_verified',
            coalesce(n.verdict, 'not_verified') = 'not_verified', f.verdict = 'verified', n.verdict = 'verified',
            case when n.wallet is null then 'not registered' else n.reason end),
        ('claim_expired', f.verdict = 'verified' and not f.valid_now, n.verdict = 'verified' and not n.valid_now,
            coalesce(f.valid_now or f.verdict = 'not_verified', true), coalesce(n.valid_now or n.verdict = 'not_verified', true),
            'a claim has expired by its own data, which the contracts do not look at')
    ) w (violation_type, breached_then, breached_now, kept_then, kept_now, reason)
    left join app.wallet_links u on u.tenant_id = a.tenant_id and u.chain_id = a.chain_id and u.wallet = api.hex(h.holder)
        and u.unlinked_at is null
$$;
comment on function app.breaches is 'Whether each holder of each asset that a tenant deals with is one that the asset''s rules allow: breached, kept, or undetermined; by the registry at the newest final block and now.';
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
    create temporary table breaches_now on commit drop as select b.* from app.breaches(p_chain_id) b;
    for breach in select b.* from breaches_now b where b.standing = 'breached' loop
        select v.details ->> 'reason' as reason, r.resolution_type into before
        from app.compliance_violations v
        left join app.violation_resolutions r on r.tenant_id = v.tenant_id and r.violation_id = v.id
        where v.tenant_id = breach.tenant_id and v.asset_id = breach.asset_id and v.violation_type = breach.violation_type
            and v.details ->> 'wallet' = breach.wallet and v.detected_by = 'asset-indexer'
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
    where v.detected_by = 'asset-indexer'
        and not exists (select from app.violation_resolutions r where r.tenant_id = v.tenant_id and r.violation_id = v.id)
        -- Ended: who holds nothing any more breaks nothing; whose asset cannot be judged now stays as it is.
        and (exists (select from breaches_now b where b.tenant_id = v.tenant_id and b.asset_id = v.asset_id
                and b.violation_type = v.violation_type and b.wallet = v.details ->> 'wallet' and b.standing = 'kept')
            or exists (select from chain.asset_holders h where h.chain_id = a.chain_id and h.asset_id = a.id
                and h.holder = api.address(v.details ->> 'wallet') and h.balance = 0
                and h.updated_block <= k.finalized_number));
    get diagnostics cleared = row_count;
    drop table breaches_now;
    return next;
end
$$;
drop function app.module_breaches(bigint);
drop index app.compliance_violations_found_idx;
create index compliance_violations_found_idx
    on app.compliance_violations (tenant_id, asset_id, (details ->> 'wallet'), violation_type, detected_at desc)
    where detected_by = 'asset-indexer';

