-- What an event of wide effect did to the verdicts of a whole registry: an issuer that is trusted or no longer, a topic that
-- is required or no longer, a signing key of a trusted issuer, a registry that points elsewhere, a module. One row an asset
-- and block, once the block is final; who was affected is asked of chain.verdicts.
set local lock_timeout = '500ms';

create function app.wide_events(p_chain_id bigint) returns table (tenant_id uuid, asset_id uuid, address bytea,
    block_number bigint, events jsonb)
language sql stable set search_path = pg_catalog, pg_temp as $$
    with assets as (
        select t.tenant_id, a.id, a.contract_address as address, a.created_block, k.finalized_number as through
        from app.tenant_assets t
        join chain.assets a on a.id = t.asset_id and a.chain_id = p_chain_id and a.asset_type = 'erc3643'
        join chain.checkpoints k on k.chain_id = a.chain_id
    ),
    -- Which contracts stood behind an asset, and from which block to which.
    pointed as (
        select a.tenant_id, a.id, l.link, l.target::bytea as target, l.address::bytea as by, l.from_block, l.from_log, l.from_at,
            l.to_block, l.to_log, l.to_at
        from assets a
        join chain.contract_links l on l.chain_id = p_chain_id and l.address = a.address
            and l.link in ('identity_registry', 'compliance')
    ),
    behind as (
        select p.* from pointed p
        union all
        select p.tenant_id, p.id, l.link, l.target::bytea, l.address::bytea, l.from_block, l.from_log, l.from_at, l.to_block,
            l.to_log, l.to_at
        from pointed p
        join chain.contract_links l on l.chain_id = p_chain_id and l.address = p.target
            and (p.link = 'identity_registry' and l.link in ('storage', 'claim_topics', 'trusted_issuers')
                or p.link = 'compliance' and l.link = 'module')
            -- While the asset pointed there.
            and l.from_block <= coalesce(p.to_block, l.from_block) and coalesce(l.to_block, p.from_block) >= p.from_block
    ),
    trusted as (
        select b.tenant_id, b.id, p.registry::bytea as by, p.issuer::bytea as issuer, p.from_block, p.from_log, p.from_at,
            p.to_block, p.to_log, p.to_at
        from behind b
        join chain.verification_providers p on p.chain_id = p_chain_id and p.registry = b.target
            and p.from_block <= coalesce(b.to_block, p.from_block) and coalesce(p.to_block, b.from_block) >= b.from_block
        where b.link = 'trusted_issuers'
    ),
    versions as (
        select tenant_id, id, link as kind, by, api.hex(target) as subject, from_block, from_log, from_at, to_block, to_log, to_at
        from behind
        union
        select tenant_id, id, 'issuer', by, api.hex(issuer), from_block, from_log, from_at, to_block, to_log, to_at from trusted
        union
        select b.tenant_id, b.id, 'topic', q.registry::bytea, q.topic::text, q.from_block, q.from_log, q.from_at, q.to_block,
            q.to_log, q.to_at
        from behind b
        join chain.required_topics q on q.chain_id = p_chain_id and q.registry = b.target
            and q.from_block <= coalesce(b.to_block, q.from_block) and coalesce(q.to_block, b.from_block) >= b.from_block
        where b.link = 'claim_topics'
        union
        select t.tenant_id, t.id, 'signing_key', k.identity::bytea, api.hex(k.key_hash), k.from_block, k.from_log, k.from_at,
            k.to_block, k.to_log, k.to_at
        from trusted t
        join chain.identity_keys k on k.chain_id = p_chain_id and k.identity = t.issuer and k.purpose in (1, 3)
            and k.from_block <= coalesce(t.to_block, k.from_block) and coalesce(k.to_block, t.from_block) >= t.from_block
    ),
    changes as (
        select v.tenant_id, v.id, v.from_block as block, v.from_log as log, v.from_at as at, v.kind, v.by, v.subject, 'begins' as change
        from versions v
        union
        select v.tenant_id, v.id, v.to_block, v.to_log, v.to_at, v.kind, v.by, v.subject, 'ends' from versions v
        where v.to_block is not null
    )
    select a.tenant_id, a.id, a.address, c.block,
        jsonb_agg(jsonb_build_object('log_index', c.log, 'kind', c.kind, 'change', c.change, 'contract', api.hex(c.by),
            'subject', c.subject) order by c.log, c.kind, c.subject, c.change desc)
    from assets a
    join changes c on c.tenant_id = a.tenant_id and c.id = a.id
    -- Rows that are kept ten years are not written again afterwards.
    where c.block between a.created_block and a.through and c.at > now() - interval '9 years'
    group by a.tenant_id, a.id, a.address, c.block
