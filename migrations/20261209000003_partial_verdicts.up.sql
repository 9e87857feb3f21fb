-- What was logged before a contract is followed is not known: of one that the configuration begins later on purpose (`partial`), that
-- nothing is known of something does not say that there is nothing. Its registrations, trusted issuers, topics, claims, keys and
-- revocations were taken for all there are. And of a claim's issuer to whom nobody listens nobody knows what it revoked.
set local lock_timeout = '500ms';

-- In plpgsql: asked of few, and planned once a session.
create function chain.may_be_registered(p_chain_id bigint, p_storage bytea, p_wallet bytea, p_at_block bigint) returns boolean
language plpgsql stable parallel safe as $$
begin
    -- A wallet that was removed, or has no identity any more, is known by its last registration.
    return exists (
            select from chain.configured_contracts f
            where f.chain_id = p_chain_id and f.address = p_storage and f.opening_block is not null)
        and not exists (
            select from chain.registrations r
            where r.chain_id = p_chain_id and r.storage = p_storage and r.wallet = p_wallet
                and (p_at_block is null or r.from_block <= p_at_block));
end
$$;
comment on function chain.may_be_registered is 'Whether a wallet that no registration is known of by the end of a block, or now, may be registered all the same: the storage is followed from a later block on, and what it logged before is not known.';

create function chain.topics_of_before(p_chain_id bigint, p_identity bytea, p_required numeric[], p_trusted bytea[],
    p_at_block bigint) returns numeric[]
language plpgsql stable parallel safe as $$
begin
    -- Once one version of a claim is known, what became of it is known too.
    return array(
        select t.topic from unnest(p_required) t(topic)
        where t.topic is not null and (array_position(p_trusted, null) is not null or exists (
            select from unnest(p_trusted) p(pair)
            where substr(p.pair, 21) = numeric_send(t.topic) and not exists (
                select from chain.identity_claims c
                where c.chain_id = p_chain_id and c.identity = p_identity and c.issuer = substr(p.pair, 1, 20)
                    and c.claim_type = t.topic and c.id_matches and (p_at_block is null or c.from_block <= p_at_block)))));
end
$$;
comment on function chain.topics_of_before is 'Required topics about which an identity that is followed from a later block on may have a claim of before, of an issuer that is trusted for the topic (as chain.verification_rules says): no version of it is known.';
revoke execute on function chain.may_be_registered(bigint, bytea, bytea, bigint),
    chain.topics_of_before(bigint, bytea, numeric[], bytea[], bigint) from public;
grant execute on function chain.may_be_registered(bigint, bytea, bytea, bigint),
    chain.topics_of_before(bigint, bytea, numeric[], bytea[], bigint) to asset_indexer_reader, asset_indexer_writer;

-- Rules and verdicts ------------------------------------------------------------------------------------------------

-- A null says that there may be more: what is compared with it is never found, and never all that there is.
create or replace function chain.verification_rules(p_chain_id bigint, p_registry bytea, p_at_block bigint)
returns table (storage bytea, required numeric[], offered numeric[], trusted bytea[], keys bytea[], unknown bytea[],
    unsettled boolean)
language sql stable parallel safe rows 1
begin atomic
    select r.storage, r.required,
        case when r.issuers_registry is not null then array(
            select distinct t.topic from chain.verification_providers p cross join unnest(p.topics) t(topic)
            where p.chain_id = p_chain_id and p.registry = r.issuers_registry
                and chain.in_force(p.from_block, p.to_block, p_at_block)
        ) || case when r.more_issuers then array_remove(r.required, null) end end,
        case when r.issuers_registry is not null then array(
            select p.issuer || numeric_send(t.topic)
            from chain.verification_providers p cross join unnest(p.topics) t(topic)
            where p.chain_id = p_chain_id and p.registry = r.issuers_registry
                and chain.in_force(p.from_block, p.to_block, p_at_block) and t.topic = any (r.required)
        ) || case when r.more_issuers then array(
            select distinct p.issuer::bytea from chain.verification_providers p
            where p.chain_id = p_chain_id and p.registry = r.issuers_registry
                and (p_at_block is null or p.from_block <= p_at_block)
        ) || array[null::bytea] end else '{}' end,
        case when r.issuers_registry is not null then array(
            select distinct k.identity || k.key_hash
            from chain.verification_providers p
            join chain.identity_keys k on k.chain_id = p.chain_id and k.identity = p.issuer
            where p.chain_id = p_chain_id and p.registry = r.issuers_registry
                and chain.in_force(p.from_block, p.to_block, p_at_block)
                and k.purpose in (1, 3) and chain.in_force(k.from_block, k.to_block, p_at_block)
        ) else '{}' end,
        case when r.issuers_registry is not null then array(
            select p.issuer::bytea from chain.verification_providers p
            where p.chain_id = p_chain_id and p.registry = r.issuers_registry
                and chain.in_force(p.from_block, p.to_block, p_at_block)
                and (not exists (
                        select from chain.identity_keys k where k.chain_id = p.chain_id and k.identity = p.issuer)
                    or exists (
                        select from ops.coverage v where v.chain_id = p.chain_id and v.address = p.issuer
                            and v.through_block is not null and chain.is_behind(v.through_block, p_at_block))
                    or exists (
                        select from chain.configured_contracts f where f.chain_id = p.chain_id and f.address = p.issuer
                            and f.opening_block is not null))
        ) else '{}' end,
        exists (
            select from ops.coverage v where v.chain_id = p_chain_id
                and v.address in (p_registry, r.storage, r.topics_registry, r.issuers_registry)
                and v.through_block is not null and chain.is_behind(v.through_block, p_at_block))
    from (
        select s.target::bytea as storage, t.target::bytea as topics_registry, i.target::bytea as issuers_registry,
            ip.address is not null as more_issuers,
            case when t.target is not null then array(
                select q.topic from chain.required_topics q
                where q.chain_id = p_chain_id and q.registry = t.target
                    and chain.in_force(q.from_block, q.to_block, p_at_block)
                order by q.topic
            ) || case when tp.address is not null then array[null::numeric] end end as required
        from (values (1)) one(row)
        left join chain.contract_links s on s.chain_id = p_chain_id and s.address = p_registry
            and s.link = 'storage' and chain.in_force(s.from_block, s.to_block, p_at_block)
        left join chain.contract_links t on t.chain_id = p_chain_id and t.address = p_registry
            and t.link = 'claim_topics' and chain.in_force(t.from_block, t.to_block, p_at_block)
        left join chain.contract_links i on i.chain_id = p_chain_id and i.address = p_registry
            and i.link = 'trusted_issuers' and chain.in_force(i.from_block, i.to_block, p_at_block)
        left join chain.configured_contracts tp on tp.chain_id = p_chain_id and tp.address = t.target
            and tp.opening_block is not null
        left join chain.configured_contracts ip on ip.chain_id = p_chain_id and ip.address = i.target
            and ip.opening_block is not null
        offset 0
    ) r
    offset 0;
