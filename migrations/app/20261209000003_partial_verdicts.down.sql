set local lock_timeout = '500ms';

create or replace function app.module_breaches(p_chain_id bigint) returns table (tenant_id uuid, asset_id uuid, violation_type text,
    wallet text, user_id uuid, standing text, details jsonb)
language sql stable set search_path = pg_catalog, pg_temp as $$
    -- While a chain catches up, blocks are known to be final that are not indexed yet.
    with checkpoint as (
        select least(k.finalized_number, k.block_number) as final_number,
            case when k.finalized_number <= k.block_number then k.finalized_hash else k.block_hash end as final_hash
        from chain.checkpoints k where k.chain_id = p_chain_id
    ),
    assets as (
        select t.tenant_id, a.id, a.contract_address::bytea as token, a.total_supply,
            a.negative_balance or a.exceeds_uint256 or a.unreadable_logs > 0 as is_unsure, a.complete_from is not null as is_part
        from app.tenant_assets t
        join chain.assets a on a.id = t.asset_id and a.chain_id = p_chain_id and a.asset_type = 'erc3643'
        where not exists (select from ops.coverage v
            where v.chain_id = a.chain_id and v.address = a.contract_address and v.through_block is not null)
    ),
    tokens as (select distinct a.id, a.token, a.total_supply, a.is_unsure, a.is_part from assets a),
    -- At the newest final block that is indexed, and now: what only a provisional block says is nobody's fault yet.
    points as (select p.block, p.is_now from checkpoint k cross join lateral (values (k.final_number, false), (null, true)) p (block, is_now)),
    rules as materialized (
        select t.id, p.is_now, m.module, m.module_name, m.is_settled, m.countries, m.most
        from tokens t cross join points p cross join lateral chain.modules_in_force(p_chain_id, t.token, p.block) m
        where m.module_name in ('CountryAllowModule', 'CountryRestrictModule', 'MaxBalanceModule', 'SupplyLimitModule')
    ),
    -- Who holds what, and who that is by the registrations that the token looked at.
    held as materialized (
        select t.id, p.is_now, h.holder::bytea as holder, h.balance as balance_now, s.storage is not null as has_storage,
            case when p.is_now or h.updated_block <= p.block then h.balance else coalesce((
                select o.balance from chain.ownership_history o
                where o.chain_id = p_chain_id and o.asset_id = t.id and o.holder = h.holder and o.block_number <= p.block
                order by o.block_number desc, o.log_index desc limit 1), 0) end as balance,
            nullif(g.identity::bytea, chain.zero_address()) as identity, g.country, coalesce(g.undetermined, false) as undetermined
        from tokens t
        cross join points p
        left join lateral (
            select s.target::bytea as storage from chain.contract_links r
            join chain.contract_links s on s.chain_id = r.chain_id and s.address = r.target and s.link = 'storage'
                and s.slot = chain.zero_address() and chain.in_force(s.from_block, s.to_block, p.block)
            where r.chain_id = p_chain_id and r.address = t.token and r.link = 'identity_registry'
                and r.slot = chain.zero_address() and chain.in_force(r.from_block, r.to_block, p.block)
                and not chain.any_behind(p_chain_id, array[r.target::bytea, s.target::bytea])
            limit 1) s on true
        join chain.asset_holders h on h.chain_id = p_chain_id and h.asset_id = t.id and h.holder <> chain.zero_address()
            and (h.balance <> 0 or h.updated_block > p.block)
        left join chain.registrations g on g.chain_id = p_chain_id and g.storage = s.storage and g.wallet = h.holder
            and chain.in_force(g.from_block, g.to_block, p.block)
    ),
    by_country as (
        select h.id, h.is_now, h.holder, h.balance_now, h.country,
            min(api.hex(r.module)) filter (where x.is_against) as module,
            h.balance > 0 and coalesce(bool_or(x.is_against), false) as is_breached,
            h.has_storage and (h.identity is null or coalesce(bool_and(r.module is null), true)
                or h.country is not null and bool_and(r.is_settled and not x.is_against)) as is_kept
        from held h
        left join rules r on r.id = h.id and r.is_now = h.is_now and r.module_name in ('CountryAllowModule', 'CountryRestrictModule')
        left join lateral (select r.is_settled and h.identity is not null and h.country is not null
            and (h.country::text = any (r.countries)) = (r.module_name = 'CountryRestrictModule') as is_against) x on r.module is not null
        where h.balance_now > 0
        group by h.id, h.is_now, h.holder, h.balance, h.balance_now, h.country, h.identity, h.has_storage
    ),
    limits as (
        select t.id, r.name, p.is_now, min(m.most) filter (where m.is_settled) as most,
            bool_and(m.module is null or m.is_settled and m.most is not null) as is_settled
        from tokens t cross join points p cross join (values ('MaxBalanceModule'), ('SupplyLimitModule')) r (name)
        left join rules m on m.id = t.id and m.is_now = p.is_now and m.module_name = r.name
        group by t.id, r.name, p.is_now
    ),
    -- A wallet that may be another's now is not counted, and leaves open who is below. Whose violation is open may hold
    -- nothing any more.
    sums as (
        select x.id, x.identity, x.is_now, sum(x.balance) as balance
        from (
            select h.id, h.identity, p.is_now, case when p.is_now = h.is_now and not h.undetermined then h.balance else 0 end as balance
            from held h cross join points p where h.identity is not null
            union all
            select v.asset_id, app.well_formed(v.details ->> 'identity'), p.is_now, 0
            from app.compliance_violations v cross join points p
            where v.detected_by = 'asset-indexer' and v.violation_type = 'balance_above_maximum'
                and v.asset_id in (select t.id from tokens t)
                and app.well_formed(v.details ->> 'identity') is not null and v.detected_at <= clock_timestamp()
        ) x
        group by x.id, x.identity, x.is_now
    ),
    vague as (select h.id, h.is_now, bool_or(h.undetermined or not h.has_storage) as is_vague from held h group by h.id, h.is_now),
    by_identity as (
        select s.id, s.is_now, s.identity, l.most, s.balance,
            l.most is not null and s.balance > l.most and not t.is_unsure as is_breached,
            l.is_settled and (l.most is null
                or s.balance <= l.most and not coalesce(g.is_vague, false) and not t.is_unsure and not t.is_part) as is_kept
        from sums s
        join tokens t on t.id = s.id
        join limits l on l.id = s.id and l.is_now = s.is_now and l.name = 'MaxBalanceModule'
        left join vague g on g.id = s.id and g.is_now = s.is_now
    ),
    by_supply as (
        select t.id, l.is_now, l.most, s.supply, l.most is not null and s.supply > l.most and not t.is_unsure as is_breached,
            l.is_settled and (l.most is null or s.supply <= l.most and not t.is_unsure) as is_kept
        from tokens t
        join limits l on l.id = t.id and l.name = 'SupplyLimitModule'
        cross join checkpoint k
        cross join lateral (select case
            when l.is_now then t.total_supply
            when l.most is not null then (select f.total_supply from chain.supply_as_of(t.id, k.final_number, null) f) end as supply) s
    ),
    -- Both points at once: a breach at both is one, and what is kept at both has ended.
    found as (
        select c.id, 'country_restricted' as violation_type, c.holder, null::bytea as identity,
            bool_and(c.is_breached) as is_breached, bool_and(c.is_kept) as is_kept,
            jsonb_build_object('wallet', api.hex(c.holder), 'reason', format('holders from country %s are not let in by module %s',
                min(c.country) filter (where c.is_now), min(c.module) filter (where c.is_now)), 'country', min(c.country) filter (where c.is_now),
                'module', min(c.module) filter (where c.is_now), 'balance_base', max(c.balance_now)::text) as details
        from by_country c group by c.id, c.holder
        union all
        select i.id, 'balance_above_maximum', null, i.identity, bool_and(i.is_breached), bool_and(i.is_kept),
            jsonb_build_object('identity', api.hex(i.identity), 'reason', format('the identity holds more than %s base units',
                max(i.most) filter (where i.is_now)), 'maximum_base', (max(i.most) filter (where i.is_now))::text,
                'balance_base', (max(i.balance) filter (where i.is_now))::text)
        from by_identity i group by i.id, i.identity
        union all
        select s.id, 'supply_above_cap', null, null, bool_and(s.is_breached), bool_and(s.is_kept),
            jsonb_build_object('reason', format('the supply is more than %s base units', max(s.most) filter (where s.is_now)),
                'limit_base', (max(s.most) filter (where s.is_now))::text, 'supply_base', (max(s.supply) filter (where s.is_now))::text)
        from by_supply s group by s.id
    )
    select a.tenant_id, a.id, d.violation_type, api.hex(d.holder), coalesce(u.user_id, i.user_id),
        case when d.is_breached then 'breached' when d.is_kept then 'kept' else 'undetermined' end,
        jsonb_strip_nulls(d.details || jsonb_build_object('chain_id', p_chain_id, 'block_number', k.final_number,
            'block_hash', api.hex(k.final_hash)))
    from assets a
    cross join checkpoint k
    join found d on d.id = a.id
    left join app.wallet_links u on u.tenant_id = a.tenant_id and u.chain_id = p_chain_id and u.wallet = api.hex(d.holder)
        and u.unlinked_at is null
    left join lateral (
        select w.user_id from app.wallet_links w
        where d.is_breached and d.identity is not null and w.tenant_id = a.tenant_id and w.chain_id = p_chain_id
            and w.unlinked_at is null and w.wallet = any (array(
                select api.hex(g.wallet) from chain.registrations g
                where g.chain_id = p_chain_id and g.identity = d.identity and g.to_block is null
                union all select api.hex(d.identity)))
        order by w.linked_at, w.id limit 1) i on true
