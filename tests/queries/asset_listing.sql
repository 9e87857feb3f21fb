-- Which assets of a type and status are there, the newest first, a page at a time?
-- $1 type, $2 status, $3 and $4 created_block and id of the last row before (the first page: 9223372036854775807 and any id)
select id, contract_address, name, symbol, total_supply, holder_count, created_block, created_at
from api.assets
where asset_type = $1::text and status = $2::text and created_block <= $3::bigint
    and (created_block < $3::bigint or id > $4::uuid)
order by created_block desc, id
limit 50;
