-- Which violations of an asset were found in a period, and how did they end?
-- $1 asset (uuid), $2 from (timestamptz), $3 until, exclusive (timestamptz)
select v.detected_at, v.violation_type, v.user_id, v.details, v.resolution_type, v.resolved_at
from api.compliance_violations v
where v.asset_id = $1::uuid and v.detected_at >= $2::timestamptz and v.detected_at < $3::timestamptz
order by v.detected_at desc;
