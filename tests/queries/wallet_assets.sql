-- Which assets does a wallet hold?
-- $1 wallet (0x text)
-- LATERAL: joined as a view of its own, all assets would be read (join_collapse_limit).
select a.chain_id, a.contract_address, a.name, a.symbol, h.balance, h.percentage, h.frozen, h.wallet_frozen, h.verified,
    h.updated_at, h.finality
from api.holdings($1::text) h
cross join lateral (select a.* from api.assets a where a.chain_id = h.chain_id and a.id = h.asset_id offset 0) a
where h.balance_base <> 0
order by a.chain_id, a.contract_address_bytes;
