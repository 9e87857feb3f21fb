-- Who held what of an asset at the end of a day, in a time zone?
-- $1 asset (uuid), $2 day (date), $3 time zone, such as 'Europe/Berlin'
-- The instant at which the next day begins belongs to the next day: one microsecond less.
select holder_address, balance, percentage, frozen, wallet_frozen, since, complete
from api.holders_at_time($1::uuid, (($2::date + 1)::timestamp at time zone $3::text) - interval '1 microsecond')
order by balance_base desc, holder_bytes;
