-- Who are the largest holders of an asset today, and may they? Fifty of them.
-- $1 asset (uuid)
select holder_address, balance, percentage, frozen, wallet_frozen, verified, country, updated_at, finality
from api.asset_holders
where asset_id = $1::uuid and balance_base <> 0
order by balance_base desc
limit 50;
