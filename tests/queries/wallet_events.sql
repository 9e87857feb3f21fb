-- What changed a wallet's positions, in all assets, the newest first, and what were they afterwards?
-- $1 wallet (0x text), $2 rows (bigint)
select h.timestamp, h.asset_id, e.event_type, e.event_data, h.balance, h.frozen, h.wallet_frozen, h.transaction_hash, h.finality
from api.asset_holders w
join api.ownership_history h on h.chain_id = w.chain_id and h.asset_id = w.asset_id and h.holder_bytes = w.holder_bytes
join api.asset_events e on e.chain_id = h.chain_id and e.block_number = h.block_number and e.log_index = h.log_index
where w.holder_bytes = api.address($1::text)
order by h.block_number desc, h.log_index desc
limit $2::bigint;
