-- What was moved each day, days without a transfer included?
-- $1 asset (uuid), $2 first day (timestamptz), $3 last day (timestamptz)
select d.day, coalesce((n.data ->> 'transfers')::bigint, 0) as transfers,
    coalesce((n.data ->> 'volume_base')::numeric, 0) as volume_base
from generate_series(date_trunc('day', $2::timestamptz, 'UTC'), $3::timestamptz, interval '1 day') d (day)
left join api.asset_analytics n on n.asset_id = $1::uuid and n.timestamp = d.day
order by d.day;
