-- What became of the transactions that we submitted? With schema app, for the tenant that the connection works for.
-- $1 asset (uuid), $2 rows (bigint)
select transaction_hash, operation_type, user_id, submitted_at, status, block_number, block_timestamp
from api.submitted_transactions
where asset_id = $1::uuid
order by submitted_at desc
limit $2::bigint;
