-- Which asset is a token contract, and how does it stand?
-- $1 chain id, $2 contract (0x text)
select id, asset_type, name, symbol, decimals, status, total_supply, holder_count, catching_up, finality, as_of_block
from api.assets
where chain_id = $1::bigint and contract_address_bytes = api.address($2::text);
