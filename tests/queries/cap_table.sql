-- Who holds an asset today, the largest holder first, and may they?
-- $1 asset (uuid)
select holder_address, balance, percentage, frozen, available, wallet_frozen, verified, country, identity, updated_at,
    finality, complete_from, as_of_block
from api.asset_holders
where asset_id = $1::uuid and balance_base <> 0
order by balance_base desc, holder_bytes;
