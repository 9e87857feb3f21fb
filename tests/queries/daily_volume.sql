-- What was moved each day, and what stood at its end, days without a transfer included?
-- $1 asset (uuid), $2 first day (date), $3 last day (date)
select day, transfers, minted_base, burned_base, volume_base, total_supply_base, holders, frozen_base, concentration
from api.daily_series($1::uuid, $2::date, $3::date)
order by day;
