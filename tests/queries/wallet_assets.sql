-- Which assets does a wallet hold?
-- $1 wallet (0x text)
select a.chain_id, a.contract_address, a.name, a.symbol, h.balance, h.percentage, h.frozen, h.wallet_frozen, h.verified,
    h.updated_at, h.finality
from api.holdings($1::text) h
join api.assets a on a.chain_id = h.chain_id and a.id = h.asset_id
where h.balance_base <> 0
order by a.chain_id, a.contract_address_bytes;
