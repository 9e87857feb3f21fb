-- What of an asset was issued and redeemed, month by month, and what was its supply at the end of each?
-- $1 asset (uuid), $2 block number, $3 time zone, such as 'Europe/Zurich'
select period_start, mints, minted, burns, burned, supply, block_number, block_hash
from api.issuance($1::uuid, $2::bigint, 'month', $3::text);
