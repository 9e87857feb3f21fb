set local lock_timeout = '500ms';
delete from app.kept_rights where object = 'app.find_violations(p_chain_id bigint)';
drop function app.find_violations(bigint), app.breaches(bigint);
drop index app.compliance_violations_found_idx;
