-- How concentrated was an asset at the end of a block: what do its largest investors hold, and what is the HHI?
-- $1 asset (uuid), $2 block number
select measure, holders, balance, percentage, block_number, block_hash
from api.concentration($1::uuid, $2::bigint, by_investor => true, tops => '{1,5,10,50}');
