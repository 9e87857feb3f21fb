-- What was written down in five years: actions, logins, accesses, checks, violations, and the trail of changes. Ids rise with
-- time, as far as the tables let them.
set session_replication_role = replica;
set synchronous_commit = off;
set work_mem = '256MB';
insert into app.user_actions (id, tenant_id, user_id, action_type, resource, details, timestamp, ip_address, user_agent)
select lpad(to_hex(i), 32, '0')::uuid, p.tenant, p.id, (array['view', 'transfer', 'export', 'login', 'change'])[1 + i % 5],
    'assets/' || i % 1000, '{"page": 1}', now() - interval '1825 days' * (1 - i / $USER_ACTIONS$::double precision),
    inet '10.0.0.0' + i % 65536, 'Mozilla/5.0 (X11; Linux x86_64)'
from generate_series(0::bigint, $USER_ACTIONS$ - 1) i join bench.person p on p.n = i * 7919 % $USERS$
order by i;
insert into app.login_history (id, tenant_id, user_id, login_method, timestamp, success, failure_reason)
select lpad(to_hex(i), 32, '0')::uuid, p.tenant, p.id, 'password',
    now() - interval '1825 days' * (1 - i / ($USER_ACTIONS$ / 10)::double precision), i % 20 <> 0, case when i % 20 = 0 then 'wrong password' end
from generate_series(0::bigint, $USER_ACTIONS$ / 10 - 1) i join bench.person p on p.n = i * 7919 % $USERS$
order by i;
insert into app.access_logs (id, tenant_id, user_id, resource, action, result, timestamp)
select lpad(to_hex(i), 32, '0')::uuid, p.tenant, p.id, 'holders', 'read', 'allowed',
    now() - interval '1825 days' * (1 - i / ($USER_ACTIONS$ / 10)::double precision)
from generate_series(0::bigint, $USER_ACTIONS$ / 10 - 1) i join bench.person p on p.n = i * 7919 % $USERS$
order by i;
insert into app.compliance_logs (id, tenant_id, asset_id, user_id, compliance_check, result, details, timestamp)
select lpad(to_hex(i), 32, '0')::uuid, p.tenant, a.id, p.id, (array['kyc', 'aml', 'transfer', 'country'])[1 + i % 4],
    case when i % 20 = 0 then 'failed' else 'passed' end, '{"source": "check"}',
    now() - interval '1825 days' * (1 - i / $COMPLIANCE_LOGS$::double precision)
from generate_series(0::bigint, $COMPLIANCE_LOGS$ - 1) i join bench.person p on p.n = i * 7919 % $USERS$
join bench.asset a on a.n = (p.n % 4 + 4 * (i / 4 * 104729 % ($ASSETS$ / 4)))
order by i;
-- One in a hundred checks found a violation; the newest tenth of them is open.
insert into app.compliance_violations (id, tenant_id, asset_id, user_id, violation_type, details, detected_at, detected_by)
select lpad(to_hex(i), 32, '0')::uuid, l.tenant_id, l.asset_id, l.user_id, l.compliance_check || '_failed', l.details, l.timestamp, 'officer'
from generate_series(0::bigint, $COMPLIANCE_LOGS$ - 1, 100) i
join app.compliance_logs l on l.id = lpad(to_hex(i), 32, '0')::uuid
order by i;
insert into app.violation_resolutions (violation_id, detected_at, tenant_id, resolution_type, resolved_by, resolved_at)
select v.id, v.detected_at, v.tenant_id, 'corrected', 'officer', v.detected_at + interval '1 day'
from app.compliance_violations v where v.detected_at < now() - interval '180 days';
insert into app.audit_trail (tenant_id, entity_type, entity_id, action, old_state, new_state, timestamp, actor, login, transaction_id)
select p.tenant, (array['user_settings', 'sessions', 'user_roles', 'onboarding_state'])[1 + i % 4], p.id::text, 'update',
    '{"theme": "dark"}', '{"theme": "light"}', now() - interval '1825 days' * (1 - i / $AUDIT_ROWS$::double precision), 'clerk ' || i % 20,
    'application', i
from generate_series(0::bigint, $AUDIT_ROWS$ - 1) i join bench.person p on p.n = i * 7919 % $USERS$
order by i;