end;
comment on function chain.verification_rules is
'What an identity registry demands, in one row: its storage; the required topics; the topics for which anybody is trusted; the trusted pairs of issuer and topic; the pairs of issuer and key that may sign claims; issuers whose keys are not known (no ONCHAINID, still catching up, or followed from a later block on: neither keys nor revocations of before are known then); and whether any of the registry''s contracts is still catching up. Null where the contract behind it is not known. Of a registry that is followed from a later block on: null among the required topics, since more may be required; null among the trusted pairs, since others may be trusted, but of issuers that stand there without a topic all is known, and every required topic is one for which anybody may be.';

create or replace function chain.judge(p_chain_id bigint, p_identity bytea, p_undetermined boolean, p_required numeric[],
    p_offered numeric[], p_trusted bytea[], p_keys bytea[], p_unknown bytea[], p_unsettled boolean, p_at_block bigint)
returns table (verdict text, valid_now boolean, reason text)
language sql stable parallel safe rows 1
begin atomic
    select v.verdict,
        case v.verdict when 'verified' then p_required <@ m.valid_now when 'not_verified' then false end,
        case
            when v.verdict = 'verified' then null
            when p_unsettled then 'a contract of the registry is catching up'
            when p_required is null then 'claim topics registry not known'
            when p_offered is null then 'trusted issuers registry not known'
            when v.verdict = 'undetermined' and p_undetermined then 'undetermined identity'
            when v.verdict = 'undetermined' and m.is_behind then 'identity is catching up'
            else coalesce((
                select 'topic ' || t.topic::text || ': ' || case
                    when not (t.topic = any (p_offered)) then 'no trusted issuer'
                    when t.topic = any (m.unknown) then 'issuer''s keys not known'
                    when t.topic = any (m.untold) then 'past of the trusted issuers registry not known'
                    when t.topic = any (m.before) then 'past of the identity not known'
                    when t.topic = any (m.revoked) then 'claim revoked'
                    when t.topic = any (m.unsigned) then 'claim not signed by a key of its issuer'
                    else 'no claim of a trusted issuer'
                end
                from unnest(p_required) t(topic)
                where case
                    when not array_remove(p_required, null) <@ p_offered then not (t.topic = any (p_offered))
                    when v.verdict = 'undetermined' then not (t.topic = any (m.valid))
                    else not (t.topic = any (m.valid || m.unknown || m.untold || m.before))
                end
                order by t.topic limit 1), 'past of the claim topics registry not known')
        end
    from (
        select coalesce(array_agg(c.topic) filter (where c.state = 'valid'), '{}') as valid,
            coalesce(array_agg(c.topic) filter (
                where c.state = 'valid' and (c.expires_at is null or c.expires_at > now())), '{}') as valid_now,
            coalesce(array_agg(c.topic) filter (where c.state = 'unknown'), '{}') as unknown,
            coalesce(array_agg(c.topic) filter (where c.state = 'untold'), '{}') as untold,
            coalesce(array_agg(c.topic) filter (where c.state = 'revoked'), '{}') as revoked,
            coalesce(array_agg(c.topic) filter (where c.state = 'unsigned'), '{}') as unsigned,
            case
                when exists (
                    select from chain.configured_contracts f where f.chain_id = p_chain_id and f.address = p_identity
                        and f.opening_block is not null)
                    then chain.topics_of_before(p_chain_id, p_identity, p_required, p_trusted, p_at_block)
                else '{}'
            end as before,
            exists (
                select from ops.coverage v where v.chain_id = p_chain_id and v.address = p_identity
                    and v.through_block is not null and chain.is_behind(v.through_block, p_at_block)) as is_behind
        from (
            select k.claim_type as topic, k.expires_at,
                case
                    when exists (
                        select from chain.claim_revocations x
                        where x.chain_id = k.chain_id and x.issuer = k.issuer and x.signature_hash = k.signature_hash
                            and (p_at_block is null or x.revoked_block <= p_at_block)) then 'revoked'
                    when k.issuer = any (p_unknown) then 'unknown'
                    when k.issuer || k.signer_key = any (p_keys) then 'valid'
                    when k.issuer || numeric_send(k.claim_type) = any (p_trusted) then 'unsigned'
                    else 'untold'
                end as state
            from chain.identity_claims k
            where k.chain_id = p_chain_id and k.identity = p_identity
                and chain.in_force(k.from_block, k.to_block, p_at_block)
                and k.id_matches and (k.issuer || numeric_send(k.claim_type) = any (p_trusted)
                    or array_position(p_trusted, null) is not null and k.claim_type = any (p_required)
                        and (k.issuer::bytea = any (p_trusted)) is not true)
            offset 0
        ) c
    ) m
    cross join lateral (
        select case
            when p_unsettled or p_required is null then 'undetermined'
            when cardinality(p_required) = 0 then 'verified'
            when p_offered is null then 'undetermined'
            when not array_remove(p_required, null) <@ p_offered then 'not_verified'
            when p_undetermined or m.is_behind then 'undetermined'
            when p_required <@ m.valid then 'verified'
            when array_remove(p_required, null) <@ (m.valid || m.unknown || m.untold || m.before) then 'undetermined'
            else 'not_verified'
        end as verdict
    ) v;
end;
comment on function chain.judge is
'The verdict on a registered identity under the rules of a registry (chain.verification_rules), one row. For each required topic one claim has to count: in force, of an issuer trusted for the topic and under the id that belongs to both, not revoked, signed by a key that its issuer holds for managing (1) or signing claims (3). Undetermined where what was logged before a contract is followed could decide: whether another topic is required, an issuer trusted, a claim there, a key its issuer''s or a claim revoked. An identity that attests itself by code of its own, which deceives isVerified (ERC-3643 issue 101), has no such claim.';

create or replace function chain.verdict(p_chain_id bigint, p_registry bytea, p_wallet bytea, p_at_block bigint default null)
returns table (registry bytea, storage bytea, wallet bytea, identity bytea, country bigint, verdict text,
    valid_now boolean, reason text)
language sql stable parallel safe rows 1
begin atomic
    select p_registry, g.storage, p_wallet, r.identity::bytea, r.country,
        case
            when r.identity is not null then v.verdict
            when g.storage is null or g.unsettled or o.may_be then 'undetermined'
            else 'not_verified'
        end,
        case
            when r.identity is not null then v.valid_now
            when g.storage is not null and not g.unsettled and not o.may_be then false
        end,
        case
            when r.identity is not null then v.reason
            when g.storage is null then 'storage of the registry not known'
            when g.unsettled then 'a contract of the registry is catching up'
            when o.may_be then 'past of the storage not known'
            else 'not registered'
        end
    from chain.verification_rules(p_chain_id, p_registry, p_at_block) g
    left join chain.registrations r on r.chain_id = p_chain_id and r.storage = g.storage and r.wallet = p_wallet
        and chain.in_force(r.from_block, r.to_block, p_at_block)
        and r.identity <> chain.zero_address()
    cross join lateral chain.judge(p_chain_id, r.identity, r.undetermined, g.required, g.offered, g.trusted, g.keys,
        g.unknown, g.unsettled, p_at_block) v
    -- offset 0: asked once, of who is not registered.
    cross join lateral (
        select r.identity is null and chain.may_be_registered(p_chain_id, g.storage, p_wallet, p_at_block) as may_be offset 0) o;
