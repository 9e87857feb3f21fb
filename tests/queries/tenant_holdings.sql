-- What do our users hold? With schema app, for the tenant that the connection works for.
-- $1 user id (uuid), null for all
-- LATERAL: joined as a view of its own, all assets would be read (join_collapse_limit).
select w.user_id, a.symbol, h.holder_address, h.balance, h.percentage, h.verified
from app.wallet_links w
join api.asset_holders h on h.chain_id = w.chain_id and h.holder_bytes = api.address(w.wallet)
cross join lateral (select a.* from api.assets a where a.chain_id = h.chain_id and a.id = h.asset_id offset 0) a
where w.unlinked_at is null and ($1::uuid is null or w.user_id = $1::uuid) and h.balance_base <> 0
order by w.user_id, a.symbol, h.holder_address;
