-- What did a contract log, the newest first?
-- $1 chain id, $2 contract (0x text), $3 how many
select block_number, log_index, block_timestamp, event_type, event_data, unreadable, transaction_hash, finality
from api.asset_events
where chain_id = $1::bigint and address_bytes = api.address($2::text)
order by block_number desc, log_index desc
limit $3::bigint;
