-- Who holds an asset today, the largest first, a page at a time, however deep?
-- $1 asset (uuid), $2 and $3 balance_base and holder_address of the last row before (null: the first page), $4 rows (bigint)
-- The first bound is the index's, where the page begins; the second, with its or, is none.
select h.holder_address, h.balance, h.balance_base, h.percentage, h.verified, h.as_of_block
from api.asset_holders h
where h.asset_id = $1::uuid and h.balance_base <> 0 and h.balance_base <= coalesce($2::numeric, 'Infinity')
    and ($2::numeric is null or h.balance_base < $2::numeric
        or h.balance_base = $2::numeric and h.holder_bytes > api.address($3::text))
order by h.balance_base desc, h.holder_bytes
limit $4::bigint;
