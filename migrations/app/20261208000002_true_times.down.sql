-- Back: nothing is lost.
set local lock_timeout = '500ms';

drop policy not_ahead on app.access_logs;
drop policy not_ahead on app.asset_reports;
drop policy not_ahead on app.compliance_logs;
drop policy not_ahead on app.login_history;
drop policy not_ahead on app.user_actions;
drop policy not_ahead on app.regulatory_reports;

create or replace function app.keep_rule_version() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp as $$
begin
    if (new.id, new.tenant_id, new.created_at) is distinct from (old.id, old.tenant_id, old.created_at) then
        raise exception 'a rule keeps its id, its tenant and its first date' using errcode = 'insufficient_privilege';
    end if;
    if (new.rule_type, new.jurisdiction, new.parameters, new.active)
        is distinct from (old.rule_type, old.jurisdiction, old.parameters, old.active) then
        insert into app.compliance_rule_versions (rule_id, version, tenant_id, rule_type, jurisdiction, parameters, active,
            valid_from, valid_to)
        values (old.id, old.version, old.tenant_id, old.rule_type, old.jurisdiction, old.parameters, old.active,
            old.updated_at, now());
        new.version := old.version + 1;
        new.updated_at := now();
    else
        new.version := old.version;
        new.updated_at := old.updated_at;
    end if;
    return new;
end
$$;
comment on function app.keep_rule_version is 'Keeps the version of a rule that a change ends.';
create or replace trigger keep_version before update on app.compliance_rules for each row execute function app.keep_rule_version();

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
left join lateral (
    select c.from_at, c.issuer from chain.identity_claims c
    where s.verification_status = 'verified' and c.chain_id = i.chain_id and c.identity = i.onchain_id_bytes
        and c.to_block is null and c.id_matches
        and exists (select from chain.verification_providers p where p.chain_id = c.chain_id and p.issuer = c.issuer
            and c.claim_type = any (p.topics) and p.to_block is null)
        and not exists (select from chain.claim_revocations x where x.chain_id = c.chain_id and x.issuer = c.issuer
            and x.signature_hash = c.signature_hash)
    order by c.from_block desc, c.from_log desc limit 1) c on true;
comment on column api.identities.verified_at is 'While it is verified: block time of the newest claim in force of an issuer that a registry trusts for its topic.';
comment on column api.identities.issuer is 'The issuer of that claim.';
drop function app.verifying_claim(bigint, bytea);
delete from app.kept_rights where object = 'app.verifying_claim(p_chain_id bigint, p_identity bytea)';

select app.keep_guards(array['function app.keep_rule_version()',
    'function app.verifying_claim(p_chain_id bigint, p_identity bytea)', 'trigger keep_version on app.compliance_rules',
    'view api.identities',
    'policy not_ahead on app.access_logs', 'policy not_ahead on app.asset_reports',
    'policy not_ahead on app.compliance_logs', 'policy not_ahead on app.login_history',
    'policy not_ahead on app.user_actions', 'policy not_ahead on app.regulatory_reports']);
