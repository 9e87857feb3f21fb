-- What was moved of an asset in a stretch of blocks, the newest first?
-- $1 asset (uuid), $2 first block, $3 last block
select timestamp, transaction_type, from_address, to_address, amount, blockchain_hash, finality
from api.transaction_logs
where asset_id = $1::uuid and block_number >= $2::bigint and block_number <= $3::bigint
order by block_number desc, log_index desc
limit 100;