end;
comment on function chain.verdict is
'chain.verdicts for one wallet: always one row, also for a wallet that is not registered. Undetermined where it may have been before the storage is followed (chain.may_be_registered). Call it in FROM.';

comment on function chain.verdicts is
'What IdentityRegistry.isVerified (T-REX 4.1.6) answers, where identities run the code of ONCHAINID, for each registered wallet of a registry, or of all registries of the chain, at the end of a block, or now: verified, not_verified, or undetermined where the logs do not tell, with the reason. valid_now also asks that the claims have not expired by their own data, which T-REX does not look at; it is about today whatever the block. Where the registry''s storage is not known, is being read (chain.verification_rules: storage, unsettled) or is followed from a later block on (chain.may_be_registered), rows are missing of wallets that may be registered. Call it in FROM.';

create or replace function chain.unverified_status(p_chain_id bigint, p_identity bytea) returns text
language plpgsql stable parallel safe as $$
begin
    return (
        select case
            when bool_or(v.verdict = 'undetermined') then 'undetermined'
            when count(*) > 0 then 'not_verified'
            -- Who was there before a storage is followed may be registered with it.
            when exists (
                select from chain.configured_contracts f
                where f.chain_id = p_chain_id and f.role = 'identity_registry_storage' and f.opening_block is not null
                    and not exists (
                        select from chain.identities i
                        where i.chain_id = p_chain_id and i.onchain_id = p_identity and i.first_block > f.opening_block
                            and not exists (
                                select from chain.configured_contracts o
                                where o.chain_id = p_chain_id and o.address = p_identity and o.opening_block is not null)))
                then 'undetermined'
            else 'unregistered'
        end
        from chain.verdicts_of(p_chain_id, p_identity) v);
end
$$;
comment on function chain.unverified_status is 'The status of an identity that no registry finds verified: undetermined, not_verified, or unregistered. Undetermined, not unregistered, where it was there before a storage that is followed from a later block on.';

-- Holders -----------------------------------------------------------------------------------------------------------

create or replace view api.asset_holders with (security_invoker = true) as
select h.chain_id, h.asset_id, api.hex(h.holder) as holder_address,
    api.units(h.balance, a.decimals) as balance, h.balance as balance_base,
    api.units(h.frozen, a.decimals) as frozen, h.frozen as frozen_base,
    api.units(case when h.wallet_frozen then 0 else greatest(h.balance - h.frozen, 0) end, a.decimals) as available,
    case when h.wallet_frozen then 0 else greatest(h.balance - h.frozen, 0) end as available_base,
    case when a.total_supply > 0 then round(h.balance * 100 / a.total_supply, 8) end as percentage,
    h.wallet_frozen,
    case
        when l.target is null or g.storage is null or g.unsettled then null
        when r.identity = chain.zero_address() then false
        when r.identity is null then case when not chain.may_be_registered(h.chain_id, g.storage, h.holder, null) then false end
        else (
            select case v.verdict when 'verified' then true when 'not_verified' then false end
            from chain.judge(h.chain_id, r.identity, r.undetermined, g.required, g.offered, g.trusted, g.keys,
                g.unknown, g.unsettled, null) v)
    end as verified,
    r.country, api.hex(r.identity) as identity, r.identity_id, h.first_block, h.updated_block, h.updated_at,
    a.complete_from, h.holder::bytea as holder_bytes,
    k.block_number as as_of_block, chain.finality(h.updated_block, k.finalized_number) as finality
from chain.assets a
left join chain.checkpoints k on k.chain_id = a.chain_id
left join chain.contract_links l on l.chain_id = a.chain_id and l.address = a.contract_address
    and l.link = 'identity_registry' and l.slot = chain.zero_address() and l.to_block is null
left join lateral chain.verification_rules(a.chain_id, l.target, null) g on l.target is not null
join chain.asset_holders h on h.chain_id = a.chain_id and h.asset_id = a.id
left join chain.registrations r on r.chain_id = h.chain_id and r.storage = g.storage and r.wallet = h.holder
    and r.to_block is null;

create or replace function api.holders_at(asset uuid, block bigint)
returns table (holder_address text, balance numeric, balance_base numeric, frozen numeric, frozen_base numeric,
    wallet_frozen boolean, percentage numeric, verified boolean, identity text, since_block bigint, since timestamptz,
    complete boolean, holder_bytes bytea, as_of_block bigint, finality text)
language sql stable parallel safe rows 1000
begin atomic
    select api.hex(p.holder), api.units(p.balance, a.decimals), p.balance, api.units(p.frozen, a.decimals), p.frozen,
        p.wallet_frozen, case when s.total_supply > 0 then round(p.balance * 100 / s.total_supply, 8) end,
        case
            when l.target is null or g.storage is null or g.unsettled then null
            when r.identity = chain.zero_address() then false
            when r.identity is null then case when not chain.may_be_registered(a.chain_id, g.storage, p.holder, block) then false end
            else (
                select case v.verdict when 'verified' then true when 'not_verified' then false end
                from chain.judge(a.chain_id, r.identity, r.undetermined, g.required, g.offered, g.trusted, g.keys,
                    g.unknown, g.unsettled, block) v)
        end,
        api.hex(r.identity), p.since_block, p.since,
        a.complete_from is null and not chain.is_behind(c.through_block, block)
            and block <= k.block_number,
        p.holder, k.block_number, chain.finality(block, k.finalized_number)
    from chain.assets a
    join chain.checkpoints k on k.chain_id = a.chain_id
    cross join lateral chain.supply_as_of(asset, block, null) s
    left join ops.coverage c on c.chain_id = a.chain_id and c.address = a.contract_address
    left join chain.contract_links l on l.chain_id = a.chain_id and l.address = a.contract_address
        and l.link = 'identity_registry' and chain.in_force(l.from_block, l.to_block, block)
    left join lateral chain.verification_rules(a.chain_id, l.target, block) g on l.target is not null
    cross join lateral chain.positions_as_of(asset, block, null) p
    left join chain.registrations r on r.chain_id = a.chain_id and r.storage = g.storage and r.wallet = p.holder
        and chain.in_force(r.from_block, r.to_block, block)
    where a.id = asset and (p.balance <> 0 or p.frozen <> 0 or p.wallet_frozen);
end;

create or replace function chain.compliance_one_by_one(p_asset uuid, p_block bigint)
returns table (holder bytea, balance numeric, frozen numeric, wallet_frozen boolean, identity bytea, country bigint,
    verdict text, reason text, undetermined boolean)
