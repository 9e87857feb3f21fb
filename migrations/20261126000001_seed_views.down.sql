drop function ops.describe_views();
drop function api.wait_for_block(bigint, bigint, interval), api.check_eligibility(uuid, text, text, numeric);
drop view api.asset_analytics, api.asset_metrics, api.asset_compliance, api.compliance_rules, api.compliance_modules,
    api.transaction_logs;
do $$
declare
    place record;
begin
    for place in
        select a.attrelid::regclass as view, a.attname as name from pg_attribute a
        where a.attrelid in ('api.drift'::regclass, 'api.evidence'::regclass) and a.attnum > 0
            or a.attrelid = 'api.checkpoints'::regclass and a.attname like 'verified\_%'
    loop
        execute format('comment on column %s.%I is null', place.view, place.name);
    end loop;
end
$$;
