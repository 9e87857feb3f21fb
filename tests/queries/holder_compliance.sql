-- Might those who held an asset at the end of a block, and why not? Without those who might.
-- $1 asset (uuid), $2 block number
select holder_address, identity, country, verdict, reason, wallet_frozen, balance, block_number, block_hash, finality
from api.holder_compliance($1::uuid, $2::bigint)
where verdict <> 'verified'
order by holder_bytes;
