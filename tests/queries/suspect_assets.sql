-- Which assets answer otherwise than the tables say, in what, and since when?
-- $1 chain (bigint)
select a.id, a.symbol, d.what, d.wallet, d.ours, d.theirs, d.flags, d.block_number, d.found_at
from api.assets a
join api.drift d on d.chain_id = a.chain_id and d.asset_id = a.id and d.stands
where a.chain_id = $1::bigint and a.suspect
order by a.symbol, d.what, d.wallet;
