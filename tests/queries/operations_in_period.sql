-- What was done to an asset in a period, beyond plain transfers?
-- $1 asset (uuid), $2 from (timestamptz), $3 until, exclusive (timestamptz)
select executed_at, operation_type, from_address, to_address, amount, executed_by, parameters, transaction_hash,
    finality
from api.asset_operations
where asset_id = $1::uuid and executed_at >= $2::timestamptz and executed_at < $3::timestamptz
order by block_number, log_index;
