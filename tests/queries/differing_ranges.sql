-- In which stretches of blocks does another installation hold other events than this one?
-- $1 chain (bigint), $2 first block, $3 last block (at most both finalized), $4 blocks of a stretch,
-- $5 theirs: what the same call of api.digests gave there, as a JSON array of {"from_block": …, "digest": …}
select ours.from_block, ours.to_block, ours.events, ours.digest, theirs.digest as their_digest
from api.digests($1::bigint, $2::bigint, $3::bigint, $4::bigint) ours
left join jsonb_to_recordset($5::jsonb) as theirs(from_block bigint, digest text) on theirs.from_block = ours.from_block
where ours.digest is distinct from theirs.digest
order by ours.from_block;
