-- Which users hold most of an asset? A page of users, sorted by what the chain says of them.
-- verified: of all wallets that hold something; null where that is not known of one, and none is refused.
-- $1 asset (uuid), $2 rows of a page (bigint), $3 rows to skip (bigint)
select u.id, u.username, sum(h.balance_base) as balance_base,
    case when bool_or(h.verified is false) then false when bool_and(h.verified is not null) then true end as verified
from app.users u
join app.wallet_links w on w.user_id = u.id and w.unlinked_at is null
join api.asset_holders h on h.asset_id = $1::uuid and h.chain_id = w.chain_id and h.holder_bytes = api.address(w.wallet)
where h.balance_base <> 0
group by u.id
order by balance_base desc, u.id
limit $2::bigint offset $3::bigint;
