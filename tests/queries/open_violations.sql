-- Which violations of an asset are open?
-- $1 asset (uuid)
select v.id, v.violation_type, v.user_id, v.details, v.detected_at
from api.compliance_violations v
where v.asset_id = $1::uuid and v.resolved_at is null
order by v.detected_at desc;
