-- What nearly every statement asks is planned once a session: a function in SQL that cannot be inlined (rights of its owner, a
-- table in a scalar) is parsed and planned in each statement that calls it.
set local lock_timeout = '500ms';

create or replace function app.current_tenant() returns uuid language plpgsql stable parallel safe security definer
set search_path = pg_catalog, pg_temp as $$
begin
    return coalesce(
        (select l.tenant_id from app.tenant_logins l where l.login = session_user::text),
        nullif(current_setting('app.tenant', true), '')::uuid);
end
$$;

create or replace function app.has_permission(p_user uuid, p_resource text, p_action text) returns boolean
language plpgsql stable parallel safe as $$
begin
    return exists (
        select from app.user_roles u
        join app.role_permissions g on g.role = u.role
        join app.permissions p on p.id = g.permission_id
        where u.user_id = p_user and u.status = 'active' and (u.expires_at is null or u.expires_at > now())
            and p.resource = p_resource and p.action = p_action);
end
$$;

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

-- Sub-selects, not joins: of rows that a limit leaves out, and of columns that are not read, nobody is looked for.
create or replace view api.transaction_logs with (security_invoker = true) as
select t.*, coalesce(
    (select w.user_id from app.wallet_links w where w.tenant_id = (select app.current_tenant()) and w.chain_id = t.chain_id
        and w.wallet = t.to_address and w.unlinked_at is null),
    (select w.user_id from app.wallet_links w where w.tenant_id = (select app.current_tenant()) and w.chain_id = t.chain_id
        and w.wallet = t.from_address and w.unlinked_at is null)) as user_id,
    (select w.user_id from app.wallet_links w where w.tenant_id = (select app.current_tenant()) and w.chain_id = t.chain_id
        and w.wallet = t.from_address and w.unlinked_at is null) as from_user_id,
    (select w.user_id from app.wallet_links w where w.tenant_id = (select app.current_tenant()) and w.chain_id = t.chain_id
        and w.wallet = t.to_address and w.unlinked_at is null) as to_user_id
from api.chain_transaction_logs t;

select app.keep_guards(array['function app.current_tenant()',
    'function app.has_permission(p_user uuid, p_resource text, p_action text)', 'view api.identities',
    'view api.transaction_logs']);
