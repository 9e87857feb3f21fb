-- Who are the agents of an asset's token contract, and since when?
-- $1 asset (uuid)
select p.account_address, p.granted_at, p.granted_in, p.finality
from api.assets a
join api.asset_permissions p on p.chain_id = a.chain_id and p.address_bytes = a.contract_address_bytes
where a.id = $1::uuid and p.permission_type = 'agent' and p.active
order by p.granted_at, p.account_bytes;
