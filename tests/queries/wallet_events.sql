-- What changed a wallet's positions, in all assets, the newest first, and what were they afterwards?
-- $1 wallet (0x text), $2 rows (bigint)
-- By time, for blocks of two chains have no order; of each asset no more is read than may be told. Of a change whose event is
-- archived the position alone is told.
select n.timestamp, n.asset_id, e.event_type, e.event_data, n.balance, n.frozen, n.wallet_frozen, n.transaction_hash, n.finality
from (
    select h.*
    from chain.asset_holders w
    cross join lateral (
        select o.* from api.ownership_history o
        where o.chain_id = w.chain_id and o.asset_id = w.asset_id and o.holder_bytes = w.holder
        order by o.block_number desc, o.log_index desc
        limit $2::bigint) h
    where w.holder = api.address($1::text)
    order by h.timestamp desc, h.chain_id, h.block_number desc, h.log_index desc
    limit $2::bigint) n
left join api.asset_events e on e.chain_id = n.chain_id and e.block_number = n.block_number and e.log_index = n.log_index
order by n.timestamp desc, n.chain_id, n.block_number desc, n.log_index desc;