$$;
comment on function app.module_breaches is 'Whether what is held keeps the rules that the asset''s compliance modules hold (T-REX 4.1.6), at the newest final block that is indexed, and now: each holder''s country, what each identity has in all its wallets, the supply. Breached, kept, or undetermined. A limit that was never set is none.';

create or replace function app.breaches(p_chain_id bigint) returns table (tenant_id uuid, asset_id uuid, violation_type text, wallet text,
    user_id uuid, standing text, details jsonb)
language sql stable set search_path = pg_catalog, pg_temp as $$
    -- While a chain catches up, blocks are known to be final that are not indexed yet.
    with checkpoint as (
        select least(k.finalized_number, k.block_number) as final_number,
            case when k.finalized_number <= k.block_number then k.finalized_hash else k.block_hash end as final_hash
        from chain.checkpoints k where k.chain_id = p_chain_id
    ),
    assets as (
        select t.tenant_id, a.id, a.chain_id, r.target as registry
        from app.tenant_assets t
        join chain.assets a on a.id = t.asset_id and a.chain_id = p_chain_id and a.asset_type = 'erc3643'
        join chain.contract_links r on r.chain_id = a.chain_id and r.address = a.contract_address
            and r.link = 'identity_registry' and r.slot = chain.zero_address() and r.to_block is null
        where not exists (select from ops.coverage v
            where v.chain_id = a.chain_id and v.address = a.contract_address and v.through_block is not null)
    ),
    -- At the newest final block that is indexed, and now: what only a provisional block says is nobody's fault yet.
    asked as (
        select r.registry, p.block, p.is_now
        from (select distinct a.registry from assets a) r
        cross join checkpoint k
        cross join lateral (values (k.final_number, false), (null, true)) p (block, is_now)
    ),
    judged as (
        select q.registry, v.wallet, v.verdict, v.valid_now, v.reason, q.is_now
        from asked q
        cross join lateral chain.verdicts(p_chain_id, q.registry, q.block) v
    ),
    -- What is said of a wallet that no registration is known of: it has none only where all are known.
    others as (
        select q.registry, q.is_now,
            case when g.storage is null or g.unsettled then 'undetermined' else 'not_verified' end as verdict,
            case
                when g.storage is null then 'storage of the registry not known'
                when g.unsettled then 'a contract of the registry is catching up'
                else 'not registered'
            end as reason
        from asked q
        cross join lateral chain.verification_rules(p_chain_id, q.registry, q.block) g
    )
    select a.tenant_id, a.id, w.violation_type, api.hex(h.holder), u.user_id,
        case
            when p.held_then and w.breached_then and w.breached_now then 'breached'
            when w.kept_then and w.kept_now then 'kept'
            else 'undetermined'
        end,
        jsonb_strip_nulls(jsonb_build_object('wallet', api.hex(h.holder), 'reason', w.reason,
            'balance_base', h.balance::text, 'chain_id', p_chain_id, 'block_number', k.final_number,
            'block_hash', api.hex(k.final_hash)))
    from assets a
    cross join checkpoint k
    join chain.asset_holders h on h.chain_id = a.chain_id and h.asset_id = a.id and h.balance > 0
        and h.holder <> chain.zero_address()
    cross join lateral (select h.updated_block <= k.final_number or coalesce((
        select o.balance > 0 from chain.ownership_history o
        where o.chain_id = h.chain_id and o.asset_id = h.asset_id and o.holder = h.holder and o.block_number <= k.final_number
        order by o.block_number desc, o.log_index desc limit 1), false) as held_then) p
    join others fo on fo.registry = a.registry and not fo.is_now
    join others no on no.registry = a.registry and no.is_now
    left join judged f on f.registry = a.registry and f.wallet = h.holder and not f.is_now
    left join judged n on n.registry = a.registry and n.wallet = h.holder and n.is_now
    cross join lateral (values (coalesce(f.verdict, fo.verdict), coalesce(n.verdict, no.verdict))) v (verdict_then, verdict_now)
    cross join lateral (values
        ('holder_not_verified', v.verdict_then = 'not_verified', v.verdict_now = 'not_verified', v.verdict_then = 'verified',
            v.verdict_now = 'verified', case when n.wallet is null then no.reason else n.reason end),
        ('claim_expired', v.verdict_then = 'verified' and not f.valid_now, v.verdict_now = 'verified' and not n.valid_now,
            v.verdict_then = 'not_verified' or f.valid_now, v.verdict_now = 'not_verified' or n.valid_now,
            'a claim has expired by its own data, which the contracts do not look at')
    ) w (violation_type, breached_then, breached_now, kept_then, kept_now, reason)
    left join app.wallet_links u on u.tenant_id = a.tenant_id and u.chain_id = a.chain_id and u.wallet = api.hex(h.holder)
        and u.unlinked_at is null
    union all
    select m.* from app.module_breaches(p_chain_id) m
