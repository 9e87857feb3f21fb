-- Who held what of an asset at the end of a block, all wallets of one identity together, the largest first?
-- $1 asset (uuid), $2 block number, $3, $4 and $5 balance_base, investor and is_identity of the last row before (null: the first page)
select investor, is_identity, wallets, balance, balance_base, percentage, frozen, country, block_number, block_hash, finality
from api.cap_table_by_investor($1::uuid, $2::bigint, 1000, $3::numeric, $4::text, $5::boolean);
