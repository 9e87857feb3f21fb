-- What came to a wallet and went from it?
-- $1 asset (uuid), $2 wallet (0x text), $3 rows (bigint)
select l.timestamp, l.transaction_type, l.from_address, l.to_address, l.amount, l.blockchain_hash, l.finality
from api.transaction_logs l
where l.asset_id = $1::uuid and api.address($2::text) in (l.from_bytes, l.to_bytes)
order by l.block_number desc, l.log_index desc
limit $3::bigint;
