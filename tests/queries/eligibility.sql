-- Would this transfer be let through, and if not, why?
-- $1 asset (uuid), $2 sender (0x text), $3 recipient (0x text), $4 amount in base units (numeric)
select eligible, reasons from api.check_eligibility($1::uuid, $2::text, $3::text, $4::numeric);