language sql stable rows 1000
begin atomic
    select p.holder, p.balance, p.frozen, p.wallet_frozen, r.identity::bytea, r.country,
        case
            when l.target is null and a.asset_type = 'erc3643' and a.complete_from is not null then 'undetermined'
            when l.target is null then 'no registry'
            when r.identity is not null then v.verdict
            when g.storage is null or g.unsettled or o.may_be then 'undetermined'
            else 'not_verified'
        end,
        case
            when l.target is null and a.asset_type = 'erc3643' and a.complete_from is not null
                then 'identity registry of the asset not known'
            when l.target is null then 'the asset has no identity registry'
            when r.identity is not null then v.reason
            when g.storage is null then 'storage of the registry not known'
            when g.unsettled then 'a contract of the registry is catching up'
            when o.may_be then 'past of the storage not known'
            else 'not registered'
        end,
        coalesce(r.undetermined, false)
    from chain.assets a
    left join chain.contract_links l on l.chain_id = a.chain_id and l.address = a.contract_address
        and l.link = 'identity_registry' and l.slot = chain.zero_address()
        and chain.in_force(l.from_block, l.to_block, p_block)
    left join lateral chain.verification_rules(a.chain_id, l.target, p_block) g on l.target is not null
    cross join lateral chain.positions_at(p_asset, p_block) p
    left join chain.registrations r on r.chain_id = a.chain_id and r.storage = g.storage and r.wallet = p.holder
        and chain.in_force(r.from_block, r.to_block, p_block) and r.identity <> chain.zero_address()
    left join lateral chain.judge(a.chain_id, r.identity, r.undetermined, g.required, g.offered, g.trusted, g.keys,
        g.unknown, g.unsettled, p_block) v on r.identity is not null
    cross join lateral (
        select r.identity is null and chain.may_be_registered(a.chain_id, g.storage, p.holder, p_block) as may_be offset 0) o
    where a.id = p_asset and p.balance <> 0;
end;

create or replace function chain.compliance_rules(p_asset uuid, p_block bigint)
returns table (chain_id bigint, registry bytea, storage bytea, required numeric[], trusted bytea[], keys bytea[],
    unknown bytea[], unsettled boolean, decided text, because text)
language sql stable parallel safe rows 1
begin atomic
    select a.chain_id, l.target::bytea, g.storage, g.required, g.trusted, g.keys, g.unknown, g.unsettled, d.verdict, d.reason
    from chain.assets a
    left join chain.contract_links l on l.chain_id = a.chain_id and l.address = a.contract_address
        and l.link = 'identity_registry' and l.slot = chain.zero_address()
        and chain.in_force(l.from_block, l.to_block, p_block)
    left join lateral chain.verification_rules(a.chain_id, l.target, p_block) g on l.target is not null
    left join lateral (
        select x.verdict, x.reason
        from (values
            (1, g.unsettled, 'undetermined', 'a contract of the registry is catching up'),
            (2, g.required is null, 'undetermined', 'claim topics registry not known'),
            (3, cardinality(g.required) = 0, 'verified', null),
            (4, g.offered is null, 'undetermined', 'trusted issuers registry not known'),
            (5, not array_remove(g.required, null) <@ g.offered, 'not_verified', (
                select 'topic ' || min(t.topic)::text || ': no trusted issuer' from unnest(g.required) t (topic)
                where not (t.topic = any (g.offered))))
        ) x (n, applies, verdict, reason)
        where x.applies order by x.n limit 1
    ) d on true
    where a.id = p_asset;
end;

create or replace function chain.compliance_at_once(p_asset uuid, p_block bigint)
returns table (holder bytea, balance numeric, frozen numeric, wallet_frozen boolean, identity bytea, country bigint,
    verdict text, reason text, undetermined boolean)
language plpgsql stable rows 1000
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan set work_mem = '256MB'
set hash_mem_multiplier = 2 set jit = off set enable_mergejoin = off set enable_nestloop = off as $$
declare
    rules record;
    every_topic bigint;
    is_part boolean;
    more_issuers boolean;
    more_topics boolean;
    is_untold boolean;
begin
    select g.* into rules from chain.compliance_rules(p_asset, p_block) g;
    -- What of before a contract is followed is not known.
    is_part := exists (
        select from chain.configured_contracts f
        where f.chain_id = rules.chain_id and f.address = rules.storage and f.opening_block is not null);
    -- A token logs its registry when it is made.
    is_untold := rules.registry is null and exists (
        select from chain.assets a where a.id = p_asset and a.asset_type = 'erc3643' and a.complete_from is not null);
    more_issuers := array_position(rules.trusted, null) is not null;
    more_topics := array_position(rules.required, null) is not null;
    rules.required := array_remove(rules.required, null);
    -- A topic is a bit below.
    if cardinality(rules.required) > 62 then
        return query select c.* from chain.compliance_one_by_one(p_asset, p_block) c;
        return;
    end if;
    every_topic := (1::bigint << cardinality(rules.required)) - 1;
    return query
    with claimed as (
        select k.identity, bit_or(k.topic) filter (where k.state = 1) as valid,
            bit_or(k.topic) filter (where k.state = 2) as unknown, bit_or(k.topic) filter (where k.state = 3) as revoked,
            bit_or(k.topic) filter (where k.state = 4) as unsigned, bit_or(k.topic) filter (where k.state = 5) as untold,
            bit_or(k.topic) filter (where k.state = 6) as before
        from (
            select c.identity::bytea as identity, 1::bigint << array_position(rules.required, c.claim_type) - 1 as topic,
                case
                    when x.issuer is not null then 3
                    when c.issuer = any (rules.unknown) then 2
                    when c.issuer || c.signer_key = any (rules.keys) then 1
                    when c.issuer || numeric_send(c.claim_type) = any (rules.trusted) then 4
                    else 5
                end as state
            from chain.identity_claims c
            left join chain.claim_revocations x on x.chain_id = c.chain_id and x.issuer = c.issuer
                and x.signature_hash = c.signature_hash and x.revoked_block <= p_block
            where rules.decided is null and c.chain_id = rules.chain_id and c.from_block <= p_block
                and (c.to_block is null or c.to_block > p_block) and c.id_matches
                and (c.issuer || numeric_send(c.claim_type) = any (rules.trusted)
                    or more_issuers and c.claim_type = any (rules.required) and (c.issuer::bytea = any (rules.trusted)) is not true)
            union all
            select f.address::bytea, 1::bigint << array_position(rules.required, t.topic) - 1, 6
            from chain.configured_contracts f
            cross join unnest(chain.topics_of_before(rules.chain_id, f.address, rules.required, rules.trusted, p_block)) t (topic)
            where rules.decided is null and f.chain_id = rules.chain_id and f.role = 'identity' and f.opening_block is not null
        ) k
        group by k.identity
    ), judged as (
        select r.wallet::bytea as wallet, r.identity::bytea as identity, r.country,
            case
                when rules.decided is not null then rules.decided
                when r.undetermined or b.address is not null then 'undetermined'
                when coalesce(c.valid, 0) = every_topic then case when more_topics then 'undetermined' else 'verified' end
                when coalesce(c.valid, 0) | c.possible = every_topic then 'undetermined'
                else 'not_verified'
            end as verdict,
            case
                when rules.decided is not null then rules.because
                when r.undetermined then 'undetermined identity'
                when b.address is not null then 'identity is catching up'
                when coalesce(c.valid, 0) = every_topic then case when more_topics then 'past of the claim topics registry not known' end
                else (
                    select 'topic ' || t.topic::text || ': ' || case
                        when coalesce(c.unknown, 0) & (1::bigint << t.n::integer - 1) <> 0 then 'issuer''s keys not known'
                        when coalesce(c.untold, 0) & (1::bigint << t.n::integer - 1) <> 0
                            then 'past of the trusted issuers registry not known'
                        when coalesce(c.before, 0) & (1::bigint << t.n::integer - 1) <> 0 then 'past of the identity not known'
                        when coalesce(c.revoked, 0) & (1::bigint << t.n::integer - 1) <> 0 then 'claim revoked'
                        when coalesce(c.unsigned, 0) & (1::bigint << t.n::integer - 1) <> 0
                            then 'claim not signed by a key of its issuer'
                        else 'no claim of a trusted issuer'
                    end
                    from unnest(rules.required) with ordinality t (topic, n)
                    where case
                        when coalesce(c.valid, 0) | c.possible = every_topic then coalesce(c.valid, 0)
                        else coalesce(c.valid, 0) | c.possible
                    end & (1::bigint << t.n::integer - 1) = 0
                    order by t.topic limit 1)
            end as reason, r.undetermined
        from chain.registrations r
        left join claimed d on d.identity = r.identity
        cross join lateral (select d.*, coalesce(d.unknown, 0) | coalesce(d.untold, 0) | coalesce(d.before, 0) as possible) c
        left join chain.contracts_behind(rules.chain_id, p_block) b on b.address = r.identity
        where r.chain_id = rules.chain_id and r.storage = rules.storage and r.from_block <= p_block
            and (r.to_block is null or r.to_block > p_block) and r.identity <> chain.zero_address()
    )
    select p.holder, p.balance, p.frozen, p.wallet_frozen, j.identity, j.country,
        case
            when is_untold then 'undetermined'
            when rules.registry is null then 'no registry'
            when j.wallet is not null then j.verdict
            when rules.storage is null or rules.unsettled then 'undetermined'
            when is_part and chain.may_be_registered(rules.chain_id, rules.storage, p.holder, p_block) then 'undetermined'
            else 'not_verified'
        end,
        case
            when is_untold then 'identity registry of the asset not known'
            when rules.registry is null then 'the asset has no identity registry'
            when j.wallet is not null then j.reason
            when rules.storage is null then 'storage of the registry not known'
            when rules.unsettled then 'a contract of the registry is catching up'
            when is_part and chain.may_be_registered(rules.chain_id, rules.storage, p.holder, p_block)
                then 'past of the storage not known'
            else 'not registered'
        end,
        coalesce(j.undetermined, false)
    from chain.positions_at(p_asset, p_block) p
    left join judged j on j.wallet = p.holder
    where p.balance <> 0;
