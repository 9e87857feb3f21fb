-- Who held what of an asset at the end of a day, in a time zone?
-- $1 asset (uuid), $2 day (date), $3 time zone, such as 'Europe/Berlin'
-- offset 0: the day's end is computed once, not for each row.
select h.holder_address, h.balance, h.percentage, h.frozen, h.wallet_frozen, h.since, h.complete
from (select api.end_of_day($2::date, $3::text) as at offset 0) e
cross join lateral api.holders_at_time($1::uuid, e.at) h
order by h.balance_base desc, h.holder_bytes;
