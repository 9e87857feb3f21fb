-- What did a user do in a period, the newest first?
-- $1 user (uuid), $2 from (timestamptz), $3 until, exclusive (timestamptz)
select timestamp, action_type, resource, details, ip_address
from app.user_actions
where user_id = $1::uuid and timestamp >= $2::timestamptz and timestamp < $3::timestamptz
order by timestamp desc
limit 100;