end
$$;

-- Transfers: who is told from his registrations as well.
create or replace function chain.counted_balance(p_chain_id bigint, p_asset uuid, p_compliance bytea, p_module bytea, p_identity bytea)
returns numeric language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan as $$
declare
    token bytea;
    preset record;
    counted numeric;
begin
    -- Sums are exact only where every movement is known, and was this token's.
    select a.contract_address into token from chain.assets a
    where a.chain_id = p_chain_id and a.id = p_asset and a.complete_from is null
        and not a.negative_balance and not a.exceeds_uint256 and a.unreadable_logs = 0;
    if token is null or p_identity is null
        or exists (select from chain.contract_links t where t.chain_id = p_chain_id and t.address = p_compliance
            and t.link = 'token' and t.target <> token)
        or chain.any_behind(p_chain_id, array[token, p_compliance, p_module] || array(
            select x.address::bytea from chain.contract_links r
            join chain.contract_links s on s.chain_id = r.chain_id and s.address = r.target and s.link = 'storage'
            cross join lateral (values (r.target), (s.target)) x (address)
            where r.chain_id = p_chain_id and r.address = token and r.link = 'identity_registry'))
        -- Wallets of the identity, and bindings, from before a contract is followed are not known.
        or exists (
            select from chain.configured_contracts f
            where f.chain_id = p_chain_id and f.opening_block is not null and (f.address in (p_compliance, p_module) or exists (
                select from chain.contract_links r
                left join chain.contract_links s on s.chain_id = r.chain_id and s.address = r.target and s.link = 'storage'
                where r.chain_id = p_chain_id and r.address = token and r.link = 'identity_registry'
                    and f.address in (r.target, s.target))))
        or exists (
            select from chain.contract_links r
            join chain.contract_links s on s.chain_id = r.chain_id and s.address = r.target and s.link = 'storage'
            join chain.registrations g on g.chain_id = s.chain_id and g.storage = s.target and g.undetermined
            where r.chain_id = p_chain_id and r.address = token and r.link = 'identity_registry') then
        return null;
    end if;
    -- A preset says what the count is; the movements since then come on top.
    select p.value, array[p.from_block, p.from_log] as at into preset
    from chain.module_parameters p
    where p.chain_id = p_chain_id and p.module = p_module and p.scope = p_compliance and p.parameter = 'preset_balance'
        and p.argument = '0x' || encode(p_identity, 'hex') and p.to_block is null;
    -- The stretches in which the token asked this compliance, the compliance this module, and the token's registry said
    -- that the wallet is the identity's. What the wallet got in each is what the module counted.
    select coalesce(sum(coalesce(e.balance, 0) - coalesce(b.balance, 0)), 0) into counted
    from chain.contract_links m
    join chain.contract_links c on c.chain_id = m.chain_id and c.address = token and c.link = 'compliance'
        and c.target = p_compliance
    join chain.contract_links r on r.chain_id = m.chain_id and r.address = token and r.link = 'identity_registry'
    join chain.contract_links s on s.chain_id = m.chain_id and s.address = r.target and s.link = 'storage'
    -- Each half by an index of its own.
    cross join lateral (
        select o.wallet, o.from_block, o.from_log, o.to_block, o.to_log from chain.registrations o
        where o.chain_id = p_chain_id and o.storage = s.target and o.identity = p_identity and o.to_block is null
        union all
        select o.wallet, o.from_block, o.from_log, o.to_block, o.to_log from chain.registrations o
        where o.chain_id = p_chain_id and o.storage = s.target and o.identity = p_identity and o.to_block is not null) g
    cross join lateral (
        select greatest(array[m.from_block, m.from_log], array[c.from_block, c.from_log], array[r.from_block, r.from_log],
                array[s.from_block, s.from_log], array[g.from_block, g.from_log], preset.at) as begins,
            coalesce(least(
                case when m.to_block is not null then array[m.to_block, m.to_log] end,
                case when c.to_block is not null then array[c.to_block, c.to_log] end,
                case when r.to_block is not null then array[r.to_block, r.to_log] end,
                case when s.to_block is not null then array[s.to_block, s.to_log] end,
                case when g.to_block is not null then array[g.to_block, g.to_log] end), array[9223372036854775807, 0]) as ends
        offset 0) t
    left join lateral (
        select h.balance from chain.ownership_history h
        where h.chain_id = p_chain_id and h.asset_id = p_asset and h.holder = g.wallet
            and (h.block_number, h.log_index) < (t.begins[1], t.begins[2])
        order by h.block_number desc, h.log_index desc limit 1) b on true
    left join lateral (
        select h.balance from chain.ownership_history h
        where h.chain_id = p_chain_id and h.asset_id = p_asset and h.holder = g.wallet
            and (h.block_number, h.log_index) < (t.ends[1], t.ends[2])
        order by h.block_number desc, h.log_index desc limit 1) e on true
    where m.chain_id = p_chain_id and m.address = p_compliance and m.link = 'module' and m.slot = p_module
        and t.begins < t.ends;
    return coalesce(preset.value, 0) + counted;
