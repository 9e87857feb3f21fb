-- What does one of our users hold? With schema app, for the tenant that the connection works for.
-- $1 user id (uuid)
-- LATERAL: joined as a view of its own, all assets would be read (join_collapse_limit).
select a.symbol, h.holder_address, h.balance, h.percentage, h.verified, h.finality
from app.wallet_links w
join api.asset_holders h on h.chain_id = w.chain_id and h.holder_bytes = api.address(w.wallet)
cross join lateral (select a.* from api.assets a where a.chain_id = h.chain_id and a.id = h.asset_id offset 0) a
where w.unlinked_at is null and w.user_id = $1::uuid and h.balance_base <> 0
order by a.symbol, h.holder_address;
