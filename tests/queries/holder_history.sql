-- How did the position of one wallet in an asset come to be, the newest change first?
-- $1 asset (uuid), $2 wallet (0x text)
select timestamp, block_number, balance, frozen, wallet_frozen, transaction_hash, finality
from api.ownership_history
where asset_id = $1::uuid and holder_bytes = api.address($2::text)
order by block_number desc, log_index desc;
