-- Who held what of an asset at the end of a block, the largest first, a page at a time?
-- $1 asset (uuid), $2 block number, $3 and $4 balance_base and holder_address of the last row before (null: the first page)
select holder_address, balance, balance_base, percentage, frozen, wallet_frozen, block_number, block_hash, finality
from api.cap_table($1::uuid, $2::bigint, 1000, $3::numeric, $4::text);
