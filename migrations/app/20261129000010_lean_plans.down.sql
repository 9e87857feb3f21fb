-- Back: nothing is lost.
set local lock_timeout = '500ms';

create or replace view api.transaction_logs with (security_invoker = true) as
select t.*, coalesce(r.user_id, s.user_id) as user_id, s.user_id as from_user_id, r.user_id as to_user_id
from api.chain_transaction_logs t
cross join lateral (select t.from_address as sender, t.to_address as recipient offset 0) x
left join app.wallet_links s on s.tenant_id = (select app.current_tenant()) and s.chain_id = t.chain_id
    and s.wallet = x.sender and s.unlinked_at is null
left join app.wallet_links r on r.tenant_id = (select app.current_tenant()) and r.chain_id = t.chain_id
    and r.wallet = x.recipient and r.unlinked_at is null;

create or replace view api.identities with (security_invoker = true) as
select i.*, l.user_id, c.from_at as verified_at, api.hex(c.issuer) as issuer
from api.chain_identities i
left join lateral (
    select w.user_id from app.wallet_links w
    where w.tenant_id = (select app.current_tenant()) and w.chain_id = i.chain_id and w.unlinked_at is null
        and (w.wallet = i.onchain_id or w.wallet = any (i.wallets))
    order by w.linked_at, w.id limit 1) l on true
left join lateral (
    select c.from_at, c.issuer from chain.identity_claims c
    join chain.verification_providers p on p.chain_id = c.chain_id and p.issuer = c.issuer and c.claim_type = any (p.topics)
        and p.to_block is null
    where i.verification_status = 'verified' and c.chain_id = i.chain_id and c.identity = i.onchain_id_bytes
        and c.to_block is null and c.id_matches
        and not exists (select from chain.claim_revocations x where x.chain_id = c.chain_id and x.issuer = c.issuer
            and x.signature_hash = c.signature_hash)
    order by c.from_block desc, c.from_log desc limit 1) c on true;

create or replace function app.has_permission(p_user uuid, p_resource text, p_action text) returns boolean
language sql stable parallel safe as $$
    select exists (
        select from app.user_roles u
        join app.role_permissions g on g.role = u.role
        join app.permissions p on p.id = g.permission_id
        where u.user_id = p_user and u.status = 'active' and (u.expires_at is null or u.expires_at > now())
            and p.resource = p_resource and p.action = p_action)
$$;
create or replace function app.current_tenant() returns uuid language sql stable parallel safe security definer
set search_path = pg_catalog, pg_temp as $$
    select coalesce(
        (select l.tenant_id from app.tenant_logins l where l.login = session_user::text),
        nullif(current_setting('app.tenant', true), '')::uuid)
$$;

select app.keep_guards(array['function app.current_tenant()',
    'function app.has_permission(p_user uuid, p_resource text, p_action text)', 'view api.identities',
    'view api.transaction_logs']);
