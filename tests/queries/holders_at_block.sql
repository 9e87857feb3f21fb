-- Who held what of an asset at the end of a block, and was the wallet verified then?
-- $1 asset (uuid), $2 block number
select holder_address, balance, percentage, frozen, wallet_frozen, verified, identity, since, complete, finality
from api.holders_at($1::uuid, $2::bigint)
order by balance_base desc, holder_bytes;