end
$$;

create or replace function chain.judge_compliance(p_chain_id bigint, p_token bytea, p_compliance bytea)
returns table (refused text, unknown text) language plpgsql stable parallel safe rows 1
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan as $$
declare
    serves bytea;
begin
    if chain.any_behind(p_chain_id, array[p_compliance]) then
        unknown := 'the compliance''s past is still being read';
        return next;
        return;
    end if;
    -- Modules, the suite that a factory made the compliance in, or its own first logs say that it is a modular one. What only a
    -- compliance of before (T-REX 3, legacy) logs says that it is not.
    if not (
            exists (select from chain.contract_links m where m.chain_id = p_chain_id and m.address = p_compliance and m.link = 'module')
            or exists (
                select from chain.contract_links c
                join chain.contracts t on t.chain_id = c.chain_id and t.address = c.address
                    and t.announced_as = 'TREXSuiteDeployed' and t.announced_block = c.from_block and t.announced_log > c.from_log
                where c.chain_id = p_chain_id and c.address = p_token and c.link = 'compliance' and c.target = p_compliance)
            or exists (
                select from chain.asset_events e where e.chain_id = p_chain_id and e.address = p_compliance
                    and e.role = 'compliance' and e.event_type in ('Initialized', 'ImplementationAuthoritySet')))
        or exists (
            select from chain.asset_events e where e.chain_id = p_chain_id and e.address = p_compliance and e.role = 'compliance'
                and e.event_type in ('AddedRestrictedCountry', 'AgentAdded', 'AgentRemoved', 'ApprovalRemoved',
                    'DailyLimitUpdated', 'ExchangeIDAdded', 'ExchangeIDRemoved', 'ExchangeMonthlyLimitUpdated', 'HolderLimitSet',
                    'MaxBalanceSet', 'MonthlyLimitUpdated', 'RemovedRestrictedCountry', 'SupplyLimitSet', 'TokenAgentAdded',
                    'TokenAgentRemoved', 'TransferApproved', 'UnWhitelistedCountry', 'WhitelistedCountry')) then
        unknown := 'the compliance has rules of its own';
        return next;
        return;
    end if;
    select l.target::bytea into serves from chain.contract_links l
    where l.chain_id = p_chain_id and l.address = p_compliance and l.link = 'token' and l.to_block is null;
    -- Which modules it was given before it is followed is not known.
    if exists (
            select from chain.configured_contracts f
            where f.chain_id = p_chain_id and f.address = p_compliance and f.opening_block is not null) then
        unknown := 'past of the compliance not known';
    end if;
    if serves = p_token then
        if unknown is null then
            return;
        end if;
    elsif serves is not null then
        refused := 'the compliance serves another token: ' || api.hex(serves);
    elsif exists (select from chain.contract_links l
            where l.chain_id = p_chain_id and l.address = p_compliance and l.link = 'token') then
        refused := 'the compliance serves no token any more';
    else
        unknown := 'the compliance did not log which token it serves';
    end if;
    return next;
end
$$;
comment on function chain.judge_compliance is 'Why a compliance would let a token move nothing (ModularCompliance lets only the token call that it is bound to), or why that or its rules are not known; no row where it is a modular one that serves the token, all of whose modules are known: they alone have the say.';
create or replace function chain.modules_in_force(p_chain_id bigint, p_token bytea, p_at_block bigint default null)
returns table (module bytea, module_name text, is_settled boolean, countries text[], most numeric)
language sql stable parallel safe
begin atomic
    select m.target::bytea, x.name,
        not chain.any_behind(p_chain_id, array[m.target::bytea, c.target::bytea, p_token]) and exists (
            select from chain.module_parameters b where b.chain_id = p_chain_id and b.module = m.target and b.scope = c.target
                and b.parameter = 'bound' and b.argument = '' and chain.in_force(b.from_block, b.to_block, p_at_block))
            -- Which countries a module was given before it is followed is not known; a limit is as it was given last.
            and (x.name is null or x.name not in ('CountryAllowModule', 'CountryRestrictModule') or not exists (
                select from chain.configured_contracts f where f.chain_id = m.chain_id and f.address = m.target
                    and f.opening_block is not null)),
        array(
            select p.argument from chain.module_parameters p where p.chain_id = p_chain_id and p.module = m.target
                and p.scope = c.target and chain.in_force(p.from_block, p.to_block, p_at_block)
                and p.parameter = case x.name when 'CountryAllowModule' then 'allowed_country'
                    when 'CountryRestrictModule' then 'restricted_country' end),
        (select p.value from chain.module_parameters p where p.chain_id = p_chain_id and p.module = m.target
            and p.scope = c.target and p.argument = '' and chain.in_force(p.from_block, p.to_block, p_at_block)
            and p.parameter = case x.name when 'MaxBalanceModule' then 'max_balance'
                when 'SupplyLimitModule' then 'supply_limit' end)
    from chain.contract_links c
    join chain.contract_links m on m.chain_id = c.chain_id and m.address = c.target and m.link = 'module'
        and chain.in_force(m.from_block, m.to_block, p_at_block)
    left join chain.compliance_modules x on x.chain_id = m.chain_id and x.module = m.target
    where c.chain_id = p_chain_id and c.address = p_token and c.link = 'compliance' and c.slot = chain.zero_address()
        and chain.in_force(c.from_block, c.to_block, p_at_block);
end;
comment on function chain.modules_in_force is 'The modules of a token''s compliance at the end of a block, or now: what each calls itself today, whether its rules are known from its binding on (the countries of one that is followed from a later block on are not), and the countries or the limit that it was given.';

create or replace function chain.judge_modules(p_chain_id bigint, p_asset uuid, p_compliance bytea, p_storage bytea, p_from bytea, p_to bytea,
    p_amount numeric)
returns table (refused text, unknown text) language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan as $$
declare
    module record;
    asset record;
    giver record;
    taker record;
    words text;
    most numeric;
    counted numeric;
    paying numeric;
