-- What rows say of when and by whom is so. The claim that an identity was shown as verified by need not have verified anything:
-- any issuer that some registry of the chain trusted would do. Versions of a rule overlapped where two writers met, and a rule
-- could be given a past. And a login could write rows of the future where they are never changed: a failed login of next month
-- locks an account until then.
set local lock_timeout = '500ms';

-- From the newest claim to the registries: where one counts, the first registry is enough. In plpgsql it is planned once a session.
-- What chain.judge asks of a claim is asked here again; that the registry finds the identity verified is its word.
create function app.verifying_claim(p_chain_id bigint, p_identity bytea) returns table (from_at timestamptz, issuer bytea)
language plpgsql stable parallel safe rows 1 as $$
begin
    return query
    select c.from_at, c.issuer from (
        select k.from_at, k.issuer::bytea as issuer, k.claim_type, k.from_block, k.from_log from chain.identity_claims k
        where k.chain_id = p_chain_id and k.identity = p_identity and k.to_block is null and k.id_matches
            and (k.expires_at is null or k.expires_at > now())
            and exists (select from chain.identity_keys s where s.chain_id = k.chain_id and s.identity = k.issuer
                and s.key_hash = k.signer_key and s.purpose in (1, 3) and s.to_block is null)
            and not exists (select from chain.claim_revocations x where x.chain_id = k.chain_id and x.issuer = k.issuer
                and x.signature_hash = k.signature_hash)
        order by k.from_block desc, k.from_log desc offset 0) c
    where exists (
        select from (
            select l.address::bytea as registry, r.undetermined
            from chain.registrations r
            join chain.contract_links l on l.chain_id = r.chain_id and l.target = r.storage and l.link = 'storage'
                and l.to_block is null
            join chain.contract_links i on i.chain_id = l.chain_id and i.address = l.address and i.link = 'trusted_issuers'
                and i.to_block is null
            where r.chain_id = p_chain_id and r.identity = p_identity and r.to_block is null
                and exists (select from chain.verification_providers p where p.chain_id = p_chain_id and p.registry = i.target
                    and p.issuer = c.issuer and p.to_block is null and c.claim_type = any (p.topics) offset 0)
            offset 0) n
        cross join lateral chain.verification_rules(p_chain_id, n.registry, null) g
        cross join lateral chain.judge(p_chain_id, p_identity, n.undetermined, g.required, g.offered, g.trusted, g.keys,
            g.unknown, g.unsettled, null) v
        where c.issuer || numeric_send(c.claim_type) = any (g.trusted) and c.issuer <> all (g.unknown)
            and v.verdict = 'verified'
        offset 0)
    order by c.from_block desc, c.from_log desc limit 1;
end
$$;
comment on function app.verifying_claim is 'By which claim an identity is verified: the newest of those that count today, about a topic that a registry demands which finds the identity verified by them. No row where none does.';
revoke execute on function app.verifying_claim(bigint, bytea) from public;
grant execute on function app.verifying_claim(bigint, bytea) to asset_indexer_reader;

create or replace view api.identities with (security_invoker = true) as
select i.chain_id, i.id, i.onchain_id, s.wallets, s.verification_status, i.issuers, i.is_trusted_issuer, i.claims_hash,
    i.first_block, i.first_at, i.catching_up, i.onchain_id_bytes, i.as_of_block, i.finality,
    l.user_id, c.from_at as verified_at, api.hex(c.issuer) as issuer
from api.chain_identities i
-- offset 0: each is computed once, though it is read twice.
cross join lateral (select i.wallets, i.verification_status offset 0) s
left join lateral (
    select w.user_id from app.wallet_links w
    where w.tenant_id = (select app.current_tenant()) and w.chain_id = i.chain_id and w.unlinked_at is null
        and w.wallet = any (array_append(s.wallets, i.onchain_id))
    order by w.linked_at, w.id limit 1) l on true
-- offset 0: asked of who is verified alone.
left join lateral (
    select c.from_at, c.issuer from app.verifying_claim(i.chain_id, i.onchain_id_bytes) c
    where s.verification_status = 'verified' offset 0) c on true;