$$;
comment on function app.breaches is 'Whether each holder of each asset that a tenant deals with is one that the asset''s rules allow: breached, kept, or undetermined; by the registry, and by the compliance''s modules, at the newest final block that is indexed, and now. Breached is only who held at both. Who is in no registration is not verified only where the registry''s storage is known and read; else undetermined.';

create or replace function app.verdict_effect(p_chain_id bigint, p_asset bytea, p_block bigint) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
    with points as materialized (
        select p.is_after, p.block, l.target::bytea as registry, coalesce(g.unsettled, false) as is_behind,
            -- What is said of a wallet that no registration is known of: it has none only where the storage is known.
            case when l.target is not null and g.storage is null then 'undetermined' else 'not_verified' end as of_others
        from (values (false, p_block - 1), (true, p_block)) p (is_after, block)
        left join chain.contract_links l on l.chain_id = p_chain_id and l.address = p_asset and l.link = 'identity_registry'
            and chain.in_force(l.from_block, l.to_block, p.block)
        left join lateral chain.verification_rules(p_chain_id, l.target, p.block) g on l.target is not null
    ),
    judged as materialized (
        select p.is_after, v.wallet, v.verdict, v.reason
        from points p
        cross join lateral chain.verdicts(p_chain_id, p.registry, p.block) v
        -- What is put off anyway is not judged.
        where p.registry is not null and not exists (select from points b where b.is_behind)
    ),
    compared as (
        select b.wallet is not null as was_there, a.wallet is not null as is_there, coalesce(b.verdict, o.before) as before,
            coalesce(a.verdict, o.after) as after, a.reason like '%catching up%' or b.reason like '%catching up%' as is_behind
        from (select j.* from judged j where not j.is_after) b
        full join (select j.* from judged j where j.is_after) a using (wallet)
        cross join (select min(p.of_others) filter (where not p.is_after) as before, min(p.of_others) filter (where p.is_after) as after
            from points p) o
    ),
    counted as (
        select count(*) filter (where v.was_there) as wallets_before, count(*) filter (where v.before = 'verified') as verified_before,
            count(*) filter (where v.before = 'undetermined') as undetermined_before,
            count(*) filter (where v.is_there) as wallets_after, count(*) filter (where v.after = 'verified') as verified_after,
            count(*) filter (where v.after = 'undetermined') as undetermined_after,
            count(*) filter (where v.before = 'verified' and v.after = 'not_verified') as lost,
            count(*) filter (where v.after = 'verified' and v.before = 'not_verified') as gained,
            count(*) filter (where v.is_behind) + (select count(*) from points p where p.is_behind) as catching_up
        from compared v
    )
    select to_jsonb(c) || jsonb_build_object(
        'registry', (select api.hex(p.registry) from points p where p.is_after),
        'registry_before', (select api.hex(p.registry) from points p where not p.is_after))
    from counted c
$$;
comment on function app.verdict_effect is 'How many registered wallets of an asset''s identity registry were verified and undetermined at the end of the block before and at the end of this block; how many lost or gained being verified; catching_up: registries and wallets that cannot be judged yet, and nobody is judged while a registry cannot. A wallet that is registered at one of the blocks alone is undetermined at the other where the storage of the registry is not known there. Who they are: chain.verdicts at both blocks.';

select app.keep_guards(array['function app.breaches(p_chain_id bigint)', 'function app.module_breaches(p_chain_id bigint)',
    'function app.verdict_effect(p_chain_id bigint, p_asset bytea, p_block bigint)']);
