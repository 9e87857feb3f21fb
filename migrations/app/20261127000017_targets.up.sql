-- The rights on the targets, approved by name: nobody who has the application's tables is told of them as of a stranger's.
set local lock_timeout = '500ms';
insert into app.kept_rights
select grantee, object, 'select'
from unnest('{asset_indexer_writer,asset_indexer_reader}'::text[]) grantee,
    unnest('{ops.stated_targets,ops.target_measurements,ops.targets}'::text[]) object
on conflict do nothing;

-- Behind row-level security a condition that computes (api.hex of a log's topic) is no index condition: every wallet of the
-- tenant was read for each row. What it is compared with is computed first.
create or replace view api.transaction_logs with (security_invoker = true) as
select t.*, coalesce(r.user_id, s.user_id) as user_id, s.user_id as from_user_id, r.user_id as to_user_id
from api.chain_transaction_logs t
cross join lateral (select t.from_address as sender, t.to_address as recipient offset 0) x
left join app.wallet_links s on s.tenant_id = (select app.current_tenant()) and s.chain_id = t.chain_id
    and s.wallet = x.sender and s.unlinked_at is null
left join app.wallet_links r on r.tenant_id = (select app.current_tenant()) and r.chain_id = t.chain_id
    and r.wallet = x.recipient and r.unlinked_at is null;
create or replace view api.asset_permissions with (security_invoker = true) as
select p.asset_id, w.user_id, p.permission_type, p.granted_at,
    p.granted_in as granted_by, null::timestamptz as expires_at, p.active, p.account_address, p.ended_at,
    'chain' as source, p.chain_id, p.address, p.granted_in, p.from_block, p.from_log, p.to_block, p.to_log,
    p.address_bytes, p.account_bytes, p.as_of_block, p.finality
from api.chain_asset_permissions p
cross join lateral (select p.account_address as account offset 0) x
left join app.wallet_links w on w.tenant_id = (select app.current_tenant()) and w.chain_id = p.chain_id
    and w.wallet = x.account and w.unlinked_at is null
union all
select a.asset_id, a.user_id, a.permission_type, a.granted_at, a.granted_by::text, a.expires_at,
    a.revoked_at is null and (a.expires_at is null or a.expires_at > now()), null,
    case when a.revoked_at is not null or a.expires_at <= now() then least(a.revoked_at, a.expires_at) end, 'application', null, null, null, null, null, null, null, null, null, null, null
from app.asset_permissions a
where a.tenant_id = (select app.current_tenant());