comment on column api.identities.verified_at is 'While it is verified: block time of the newest claim that verifies it, of a topic that a registry demands which finds it verified, of an issuer that this registry trusts for it, signed by a key of that issuer, and not expired. Null where nothing is demanded, or every such claim has expired by its own data, which the chain does not look at.';
comment on column api.identities.issuer is 'The issuer of that claim.';
insert into app.kept_rights
select n.* from app.rights_now() n where n.object = 'app.verifying_claim(p_chain_id bigint, p_identity bytea)'
on conflict do nothing;

-- By the clock, not by the transaction: one that began earlier may change a rule later.
create or replace function app.keep_rule_version() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
declare
    at timestamptz := clock_timestamp();
begin
    if tg_op = 'INSERT' then
        new.version := 1;
        new.created_at := at;
        new.updated_at := at;
        return new;
    end if;
    if (new.id, new.tenant_id, new.created_at) is distinct from (old.id, old.tenant_id, old.created_at) then
        raise exception 'a rule keeps its id, its tenant and its first date' using errcode = 'insufficient_privilege';
    end if;
    if (new.rule_type, new.jurisdiction, new.parameters, new.active)
        is distinct from (old.rule_type, old.jurisdiction, old.parameters, old.active) then
        -- Clocks are put back.
        at := greatest(at, old.updated_at);
        insert into app.compliance_rule_versions (rule_id, version, tenant_id, rule_type, jurisdiction, parameters, active,
            valid_from, valid_to)
        values (old.id, old.version, old.tenant_id, old.rule_type, old.jurisdiction, old.parameters, old.active,
            old.updated_at, at);
        new.version := old.version + 1;
        new.updated_at := at;
    else
        new.version := old.version;
        new.updated_at := old.updated_at;
    end if;
    return new;
end
$$;
comment on function app.keep_rule_version is 'Keeps the version of a rule that a change ends, and says itself which version holds and since when.';
create or replace trigger keep_version before insert or update on app.compliance_rules
    for each row execute function app.keep_rule_version();

-- Of what is written once and for all, as of violations and their ends. Reports are so once they are submitted. For whoever is not
-- the owner; rows that stand stay. Two machines' clocks differ: a minute ahead is not the future.
create policy not_ahead on app.access_logs as restrictive for insert to asset_indexer_app, asset_indexer_reader,
    asset_indexer_compliance, asset_indexer_auditor, asset_indexer_support
    with check (timestamp <= clock_timestamp() + interval '1 minute');
create policy not_ahead on app.asset_reports as restrictive for insert to asset_indexer_app, asset_indexer_reader,
    asset_indexer_compliance, asset_indexer_auditor, asset_indexer_support
    with check (generated_at <= clock_timestamp() + interval '1 minute');
create policy not_ahead on app.compliance_logs as restrictive for insert to asset_indexer_app, asset_indexer_reader,
    asset_indexer_compliance, asset_indexer_auditor, asset_indexer_support
    with check (timestamp <= clock_timestamp() + interval '1 minute');
create policy not_ahead on app.login_history as restrictive for insert to asset_indexer_app, asset_indexer_reader,
    asset_indexer_compliance, asset_indexer_auditor, asset_indexer_support
    with check (timestamp <= clock_timestamp() + interval '1 minute');
create policy not_ahead on app.user_actions as restrictive for insert to asset_indexer_app, asset_indexer_reader,
    asset_indexer_compliance, asset_indexer_auditor, asset_indexer_support
    with check (timestamp <= clock_timestamp() + interval '1 minute');
create policy not_ahead on app.regulatory_reports as restrictive to asset_indexer_app, asset_indexer_reader,
    asset_indexer_compliance, asset_indexer_auditor, asset_indexer_support
    using (true) with check (greatest(generated_at, submitted_at) <= clock_timestamp() + interval '1 minute');

select app.keep_guards(array['function app.keep_rule_version()',
    'function app.verifying_claim(p_chain_id bigint, p_identity bytea)', 'trigger keep_version on app.compliance_rules',
    'view api.identities',
    'policy not_ahead on app.access_logs', 'policy not_ahead on app.asset_reports',
    'policy not_ahead on app.compliance_logs', 'policy not_ahead on app.login_history',
    'policy not_ahead on app.user_actions', 'policy not_ahead on app.regulatory_reports']);
