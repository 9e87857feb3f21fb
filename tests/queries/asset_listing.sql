-- Which assets of a type and status are there on a chain, the newest first, a page at a time?
-- $1 chain id, $2 type, $3 status, $4 and $5 created_block and id of the last row before (the first page: 9223372036854775807 and
-- any id). Of one chain, for blocks of two have no order.
select id, contract_address, name, symbol, total_supply, holder_count, created_block, created_at
from api.assets
where chain_id = $1::bigint and asset_type = $2::text and status = $3::text and created_block <= $4::bigint
    and (created_block < $4::bigint or id > $5::uuid)
order by created_block desc, id
limit 50;
