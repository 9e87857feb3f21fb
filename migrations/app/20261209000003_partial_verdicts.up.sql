-- Of a storage that is followed from a later block on, a wallet may be registered that nothing is known of: its holder was found not
-- registered, which opened a violation, and its first registration that is known was logged as gained.
set local lock_timeout = '500ms';

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
            end as reason, q.block, g.storage, exists (
                select from chain.configured_contracts c
                where c.chain_id = p_chain_id and c.address = g.storage and c.opening_block is not null) as is_part
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
    -- Of a storage that is followed from a later block on, a wallet may be registered that nothing is known of.
    cross join lateral (values (
        case when f.wallet is null and fo.is_part and chain.may_be_registered(p_chain_id, fo.storage, h.holder, fo.block)
            then 'undetermined' else coalesce(f.verdict, fo.verdict) end,
        case when n.wallet is null and no.is_part and chain.may_be_registered(p_chain_id, no.storage, h.holder, no.block)
            then 'undetermined' else coalesce(n.verdict, no.verdict) end)) v (verdict_then, verdict_now)
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
comment on function app.breaches is 'Whether each holder of each asset that a tenant deals with is one that the asset''s rules allow: breached, kept, or undetermined; by the registry, and by the compliance''s modules, at the newest final block that is indexed, and now. Breached is only who held at both. Who is in no registration is not verified only where the registry''s storage is known and read from its beginning; else undetermined.';

create or replace function app.verdict_effect(p_chain_id bigint, p_asset bytea, p_block bigint) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
    with points as materialized (
        select p.is_after, p.block, l.target::bytea as registry, coalesce(g.unsettled, false) as is_behind,
            -- What is said of a wallet that no registration is known of: it has none only where the storage is known.
            case when l.target is not null and g.storage is null then 'undetermined' else 'not_verified' end as of_others,
            g.storage, exists (
                select from chain.configured_contracts c
                where c.chain_id = p_chain_id and c.address = g.storage and c.opening_block is not null) as is_part
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
        select b.wallet is not null as was_there, a.wallet is not null as is_there,
            coalesce(b.verdict, case when o.part_before and chain.may_be_registered(p_chain_id, o.storage_before, wallet, p_block - 1)
                then 'undetermined' else o.before end) as before,
            coalesce(a.verdict, case when o.part_after and chain.may_be_registered(p_chain_id, o.storage_after, wallet, p_block)
                then 'undetermined' else o.after end) as after, a.reason like '%catching up%' or b.reason like '%catching up%' as is_behind
        from (select j.* from judged j where not j.is_after) b
        full join (select j.* from judged j where j.is_after) a using (wallet)
        cross join (select min(p.of_others) filter (where not p.is_after) as before, min(p.of_others) filter (where p.is_after) as after,
                (array_agg(p.storage) filter (where not p.is_after))[1] as storage_before,
                (array_agg(p.storage) filter (where p.is_after))[1] as storage_after,
                bool_or(p.is_part) filter (where not p.is_after) as part_before,
                bool_or(p.is_part) filter (where p.is_after) as part_after
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
comment on function app.verdict_effect is 'How many registered wallets of an asset''s identity registry were verified and undetermined at the end of the block before and at the end of this block; how many lost or gained being verified; catching_up: registries and wallets that cannot be judged yet, and nobody is judged while a registry cannot. A wallet that is registered at one of the blocks alone is undetermined at the other where the storage of the registry is not known there, or is followed from a later block on and does not know the wallet yet. Who they are: chain.verdicts at both blocks.';

select app.keep_guards(array['function app.breaches(p_chain_id bigint)',
    'function app.verdict_effect(p_chain_id bigint, p_asset bytea, p_block bigint)']);
