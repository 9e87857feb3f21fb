-- Who held an asset at the newest final block that is indexed, the largest first: what no reorg can take back?
-- $1 asset (uuid), $2 rows (bigint)
select h.holder_address, h.balance, h.percentage, h.verified, h.since, f.block as as_of_block
from api.assets a
join api.checkpoints k on k.chain_id = a.chain_id
cross join lateral (values (least(k.finalized_number, k.block_number))) f (block)
cross join lateral api.holders_at(a.id, f.block) h
where a.id = $1::uuid
order by h.balance_base desc, h.holder_address
limit $2::bigint;
