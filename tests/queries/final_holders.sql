-- Who held an asset at the newest final block, the largest first: what no reorg can take back?
-- $1 asset (uuid), $2 rows (bigint)
select h.holder_address, h.balance, h.percentage, h.verified, h.since, k.finalized_number as as_of_block
from api.assets a
join api.checkpoints k on k.chain_id = a.chain_id
cross join lateral api.holders_at(a.id, k.finalized_number) h
where a.id = $1::uuid
order by h.balance_base desc, h.holder_address
limit $2::bigint;