$$;
comment on function app.wide_events is 'Final blocks in which something happened that may change the verdict on every wallet of a registry, for each T-REX asset that a tenant deals with: issuers, topics, signing keys of trusted issuers, modules, and what the asset and its registry point to.';

create function app.verdict_effect(p_chain_id bigint, p_asset bytea, p_block bigint) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
    with points as (
        select p.is_after, p.block, l.target::bytea as registry
        from (values (false, p_block - 1), (true, p_block)) p (is_after, block)
        left join chain.contract_links l on l.chain_id = p_chain_id and l.address = p_asset and l.link = 'identity_registry'
            and chain.in_force(l.from_block, l.to_block, p.block)
    ),
    judged as materialized (
        select p.is_after, v.wallet, v.verdict, v.reason
        from points p
        cross join lateral chain.verdicts(p_chain_id, p.registry, p.block) v
        where p.registry is not null
    ),
    counted as (
        select count(b.wallet) as wallets_before, count(*) filter (where b.verdict = 'verified') as verified_before,
            count(*) filter (where b.verdict = 'undetermined') as undetermined_before,
            count(a.wallet) as wallets_after, count(*) filter (where a.verdict = 'verified') as verified_after,
            count(*) filter (where a.verdict = 'undetermined') as undetermined_after,
            count(*) filter (where b.verdict = 'verified' and coalesce(a.verdict, 'not_verified') = 'not_verified') as lost,
            count(*) filter (where a.verdict = 'verified' and coalesce(b.verdict, 'not_verified') = 'not_verified') as gained,
            count(*) filter (where a.reason like '%catching up%' or b.reason like '%catching up%') as catching_up
        from (select j.* from judged j where not j.is_after) b
        full join (select j.* from judged j where j.is_after) a using (wallet)
    )
    select to_jsonb(c) || jsonb_build_object(
        'registry', (select api.hex(p.registry) from points p where p.is_after),
        'registry_before', (select api.hex(p.registry) from points p where not p.is_after))
    from counted c
$$;
comment on function app.verdict_effect is 'How many registered wallets of an asset''s identity registry were verified and undetermined at the end of the block before and at the end of this block; how many lost or gained being verified; catching_up: wallets that cannot be judged yet. Who they are: chain.verdicts at both blocks.';

create function app.log_verdicts(p_chain_id bigint, p_at_most integer default 20) returns integer
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
        -- By hash: what an operator took back and was indexed anew is logged anew.
        where not exists (
            select from app.compliance_logs l
            where l.tenant_id = w.tenant_id and l.asset_id = w.asset_id and l.compliance_check = 'verdicts_of_registry'
                and l.details ->> 'block_number' = w.block_number::text
                and l.details ->> 'block_hash' is not distinct from e.block_hash)
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

revoke execute on function app.wide_events(bigint), app.verdict_effect(bigint, bytea, bigint), app.log_verdicts(bigint, integer)
    from public;
grant execute on function app.log_verdicts(bigint, integer) to asset_indexer_writer;
insert into app.kept_rights values ('asset_indexer_writer', 'app.log_verdicts(p_chain_id bigint, p_at_most integer)', 'execute');
-- Tables of this version may be younger than the last approval.
insert into app.kept_rights
select r.grantee, o.object, r.privilege
from unnest(array['chain.compliance_modules', 'chain.module_parameters']) o (object)
cross join (values ('asset_indexer_writer', 'select'), ('asset_indexer_writer', 'insert'), ('asset_indexer_writer', 'update'),
    ('asset_indexer_writer', 'delete'), ('asset_indexer_reader', 'select')) r (grantee, privilege)
union all
select r.grantee, 'api.module_parameters', 'select' from unnest(array['asset_indexer_writer', 'asset_indexer_reader']) r (grantee)
on conflict do nothing;
comment on table app.compliance_logs is 'Checks that the application made, with their results; and, by the daemon, what events of wide effect did to the verdicts of an asset''s registry (verdicts_of_registry).';
select app.keep_guards(array['function app.log_verdicts(p_chain_id bigint, p_at_most integer)',
    'function app.verdict_effect(p_chain_id bigint, p_asset bytea, p_block bigint)',
    'function app.wide_events(p_chain_id bigint)']);
