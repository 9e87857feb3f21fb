-- What do a platform's users hold? The platform's own table stands where the list of values stands here.
-- $1 user id (text), $2 wallet (0x text), $3 another user id (text), $4 wallet (0x text)
-- LATERAL: joined as a view of its own, all assets would be read (join_collapse_limit).
with users (user_id, wallet) as (values ($1::text, $2::text), ($3::text, $4::text))
select u.user_id, a.symbol, h.holder_address, h.balance, h.percentage, h.verified
from users u
join api.asset_holders h on h.holder_bytes = api.address(u.wallet)
cross join lateral (select a.* from api.assets a where a.chain_id = h.chain_id and a.id = h.asset_id offset 0) a
where h.balance_base <> 0
order by u.user_id, a.symbol, h.holder_bytes;
