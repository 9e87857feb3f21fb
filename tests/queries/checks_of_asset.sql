-- Which checks were made about an asset in a period, the newest first?
-- $1 asset (uuid), $2 from (timestamptz), $3 until, exclusive (timestamptz)
select timestamp, user_id, compliance_check, result, details
from app.compliance_logs
where asset_id = $1::uuid and timestamp >= $2::timestamptz and timestamp < $3::timestamptz
order by timestamp desc
limit 100;
