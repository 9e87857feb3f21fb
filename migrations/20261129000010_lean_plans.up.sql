-- Questions about one row are answered in the time of their plan's nodes: what is set up but not asked for is left out.
set local lock_timeout = '500ms';

-- Who trusts an issuer: by the issuer. Each token may have a registry of its own.
create index verification_providers_issuer on chain.verification_providers (chain_id, issuer) where to_block is null;

-- A registry without trusted issuers, or none at all, costs nothing: the lists are empty as they were.
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
        ) end,
        case when r.issuers_registry is not null then array(
            select p.issuer || numeric_send(t.topic)
            from chain.verification_providers p cross join unnest(p.topics) t(topic)
            where p.chain_id = p_chain_id and p.registry = r.issuers_registry
                and chain.in_force(p.from_block, p.to_block, p_at_block) and t.topic = any (r.required)
        ) else '{}' end,
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
                            and v.through_block is not null and chain.is_behind(v.through_block, p_at_block)))
        ) else '{}' end,
        exists (
            select from ops.coverage v where v.chain_id = p_chain_id
                and v.address in (p_registry, r.storage, r.topics_registry, r.issuers_registry)
                and v.through_block is not null and chain.is_behind(v.through_block, p_at_block))
    from (
        select s.target::bytea as storage, t.target::bytea as topics_registry, i.target::bytea as issuers_registry,
            case when t.target is not null then array(
                select q.topic from chain.required_topics q
                where q.chain_id = p_chain_id and q.registry = t.target
                    and chain.in_force(q.from_block, q.to_block, p_at_block)
                order by q.topic
            ) end as required
        from (values (1)) one(row)
        left join chain.contract_links s on s.chain_id = p_chain_id and s.address = p_registry
            and s.link = 'storage' and chain.in_force(s.from_block, s.to_block, p_at_block)
        left join chain.contract_links t on t.chain_id = p_chain_id and t.address = p_registry
            and t.link = 'claim_topics' and chain.in_force(t.from_block, t.to_block, p_at_block)
        left join chain.contract_links i on i.chain_id = p_chain_id and i.address = p_registry
            and i.link = 'trusted_issuers' and chain.in_force(i.from_block, i.to_block, p_at_block)
        offset 0
    ) r
    offset 0;
end;

-- Out of the view: a branch that is seldom taken would be set up for each row of it. In plpgsql it is planned once a session.
create function chain.unverified_status(p_chain_id bigint, p_identity bytea) returns text
language plpgsql stable parallel safe as $$
begin
    return (
        select case
            when bool_or(v.verdict = 'undetermined') then 'undetermined'
            when count(*) > 0 then 'not_verified'
            else 'unregistered'
        end
        from chain.verdicts_of(p_chain_id, p_identity) v);
end
$$;
comment on function chain.unverified_status is 'The status of an identity that no registry finds verified: undetermined, not_verified, or unregistered.';
revoke execute on function chain.unverified_status(bigint, bytea) from public;
grant execute on function chain.unverified_status(bigint, bytea) to asset_indexer_reader, asset_indexer_writer;

do $$
begin
    execute format($view$
create or replace view %s with (security_invoker = true) as
select i.chain_id, i.id, api.hex(i.onchain_id) as onchain_id,
    array(
        select api.hex(w.wallet) from (
            select r.wallet from chain.registrations r
            where r.chain_id = i.chain_id and r.identity = i.onchain_id and r.to_block is null
            union
            select n.account from chain.identity_links n
            where n.chain_id = i.chain_id and n.identity = i.onchain_id and n.to_block is null and not n.is_token
        ) w order by w.wallet
    ) as wallets,
    case
        when exists (select from chain.verdicts_of(i.chain_id, i.onchain_id) v where v.verdict = 'verified')
            then 'verified'
        else chain.unverified_status(i.chain_id, i.onchain_id)
    end as verification_status,
    array(
        select distinct api.hex(c.issuer) from chain.identity_claims c
        where c.chain_id = i.chain_id and c.identity = i.onchain_id and c.to_block is null
        order by 1
    ) as issuers,
    exists (
        select from chain.verification_providers p
        where p.chain_id = i.chain_id and p.issuer = i.onchain_id and p.to_block is null
    ) as is_trusted_issuer,
    (
        select api.hex(sha256(string_agg(c.claim_id, ''::bytea order by c.claim_id))) from chain.identity_claims c
        where c.chain_id = i.chain_id and c.identity = i.onchain_id and c.to_block is null
    ) as claims_hash,
    i.first_block, i.first_at, v.through_block is not null as catching_up, i.onchain_id::bytea as onchain_id_bytes,
    k.block_number as as_of_block, chain.finality(i.first_block, k.finalized_number) as finality
from chain.identities i
left join chain.checkpoints k on k.chain_id = i.chain_id
left join ops.coverage v on v.chain_id = i.chain_id and v.address = i.onchain_id
$view$, coalesce(to_regclass('api.chain_identities'), to_regclass('api.identities')));
end
$$;

-- Sub-selects, not joins: a question that does not read them does not look for them.
create or replace view api.assets with (security_invoker = true) as
select a.chain_id, a.id, api.hex(a.contract_address) as contract_address, a.asset_type, a.name, a.symbol, a.decimals,
    a.version, case when a.paused then 'paused' else 'active' end as status, a.paused,
    api.units(a.total_supply, a.decimals) as total_supply, a.total_supply as total_supply_base, a.holder_count,
    (select api.hex(l.target) from chain.contract_links l where l.chain_id = a.chain_id and l.address = a.contract_address
        and l.link = 'identity_registry' and l.slot = chain.zero_address() and l.to_block is null) as identity_registry,
    (select api.hex(l.target) from chain.contract_links l where l.chain_id = a.chain_id and l.address = a.contract_address
        and l.link = 'compliance' and l.slot = chain.zero_address() and l.to_block is null) as compliance,
    (select api.hex(l.target) from chain.contract_links l where l.chain_id = a.chain_id and l.address = a.contract_address
        and l.link = 'onchain_id' and l.slot = chain.zero_address() and l.to_block is null) as onchain_id,
    a.complete_from, v.through_block is not null as catching_up,
    a.negative_balance, a.exceeds_uint256, a.unreadable_logs, a.created_block, a.created_at,
    a.contract_address::bytea as contract_address_bytes,
    k.block_number as as_of_block, chain.finality(a.created_block, k.finalized_number) as finality,
    exists (
        select from ops.drift d
        where d.chain_id = a.chain_id and d.asset_id = a.id and d.resolved_at is null) as suspect
from chain.assets a
left join chain.checkpoints k on k.chain_id = a.chain_id
left join ops.coverage v on v.chain_id = a.chain_id and v.address = a.contract_address;

-- Where schema app is there, its guards know these as they are now.
do $$
begin
    if to_regprocedure('app.keep_guards(text[])') is not null then
        perform app.keep_guards(array['function chain.unverified_status(p_chain_id bigint, p_identity bytea)',
            'function chain.verification_rules(p_chain_id bigint, p_registry bytea, p_at_block bigint)', 'view api.assets',
            'view api.chain_identities']);
        insert into app.kept_rights
        select n.* from app.rights_now() n where n.object = 'chain.unverified_status(p_chain_id bigint, p_identity bytea)'
        on conflict do nothing;
    end if;
end
$$;
