-- What did a transaction do: every event of it, in order?
-- $1 transaction (0x text)
select chain_id, log_index, address, event_type, event_data, unreadable, asset_id, block_number, block_timestamp, finality
from api.asset_events
where transaction_hash_bytes = decode(substr($1::text, 3), 'hex')
order by chain_id, block_number, log_index;
