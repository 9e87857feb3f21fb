-- Who held what of an asset at the end of a day, in a time zone?
-- $1 asset (uuid), $2 day (date), $3 time zone, such as 'Europe/Berlin'
select holder_address, balance, percentage, frozen, wallet_frozen, since, complete
from api.holders_at_time($1::uuid, api.end_of_day($2::date, $3::text))
order by balance_base desc, holder_bytes;
