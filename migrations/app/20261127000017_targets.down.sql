set local lock_timeout = '500ms';
create or replace view api.transaction_logs with (security_invoker = true) as
select t.*, coalesce(r.user_id, s.user_id) as user_id, s.user_id as from_user_id, r.user_id as to_user_id
from api.chain_transaction_logs t
left join app.wallet_links s on s.tenant_id = (select app.current_tenant()) and s.chain_id = t.chain_id
    and s.wallet = t.from_address and s.unlinked_at is null
left join app.wallet_links r on r.tenant_id = (select app.current_tenant()) and r.chain_id = t.chain_id
    and r.wallet = t.to_address and r.unlinked_at is null;
create or replace view api.asset_permissions with (security_invoker = true) as
select p.asset_id, w.user_id, p.permission_type, p.granted_at,
    p.granted_in as granted_by, null::timestamptz as expires_at, p.active, p.account_address, p.ended_at,
    'chain' as source, p.chain_id, p.address, p.granted_in, p.from_block, p.from_log, p.to_block, p.to_log,
    p.address_bytes, p.account_bytes, p.as_of_block, p.finality
from api.chain_asset_permissions p
left join app.wallet_links w on w.tenant_id = (select app.current_tenant()) and w.chain_id = p.chain_id
    and w.wallet = p.account_address and w.unlinked_at is null
union all
select a.asset_id, a.user_id, a.permission_type, a.granted_at, a.granted_by::text, a.expires_at,
    a.revoked_at is null and (a.expires_at is null or a.expires_at > now()), null,
    case when a.revoked_at is not null or a.expires_at <= now() then least(a.revoked_at, a.expires_at) end, 'application', null, null, null, null, null, null, null, null, null, null, null
from app.asset_permissions a
where a.tenant_id = (select app.current_tenant());
delete from app.kept_rights where object in ('ops.stated_targets', 'ops.target_measurements', 'ops.targets');
