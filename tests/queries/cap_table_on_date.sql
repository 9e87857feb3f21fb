-- Who held what of an asset at the end of a day, in a time zone, and of which block is that?
-- $1 asset (uuid), $2 day (date), $3 time zone, such as 'Europe/Zurich'
-- settled is false for a day that the chain has not left behind yet. All holders: a page at a time is cap_table_at_block, with
-- this block_number.
select t.holder_address, t.balance, t.balance_base, t.percentage, b.block_number, b.block_hash, b.settled
from chain.assets a
cross join lateral api.block_at(a.chain_id, api.end_of_day($2::date, $3::text)) b
cross join lateral api.cap_table(a.id, b.block_number, page => null) t
where a.id = $1::uuid
order by t.balance_base desc, t.holder_bytes;
