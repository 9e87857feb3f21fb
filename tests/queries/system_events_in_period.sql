-- What did the indexer do in a period that somebody should know of, the newest first?
-- $1 from (timestamptz), $2 until, exclusive (timestamptz)
select timestamp, chain_id, event_type, severity, event_data
from api.system_events
where timestamp >= $1::timestamptz and timestamp < $2::timestamptz and severity <> 'info'
order by timestamp desc
limit 100;