begin
    select a.contract_address, a.total_supply,
        exists (select from chain.contract_links t where t.chain_id = p_chain_id and t.address = p_compliance and t.link = 'token'
            and t.target = a.contract_address and t.to_block is null) as is_bound
    into asset
    from chain.assets a where a.chain_id = p_chain_id and a.id = p_asset;
    select g.identity::bytea, g.country, g.undetermined into taker from chain.registrations g
    where g.chain_id = p_chain_id and g.storage = p_storage and g.wallet = p_to and g.to_block is null;
    select g.identity::bytea, g.undetermined into giver from chain.registrations g
    where g.chain_id = p_chain_id and g.storage = p_storage and g.wallet = p_from and g.to_block is null;
    for module in
        select l.target::bytea as address, x.name, exists (
            select from chain.module_parameters b where b.chain_id = p_chain_id and b.module = l.target
                and b.scope = p_compliance and b.parameter = 'bound' and b.argument = '' and b.to_block is null) as is_told, exists (
            select from chain.configured_contracts f where f.chain_id = p_chain_id and f.address = l.target
                and f.opening_block is not null) as is_part
        from chain.contract_links l
        left join chain.compliance_modules x on x.chain_id = l.chain_id and x.module = l.target
        where l.chain_id = p_chain_id and l.address = p_compliance and l.link = 'module' and l.to_block is null
    loop
        refused := null;
        unknown := null;
        words := coalesce(module.name, 'module') || ' ' || api.hex(module.address);
        -- Where ComplianceBound is missing, so may be what it was given since.
        if chain.any_behind(p_chain_id, array[module.address, p_compliance, p_storage]) then
            unknown := words || ' is catching up, or what it looks at';
        elsif module.name is null or module.name not in ('CountryAllowModule', 'CountryRestrictModule', 'MaxBalanceModule',
                'SupplyLimitModule', 'TransferRestrictModule') then
            unknown := words || ' has rules of its own';
        elsif not module.is_told then
            unknown := words || ' did not log that it serves this compliance';
        elsif module.name = 'TransferRestrictModule' then
            if p_from <> chain.zero_address() and p_to <> chain.zero_address() and not exists (
                    select from chain.module_parameters p where p.chain_id = p_chain_id and p.module = module.address
                        and p.scope = p_compliance and p.parameter = 'allowed_user'
                        and p.argument in (api.hex(p_from), api.hex(p_to)) and p.to_block is null) then
                refused := words || ' allows neither sender nor recipient';
            end if;
        elsif not asset.is_bound then
            unknown := words || ' asks a token, and the compliance did not log that it serves this one';
        elsif module.name = 'SupplyLimitModule' then
            if p_from = chain.zero_address() then
                most := coalesce((
                    select p.value from chain.module_parameters p where p.chain_id = p_chain_id and p.module = module.address
                        and p.scope = p_compliance and p.parameter = 'supply_limit' and p.argument = '' and p.to_block is null), 0);
                if asset.total_supply + p_amount > most then
                    refused := words || ' lets the supply be ' || most || ' base units, and it is ' || asset.total_supply;
                end if;
            end if;
        elsif taker.identity is null or taker.identity = chain.zero_address() then
            unknown := words || ' asks who the recipient is, who is not registered';
        elsif module.name in ('CountryAllowModule', 'CountryRestrictModule') then
            if taker.country is null then
                unknown := words || ' asks the recipient''s country, which is not known';
            elsif exists (
                    select from chain.module_parameters p where p.chain_id = p_chain_id and p.module = module.address
                        and p.scope = p_compliance and p.argument = taker.country::text and p.to_block is null
                        and p.parameter = case module.name when 'CountryAllowModule' then 'allowed_country' else 'restricted_country' end)
                    <> (module.name = 'CountryAllowModule') then
                refused := words || case module.name when 'CountryAllowModule' then ' does not allow' else ' restricts' end
                    || ' the recipient''s country ' || taker.country;
            end if;
        else
            most := coalesce((
                select p.value from chain.module_parameters p where p.chain_id = p_chain_id and p.module = module.address
                    and p.scope = p_compliance and p.parameter = 'max_balance' and p.argument = '' and p.to_block is null), 0);
            if p_amount > most then
                refused := words || ' lets an identity have ' || most || ' base units';
            elsif taker.undetermined then
                unknown := words || ' counts by identity, and the recipient''s is not known';
            else
                counted := chain.counted_balance(p_chain_id, p_asset, p_compliance, module.address, taker.identity);
                if counted is null then
                    unknown := words || ' counts by identity, and the logs do not tell exactly what it counted';
                elsif counted + p_amount > most then
                    refused := words || ' lets an identity have ' || most || ' base units, and counts ' || counted;
                elsif p_from <> chain.zero_address() then
                    -- After the check it takes the amount from the sender's count, which cannot go below zero.
                    if giver.identity is null and chain.may_be_registered(p_chain_id, p_storage, p_from, null) then
                        unknown := words || ' counts by identity, and the sender''s is not known';
                    elsif giver.identity is null or giver.identity = chain.zero_address() then
                        refused := words || ' counts by identity, and the sender has none';
                    elsif giver.undetermined then
                        unknown := words || ' counts by identity, and the sender''s is not known';
                    elsif giver.identity <> taker.identity then
                        paying := chain.counted_balance(p_chain_id, p_asset, p_compliance, module.address, giver.identity);
                        if paying is null then
                            unknown := words || ' counts by identity, and the logs do not tell exactly what it counted';
                        elsif paying < p_amount then
                            refused := words || ' counts ' || paying || ' base units for the sender''s identity';
                        end if;
                    end if;
                end if;
            end if;
        end if;
        -- What it was given before it is followed is not known. What it was given since is certain: a country that it restricts or
        -- allows, whom it lets move anything, a limit.
        if module.is_part and unknown is null and (
                module.name = 'CountryRestrictModule' and refused is null
                or module.name <> 'CountryRestrictModule' and refused is not null and not exists (
                    select from chain.module_parameters p where p.chain_id = p_chain_id and p.module = module.address
                        and p.scope = p_compliance and p.parameter in ('max_balance', 'supply_limit') and p.argument = ''
                        and p.to_block is null)) then
            refused := null;
            unknown := 'past of ' || words || ' not known';
        end if;
        if refused is not null or unknown is not null then
            return next;
        end if;
    end loop;
end
$$;

-- Claims ------------------------------------------------------------------------------------------------------------

