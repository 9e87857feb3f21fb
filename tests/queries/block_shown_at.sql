-- Which block did the register show at a time of the clock, and was it final then?
-- $1 chain id, $2 time (timestamptz)
select s.block_number, s.block_hash, s.committed_at, s.finalized_number,
    s.block_number <= s.finalized_number as was_final
from api.block_shown_at($1::bigint, $2::timestamptz) s;
