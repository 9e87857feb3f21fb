-- What do authorities ask of an asset at the end of a block: holders by country and verdict, freezes, concentration, issuance?
-- $1 asset (uuid), $2 block number
select section, item, holders, amount, percentage, block_number, block_hash
from api.regulatory_summary($1::uuid, $2::bigint);