-- Issuers are listened to whom a registry that is followed trusts, who were configured, or who are a wallet's identity. What another
-- one revokes is in no log that is read: a rating agency's claim on a token's own identity, say.
do $$
begin
    execute format($view$
create or replace view %s with (security_invoker = true) as
select c.chain_id, c.id, i.id as identity_id, api.hex(c.identity) as identity, api.hex(c.claim_id) as claim_id,
    c.claim_type::text as claim_type,
    case
        when c.to_block is not null then c.ended_by
        when x.revoked_block is not null then 'revoked'
        when c.expires_at <= now() then 'expired'
        when c.issuer <> c.identity and n.address is null or f.address is not null or u.address is not null then 'undetermined'
        else 'valid'
    end as status,
    (
        select bool_or(case
            when coalesce(s.key_hash = c.signer_key, false) and s.purpose in (1, 3) and s.to_block is null then true
            when f.address is null then false
        end)
        from chain.identity_keys s where s.chain_id = c.chain_id and s.identity = c.issuer
    ) as signed_by_issuer,
    api.hex(c.issuer) as issuer, c.id_matches,
    case c.withheld when 'drop' then null when 'digest' then 'digest:' || api.hex(c.claim_data) else api.hex(c.claim_data) end
        as claim_data,
    c.uri, c.scheme::text as scheme,
    case when c.withheld is distinct from 'drop' then api.hex(c.signature) end as signature,
    api.hex(c.signature_hash) as signature_hash, c.from_at as issued_at,
    c.expires_at, x.revoked_at, x.revoked_block, api.hex(x.transaction_hash) as revoked_in, c.to_at as ended_at,
    c.from_block, c.from_log, c.to_block, c.to_log, api.hex(c.transaction_hash) as transaction_hash,
    c.identity::bytea as identity_bytes, k.block_number as as_of_block,
    chain.finality(greatest(c.from_block, c.to_block, x.revoked_block), k.finalized_number) as finality
from chain.identities i
join chain.identity_claims c on c.chain_id = i.chain_id and c.identity = i.onchain_id
left join chain.claim_revocations x on x.chain_id = c.chain_id and x.issuer = c.issuer
    and x.signature_hash = c.signature_hash
left join chain.contracts n on n.chain_id = c.chain_id and n.address = c.issuer and n.role = 'identity'
left join chain.configured_contracts f on f.chain_id = c.chain_id and f.address = c.issuer and f.opening_block is not null
left join ops.coverage u on u.chain_id = c.chain_id and u.address = c.issuer and u.through_block is not null
left join chain.checkpoints k on k.chain_id = c.chain_id
$view$, coalesce(to_regclass('api.chain_identity_claims'), to_regclass('api.identity_claims')));
end
$$;

create or replace function api.claims_at(identity uuid, block bigint)
returns table (claim_id text, claim_type text, issuer text, issued_at timestamptz, expires_at timestamptz,
    revoked boolean, signed_by_issuer boolean, id_matches boolean, claim_data text, uri text, id uuid)
language sql stable parallel safe rows 10
begin atomic
    select api.hex(c.claim_id), c.claim_type::text, api.hex(c.issuer), c.from_at, c.expires_at,
        case
            when exists (
                select from chain.claim_revocations x
                where x.chain_id = c.chain_id and x.issuer = c.issuer and x.signature_hash = c.signature_hash
                    and (block is null or x.revoked_block <= block)) then true
            when (c.issuer = c.identity or n.address is not null) and f.address is null
                and not chain.is_behind(u.through_block, block) then false
        end,
        (
            select bool_or(case
                when coalesce(s.key_hash = c.signer_key, false) and s.purpose in (1, 3)
                    and chain.in_force(s.from_block, s.to_block, block) then true
                when f.address is null then false
            end)
            from chain.identity_keys s where s.chain_id = c.chain_id and s.identity = c.issuer
        ),
        c.id_matches,
        case c.withheld when 'drop' then null when 'digest' then 'digest:' || api.hex(c.claim_data) else api.hex(c.claim_data) end,
        c.uri, c.id
    from chain.identities i
    join chain.identity_claims c on c.chain_id = i.chain_id and c.identity = i.onchain_id
        and chain.in_force(c.from_block, c.to_block, block)
    left join chain.contracts n on n.chain_id = c.chain_id and n.address = c.issuer and n.role = 'identity'
    left join chain.configured_contracts f on f.chain_id = c.chain_id and f.address = c.issuer and f.opening_block is not null
    left join ops.coverage u on u.chain_id = c.chain_id and u.address = c.issuer and u.through_block is not null
    where i.id = claims_at.identity;
end;
comment on function api.claims_at is
'The claims that were on an identity at the end of a block: whether their issuer had revoked them by then (null where nobody knows: the issuer is not followed, or only from a later block on, or is catching up, and no revocation was seen), and whether their signer was a key of the issuer then (null where the issuer has no known keys, or others may have been before it is followed). Only a claim whose id_matches counts.';

do $$
declare
    place text;
begin
    foreach place in array array['api.identity_claims', 'api.chain_identity_claims'] loop
        continue when to_regclass(place) is null;
        execute format('comment on column %s.status is %L', place, 'changed or removed once the version has ended; else revoked by its issuer, expired by its own data, undetermined where the issuer''s revocations are not known (it is not followed, or only from a later block on, or is catching up), or valid.');
        execute format('comment on column %s.signed_by_issuer is %L', place, 'Its signer is a key that the issuer holds for managing or signing claims now; null where the issuer has no known keys, or is followed only from a later block on and no such key is known.');
    end loop;
    execute format('comment on view %s is %L', coalesce(to_regclass('api.chain_identity_claims'), to_regclass('api.identity_claims')),
        'Claims on identities, a row per version. A claim counts today where status is valid, signed_by_issuer and id_matches; whom a registry trusts is in verification_providers. Of an issuer that nobody listens to, no claim is valid: its status is undetermined.');
end
$$;

-- Where schema app is there, its guards know these as they are now.
do $$
begin
    if to_regprocedure('app.keep_guards(text[])') is not null then
        perform app.keep_guards(array['function api.claims_at(identity uuid, block bigint)',
            'function api.holders_at(asset uuid, block bigint)',
            'function chain.compliance_at_once(p_asset uuid, p_block bigint)',
            'function chain.compliance_one_by_one(p_asset uuid, p_block bigint)',
            'function chain.compliance_rules(p_asset uuid, p_block bigint)',
            'function chain.counted_balance(p_chain_id bigint, p_asset uuid, p_compliance bytea, p_module bytea, p_identity bytea)',
            'function chain.judge(p_chain_id bigint, p_identity bytea, p_undetermined boolean, p_required numeric[], p_offered numeric[], p_trusted bytea[], p_keys bytea[], p_unknown bytea[], p_unsettled boolean, p_at_block bigint)',
            'function chain.judge_compliance(p_chain_id bigint, p_token bytea, p_compliance bytea)',
            'function chain.judge_modules(p_chain_id bigint, p_asset uuid, p_compliance bytea, p_storage bytea, p_from bytea, p_to bytea, p_amount numeric)',
            'function chain.may_be_registered(p_chain_id bigint, p_storage bytea, p_wallet bytea, p_at_block bigint)',
            'function chain.modules_in_force(p_chain_id bigint, p_token bytea, p_at_block bigint)',
            'function chain.topics_of_before(p_chain_id bigint, p_identity bytea, p_required numeric[], p_trusted bytea[], p_at_block bigint)',
            'function chain.unverified_status(p_chain_id bigint, p_identity bytea)',
            'function chain.verdict(p_chain_id bigint, p_registry bytea, p_wallet bytea, p_at_block bigint)',
            'function chain.verification_rules(p_chain_id bigint, p_registry bytea, p_at_block bigint)', 'view api.asset_holders',
            'view api.chain_identity_claims']);
        insert into app.kept_rights
        select n.* from app.rights_now() n
        where n.object like 'chain.may\_be\_registered(%' or n.object like 'chain.topics\_of\_before(%'
        on conflict do nothing;
    end if;
end
$$;
